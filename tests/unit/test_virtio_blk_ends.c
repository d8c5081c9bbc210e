/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/vdev/virtio_blk.c: a device that fails, more requests than there is room for, ends, drains and resets while some are under way. */
#include "fake_virtio_blk.h"

/* --- a device that fails --- */

static void test_errors(void **state)
{
	start(FEATURES);
	put(0, VIRTIO_BLK_T_IN, 0, SECTOR);
	put(1, VIRTIO_BLK_T_OUT, 0, SECTOR);
	put(2, VIRTIO_BLK_T_IN, 0, SECTOR);
	notify(0);
	complete(0, ERR_IO);
	complete(0, ERR_UNSUPPORTED);
	assert_int_equal(answer(0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(answer(1), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(answer(2), NO_ANSWER);
	assert_int_equal(blk->disk.stats.errors, 2);
}

/* It never answers: it is reset and asked again; one that then answers is well, one that never does fails. */
static void test_never(void **state)
{
	start(FEATURES);
	put(0, VIRTIO_BLK_T_IN, 0, SECTOR);
	notify(0);
	fake_run(SECOND + SECOND / 2);
	assert_int_equal(device_resets, 1);
	assert_int_equal(answer(0), NO_ANSWER);
	complete(0, OK);
	assert_int_equal(answer(0), VIRTIO_BLK_S_OK);
	put(1, VIRTIO_BLK_T_IN, 0, SECTOR);
	notify(0);
	fake_run(10 * SECOND);
	assert_int_equal(answer(1), VIRTIO_BLK_S_IOERR);
	assert_int_equal(flying_count, 0);
	/* It is gone for good. */
	put(2, VIRTIO_BLK_T_IN, 0, SECTOR);
	notify(0);
	reset_status = ERR_IO;
	fake_run(10 * SECOND);
	assert_int_equal(answer(2), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, SECTOR), VIRTIO_BLK_S_IOERR);
}

/* --- much --- */

static void test_more_than_requests(void **state)
{
	start(FEATURES);
	room = 40;
	for (unsigned n = 0; n < 2 * SIZE; n++)
		put(n, VIRTIO_BLK_T_IN, n, SECTOR);
	notify(0);
	notify(1);
	/* One notification does not do all: others get their turn. */
	assert_in_range(blk->busy, 2, 2 * 64 + 1);
	run_work();
	assert_int_equal(blk->busy, VIRTIO_BLK_REQUESTS);
	assert_int_equal(flying_count, 40);
	while (flying_count) {
		complete(flying_count / 2, OK);
		run_work();
	}
	assert_int_equal(used(0)->idx, SIZE);
	assert_int_equal(used(1)->idx, SIZE);
	for (unsigned n = 0; n < 2 * SIZE; n++) {
		assert_int_equal(answer(n), VIRTIO_BLK_S_OK);
		assert_memory_equal(buffer(n), medium + n * SECTOR, SECTOR);
	}
}

/* --- the ends of things --- */

static void test_reset_in_flight(void **state)
{
	start(FEATURES);
	for (unsigned n = 0; n < 3; n++)
		put(n, VIRTIO_BLK_T_IN, n, SECTOR);
	notify(0);
	complete(1, OK);
	virtio_set_status(&blk->virtio, 0);
	/* Until the device has let go of the memory, the driver sees it going on. */
	assert_int_equal(virtio_status(&blk->virtio), RUNS);
	put(3, VIRTIO_BLK_T_IN, 0, SECTOR);
	notify(0);
	assert_int_equal(flying_count, 2);
	complete(1, OK);
	assert_int_equal(virtio_status(&blk->virtio), RUNS);
	complete(0, ERR_IO);
	assert_int_equal(virtio_status(&blk->virtio), 0);
	assert_int_equal(transport_resets, 1);
	assert_int_equal(used(0)->idx, 1);
	assert_int_equal(used_calls[0], 1);
	start(FEATURES);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, SECTOR), VIRTIO_BLK_S_OK);
}

