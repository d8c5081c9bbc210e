/* SPDX-License-Identifier: BSD-2-Clause */
/* Offsets that svm/entry.asm shares with C. */
#include "hv/lib/asm_offset.h"
#include "svm/svm.h"

void asm_offsets(void);
void asm_offsets(void)
{
	ASM_OFFSET(VCPU_RCX, struct vcpu, gpr[RCX]);
	ASM_OFFSET(VCPU_RDX, struct vcpu, gpr[RDX]);
	ASM_OFFSET(VCPU_RBX, struct vcpu, gpr[RBX]);
	ASM_OFFSET(VCPU_RBP, struct vcpu, gpr[RBP]);
	ASM_OFFSET(VCPU_RSI, struct vcpu, gpr[RSI]);
	ASM_OFFSET(VCPU_RDI, struct vcpu, gpr[RDI]);
	ASM_OFFSET(VCPU_R8, struct vcpu, gpr[R8]);
	ASM_OFFSET(VCPU_R9, struct vcpu, gpr[R9]);
	ASM_OFFSET(VCPU_R10, struct vcpu, gpr[R10]);
	ASM_OFFSET(VCPU_R11, struct vcpu, gpr[R11]);
	ASM_OFFSET(VCPU_R12, struct vcpu, gpr[R12]);
	ASM_OFFSET(VCPU_R13, struct vcpu, gpr[R13]);
	ASM_OFFSET(VCPU_R14, struct vcpu, gpr[R14]);
	ASM_OFFSET(VCPU_R15, struct vcpu, gpr[R15]);
	ASM_OFFSET(SVM_VMCB_PA, struct svm_vcpu, vmcb_pa);
	ASM_OFFSET(SVM_INT_STATE, struct svm_vcpu, vmcb.int_state);
	ASM_CONST(INT_STATE_SHADOW, INT_STATE_SHADOW);
}
