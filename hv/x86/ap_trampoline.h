/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What hv/smp.c hands to boot/ap_trampoline.asm: the copy's parameter block, which follows the code. Both
 * sides know its layout through boot/asm_offsets.c.
 */
#pragma once

#include <stdint.h>

/* Operand of a far jump through memory with 32-bit operand size. */
struct ap_far_pointer {
	uint32_t offset;
	uint16_t selector;
} __attribute__((packed));

enum ap_selector { AP_SEL_CODE64 = 0x08, AP_SEL_DATA = 0x10, AP_SEL_CODE32 = 0x18, AP_GDT_BYTES = 0x20 };

struct ap_params {
	uint16_t gdt_limit; /* LGDT's operand: limit, linear address */
	uint32_t gdt_base;
	struct ap_far_pointer jump32, jump64;
	uint32_t cr3, cr4;    /* below 4 GiB; maps the copy one to one, and the host's upper half */
	uint32_t efer, cr0;   /* EFER's low half: LME, NXE */
	uint64_t stack, pcpu; /* RSP, first argument */
	uint64_t entry;       /* C function, host address */
	uint64_t gdt[AP_GDT_BYTES / 8] __attribute__((aligned(8)));
} __attribute__((packed));

extern const char ap_trampoline_start[], ap_trampoline_32[], ap_trampoline_64[], ap_trampoline_end[];
