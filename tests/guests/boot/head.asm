; SPDX-License-Identifier: BSD-2-Clause
; The front of the guest `boot`: headers for Multiboot 1, Multiboot 2 and PVH in one ELF file, and their common 32-bit entry, which goes
; to 64-bit mode. With RAW there is a Multiboot 1 header alone, with the address fields, for a file that is no ELF.

%include "tests/guests/lib/long_mode.inc"

MB1_MAGIC       equ 0x1badb002
MB2_MAGIC       equ 0xe85250d6
%ifdef RAW
MB1_FLAGS       equ 0x10003             ; pages, memory, addresses
%else
MB1_FLAGS       equ 3
%endif

extern boot_main, bss_start, guest_end
global start32

section .head progbits alloc exec align=8
bits 32
mb1:    dd MB1_MAGIC, MB1_FLAGS, -(MB1_MAGIC + MB1_FLAGS)
%ifdef RAW
        dd mb1, 0x100000, bss_start, guest_end, start32
%else

align 8
mb2:    dd MB2_MAGIC, 0, mb2_end - mb2, -(MB2_MAGIC + (mb2_end - mb2))
        dw 1, 0                         ; information: command line, modules, memory, map, RSDP
        dd 28, 1, 3, 4, 6, 15
        align 8
        dw 3, 0                         ; entry point
        dd 12, start32
        align 8
        dw 5, 1                         ; a framebuffer, if there is one
        dd 20, 1024, 768, 32
        align 8
        dw 6, 0                         ; modules on pages
        dd 8
        dw 0x1234, 1                    ; what nobody knows, and nobody needs to
        dd 9
        db 1
        align 8
        dw 0, 0
        dd 8
mb2_end:
%endif

section .note.Xen note alloc align=4
        dd 4, 4, 18                     ; XEN_ELFNOTE_PHYS32_ENTRY
        db "Xen", 0
        dd start32

section .text
bits 32
; In: EAX, EBX by the protocol; protected mode, no paging.
start32:
        mov [entry_state], eax
        mov [entry_state + 4], ebx
        mov esp, stack_top
        pushfd
        pop dword [entry_state + 8]
        mov eax, cr0
        mov [entry_state + 12], eax
        mov eax, cr4
        mov [entry_state + 16], eax
        LONG_MODE start64

start64:
        mov rsp, stack_top
        mov edi, entry_state
        call boot_main
.halt:  cli
        hlt
        jmp .halt

section .bss nobits alloc write align=4096
entry_state:
        resd 5
        align 16, resb 1
        resb 4096
stack_top:
