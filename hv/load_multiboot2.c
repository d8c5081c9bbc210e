/* SPDX-License-Identifier: BSD-2-Clause */
/* Multiboot 2 kernels. Source: Multiboot2 Specification version 2.0. */
#include "hv/guest_map.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/load.h"
#include "hv/load_elf.h"
#include "hv/load_multiboot.h"
#include "hv/vcpu.h"

#define HEADER_MAGIC     0xe85250d6
#define HEADER_SEARCH    32768
#define HEADER_ALIGN     8
#define ARCHITECTURE_386 0
#define TAG_ALIGN        8
#define TAG_OPTIONAL     BIT(0)
#define TAG_TYPES        11
#define CONSOLE_REQUIRED BIT(0)
#define LOAD_FROM_BEGIN  UINT32_MAX
#define BOOT_MAGIC       0x36d76289

struct header {
	uint32_t magic, architecture, length, checksum;
};

/* Tags of the header. */
enum tag_type {
	TAG_END,
	TAG_INFORMATION,
	TAG_ADDRESS,
	TAG_ENTRY,
	TAG_CONSOLE,
	TAG_FRAMEBUFFER,
	TAG_MODULE_ALIGN,
	TAG_EFI_SERVICES, /* this and the next two are about EFI machines, which this one is not */
	TAG_EFI_ENTRY_386,
	TAG_EFI_ENTRY_AMD64,
	TAG_RELOCATABLE,
};

struct tag {
	uint16_t type, flags;
	uint32_t size;
	uint32_t value[4]; /* as many as the type has */
};
#define TAG_HEADER_SIZE 8
static_assert(sizeof(struct tag) == 24);

/* Tags of the information. */
enum info_type {
	INFO_END,
	INFO_CMDLINE,
	INFO_LOADER,
	INFO_MODULE,
	INFO_MEMORY,
	INFO_MMAP = 6,
	INFO_RSDP_V1 = 14,
	INFO_RSDP_V2 = 15,
	INFO_LOAD_BASE = 21,
};
#define INFO_TYPES                                                                                           \
	(BIT(INFO_END) | BIT(INFO_CMDLINE) | BIT(INFO_LOADER) | BIT(INFO_MODULE) | BIT(INFO_MEMORY) |        \
	 BIT(INFO_MMAP) | BIT(INFO_RSDP_V1) | BIT(INFO_RSDP_V2) | BIT(INFO_LOAD_BASE))
#define RSDP_V1_SIZE 20
#define RSDP_V2_SIZE 36

struct info_tag {
	uint32_t type, size;
};
struct mmap_entry {
	uint64_t base, length;
	uint32_t type, reserved;
};

/* What the header wants. */
struct wishes {
	uint64_t offset; /* of the header in the file */
	struct tag address, entry, relocatable;
	bool has_address, has_entry, is_relocatable;
};

static bool find_header(const struct file *f, struct header *h, uint64_t *offset)
{
	uint64_t end = MIN((uint64_t)f->size, (uint64_t)HEADER_SEARCH);

	for (uint64_t at = 0; at + sizeof(*h) <= end; at += HEADER_ALIGN) {
		memcpy(h, (const uint8_t *)f->data + at, sizeof(*h));
		if (h->magic != HEADER_MAGIC || h->architecture != ARCHITECTURE_386 ||
		    h->magic + h->architecture + h->length + h->checksum != 0)
			continue;
		*offset = at;
		return h->length >= sizeof(*h) && h->length <= end - at;
	}
	return false;
}

static bool multiboot2_probe(const struct file *kernel)
{
	struct header h;
	uint64_t offset;

	return find_header(kernel, &h, &offset);
}

/* Each type of information that it can't do without must be one that it will get. `at`: the tag in the file. */
static enum status check_information(const struct load *l, const struct tag *t, uint64_t at)
{
	for (uint64_t i = TAG_HEADER_SIZE; i + sizeof(uint32_t) <= t->size; i += sizeof(uint32_t)) {
		uint32_t type;

		memcpy(&type, (const uint8_t *)l->kernel->data + at + i, sizeof(type));
		if (type >= 64 || !(INFO_TYPES >> type & 1))
			return load_refuse(l, l->kernel,
					   "demands information of type %u, which guests don't get", type);
	}
	return OK;
}

