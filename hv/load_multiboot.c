/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Multiboot 1 kernels: ELF, or any file whose header has the address fields. Source: Multiboot Specification
 * version 0.6.96.
 */
#include "hv/load_multiboot.h"

#include "hv/guest_map.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/load.h"
#include "hv/load_elf.h"
#include "hv/vcpu.h"

#define HEADER_MAGIC       0x1badb002
#define HEADER_SEARCH      8192
#define HEADER_ALIGN       4
#define HEADER_REQUIRED    0xffff /* a loader that does not know one of these flags must refuse the kernel */
#define HEADER_PAGE_ALIGN  BIT(0)
#define HEADER_MEMORY_INFO BIT(1)
#define HEADER_VIDEO       BIT(2)
#define HEADER_ADDRESSES   BIT(16)
#define BOOT_MAGIC         0x2badb002
#define INFO_MEMORY        BIT(0)
#define INFO_CMDLINE       BIT(2)
#define INFO_MODULES       BIT(3)
#define INFO_MMAP          BIT(6)
#define INFO_LOADER        BIT(9)

struct header {
	uint32_t magic, flags, checksum;
	/* With HEADER_ADDRESSES. */
	uint32_t header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr;
};
#define HEADER_SIZE_MIN 12

struct info {
	uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr, syms[4];
	uint32_t mmap_length, mmap_addr, drives_length, drives_addr, config_table, boot_loader_name;
	uint32_t apm_table, vbe[4];
};
static_assert(sizeof(struct info) == 88);

struct module {
	uint32_t start, end, string, reserved;
};

struct mmap_entry {
	uint32_t size; /* of what follows */
	uint64_t base, length;
	uint32_t type;
} __attribute__((packed));
static_assert(sizeof(struct mmap_entry) == 24);

/* The header: the first of the file whose checksum is right. */
static bool find_header(const struct file *f, struct header *h, uint64_t *offset)
{
	uint64_t end = MIN((uint64_t)f->size, (uint64_t)HEADER_SEARCH);

	for (uint64_t at = 0; at + HEADER_SIZE_MIN <= end; at += HEADER_ALIGN) {
		*h = (struct header){};
		memcpy(h, (const uint8_t *)f->data + at, MIN(sizeof(*h), end - at));
		if (h->magic != HEADER_MAGIC || h->magic + h->flags + h->checksum != 0)
			continue;
		*offset = at;
		return !(h->flags & HEADER_ADDRESSES) || at + sizeof(*h) <= end;
	}
	return false;
}

static bool multiboot_probe(const struct file *kernel)
{
	struct header h;
	uint64_t offset;

	return find_header(kernel, &h, &offset);
}

enum status multiboot_plan_addresses(struct load *l, const struct multiboot_addresses *a)
{
	const struct file *f = l->kernel;
	uint64_t offset, size, memory;

	if (a->load > a->header || a->header - a->load > a->header_offset)
		return load_refuse(l, f, "broken header: it would be loaded from before the file's begin");
	offset = a->header_offset - (a->header - a->load);
	if (a->load_end && a->load_end < a->load)
		return load_refuse(l, f, "broken header: load_end_addr 0x%x lies below load_addr 0x%x",
				   a->load_end, a->load);
	size = a->load_end ? a->load_end - a->load : f->size - offset;
	if (size > f->size - offset)
		return load_refuse(l, f, "truncated: %zu bytes, its header wants %lu from offset %lu on",
				   f->size, size, offset);
	memory = a->bss_end ? (uint64_t)a->bss_end - a->load : size;
	if (a->bss_end && (a->bss_end < a->load || memory < size))
		return load_refuse(l, f, "broken header: bss_end_addr 0x%x lies below the end of the data",
				   a->bss_end);
	return load_add_part(l, f, a->load, offset, size, memory);
}

enum status multiboot_plan_elf(struct load *l)
{
	struct elf e;
	const char *wrong = elf_open(&e, l->kernel);

