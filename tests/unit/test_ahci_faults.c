/* SPDX-License-Identifier: BSD-2-Clause */
/* drivers/ahci*.c under hv/io/block.c, with a made-up controller that errs where it is told to. */
#include "fake_ahci_pci.h"

static void submit_all(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		block_submit(small, &req[i]);
}

/* One of several fails; the port goes on with the others. */
static void test_error(void **state)
{
	static const enum fake_fault faults[] = {FAKE_ERROR, FAKE_MEMORY};

	for (unsigned i = 0; i < ARRAY_SIZE(faults); i++) {
		setup_disk(state);
		fake.port[0].fault[2] = faults[i];
		submit_all(6);
		run_for(SECOND / 10);
		for (unsigned n = 0; n < 6; n++)
			ended(n, n == 2 ? ERR_IO : OK);
		assert_int_equal(fake.port[0].commands, 6);
		assert_int_equal(small->stats.errors, 1);
		assert_int_equal(small->stats.resets, 0);
		assert_int_equal(now_do(small, 7), OK);
	}
}

/* A port that does not tell which slot it is at: those fail that met errors, and no others, one after the other too. */
static void test_error_without_ccs(void **state)
{
	static const enum fake_fault faults[] = {FAKE_NONE, FAKE_NONE,  FAKE_ERROR,
						 FAKE_NONE, FAKE_ERROR, FAKE_MEMORY};

	setup(state);
	fake.port[0].no_ccs = true;
	find_disks();
	memcpy(fake.port[0].fault, faults, sizeof(faults));
	submit_all(7);
	run_for(SECOND / 10);
	for (unsigned n = 0; n < 6; n++)
		ended(n, faults[n] == FAKE_NONE ? OK : ERR_IO);
	ended(6, OK);
	assert_int_equal(fake.port[0].commands, 7);
	assert_int_equal(small->stats.errors, 3);
	assert_int_equal(small->stats.resets, 0);
}

/* What was damaged on the wire is sent again, and given up in the end. */
static void test_wire(void **state)
{
	static const enum fake_fault faults[] = {FAKE_WIRE, FAKE_CRC};

	for (unsigned i = 0; i < ARRAY_SIZE(faults); i++) {
		setup_disk(state);
		for (unsigned n = 0; n < 3; n++)
			fake.port[0].fault[1 + n] = faults[i];
		submit_all(4);
		run_for(SECOND / 10);
		for (unsigned n = 0; n < 4; n++)
			ended(n, OK);
		assert_int_equal(fake.port[0].commands, 7);
		for (unsigned n = 0; n < 4; n++)
			fake.port[0].fault[n] = faults[i];
		assert_int_equal(now_do(small, 5), ERR_IO);
		assert_int_equal(now_do(small, 6), OK);
		assert_int_equal(small->stats.resets, 0);
	}
}

static void test_short(void **state)
{
	fake.port[0].fault[0] = FAKE_SHORT;
	assert_int_equal(now_do(small, 0), ERR_IO);
	req[1].op = BLOCK_WRITE;
	fake.port[0].fault[0] = FAKE_SHORT;
	assert_int_equal(now_do(small, 1), ERR_IO);
	assert_int_equal(now_do(small, 2), OK);
}

static void test_late(void **state)
{
	fake.port[0].fault[0] = FAKE_LATE;
	submit_all(2);
	run_for(FAKE_LATE_NS / 2);
	assert_int_equal(done_count[0], 0);
	run_for(SECOND);
	ended(0, OK);
	ended(1, OK);
	assert_int_equal(small->stats.resets, 0);
}

static void test_twice(void **state)
{
	fake.port[0].fault[0] = FAKE_TWICE;
	assert_int_equal(now_do(small, 0), OK);
	for (unsigned i = 1; i < 10; i++)
		assert_int_equal(now_do(small, i), OK);
	assert_int_equal(done_count[0], 1);
	assert_int_equal(small->stats.resets, 0);
}

static void test_never(void **state)
{
	fake.port[0].fault[1] = FAKE_NEVER;
	req[2].op = BLOCK_FLUSH;
	submit_all(4);
	run_for(TIMEOUT_NS / 2);
	ended(0, OK);
	for (unsigned i = 1; i < 4; i++)
		assert_int_equal(done_count[i], 0);
	assert_int_equal(now_do(large, 5), OK);
	run_for(TIMEOUT_NS);
	for (unsigned i = 1; i < 4; i++)
		ended(i, OK);
	assert_int_equal(fake.port[0].resets, 1);
	assert_int_equal(fake.port[LARGE].resets, 0);
	assert_int_equal(small->stats.resets, 1);
}

/* However often it is sent: it fails in the end, and the disk is not lost. */
static void test_never_ever(void **state)
{
	for (unsigned i = 0; i < 3; i++)
		fake.port[0].fault[i] = FAKE_NEVER;
	block_submit(small, &req[0]);
	run_for(4 * TIMEOUT_NS);
	ended(0, ERR_TIMEOUT);
	assert_int_equal(fake.port[0].resets, 3);
	assert_int_equal(now_do(small, 1), OK);
}

/* After an error that leaves the disk busy nothing is complete, though the port's bits of commands are gone. */
static void test_stuck(void **state)
{
	fake.port[0].fault[0] = FAKE_STUCK;
	for (unsigned i = 1; i < 4; i++)
		req[i].op = BLOCK_FLUSH;
	submit_all(3);
	run_for(SECOND / 100);
	block_submit(small, &req[3]);
	ended(0, ERR_IO);
	for (unsigned i = 1; i < 4; i++)
		assert_int_equal(done_count[i], 0);
	run_for(SECOND);
	for (unsigned i = 1; i < 4; i++)
		ended(i, OK);
	assert_int_equal(fake.port[0].resets, 1);
	assert_int_equal(fake.port[0].commands, 4);
}

/* The wire fails while nothing is under way: the next request does not suffer for it. */
static void test_error_between(void **state)
{
	fake_stop(&fake.port[0], AHCI_IS_IFS, FAKE_TFD_READY);
	run_for(SECOND / 10);
	assert_int_equal(now_do(small, 0), OK);
	assert_int_equal(small->stats.resets, 0);
	fake_stop(&fake.port[0], AHCI_IS_IFS, FAKE_TFD_READY | AHCI_TFD_BSY);
	run_for(SECOND / 10);
	block_submit(small, &req[1]);
	run_for(TIMEOUT_NS);
	ended(1, OK);
	assert_int_equal(fake.port[0].resets, 1);
}

/* A port that does not stop is reset over its wire nevertheless. */
static void test_hangs(void **state)
{
	fake.port[0].fault[0] = FAKE_NEVER;
	submit_all(2);
	run_for(SECOND);
	fake.port[0].no_stop = true;
	run_for(TIMEOUT_NS + SECOND);
	ended(0, OK);
	ended(1, OK);
	assert_int_equal(fake.port[0].resets, 1);
}

static void test_submit_in_reset(void **state)
{
	fake.port[0].fault[0] = FAKE_NEVER;
	block_submit(small, &req[0]);
	run_for(SECOND);
	fake.port[0].never_ready = true;
	run_for(TIMEOUT_NS);
	assert_true(small->resetting);
	block_submit(small, &req[1]);
	assert_int_equal(now_do(large, 2), OK);
	run_for(SECOND);
	assert_int_equal(done_count[1], 0);
	fake.port[0].never_ready = false;
	run_for(SECOND);
	ended(0, OK);
	ended(1, OK);
	assert_int_equal(fake.port[0].resets, 1);
}

/* Its requests have failed, later ones do at once, and the port is silent. */
static void gone_now(struct block_device *b, unsigned n)
{
	assert_true(b->gone);
	ended(n, ERR_NOENT);
	assert_int_equal(now_do(b, 9), ERR_NOENT);
}

