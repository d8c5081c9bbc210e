/* SPDX-License-Identifier: BSD-2-Clause */
/* Constants that the .asm files here share with C. */
#include "boot/boot.h"
#include "hv/lib/asm_offset.h"
#include "hv/pcpu.h"
#include "hv/x86/ap_trampoline.h"

void asm_offsets(void);
void asm_offsets(void)
{
	ASM_CONST(STACK_SLOT_SIZE, STACK_SLOT_SIZE);
	ASM_CONST(MB2_MAGIC_HEADER, MB2_MAGIC_HEADER);
	ASM_CONST(BOOT_MAGIC_EFI, BOOT_MAGIC_EFI);
	ASM_OFFSET(AP_PARAMS_GDT, struct ap_params, gdt_limit);
	ASM_OFFSET(AP_PARAMS_JUMP32, struct ap_params, jump32);
	ASM_OFFSET(AP_PARAMS_JUMP64, struct ap_params, jump64);
	ASM_OFFSET(AP_PARAMS_CR3, struct ap_params, cr3);
	ASM_OFFSET(AP_PARAMS_CR4, struct ap_params, cr4);
	ASM_OFFSET(AP_PARAMS_EFER, struct ap_params, efer);
	ASM_OFFSET(AP_PARAMS_CR0, struct ap_params, cr0);
	ASM_OFFSET(AP_PARAMS_STACK, struct ap_params, stack);
	ASM_OFFSET(AP_PARAMS_PCPU, struct ap_params, pcpu);
	ASM_OFFSET(AP_PARAMS_ENTRY, struct ap_params, entry);
	ASM_CONST(AP_SEL_DATA, AP_SEL_DATA);
}
