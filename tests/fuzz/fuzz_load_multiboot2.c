/* SPDX-License-Identifier: BSD-2-Clause */
/* Multiboot 2 kernels. */
#include "load_any.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	load_any(BOOT_MULTIBOOT2, false, data, size);
	return 0;
}
