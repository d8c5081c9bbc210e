; SPDX-License-Identifier: BSD-2-Clause
; Entry stubs of all 256 vectors, 16 bytes each so that C finds stub n at trap_stubs + 16 * n. They complete
; struct trap_frame (hv/trap.h) and call trap_dispatch(frame). Nothing here depends on GS, FS or TR.

extern trap_dispatch
global trap_stubs

EXC_WITH_ERROR	equ 0x60227d00		; as in hv/x86/desc.h: vectors that push an error code
STUB_SIZE	equ 16

section .text

	align 16
trap_stubs:
%assign vector 0
%rep 256
	align STUB_SIZE
%if vector >= 32 || !((EXC_WITH_ERROR >> vector) & 1)
	push 0				; in place of the error code
%endif
	push vector
	jmp near trap_common
%assign vector vector + 1
%endrep

; In: the CPU's frame, error code and vector on the stack, any direction flag. Restores every register; the
; frame that trap_dispatch left is what IRETQ returns to. RBP stays the interrupted code's, for backtraces.
	align 16
trap_common:
	push rax
	push rcx
	push rdx
	push rbx
	push rbp
	push rsi
	push rdi
	push r8
	push r9
	push r10
	push r11
	push r12
	push r13
	push r14
	push r15
	cld
	mov rdi, rsp
	call trap_dispatch
	pop r15
	pop r14
	pop r13
	pop r12
	pop r11
	pop r10
	pop r9
	pop r8
	pop rdi
	pop rsi
	pop rbp
	pop rbx
	pop rdx
	pop rcx
	pop rax
	add rsp, 16			; vector, error code
	iretq
