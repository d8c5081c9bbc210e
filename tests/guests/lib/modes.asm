; SPDX-License-Identifier: BSD-2-Clause
; What the guest `modes` does in each mode of the CPU, and the ways into each mode and back. Pieces of code write what
; they find as 32-bit words to ES:(E)DI, and return.
;
; Each piece finds: ES flat with 4 GiB, DS and SS with base 0, FS and GS with the bases of modes.c, all of 4 GiB but DS
; and SS in real mode; interrupts off.

LAPIC           equ 0xfee00000
LAPIC_EOI       equ LAPIC + 0xb0
LAPIC_ICR       equ LAPIC + 0x300
LAPIC_SCRATCH   equ LAPIC + 0x380       ; the masked timer's initial count
SELF_IPI        equ 0x44050             ; vector 50h
PIC1_MASK       equ 0x21
MSR_APIC_BASE   equ 0x1b
MSR_EFER        equ 0xc0000080

; modes.c has the same.
LOW             equ 0x8000              ; where the 16-bit code is copied to
RESULTS         equ 0x9000
COUNT           equ 0x9100              ; interrupts
TARGET          equ 0x9104              ; the piece that is to run
RESUME          equ 0x9108              ; where a fault goes on
REAL_STACK      equ 0x7000

CODE64          equ 0x08                ; in the GDT of long mode
CODE32          equ 0x08                ; in the one of mode32.h
FLAT            equ 0x10
CODE16          equ 0x20
DATA16          equ 0x28
SEG_FS          equ 0x30
SEG_GS          equ 0x38
COMPAT32        equ 0x40

%define AT_LOW(label) (LOW + (label) - low)

; --- pieces for every mode; %1: bits of the code ---

%define FLAT_AT(place) es:place

; Instructions that a hypervisor may have to complete itself.
%macro EXITS 1
exits%1:
        xor eax, eax
        cpuid
        mov eax, ebx
        stosd
        mov al, 0xef
        out PIC1_MASK, al
        xor eax, eax
        in al, PIC1_MASK
        stosd
        mov al, 0xff
        out PIC1_MASK, al
        mov ebx, LAPIC_SCRATCH
        mov dword [FLAT_AT(ebx)], 0x12345678
        add dword [FLAT_AT(ebx)], 0x11111111
        mov eax, [FLAT_AT(ebx)]
        stosd
        mov ecx, MSR_APIC_BASE
        rdmsr
        and eax, 0xfffff000
        stosd
    %if %1 = 64
        mov rax, cr0
    %else
        mov eax, cr0
    %endif
        and eax, 0x80000001
        stosd
        xor eax, eax
        cpuid                           ; keeps the flags of XOR
        mov ebx, LAPIC_SCRATCH
        mov ecx, [FLAT_AT(ebx)]
        pushf
    %if %1 = 16
        pop ax
        movzx eax, ax
    %elif %1 = 32
        pop eax
    %else
        pop rax
    %endif
        and eax, 0x8d5
        xor eax, 0x44                   ; ZF, PF: zero if all is well
        stosd
        ret
%endmacro

; By the APIC while it runs and while it is halted, and by INT.
%macro INTERRUPTS 1
interrupts%1:
        mov dword [abs COUNT], 0
        mov ebx, LAPIC_ICR
        mov dword [FLAT_AT(ebx)], SELF_IPI
        sti
        mov ecx, 1000
%%wait: cmp dword [abs COUNT], 0
        jne %%got
        pause
        dec ecx
        jnz %%wait
%%got:  cli
        mov eax, [abs COUNT]
        stosd
        mov dword [FLAT_AT(ebx)], SELF_IPI
        sti
        hlt
        cli
        mov eax, [abs COUNT]
        stosd
        int 0x50
        mov eax, [abs COUNT]
        stosd
        mov ebx, LAPIC_SCRATCH          ; the segment has kept its limit
        mov dword [FLAT_AT(ebx)], 0x5a5a5a5a
        mov eax, [FLAT_AT(ebx)]
        stosd
        ret
%endmacro

