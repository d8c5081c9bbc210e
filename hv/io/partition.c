/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads a device's table by hv/io/gpt.c and keeps what became of it, text and all. */
#include "hv/io/partition.h"

#include "hv/io/gpt.h"
#include "hv/lib/fmt.h"
#include "hv/lib/log.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "mm/host_map.h"
#include "mm/page_alloc.h"

#define WHAT_SIZE (CONFIG_LABEL_MAX + 32)
#define WHY_SIZE  (WHAT_SIZE + 96)

struct known {
	const struct disk_config *cfg;
	enum status status;
	struct partition partition;
	char why[WHY_SIZE];
};

/* Written at boot alone. */
static struct known known[CONFIG_DISK_MAX];
static uint32_t known_count;

struct reader {
	struct gpt_disk disk;
	struct block_device *block;
	struct frame_run run; /* disk.block */
};

static enum status read_block(struct gpt_disk *d, uint64_t lba)
{
	struct reader *r = container_of(d, struct reader, disk);
	uint32_t sectors = d->block_size / BLOCK_SECTOR;
	struct block_request q = {
	    .op = BLOCK_READ, .sector = lba * sectors, .sectors = sectors, .run = &r->run, .runs = 1};

	return block_submit_wait(r->block, &q);
}

/* "named 'root'" */
static void describe(const struct disk_config *cfg, char what[static WHAT_SIZE])
{
	const uint8_t *g = cfg->partition_guid;

	if (cfg->partition == PARTITION_NUMBER)
		fmt_snprintf(what, WHAT_SIZE, "number %u", cfg->partition_number);
	else if (cfg->partition == PARTITION_NAME)
		fmt_snprintf(what, WHAT_SIZE, "named '%s'", cfg->partition_name);
	else
		fmt_snprintf(what, WHAT_SIZE,
			     "with GUID %02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
			     g[3], g[2], g[1], g[0], g[5], g[4], g[7], g[6], g[8], g[9], g[10], g[11], g[12],
			     g[13], g[14], g[15]);
}

static const char *table_trouble(enum status s)
{
	switch (s) {
	case ERR_NOENT:
		return "has no GUID partition table";
	case ERR_INVAL:
		return "has a damaged partition table, and so is its backup";
	default:
		return "does not let its partition table be read";
	}
}

static void explain(struct known *k, const char *device, enum status s)
{
	char what[WHAT_SIZE];

	describe(k->cfg, what);
	switch (s) {
	case ERR_NOENT:
		fmt_snprintf(k->why, WHY_SIZE, "no partition %s on %s", what, device);
		return;
	case ERR_EXIST:
		fmt_snprintf(k->why, WHY_SIZE, "several partitions %s on %s", what, device);
		return;
	case ERR_INVAL:
		fmt_snprintf(k->why, WHY_SIZE,
			     "the partition %s on %s lies over another one, or outside of the disk", what,
			     device);
		return;
	default:
		fmt_snprintf(k->why, WHY_SIZE, "the table with the partition %s on %s can't be read", what,
			     device);
	}
}

static enum status find(struct known *k, struct reader *r)
{
	const struct disk_config *cfg = k->cfg;
	struct gpt_wanted wanted = {};
	struct gpt_partition p;
	struct gpt gpt;
	enum status s = gpt_open(&gpt, &r->disk);

	if (s != OK) {
		fmt_snprintf(k->why, WHY_SIZE, "%s %s", r->block->name, table_trouble(s));
		return s;
	}
	if (gpt.backup)
		log_warn("disk %s: %s's first partition table is damaged: the backup is used", cfg->name,
			 r->block->name);
	if (cfg->partition == PARTITION_NUMBER)
		wanted.number = cfg->partition_number;
	else if (cfg->partition == PARTITION_NAME)
		wanted.name = cfg->partition_name;
	else
		wanted.guid = cfg->partition_guid;
	s = gpt_find(&gpt, &wanted, &p);
	if (s != OK) {
		explain(k, r->block->name, s);
		return s;
	}
	k->partition.first = p.first * (r->disk.block_size / BLOCK_SECTOR);
	k->partition.sectors = (p.last - p.first + 1) * (r->disk.block_size / BLOCK_SECTOR);
	return OK;
}

void partition_read(const struct disk_config *cfg, struct block_device *b)
{
	struct known *k = &known[known_count++];
	struct reader r = {.block = b,
			   .disk = {.read = read_block,
				    .blocks = b->sectors * BLOCK_SECTOR / b->logical_size,
				    .block_size = b->logical_size,
				    .block = page_alloc(0)}};

	k->cfg = cfg;
	if (!r.disk.block || b->logical_size > PAGE_SIZE) {
		k->status = r.disk.block ? ERR_UNSUPPORTED : ERR_NOMEM;
		fmt_snprintf(k->why, WHY_SIZE, "%s: its blocks of %u bytes can't be read", b->name,
			     b->logical_size);
	} else {
		r.run = (struct frame_run){.pa = host_pa(r.disk.block), .len = b->logical_size};
		k->status = find(k, &r);
	}
	if (r.disk.block)
		page_free(r.disk.block, 0);
}

enum status partition_get(const struct disk_config *cfg, struct partition *p, char *why, size_t why_size)
{
	for (uint32_t i = 0; i < known_count; i++) {
		if (known[i].cfg != cfg)
			continue;
		*p = known[i].partition;
		if (known[i].status != OK)
			str_copy(why, why_size, known[i].why);
		return known[i].status;
	}
	str_copy(why, why_size, "its partition was not looked for");
	return ERR_NOENT;
}
