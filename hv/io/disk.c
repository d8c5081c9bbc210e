/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests of a guest's disk, on their way to the device part by part: one after the other, because few requests are larger than
 * what a device takes at once. What is opened, and for whom, is disk_open.c's.
 */
#include "hv/io/disk.h"

#include "hv/lib/util.h"
#include "mm/host_map.h"
#include "mm/page_alloc.h"

#define BOUNCE_ORDER_MAX 4 /* 64 KiB */

/* Who goes on after a part: its submitter, if it ended before block_submit returned, else its end. */
enum stage { SUBMITTED, LEFT, ENDED };

static uint32_t bytes_left(const struct disk_request *r, uint32_t sectors_max)
{
	return MIN(r->left, sectors_max) * BLOCK_SECTOR;
}

/* --- memory that suits the device --- */

static bool suits(const struct frame_run *run, const struct block_limits *l)
{
	return IS_ALIGNED(run->pa.v | run->len, l->run_align) && run->pa.v + (run->len - 1) <= l->pa_max;
}

/* May `a` be followed by `b`? */
static bool joins(const struct frame_run *a, const struct frame_run *b, const struct block_limits *l)
{
	return !l->run_joint || IS_ALIGNED((a->pa.v + a->len) | b->pa.v, l->run_joint);
}

/*
 * The next part is as much as the device takes as it lies there, in whole blocks: its bytes, 0 to max. The last run ends with the
 * part.
 */
static uint32_t direct(struct disk_request *r, uint32_t max)
{
	const struct block_device *b = r->disk->block;
	const struct block_limits *l = &b->limits;
	uint32_t len = 0, n, i = 0;

	r->part.run = r->run;
	r->cut = 0;
	/* Mostly all of it is one piece, and suits. */
	if (r->runs == 1 && r->run->len <= max && suits(r->run, l)) {
		r->part.runs = 1;
		return r->run->len;
	}
	for (; len < max && i < l->runs && suits(&r->run[i], l); i++) {
		if (i && !joins(&r->run[i - 1], &r->run[i], l))
			break;
		len += r->run[i].len;
	}
	n = ALIGN_DOWN(MIN(len, max), b->logical_size);
	while (i && len - r->run[i - 1].len >= n)
		len -= r->run[--i].len;
	r->part.runs = i;
	r->cut = len - n;
	if (r->cut)
		r->run[i - 1].len -= r->cut;
	return n;
}

/* Goes over the part's runs, which are done. */
static void pass(struct disk_request *r)
{
	uint32_t whole = r->part.runs - !!r->cut;

	r->run += whole;
	r->runs -= whole;
	if (r->cut) {
		r->run->pa.v += r->run->len;
		r->run->len = r->cut;
	}
}

/* Goes over n bytes of the request's memory, which are done by way of its bounce buffer; copy: from there. */
static void consume(struct disk_request *r, uint32_t n, bool copy)
{
	uint8_t *at = r->bounce;

	while (n) {
		uint32_t part = MIN(r->run->len, n);

		if (copy)
			frame_write(r->run->pa, at, part);
		at += copy ? part : 0;
		n -= part;
		r->run->pa.v += part;
		r->run->len -= part;
		if (!r->run->len) {
			r->run++;
			r->runs--;
		}
	}
}

static void fill_bounce(const struct disk_request *r, uint32_t n)
{
	uint8_t *at = r->bounce;

	for (uint32_t i = 0, part; n; i++, n -= part, at += part) {
		part = MIN(r->run[i].len, n);
		frame_read(at, r->run[i].pa, part);
	}
}

/* As much as there is memory for; 0: there is none that the device reaches. */
static uint32_t bounce(struct disk_request *r, uint32_t max)
{
	const struct block_limits *l = &r->disk->block->limits;
	unsigned order = BOUNCE_ORDER_MAX;
	uint32_t n;

	while (order && PAGE_SIZE << (order - 1) >= max)
		order--;
	while (!(r->bounce = page_alloc(order)))
		if (!order--)
			return 0;
	n = MIN(max, (uint32_t)PAGE_SIZE << order);
	r->bounce_order = order;
	r->bounce_run = (struct frame_run){host_pa(r->bounce), n};
	if (r->bounce_run.pa.v + n - 1 > l->pa_max) {
		page_free(r->bounce, order);
		r->bounce = NULL;
		return 0;
	}
	if (r->op == BLOCK_WRITE)
		fill_bounce(r, n);
	return n;
}

/* --- parts --- */

/* The next part of a read or a write. False: no memory. */
static bool part_transfer(struct disk_request *r)
{
	uint32_t max = bytes_left(r, r->disk->block->limits.sectors);
	uint32_t n = direct(r, max);

	if (!n) {
		n = bounce(r, max);
		r->part.run = &r->bounce_run;
		r->part.runs = 1;
	}
	r->part.sectors = n / BLOCK_SECTOR;
	return n;
}

