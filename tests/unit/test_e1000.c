/* SPDX-License-Identifier: BSD-2-Clause */
/* drivers/e1000*.c from begin to end: its address, its reset, interrupts and counters, a card that vanishes. */
#include "fake_e1000.h"

/* --- begin --- */

static void test_address(void **state)
{
	const uint8_t mac[] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};

	assert_int_equal(e1000_init(&e), OK);
	assert_memory_equal(e.nic.mac, mac, 6);
	assert_int_equal(card.eeprom_reads, 0);
	assert_int_equal(card.resets, 1);
	assert_true(e.nic.link);
	assert_int_equal(e.nic.mtu, 9000);
	assert_int_equal(*reg(E1000_RAL), 0x12005452);
	assert_int_equal(*reg(E1000_RAH), 0x80005634);
	/* Quiet until it is started. */
	assert_int_equal(*reg(E1000_IMS) | *reg(E1000_RCTL), 0);
	assert_false(e.timer.armed);
}

/* As Bochs' card. */
static void test_address_in_eeprom(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		teardown(NULL);
		setup(NULL);
		e.model = i ? &model_pcie : &model;
		card.no_autoload = true;
		assert_int_equal(e1000_init(&e), OK);
		assert_memory_equal(e.nic.mac, card.eeprom, 6);
		assert_int_equal(card.eeprom_reads, 3);
	}
}

static void test_bad_addresses(void **state)
{
	memset(card.eeprom, 0, 6);
	assert_int_equal(e1000_init(&e), ERR_IO);
	memset(card.eeprom, 0xff, 6);
	assert_int_equal(e1000_init(&e), ERR_IO);
	card.no_autoload = true;
	*reg(E1000_RAL) = 0;
	card.eeprom[0] = 0x0152; /* the second byte is 1, which is allowed */
	assert_int_equal(e1000_init(&e), OK);
	e1000_rings_free(&e);
	card.eeprom_hangs = true;
	assert_int_equal(e1000_init(&e), ERR_TIMEOUT);
	e.rx = NULL;
	e.tx = NULL;
	e.rx_buffer = e.tx_buffer = e.jumbo = NULL;
}

static void test_reset_hangs(void **state)
{
	uint64_t begin = fake_now;

	card.reset_hangs = true;
	assert_int_equal(e1000_init(&e), ERR_TIMEOUT);
	assert_in_range(fake_now - begin, 25 * MS, 30 * MS);
	card.dead = true;
	assert_int_equal(e1000_init(&e), ERR_TIMEOUT);
}

static void test_bus_quiet_before_reset(void **state)
{
	e.model = &model_pcie;
	*reg(E1000_STATUS) |= (uint32_t)STATUS_MASTER; /* for one look */
	assert_int_equal(e1000_init(&e), OK);
	assert_int_equal(*reg(E1000_CTRL) & CTRL_MASTER_DISABLE, 0);
}

static void test_no_memory(void **state)
{
	for (unsigned i = 0; i < 5; i++) {
		pages_left = i;
		assert_int_equal(e1000_init(&e), ERR_NOMEM);
		e1000_rings_free(&e);
	}
	pages_left = 5;
	assert_int_equal(e1000_init(&e), OK);
}

/* --- interrupts, counters, the end --- */

static void test_interrupts(void **state)
{
	uint8_t frame[60] = {2};
	unsigned before;

	start(true);
	assert_int_equal(*reg(E1000_IMS), INT_USED);
	fake_run(10 * MS);
	before = fake_fired;
	fake_run(5000 * MS);
	assert_in_range(fake_fired - before, 9, 11); /* the housekeeping alone */
	card_receive(frame, 60);
	interrupt();
	assert_int_equal(got_count, 1);
	assert_int_equal(*reg(E1000_ICR), 0);
	assert_int_equal(*reg(E1000_IMS), INT_USED);
	/* More than a batch: the rest by timer, with interrupts off. */
	for (unsigned i = 0; i < 150; i++)
		card_receive(frame, 60);
	interrupt();
	assert_int_equal(got_count, 65);
	assert_int_equal(*reg(E1000_IMS), 0);
	fake_run(100 * US);
	assert_int_equal(got_count, 129);
	assert_int_equal(*reg(E1000_IMS), 0);
	fake_run(100 * US);
	assert_int_equal(got_count, 151);
	assert_int_equal(*reg(E1000_IMS), INT_USED);
	/* One that is lost: the housekeeping sees what came. */
	card_receive(frame, 60);
	*reg(E1000_ICR) = 0;
	fake_run(600 * MS);
	assert_int_equal(got_count, 152);
	/* The link. */
	*reg(E1000_STATUS) = 0;
	*reg(E1000_ICR) = INT_LSC;
	interrupt();
	assert_false(e.nic.link);
}

static void test_msix(void **state)
{
	uint8_t frame[60] = {2};

	e.model = &model_pcie;
	e.msix = true;
	start(true);
	assert_int_equal(*reg(E1000_IVAR), 0x88888);
	assert_int_equal(*reg(E1000_IMS), INT_RXQ0 | INT_OTHER | INT_LSC);
	assert_int_equal(*reg(E1000_TXDCTL), TXDCTL_82574);
	card_receive(frame, 60);
	interrupt();
	assert_int_equal(got_count, 1);
	assert_int_equal(*reg(E1000_ICR), 0);
	assert_int_equal(*reg(E1000_IMS), INT_RXQ0 | INT_OTHER | INT_LSC);
	*reg(E1000_STATUS) = 0;
	*reg(E1000_ICR) = INT_LSC | INT_OTHER;
	interrupt();
	assert_false(e.nic.link);
}

static void test_counters(void **state)
{
	start(false);
	fake_run(MS);
	*reg(E1000_MPC) = 5;
	*reg(E1000_CRCERRS) = 1;
	*reg(E1000_RXERRC) = 2;
	*reg(E1000_RLEC) = 4;
	*reg(E1000_ECOL) = 1;
	*reg(E1000_LATECOL) = 2;
	fake_run(1200 * MS);
	assert_int_equal(e.nic.stats.rx_dropped, 5);
	assert_int_equal(e.nic.stats.rx_errors, 7);
	assert_int_equal(e.nic.stats.tx_errors, 3);
}

static void test_vanishes(void **state)
{
	uint8_t frame[60] = {2};

	for (unsigned i = 0; i < 2; i++) {
		teardown(NULL);
		setup(NULL);
		start(i);
		card_receive(frame, 60);
		card.dead = true;
		if (i)
			e1000_interrupt(&e); /* all causes */
		fake_run(1000 * MS);
		assert_true(e.gone);
		assert_false(e.nic.link || e.timer.armed);
		assert_false(send(frame, 60));
		flush();
		e1000_interrupt(&e); /* a late one */
		assert_string_equal(fake_log_last, "e1000-0: does not answer any more; it is given up");
		assert_int_equal(e.nic.stats.rx_dropped, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_address, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_address_in_eeprom, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_bad_addresses, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_reset_hangs, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_bus_quiet_before_reset, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_interrupts, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_msix, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_counters, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_vanishes, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
