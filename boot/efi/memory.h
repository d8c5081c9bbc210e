/* SPDX-License-Identifier: BSD-2-Clause */
/* The firmware's memory map, turned into boot_info's. Pure: unit-tested on the host. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "hv/boot_info.h"

/*
 * Appends the descriptors in map[map_size], `descriptor_size` bytes each, to info->mem; neighbours of one type are merged.
 * False: broken, or more than fit; info->error says so, and what fits is kept.
 */
bool efi_memory_convert(struct boot_info *info, const void *map, size_t map_size, size_t descriptor_size);
