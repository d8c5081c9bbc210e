; SPDX-License-Identifier: BSD-2-Clause
; The world switch: general registers and VMRUN. The rest of the guest's state is in its VMCB, or was loaded by
; VMLOAD when the vCPU became current; RAX and RSP are in the VMCB.

%include "svm/asm_offsets.inc"

	bits 64
	section .text

; enum exit_action svm_enter(struct vcpu *v)
;
; In:  RDI the vCPU; GIF 0, IF 1 (with V_INTR_MASKING the host's IF at VMRUN lets its interrupts end the guest).
; Out: the guest's registers in the vCPU; goes on in svm_exited(v), which returns to the caller. GIF 0, IF 1.
; Clobbers all but RSP and RBP: hv/ops.h, vcpu_run. Every other register that isn't an argument is zeroed, so that no
; value of a guest's is left for speculation.
;
; VMRUN loads the interrupt shadow from the VMCB (APM Vol. 2, "Interrupt Shadows"), but QEMU's TCG doesn't: there
; the guest inherits the host's. So where one is wanted an STI goes directly before VMRUN, and else no STI may.
	extern	svm_exited
	global	svm_enter
svm_enter:
	push	rbp
	push	rdi
	mov	rax, [rdi + SVM_VMCB_PA]
	test	byte [rdi + SVM_INT_STATE], INT_STATE_SHADOW	; ZF lasts: MOV leaves the flags alone
	mov	rcx, [rdi + VCPU_RCX]
	mov	rdx, [rdi + VCPU_RDX]
	mov	rbx, [rdi + VCPU_RBX]
	mov	rbp, [rdi + VCPU_RBP]
	mov	rsi, [rdi + VCPU_RSI]
	mov	r8, [rdi + VCPU_R8]
	mov	r9, [rdi + VCPU_R9]
	mov	r10, [rdi + VCPU_R10]
	mov	r11, [rdi + VCPU_R11]
	mov	r12, [rdi + VCPU_R12]
	mov	r13, [rdi + VCPU_R13]
	mov	r14, [rdi + VCPU_R14]
	mov	r15, [rdi + VCPU_R15]
	mov	rdi, [rdi + VCPU_RDI]
	jz	.run
	sti
.run:
	vmrun			; of the VMCB at RAX
	mov	rax, [rsp]		; #VMEXIT restored the host's RAX, RSP, RFLAGS, segments and CRs
	mov	[rax + VCPU_RCX], rcx
	mov	[rax + VCPU_RDX], rdx
	mov	[rax + VCPU_RBX], rbx
	mov	[rax + VCPU_RBP], rbp
	mov	[rax + VCPU_RSI], rsi
	mov	[rax + VCPU_RDI], rdi
	mov	[rax + VCPU_R8], r8
	mov	[rax + VCPU_R9], r9
	mov	[rax + VCPU_R10], r10
	mov	[rax + VCPU_R11], r11
	mov	[rax + VCPU_R12], r12
	mov	[rax + VCPU_R13], r13
	mov	[rax + VCPU_R14], r14
	mov	[rax + VCPU_R15], r15
	xor	ecx, ecx
	xor	edx, edx
	xor	ebx, ebx
	xor	esi, esi
	xor	r8d, r8d
	xor	r9d, r9d
	xor	r10d, r10d
	xor	r11d, r11d
	xor	r12d, r12d
	xor	r13d, r13d
	xor	r14d, r14d
	xor	r15d, r15d
	pop	rdi
	pop	rbp
	jmp	svm_exited
