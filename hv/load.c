/* SPDX-License-Identifier: BSD-2-Clause */
/* Loading of guests, what all formats have in common: see load.h. */
#include "hv/load.h"

#include "hv/guest_map.h"
#include "hv/lib/fmt.h"
#include "hv/lib/util.h"

#define COPY_STEP KIB(256)

static const struct load_format *const formats[] = {
    [BOOT_LINUX] = &load_linux,
};

/* What boot = auto asks a file, the most particular first. */
static const enum config_boot detection_order[] = {BOOT_LINUX};

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
	if (wanted == found || wanted->probe(l->kernel))
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
