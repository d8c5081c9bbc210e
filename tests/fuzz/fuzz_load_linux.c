/* SPDX-License-Identifier: BSD-2-Clause */
/* Linux kernels. The input is the head of the file; what its header claims beyond that isn't there. */
#include "load_any.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	load_any(BOOT_LINUX, false, data, size);
	return 0;
}
