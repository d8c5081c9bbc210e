/* SPDX-License-Identifier: BSD-2-Clause */
/* ELF kernels with a PVH note, and so ELF files of every kind. */
#include "load_any.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	load_any(BOOT_PVH, false, data, size);
	return 0;
}
