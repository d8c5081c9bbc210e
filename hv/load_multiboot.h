/* SPDX-License-Identifier: BSD-2-Clause */
/* What the headers of Multiboot 1 and Multiboot 2 have in common: address fields, in place of an ELF header. */
#pragma once

#include <stdint.h>
#include "hv/lib/status.h"

struct load;

/* As in the header, whose own place in the file is header_offset. load_end 0: the file's end; bss_end 0: no bss. */
struct multiboot_addresses {
	uint64_t header_offset;
	uint32_t header, load, load_end, bss_end;
};

/* Plans the one part that the fields describe. */
enum status multiboot_plan_addresses(struct load *l, const struct multiboot_addresses *a);
/* Plans an ELF kernel; l->entry is its entry point. */
enum status multiboot_plan_elf(struct load *l);
