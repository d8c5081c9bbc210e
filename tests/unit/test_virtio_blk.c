/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/vdev/virtio_blk.c, with the disk and the block core below it: requests and their answers. */
#include "fake_virtio_blk.h"

static void test_read_write(void **state)
{
	start(FEATURES);
	memset(buffer(0), 0x5a, PAGE_SIZE);
	put(0, VIRTIO_BLK_T_OUT, 100, PAGE_SIZE);
	put(1, VIRTIO_BLK_T_IN, 200, PAGE_SIZE);
	notify(0);
	assert_int_equal(flying_count, 2);
	assert_int_equal(flying[0]->op, BLOCK_WRITE);
	assert_false(flying[0]->fua);
	assert_int_equal(flying[1]->op, BLOCK_READ);
	assert_int_equal(flying[1]->sector, 200);
	/* They take their time: the driver hears nothing. */
	assert_int_equal(used(0)->idx, 0);
	assert_int_equal(used_calls[0], 0);
	assert_int_equal(answer(0), NO_ANSWER);
	complete(0, OK);
	assert_int_equal(used(0)->idx, 1);
	assert_int_equal(used_calls[0], 1);
	assert_int_equal(used(0)->ring[0].id, 0);
	assert_int_equal(used(0)->ring[0].len, 1);
	assert_int_equal(answer(0), VIRTIO_BLK_S_OK);
	assert_memory_equal(medium + 100 * SECTOR, buffer(0), PAGE_SIZE);
	complete(0, OK);
	assert_int_equal(used(0)->ring[1].id, 1);
	assert_int_equal(used(0)->ring[1].len, PAGE_SIZE + 1);
	assert_memory_equal(buffer(1), medium + 200 * SECTOR, PAGE_SIZE);
	/* Of many pieces: more than a request has room for. */
	put_at(2, VIRTIO_BLK_T_IN, 8, BIG + 0x204, 0x80000);
	notify(0);
	assert_int_equal(flying_count, 1);
	assert_true(flying[0]->runs > VIRTIO_BLK_RUNS);
	complete(0, OK);
	assert_int_equal(answer(2), VIRTIO_BLK_S_OK);
	assert_memory_equal(fake_memory + BIG + 0x204, medium + 8 * SECTOR, 0x80000);
}

/* Ends come in an order of their own, and each queue gets its own. */
static void test_out_of_order(void **state)
{
	static const unsigned order[] = {3, 1, 0, 2, 1, 0}, ids[] = {3, 1, 0};

	start(FEATURES);
	for (unsigned i = 0; i < 3; i++) {
		put(i, VIRTIO_BLK_T_IN, i, SECTOR);
		put(SIZE + i, VIRTIO_BLK_T_IN, 10 + i, SECTOR);
	}
	put(3, VIRTIO_BLK_T_IN, 3, SECTOR);
	notify(0);
	notify(1);
	assert_int_equal(flying_count, 7);
	for (unsigned i = 0; i < ARRAY_SIZE(ids); i++)
		complete(order[i], OK);
	for (unsigned i = 0; i < ARRAY_SIZE(ids); i++)
		assert_int_equal(used(0)->ring[i].id, ids[i]);
	assert_int_equal(used(1)->idx, 0);
	for (unsigned i = 3; i < ARRAY_SIZE(order); i++)
		complete(flying_count == 1 ? 0 : order[i], OK);
	complete_all();
	assert_int_equal(used(0)->idx, 4);
	assert_int_equal(used(1)->idx, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_memory_equal(buffer(SIZE + i), medium + (10 + i) * SECTOR, SECTOR);
}

static void test_flush(void **state)
{
	start(FEATURES);
	put(0, VIRTIO_BLK_T_FLUSH, 0, 0);
	notify(0);
	assert_int_equal(flying[0]->op, BLOCK_FLUSH);
	assert_int_equal(answer(0), NO_ANSWER);
	complete(0, OK);
	assert_int_equal(answer(0), VIRTIO_BLK_S_OK);
	put(1, VIRTIO_BLK_T_FLUSH, 0, 0);
	notify(0);
	complete(0, ERR_IO);
	assert_int_equal(answer(1), VIRTIO_BLK_S_IOERR);
}

/* A driver that knows no flush: a write is answered when it is on the medium. */
static void test_write_through(void **state)
{
	start(VIRTIO_F_INDIRECT_DESC);
	put(0, VIRTIO_BLK_T_OUT, 0, SECTOR);
	notify(0);
	complete(0, OK);
	assert_int_equal(answer(0), NO_ANSWER);
	assert_int_equal(flying_count, 1);
	assert_int_equal(flying[0]->op, BLOCK_FLUSH);
	complete(0, OK);
	assert_int_equal(answer(0), VIRTIO_BLK_S_OK);
}

static void test_ranges(void **state)
{
	start(FEATURES);
	put(1, VIRTIO_BLK_T_DISCARD, 0, sizeof(struct virtio_blk_range));
	*(struct virtio_blk_range *)buffer(1) = (struct virtio_blk_range){32, 16, 0};
	notify(0);
	/* It was read once. */
	*(struct virtio_blk_range *)buffer(1) = (struct virtio_blk_range){UINT64_MAX, UINT32_MAX, 0};
	assert_int_equal(flying[0]->op, BLOCK_DISCARD);
	assert_int_equal(flying[0]->sector, 32);
	assert_int_equal(flying[0]->sectors, 16);
	complete_all();
	assert_int_equal(answer(1), VIRTIO_BLK_S_OK);
	put(1, VIRTIO_BLK_T_WRITE_ZEROES, 0, sizeof(struct virtio_blk_range));
	*(struct virtio_blk_range *)buffer(1) = (struct virtio_blk_range){0, 8, VIRTIO_BLK_RANGE_UNMAP};
	notify(0);
	assert_int_equal(flying[0]->op, BLOCK_WRITE_ZEROES);
	assert_true(flying[0]->may_unmap);
	complete_all();
	assert_int_equal(answer(1), VIRTIO_BLK_S_OK);
	/* More than the device takes at once. */
	assert_int_equal(range_request(VIRTIO_BLK_T_WRITE_ZEROES, 100, 200, 0), VIRTIO_BLK_S_OK);
	for (unsigned i = 100 * SECTOR; i < 300 * SECTOR; i++)
		assert_int_equal(medium[i], 0);
	assert_int_equal(range_request(VIRTIO_BLK_T_DISCARD, 0, 0, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(range_request(VIRTIO_BLK_T_DISCARD, SECTORS - 1, 2, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(range_request(VIRTIO_BLK_T_DISCARD, UINT64_MAX, 2, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(range_request(VIRTIO_BLK_T_DISCARD, 0, UINT32_MAX, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(range_request(VIRTIO_BLK_T_DISCARD, 0, 8, VIRTIO_BLK_RANGE_UNMAP),
			 VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(range_request(VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 2), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(request(VIRTIO_BLK_T_DISCARD, 0, sizeof(struct virtio_blk_range) - 1),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_DISCARD, 0, 2 * sizeof(struct virtio_blk_range)),
			 VIRTIO_BLK_S_IOERR);
}

static void test_id(void **state)
{
	start(FEATURES);
	memset(buffer(0), 0xff, PAGE_SIZE);
	assert_int_equal(request(VIRTIO_BLK_T_GET_ID, 0, VIRTIO_BLK_ID_BYTES), VIRTIO_BLK_S_OK);
	assert_memory_equal(buffer(0), "data\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", VIRTIO_BLK_ID_BYTES);
	assert_int_equal(buffer(0)[VIRTIO_BLK_ID_BYTES], 0xff);
	assert_int_equal(request(VIRTIO_BLK_T_GET_ID, 0, VIRTIO_BLK_ID_BYTES - 1), VIRTIO_BLK_S_IOERR);
}

static void test_wrong_requests(void **state)
{
	start(FEATURES);
	assert_int_equal(request(VIRTIO_BLK_T_IN, SECTORS, SECTOR), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_IN, SECTORS - 1, 2 * SECTOR), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, UINT64_MAX, SECTOR), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, SECTOR + 1), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(99, 0, SECTOR), VIRTIO_BLK_S_UNSUPP);
	put_at(1, VIRTIO_BLK_T_IN, 0, 0, MIB(1) + SECTOR);
	notify(0);
	assert_int_equal(flying_count, 0);
	assert_int_equal(fake_memory[ANSWERS + 1], VIRTIO_BLK_S_IOERR);
	assert_int_equal(virtio_status(&blk->virtio), RUNS);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, SECTOR), VIRTIO_BLK_S_OK);
}

/* Where there is no way to answer. */
static void test_bad_headers(void **state)
{
	static const struct {
		uint32_t len;
		uint16_t flags;
	} first[] = {{15, VQ_DESC_NEXT}, {16, 0}, {16, VQ_DESC_WRITE}, {17, VQ_DESC_NEXT | VQ_DESC_INDIRECT}};

	for (unsigned i = 0; i < ARRAY_SIZE(first); i++) {
		start(FEATURES);
		put(1, VIRTIO_BLK_T_IN, 0, SECTOR);
		notify(0);
		describe(descriptors(0), 0, HEADERS, first[i].len, first[i].flags, 2);
		describe(descriptors(0), 2, ANSWERS, 1, VQ_DESC_WRITE, 0);
		offer(0);
		notify(0);
		assert_int_equal(virtio_status(&blk->virtio), RUNS | VIRTIO_DEVICE_NEEDS_RESET);
		put(3, VIRTIO_BLK_T_IN, 0, SECTOR);
		notify(0);
		/* What was under way before ends, and nothing begins. */
		assert_int_equal(flying_count, 1);
		complete_all();
		virtio_set_status(&blk->virtio, 0);
		assert_int_equal(virtio_status(&blk->virtio), 0);
	}
	start(FEATURES);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, SECTOR), VIRTIO_BLK_S_OK);
}

/* "MUST set the status byte to VIRTIO_BLK_S_IOERR for a write request if the VIRTIO_BLK_F_RO feature is offered". */
static void test_readonly(void **state)
{
	assert_int_equal(virtio_blk_fini(&fake_vm), OK);
	new_device(true);
	assert_true(virtio_offered(&blk->virtio, 0) & VIRTIO_BLK_F_RO);
	start(FEATURES);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, SECTOR), VIRTIO_BLK_S_IOERR);
	assert_int_equal(range_request(VIRTIO_BLK_T_DISCARD, 0, 8, 0), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, SECTOR), VIRTIO_BLK_S_OK);
	assert_int_equal(request(VIRTIO_BLK_T_FLUSH, 0, 0), VIRTIO_BLK_S_OK);
}

/* The same chain offered twice is done twice: the driver's to sort out. */
static void test_offered_twice(void **state)
{
	start(FEATURES);
	put(0, VIRTIO_BLK_T_IN, 0, SECTOR);
	offer(0);
	notify(0);
	assert_int_equal(flying_count, 2);
	complete_all();
	assert_int_equal(used(0)->idx, 2);
	assert_int_equal(used(0)->ring[0].id, 0);
	assert_int_equal(used(0)->ring[1].id, 0);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, SECTOR), VIRTIO_BLK_S_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_read_write, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_out_of_order, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_flush, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_write_through, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_ranges, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_id, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_wrong_requests, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_bad_headers, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_readonly, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_offered_twice, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
