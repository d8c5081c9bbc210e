/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the assembler entry to hv_main: makes the boot_info, in the image's own memory, so that nothing of
 * the loader's is needed afterwards but the modules.
 */
#include "boot/boot.h"
#include "boot/multiboot2.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/x86/image.h"

static struct boot_info info;

void boot_main(uint32_t magic, uint32_t info_pa, uint64_t image_pa)
{
	switch (magic) {
	case BOOT_MAGIC_EFI:
		info = *(const struct boot_info *)(uint64_t)info_pa;
		info.path = "efi";
		break;
	case MB2_MAGIC_LOADER:
		/* The boot tables end at 4 GiB. */
		multiboot2_parse(&info, (const void *)(uint64_t)info_pa, GIB(4) - info_pa, image_pa,
				 (uint64_t)(image_end - image_start));
		info.path = "multiboot2";
		break;
	default:
		info.path = "unknown";
		str_copy(info.error, sizeof(info.error), "entered by a loader that is not Multiboot2");
		break;
	}
	info.image_pa = image_pa;
	info.entry_tsc = boot_entry_tsc;
	hv_main(&info);
}
