; SPDX-License-Identifier: BSD-2-Clause
; The two ways into the image, and the boot page tables. Both entries become one in 32-bit protected mode
; with paging off, so that whatever tables (five levels, PCIDs) the firmware used are out of the way.
; Position-independent: the image may be at any 2 MiB aligned address below 4 GiB. Ends in boot_main (C).

%include "boot/asm_offsets.inc"

extern boot_main
extern image_2m_pages
global boot_entry_efi
global boot_stack
global boot_stack_top
global boot_entry_tsc

; An address in the image as a distance from its start.
%define OFFSET(symbol) ((symbol) - IMAGE_VA)
IMAGE_VA	equ 0xffffffff80000000
LINK_PA		equ 0x200000		; p_paddr of image_start in linker.ld

MB2_ARCH_I386	equ 0
MB2_TAG_END	equ 0
MB2_TAG_ENTRY	equ 3
MB2_TAG_ALIGN	equ 6
MB2_TAG_RELOC	equ 10

PTE_P		equ 1 << 0
PTE_W		equ 1 << 1
PTE_PS		equ 1 << 7
LEAF_SIZE	equ 0x200000

CR0_BOOT	equ 0x80010033		; PG, WP, NE, ET, MP, PE
CR0_PROTECTED	equ 0x00000033		; the same without paging
CR4_PAE		equ 1 << 5
MSR_EFER	equ 0xc0000080
EFER_LME	equ 1 << 8
CPUID_EXT_MAX	equ 0x80000000
CPUID_EXT	equ 0x80000001
CPUID_EXT_LM	equ 29			; EDX bit: long mode

SEL_CODE64	equ 0x08
SEL_CODE32	equ 0x10
SEL_DATA	equ 0x18

COM1		equ 0x3f8

section .boot progbits alloc exec nowrite align=4096
bits 32
boot_start:
; Multiboot2 Specification, "The layout of Multiboot2 header".
mb2_header:
	dd MB2_MAGIC_HEADER, MB2_ARCH_I386, mb2_header_end - mb2_header
	dd -(MB2_MAGIC_HEADER + MB2_ARCH_I386 + (mb2_header_end - mb2_header)) & 0xffffffff
	align 8
	dw MB2_TAG_ENTRY, 0
	dd 12, LINK_PA + (entry32 - boot_start)
	align 8
	dw MB2_TAG_ALIGN, 0		; modules on page boundaries
	dd 8
	align 8
	dw MB2_TAG_RELOC, 0
	dd 24, 0x100000, 0xffffffff, LEAF_SIZE, 0
	align 8
	dw MB2_TAG_END, 0
	dd 8
mb2_header_end:

; In: protected mode, paging off, EAX = the loader's magic, EBX = physical address of its information.
; No stack: the information's second word is reserved, and serves for the one return address.
entry32:
	cli
	cld
	lea esp, [ebx + 8]
	call .here
.here:	pop ebp
	sub ebp, .here - boot_start

; In: protected mode, paging off, EAX = magic, EBX = information, EBP = physical address of the image.
start32:
	lea esp, [ebp + OFFSET(boot_stack_top)]
	mov esi, eax
	mov edi, ebx			; CPUID clobbers EBX

	mov eax, CPUID_EXT_MAX
	cpuid
	cmp eax, CPUID_EXT
	jb no_long_mode
	mov eax, CPUID_EXT
	cpuid
	bt edx, CPUID_EXT_LM
	jnc no_long_mode

	rdtsc				; for the figure of what booting costs
	mov [ebp + OFFSET(boot_entry_tsc)], eax
	mov [ebp + OFFSET(boot_entry_tsc) + 4], edx

	; The low 4 GiB, one to one. High halves of the entries are zero already: .bss.
	lea edx, [ebp + OFFSET(boot_pd_low)]
	mov eax, PTE_P | PTE_W | PTE_PS
	mov ecx, 4 * 512
.low:	mov [edx], eax
	add edx, 8
	add eax, LEAF_SIZE
	dec ecx
	jnz .low

	; The image in the higher half.
	lea edx, [ebp + OFFSET(boot_pd_high)]
	lea eax, [ebp + (PTE_P | PTE_W | PTE_PS)]
	mov ecx, image_2m_pages
.high:	mov [edx], eax
	add edx, 8
	add eax, LEAF_SIZE
	dec ecx
	jnz .high

	lea edx, [ebp + OFFSET(boot_pdpt_low)]
	lea eax, [ebp + OFFSET(boot_pd_low) + (PTE_P | PTE_W)]
	mov ecx, 4
