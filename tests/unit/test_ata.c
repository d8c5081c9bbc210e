/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * drivers/ata.c and ata_channel.c under the block layer, against a channel of two drives with a bus master, which errs in every
 * way that a test asks for.
 */
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

static uint8_t *at(uint32_t pa, uint32_t len)
{
	assert_true(pa >= RAM_BASE && pa - RAM_BASE + len <= sizeof(frame));
	return frame + (pa - RAM_BASE);
}

/* --- the channel --- */

static struct drive *selected(void)
{
	return &ide.drive[ide.selected];
}

static void identity(const struct drive *d, uint16_t *w)
{
	fake_identify(w, &(struct fake_identity){.sectors = SECTORS,
						 .logical = d->logical ? d->logical : 512,
						 .lba28 = d->lba28,
						 .no_mode = d->no_mode,
						 .no_flush = d->no_flush});
}

/* The command is over. */
static void ended(uint8_t status)
{
	ide.status = status;
	ide.command = 0;
	ide.master_status |= ATA_MASTER_IRQ;
}

static bool is_lba48(void)
{
	return ide.command == ATA_READ_DMA_EXT || ide.command == ATA_WRITE_DMA_EXT ||
	       ide.command == ATA_WRITE_DMA_FUA_EXT;
}

static uint64_t address(uint32_t *count)
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
static void transfer(void)
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
static void work(void)
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

static void command(uint8_t value)
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

static void control(uint8_t v)
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

static void master_command(uint8_t v)
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

static int setup(void **state)
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

static int teardown(void **state)
{
	for (struct block_device *b = block_next(NULL); b; b = block_next(NULL))
		list_remove(&b->link);
	return 0;
}

static void probe(unsigned drives)
{
	assert_int_equal(ata_probe_channel(&channel), drives);
	for (unsigned i = 0; i < 2; i++) {
		channel.drive[i].block.poll_ns = MS / 10;
		if (channel.drive[i].present)
			block_register(&channel.drive[i].block);
	}
}

static struct block_device *disk(unsigned i)
{
	return &channel.drive[i].block;
}

static void done(struct block_request *r)
{
	assert_true(done_count < ARRAY_SIZE(done_order));
	done_order[done_count++] = r;
}

/* Request n: sectors from `sector` on, in one piece of memory from `offset` on. */
static void submit(unsigned n, unsigned drive, enum block_op op, uint64_t sector, uint32_t sectors,
		   uint32_t offset)
{
	run[n][0] = (struct frame_run){hpa(RAM_BASE + offset), sectors * 512};
	request[n] = (struct block_request){
	    .op = op, .sector = sector, .sectors = sectors, .run = run[n], .runs = 1, .done = done};
	request[n].status = ERR_AGAIN;
	block_submit(disk(drive), &request[n]);
}

/* The drive works, the timers go on. */
static void run_ms(unsigned ms)
{
	while (ms--) {
		work();
		fake_run(MS);
	}
}

static void assert_status(unsigned n, enum status s)
{
	assert_int_equal(request[n].status, s);
}

/* --- begin --- */

static void test_finds(void **state)
{
	struct block_device *b = disk(0);

	probe(1);
	assert_true(channel.drive[0].present && !channel.drive[1].present);
	assert_string_equal(b->model, "MODEL  A?");
	assert_string_equal(b->serial, "SERIAL 1");
	assert_int_equal(b->sectors, SECTORS);
	assert_int_equal(b->logical_size, 512);
	assert_true(b->write_cache && b->fua && !b->readonly);
	assert_int_equal(ide.drive[0].mode, 0);
	assert_int_equal(fake_log_warnings, 0);
}

static void test_finds_nothing(void **state)
{
	ide.drive[0].present = false;
	assert_int_equal(ata_probe_channel(&channel), 0);
	ide.drive[0].present = ide.drive[0].atapi = true;
	assert_int_equal(ata_probe_channel(&channel), 0);
	ide.drive[0].atapi = false;
	ide.vanished = true;
	assert_int_equal(ata_probe_channel(&channel), 0);
	assert_int_equal(fake_log_warnings, 0);
	ide.vanished = false;
	ide.status = 0xd0;
	ide.selected = 0;
	assert_int_equal(ata_probe_channel(&channel), 0);
	assert_int_equal(fake_log_warnings, 2); /* of both, as it seems */
}

static void test_chooses_mode(void **state)
{
	ide.drive[0].no_mode = true;
	probe(1);
	assert_int_equal(ide.drive[0].mode, 0x22);
}

