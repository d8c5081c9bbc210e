/* SPDX-License-Identifier: BSD-2-Clause */
/* What drivers/e1000*.c receives, and what it makes of descriptors that can't be. */
#include "fake_e1000.h"

static void test_receive(void **state)
{
	uint8_t frame[1514];

	start(false);
	assert_int_equal(e.timer.cpu, 3);
	assert_true(*reg(E1000_RCTL) & RCTL_UPE);
	for (unsigned i = 0; i < 550; i++) {
		pattern(frame, sizeof(frame), i);
		assert_true(card_receive(frame, 60 + i));
		fake_run(MS);
		assert_int_equal(got_count, i + 1);
		assert_int_equal(got_len[i], 60 + i);
		assert_memory_equal(big_got, frame, 60 + i);
	}
	assert_int_equal(got_batches, 550);
	assert_int_equal(e.nic.stats.rx_packets, 550);
	assert_int_equal(e.nic.stats.rx_errors, 0);
}

static void test_receive_jumbo(void **state)
{
	uint8_t frame[BIG];

	start(false);
	for (unsigned i = 0; i < 200; i++) {
		uint32_t len = 2000 + 35 * i;

		pattern(frame, len, i);
		assert_true(card_receive(frame, len));
		fake_run(MS);
		assert_int_equal(got_count, i + 1);
		assert_int_equal(got_len[i], len);
		assert_memory_equal(big_got, frame, len);
	}
	/* The first piece now, the last one later. */
	assert_true(card_fill(frame, 2048, 2048, RX_DD, 0));
	fake_run(10 * MS);
	assert_int_equal(got_count, 200);
	assert_true(card_fill(frame + 2048, 100, 100, RX_DD | RX_EOP, 0));
	fake_run(10 * MS);
	assert_int_equal(got_count, 201);
	assert_int_equal(got_len[200], 2148);
	assert_memory_equal(big_got, frame, 2148);
}

/* Two frames of several pieces at once, which are put together in the same memory: each is a batch's last. */
static void test_batch_jumbo(void **state)
{
	uint8_t frame[4000];

	start(false);
	for (unsigned i = 0; i < 4; i++) {
		uint32_t len = i % 2 ? sizeof(frame) : 100;

		pattern(frame, len, i);
		assert_true(card_receive(frame, len));
	}
	fake_run(MS);
	assert_int_equal(got_count, 4);
	for (unsigned i = 0; i < 4; i++) {
		pattern(frame, 64, i);
		assert_memory_equal(got[i], frame, 64);
	}
}

/* A batch is so many frames, then others have their turn. */
static void test_batches(void **state)
{
	uint8_t frame[60] = {2};
	unsigned n = 0;

	start(false);
	fake_run(0);
	while (card_receive(frame, 60))
		n++;
	assert_int_equal(n, E1000_RING - 1);
	fake_run(200 * US);
	assert_int_equal(got_count, 64);
	assert_int_equal(got_batches, 1);
	fake_run(300 * US);
	assert_int_equal(got_count, 255);
	/* What was received has made room. */
	while (card_receive(frame, 60))
		n++;
	assert_int_equal(n, 2 * (E1000_RING - 1));
}

/* Polls get rarer, up to 1 ms, and dense again. */
static void test_polling(void **state)
{
	uint8_t frame[60] = {2};
	unsigned before;

	start(false);
	fake_run(10 * MS);
	before = fake_fired;
	fake_run(100 * MS);
	assert_in_range(fake_fired - before, 95, 105);
	card_receive(frame, 60);
	fake_run(MS);
	before = fake_fired;
	card_receive(frame, 60);
	fake_run(200 * US);
	assert_int_equal(got_count, 2);
	/* Nothing is masked or unmasked where no interrupt is wanted. */
	assert_int_equal(*reg(E1000_IMS), 0);
}

static void test_receive_faults(void **state)
{
	uint8_t bytes[2048] = {2};

	start(false);
	/* Short. */
	card_fill(bytes, 60, 0, RX_DD | RX_EOP, 0);
	check_next_is_good(1);
	card_fill(bytes, 60, 13, RX_DD | RX_EOP, 0);
	check_next_is_good(2);
	/* Longer than its buffer. */
	card_fill(bytes, 60, 2049, RX_DD | RX_EOP, 0);
	check_next_is_good(3);
	card_fill(bytes, 60, 65535, RX_DD, 0);
	card_fill(bytes, 60, 60, RX_DD | RX_EOP, 0);
	check_next_is_good(4);
	/* With an error of each kind, the first piece all right. */
	for (unsigned bit = 0; bit < 8; bit++) {
		unsigned before = got_count;

		card_fill(bytes, 2048, 2048, RX_DD, 0);
		card_fill(bytes, 60, 60, RX_DD | RX_EOP, (uint8_t)(1u << bit));
		card_fill(bytes, 60, 60, RX_DD | RX_EOP, (uint8_t)(1u << bit));
		fake_run(2 * MS);
		assert_int_equal(got_count - before, 0x97 & 1u << bit ? 0 : 2);
	}
	check_next_is_good(14);
	/* A frame that never ends, and then does. */
	for (unsigned i = 0; i < 300; i++) {
		assert_true(card_fill(bytes, 2048, 2048, RX_DD, 0));
		fake_run(MS);
	}
	card_fill(bytes, 60, 60, RX_DD | RX_EOP, 0);
	check_next_is_good(15);
	/* A jumbo frame of the largest size, and one byte more. */
	for (unsigned i = 0; i < 2; i++) {
		unsigned before = got_count;

		for (unsigned k = 0; k < 4; k++)
			card_fill(bytes, 2048, 2048, RX_DD, 0);
		card_fill(bytes, 826 + i, (uint16_t)(826 + i), RX_DD | RX_EOP, 0);
		fake_run(2 * MS);
		assert_int_equal(got_count - before, 1 - i);
	}
	check_next_is_good(16);
}

/* Completions of descriptors that are not the card's, again and again, all at once: nothing worse than wrong frames. */
static void test_receive_duplicates(void **state)
{
	uint64_t seed = 12345;

	start(false);
	for (unsigned i = 0; i < 2000; i++) {
		struct e1000_rx_desc *d = &e.rx[test_random(&seed) % E1000_RING];

		d->length = (uint16_t)test_random(&seed);
		d->errors = (uint8_t)(test_random(&seed) & test_random(&seed));
		d->status = (uint8_t)(test_random(&seed) | RX_DD);
		d->address = test_random(&seed);
		if (i % 50 == 0) {
			got_count = 0;
			fake_run(MS);
		}
	}
	memset(e.rx, 0xff, E1000_RING * sizeof(*e.rx));
	got_count = 0;
	fake_run(100 * US);
	assert_true(got_count <= E1000_RX_BATCH);
	for (uint32_t i = 0; i < E1000_RING; i++)
		e.rx[i].status = 0;
	fake_run(10 * MS);
	got_count = 0;
	/* A descriptor whose address the card has changed gets its own buffer again. */
	for (unsigned i = 0; i < E1000_RING; i++) {
		e.rx[i].status = RX_DD | RX_EOP;
		e.rx[i].length = 60;
		e.rx[i].errors = 0;
	}
	fake_run(MS);
	for (unsigned i = 0; i < E1000_RING; i++)
		assert_ptr_equal(e.rx[i].address, e.rx_buffer + i * E1000_BUFFER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_receive, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_receive_jumbo, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_batch_jumbo, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_batches, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_polling, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_receive_faults, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_receive_duplicates, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
