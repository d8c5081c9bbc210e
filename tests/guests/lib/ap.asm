; SPDX-License-Identifier: BSD-2-Clause
; Where a further vCPU of a tiny guest starts after its SIPI. lib/smp.c copies the code to the page that a test
; names; it goes from real mode straight to 64-bit mode and calls guest_ap_main(id, page).

default rel
extern guest_ap_main
global guest_ap_code, guest_ap_code_end, guest_ap_params

%define STACK_SIZE      2048
%define AP_MAX          64
%define MSR_EFER        0xc0000080
%define CS64            8
%define DS64            16

section .data
align 16
gdt:    dq 0, 0x00af9b000000ffff, 0x00cf93000000ffff
gdt_end:

section .text
bits 16
align 16
guest_ap_code:
        cli
        mov bx, cs                      ; says which page it was
        mov ds, bx
        o32 lgdt [gdtr - guest_ap_code]
        mov eax, [guest_ap_params.cr3 - guest_ap_code]
        mov cr3, eax
        mov eax, [guest_ap_params.cr4 - guest_ap_code]
        mov cr4, eax
        mov ecx, MSR_EFER
        xor edx, edx
        mov eax, [guest_ap_params.efer - guest_ap_code]
        wrmsr
        mov eax, [guest_ap_params.cr0 - guest_ap_code]
        mov cr0, eax
        jmp dword CS64:ap_long
align 4
gdtr:   dw gdt_end - gdt - 1
        dd gdt
guest_ap_params:                        ; written into each copy: the boot CPU's
.cr3:   dd 0
.cr4:   dd 0
.efer:  dd 0
.cr0:   dd 0
guest_ap_code_end:

bits 64
; In: BX = CS after the SIPI. Each vCPU has the stack of its APIC ID.
ap_long:
        mov ax, DS64
        mov ds, ax
        mov es, ax
        mov ss, ax
        movzx r8d, bx
        mov eax, 1
        cpuid
        shr ebx, 24
        mov edi, ebx
        mov esi, r8d
        shr esi, 8
        lea eax, [rbx + 1]
        imul eax, STACK_SIZE
        lea rsp, [stacks]
        add rsp, rax
        call guest_ap_main
.halt:  cli
        hlt
        jmp .halt

section .bss nobits alloc write align=16
stacks: resb STACK_SIZE * AP_MAX