; Effective addresses of 32 bits beyond 4 GiB, and the sum with the segment's base beyond it.
%macro WRAP32 1
wrap32_%1:
        mov ebx, 0xffffffff
        mov esi, 0xffffff81
        mov dword [fs:ebx + esi], 0x32320001
        mov edx, LAPIC_SCRATCH
        mov eax, [es:edx]
        stosd
        ret
%endmacro

; Effective addresses of 16 bits beyond 64 KiB; SI wraps and leaves the rest of ESI alone.
%macro WRAP16 1
wrap16_%1:
        mov bx, 0xfffe
        mov si, 0xfffe
        mov dword [gs:bx + si], 0x16160001
        mov edx, LAPIC_SCRATCH
        mov eax, [es:edx]
        stosd
        mov dword [es:edx], 0x16160002
        mov esi, 0xdeadfffc
        cld
        a16 gs lodsd
        stosd
        mov eax, esi
        stosd
        ret
%endmacro

section .text align=16
global low, low_end
global exits16, interrupts16, wrap32_16, wrap16_16, far_exits, a20, segments, toggle, limits, interrupt16, fault16
low:
bits 16
        EXITS 16
        INTERRUPTS 16
        WRAP32 16
        WRAP16 16

; --- pieces for real mode ---

; CS with another base.
far_exits:
        call 0x800:.far - low
        ret
.far:   call exits16
        retf

; FFFF:0010 is 1 MiB, not 0.
a20:
        mov ax, 0xffff
        mov gs, ax
        mov ebx, 0x100000
        mov edx, [es:ebx]               ; to be put back
        mov ecx, [0]
        mov dword [gs:0x10], 0xa20a20a2
        mov eax, [es:ebx]
        stosd
        mov eax, [0]
        xor eax, ecx
        stosd
        mov [gs:0x10], edx
        ret

; A segment load changes the base and leaves the limit.
segments:
        mov ax, 0x1234
        mov ds, ax
        mov dword [0x10], 0x11223344
        mov ebx, 0x12350
        mov eax, [es:ebx]
        stosd
        mov ax, 0x20
        mov fs, ax
        mov ebx, 0x12350 - 0x200
        mov dword [fs:ebx], 0x55667788
        mov eax, [0x10]
        stosd
        xor ax, ax
        mov ds, ax
        mov bx, ss
        mov ax, 0x6f0
        mov ss, ax
        mov bp, sp
        sub sp, 0x6f00                  ; the same place, by another base
        pop ax                          ; the return address
        push ax
        mov ss, bx
        mov sp, bp
        sub ax, [bp]
        movzx eax, ax
        stosd
        ret

; Protection on and off; DS gets its base in protected mode, and keeps it.
toggle:
        mov cx, 1000
.again: mov eax, cr0
        or al, 1
        mov cr0, eax
        and al, 0xfe
        mov cr0, eax
        loop .again
        mov eax, cr0
        or al, 1
        mov cr0, eax
        mov bx, SEG_FS
        mov ds, bx
        mov eax, cr0
        and al, 0xfe
        mov cr0, eax
        mov ebx, 0xffffff80
        mov dword [ebx], 0x70661e00
        mov eax, [ebx]
        stosd
        mov dx, ds                      ; an exit in between
        xor eax, eax
        cpuid
        mov ebx, 0xffffff80
        mov eax, [ebx]
        stosd
        smsw ax
        or al, 1
        lmsw ax
        smsw ax
        and eax, 1
        stosd
        xor ax, ax                      ; LMSW doesn't clear PE
        lmsw ax
        smsw ax
        and eax, 1
        stosd
        mov eax, cr0
        and al, 0xfe
        mov cr0, eax
        xor ax, ax
        mov ds, ax
        ret

; Beyond a limit of 64 KiB.
limits:
        mov word [RESUME], AT_LOW(.on)
        mov ebx, 0x10000
        mov eax, [ebx]
        xor eax, eax
        stosd
.on:    mov word [RESUME], AT_LOW(.end)
        mov bx, 0xfffe
        mov eax, [bx]
        xor eax, eax
        stosd
.end:   ret

; Vectors of real mode: 50h, and a fault that goes on at RESUME.
interrupt16:
        inc dword [cs:COUNT]
        mov dword [es:dword LAPIC_EOI], 0
        iret
