/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands on an ATA channel's ports, and its bus master. */
#include "drivers/ata_private.h"

#include "hv/timer.h"
#include "mm/host_map.h"

#define MS             1000000ull
#define NOTHING        0xff /* what is read where no drive pulls the bus */
#define SELECT_READS   4    /* of the control port: more than 400 ns ("Device/Head register") */
#define DRAIN_READS    100  /* of the bus master's status, until its FIFO is empty */
#define PRD_SPAN       0x10000u
#define SRST_NS        MS       /* at least 5 us */
#define SRST_SETTLE_NS (2 * MS) /* before the status means anything */
#define POLL_US        20
#define IDENTIFY_POLLS 25000
#define MODE_POLLS     25000

/* --- the table of memory --- */

bool ata_prd_fill(struct ata_prd *prd, const struct block_request *r)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < r->runs; i++) {
		uint64_t at = r->run[i].pa.v, end = at + r->run[i].len;

		if (end > UINT32_MAX + 1ull)
			return false;
		while (at < end) {
			uint64_t part = MIN(end, ALIGN_DOWN(at, (uint64_t)PRD_SPAN) + PRD_SPAN) - at;

			if (n == ATA_PRD_TABLE)
				return false;
			prd[n++] = (struct ata_prd){(uint32_t)at, (uint32_t)part % PRD_SPAN};
			at += part;
		}
	}
	if (n)
		prd[n - 1].count |= ATA_PRD_LAST;
	return n != 0;
}

/* --- one command --- */

static uint8_t status(const struct ata_channel *c)
{
	return ata_in8(c->control);
}

static uint8_t select(const struct ata_channel *c, const struct ata_drive *d, uint8_t device)
{
	ata_out8(c->command + ATA_DEVICE,
		 (uint8_t)(device | ATA_DEVICE_OLD | (d->number ? ATA_DEVICE_1 : 0)));
	for (unsigned i = 0; i < SELECT_READS - 1; i++)
		(void)status(c);
	return status(c);
}

static void write_lba(const struct ata_channel *c, uint64_t lba, uint32_t count)
{
	ata_out8(c->command + ATA_COUNT, (uint8_t)count);
	ata_out8(c->command + ATA_LBA_LOW, (uint8_t)lba);
	ata_out8(c->command + ATA_LBA_MID, (uint8_t)(lba >> 8));
	ata_out8(c->command + ATA_LBA_HIGH, (uint8_t)(lba >> 16));
}

/* In blocks of the drive; both counts have 0 for their largest. */
static void write_address(const struct ata_channel *c, const struct ata_drive *d,
			  const struct block_request *r)
{
	uint32_t per_block = d->id.logical_size / BLOCK_SECTOR, count = r->sectors / per_block;
	uint64_t lba = r->sector / per_block;

	/* The registers keep two values each, the older one being the upper half. */
	if (d->id.lba48)
		write_lba(c, lba >> 24, count >> 8);
	write_lba(c, lba, count);
}

static uint8_t device_register(const struct ata_drive *d, const struct block_request *r)
{
	uint64_t lba = r->sector / (d->id.logical_size / BLOCK_SECTOR);

	return (uint8_t)(ATA_DEVICE_LBA | (d->id.lba48 ? 0 : lba >> 24 & 0xf));
}

static void master_stop(const struct ata_channel *c)
{
	uint8_t keep = ata_in8(c->master + ATA_MASTER_STATUS) & ATA_MASTER_CAPABLE;

	ata_out8(c->master + ATA_MASTER_COMMAND, 0);
	ata_out8(c->master + ATA_MASTER_STATUS, (uint8_t)(keep | ATA_MASTER_ERROR | ATA_MASTER_IRQ));
}

static void issue_dma(const struct ata_channel *c, const struct ata_drive *d, uint8_t command)
{
	uint8_t direction = d->request->op == BLOCK_READ ? ATA_MASTER_TO_RAM : 0;

	master_stop(c);
	ata_out32(c->master + ATA_MASTER_PRD, (uint32_t)host_pa(d->prd).v);
	ata_out8(c->master + ATA_MASTER_COMMAND, direction);
	write_address(c, d, d->request);
	ata_out8(c->command + ATA_COMMAND, command);
	ata_out8(c->master + ATA_MASTER_COMMAND, direction | ATA_MASTER_START);
}

static uint8_t command_of(const struct ata_drive *d)
{
	const struct block_request *r = d->request;
	bool lba48 = d->id.lba48;

	if (r->op == BLOCK_FLUSH)
		return lba48 ? ATA_FLUSH_CACHE_EXT : ATA_FLUSH_CACHE;
	if (r->op == BLOCK_READ)
		return lba48 ? ATA_READ_DMA_EXT : ATA_READ_DMA;
	if (r->fua && d->id.fua)
		return ATA_WRITE_DMA_FUA_EXT;
	return lba48 ? ATA_WRITE_DMA_EXT : ATA_WRITE_DMA;
}

bool ata_issue(const struct ata_channel *c, const struct ata_drive *d)
{
	const struct block_request *r = d->request;

	if (select(c, d, device_register(d, r)) & (ATA_STATUS_BSY | ATA_STATUS_DRQ))
		return false;
	if (r->op == BLOCK_FLUSH)
		ata_out8(c->command + ATA_COMMAND, command_of(d));
	else
		issue_dma(c, d, command_of(d));
	return true;
}

