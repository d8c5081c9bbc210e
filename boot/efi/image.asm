; SPDX-License-Identifier: BSD-2-Clause
; ingot.elf as it is, inside the UEFI application. IMAGE names the file.

global image_elf
global image_elf_end

section .rodata align=4096
image_elf:
	incbin IMAGE
image_elf_end:
