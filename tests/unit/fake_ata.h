/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A channel of two ATA drives with a bus master, which errs in every way that a test asks for, with drivers/ata.c and
 * ata_channel.c and the block layer on it.
 */
#pragma once

#include "fake_vm.h"

#include "fake_identify.h"
#include <stdlib.h>
#include "drivers/ata_private.h"
#include "mm/host_map.h"

#define MS       1000000ull
#define COMMAND  0x1f0
#define CONTROL  0x3f6
#define MASTER   0xc000
#define SECTORS  8192u
#define FRAMES   40
#define FRAME    0x1000u
#define RAM_BASE 0x10000000u /* where the frames are for the bus master */
#define TABLE    0x20000000u /* and the tables of the two drives */

struct drive {
	bool present, atapi, lba28, no_mode, no_flush;
	uint32_t logical; /* 0: 512 */
	uint8_t medium[SECTORS * 512];
	uint8_t mode; /* set */
	unsigned flushes, fuas, commands;
};

static struct {
	struct drive drive[2];
	uint8_t reg[2][8]; /* the older values, the newer ones */
	uint8_t status, error, control, master_command, master_status;
	uint32_t prd;
	unsigned selected;
	uint16_t data[256];
	unsigned data_at;
	uint8_t command; /* under way; 0: none */
	bool started;    /* its transfer */
	/* Faults. */
	bool hangs, vanished, short_transfer, master_error, fails, busy_after_reset, short_prd;
	unsigned resets;
} ide;

static struct ata_channel channel;
static struct ata_prd table[2][ATA_PRD_TABLE];
static uint8_t frame[FRAMES * FRAME];
static struct block_request request[4];
static struct frame_run run[4][ATA_RUNS + 1];
static unsigned done_count;
static struct block_request *done_order[16];

/* --- the world --- */

struct pcpu test_cpu;

hpa_t host_pa(const void *p)
{
	assert_true(p == table[0] || p == table[1]);
	return hpa(p == table[0] ? TABLE : TABLE + PAGE_SIZE);
}

static inline uint8_t *at(uint32_t pa, uint32_t len)
{
	assert_true(pa >= RAM_BASE && pa - RAM_BASE + len <= sizeof(frame));
	return frame + (pa - RAM_BASE);
}

/* --- the channel --- */

static inline struct drive *selected(void)
{
	return &ide.drive[ide.selected];
}

static inline void identity(const struct drive *d, uint16_t *w)
{
	fake_identify(w, &(struct fake_identity){.sectors = SECTORS,
						 .logical = d->logical ? d->logical : 512,
						 .lba28 = d->lba28,
						 .no_mode = d->no_mode,
						 .no_flush = d->no_flush});
}

/* The command is over. */
static inline void ended(uint8_t status)
{
	ide.status = status;
	ide.command = 0;
	ide.master_status |= ATA_MASTER_IRQ;
}

static inline bool is_lba48(void)
{
	return ide.command == ATA_READ_DMA_EXT || ide.command == ATA_WRITE_DMA_EXT ||
	       ide.command == ATA_WRITE_DMA_FUA_EXT;
}

static inline uint64_t address(uint32_t *count)
{
	const uint8_t *o = ide.reg[0], *n = ide.reg[1];
	uint64_t low = n[3] | n[4] << 8 | n[5] << 16;

	assert_true(n[6] & ATA_DEVICE_LBA);
	*count = is_lba48() ? n[2] | (uint32_t)o[2] << 8 : n[2];
	if (!*count)
		*count = is_lba48() ? 65536 : 256;
	return is_lba48() ? low | (uint64_t)(o[3] | o[4] << 8 | (uint32_t)o[5] << 16) << 24
			  : low | (n[6] & 0xfu) << 24;
}

