; SPDX-License-Identifier: BSD-2-Clause
; The way of a further vCPU of a tiny guest from its SIPI to 64-bit mode. smp.c copies this to AP_PAGE.

global ap_code, ap_code_end, ap_params
AP_PAGE equ 0x10000                     ; smp.c has the same

section .text
; In: real mode, CS:IP = AP_PAGE. Out: ap_params.entry(ap_params.id) on ap_params.stack, interrupts off.
bits 16
ap_code:
        cli
        mov ax, cs
        mov ds, ax
        o32 lgdt [ap_gdtr - ap_code]
        mov eax, [ap_params.cr3 - ap_code]
        mov cr3, eax
        mov eax, [ap_params.cr4 - ap_code]
        mov cr4, eax
        mov ecx, 0xc0000080             ; EFER
        mov eax, [ap_params.efer - ap_code]
        xor edx, edx
        wrmsr
        mov eax, [ap_params.cr0 - ap_code]
        mov cr0, eax
        jmp dword 0x8:AP_PAGE + (.long - ap_code)
bits 64
.long:  mov eax, 0x10
        mov ds, eax
        mov es, eax
        mov ss, eax
        mov rsp, [abs AP_PAGE + (ap_params.stack - ap_code)]
        mov rdi, [abs AP_PAGE + (ap_params.id - ap_code)]
        call [abs AP_PAGE + (ap_params.entry - ap_code)]
.halt:  cli
        hlt
        jmp .halt

        align 8
ap_gdt: dq 0, 0x00af9b000000ffff, 0x00cf93000000ffff
ap_gdtr:
        dw $ - ap_gdt - 1
        dd AP_PAGE + (ap_gdt - ap_code)
        align 8
; struct ap_params of smp.c
ap_params:
.stack: dq 0
.entry: dq 0
.id:    dq 0
.cr3:   dd 0
.cr4:   dd 0
.efer:  dd 0
.cr0:   dd 0
ap_code_end:
