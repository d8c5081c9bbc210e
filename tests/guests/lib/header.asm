; SPDX-License-Identifier: BSD-2-Clause
; The front of a tiny guest: a bzImage setup header (Linux, Documentation/arch/x86/boot.rst, "The Real-Mode
; Kernel Header"), so that the same loader that boots Linux boots it. Behind it comes the flat binary PAYLOAD,
; which runs at 1 MiB and is entered in 64-bit mode at 1 MiB + 200h.

bits 16
org 0

        times 0x1f1 db 0
        db 1                            ; setup_sects
        dw 0                            ; root_flags
        dd (payload_end - payload) / 16 ; syssize
        dw 0, 0, 0                      ; ram_size, vid_mode, root_dev
        dw 0xaa55                       ; boot_flag
        jmp short header_end            ; 200h
        db "HdrS"
        dw 0x020f                       ; version
        dd 0                            ; realmode_swtch
        dw 0, 0                         ; start_sys_seg, kernel_version
        db 0                            ; type_of_loader
        db 1                            ; loadflags: LOADED_HIGH
        dw 0                            ; setup_move_size
        dd 0x100000                     ; code32_start
        dd 0, 0, 0                      ; ramdisk_image, ramdisk_size, bootsect_kludge
        dw 0                            ; heap_end_ptr
        db 0, 0                         ; ext_loader_ver, ext_loader_type
        dd 0                            ; cmd_line_ptr
        dd 0x7fffffff                   ; initrd_addr_max
        dd 0x1000                       ; kernel_alignment
        db 0, 12                        ; relocatable_kernel, min_alignment
        dw 1                            ; xloadflags: XLF_KERNEL_64
        dd 1024                         ; cmdline_size
        dd 0                            ; hardware_subarch
        dq 0                            ; hardware_subarch_data
        dd 0, 0                         ; payload_offset, payload_length
        dq 0                            ; setup_data
        dq 0x100000                     ; pref_address
        dd INIT_SIZE                    ; init_size: what it needs from pref_address on
        dd 0                            ; handover_offset
        dd 0                            ; kernel_info_offset
header_end:
        times 0x400 - ($ - $$) db 0
payload:
        incbin PAYLOAD
        align 16, db 0
payload_end:
