/* SPDX-License-Identifier: BSD-2-Clause */
/* ingot.elf, embedded. */
#pragma once

#include "boot/efi/efi_lib.h"

typedef void (*image_entry_fn)(struct boot_info *info) __attribute__((sysv_abi, noreturn));

/* Loads the embedded image below 4 GiB, aligned to 2 MiB; *pa is where, *entry the address of its entry. */
EFI_STATUS image_load(UINT64 *pa, image_entry_fn *entry);
