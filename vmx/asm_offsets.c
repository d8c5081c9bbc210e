/* SPDX-License-Identifier: BSD-2-Clause */
/* Constants that the .asm files here share with C. */
#include "hv/lib/asm_offset.h"
#include "vmx/vmx.h"

void asm_offsets(void);
void asm_offsets(void)
{
	ASM_OFFSET(VCPU_GPR, struct vmx_vcpu, base.gpr);
	ASM_OFFSET(VCPU_REQUESTS, struct vmx_vcpu, base.requests);
	ASM_OFFSET(VCPU_CR2_KEPT, struct vmx_vcpu, base.cr2_kept);
	ASM_OFFSET(VMX_HOST_RSP, struct vmx_vcpu, host_rsp);
	ASM_OFFSET(PCPU_REQUESTS, struct pcpu, requests);
	ASM_CONST(VMCS_HOST_RSP, VMCS_HOST_RSP);
	ASM_CONST(VMCS_VM_INSTRUCTION_ERROR, VMCS_VM_INSTRUCTION_ERROR);
	ASM_CONST(VMX_ERROR_NOT_LAUNCHED, VMX_ERROR_NOT_LAUNCHED);
	ASM_CONST(VMX_ENTRY_REQUESTED, VMX_ENTRY_REQUESTED);
	ASM_CONST(VMX_ENTRY_FAILED, VMX_ENTRY_FAILED);
	ASM_CONST(GPR_RAX, RAX);
	ASM_CONST(GPR_RCX, RCX);
	ASM_CONST(GPR_RDX, RDX);
	ASM_CONST(GPR_RBX, RBX);
	ASM_CONST(GPR_RBP, RBP);
	ASM_CONST(GPR_RSI, RSI);
	ASM_CONST(GPR_RDI, RDI);
}
