/* SPDX-License-Identifier: BSD-2-Clause */
/* Loading of guests, what all formats have in common: see load.h. */
#include "hv/load.h"

#include "hv/guest_map.h"
#include "hv/lib/fmt.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"

#define COPY_STEP   KIB(256)
#define INFO_LOWEST 0x1000UL /* the first page stays free: an interrupt vector table, a null pointer */

static const struct load_format *const formats[] = {
    [BOOT_LINUX] = &load_linux, [BOOT_MULTIBOOT] = &load_multiboot, [BOOT_MULTIBOOT2] = &load_multiboot2,
    [BOOT_PVH] = &load_pvh,     [BOOT_FLAT] = &load_flat,
};

/* What boot = auto tries. A kernel may be several: the one that tells it most comes first. */
static const enum config_boot detection_order[] = {BOOT_LINUX, BOOT_PVH, BOOT_MULTIBOOT2, BOOT_MULTIBOOT,
						   BOOT_FLAT};

enum status load_refuse(const struct load *l, const struct file *f, const char *fmt, ...)
{
	va_list ap;
	int n = fmt_snprintf(l->why, l->why_size, "%s: ", f->name);

	if ((size_t)n >= l->why_size)
		return ERR_INVAL;
	va_start(ap, fmt);
	fmt_vsnprintf(l->why + n, l->why_size - (size_t)n, fmt, ap);
	va_end(ap);
	return ERR_INVAL;
}

/* --- the files, and which format it is --- */

static enum status find(struct load *l, const char *name, const struct file **f)
{
	*f = file_find(name);
	if (*f)
		return OK;
	fmt_snprintf(l->why, l->why_size, "file %s was not loaded by the boot loader", name);
	return ERR_NOENT;
}

static enum status find_module(struct load *l, const char *name, const char *args)
{
	struct load_module *m = &l->module[l->module_count++];

	m->args = args;
	return find(l, name, &m->file);
}

static enum status find_files(struct load *l)
{
	const struct vm_config *c = l->cfg;
	enum status s = find(l, c->kernel, &l->kernel);

	if (s == OK && c->initrd[0])
		s = find_module(l, c->initrd, "");
	for (uint32_t i = 0; i < c->module_count && s == OK; i++)
		s = find_module(l, c->module[i].file, c->module[i].args);
	return s;
}

static const struct load_format *detect(const struct file *kernel)
{
	for (size_t i = 0; i < ARRAY_SIZE(detection_order); i++) {
		const struct load_format *f = formats[detection_order[i]];

		if (f->probe(kernel))
			return f;
	}
	return NULL;
}

static enum status choose_format(struct load *l)
{
	const struct load_format *found = detect(l->kernel);
	const struct load_format *wanted = l->cfg->boot == BOOT_AUTO ? found : formats[l->cfg->boot];

	l->format = wanted;
	if (!wanted)
		return load_refuse(l, l->kernel, "no kind of kernel that is known here");
	/* Any file can be a flat image. */
	if (wanted == found || wanted == &load_flat || wanted->probe(l->kernel))
		return OK;
	if (found)
		return load_refuse(l, l->kernel, "it is %s, not %s: boot = %s is wrong", found->what,
				   wanted->what, wanted->word);
	return load_refuse(l, l->kernel, "it is not %s: boot = %s is wrong", wanted->what, wanted->word);
}

enum status load_plan(struct load *l, const struct gmem *mem, const struct vm_config *cfg, uint64_t rsdp,
		      char *why, size_t why_size)
{
	enum status s;

	*l = (struct load){.mem = mem, .cfg = cfg, .rsdp = rsdp, .why = why, .why_size = why_size};
	s = find_files(l);
	if (s == OK)
		s = choose_format(l);
	return s == OK ? l->format->plan(l) : s;
}

/* --- where parts may lie --- */

static bool overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a < b + b_size && b < a + a_size;
}

bool load_is_ram(const struct gmem *mem, uint64_t at, uint64_t size)
{
	const struct gmem_slot *s = gmem_find(mem, gpa(at));

	return s && !s->readonly && size <= s->base + s->size - at &&
	       !overlap(at, size, GUEST_NVS_BASE, GUEST_NVS_SIZE);
}

enum status load_add_part(struct load *l, const struct file *f, uint64_t at, uint64_t offset,
			  uint64_t data_size, uint64_t size)
{
	const uint8_t *data = f->data;

	if (!load_is_ram(l->mem, at, size)) {
		(void)!load_refuse(l, f, "needs %lu KiB at 0x%lx, which is not all RAM of the guest",
				   ALIGN_UP(size, KIB(1)) >> 10, at);
		return ERR_NOMEM;
	}
	for (uint32_t i = 0; i < l->part_count; i++) {
		const struct load_part *p = &l->part[i];

		if (overlap(at, size, p->gpa, p->size))
			return load_refuse(l, f, "its parts at 0x%lx and 0x%lx overlap", p->gpa, at);
	}
	if (l->part_count == ARRAY_SIZE(l->part))
		return load_refuse(l, f, "more than %zu parts", ARRAY_SIZE(l->part));
	l->part[l->part_count++] = (struct load_part){at, size, data + offset, data_size};
	return OK;
}

enum status load_check_entry(const struct load *l)
{
	for (uint32_t i = 0; i < l->part_count; i++) {
		const struct load_part *p = &l->part[i];

		if (l->entry >= p->gpa && l->entry - p->gpa < p->size && l->entry < GUEST_RAM_HIGH_BASE)
			return OK;
	}
	return load_refuse(l, l->kernel, "its entry point 0x%lx lies outside of it or above 4 GiB", l->entry);
}

