/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What any boot path hands to hv_main: the firmware's memory map, the files, the command line, the ACPI
 * root, the screen. boot/ fills it from Multiboot2 or from UEFI; nothing behind hv_main knows which.
 * Everything in it was checked for bounds once, by the code that filled it.
 */
#pragma once

#include <stdint.h>

#define BOOT_MEM_MAX    512
#define BOOT_MODULE_MAX 64
#define BOOT_NAME_MAX   128

/* In order of precedence: where regions overlap, the larger number wins. */
enum boot_mem_type {
	BOOT_MEM_RAM,
	BOOT_MEM_ACPI_RECLAIM, /* ACPI tables: kept, mapped read-only */
	BOOT_MEM_RUNTIME,      /* UEFI runtime services code and data: kept */
	BOOT_MEM_NVS,          /* ACPI non-volatile storage: kept */
	BOOT_MEM_RESERVED,
	BOOT_MEM_BAD, /* defective RAM */
};

struct boot_mem {
	uint64_t base, len; /* bytes, any alignment; base + len does not wrap */
	enum boot_mem_type type;
};

/* A file: `name` as ingot.cfg calls it. */
struct boot_module {
	uint64_t pa, size; /* physical address, bytes; inside RAM, below 2^52 */
	char name[BOOT_NAME_MAX];
};

struct boot_screen {
	uint64_t pa;
	uint32_t pitch, width, height; /* bytes a line; pixels, or characters where bpp is 0 (VGA text) */
	uint8_t bpp;
	uint8_t red_pos, red_size, green_pos, green_size, blue_pos, blue_size;
};

struct boot_info {
	const char *path;   /* "multiboot2" or "efi": for messages only */
	char loader[64];    /* the loader's own name, "GRUB 2.06" */
	char cmdline[1024]; /* without the image's own name */
	uint64_t image_pa;  /* where linker symbol image_start was loaded */
	uint64_t entry_tsc; /* the TSC at the image's first instructions; boot/ sets it for every path */
	uint8_t rsdp[36];   /* a copy; all zero where the loader gave none */
	uint64_t rsdp_pa;   /* UEFI: where it is; 0 if unknown */
	struct boot_screen screen; /* pa 0: none */
	uint32_t mem_count, module_count;
	struct boot_mem mem[BOOT_MEM_MAX];
	struct boot_module module[BOOT_MODULE_MAX];
	char error[160]; /* not empty: the loader's structures were broken; a text for the operator */
};

/* hv/main.c. Runs on the boot CPU, in the higher half, interrupts off, on the boot stack. */
[[gnu::noreturn]] void hv_main(const struct boot_info *info);