/* Moves what the table says, or less. */
static inline void transfer(void)
{
	struct drive *d = selected();
	bool to_ram = ide.command == ATA_READ_DMA || ide.command == ATA_READ_DMA_EXT;
	const struct ata_prd *prd = table[ide.selected];
	uint32_t count, block = d->logical ? d->logical : 512;
	uint64_t lba = address(&count);
	uint32_t left = count * block, moved = 0;
	uint8_t *medium;
	bool last = false;

	assert_int_equal(ide.prd, ide.selected ? TABLE + PAGE_SIZE : TABLE);
	assert_int_equal(!!(ide.master_command & ATA_MASTER_TO_RAM), to_ram);
	assert_true((lba + count) * block <= sizeof(d->medium));
	medium = d->medium + lba * block;
	if (ide.short_transfer)
		left -= 512;
	for (unsigned i = 0; left && !last; i++) {
		uint32_t n = prd[i].count & 0xffff ? prd[i].count & 0xffff : 0x10000;

		assert_true(i < ATA_PRD_TABLE);
		assert_int_equal(prd[i].count & 0x7fff0000, 0);
		assert_true((prd[i].address & 0xffff) + n <= 0x10000);
		last = prd[i].count & ATA_PRD_LAST;
		n = MIN(n, left);
		if (to_ram)
			memcpy(at(prd[i].address, n), medium + moved, n);
		else
			memcpy(medium + moved, at(prd[i].address, n), n);
		moved += n;
		left -= n;
	}
	assert_int_equal(left, 0);
	assert_true(ide.short_transfer || last);
	if (!ide.short_transfer)
		ide.master_status &= (uint8_t)~ATA_MASTER_ACTIVE;
	if (ide.master_error)
		ide.master_status |= ATA_MASTER_ERROR;
	d->fuas += ide.command == ATA_WRITE_DMA_FUA_EXT;
	ended(0x50);
}

/* The drive gets on with what it has to do. */
static inline void work(void)
{
	if (ide.hangs || ide.vanished || !ide.command)
		return;
	if (ide.fails) {
		ide.error = 0x40;
		ended(0x51);
	} else if (ide.command == ATA_FLUSH_CACHE || ide.command == ATA_FLUSH_CACHE_EXT) {
		selected()->flushes++;
		ended(0x50);
	} else if (ide.started) {
		transfer();
	}
}

static inline void command(uint8_t value)
{
	struct drive *d = selected();

	if (!d->present)
		return;
	assert_int_equal(ide.status & (ATA_STATUS_BSY | ATA_STATUS_DRQ), 0);
	d->commands++;
	switch (value) {
	case ATA_IDENTIFY_DEVICE:
		identity(d, ide.data);
		ide.data_at = 0;
		ide.status = d->atapi ? 0x41 : 0x58;
		break;
	case ATA_SET_FEATURES:
		assert_int_equal(ide.reg[1][1], 3);
		d->mode = ide.reg[1][2];
		ide.status = 0x50;
		break;
	case ATA_READ_DMA:
	case ATA_WRITE_DMA:
	case ATA_READ_DMA_EXT:
	case ATA_WRITE_DMA_EXT:
	case ATA_WRITE_DMA_FUA_EXT:
	case ATA_FLUSH_CACHE:
	case ATA_FLUSH_CACHE_EXT:
		ide.command = value;
		ide.started = false;
		assert_int_equal(d->lba28, !is_lba48() && value != ATA_FLUSH_CACHE_EXT);
		ide.status = 0xd0;
		break;
	default:
		fail_msg("command %02x", value);
	}
}

uint8_t ata_in8(uint16_t port)
{
	if (ide.vanished)
		return 0xff;
	if (port == CONTROL || port == COMMAND + ATA_COMMAND)
		return selected()->present ? ide.status : 0;
	assert_int_equal(port, MASTER + ATA_MASTER_STATUS);
	return ide.master_status;
}

uint16_t ata_in16(uint16_t port)
{
	assert_int_equal(port, COMMAND);
	assert_true(ide.data_at < 256);
	if (ide.data_at == 255)
		ide.status = 0x50;
	return ide.data[ide.data_at++];
}

static inline void control(uint8_t v)
{
	if (v & ~ide.control & ATA_CONTROL_SRST) {
		ide.resets++;
		ide.status = ATA_STATUS_BSY;
		ide.command = 0;
		ide.hangs = false;
	} else if (ide.control & ~v & ATA_CONTROL_SRST) {
		ide.status = ide.busy_after_reset ? ATA_STATUS_BSY : 0x50;
		ide.selected = 0;
	}
	ide.control = v;
}

static inline void master_command(uint8_t v)
{
	if (v & ~ide.master_command & ATA_MASTER_START) {
		ide.master_status |= ATA_MASTER_ACTIVE;
		assert_int_equal(ide.master_status & (ATA_MASTER_ERROR | ATA_MASTER_IRQ), 0);
		ide.started = true;
	} else if (!(v & ATA_MASTER_START)) {
		ide.master_status &= (uint8_t)~ATA_MASTER_ACTIVE;
	}
	ide.master_command = v;
}