static void test_pulled_out(void **state)
{
	submit_all(1);
	fake_pull_out(0);
	block_submit(small, &req[1]);
	run_for(2 * SECOND);
	gone_now(small, 0);
	gone_now(small, 1);
	assert_int_equal(fake.port[0].cmd & (AHCI_CMD_CR | AHCI_CMD_FR), 0);
	assert_true(master);
	assert_int_equal(now_do(large, 2), OK);
}

/* With nothing in flight: the interrupt tells, once. */
static void test_pulled_out_idle(void **state)
{
	fake_pull_out(0);
	run_for(2 * SECOND);
	assert_true(small->gone);
	assert_false(large->gone);
	assert_int_equal(fake.port[0].is & AHCI_IS_PRCS, 0);
	assert_int_equal(fake.is, 0);
}

/* The link is lost and comes again: what was in flight is sent once more. */
static void test_link_lost(void **state)
{
	fake.port[0].fault[0] = FAKE_NEVER;
	submit_all(2);
	fake_run_device();
	fake_pull_out(0);
	fake_put_back(0);
	run_for(SECOND);
	ended(0, OK);
	ended(1, OK);
	assert_int_equal(fake.port[0].resets, 1);
	assert_int_equal(small->stats.timeouts, 0);
}

/* Another disk is there when the link comes again: it gets nothing of what was the old one's. */
static void test_swapped(void **state)
{
	for (unsigned i = 0; i < 6; i++) {
		struct fake_port *p = &fake.port[0];

		setup_disk(state);
		req[0].op = BLOCK_WRITE;
		p->fault[0] = FAKE_NEVER;
		if (i < 5)
			block_submit(small, &req[0]);
		fake_run_device();
		fake_pull_out(0);
		fake_put_back(0);
		memset(p->disk, 0x5a, sizeof(p->disk));
		p->id.other_serial = i == 0 || i == 5;
		p->id.other_model = i == 1;
		p->id.sectors -= i == 2 ? 8 : 0;
		p->id.logical = i == 3 ? 4096 : 512;
		p->sig = i == 4 ? AHCI_SIG_ATAPI : AHCI_SIG_DISK;
		p->commands = 0;
		run_for(SECOND);
		if (i < 5)
			ended(0, ERR_NOENT);
		assert_true(small->gone);
		assert_int_equal(now_do(small, 9), ERR_NOENT);
		assert_int_equal(p->commands, 0);
		assert_int_equal(p->disk[0], 0x5a);
		assert_int_equal(p->cmd & (AHCI_CMD_CR | AHCI_CMD_FR), 0);
		assert_int_equal(now_do(large, 2), OK);
	}
}

/* In a moment, so that the link is there whenever somebody looks: nothing is sent before the disk is asked. */
static void test_swapped_at_once(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		struct fake_port *p = &fake.port[0];

		setup_disk(state);
		fake_pull_out(0);
		fake_put_back(0);
		p->ssts = 0x100 | AHCI_DET_READY;
		p->tfd = FAKE_TFD_READY;
		p->id.other_serial = i;
		fake_deliver();
		block_submit(small, &req[0]);
		assert_int_equal(p->commands, 0);
		run_for(SECOND);
		ended(0, i ? ERR_NOENT : OK);
		assert_int_equal(p->commands, !i);
		assert_int_equal(p->resets, 1);
		assert_int_equal(p->identifies, 2);
		assert_int_equal(small->stats.timeouts, 0);
	}
}

/* What the disk says after a reset is damaged on its way: it is asked again, and given up in the end. */
static void test_identify_fails(void **state)
{
	static const enum fake_fault faults[] = {FAKE_CRC, FAKE_SHORT, FAKE_STUCK};

	for (unsigned i = 0; i < 2 * ARRAY_SIZE(faults); i++) {
		bool ends = i % 2;

		setup_disk(state);
		fake.port[0].fault[0] = FAKE_NEVER;
		for (unsigned n = 0; n < 3u + ends; n++)
			fake.port[0].fault_of_identify[n] = faults[i / 2];
		submit_all(1);
		run_for(TIMEOUT_NS + SECOND);
		ended(0, ends ? ERR_NOENT : OK);
		assert_int_equal(small->gone, ends);
	}
	setup_disk(state);
	fake.port[0].fault[0] = fake.port[0].fault_of_identify[0] = FAKE_NEVER;
	submit_all(1);
	run_for(TIMEOUT_NS + 6 * SECOND);
	gone_now(small, 0);
}

