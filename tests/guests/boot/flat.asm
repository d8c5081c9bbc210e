; SPDX-License-Identifier: BSD-2-Clause
; A flat image of two sectors: what a boot sector finds when firmware starts it. END is what it does last: 0 power-off, 1 a BIOS
; service, 2 an exception without a handler.

COM1            equ 0x3f8
PM1_CNT         equ 0x604
S5              equ 5 << 10 | 1 << 13

bits 16
org 0x7c00
        jmp 0:start                     ; wherever CS:IP was split

; CHECK name: FAIL if ZF is 0.
%macro check 1
        jz %%ok
        mov si, fail
        call print
        inc byte [failed]
        jmp %%name
%%ok:   mov si, pass
        call print
%%name: mov si, %%text
        call print
        jmp %%end
%%text: db "flat/", %1, 13, 10, 0
%%end:
%endmacro

; DS:SI: text up to 0. Changes AX, DX, SI.
print:  lodsb
        test al, al
        jz .end
        mov dx, COM1
        out dx, al
        jmp print
.end:   ret

start:  mov [drive], dl
        mov [stack], sp
        pushf
        pop word [flags]
        xor ax, ax
        mov cx, ds
        or ax, cx
        mov cx, es
        or ax, cx
        mov cx, ss
        or ax, cx
        check "segments"
        cmp byte [drive], 0x80
        check "drive"
        cmp word [stack], 0x7c00
        check "stack"
        mov ax, [flags]
        and ax, 0x0300                  ; TF, IF
        cmp ax, 0x0200
        check "flags"
        smsw ax
        and ax, 1
        check "real-mode"
        jmp more
drive:  db 0
failed: db 0
stack:  dw 0
flags:  dw 0
pass:   db "PASS ", 0
fail:   db "FAIL ", 0
        times 510 - ($ - $$) db 0
        dw 0xaa55

more:   cmp word [0x413], 636
        check "memory-size"
        cmp word [0x400], COM1
        check "com1"
        ; Every vector leads into ROM.
        xor ax, ax
        mov bx, 2
        mov cx, 256
.vector:
        mov dx, [bx]
        xor dx, 0xf000
        or ax, dx
        add bx, 4
        loop .vector
        test ax, ax
        check "vectors"
        ; The RSDP, by the search.
        mov bx, 0xe000
.search:
        mov ds, bx
        cmp dword [0], "RSD "
        jne .next
        cmp dword [4], "PTR "
        je .found
.next:  inc bx
        jnz .search
        mov ax, 1
        jmp .sum
.found: xor si, si
        xor ax, ax
        mov cx, 20
.add:   add al, [si]
        inc si
        loop .add
.sum:   xor bx, bx
        mov ds, bx
        test al, al
        check "rsdp"
        ; The debug console.
        in al, 0xe9
        cmp al, 0xe9
        check "debug-port"
        mov si, hello
.debug: lodsb
        test al, al
        jz .ends
        out 0xe9, al
        jmp .debug
.ends:
%if END = 1
        mov ax, 0x0e41
        int 0x10
%elif END = 2
        xor dx, dx
        div dx
%endif
        mov si, done
        call print
        mov al, [failed]
        add al, "0"
        mov dx, COM1
        out dx, al
        mov si, done2
        call print
        mov dx, PM1_CNT
        mov ax, S5
        out dx, ax
halt:   hlt
        jmp halt
hello:  db "by port e9", 13, 10, 0
done:   db "DONE ", 0
done2:  db " failed", 13, 10, 0
        times 1024 - ($ - $$) db 0