void ata_out8(uint16_t port, uint8_t v)
{
	unsigned n = port - COMMAND;

	if (ide.vanished)
		return;
	if (port == CONTROL) {
		control(v);
	} else if (port == MASTER + ATA_MASTER_COMMAND) {
		master_command(v);
	} else if (port == MASTER + ATA_MASTER_STATUS) {
		ide.master_status =
		    (uint8_t)((v & 0x60) | (ide.master_status & 1) | (ide.master_status & ~v & 6));
	} else if (n == ATA_COMMAND) {
		command(v);
	} else {
		assert_in_range(n, 1, 6);
		if (ide.status & ATA_STATUS_BSY) {
			assert_int_equal(n, ATA_DEVICE);
			return; /* as hardware does */
		}
		ide.reg[0][n] = ide.reg[1][n];
		ide.reg[1][n] = v;
		if (n == ATA_DEVICE)
			ide.selected = !!(v & ATA_DEVICE_1);
	}
}

void ata_out32(uint16_t port, uint32_t v)
{
	assert_int_equal(port, MASTER + ATA_MASTER_PRD);
	ide.prd = v;
}

/* --- the tests' ways --- */

static inline int setup(void **state)
{
	fake_vm_new(1);
	memset(&ide, 0, sizeof(ide));
	memset(&channel, 0, sizeof(channel));
	ide.status = 0x50;
	ide.master_status = 0x60;
	ide.drive[0].present = true;
	channel.command = COMMAND;
	channel.control = CONTROL;
	channel.master = MASTER;
	channel.drive[0].prd = table[0];
	channel.drive[1].prd = table[1];
	done_count = 0;
	fake_log_warnings = 0;
	return 0;
}

static inline int teardown(void **state)
{
	for (struct block_device *b = block_next(NULL); b; b = block_next(NULL))
		list_remove(&b->link);
	return 0;
}

static inline void probe(unsigned drives)
{
	assert_int_equal(ata_probe_channel(&channel), drives);
	for (unsigned i = 0; i < 2; i++) {
		channel.drive[i].block.poll_ns = MS / 10;
		if (channel.drive[i].present)
			block_register(&channel.drive[i].block);
	}
}

static inline struct block_device *disk(unsigned i)
{
	return &channel.drive[i].block;
}

static inline void done(struct block_request *r)
{
	assert_true(done_count < ARRAY_SIZE(done_order));
	done_order[done_count++] = r;
}

/* Request n: sectors from `sector` on, in one piece of memory from `offset` on. */
static inline void submit(unsigned n, unsigned drive, enum block_op op, uint64_t sector, uint32_t sectors,
			  uint32_t offset)
{
	run[n][0] = (struct frame_run){hpa(RAM_BASE + offset), sectors * 512};
	request[n] = (struct block_request){
	    .op = op, .sector = sector, .sectors = sectors, .run = run[n], .runs = 1, .done = done};
	request[n].status = ERR_AGAIN;
	block_submit(disk(drive), &request[n]);
}

/* The drive works, the timers go on. */
static inline void run_ms(unsigned ms)
{
	while (ms--) {
		work();
		fake_run(MS);
	}
}

static inline void assert_status(unsigned n, enum status s)
{
	assert_int_equal(request[n].status, s);
}

static inline void fill(uint8_t *p, uint32_t len, unsigned seed)
{
	for (uint32_t i = 0; i < len; i++)
		p[i] = (uint8_t)(i + i / 256 + seed);
}

static inline void check_both_ways(unsigned drive, uint64_t sector, uint32_t sectors, uint32_t offset)
{
	uint8_t *medium = ide.drive[drive].medium + sector * 512;

	fill(frame, sizeof(frame), 3);
	submit(0, drive, BLOCK_WRITE, sector, sectors, offset);
	run_ms(1);
	assert_status(0, OK);
	assert_memory_equal(medium, frame + offset, sectors * 512);
	memset(frame, 0, sizeof(frame));
	submit(0, drive, BLOCK_READ, sector, sectors, offset);
	run_ms(1);
	assert_status(0, OK);
	assert_memory_equal(medium, frame + offset, sectors * 512);
	assert_true(offset == 0 || frame[offset - 1] == 0);
	assert_true(offset + sectors * 512 == sizeof(frame) || frame[offset + sectors * 512] == 0);
}

/* The same with both drives, and a channel that has an interrupt. */
static inline void probe_interrupts(void)
{
	ide.drive[1].present = true;
	channel.interrupts = true;
	assert_int_equal(ata_probe_channel(&channel), 2);
	block_register(disk(0));
	block_register(disk(1));
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
