/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ELF kernels with a PVH note, which gives their 32-bit entry point. Source: Xen, docs/misc/pvh.pandoc and
 * xen/include/public/arch-x86/hvm/start_info.h, version 1; elfnote.h.
 */
#include "hv/load.h"

#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/load_elf.h"
#include "hv/vcpu.h"

#define NOTE_OWNER         "Xen"
#define NOTE_PHYS32_ENTRY  18
#define START_INFO_MAGIC   0x336ec578
#define START_INFO_VERSION 1

struct start_info {
	uint32_t magic, version, flags, nr_modules;
	uint64_t modlist, cmdline, rsdp, memmap;
	uint32_t memmap_entries, reserved;
};
static_assert(sizeof(struct start_info) == 56);

struct modlist_entry {
	uint64_t paddr, size, cmdline, reserved;
};
static_assert(sizeof(struct modlist_entry) == 32);

struct memmap_entry {
	uint64_t addr, size;
	uint32_t type, reserved;
};
static_assert(sizeof(struct memmap_entry) == 24);

static bool pvh_probe(const struct file *kernel)
{
	struct elf e;
	uint64_t entry;

	return !elf_open(&e, kernel) && elf_note(&e, NOTE_OWNER, NOTE_PHYS32_ENTRY, &entry);
}

static enum status pvh_plan(struct load *l)
{
	struct elf e;
	const char *wrong = elf_open(&e, l->kernel);
	enum status s;

	if (wrong || !elf_note(&e, NOTE_OWNER, NOTE_PHYS32_ENTRY, &l->entry))
		return load_refuse(l, l->kernel, "%s", wrong ? wrong : "no PVH note");
	s = elf_plan(l, &e);
	if (s == OK)
		s = load_check_entry(l);
	return s == OK ? load_place_modules(l) : s;
}

static void put_modules(struct load_writer *w, struct start_info *info)
{
	struct modlist_entry list[LOAD_MODULE_MAX];
	const struct load *l = w->l;

	for (uint32_t i = 0; i < l->module_count; i++)
		list[i] = (struct modlist_entry){.paddr = l->module[i].gpa,
						 .size = l->module[i].file->size,
						 .cmdline = load_put_string(w, l->module[i].args)};
	info->nr_modules = l->module_count;
	if (l->module_count)
		info->modlist = load_put(w, list, l->module_count * sizeof(list[0]));
}

static void put_memmap(struct load_writer *w, struct start_info *info)
{
	struct memmap_entry entry[LOAD_MAP_MAX];
	struct load_map map;

	load_map_fill(&map, w->l->mem);
	for (uint32_t i = 0; i < map.count; i++)
		entry[i] = (struct memmap_entry){map.entry[i].base, map.entry[i].size, map.entry[i].type, 0};
	info->memmap_entries = map.count;
	info->memmap = load_put(w, entry, map.count * sizeof(entry[0]));
}

static enum status pvh_finish(struct load *l)
{
	struct load_writer w = load_writer(l);
	struct start_info info = {.magic = START_INFO_MAGIC, .version = START_INFO_VERSION, .rsdp = l->rsdp};

	load_put(&w, NULL, sizeof(info));
	info.cmdline = load_put_string(&w, l->cfg->cmdline);
	put_modules(&w, &info);
	put_memmap(&w, &info);
	return w.status == OK ? gpa_load(l->mem, gpa(l->info), &info, sizeof(info)) : w.status;
}

static void pvh_set_regs(const struct load *l, struct vcpu *v)
{
	load_set_protected(l, v);
	v->gpr[RBX] = l->info;
}

const struct load_format load_pvh = {
    .word = "pvh",
    .what = "an ELF kernel with a PVH note",
    .probe = pvh_probe,
    .plan = pvh_plan,
    .finish = pvh_finish,
    .set_regs = pvh_set_regs,
};