/* The lowest free place for size bytes from `from` on, on a page of its own, below 4 GiB. */
static bool place(const struct load *l, uint64_t from, uint64_t size, uint64_t *at)
{
	uint64_t next = ALIGN_UP(from, PAGE_SIZE);

	/* Each round ends behind something that was in the way. */
	for (unsigned round = 0; round <= LOAD_MAP_MAX + ARRAY_SIZE(l->part); round++) {
		const struct gmem_slot *slot = NULL;

		*at = next;
		for (uint32_t i = 0; i < l->part_count; i++)
			if (overlap(*at, size, l->part[i].gpa, l->part[i].size))
				next = MAX(next, ALIGN_UP(l->part[i].gpa + l->part[i].size, PAGE_SIZE));
		if (next == *at && load_is_ram(l->mem, *at, size))
			return *at + size <= GUEST_RAM_HIGH_BASE;
		if (next > *at)
			continue;
		for (uint32_t i = 0; i < l->mem->count && !slot; i++)
			if (l->mem->slot[i].base > *at)
				slot = &l->mem->slot[i];
		if (!slot)
			return false;
		next = slot->base;
	}
	return false;
}

static uint64_t kernel_end(const struct load *l)
{
	uint64_t end = GUEST_RAM_MID_BASE;

	for (uint32_t i = 0; i < l->part_count; i++)
		end = MAX(end, l->part[i].gpa + l->part[i].size);
	return end;
}

enum status load_place_modules(struct load *l)
{
	for (uint32_t i = 0; i < l->module_count; i++) {
		struct load_module *m = &l->module[i];
		enum status s;

		if (!place(l, kernel_end(l), m->file->size, &m->gpa)) {
			(void)!load_refuse(l, m->file, "%zu KiB do not fit in memory behind %s",
					   m->file->size >> 10, l->kernel->name);
			return ERR_NOMEM;
		}
		s = load_add_part(l, m->file, m->gpa, 0, m->file->size, m->file->size);
		if (s != OK)
			return s;
	}
	if (place(l, INFO_LOWEST, LOAD_INFO_SIZE, &l->info))
		return OK;
	(void)!load_refuse(l, l->kernel, "leaves no %lu KiB of memory for what it must be told",
			   LOAD_INFO_SIZE >> 10);
	return ERR_NOMEM;
}

struct load_writer load_writer(const struct load *l)
{
	return (struct load_writer){.l = l, .next = l->info, .status = OK};
}

uint64_t load_put(struct load_writer *w, const void *data, size_t n)
{
	uint64_t at = w->next;

	if (w->status == OK && n > w->l->info + LOAD_INFO_SIZE - at)
		w->status = ERR_NOMEM;
	if (w->status == OK)
		w->status = data ? gpa_load(w->l->mem, gpa(at), data, n) : gpa_zero(w->l->mem, gpa(at), n);
	if (w->status == OK)
		w->next = ALIGN_UP(at + n, 8UL);
	return at;
}

uint64_t load_put_string(struct load_writer *w, const char *text)
{
	return load_put(w, text, strlen(text) + 1);
}

static void add_map(struct load_map *m, uint64_t base, uint64_t end, enum load_map_type type)
{
	if (end <= base)
		return;
	m->entry[m->count].base = base;
	m->entry[m->count].size = end - base;
	m->entry[m->count++].type = type;
}

void load_map_fill(struct load_map *m, const struct gmem *mem)
{
	m->count = 0;
	for (uint32_t i = 0; i < mem->count; i++) {
		uint64_t base = mem->slot[i].base, end = base + mem->slot[i].size;

		if (mem->slot[i].readonly) {
			add_map(m, base, end, LOAD_MAP_RESERVED);
		} else if (base <= GUEST_NVS_BASE && end > GUEST_NVS_BASE) {
			add_map(m, base, GUEST_NVS_BASE, LOAD_MAP_RAM);
			add_map(m, GUEST_NVS_BASE, GUEST_NVS_BASE + GUEST_NVS_SIZE, LOAD_MAP_NVS);
			add_map(m, GUEST_NVS_BASE + GUEST_NVS_SIZE, end, LOAD_MAP_RAM);
		} else {
			add_map(m, base, end, LOAD_MAP_RAM);
		}
	}
}

uint32_t load_memory_upper(const struct gmem *mem)
{
	return (uint32_t)(gmem_find(mem, gpa(GUEST_RAM_MID_BASE))->size >> 10);
}

/* --- copying --- */

/* The next bytes of p: first the file's, then zeros. */
static enum status copy_part(struct load *l, const struct load_part *p)
{
	bool data = l->part_done < p->data_size;
	uint64_t n = MIN((data ? p->data_size : p->size) - l->part_done, COPY_STEP);
	gpa_t to = gpa(p->gpa + l->part_done);
	enum status s = data ? gpa_load(l->mem, to, p->data + l->part_done, n) : gpa_zero(l->mem, to, n);

	l->part_done += n;
	if (l->part_done == p->size) {
		l->part_now++;
		l->part_done = 0;
	}
	return s;
}

enum status load_step(struct load *l)
{
	enum status s;

	if (l->part_now < l->part_count) {
		s = copy_part(l, &l->part[l->part_now]);
		return s == OK ? ERR_AGAIN : s;
	}
	if (l->finished)
		return OK;
	s = l->format->finish(l);
	l->finished = s == OK;
	return s;
}

void load_set_regs(const struct load *l, struct vcpu *v)
{
	l->format->set_regs(l, v);
}
