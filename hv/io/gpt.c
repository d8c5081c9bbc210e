/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads GUID partition tables. A header is taken only if all of it fits together, and its entries only if their sum is right;
 * the entries are then read again as they are asked for, one block at a time.
 */
#include "hv/io/gpt.h"
#include "hv/lib/crc32.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"

#define SIGNATURE     0x5452415020494645 /* "EFI PART" */
#define REVISION      0x00010000
#define HEADER_MIN    92
#define ENTRY_MIN     128
#define ENTRIES_MAX   MIB(1) /* bytes of all entries: tools make 16 KiB */
#define NAME_UNITS    36
#define REPLACEMENT   0xfffd

#define MBR_ENTRIES   446
#define MBR_ENTRY     16
#define MBR_TYPE      4
#define MBR_SIGNATURE 510
#define MBR_GPT       0xee

/* "GPT Header" */
struct header {
	uint64_t signature;
	uint32_t revision, header_size, header_crc, reserved;
	uint64_t my_lba, alternate_lba, first_usable, last_usable;
	uint8_t disk_guid[GPT_GUID_SIZE];
	uint64_t entries_lba;
	uint32_t count, entry_size, entries_crc;
} __attribute__((packed));
static_assert(sizeof(struct header) == HEADER_MIN);

/* "GPT Partition Entry" */
struct entry {
	uint8_t type[GPT_GUID_SIZE], guid[GPT_GUID_SIZE];
	uint64_t first, last, attributes;
	uint16_t name[NAME_UNITS];
} __attribute__((packed));
static_assert(sizeof(struct entry) == ENTRY_MIN);

/* Whatever the device's error is, it is none of the answers below. */
static enum status read_block(struct gpt_disk *d, uint64_t lba)
{
	return d->read(d, lba) == OK ? OK : ERR_IO;
}

/* A GPT disk has an MBR whose entries keep old tools away. Without it, what looks like a table is left over from another life. */
static enum status check_mbr(struct gpt_disk *d)
{
	const uint8_t *mbr = d->block;
	enum status s = read_block(d, 0);

	if (s != OK)
		return s;
	if (mbr[MBR_SIGNATURE] != 0x55 || mbr[MBR_SIGNATURE + 1] != 0xaa)
		return ERR_NOENT;
	for (unsigned i = 0; i < 4; i++) {
		if (mbr[MBR_ENTRIES + i * MBR_ENTRY + MBR_TYPE] == MBR_GPT)
			return OK;
	}
	return ERR_NOENT;
}

static bool sum_is_right(const struct gpt_disk *d, const struct header *h)
{
	static const uint32_t zero;
	const uint8_t *bytes = d->block;
	const size_t at = offsetof(struct header, header_crc);
	uint32_t crc;

	if (h->header_size < HEADER_MIN || h->header_size > d->block_size)
		return false;
	crc = crc32(0, bytes, at);
	crc = crc32(crc, &zero, sizeof(zero));
	return crc32(crc, bytes + at + sizeof(zero), h->header_size - at - sizeof(zero)) == h->header_crc;
}

/* Whether what the header says of the disk is possible; *blocks: those of the entries. */
static bool is_sound(const struct gpt_disk *d, const struct header *h, uint64_t lba, uint64_t *blocks)
{
	/* The last block of the disk is the backup's header. */
	if (h->revision != REVISION || h->my_lba != lba || h->first_usable < 2 ||
	    h->first_usable > h->last_usable || h->last_usable >= d->blocks - 1)
		return false;
	if (h->entry_size < ENTRY_MIN || h->entry_size > d->block_size ||
	    (h->entry_size & (h->entry_size - 1)) != 0 || h->count == 0 ||
	    h->count > ENTRIES_MAX / h->entry_size)
		return false;
	*blocks = ((uint64_t)h->count * h->entry_size + d->block_size - 1) / d->block_size;
	if (h->entries_lba < 2 || h->entries_lba >= d->blocks || *blocks > d->blocks - h->entries_lba)
		return false;
	/* No partition lies over the entries. */
	return h->entries_lba + *blocks <= h->first_usable || h->entries_lba > h->last_usable;
}

static enum status check_entries(struct gpt_disk *d, const struct header *h, uint64_t blocks)
{
	uint32_t left = h->count * h->entry_size, crc = 0;

	for (uint64_t i = 0; i < blocks; i++) {
		uint32_t n = MIN(left, d->block_size);
		enum status s = read_block(d, h->entries_lba + i);

		if (s != OK)
			return s;
		crc = crc32(crc, d->block, n);
		left -= n;
	}
	return crc == h->entries_crc ? OK : ERR_INVAL;
}

/* Takes the table whose header is at lba. ERR_NOENT: there is none, ERR_INVAL: it is damaged. */
static enum status take_table(struct gpt *g, uint64_t lba)
{
	struct gpt_disk *d = g->disk;
	enum status s = read_block(d, lba);
	struct header h;
	uint64_t blocks;

