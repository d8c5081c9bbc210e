/* SPDX-License-Identifier: BSD-2-Clause */
/* Flat images: any bytes. */
#include "load_any.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	load_any(BOOT_FLAT, true, data, size);
	return 0;
}