static void test_no_flush(void **state)
{
	ide.drive[0].no_flush = true;
	probe(1);
	assert_true(disk(0)->readonly);
}

/* --- requests --- */

static void fill(uint8_t *p, uint32_t len, unsigned seed)
{
	for (uint32_t i = 0; i < len; i++)
		p[i] = (uint8_t)(i + i / 256 + seed);
}

static void check_both_ways(unsigned drive, uint64_t sector, uint32_t sectors, uint32_t offset)
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

static void test_reads_and_writes(void **state)
{
	for (unsigned lba28 = 0; lba28 < 2; lba28++) {
		teardown(NULL);
		setup(NULL);
		ide.drive[0].lba28 = lba28;
		probe(1);
		assert_int_equal(disk(0)->limits.sectors, lba28 ? 256 : 2048);
		check_both_ways(0, 0, 1, 0);
		check_both_ways(0, SECTORS - 1, 1, 0x1f0);
		check_both_ways(0, 0x1234, 200, 0x2004);
		check_both_ways(0, 256, 256, 0); /* a count of 0 with LBA28 */
		check_both_ways(0, 300, 128, 0x8000);
		check_both_ways(0, 300, 129, 0xffff & ~3u); /* over a boundary */
	}
}

static void test_large_blocks(void **state)
{
	ide.drive[0].logical = 4096;
	probe(1);
	assert_int_equal(disk(0)->logical_size, 4096);
	assert_int_equal(disk(0)->sectors, SECTORS);
	check_both_ways(0, 8, 8, 0);
	check_both_ways(0, SECTORS - 16, 16, 512);
}

static void test_addresses(void **state)
{
	uint32_t count;

	/* LBA 0x123456789ab of a drive that is large enough. */
	probe(1);
	ide.hangs = true;
	submit(0, 0, BLOCK_READ, 0x123456789abULL, 0x512, 0);
	request[0].sectors = 0x512;
	assert_int_equal(address(&count), 0x123456789abULL);
	assert_int_equal(count, 0x512);
}

static void test_prd(void **state)
{
	struct ata_prd *prd = table[0];
	struct frame_run r[3] = {{hpa(0xfff0), 0x20}, {hpa(0x30000), 0x20000}, {hpa(0xfffffe00), 0x200}};
	struct block_request q = {.run = r, .runs = 3};

	assert_true(ata_prd_fill(prd, &q));
	assert_int_equal(prd[0].address, 0xfff0);
	assert_int_equal(prd[0].count, 0x10);
	assert_int_equal(prd[1].address, 0x10000);
	assert_int_equal(prd[1].count, 0x10);
	assert_int_equal(prd[2].address, 0x30000);
	assert_int_equal(prd[2].count, 0); /* 64K */
	assert_int_equal(prd[3].address, 0x40000);
	assert_int_equal(prd[3].count, 0);
	assert_int_equal(prd[4].address, 0xfffffe00);
	assert_int_equal(prd[4].count, 0x200 | ATA_PRD_LAST);
	/* Beyond 4 GiB, too many, none. */
	r[2].len = 0x204;
	assert_false(ata_prd_fill(prd, &q));
	r[2] = (struct frame_run){hpa(1ull << 32), 4};
	assert_false(ata_prd_fill(prd, &q));
	r[2] = (struct frame_run){hpa(0), 513 * 0x10000};
	assert_false(ata_prd_fill(prd, &q));
	q.runs = 0;
	assert_false(ata_prd_fill(prd, &q));
	/* As many pieces as the limits allow, each over a boundary. */
	q.run = run[0];
	q.runs = ATA_RUNS;
	for (unsigned i = 0; i < ATA_RUNS; i++)
		run[0][i] = (struct frame_run){hpa(0xff00), ATA_SECTORS * 512 / ATA_RUNS};
	assert_true(ata_prd_fill(prd, &q));
	/* One that the table can't hold is refused, and the next one goes. */
	probe(1);
	submit(0, 0, BLOCK_READ, 0, 1, 0);
	run_ms(1);
	run[1][0] = (struct frame_run){hpa(1ull << 32), 512};
	request[1] = (struct block_request){
	    .op = BLOCK_READ, .sectors = 1, .run = run[1], .runs = 1, .done = done, .status = ERR_AGAIN};
	block_submit(disk(0), &request[1]);
	assert_status(1, ERR_INVAL);
	check_both_ways(0, 5, 1, 0);
}