/* The drive has no more to do: has the bus master moved all of it? */
static enum status master_result(const struct ata_channel *c)
{
	uint8_t master = ATA_MASTER_ACTIVE;

	for (unsigned i = 0; i < DRAIN_READS && (master & ATA_MASTER_ACTIVE); i++)
		master = ata_in8(c->master + ATA_MASTER_STATUS);
	/* Still active: the drive moved less than was asked for. */
	return master & (ATA_MASTER_ACTIVE | ATA_MASTER_ERROR) ? ERR_IO : OK;
}

enum status ata_look(const struct ata_channel *c, const struct block_request *r)
{
	uint8_t now = status(c);
	enum status s = OK;

	if (now & (ATA_STATUS_BSY | ATA_STATUS_DRQ))
		return ERR_AGAIN;
	if (r->op != BLOCK_FLUSH) {
		s = master_result(c);
		master_stop(c);
	}
	/* This look ends the interrupt. */
	now |= ata_in8(c->command + ATA_COMMAND);
	return now & (ATA_STATUS_ERR | ATA_STATUS_DF) ? ERR_IO : s;
}

/* --- reset --- */

static uint8_t control_value(const struct ata_channel *c)
{
	return c->interrupts ? 0 : ATA_CONTROL_NIEN;
}

void ata_reset_begin(struct ata_channel *c)
{
	master_stop(c);
	ata_out8(c->control, control_value(c) | ATA_CONTROL_SRST);
	c->reset = ATA_RESET_ASSERTED;
	c->reset_ns = time_now_ns();
}

enum status ata_reset_go_on(struct ata_channel *c, const struct ata_drive *d)
{
	uint64_t now = time_now_ns(), since = now - c->reset_ns;
	uint8_t is;

	if (c->reset == ATA_RESET_ASSERTED && since >= SRST_NS) {
		ata_out8(c->control, control_value(c));
		c->reset = ATA_RESET_RELEASED;
		c->reset_ns = now;
		return ERR_AGAIN;
	}
	if (c->reset != ATA_RESET_RELEASED || since < SRST_SETTLE_NS)
		return ERR_AGAIN;
	is = select(c, d, 0);
	if (is != NOTHING && (is & ATA_STATUS_BSY))
		return ERR_AGAIN;
	c->reset = ATA_RESET_NONE;
	return is == NOTHING || is == 0 ? ERR_NOENT : OK;
}

/* --- at boot --- */

/* ERR_TIMEOUT, ERR_IO: the drive refuses. */
static enum status wait_done(const struct ata_channel *c, unsigned polls)
{
	for (unsigned i = 0; i < polls; i++) {
		uint8_t now = status(c);

		if (now == NOTHING)
			return ERR_NOENT;
		if (!(now & ATA_STATUS_BSY))
			return now & (ATA_STATUS_ERR | ATA_STATUS_DF) ? ERR_IO : OK;
		delay_us(POLL_US);
	}
	return ERR_TIMEOUT;
}

static enum status read_identity(const struct ata_channel *c, struct ata_drive *d)
{
	uint16_t word[ATA_IDENTIFY_WORDS];
	enum status s;

	ata_out8(c->command + ATA_COMMAND, ATA_IDENTIFY_DEVICE);
	/* A drive that isn't there never gets busy. */
	if (status(c) == 0)
		return ERR_NOENT;
	s = wait_done(c, IDENTIFY_POLLS);
	if (s != OK)
		return s;
	if (!(status(c) & ATA_STATUS_DRQ))
		return ERR_IO;
	for (unsigned i = 0; i < ATA_IDENTIFY_WORDS; i++)
		word[i] = ata_in16(c->command + ATA_DATA);
	(void)ata_in8(c->command + ATA_COMMAND);
	return ata_identify_parse(word, &d->id);
}

/* The firmware has chosen, mostly. */
static enum status choose_mode(const struct ata_channel *c, const struct ata_identity *id)
{
	unsigned mode = id->multiword_dma & 4 ? 2 : id->multiword_dma & 2 ? 1 : 0;

	if (id->dma_selected)
		return OK;
	if (!id->multiword_dma)
		return ERR_UNSUPPORTED;
	ata_out8(c->command + ATA_FEATURES, ATA_FEATURE_MODE);
	ata_out8(c->command + ATA_COUNT, (uint8_t)(ATA_MULTIWORD_MODE | mode));
	ata_out8(c->command + ATA_COMMAND, ATA_SET_FEATURES);
	return wait_done(c, MODE_POLLS);
}

enum status ata_identify(const struct ata_channel *c, struct ata_drive *d)
{
	uint8_t is;
	enum status s;

	ata_out8(c->control, ATA_CONTROL_NIEN);
	is = select(c, d, 0);
	if (is == NOTHING || is == 0)
		return ERR_NOENT;
	if (is & (ATA_STATUS_BSY | ATA_STATUS_DRQ))
		return ERR_BUSY;
	s = read_identity(c, d);
	return s == OK ? choose_mode(c, &d->id) : s;
}
