/* SPDX-License-Identifier: BSD-2-Clause */
/* drivers/ata.c and ata_channel.c: drives that fail, are late, never answer, or go away. */
#include "fake_ata.h"

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
	probe_interrupts();
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(test_errors),        CASE(test_never),
	    CASE(test_reset_of_both), CASE(test_reset_lets_other_go),
	    CASE(test_vanishes),      CASE(test_stays_busy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
