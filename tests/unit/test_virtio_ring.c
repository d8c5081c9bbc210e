/* SPDX-License-Identifier: BSD-2-Clause */
/* drivers/virtio_ring.c against a device that is right, and one that is wrong in every way. */
#include "support.h"

#include <stdlib.h>
#include <string.h>
#include "drivers/virtio_ring.h"

#define SIZE   8
#define ROUNDS 100000

static struct virtio_ring r;
static int tokens[SIZE];
static uint64_t seed = 11;

static int setup(void **state)
{
	*state = aligned_alloc(16, (virtio_ring_bytes(SIZE) + 15) & ~15UL);
	virtio_ring_init(&r, SIZE, *state);
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

/* A chain of `readable` pieces of 16 bytes and `writable` of 32. Returns its first descriptor. */
static uint16_t offer(void *token, unsigned readable, unsigned writable)
{
	uint16_t head = virtio_ring_next(&r);

	virtio_ring_begin(&r);
	for (unsigned i = 0; i < readable + writable; i++)
		virtio_ring_piece(&r, 0x1000 * (i + 1), i < readable ? 16 : 32, i >= readable);
	virtio_ring_end(&r, token);
	return head;
}

/* The device is done with a chain. */
static void answer(uint32_t id, uint32_t len)
{
	r.used->ring[r.used->idx % SIZE] = (struct vq_used_elem){id, len};
	r.used->idx++;
}

static enum status take(void **token, uint32_t *written)
{
	uint16_t head;

	return virtio_ring_take(&r, token, &head, written);
}

static void assert_broken(void)
{
	void *token;
	uint32_t written;

	assert_int_equal(take(&token, &written), ERR_IO);
	/* And it stays so, whatever comes. */
	answer(0, 0);
	assert_int_equal(take(&token, &written), ERR_IO);
}

static void test_chain(void **state)
{
	uint16_t head = offer(&tokens[0], 2, 1), second = r.desc[head].next, third = r.desc[second].next;
	void *token;
	uint32_t written;

	assert_int_equal(r.avail->idx, 1);
	assert_int_equal(r.avail->ring[0], head);
	assert_int_equal(virtio_ring_room(&r), SIZE - 3);
	assert_int_equal(r.desc[head].addr, 0x1000);
	assert_int_equal(r.desc[head].len, 16);
	assert_int_equal(r.desc[head].flags, VQ_DESC_NEXT);
	assert_int_equal(r.desc[second].addr, 0x2000);
	assert_int_equal(r.desc[second].flags, VQ_DESC_NEXT);
	assert_int_equal(r.desc[third].addr, 0x3000);
	assert_int_equal(r.desc[third].len, 32);
	assert_int_equal(r.desc[third].flags, VQ_DESC_WRITE);

	assert_int_equal(take(&token, &written), ERR_NOENT);
	answer(head, 32);
	assert_int_equal(take(&token, &written), OK);
	assert_ptr_equal(token, &tokens[0]);
	assert_int_equal(written, 32);
	assert_int_equal(virtio_ring_room(&r), SIZE);
	assert_int_equal(take(&token, &written), ERR_NOENT);
}

static void test_notification(void **state)
{
	assert_true(virtio_ring_must_notify(&r));
	r.used->flags = VQ_USED_NO_NOTIFY;
	assert_false(virtio_ring_must_notify(&r));

	assert_false(virtio_ring_listen(&r, false));
	assert_int_equal(r.avail->flags, VQ_AVAIL_NO_INTERRUPT);
	answer(offer(&tokens[0], 1, 0), 0);
	assert_true(virtio_ring_listen(&r, true));
	assert_int_equal(r.avail->flags, 0);
}

static void test_no_room(void **state)
{
	offer(&tokens[0], SIZE, 0);
	assert_int_equal(virtio_ring_room(&r), 0);
	virtio_ring_begin(&r);
	assert_panics(virtio_ring_piece(&r, 0x1000, 16, false));
}

static void test_id_out_of_range(void **state)
{
	offer(&tokens[0], 1, 1);
	answer(SIZE, 0);
	assert_broken();
}

static void test_id_wild(void **state)
{
	offer(&tokens[0], 1, 1);
	answer(UINT32_MAX, 0);
	assert_broken();
}

static void test_id_not_in_flight(void **state)
{
	uint16_t head = offer(&tokens[0], 1, 1);

	answer((head + 3) % SIZE, 0);
	assert_broken();
}

static void test_id_within_chain(void **state)
{
	uint16_t head = offer(&tokens[0], 1, 1);

	answer(r.desc[head].next, 0);
	assert_broken();
}

static void test_duplicate(void **state)
{
	uint16_t head = offer(&tokens[0], 1, 1);
	void *token;
	uint32_t written;

	offer(&tokens[1], 1, 1);
	answer(head, 1);
	answer(head, 1);
	assert_int_equal(take(&token, &written), OK);
	assert_broken();
}

static void test_more_than_in_flight(void **state)
{
	uint16_t head = offer(&tokens[0], 1, 1);

	answer(head, 1);
	answer(head, 1);
	assert_broken();
}

static void test_index_jumps(void **state)
{
	offer(&tokens[0], 1, 1);
	r.used->idx = 0x8000;
	assert_broken();
}

static void test_index_goes_back(void **state)
{
	offer(&tokens[0], 1, 1);
	r.used->idx = UINT16_MAX;
	assert_broken();
}

static void test_too_long(void **state)
{
	answer(offer(&tokens[0], 1, 1), 33);
	assert_broken();
}

static void test_written_to_read_only(void **state)
{
	answer(offer(&tokens[0], 2, 0), 1);
	assert_broken();
}

/* Broken or not, the setup begins anew. */
static void test_init_again(void **state)
{
	void *token;
	uint32_t written;

	offer(&tokens[0], 1, 1);
	answer(UINT32_MAX, 0);
	assert_broken();
	virtio_ring_init(&r, SIZE, *state);
	assert_int_equal(virtio_ring_room(&r), SIZE);
	answer(offer(&tokens[1], 1, 1), 5);
	assert_int_equal(take(&token, &written), OK);
	assert_ptr_equal(token, &tokens[1]);
}

/* Chains of random lengths, answered in random order; the indices wrap more than once. */
static void test_random_order(void **state)
{
	struct {
		uint16_t id;
		uint32_t writable;
		int *token;
	} flight[SIZE];
	unsigned count = 0;

	for (unsigned n = 0; n < ROUNDS; n++) {
		uint64_t bits = test_random(&seed) >> 20;
		unsigned readable = bits & 1, writable = (bits >> 1) & 3;

		if ((bits & 0x100) && readable + writable && readable + writable <= virtio_ring_room(&r)) {
			flight[count].token = &tokens[n % SIZE];
			flight[count].writable = 32 * writable;
			flight[count].id = offer(flight[count].token, readable, writable);
			count++;
		} else if (count) {
			unsigned k = (bits >> 9) % count;
			void *token;
			uint32_t written, len = (uint32_t)(bits >> 16) % (flight[k].writable + 1);

			answer(flight[k].id, len);
			assert_int_equal(take(&token, &written), OK);
			assert_ptr_equal(token, flight[k].token);
			assert_int_equal(written, len);
			flight[k] = flight[--count];
		}
		assert_int_equal(r.in_flight, count);
	}
	assert_true(r.next_used > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_chain, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_notification, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_no_room, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_id_out_of_range, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_id_wild, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_id_not_in_flight, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_id_within_chain, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_duplicate, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_more_than_in_flight, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_index_jumps, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_index_goes_back, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_too_long, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_written_to_read_only, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_init_again, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_random_order, setup, teardown),
	};

	return cmocka_run_group_tests_name("virtio_ring", tests, NULL, NULL);
}