static void test_flush_and_fua(void **state)
{
	probe(1);
	submit(0, 0, BLOCK_FLUSH, 0, 0, 0);
	assert_int_equal(ide.command, ATA_FLUSH_CACHE_EXT);
	run_ms(1);
	assert_status(0, OK);
	assert_int_equal(ide.drive[0].flushes, 1);
	run[0][0] = (struct frame_run){hpa(RAM_BASE), 512};
	request[0] = (struct block_request){
	    .op = BLOCK_WRITE, .fua = true, .sectors = 1, .run = run[0], .runs = 1, .done = done};
	block_submit(disk(0), &request[0]);
	run_ms(1);
	assert_status(0, OK);
	assert_int_equal(ide.drive[0].fuas, 1);
	assert_int_equal(ide.drive[0].flushes, 1);
	/* Without, a flush follows; with LBA28 the old one. */
	teardown(NULL);
	setup(NULL);
	ide.drive[0].lba28 = true;
	probe(1);
	request[0].status = ERR_AGAIN;
	block_submit(disk(0), &request[0]);
	run_ms(2);
	assert_status(0, OK);
	assert_int_equal(ide.drive[0].fuas, 0);
	assert_int_equal(ide.drive[0].flushes, 1);
}

/* Two drives: one after the other, in turns. */
static void test_two_drives(void **state)
{
	ide.drive[1].present = true;
	probe(2);
	assert_string_equal(disk(1)->serial, "SERIAL 1");
	fill(ide.drive[0].medium, sizeof(ide.drive[0].medium), 1);
	fill(ide.drive[1].medium, sizeof(ide.drive[1].medium), 2);
	submit(0, 0, BLOCK_READ, 1, 1, 0);
	submit(1, 0, BLOCK_READ, 2, 1, 512);
	submit(2, 1, BLOCK_READ, 3, 1, 1024);
	submit(3, 1, BLOCK_READ, 4, 1, 1536);
	assert_int_equal(ide.drive[0].commands, 2);
	assert_int_equal(ide.drive[1].commands, 1);
	run_ms(10);
	assert_int_equal(done_count, 4);
	assert_ptr_equal(done_order[0], &request[0]);
	assert_ptr_equal(done_order[1], &request[2]);
	assert_ptr_equal(done_order[2], &request[1]);
	assert_ptr_equal(done_order[3], &request[3]);
	for (unsigned i = 0; i < 4; i++) {
		assert_status(i, OK);
		assert_memory_equal(frame + i * 512, ide.drive[i / 2].medium + (i + 1) * 512, 512);
	}
	check_both_ways(1, 77, 9, 0);
}

static void test_interrupts(void **state)
{
	ide.drive[1].present = true;
	channel.interrupts = true;
	assert_int_equal(ata_probe_channel(&channel), 2);
	block_register(disk(0));
	block_register(disk(1));
	ata_interrupt(&channel); /* a stray one */
	submit(0, 0, BLOCK_READ, 1, 1, 0);
	submit(1, 1, BLOCK_READ, 2, 1, 512);
	ata_interrupt(&channel); /* too early */
	assert_int_equal(done_count, 0);
	work();
	ata_interrupt(&channel);
	assert_int_equal(done_count, 1);
	work();
	ata_interrupt(&channel);
	ata_interrupt(&channel); /* twice */
	assert_int_equal(done_count, 2);
	assert_status(0, OK);
	assert_status(1, OK);
}

/* --- faults --- */

static void test_errors(void **state)
{
	probe(1);
	ide.fails = true;
	submit(0, 0, BLOCK_READ, 1, 1, 0);
	submit(1, 0, BLOCK_FLUSH, 0, 0, 0);
	run_ms(3);
	assert_status(0, ERR_IO);
	assert_status(1, ERR_IO);
	assert_int_equal(ide.master_status & ATA_MASTER_ACTIVE, 0);
	ide.fails = false;
	/* Less than was asked for. */
	ide.short_transfer = true;
	submit(0, 0, BLOCK_READ, 1, 2, 0);
	run_ms(1);
	assert_status(0, ERR_IO);
	assert_int_equal(ide.master_status & ATA_MASTER_ACTIVE, 0);
	ide.short_transfer = false;
	/* The bus master. */
	ide.master_error = true;
	submit(0, 0, BLOCK_WRITE, 1, 2, 0);
	run_ms(1);
	assert_status(0, ERR_IO);
	ide.master_error = false;
	assert_int_equal(disk(0)->stats.errors, 4);
	assert_int_equal(ide.resets, 0);
	check_both_ways(0, 5, 3, 0);
}

static void run_seconds(unsigned s)
{
	while (s--) {
		for (unsigned i = 0; i < 1000; i++)
			fake_run(MS);
	}
}

