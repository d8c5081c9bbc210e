/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the assembler entry to hv_main: makes the boot_info, in the image's own memory, so that nothing of
 * the loader's is needed afterwards but the modules.
 */
#include "boot/boot.h"
#include "hv/lib/string.h"

static struct boot_info info;

void boot_main(uint32_t magic, uint32_t info_pa, uint64_t image_pa)
{
	switch (magic) {
	case BOOT_MAGIC_EFI:
		info = *(const struct boot_info *)(uint64_t)info_pa;
		info.path = "efi";
		break;
	case MB2_MAGIC_LOADER:
		info.path = "multiboot2";
		break;
	default:
		info.path = "unknown";
		str_copy(info.error, sizeof(info.error), "entered by a loader that is not Multiboot2");
		break;
	}
	info.image_pa = image_pa;
	hv_main(&info);
}