static bool part_begin(struct disk_request *r)
{
	const struct block_limits *l = &r->disk->block->limits;

	r->part.op = r->op;
	r->part.fua = r->fua;
	r->part.may_unmap = r->may_unmap;
	r->part.sector = r->disk->first + r->sector + (r->sectors - r->left);
	switch (r->op) {
	case BLOCK_READ:
	case BLOCK_WRITE:
		return part_transfer(r);
	case BLOCK_DISCARD:
		r->part.sectors = MIN(r->left, l->discard_sectors);
		break;
	case BLOCK_WRITE_ZEROES:
		r->part.sectors = MIN(r->left, l->zeroes_sectors);
		break;
	case BLOCK_FLUSH:
	case BLOCK_OPS:
		r->part.sectors = 0;
		break;
	}
	return true;
}

static void part_end(struct disk_request *r)
{
	uint32_t n = r->part.sectors * BLOCK_SECTOR;

	r->status = r->part.status;
	r->left -= r->part.sectors;
	if (r->op != BLOCK_READ && r->op != BLOCK_WRITE)
		return;
	if (!r->bounce) {
		pass(r);
		return;
	}
	consume(r, n, r->op == BLOCK_READ && r->status == OK);
	page_free(r->bounce, r->bounce_order);
	r->bounce = NULL;
}

static inline void end(struct disk_request *r, enum status status)
{
	struct disk_stats *s = &r->disk->stats;

	r->status = status;
	__atomic_fetch_add(&s->requests[r->op], 1, __ATOMIC_RELAXED);
	if (status == OK)
		__atomic_fetch_add(&s->bytes[r->op], (uint64_t)r->sectors * BLOCK_SECTOR, __ATOMIC_RELAXED);
	else
		__atomic_fetch_add(&s->errors, 1, __ATOMIC_RELAXED);
}

static void finish(struct disk_request *r, enum status status)
{
	end(r, status);
	r->done(r);
}

/* Submits part after part, until one is under way that this function need not wait for. */
static void go_on(struct disk_request *r)
{
	do {
		if (!part_begin(r)) {
			finish(r, ERR_NOMEM);
			return;
		}
		__atomic_store_n(&r->stage, SUBMITTED, __ATOMIC_RELAXED);
		block_submit(r->disk->block, &r->part);
		/* Then its end goes on, has perhaps done so already, and r is no more. */
		if (__atomic_exchange_n(&r->stage, LEFT, __ATOMIC_ACQ_REL) == SUBMITTED)
			return;
		part_end(r);
	} while (r->left && r->status == OK);
	finish(r, r->status);
}

static void part_done(struct block_request *part)
{
	struct disk_request *r = container_of(part, struct disk_request, part);

	if (__atomic_exchange_n(&r->stage, ENDED, __ATOMIC_ACQ_REL) == SUBMITTED)
		return;
	part_end(r);
	if (r->left && r->status == OK)
		go_on(r);
	else
		finish(r, r->status);
}

/* A device that does all at once takes it in one part, whatever memory it has. */
static enum status perform(struct disk_request *r)
{
	r->part.op = r->op;
	r->part.may_unmap = r->may_unmap;
	r->part.sector = r->disk->first + r->sector;
	r->part.sectors = r->sectors;
	r->part.run = r->run;
	r->part.runs = r->runs;
	return block_perform(r->disk->block, &r->part);
}

/* --- requests --- */

static enum status check(const struct disk *d, const struct disk_request *r)
{
	uint32_t per_block = d->block->logical_size / BLOCK_SECTOR;

	switch (r->op) {
	case BLOCK_FLUSH:
		return OK;
	case BLOCK_READ:
		break;
	case BLOCK_WRITE:
		if (d->readonly)
			return ERR_INVAL;
		break;
	case BLOCK_DISCARD:
		if (d->readonly || !d->block->limits.discard_sectors)
			return ERR_UNSUPPORTED;
		break;
	case BLOCK_WRITE_ZEROES:
		if (d->readonly || !d->block->limits.zeroes_sectors)
			return ERR_UNSUPPORTED;
		break;
	case BLOCK_OPS:
		return ERR_UNSUPPORTED;
	}
	if (r->sector > d->sectors || r->sectors > d->sectors - r->sector)
		return ERR_RANGE;
	return (r->sector | r->sectors) % per_block ? ERR_INVAL : OK;
}

bool disk_submit(struct disk *d, struct disk_request *r)
{
	enum status s = check(d, r);

	r->disk = d;
	/* Else there is nothing to do: what is done on a disk without a cache is on its medium. */
	if (s == OK && (r->op == BLOCK_FLUSH ? d->block->write_cache : r->sectors != 0)) {
		if (!d->block->ops->perform) {
			r->left = r->op == BLOCK_FLUSH ? 0 : r->sectors;
			r->bounce = NULL;
			r->part.done = part_done;
			go_on(r);
			return false;
		}
		s = perform(r);
	}
	end(r, s);
	return true;
}