/* Registers read as all ones, or as nothing. Each disk finds out when it is asked. */
static void test_controller_gone(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		setup_disk(state);
		fake.port[0].fault[0] = FAKE_NEVER;
		submit_all(1);
		fake_run_device();
		fake.gone = i == 0;
		pulled_out = i == 1;
		fake.port[LARGE].fault[0] = FAKE_NEVER;
		block_submit(large, &req[1]);
		run_for(SECOND / 2);
		gone_now(small, 0);
		gone_now(large, 1);
		assert_false(master);
	}
}

static void test_reset_fails(void **state)
{
	for (unsigned i = 0; i < 3; i++) {
		struct fake_port *p = &fake.port[0];

		setup_disk(state);
		p->fault[0] = FAKE_NEVER;
		submit_all(1);
		run_for(SECOND);
		p->never_ready = i == 0;
		p->no_stop_ever = i == 1;
		p->no_release = i == 2;
		run_for(TIMEOUT_NS * 4);
		assert_true(small->gone);
		ended(0, ERR_NOENT);
		assert_int_equal(master, i == 0);
		if (master) {
			assert_int_equal(now_do(large, 1), OK);
			continue;
		}
		/* The other one loses its memory with it: at once, as its commands can't be trusted to end. */
		fake.port[LARGE].fault[0] = FAKE_NEVER;
		block_submit(large, &req[1]);
		run_for(TIMEOUT_NS + SECOND);
		gone_now(large, 1);
		assert_int_equal(fake.port[LARGE].resets, 0);
	}
}

/* Whatever the registers say, for a minute: nothing ends twice; and when the controller is gone, all has ended. */
static void test_garbage(void **state)
{
	for (unsigned i = 0; i < 20; i++) {
		setup_disk(state);
		submit_all(12);
		fake.garbage = true;
		run_for(SECOND / 100);
		for (unsigned n = 12; n < 24; n++)
			block_submit(small, &req[n]);
		run_for(TIMEOUT_NS * 6);
		fake.gone = true;
		run_for(TIMEOUT_NS * 2);
		for (unsigned n = 0; n < 24; n++)
			assert_int_equal(done_count[n], 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_error, setup_disk),
	    cmocka_unit_test(test_error_without_ccs),
	    cmocka_unit_test_setup(test_wire, setup_disk),
	    cmocka_unit_test_setup(test_short, setup_disk),
	    cmocka_unit_test_setup(test_late, setup_disk),
	    cmocka_unit_test_setup(test_twice, setup_disk),
	    cmocka_unit_test_setup(test_never, setup_disk),
	    cmocka_unit_test_setup(test_never_ever, setup_disk),
	    cmocka_unit_test_setup(test_stuck, setup_disk),
	    cmocka_unit_test_setup(test_error_between, setup_disk),
	    cmocka_unit_test_setup(test_hangs, setup_disk),
	    cmocka_unit_test_setup(test_submit_in_reset, setup_disk),
	    cmocka_unit_test_setup(test_pulled_out, setup_disk),
	    cmocka_unit_test_setup(test_pulled_out_idle, setup_disk),
	    cmocka_unit_test_setup(test_link_lost, setup_disk),
	    cmocka_unit_test_setup(test_swapped, setup_disk),
	    cmocka_unit_test_setup(test_swapped_at_once, setup_disk),
	    cmocka_unit_test_setup(test_identify_fails, setup_disk),
	    cmocka_unit_test_setup(test_controller_gone, setup_disk),
	    cmocka_unit_test_setup(test_reset_fails, setup_disk),
	    cmocka_unit_test_setup(test_garbage, setup_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
