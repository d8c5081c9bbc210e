/* SPDX-License-Identifier: BSD-2-Clause */
/* Between boot/entry.asm, the loaders and the C code that makes one boot_info of what they give. */
#pragma once

#include <stdint.h>
#include "hv/boot_info.h"

#define MB2_MAGIC_HEADER 0xe85250d6u /* in the image's header */
#define MB2_MAGIC_LOADER 0x36d76289u /* in EAX, from a Multiboot2 loader */
#define BOOT_MAGIC_EFI   0x49464549u /* boot/entry.asm says so: entered by ingot.efi */

/* The TSC at the image's first instructions. */
extern uint64_t boot_entry_tsc;

/*
 * In the higher half, on the boot stack and the boot page tables (the low 4 GiB one to one): info_pa is the
 * loader's structure, image_pa where image_start was loaded.
 */
[[gnu::noreturn]] void boot_main(uint32_t magic, uint32_t info_pa, uint64_t image_pa);