fault16:
        mov eax, 13
        stosd
        pop ax
        push word [RESUME]
        iret

; --- 16-bit ends of the ways ---

; From 32-bit mode, at its stack.
to_real:
        mov ax, FLAT
        mov es, ax
        mov ax, SEG_FS
        mov fs, ax
        mov ax, SEG_GS
        mov gs, ax
        mov ax, DATA16
        mov ds, ax
        mov ss, ax
        lidt [AT_LOW(real_idtr)]
        mov eax, cr0
        and al, 0xfe
        mov cr0, eax
        jmp 0:AT_LOW(.real)
.real:  xor ax, ax
        mov ds, ax
        mov ss, ax
        mov es, ax
        mov sp, REAL_STACK
        mov di, RESULTS
        call [TARGET]
        mov eax, cr0
        or al, 1
        mov cr0, eax
        jmp dword CODE32:back_in_32
to_prot16:
        mov edi, RESULTS
        call [TARGET]
        jmp dword CODE32:back_in_32
compat16:
        mov edi, RESULTS
        call [TARGET]
        jmp dword CODE64:back_in_64
real_idtr:
        dw 0x3ff
        dd 0
low_end:

; --- 32-bit code: the ways from mode32_call ---
bits 32
global exits32, interrupts32, wrap32_32, wrap16_32, pae, two_level, interrupt32, fault32
global run_real, run_prot16, run_prot32
        EXITS 32
        INTERRUPTS 32
        WRAP32 32
        WRAP16 32

load_segments:
        mov ax, SEG_FS
        mov fs, ax
        mov ax, SEG_GS
        mov gs, ax
        ret
run_real:
        mov [saved_esp], esp
        jmp CODE16:AT_LOW(to_real)
run_prot16:
        mov [saved_esp], esp
        call load_segments
        jmp CODE16:AT_LOW(to_prot16)
run_prot32:
        mov [saved_esp], esp
        call load_segments
        mov edi, RESULTS
        call [TARGET]
back_in_32:
        mov ax, FLAT
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov fs, ax
        mov gs, ax
        mov esp, [saved_esp]
        lidt [idtr32]
        ret

interrupt32:
        inc dword [COUNT]
        mov dword [es:LAPIC_EOI], 0
        iretd
; #PF, #GP: writes the error code and CR2, and goes on at RESUME. Clobbers EAX.
fault32:
        pop eax
        stosd
        mov eax, cr2
        stosd
        mov eax, [RESUME]
        mov [esp], eax
        iretd

; %1: a label behind the instruction that faults
%macro FAULTS_TO 1
        mov dword [RESUME], %1
%endmacro

extern pae_table, pae_bad_table, pae_second, pae_alias, two_level_table

CR0_PG          equ 1 << 31
CR0_WP          equ 1 << 16
CR4_PSE         equ 1 << 4
CR4_PAE         equ 1 << 5

; EDX: CR4_PAE or CR4_PSE; ESI: the table.
paging_on:
        mov eax, cr4
        and eax, ~(CR4_PAE | CR4_PSE)
        or eax, edx
        mov cr4, eax
        mov eax, cr3
        mov [saved_cr3], eax
        mov cr3, esi
        mov eax, cr0
        or eax, CR0_PG | CR0_WP
        mov cr0, eax
        ret
paging_off:
        mov eax, cr0
        and eax, ~(CR0_PG | CR0_WP)
        mov cr0, eax
        mov eax, [saved_cr3]
        mov cr3, eax
        mov eax, cr4
        and eax, ~(CR4_PAE | CR4_PSE)
        mov cr4, eax
        ret

; PAE: modes.c has the tables. The second GiB is absent at first.
pae:
        mov ecx, MSR_EFER
        rdmsr
        or eax, 0x800                   ; NXE
        wrmsr
        mov edx, CR4_PAE
        mov esi, pae_table
        call paging_on
        call exits32
        call interrupts32
        call wrap32_32
        FAULTS_TO .absent
        mov eax, [0x40000000]
.absent:
        mov eax, [pae_second]
        mov [pae_table + 8], eax
        mov eax, cr3
        mov cr3, eax
        mov eax, [0x40000000 + COUNT]
        stosd
        FAULTS_TO .read_only
        mov [0x40000000 + COUNT], eax
.read_only:
        mov dword [0x40200000 + LAPIC_SCRATCH - LAPIC], 0x9ae00001
        add dword [0x40200000 + LAPIC_SCRATCH - LAPIC], 1
        mov eax, [LAPIC_SCRATCH]
        stosd
        mov eax, [pae_alias + 8]
        and eax, 0x60                   ; accessed, dirty
        stosd
        FAULTS_TO .no_execute
        mov ebp, esp
        mov eax, 0x40400000 + LOW
        call eax
.no_execute:
        mov esp, ebp
        call paging_off
        ret

; A directory that is not valid, of a GiB that nobody uses: what the CPU says to it is its maker's choice.
global pae_bad
pae_bad:
        mov edx, CR4_PAE
        mov esi, pae_bad_table
        FAULTS_TO .on
        call paging_on
.on:    mov esp, [saved_esp]
        sub esp, 4                      ; as this piece was called
        mov eax, cr0
        shr eax, 31
        stosd
        test eax, eax
        jz .again
        FAULTS_TO .again
        mov eax, cr3
        mov cr3, eax
.again: mov eax, 0x600d
        stosd
        call paging_off
        ret

; Tables of two levels with 4 MiB and 4 KiB pages.
two_level:
        mov edx, CR4_PSE
        mov esi, two_level_table
        call paging_on
        call exits32
        call interrupts32
        call wrap32_32
        mov eax, [0x40000000 + COUNT - RESULTS]
        stosd
        FAULTS_TO .read_only
        mov [0x40000000 + COUNT - RESULTS], eax
.read_only:
        mov dword [0x40001000 + LAPIC_SCRATCH - LAPIC], 0x21e70001
        mov eax, [LAPIC_SCRATCH]
        stosd
        FAULTS_TO .absent
        mov eax, [0x40002000]
.absent:
        FAULTS_TO .crossing
        mov eax, [0x40001ffe]           ; begins on a device
.crossing:
        call paging_off
        ret

; --- 64-bit code ---
bits 64
%define FLAT_AT(place) place
global exits64, interrupts64, wrap64, run_compat32, run_compat16, run_long
        EXITS 64
        INTERRUPTS 64

; Addresses of 32 bits in 64-bit mode.
wrap64:
        mov rbx, 0x1ffffffff
        mov rsi, 0x1fee00381
        mov dword [ebx + esi], 0x64640001
        mov edx, LAPIC_SCRATCH
        mov eax, [rdx]
        stosd
        mov rsi, 0xdead00000000 + LAPIC_SCRATCH
        a32 lodsd
        stosd
        mov rax, rsi                    ; the upper half is gone
        shr rax, 32
        stosd
        ret

%macro ENTER 0
        push rbx
        push rbp
        push r12
        push r13
        push r14
        push r15
        mov [rel saved_rsp], rsp
        mov ax, SEG_FS
        mov fs, ax
        mov ax, SEG_GS
        mov gs, ax
%endmacro

run_long:
        ENTER
        mov edi, RESULTS
        mov eax, [abs TARGET]
        call rax
        jmp back_in_64
run_compat32:
        ENTER
        push COMPAT32
        lea rax, [rel .in_32]
        push rax
        o64 retf
bits 32
.in_32: mov edi, RESULTS
        call [TARGET]
        jmp CODE64:back_in_64
bits 64
run_compat16:
        ENTER
        push CODE16
        push AT_LOW(compat16)
        o64 retf
back_in_64:
        mov rsp, [rel saved_rsp]
        mov ax, FLAT
        mov fs, ax
        mov gs, ax
        pop r15
        pop r14
        pop r13
        pop r12
        pop rbp
        pop rbx
        ret

section .data align=8
extern mode32_idt
idtr32: dw 0x7ff
        dd mode32_idt

section .bss nobits alloc write align=8
saved_esp:
        resd 1
saved_cr3:
        resd 1
saved_rsp:
        resq 1
