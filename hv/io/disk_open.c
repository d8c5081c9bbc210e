/* SPDX-License-Identifier: BSD-2-Clause */
/* What a [disk] section stands on, who has it open, and who may. */
#include "hv/io/disk.h"

#include "hv/files.h"
#include "hv/io/block_memory.h"
#include "hv/io/partition.h"
#include "hv/lib/fmt.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "mm/page_alloc.h"

/* A disk in memory, of a section: one for all and for good, or one for each guest as long as that has it open. */
struct memory_disk {
	struct block_memory memory;
	const struct disk_config *cfg;
	struct list link; /* in kept */
};

static struct spinlock lock; /* guards these */
static struct list opened = LIST_INIT(opened);
static struct list kept = LIST_INIT(kept);

struct disk *disk_next(const struct disk *d)
{
	struct list *next = d ? d->link.next : opened.next;

	return next == &opened ? NULL : list_entry(next, struct disk, link);
}

/* --- disks in memory --- */

static struct memory_disk *find_kept(const struct disk_config *cfg)
{
	list_for_each (it, &kept) {
		struct memory_disk *m = list_entry(it, struct memory_disk, link);

		if (m->cfg == cfg)
			return m;
	}
	return NULL;
}

/* file: NULL: none */
static enum status memory_new(const struct disk_config *cfg, const struct file *file,
			      struct block_device **out)
{
	uint64_t file_size = file ? file->size : 0;
	struct memory_disk *m = page_alloc_bytes(sizeof(*m));
	enum status s;

	if (!m)
		return ERR_NOMEM;
	s = block_memory_init(&m->memory, cfg->name, file ? file->data : NULL, file_size,
			      MAX(cfg->size, file_size), cfg->readonly);
	if (s != OK) {
		page_free_bytes(m, sizeof(*m));
		return s;
	}
	m->cfg = cfg;
	list_init(&m->link);
	if (cfg->changes == CHANGES_KEEP)
		list_insert_before(&kept, &m->link);
	*out = &m->memory.block;
	return OK;
}

static enum status memory_open(const struct disk_config *cfg, struct block_device **out)
{
	struct memory_disk *m = cfg->changes == CHANGES_KEEP ? find_kept(cfg) : NULL;
	const struct file *file = cfg->file[0] ? file_find(cfg->file) : NULL;

	if (cfg->file[0] && !file)
		return ERR_NOENT;
	if (!m)
		return memory_new(cfg, file, out);
	*out = &m->memory.block;
	return OK;
}

static enum status memory_close(struct block_device *b)
{
	struct memory_disk *m = container_of(b, struct memory_disk, memory.block);
	enum status s;

	if (m->cfg->changes == CHANGES_KEEP)
		return OK;
	s = block_memory_free_step(&m->memory);
	if (s == OK)
		page_free_bytes(m, sizeof(*m));
	return s;
}

/* --- physical disks --- */

static bool is_meant(const struct block_device *b, const struct disk_config *cfg)
{
	switch (cfg->device) {
	case DEVICE_NAME:
		return !strcmp(b->name, cfg->device_text);
	case DEVICE_SERIAL:
		return !strcmp(b->serial, cfg->device_text);
	case DEVICE_PCI:
		return b->bdf == cfg->device_bdf;
	case DEVICE_NONE:
		break;
	}
	return false;
}

/* The next one after b that cfg may mean. */
static struct block_device *next_meant(const struct block_device *b, const struct disk_config *cfg)
{
	struct block_device *next = block_next(b);

	while (next && !is_meant(next, cfg))
		next = block_next(next);
	return next;
}

/* The one that cfg means. NULL: there is none, or several, of which nobody is to be taken by chance. */
static struct block_device *find_device(const struct disk_config *cfg)
{
	struct block_device *b = next_meant(NULL, cfg);

	return b && !next_meant(b, cfg) ? b : NULL;
}

/* Why there is none for cfg. The disks of a controller, or of a serial number, are named, as far as there is room. */
static enum status say_not_found(const struct disk_config *cfg, char *why, size_t why_size)
{
	const struct block_device *b = next_meant(NULL, cfg);
	size_t n;

	if (!b) {
		fmt_snprintf(why, why_size, "disk %s: this machine has no such device (see `disk`)",
			     cfg->name);
		return ERR_NOENT;
	}
	n = (size_t)fmt_snprintf(why, why_size, "disk %s: its device may be %s", cfg->name, b->name);
	while ((b = next_meant(b, cfg)) && n < why_size)
		n += (size_t)fmt_snprintf(why + n, why_size - n, "%s%s", next_meant(b, cfg) ? ", " : " or ",
					  b->name);
	return ERR_INVAL;
}

void disk_read_partitions(const struct config *c)
{
	for (uint32_t i = 0; i < c->disk_count; i++) {
		const struct disk_config *cfg = &c->disk[i];
		struct block_device *b = cfg->partition != PARTITION_NONE ? find_device(cfg) : NULL;

		if (b && !cfg->refused)
			partition_read(cfg, b);
	}
}

/* --- opening --- */

/* Who has some of what d is to have, and may not share it; NULL: nobody. */
static const struct disk *find_rival(const struct disk *d)
{
	list_for_each (it, &opened) {
		const struct disk *o = list_entry(it, struct disk, link);

		if (o->block == d->block && !(o->readonly && d->readonly) &&
		    o->first < d->first + d->sectors && d->first < o->first + o->sectors)
			return o;
	}
	return NULL;
}

/* What it stands on, all of it, in d. */
static enum status find_backing(struct disk *d, char *why, size_t why_size)
{
	const struct disk_config *cfg = d->cfg;
	struct partition part;
	enum status s = OK;

	if (cfg->device == DEVICE_NONE) {
		s = memory_open(cfg, &d->block);
		if (s != OK)
			fmt_snprintf(why, why_size, "disk %s: %s", cfg->name, status_str(s));
	} else {
		d->block = find_device(cfg);
		if (!d->block)
			s = say_not_found(cfg, why, why_size);
	}
	if (s != OK)
		return s;
	part.first = 0;
	part.sectors = d->block->sectors;
	if (cfg->partition != PARTITION_NONE) {
		int n = fmt_snprintf(why, why_size, "disk %s: ", cfg->name);

		s = partition_get(cfg, &part, why + n, why_size - n);
		if (s != OK)
			return s;
	}
	d->first = part.first;
	d->sectors = part.sectors;
	d->readonly |= cfg->readonly || d->block->readonly;
	return OK;
}

enum status disk_open(struct disk *d, const struct disk_config *cfg, const char *user, bool readonly,
		      char *why, size_t why_size)
{
	const struct disk *rival;
	enum status s;

	*d = (struct disk){.cfg = cfg, .user = user, .readonly = readonly};
	spin_lock(&lock);
	s = find_backing(d, why, why_size);
	rival = s == OK ? find_rival(d) : NULL;
	if (rival) {
		fmt_snprintf(why, why_size, "disk %s: vm %s has it as disk %s, and one of them may write",
			     cfg->name, rival->user, rival->cfg->name);
		s = ERR_BUSY;
	}
	if (s == OK)
		list_insert_before(&opened, &d->link);
	spin_unlock(&lock);
	return s;
}

enum status disk_close(struct disk *d)
{
	spin_lock(&lock);
	list_remove(&d->link);
	spin_unlock(&lock);
	return d->cfg->device == DEVICE_NONE ? memory_close(d->block) : OK;
}