static enum status take_tag(const struct load *l, const struct tag *t, uint64_t at, struct wishes *w)
{
	static const uint8_t sizes[TAG_TYPES] = {
	    [TAG_ADDRESS] = 24, [TAG_ENTRY] = 12, [TAG_CONSOLE] = 12, [TAG_RELOCATABLE] = 24};
	bool optional = t->flags & TAG_OPTIONAL;

	if (t->type < TAG_TYPES && t->size < sizes[t->type])
		return load_refuse(l, l->kernel, "broken header: tag %u has %u bytes", t->type, t->size);
	switch (t->type) {
	case TAG_INFORMATION:
		return optional ? OK : check_information(l, t, at);
	case TAG_ADDRESS:
		w->address = *t;
		w->has_address = true;
		return OK;
	case TAG_ENTRY:
		w->entry = *t;
		w->has_entry = true;
		return OK;
	case TAG_RELOCATABLE:
		w->relocatable = *t;
		w->is_relocatable = true;
		return OK;
	case TAG_CONSOLE:
		if (optional || !(t->value[0] & CONSOLE_REQUIRED))
			return OK;
		return load_refuse(l, l->kernel, "demands a console of the PC, but guests have no screen");
	case TAG_FRAMEBUFFER:
		if (optional)
			return OK;
		return load_refuse(l, l->kernel, "demands a framebuffer, but guests have no screen");
	case TAG_MODULE_ALIGN:
	case TAG_EFI_SERVICES:
	case TAG_EFI_ENTRY_386:
	case TAG_EFI_ENTRY_AMD64:
		return OK;
	default:
		if (optional)
			return OK;
		return load_refuse(l, l->kernel, "demands what nobody knows: tag %u of its header", t->type);
	}
}

static enum status read_header(const struct load *l, struct wishes *w)
{
	struct header h;
	uint64_t end;

	if (!find_header(l->kernel, &h, &w->offset))
		return ERR_INVAL;
	end = w->offset + h.length;
	for (uint64_t at = w->offset + sizeof(h); at + TAG_HEADER_SIZE <= end;) {
		struct tag t = {};
		enum status s;

		memcpy(&t, (const uint8_t *)l->kernel->data + at, MIN(sizeof(t), end - at));
		if (t.type == TAG_END)
			return OK;
		if (t.size < TAG_HEADER_SIZE || t.size > end - at)
			return load_refuse(l, l->kernel, "broken header: tag %u has %u bytes", t.type,
					   t.size);
		s = take_tag(l, &t, at, w);
		if (s != OK)
			return s;
		at = ALIGN_UP(at + t.size, TAG_ALIGN);
	}
	return load_refuse(l, l->kernel, "broken header: it has no end tag");
}

static uint64_t load_base(const struct load *l)
{
	uint64_t base = l->part[0].gpa;

	for (uint32_t i = 1; i < l->part_count; i++)
		base = MIN(base, l->part[i].gpa);
	return base;
}

/* It stays where it was linked to; where that is not one of the places that it allows, it can't be loaded. */
static enum status check_place(const struct load *l, const struct tag *relocatable)
{
	uint32_t lowest = relocatable->value[0], highest = relocatable->value[1];
	uint64_t base = load_base(l);

	if (base >= lowest && base <= highest)
		return OK;
	return load_refuse(l, l->kernel, "is linked to 0x%lx, but wants to be between 0x%x and 0x%x", base,
			   lowest, highest);
}

static enum status multiboot2_plan(struct load *l)
{
	struct wishes w = {};
	enum status s = read_header(l, &w);

