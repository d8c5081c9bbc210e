/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kernels as bytes, for one way to boot: the loader must refuse them with a text that names the file, or load them, within the
 * guest's RAM and a bounded number of steps. Each fuzz_load_*.c is one call of load_any.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "hv/guest_map.h"
#include "hv/load.h"
#include "hv/ops.h"

#define MEMORY    MIB(3)
#define STEPS_MAX 200
#define PATTERN   0x5a

const struct hv_ops *ops;
static struct file kernel = {.name = "kernel"}, module = {.name = "module"};

const struct file *file_find(const char *name)
{
	return strcmp(name, "kernel") ? &module : &kernel;
}

static void require(bool cond, const char *text)
{
	if (cond)
		return;
	fprintf(stderr, "not true: %s\n", text);
	abort();
}
#define REQUIRE(cond) require(cond, #cond)

/* What is not the guest's own RAM, below 1 MiB: from the FACS to the ROM's end. */
static bool untouched(const uint8_t *memory)
{
	for (uint64_t i = GUEST_NVS_BASE; i < GUEST_RAM_MID_BASE; i++)
		if (memory[i] != PATTERN)
			return false;
	return true;
}

/* rom: the format writes into ROM. */
static inline void load_any(enum config_boot boot, bool rom, const uint8_t *data, size_t size)
{
	static uint8_t *memory;
	static struct load load;
	static struct vm_config cfg;
	struct gmem mem = {};
	char why[160] = "";
	enum status s;

	if (!memory)
		memory = malloc(MEMORY);
	memset(memory + GUEST_NVS_BASE, PATTERN, GUEST_RAM_MID_BASE - GUEST_NVS_BASE);
	mem.base = memory;
	REQUIRE(guest_map_add_slots(&mem, MEMORY) == OK);
	kernel.data = module.data = data;
	kernel.size = size;
	module.size = size / 2;
	cfg = (struct vm_config){.boot = boot, .kernel = "kernel", .cmdline = "console=ttyS0"};
	if (boot == BOOT_LINUX) {
		strcpy(cfg.initrd, "module");
	} else if (boot != BOOT_FLAT) {
		cfg.module_count = 2;
		strcpy(cfg.module[0].file, "module");
		strcpy(cfg.module[0].args, "one two");
		strcpy(cfg.module[1].file, "module");
	}
	s = load_plan(&load, &mem, &cfg, GUEST_TABLES_BASE, why, sizeof(why));
	if (s != OK) {
		REQUIRE(!strncmp(why, "kernel: ", 8) || !strncmp(why, "module: ", 8));
		return;
	}
	for (unsigned i = 0; (s = load_step(&load)) == ERR_AGAIN; i++)
		REQUIRE(i < STEPS_MAX);
	REQUIRE(s == OK);
	REQUIRE(rom || untouched(memory));
}
