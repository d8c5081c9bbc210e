/* SPDX-License-Identifier: BSD-2-Clause */
/* Constants that the .asm files here share with C. */
#include "boot/boot.h"
#include "hv/lib/asm_offset.h"
#include "hv/pcpu.h"

void asm_offsets(void);
void asm_offsets(void)
{
	ASM_CONST(STACK_SLOT_SIZE, STACK_SLOT_SIZE);
	ASM_CONST(MB2_MAGIC_HEADER, MB2_MAGIC_HEADER);
	ASM_CONST(BOOT_MAGIC_EFI, BOOT_MAGIC_EFI);
}
