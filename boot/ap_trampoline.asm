; SPDX-License-Identifier: BSD-2-Clause
; Where an application processor starts after its SIPI (SDM Vol. 3A, "Multiple-Processor (MP) Initialization"):
; from real mode by way of protected mode to long mode and the host's upper half. hv/smp.c copies it to a page
; below 1 MiB, with struct ap_params behind the code. It runs there, reads that page only and writes nothing.

%include "boot/asm_offsets.inc"

global ap_trampoline_start
global ap_trampoline_32
global ap_trampoline_64
global ap_trampoline_end

CR0_PE		equ 1 << 0
MSR_EFER	equ 0xc0000080

; Where a parameter is, from the start of the page.
%define PARAM(field) (ap_trampoline_end - ap_trampoline_start + AP_PARAMS_ %+ field)

section .rodata
	align 16
bits 16
; In: real mode, CS:IP = page:0000, interrupts off.
ap_trampoline_start:
	cli
	cld
	mov ax, cs
	mov ds, ax
	movzx ebx, ax
	shl ebx, 4			; EBX = linear address of the page, all the way
	o32 lgdt [PARAM(GDT)]
	mov eax, CR0_PE
	mov cr0, eax			; caches stay off until the host's CR0
	jmp far dword [PARAM(JUMP32)]

bits 32
; In: 32-bit code segment, paging off, EBX = the page.
ap_trampoline_32:
	mov eax, AP_SEL_DATA
	mov ds, eax
	mov es, eax
	mov ss, eax
	mov eax, [ebx + PARAM(CR4)]
	mov cr4, eax
	mov eax, [ebx + PARAM(CR3)]
	mov cr3, eax
	mov ecx, MSR_EFER
	mov eax, [ebx + PARAM(EFER)]
	xor edx, edx
	wrmsr
	mov eax, [ebx + PARAM(CR0)]
	mov cr0, eax
	jmp far [ebx + PARAM(JUMP64)]

bits 64
; In: long mode, EBX = the page. Ends in entry(pcpu) on the CPU's own stack.
ap_trampoline_64:
	mov ebx, ebx
	mov rsp, [rbx + PARAM(STACK)]
	mov rdi, [rbx + PARAM(PCPU)]
	mov rax, [rbx + PARAM(ENTRY)]
	xor ebp, ebp			; ends backtraces
	call rax
	ud2
	align 16
ap_trampoline_end:
