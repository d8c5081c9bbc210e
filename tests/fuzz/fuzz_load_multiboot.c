/* SPDX-License-Identifier: BSD-2-Clause */
/* Multiboot 1 kernels, with address fields or as ELF. */
#include "load_any.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	load_any(BOOT_MULTIBOOT, false, data, size);
	return 0;
}
