/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checks the sections of a configuration against each other. Where two guests want what only one can have, neither is started:
 * which of them was meant?
 */
#include "hv/config_link.h"
#include "hv/config_section.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"

/* FNV-1a (Fowler, Noll, Vo): no secret is kept by it, names only have to be spread over addresses. */
#define FNV_OFFSET 0xcbf29ce484222325
#define FNV_PRIME  0x100000001b3

static uint64_t hash_text(uint64_t hash, const char *s)
{
	do {
		hash = (hash ^ (uint8_t)*s) * FNV_PRIME;
	} while (*s++);
	return hash;
}

/* The same names have the same address on every start. The first three bytes are those that QEMU's and Xen's tools give too. */
static void derive_mac(struct vm_net *n, const char *vm, uint32_t index)
{
	uint64_t hash = hash_text(hash_text(FNV_OFFSET, vm), n->name);

	hash = (hash ^ index) * FNV_PRIME;
	hash ^= hash >> 32;
	memcpy(n->mac, (const uint8_t[]){0x52, 0x54, 0x00, hash >> 16, hash >> 8, hash}, sizeof(n->mac));
}

/* The section that a guest, r->section, names; NULL: reported, there is none. */
static void find_section(struct config_report *r, enum config_section kind, const char *name, uint32_t line,
			 uint32_t *index)
{
	const char *word = config_kinds[kind].word, *near, *vm = config_section_name(r->section);
	const void *section = config_section_find(r->c, kind, name, index);

	if (section && config_section_refused(section)) {
		config_report(r, line, "[vm %s] needs [%s %s], which has mistakes", vm, word, name);
	} else if (section == NULL) {
		near = config_section_nearest(r->c, kind, name);
		config_report(r, line, "'%s' in [vm %s]: there is no [%s %s]%s%s%s", word, vm, word, name,
			      near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
	}
}

static void link_vm(struct config_report *r, struct vm_config *vm)
{
	r->section = vm;
	for (uint32_t i = 0; i < vm->disk_count; i++)
		find_section(r, SECTION_DISK, vm->disk[i].name, vm->disk[i].line, &vm->disk[i].index);
	for (uint32_t i = 0; i < vm->net_count; i++) {
		find_section(r, SECTION_NET, vm->net[i].name, vm->net[i].line, &vm->net[i].index);
		if (!vm->net[i].mac_given)
			derive_mac(&vm->net[i], vm->name, i);
	}
	for (uint32_t i = 0; i < vm->shared_count; i++)
		find_section(r, SECTION_SHARED, vm->shared[i].name, vm->shared[i].line, &vm->shared[i].index);
}

/* False where there is no such disk, too. */
static bool may_write(const struct config *c, const struct vm_disk *d)
{
	const struct disk_config *disk = &c->disk[d->index];

	return strcmp(disk->name, d->name) == 0 && !d->readonly && !disk->readonly &&
	       disk->changes == CHANGES_KEEP;
}

/* Whether this use of a disk fits with all before it: who may write it has it alone. */
static void check_disk(struct config_report *r, uint32_t vm, uint32_t use)
{
	struct vm_config *ours = &r->c->vm[vm];
	const struct vm_disk *mine = &ours->disk[use];

	for (uint32_t v = 0; v <= vm; v++) {
		struct vm_config *theirs = &r->c->vm[v];

		for (uint32_t i = 0; i < (v == vm ? use : theirs->disk_count); i++) {
			const struct vm_disk *other = &theirs->disk[i];

			if (strcmp(mine->name, other->name) != 0 ||
			    (!may_write(r->c, mine) && !may_write(r->c, other)))
				continue;
			theirs->refused = true;
			config_report(r, mine->line,
				      "[vm %s] and [vm %s] (line %u) both have the disk '%s', which can be "
				      "written; make it readonly for both",
				      ours->name, theirs->name, other->line, mine->name);
			return;
		}
	}
}

static void check_mac(struct config_report *r, uint32_t vm, uint32_t use)
{
	struct vm_config *ours = &r->c->vm[vm];
	const struct vm_net *mine = &ours->net[use];

	for (uint32_t v = 0; v <= vm; v++) {
		struct vm_config *theirs = &r->c->vm[v];

		for (uint32_t i = 0; i < (v == vm ? use : theirs->net_count); i++) {
			const struct vm_net *other = &theirs->net[i];

			if (strcmp(mine->name, other->name) != 0 ||
			    memcmp(mine->mac, other->mac, sizeof(mine->mac)) != 0)
				continue;
			theirs->refused = true;
			config_report(r, mine->line,
				      "[vm %s] and [vm %s] (line %u) both have the same MAC address in "
				      "[net %s]; give one with mac=...",
				      ours->name, theirs->name, other->line, mine->name);
			return;
		}
	}
}

static bool is_writable_file(const struct disk_config *d)
{
	return d->file[0] && !d->readonly && d->changes == CHANGES_KEEP;
}

/* A file that a disk's guest writes is no other disk's and no guest's kernel too: those would change with it. */
static void check_file_writer(struct config_report *r, struct disk_config *d)
{
	struct config *c = r->c;

	r->section = d;
	for (uint32_t i = 0; i < c->disk_count; i++) {
		if (&c->disk[i] != d && strcmp(c->disk[i].file, d->file) == 0)
			config_report(
			    r, d->file_line,
			    "'%s' of [disk %s] is also the file of [disk %s] (line %u), and changes "
			    "are kept; changes = drop, or readonly",
			    d->file, d->name, c->disk[i].name, c->disk[i].file_line);
	}
	for (uint32_t v = 0; v < c->vm_count; v++) {
		const struct vm_config *vm = &c->vm[v];
		uint32_t line = strcmp(vm->kernel, d->file) == 0   ? vm->kernel_line
				: strcmp(vm->initrd, d->file) == 0 ? vm->initrd_line
								   : 0;

		for (uint32_t m = 0; m < vm->module_count; m++)
			line = strcmp(vm->module[m].file, d->file) == 0 ? vm->module[m].line : line;
		if (line)
			config_report(
			    r, d->file_line,
			    "'%s' of [disk %s] is also started by [vm %s] (line %u), and changes are "
			    "kept; changes = drop, or readonly",
			    d->file, d->name, vm->name, line);
	}
}

static void check_uplink(struct config_report *r, uint32_t net)
{
	struct net_config *mine = &r->c->net[net];

	for (uint32_t i = 0; i < net && mine->uplink != UPLINK_NONE; i++) {
		const struct net_config *other = &r->c->net[i];

		if (other->uplink != mine->uplink || other->uplink_bdf != mine->uplink_bdf)
			continue;
		r->section = mine;
		config_report(r, mine->line, "[net %s] and [net %s] (line %u) have the same uplink",
			      mine->name, other->name, other->line);
		return;
	}
}

/* What must be right before guests refer to it. */
static void check_sections(struct config_report *r)
{
	for (uint32_t i = 0; i < r->c->disk_count; i++) {
		if (is_writable_file(&r->c->disk[i]))
			check_file_writer(r, &r->c->disk[i]);
	}
	for (uint32_t i = 0; i < r->c->net_count; i++)
		check_uplink(r, i);
}

void config_link(struct config_report *r)
{
	check_sections(r);
	for (uint32_t v = 0; v < r->c->vm_count; v++) {
		struct vm_config *vm = &r->c->vm[v];

		link_vm(r, vm);
		for (uint32_t i = 0; i < vm->disk_count; i++)
			check_disk(r, v, i);
		for (uint32_t i = 0; i < vm->net_count; i++)
			check_mac(r, v, i);
	}
	r->section = NULL;
}

/* One file of r->section, by the key that names it; an empty name is none. */
static void check_file(struct config_report *r, const char *word, const char *key, const char *file,
		       uint32_t line, config_exists_fn exists, void *arg)
{
	if (file[0] && !exists(arg, file))
		config_report(r, line, "[%s %s]: there is no file '%s' (%s)", word,
			      config_section_name(r->section), file, key);
}

/* The guests that have a disk without its file. */
static void refuse_users(struct config_report *r, const struct disk_config *d)
{
	for (uint32_t v = 0; v < r->c->vm_count; v++) {
		struct vm_config *vm = &r->c->vm[v];

		for (uint32_t i = 0; i < vm->disk_count; i++)
			vm->refused |= strcmp(vm->disk[i].name, d->name) == 0;
	}
}

void config_link_files(struct config_report *r, config_exists_fn exists, void *arg)
{
	for (uint32_t v = 0; v < r->c->vm_count; v++) {
		struct vm_config *vm = &r->c->vm[v];

		r->section = vm;
		check_file(r, "vm", "kernel", vm->kernel, vm->kernel_line, exists, arg);
		check_file(r, "vm", "initrd", vm->initrd, vm->initrd_line, exists, arg);
		for (uint32_t m = 0; m < vm->module_count; m++)
			check_file(r, "vm", "module", vm->module[m].file, vm->module[m].line, exists, arg);
	}
	for (uint32_t i = 0; i < r->c->disk_count; i++) {
		struct disk_config *d = &r->c->disk[i];

		r->section = d;
		check_file(r, "disk", "file", d->file, d->file_line, exists, arg);
		if (d->refused)
			refuse_users(r, d);
	}
}