/* Late is no error; never means a reset, and another try. */
static void test_never(void **state)
{
	probe(1);
	ide.hangs = true;
	submit(0, 0, BLOCK_READ, 7, 1, 0);
	run_seconds(29);
	assert_int_equal(ide.resets, 0);
	ide.hangs = false;
	run_ms(1);
	assert_status(0, OK);
	fill(ide.drive[0].medium, sizeof(ide.drive[0].medium), 9);
	ide.hangs = true;
	submit(0, 0, BLOCK_READ, 7, 1, 0);
	submit(1, 0, BLOCK_READ, 8, 1, 512);
	run_seconds(31);
	assert_int_equal(ide.resets, 1);
	run_ms(100);
	assert_status(0, OK);
	assert_status(1, OK);
	assert_memory_equal(frame, ide.drive[0].medium + 7 * 512, 1024);
	assert_int_equal(disk(0)->stats.resets, 1);
}

/* A reset for one drive: what the other one had in flight is sent again. */
static void test_reset_of_both(void **state)
{
	ide.drive[1].present = true;
	probe(2);
	ide.hangs = true;
	submit(0, 0, BLOCK_READ, 7, 1, 0);
	run_seconds(20);
	submit(1, 1, BLOCK_WRITE, 8, 1, 512);
	run_seconds(11);
	assert_int_equal(ide.resets, 1);
	run_ms(100);
	assert_status(0, OK);
	assert_status(1, OK);
	/* The one that waits is late first. */
	ide.hangs = true;
	submit(0, 0, BLOCK_READ, 7, 1, 0);
	submit(1, 1, BLOCK_WRITE, 8, 1, 512);
	run_seconds(31);
	run_ms(100);
	assert_status(0, OK);
	assert_status(1, OK);
	assert_in_range(ide.resets, 2, 3);
	check_both_ways(0, 5, 3, 0);
	check_both_ways(1, 5, 3, 0);
}

/* With interrupts: one drive fails for good at last, and the other one gets the channel. */
static void test_reset_lets_other_go(void **state)
{
	ide.drive[1].present = true;
	channel.interrupts = true;
	assert_int_equal(ata_probe_channel(&channel), 2);
	block_register(disk(0));
	block_register(disk(1));
	submit(0, 0, BLOCK_READ, 7, 1, 0);
	for (unsigned i = 0; i < 2; i++) {
		ide.hangs = true;
		run_seconds(31);
	}
	ide.hangs = true;
	submit(1, 1, BLOCK_READ, 8, 1, 512);
	assert_int_equal(ide.drive[1].commands, 1);
	run_seconds(29);
	assert_status(0, ERR_TIMEOUT);
	assert_int_equal(ide.resets, 3);
	assert_int_equal(ide.drive[1].commands, 2);
	work();
	ata_interrupt(&channel);
	assert_status(1, OK);
}

static void test_vanishes(void **state)
{
	probe(1);
	submit(0, 0, BLOCK_READ, 7, 1, 0);
	ide.vanished = true;
	submit(1, 0, BLOCK_READ, 7, 1, 0);
	run_seconds(40);
	assert_status(0, ERR_NOENT);
	assert_status(1, ERR_NOENT);
	assert_true(disk(0)->gone);
	submit(0, 0, BLOCK_READ, 7, 1, 0);
	assert_status(0, ERR_NOENT);
}

static void test_stays_busy(void **state)
{
	ide.drive[1].present = true;
	probe(2);
	ide.hangs = ide.busy_after_reset = true;
	submit(0, 0, BLOCK_READ, 7, 1, 0);
	run_seconds(70);
	assert_true(request[0].status != OK && request[0].status != ERR_AGAIN);
	assert_true(disk(0)->gone);
	/* The other one finds its channel busy, and what it wants ends too. */
	submit(1, 1, BLOCK_READ, 7, 1, 0);
	run_seconds(200);
	assert_true(request[1].status != OK && request[1].status != ERR_AGAIN);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(test_finds),
	    CASE(test_finds_nothing),
	    CASE(test_chooses_mode),
	    CASE(test_no_flush),
	    CASE(test_reads_and_writes),
	    CASE(test_large_blocks),
	    CASE(test_addresses),
	    CASE(test_prd),
	    CASE(test_flush_and_fua),
	    CASE(test_two_drives),
	    CASE(test_interrupts),
	    CASE(test_errors),
	    CASE(test_never),
	    CASE(test_reset_of_both),
	    CASE(test_reset_lets_other_go),
	    CASE(test_vanishes),
	    CASE(test_stays_busy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
