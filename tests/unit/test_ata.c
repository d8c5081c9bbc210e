/* SPDX-License-Identifier: BSD-2-Clause */
/* drivers/ata.c and ata_channel.c: what is found on a channel, and requests that go well. */
#include "fake_ata.h"

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
	probe_interrupts();
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
