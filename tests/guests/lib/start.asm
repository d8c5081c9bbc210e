; SPDX-License-Identifier: BSD-2-Clause
; Entries of a tiny guest, in 32-bit and in 64-bit mode, and its exception and interrupt stubs.

%include "tests/guests/lib/long_mode.inc"

default rel
extern guest_main, guest_trap, bss_start, guest_end
global start, guest_stubs

section .head progbits alloc exec align=16
bits 32
; In: ESI = zero page. The 32-bit entry of the protocol, which GRUB on BIOS takes; Ingot takes the other.
head:   jmp start32
        times 0x200 - ($ - head) db 0xf4

bits 64
; In: RSI = zero page. 64-bit mode, identity map, interrupts off.
start:
        lea rdi, [bss_start]            ; after a reset, memory is as the last run left it
        lea rcx, [guest_end]
        sub rcx, rdi
        xor eax, eax
        cld
        rep stosb
        lea rsp, [stack_top]
        mov rdi, rsi
        call guest_main
.halt:  cli
        hlt
        jmp .halt

section .text
start32:
        LONG_MODE from32
from32: mov esi, esi
        jmp start

; One stub a vector, 16 bytes each: pushes a zero where the CPU pushes no error code, then the vector.
align 16
guest_stubs:
%assign vector 0
%rep 256
        align 16
    %if vector = 8 || (vector >= 10 && vector <= 14) || vector = 17 || vector = 21
    %else
        push 0
    %endif
        push vector
        jmp stub_common
    %assign vector vector + 1
%endrep

; Builds struct trap (lib/guest.h) and calls guest_trap(struct trap *), which may change it.
stub_common:
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
        mov rdi, rsp
        mov rbx, rsp
        and rsp, -16
        cld
        call guest_trap
        mov rsp, rbx
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
        add rsp, 16
        iretq

section .bss nobits alloc write align=16
        resb 32768
stack_top:
