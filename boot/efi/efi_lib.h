/* SPDX-License-Identifier: BSD-2-Clause */
/* gnu-efi's headers, and what the loader's files share. UEFI functions are called as they are: GNU_EFI_USE_MS_ABI. */
#pragma once

#include <efi.h>
#include <efilib.h>
#include "hv/boot_info.h"

/* Prints one line of the loader's own; no newline in fmt. */
#define SAY(fmt, ...) Print((CHAR16 *)L"ingot.efi: " fmt L"\r\n", ##__VA_ARGS__)

#define PAGE_BYTES    4096u
#define BELOW_4G      0xffffffffull /* the image's boot page tables end there */
#define PAGES(bytes)  (((bytes) + PAGE_BYTES - 1) / PAGE_BYTES)
