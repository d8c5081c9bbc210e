/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ATA drives as block devices. Two drives share a channel, each with one request: in flight, or waiting for the other's. A
 * reset concerns both; the request of the drive that did not ask for it is sent again.
 */
#include "drivers/ata_private.h"

#include "hv/lib/fmt.h"
#include "hv/lib/log.h"
#include "hv/lib/string.h"

#define SECOND_NS  1000000000ull
#define TIMEOUT_NS (30 * SECOND_NS) /* drives spin up, and try for long */
#define RUN_ALIGN  4

static unsigned drive_count;

static struct ata_drive *drive_of(struct block_device *b)
{
	return container_of(b, struct ata_drive, block);
}

/* The channel goes to a drive that has a request; the one that had it last comes second. The channel's lock is held. */
static void start_next(struct ata_channel *c, const struct ata_drive *last)
{
	for (unsigned i = 1; i <= ATA_DRIVES && !c->current && c->reset == ATA_RESET_NONE; i++) {
		struct ata_drive *d = &c->drive[(last->number + i) % ATA_DRIVES];

		if (d->request && ata_issue(c, d))
			c->current = d;
	}
}

static bool submit(struct block_device *b, unsigned queue, struct block_request *r)
{
	struct ata_drive *d = drive_of(b);
	struct ata_channel *c = d->channel;

	(void)queue;
	if (d->request)
		return false;
	if (r->op != BLOCK_FLUSH && !ata_prd_fill(d->prd, r)) {
		block_complete(b, r, ERR_INVAL);
		return true;
	}
	spin_lock(&c->lock);
	d->request = r;
	start_next(c, d);
	spin_unlock(&c->lock);
	return true;
}

static void poll(struct block_device *b, unsigned queue)
{
	struct ata_drive *d = drive_of(b);
	struct ata_channel *c = d->channel;
	struct block_request *ended = NULL;
	enum status s;

	(void)queue;
	spin_lock(&c->lock);
	if (c->current == d) {
		s = ata_look(c, d->request);
		if (s != ERR_AGAIN) {
			ended = d->request;
			d->request = NULL;
			c->current = NULL;
		}
	}
	start_next(c, d);
	spin_unlock(&c->lock);
	if (ended)
		block_complete(b, ended, s);
}

static enum status reset(struct block_device *b)
{
	struct ata_drive *d = drive_of(b);
	struct ata_channel *c = d->channel;
	enum status s = OK;

	spin_lock(&c->lock);
	if (!d->resetting) {
		d->resetting = true;
		d->request = NULL;
		c->current = NULL;
		if (c->reset == ATA_RESET_NONE)
			ata_reset_begin(c);
	}
	/* The other drive's reset may have been this one's too. */
	if (c->reset != ATA_RESET_NONE)
		s = ata_reset_go_on(c, d);
	if (s != ERR_AGAIN) {
		d->resetting = false;
		start_next(c, d);
	}
	spin_unlock(&c->lock);
	return s;
}

static const struct block_ops ops = {.submit = submit, .poll = poll, .reset = reset};

void ata_interrupt(void *channel)
{
	struct ata_channel *c = channel;

	for (unsigned i = 0; i < ATA_DRIVES; i++) {
		if (c->drive[i].present)
			block_poll(&c->drive[i].block, 0);
	}
}

static void describe(struct ata_drive *d, unsigned number)
{
	struct block_device *b = &d->block;

	fmt_snprintf(b->name, sizeof(b->name), "ata%u", number);
	memcpy(b->model, d->id.model, sizeof(b->model));
	memcpy(b->serial, d->id.serial, sizeof(b->serial));
	b->ops = &ops;
	b->sectors = d->id.sectors;
	b->logical_size = d->id.logical_size;
	b->physical_size = d->id.physical_size;
	b->limits = (struct block_limits){
	    .sectors = d->id.lba48 ? ATA_SECTORS : ATA_SECTORS_28,
	    .runs = ATA_RUNS,
	    .run_align = RUN_ALIGN,
	    .pa_max = UINT32_MAX,
	};
	b->write_cache = d->id.write_cache;
	b->fua = d->id.fua;
	/* What it holds back could not be had out of it. */
	b->readonly = d->id.write_cache && !d->id.flush;
	b->timeout_ns = TIMEOUT_NS;
	b->queue = &d->queue;
	b->queues = 1;
}

static bool probe_drive(struct ata_channel *c, struct ata_drive *d)
{
	enum status s = ata_identify(c, d);

	if (s == OK) {
		describe(d, drive_count++);
		return true;
	}
	/* Nothing there, or what is no disk. */
	if (s != ERR_NOENT && s != ERR_IO)
		log_warn("ata: the disk at ports 0x%x, number %u, is left alone: %s", c->command, d->number,
			 status_str(s));
	return false;
}

unsigned ata_probe_channel(struct ata_channel *c)
{
	unsigned found = 0;

	for (uint8_t i = 0; i < ATA_DRIVES; i++) {
		struct ata_drive *d = &c->drive[i];

		d->channel = c;
		d->number = i;
		d->present = probe_drive(c, d);
		found += d->present;
	}
	return found;
}