	if (wrong)
		return load_refuse(l, l->kernel, "its Multiboot header has no addresses, but it is %s",
				   wrong);
	l->entry = elf_entry(&e);
	return elf_plan(l, &e);
}

static enum status multiboot_plan(struct load *l)
{
	struct multiboot_addresses a;
	struct header h;
	enum status s;

	if (!find_header(l->kernel, &h, &a.header_offset))
		return ERR_INVAL;
	if (h.flags & HEADER_VIDEO)
		return load_refuse(l, l->kernel,
				   "demands a video mode (flag 2 of its header), but guests have no screen");
	if (h.flags & HEADER_REQUIRED & ~(HEADER_PAGE_ALIGN | HEADER_MEMORY_INFO))
		return load_refuse(l, l->kernel, "demands what nobody knows: flags 0x%x of its header",
				   h.flags);
	if (h.flags & HEADER_ADDRESSES) {
		a.header = h.header_addr;
		a.load = h.load_addr;
		a.load_end = h.load_end_addr;
		a.bss_end = h.bss_end_addr;
		l->entry = h.entry_addr;
		s = multiboot_plan_addresses(l, &a);
	} else {
		s = multiboot_plan_elf(l);
	}
	if (s == OK)
		s = load_check_entry(l);
	return s == OK ? load_place_modules(l) : s;
}

static void put_modules(struct load_writer *w, struct info *info)
{
	struct module list[LOAD_MODULE_MAX];
	const struct load *l = w->l;

	for (uint32_t i = 0; i < l->module_count; i++)
		list[i] = (struct module){.start = (uint32_t)l->module[i].gpa,
					  .end = (uint32_t)(l->module[i].gpa + l->module[i].file->size),
					  .string = (uint32_t)load_put_string(w, l->module[i].args)};
	info->flags |= INFO_MODULES;
	info->mods_count = l->module_count;
	info->mods_addr = (uint32_t)load_put(w, list, l->module_count * sizeof(list[0]));
}

static void put_memory(struct load_writer *w, struct info *info)
{
	struct mmap_entry entry[LOAD_MAP_MAX];
	struct load_map map;

	load_map_fill(&map, w->l->mem);
	for (uint32_t i = 0; i < map.count; i++)
		entry[i] = (struct mmap_entry){sizeof(entry[i]) - sizeof(entry[i].size), map.entry[i].base,
					       map.entry[i].size, map.entry[i].type};
	info->flags |= INFO_MEMORY | INFO_MMAP;
	info->mem_lower = (uint32_t)(GUEST_NVS_BASE >> 10);
	info->mem_upper = load_memory_upper(w->l->mem);
	info->mmap_length = map.count * sizeof(entry[0]);
	info->mmap_addr = (uint32_t)load_put(w, entry, info->mmap_length);
}

static enum status multiboot_finish(struct load *l)
{
	struct load_writer w = load_writer(l);
	struct info info = {.flags = INFO_CMDLINE | INFO_LOADER};

	load_put(&w, NULL, sizeof(info));
	info.cmdline = (uint32_t)load_put_string(&w, l->cfg->cmdline);
	info.boot_loader_name = (uint32_t)load_put_string(&w, LOAD_NAME);
	put_modules(&w, &info);
	put_memory(&w, &info);
	return w.status == OK ? gpa_load(l->mem, gpa(l->info), &info, sizeof(info)) : w.status;
}

static void multiboot_set_regs(const struct load *l, struct vcpu *v)
{
	load_set_protected(l, v);
	v->gpr[RAX] = BOOT_MAGIC;
	v->gpr[RBX] = l->info;
}

const struct load_format load_multiboot = {
    .word = "multiboot",
    .what = "a Multiboot kernel",
    .probe = multiboot_probe,
    .plan = multiboot_plan,
    .finish = multiboot_finish,
    .set_regs = multiboot_set_regs,
};
