/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A disk in memory: it begins as a file, or as zeros, and what is written is kept in frames of the guest zone, taken as they
 * are needed. The file itself never changes. One queue, whose lock guards it all; requests are done when block_submit returns.
 */
#pragma once

#include <stddef.h>
#include "hv/io/block.h"

struct block_memory {
	struct block_device block;
	struct block_queue queue;
	const uint8_t *file; /* mapped for good */
	uint64_t file_size;
	uint64_t **
	    table; /* of the frames: a page of entries for 2 MiB of the disk, NULL while nothing of these is written */
	uint64_t tables;
	uint64_t frames; /* that it has now */
	uint64_t next;   /* of tables, to be freed by block_memory_free_step */
};

/*
 * size: bytes, rounded up to a page, at least file_size. A read-only one is written by nobody. ERR_NOMEM: no memory of Ingot's
 * own for its tables (1/512 of the size at most; 8 bytes for 2 MiB at once); ERR_INVAL: size is 0.
 */
enum status block_memory_init(struct block_memory *m, const char *name, const void *file, size_t file_size,
			      uint64_t size, bool readonly);
/* Gives back some of what it has, nothing being under way; after OK all of it. ERR_AGAIN: call again. */
enum status block_memory_free_step(struct block_memory *m);