	if (s != OK)
		return s;
	memcpy(&h, d->block, sizeof(h));
	if (h.signature != SIGNATURE)
		return ERR_NOENT;
	if (!sum_is_right(d, &h) || !is_sound(d, &h, lba, &blocks))
		return ERR_INVAL;
	g->first_usable = h.first_usable;
	g->last_usable = h.last_usable;
	g->entries = h.entries_lba;
	g->count = h.count;
	g->entry_size = h.entry_size;
	return check_entries(d, &h, blocks);
}

enum status gpt_open(struct gpt *g, struct gpt_disk *d)
{
	enum status s, primary;

	*g = (struct gpt){.disk = d};
	if (d->blocks < 3)
		return ERR_NOENT;
	s = check_mbr(d);
	if (s != OK)
		return s;
	primary = take_table(g, 1);
	if (primary == OK)
		return OK;
	/* "GPT overview": the backup is in the last block. */
	g->backup = true;
	s = take_table(g, d->blocks - 1);
	return s == ERR_NOENT ? primary : s;
}

/* Appends a code point as UTF-8. */
static char *put_utf8(char *out, uint32_t c)
{
	if (c < 0x80) {
		*out++ = c;
		return out;
	}
	if (c < 0x800) {
		*out++ = 0xc0 | c >> 6;
	} else {
		if (c < 0x10000) {
			*out++ = 0xe0 | c >> 12;
		} else {
			*out++ = 0xf0 | c >> 18;
			*out++ = 0x80 | (c >> 12 & 0x3f);
		}
		*out++ = 0x80 | (c >> 6 & 0x3f);
	}
	*out++ = 0x80 | (c & 0x3f);
	return out;
}

/* The name is for the console too: nothing that isn't text comes out. */
static void take_name(char out[static GPT_NAME_SIZE], const uint16_t units[static NAME_UNITS])
{
	for (unsigned i = 0; i < NAME_UNITS && units[i]; i++) {
		uint32_t c = units[i], next = i + 1 < NAME_UNITS ? units[i + 1] : 0;

		if (c >= 0xd800 && c < 0xdc00 && next >= 0xdc00 && next < 0xe000) {
			c = 0x10000 + ((c - 0xd800) << 10) + (next - 0xdc00);
			i++;
		} else if ((c >= 0xd800 && c < 0xe000) || c < ' ' || (c >= 0x7f && c < 0xa0)) {
			c = REPLACEMENT;
		}
		out = put_utf8(out, c);
	}
	*out = '\0';
}

/* Entry number n, below the count. ERR_NOENT: it is unused. */
static enum status read_entry(struct gpt *g, uint32_t n, struct gpt_partition *p)
{
	static const uint8_t unused[GPT_GUID_SIZE];
	uint64_t at = (uint64_t)n * g->entry_size;
	enum status s = read_block(g->disk, g->entries + at / g->disk->block_size);
	uint16_t name[NAME_UNITS];
	struct entry e;

	if (s != OK)
		return s;
	memcpy(&e, (const uint8_t *)g->disk->block + at % g->disk->block_size, sizeof(e));
	if (memcmp(e.type, unused, sizeof(unused)) == 0)
		return ERR_NOENT;
	*p = (struct gpt_partition){.number = n + 1, .first = e.first, .last = e.last};
	memcpy(p->type, e.type, sizeof(p->type));
	memcpy(p->guid, e.guid, sizeof(p->guid));
	memcpy(name, e.name, sizeof(name));
	take_name(p->name, name);
	return OK;
}

enum status gpt_next(struct gpt *g, uint32_t *at, struct gpt_partition *p)
{
	while (*at < g->count) {
		enum status s = read_entry(g, (*at)++, p);

		if (s != ERR_NOENT)
			return s;
	}
	return ERR_NOENT;
}

static bool is_wanted(const struct gpt_wanted *w, const struct gpt_partition *p)
{
	return (!w->number || p->number == w->number) && (!w->name || strcmp(p->name, w->name) == 0) &&
	       (!w->guid || memcmp(p->guid, w->guid, GPT_GUID_SIZE) == 0);
}

/* ERR_INVAL: p goes beyond the usable blocks or shares some with another partition, whose guest could then write into it. */
static enum status check_place(struct gpt *g, const struct gpt_partition *p)
{
	struct gpt_partition other;
	uint32_t at = 0;
	enum status s;

	if (p->first < g->first_usable || p->first > p->last || p->last > g->last_usable)
		return ERR_INVAL;
	for (s = gpt_next(g, &at, &other); s == OK; s = gpt_next(g, &at, &other)) {
		if (other.number != p->number && other.first <= p->last && p->first <= other.last)
			return ERR_INVAL;
	}
	return s == ERR_NOENT ? OK : s;
}

enum status gpt_find(struct gpt *g, const struct gpt_wanted *wanted, struct gpt_partition *p)
{
	struct gpt_partition each;
	bool found = false;
	uint32_t at = 0;
	enum status s;

	for (s = gpt_next(g, &at, &each); s == OK; s = gpt_next(g, &at, &each)) {
		if (!is_wanted(wanted, &each))
			continue;
		if (found)
			return ERR_EXIST;
		*p = each;
		found = true;
	}
	if (s != ERR_NOENT)
		return s;
	return found ? check_place(g, p) : ERR_NOENT;
}
