/* SPDX-License-Identifier: BSD-2-Clause */
/* What drivers/e1000*.c sends, and its reset where a card sends nothing any more. */
#include "fake_e1000.h"

static void test_send(void **state)
{
	uint8_t frame[1600];

	start(false);
	for (unsigned i = 0; i < 500; i++) {
		uint32_t len = 14 + 3 * i;

		pattern(frame, len, i);
		assert_true(send(frame, len));
		if (i % 3)
			continue;
		flush();
		card_send();
		assert_int_equal(card.sent_count, i + 1);
		assert_int_equal(card.sent[i].len, MAX(len, 60u));
		assert_memory_equal(card.sent[i].byte, frame, len);
		for (uint32_t k = len; k < 60; k++)
			assert_int_equal(card.sent[i].byte[k], 0);
	}
	assert_int_equal(card.doorbells, 1 + (500 + 2) / 3);
	assert_int_equal(e.nic.stats.tx_packets, 500);
	assert_int_equal(e.nic.stats.tx_dropped, 0);
	flush();
	flush(); /* nothing new */
	assert_int_equal(card.doorbells, 2 + (500 + 2) / 3);
}

static void test_send_jumbo(void **state)
{
	uint8_t frame[BIG + 1] = {0};

	start(false);
	for (unsigned i = 0; i < 100; i++) {
		uint32_t len = 2040 + 70 * i;

		len = MIN(len, (uint32_t)BIG);
		pattern(frame, len, i);
		assert_true(send(frame, len));
		flush();
		card_send();
		assert_int_equal(card.sent[i].len, len);
		assert_memory_equal(card.sent[i].byte, frame, len);
	}
	assert_false(send(frame, BIG + 1));
	assert_false(send(frame, 13));
	assert_int_equal(e.nic.stats.tx_dropped, 2);
}

static void test_send_no_room(void **state)
{
	uint8_t frame[5000] = {2};

	start(false);
	for (unsigned i = 0; i < E1000_RING - 1; i++)
		assert_true(send(frame, 60));
	assert_false(send(frame, 60));
	flush();
	card_send();
	assert_int_equal(card.sent_count, E1000_RING - 1);
	/* Now there is, for larger ones too, but for all of one or not at all: 85 of 3 in 255. */
	for (unsigned i = 0; i < 85; i++)
		assert_true(send(frame, 5000));
	assert_false(send(frame, 60));
	flush();
	card_send();
	assert_int_equal(card.sent_count, E1000_RING - 1 + 85);
	for (unsigned i = 0; i < 84; i++)
		assert_true(send(frame, 5000));
	assert_true(send(frame, 60));
	assert_false(send(frame, 5000));
	assert_true(send(frame, 3000));
	assert_int_equal(e.nic.stats.tx_dropped, 3);
}

static void test_send_without_link(void **state)
{
	uint8_t frame[60] = {2};

	start(false);
	*reg(E1000_STATUS) = 0;
	fake_run(600 * MS);
	assert_false(e.nic.link);
	assert_false(send(frame, 60));
	*reg(E1000_STATUS) = STATUS_LU;
	fake_run(600 * MS);
	assert_true(e.nic.link);
	assert_true(send(frame, 60));
}

/* Frames that are never sent: the card is reset, once they have waited long enough, and only then. */
static void test_send_never(void **state)
{
	uint8_t frame[60] = {2};

	start(false);
	assert_true(send(frame, 60));
	fake_run(10000 * MS); /* it was not told of it */
	assert_int_equal(card.resets, 1);
	flush();
	fake_run(1900 * MS);
	card_send(); /* late */
	fake_run(5000 * MS);
	assert_int_equal(card.resets, 1);
	card.never_done = true;
	assert_true(send(frame, 60));
	flush();
	card_send();
	fake_run(2000 * MS);
	assert_int_equal(card.resets, 1);
	fake_run(1100 * MS);
	assert_int_equal(card.resets, 2);
	assert_int_equal(fake_log_warnings, 1);
	assert_string_equal(fake_log_last, "e1000-0: sends nothing any more; it is reset");
	/* And works again, in both directions. */
	card.never_done = false;
	assert_true(send(frame, 60));
	flush();
	card_send();
	assert_int_equal(card.sent_count, 3);
	check_next_is_good(0);
	/* Completions from before the reset are nothing to it. */
	for (unsigned i = 0; i < E1000_RING; i++)
		e.tx[i].status = TX_DD;
	assert_true(send(frame, 60));
}

static void test_reset_for_good(void **state)
{
	uint8_t frame[60] = {2};

	start(false);
	card.never_done = card.reset_hangs = true;
	assert_true(send(frame, 60));
	flush();
	while (card.resets < 2)
		fake_run(MS);
	assert_true(e.nic.link);
	assert_false(send(frame, 60)); /* amid the reset */
	fake_run(1000 * MS);
	assert_true(e.gone);
	assert_false(e.nic.link);
	assert_false(send(frame, 60));
	assert_false(e.timer.armed);
}

/* Frames that wait because there is no link are no reason. */
static void test_no_link_is_no_hang(void **state)
{
	uint8_t frame[60] = {2};

	start(false);
	assert_true(send(frame, 60));
	*reg(E1000_STATUS) = 0;
	flush();
	fake_run(30000 * MS);
	assert_int_equal(card.resets, 1);
	*reg(E1000_STATUS) = STATUS_LU;
	fake_run(1500 * MS);
	assert_int_equal(card.resets, 1);
	card_send();
	fake_run(30000 * MS);
	assert_int_equal(card.resets, 1);
}

static void test_send_errors(void **state)
{
	uint8_t frame[60] = {2};

	start(false);
	assert_true(send(frame, 60));
	flush();
	card_send();
	e.tx[0].status |= TX_ERRORS;
	fake_run(600 * MS);
	assert_int_equal(e.nic.stats.tx_errors, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_send, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_send_jumbo, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_send_no_room, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_send_without_link, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_send_never, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_reset_for_good, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_no_link_is_no_hang, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_send_errors, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
