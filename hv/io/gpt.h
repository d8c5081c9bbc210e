/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The GUID partition table of a disk (UEFI Specification, "GUID Partition Table (GPT) Disk Layout"): read and checked, never
 * written. Pure: the caller reads the blocks. What the disk says is bounded, and a table that contradicts itself is refused.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/lib/status.h"

#define GPT_GUID_SIZE 16
#define GPT_NAME_SIZE 109  /* 36 UTF-16 units, as UTF-8, and its end */
#define GPT_BLOCK_MAX 4096 /* bytes of a logical block, which are 512 at least */

/* The caller's. */
struct gpt_disk {
	/* Reads the logical block lba, which is below `blocks`, into `block`. */
	enum status (*read)(struct gpt_disk *d, uint64_t lba);
	uint64_t blocks;     /* of the disk */
	uint32_t block_size; /* 512 to GPT_BLOCK_MAX, a power of two */
	void *block;         /* block_size bytes, for gpt.c to read into */
};

struct gpt {
	struct gpt_disk *disk;
	bool backup; /* the primary table is damaged, this is the other one */
	uint64_t first_usable, last_usable;
	uint64_t entries; /* where the array of entries begins */
	uint32_t count, entry_size;
};

struct gpt_partition {
	uint32_t number;                                  /* from 1 */
	uint64_t first, last;                             /* logical blocks, both in it */
	uint8_t type[GPT_GUID_SIZE], guid[GPT_GUID_SIZE]; /* as they are stored */
	char name[GPT_NAME_SIZE];                         /* what is no text in it, as U+FFFD */
};

/* Finds the table of d, which stays. ERR_NOENT: there is none; ERR_INVAL: both of its copies are damaged; ERR_IO: d->read failed. */
enum status gpt_open(struct gpt *g, struct gpt_disk *d);

/* Which partition is meant: what is not 0, NULL. */
struct gpt_wanted {
	uint32_t number;
	const char *name;
	const uint8_t *guid;
};

/*
 * ERR_NOENT: there is none; ERR_EXIST: there are several; ERR_INVAL: it lies outside of the usable blocks, or overlaps with
 * another one; ERR_IO.
 */
enum status gpt_find(struct gpt *g, const struct gpt_wanted *wanted, struct gpt_partition *p);
/*
 * The next partition from number *at on, which moves behind it; 0 for the first. ERR_NOENT: there are no more; ERR_IO. Those outside
 * of the usable blocks are given too.
 */
enum status gpt_next(struct gpt *g, uint32_t *at, struct gpt_partition *p);