/* The VM's memory is wanted back: drain says no until the last request has ended, and the life-cycle is told then. */
static void test_drain(void **state)
{
	start(FEATURES);
	put(0, VIRTIO_BLK_T_IN, 0, SECTOR);
	put(1, VIRTIO_BLK_T_OUT, 1, SECTOR);
	notify(0);
	assert_false(virtio_blk_drain(&fake_vm));
	/* Nothing new begins. */
	put(2, VIRTIO_BLK_T_IN, 2, SECTOR);
	notify(0);
	run_work();
	assert_int_equal(flying_count, 2);
	complete(1, OK);
	assert_int_equal(drained, 0);
	assert_false(virtio_blk_drain(&fake_vm));
	complete(0, OK);
	assert_int_equal(drained, 1);
	assert_true(virtio_blk_drain(&fake_vm));
	assert_null(queued);
	/* The VM goes on after all: what was left is done. */
	virtio_blk_resume(&fake_vm);
	run_work();
	assert_int_equal(flying_count, 1);
	complete_all();
	assert_int_equal(answer(2), VIRTIO_BLK_S_OK);
}

/* The work item reads the rings too. */
static void test_drain_with_work(void **state)
{
	start(FEATURES);
	for (unsigned n = 0; n < 100; n++)
		put(n, VIRTIO_BLK_T_GET_ID, 0, VIRTIO_BLK_ID_BYTES);
	notify(0);
	assert_non_null(queued);
	assert_int_equal(flying_count, 0);
	assert_false(virtio_blk_drain(&fake_vm));
	assert_int_equal(drained, 0);
	run_work();
	assert_int_equal(drained, 1);
	assert_true(virtio_blk_drain(&fake_vm));
	assert_true(used(0)->idx < 100);
	virtio_blk_resume(&fake_vm);
	run_work();
	assert_int_equal(used(0)->idx, 100);
}

/* A request that has to go to the device in parts is under way until the last one ends. */
static void test_drain_parts(void **state)
{
	start(FEATURES);
	device.limits.sectors = 2;
	put(0, VIRTIO_BLK_T_IN, 0, 3 * SECTOR);
	notify(0);
	assert_false(virtio_blk_drain(&fake_vm));
	complete(0, OK);
	assert_false(virtio_blk_drain(&fake_vm));
	complete(0, OK);
	assert_true(virtio_blk_drain(&fake_vm));
	assert_int_equal(answer(0), VIRTIO_BLK_S_OK);
}

/* It is freed only when nothing of it is under way: else what ends would write to what is another's by then. */
static void test_fini_in_flight(void **state)
{
	start(FEATURES);
	put(0, VIRTIO_BLK_T_IN, 0, SECTOR);
	notify(0);
	assert_panics((void)virtio_blk_fini(&fake_vm));
}

/* Everything at once, at random: each request is answered once, or its reset ends. */
static void test_random_order(void **state)
{
	unsigned rounds = test_soak() ? 200000 : 4000, in_ring[QUEUES] = {};
	uint64_t seed = 3;

	start(FEATURES);
	for (unsigned i = 0; i < rounds; i++) {
		unsigned q = test_random(&seed) % QUEUES, done = used(q)->idx;

		switch (test_random(&seed) % 8) {
		case 0:
		case 1:
		case 2:
			if ((uint16_t)(in_ring[q] - done) < SIZE)
				put(q * SIZE + in_ring[q]++ % SIZE, test_random(&seed) % 16,
				    test_random(&seed) % SECTORS, SECTOR * (test_random(&seed) % 9));
			break;
		case 3:
			notify(q);
			break;
		case 4:
		case 5:
			if (flying_count)
				complete(test_random(&seed) % flying_count,
					 test_random(&seed) % 4 ? OK : ERR_IO);
			break;
		case 6:
			run_work();
			break;
		default:
			if (test_random(&seed) % 16)
				break;
			virtio_blk_drain(&fake_vm);
			complete_all();
			run_work();
			assert_true(virtio_blk_drain(&fake_vm));
			virtio_blk_reset(&fake_vm);
			assert_int_equal(virtio_status(&blk->virtio), 0);
			virtio_blk_resume(&fake_vm);
			start(FEATURES);
			memset(in_ring, 0, sizeof(in_ring));
		}
	}
	for (unsigned q = 0; q < QUEUES; q++)
		notify(q);
	while (flying_count || queued) {
		complete_all();
		run_work();
	}
	for (unsigned q = 0; q < QUEUES; q++)
		assert_int_equal(used(q)->idx, (uint16_t)in_ring[q]);
	assert_int_equal(virtio_status(&blk->virtio), RUNS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_never, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_more_than_requests, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_reset_in_flight, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_drain, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_drain_with_work, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_drain_parts, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_fini_in_flight, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_random_order, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
