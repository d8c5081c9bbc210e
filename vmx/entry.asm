; SPDX-License-Identifier: BSD-2-Clause
; The world switch and nothing else: general registers of the host and of the guest change places.
; Everything else that a guest has is in the VMCS or was loaded with the vCPU.

%include "vmx/asm_offsets.inc"

default rel
section .text

; Nothing of the guest's is left in a register but RDI, RSI, RBP and RSP.
%macro ZERO_GUEST 0
	xor eax, eax
	xor ecx, ecx
	xor edx, edx
	xor ebx, ebx
	xor r8d, r8d
	xor r9d, r9d
	xor r10d, r10d
	xor r11d, r11d
	xor r12d, r12d
	xor r13d, r13d
	xor r14d, r14d
	xor r15d, r15d
%endmacro

; Where the guest's register number %1 is kept, off the struct vmx_vcpu in %2.
%define GPR(v, n) qword [v + VCPU_GPR + 8 * (n)]

	extern vmx_exited
	extern vmx_not_entered

; enum exit_action vmx_enter(struct vmx_vcpu *x, struct pcpu *p)
; In: RDI x, RSI p; x's VMCS is current, interrupts are disabled. Out: goes on in vmx_exited(x), or where the guest
; did not run in vmx_not_entered(x, why); these return to the caller. Clobbers all but RSP and RBP (hv/ops.h, vcpu_run),
; zeroed after a guest ran, so that no value of a guest's is left for speculation.
global vmx_enter
vmx_enter:
	push rbp
	push rdi		; x, for the way out

	cmp rsp, [rdi + VMX_HOST_RSP]
	je .host_rsp_set
	mov eax, VMCS_HOST_RSP
	vmwrite rax, rsp
	jna vmx_entry_failed
	mov [rdi + VMX_HOST_RSP], rsp
.host_rsp_set:

; From here to the end of the window an NMI's handler returns to vmx_nmi_restart: what it came to tell would
; otherwise wait until the next exit.
global vmx_nmi_window_start
vmx_nmi_window_start:
	mov eax, [rdi + VCPU_REQUESTS]
	or eax, [rsi + PCPU_REQUESTS]
	jnz vmx_nmi_restart
	mov rax, GPR(rdi, GPR_RAX)
	mov rcx, GPR(rdi, GPR_RCX)
	mov rdx, GPR(rdi, GPR_RDX)
	mov rbx, GPR(rdi, GPR_RBX)
	mov rbp, GPR(rdi, GPR_RBP)
	mov rsi, GPR(rdi, GPR_RSI)
	mov r8, GPR(rdi, 8)
	mov r9, GPR(rdi, 9)
	mov r10, GPR(rdi, 10)
	mov r11, GPR(rdi, 11)
	mov r12, GPR(rdi, 12)
	mov r13, GPR(rdi, 13)
	mov r14, GPR(rdi, 14)
	mov r15, GPR(rdi, 15)
	mov rdi, GPR(rdi, GPR_RDI)
	vmresume
	; Refused: only the flags have changed. A VMCS that was cleared wants VMLAUNCH, once.
	mov edi, VMCS_VM_INSTRUCTION_ERROR
	vmread rdi, rdi
	cmp edi, VMX_ERROR_NOT_LAUNCHED
	jne vmx_entry_failed
	mov rdi, [rsp]		; x
	mov rdi, GPR(rdi, GPR_RDI)
	vmlaunch
global vmx_nmi_window_end
vmx_nmi_window_end:

vmx_entry_failed:
	mov esi, VMX_ENTRY_FAILED
	jmp not_entered

; In: RSP as vmx_enter left it; everything else undefined.
global vmx_nmi_restart
vmx_nmi_restart:
	mov esi, VMX_ENTRY_REQUESTED

; In: ESI why; RSP as vmx_enter left it.
not_entered:
	ZERO_GUEST
	pop rdi			; x
	pop rbp
	jmp vmx_not_entered

; VMCS_HOST_RIP of a VM whose memory may be absent. As vmx_exit_entry, to which it goes on; keeps CR2.
global vmx_exit_keeping_cr2
vmx_exit_keeping_cr2:
	push rdi
	push rax
	mov rdi, [rsp + 16]	; x
	mov rax, cr2
	mov [rdi + VCPU_CR2_KEPT], rax
	pop rax
	pop rdi

; VMCS_HOST_RIP. In: RSP is VMCS_HOST_RSP, general registers are the guest's, RFLAGS is 2.
global vmx_exit_entry
vmx_exit_entry:
	push rdi
	mov rdi, [rsp + 8]	; x
	mov GPR(rdi, GPR_RAX), rax
	mov GPR(rdi, GPR_RCX), rcx
	mov GPR(rdi, GPR_RDX), rdx
	mov GPR(rdi, GPR_RBX), rbx
	mov GPR(rdi, GPR_RBP), rbp
	mov GPR(rdi, GPR_RSI), rsi
	mov GPR(rdi, 8), r8
	mov GPR(rdi, 9), r9
	mov GPR(rdi, 10), r10
	mov GPR(rdi, 11), r11
	mov GPR(rdi, 12), r12
	mov GPR(rdi, 13), r13
	mov GPR(rdi, 14), r14
	mov GPR(rdi, 15), r15
	pop GPR(rdi, GPR_RDI)
	ZERO_GUEST
	xor esi, esi
	pop rdi			; x
	pop rbp
	jmp vmx_exited