	if (s != OK)
		return s;
	if (w.has_address) {
		struct multiboot_addresses a = {w.offset, w.address.value[0], w.address.value[1],
						w.address.value[2], w.address.value[3]};

		if (!w.has_entry)
			return load_refuse(l, l->kernel, "broken header: addresses, but no entry point");
		if (a.load == LOAD_FROM_BEGIN)
			a.load = a.header - (uint32_t)w.offset;
		s = multiboot_plan_addresses(l, &a);
	} else {
		s = multiboot_plan_elf(l);
	}
	if (w.has_entry)
		l->entry = w.entry.value[0];
	if (s == OK)
		s = load_check_entry(l);
	if (s == OK && w.is_relocatable)
		s = check_place(l, &w.relocatable);
	return s == OK ? load_place_modules(l) : s;
}

/* A tag of the information: fields of a multiple of 8 bytes, then anything. */
static void put_tag(struct load_writer *w, enum info_type type, const void *fields, size_t fields_size,
		    const void *rest, size_t rest_size)
{
	struct info_tag t = {type, (uint32_t)(sizeof(t) + fields_size + rest_size)};

	load_put(w, &t, sizeof(t));
	load_put(w, fields, fields_size);
	load_put(w, rest, rest_size);
}

static void put_string_tag(struct load_writer *w, enum info_type type, const char *text)
{
	put_tag(w, type, NULL, 0, text, strlen(text) + 1);
}

static void put_modules(struct load_writer *w)
{
	for (uint32_t i = 0; i < w->l->module_count; i++) {
		const struct load_module *m = &w->l->module[i];
		uint32_t range[2] = {(uint32_t)m->gpa, (uint32_t)(m->gpa + m->file->size)};

		put_tag(w, INFO_MODULE, range, sizeof(range), m->args, strlen(m->args) + 1);
	}
}

static void put_memory(struct load_writer *w)
{
	static const uint32_t format[2] = {sizeof(struct mmap_entry), 0};
	uint32_t basic[2] = {(uint32_t)(GUEST_NVS_BASE >> 10), load_memory_upper(w->l->mem)};
	struct mmap_entry entry[LOAD_MAP_MAX];
	struct load_map map;

	load_map_fill(&map, w->l->mem);
	for (uint32_t i = 0; i < map.count; i++)
		entry[i] = (struct mmap_entry){map.entry[i].base, map.entry[i].size, map.entry[i].type, 0};
	put_tag(w, INFO_MEMORY, basic, sizeof(basic), NULL, 0);
	put_tag(w, INFO_MMAP, format, sizeof(format), entry, map.count * sizeof(entry[0]));
}

static void put_rsdp(struct load_writer *w)
{
	uint8_t rsdp[RSDP_V2_SIZE];

	if (w->status == OK)
		w->status = gpa_read(w->l->mem, gpa(w->l->rsdp), rsdp, sizeof(rsdp));
	put_tag(w, INFO_RSDP_V1, NULL, 0, rsdp, RSDP_V1_SIZE);
	put_tag(w, INFO_RSDP_V2, NULL, 0, rsdp, RSDP_V2_SIZE);
}

static enum status multiboot2_finish(struct load *l)
{
	struct load_writer w = load_writer(l);
	uint32_t base = (uint32_t)load_base(l), total[2] = {};

	load_put(&w, NULL, sizeof(total));
	put_string_tag(&w, INFO_CMDLINE, l->cfg->cmdline);
	put_string_tag(&w, INFO_LOADER, LOAD_NAME);
	put_modules(&w);
	put_memory(&w);
	put_rsdp(&w);
	put_tag(&w, INFO_LOAD_BASE, NULL, 0, &base, sizeof(base));
	put_tag(&w, INFO_END, NULL, 0, NULL, 0);
	total[0] = (uint32_t)(w.next - l->info);
	return w.status == OK ? gpa_load(l->mem, gpa(l->info), total, sizeof(total)) : w.status;
}

static void multiboot2_set_regs(const struct load *l, struct vcpu *v)
{
	load_set_protected(l, v);
	v->gpr[RAX] = BOOT_MAGIC;
	v->gpr[RBX] = l->info;
}

const struct load_format load_multiboot2 = {
    .word = "multiboot2",
    .what = "a Multiboot 2 kernel",
    .probe = multiboot2_probe,
    .plan = multiboot2_plan,
    .finish = multiboot2_finish,
    .set_regs = multiboot2_set_regs,
};
