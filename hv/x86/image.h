/* SPDX-License-Identifier: BSD-2-Clause */
/* The linker's symbols: where the parts of the image are. All page-aligned, ascending, without gaps. */
#pragma once

#include <stdint.h>

extern char image_start[];                /* its physical address is boot_info.image_pa */
extern char text_start[], text_end[];     /* read-execute */
extern char rodata_start[], rodata_end[]; /* read-only */
extern char data_start[], data_end[];     /* read-write; .bss included */
extern char image_end[];

/* The boot CPU's stack: one slot of STACK_SLOT_SIZE, aligned to that. Its last 8 bytes hold no frame. */
extern char boot_stack[], boot_stack_top[];
