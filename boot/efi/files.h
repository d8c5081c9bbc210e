/* SPDX-License-Identifier: BSD-2-Clause */
/* Files of the volume that the loader was started from. */
#pragma once

#include "boot/efi/efi_lib.h"

/* A folder on a volume. */
struct folder {
	EFI_FILE *root;
	CHAR16 path[256]; /* "" or "\EFI\INGOT": without a final backslash */
};

/*
 * Finds the configuration `name`: in the application's own folder, in \EFI\INGOT, in the root; *f becomes the folder that
 * has it, or else the application's own.
 */
EFI_STATUS files_find(EFI_LOADED_IMAGE *app, const char *name, struct folder *f);
/* Reads the file `name` ('/' between folders) of f into pages of its own, as info's next module. */
EFI_STATUS files_load(const struct folder *f, const char *name, struct boot_info *info);