.pdpt:	mov [edx], eax
	add edx, 8
	add eax, 4096
	dec ecx
	jnz .pdpt
	lea eax, [ebp + OFFSET(boot_pd_high) + (PTE_P | PTE_W)]
	mov [ebp + OFFSET(boot_pdpt_high) + 510 * 8], eax
	lea eax, [ebp + OFFSET(boot_pdpt_low) + (PTE_P | PTE_W)]
	mov [ebp + OFFSET(boot_pml4)], eax
	lea eax, [ebp + OFFSET(boot_pdpt_high) + (PTE_P | PTE_W)]
	mov [ebp + OFFSET(boot_pml4) + 511 * 8], eax

	; Long mode: SDM Vol. 3A, "Initializing IA-32e Mode"; APM Vol. 2, "Enabling and Activating Long Mode".
	mov eax, CR4_PAE
	mov cr4, eax
	lea eax, [ebp + OFFSET(boot_pml4)]
	mov cr3, eax
	mov ecx, MSR_EFER
	mov eax, EFER_LME
	xor edx, edx
	wrmsr
	mov eax, CR0_BOOT
	mov cr0, eax

	lea eax, [ebp + (boot_gdt - boot_start)]
	push eax
	push word boot_gdt_end - boot_gdt - 1
	lgdt [esp]
	add esp, 6
	push dword SEL_CODE64
	lea eax, [ebp + (start64 - boot_start)]
	push eax
	retf

; EBP = physical address of the image. Says on COM1 and stops.
no_long_mode:
	lea esi, [ebp + (text_no_long_mode - boot_start)]
.next:	lodsb
	test al, al
	jz .stop
	mov ah, al
	mov dx, COM1 + 5
	mov ecx, 100000			; no UART may be there
.wait:	in al, dx
	test al, 0x20			; THR empty
	loopz .wait
	mov dx, COM1
	mov al, ah
	out dx, al
	jmp .next
.stop:	hlt
	jmp .stop

text_no_long_mode:
	db "ingot: this CPU has no 64-bit mode (CPUID 80000001h EDX.LM is 0)", 13, 10, 0

bits 64
; In: long mode on the boot tables, ESI = magic, EDI = information, EBP = image; still at the low address.
start64:
	mov rax, .higher
	jmp rax
.higher:
	mov rsp, boot_stack_top - 16	; the top word is for the pcpu pointer
	mov rax, boot_gdt
	push rax
	push word boot_gdt_end - boot_gdt - 1
	lgdt [rsp]
	add rsp, 10
	mov eax, SEL_DATA
	mov ds, eax
	mov es, eax
	mov ss, eax
	xor eax, eax
	mov fs, eax
	mov gs, eax
	lldt ax
	mov eax, esi
	mov esi, edi			; info_pa
	mov edi, eax			; magic
	mov edx, ebp			; image_pa
	xor ebp, ebp			; ends backtraces
	call boot_main
	ud2

; The ELF entry, called by ingot.efi. In: long mode, interrupts off, one-to-one mapping, RDI = struct
; boot_info below 4 GiB, the image below 4 GiB.
boot_entry_efi:
	cli
	cld
	mov ebx, edi
	lea rbp, [rel boot_start]
	lea rsp, [rel boot_stack_top]
	lea rax, [rel boot_gdt]
	push rax
	push word boot_gdt_end - boot_gdt - 1
	lgdt [rsp]
	add rsp, 10
	push qword SEL_CODE32
	lea rax, [rel leave_long_mode]
	push rax
	retfq

bits 32
; SDM Vol. 3A, "Switching Out of IA-32e Mode Operation". CR4.PCIDE must go before CR0.PG; CR4.LA57 can only go after.
leave_long_mode:
	mov eax, SEL_DATA
	mov ds, eax
	mov es, eax
	mov ss, eax
	mov eax, cr4
	and eax, ~(1 << 17)
	mov cr4, eax
	mov eax, CR0_PROTECTED
	mov cr0, eax
	mov ecx, MSR_EFER
	xor eax, eax
	xor edx, edx
	wrmsr
	mov eax, BOOT_MAGIC_EFI
	jmp start32

	align 8
boot_gdt:
	dq 0
	dq 0x00af9b000000ffff		; SEL_CODE64; accessed already, so that the CPU never writes here
	dq 0x00cf9b000000ffff		; SEL_CODE32
	dq 0x00cf93000000ffff		; SEL_DATA
boot_gdt_end:

section .bss nobits alloc noexec write align=32768
boot_stack:
	resb STACK_SLOT_SIZE
boot_stack_top:
boot_pml4:
	resb 4096
boot_pdpt_low:
	resb 4096
boot_pdpt_high:
	resb 4096
boot_pd_low:
	resb 4 * 4096
boot_pd_high:
	resb 4096
boot_entry_tsc:
	resq 1
