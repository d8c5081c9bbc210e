/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads a Multiboot2 loader's information into a boot_info. Pure: it touches nothing but its arguments.
 * The structure is not trusted: whatever is broken in it is left out and named in boot_info.error.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include "hv/boot_info.h"

/*
 * Fills *out, all of it but path and image_pa, from the structure at info. At most `limit` bytes from there
 * may be read. Modules that overlap [image_pa, image_pa + image_size) are refused. Of several mistakes, error
 * names the first.
 */
void multiboot2_parse(struct boot_info *out, const void *info, size_t limit, uint64_t image_pa,
		      uint64_t image_size);
