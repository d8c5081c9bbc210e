/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's disk: what a [disk] section names, opened for one guest. Requests are bounded by it and checked against its rights,
 * cut to what the device takes at once, and copied where their memory doesn't suit the device.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/config.h"
#include "hv/io/block.h"

/* Of one opened disk; atomic. */
struct disk_stats {
	uint64_t requests[BLOCK_OPS], bytes[BLOCK_OPS], errors;
};

struct disk {
	const struct disk_config *cfg;
	const char *user; /* the guest's name */
	struct block_device *block;
	uint64_t first, sectors; /* of BLOCK_SECTOR bytes, on the device */
	bool readonly;
	struct disk_stats stats;
	struct list link;
};

struct disk_request {
	/* The submitter's. */
	enum block_op op;
	bool fua, may_unmap; /* as in struct block_request */
	uint64_t sector;     /* on the disk */
	uint32_t sectors;
	struct frame_run
	    *run; /* of BLOCK_READ and BLOCK_WRITE: sectors * BLOCK_SECTOR bytes; used up on the way */
	uint32_t runs;
	void (*done)(struct disk_request *r); /* once, on any CPU, perhaps before disk_submit returns false */
	enum status status;                   /* then */

	/* The disk's, while it is under way. */
	struct disk *disk;
	struct block_request part; /* of it, which is with the device */
	uint32_t left;             /* sectors that have not been done */
	uint32_t stage;            /* atomic: enum stage of disk.c */
	uint32_t cut;              /* bytes that the last run of the part was shortened by */
	void *bounce;              /* memory in place of the part's, or NULL */
	unsigned bounce_order;
	struct frame_run bounce_run;
};

/* Looks for the partitions that the configuration names. Boot CPU, when the devices are there, before guests start. */
void disk_read_partitions(const struct config *c);
/*
 * Opens the disk for the guest `user`, whose name stays. On failure `why` says what an operator needs: the device or the
 * partition is not there, the disk is another guest's.
 */
enum status disk_open(struct disk *d, const struct disk_config *cfg, const char *user, bool readonly,
		      char *why, size_t why_size);
/* Nothing is under way. ERR_AGAIN: call again, it takes a while. */
enum status disk_close(struct disk *d);

/*
 * Any CPU, without locks that r->done takes. True: it was done at once, as r->status says, and r->done is not called. Ends with
 * ERR_RANGE outside of the disk, ERR_INVAL where it isn't whole logical blocks or writes what is read-only, ERR_UNSUPPORTED for
 * a discard or zeroes that the disk doesn't have or isn't allowed, and with what block_request has.
 */
bool disk_submit(struct disk *d, struct disk_request *r);

/* The opened disks, as block_next; for operator's commands, which run while no disk is opened or closed. */
struct disk *disk_next(const struct disk *d);
