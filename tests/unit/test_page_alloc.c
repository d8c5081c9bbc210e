/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mm/page_alloc.c on a made-up machine: the host zone is an arena of the test's own memory, the guest zone
 * is addresses only, as in the image.
 */
#include "support.h"

#include <stdlib.h>
#include <string.h>
#include "hv/lib/util.h"
#include "mm/page_alloc.h"

#define HOST_BASE  MIB(64)
#define HOST_SIZE  MIB(16)
#define HOST_USED  0x5000
#define GUEST_BASE GIB(4)
#define GUEST_SIZE (GIB(3) + MIB(6))

static struct memmap map;
static char *arena;
static uint64_t direct;

static void add(uint64_t base, uint64_t size, enum memmap_type type)
{
	assert_int_equal(memmap_add(&map, base, size, type), OK);
}

static int setup(void **state)
{
	(void)state;
	arena = aligned_alloc(MIB(16), HOST_SIZE);
	memset(arena, 0xa5, HOST_SIZE);
	direct = (uint64_t)arena - HOST_BASE;
	memmap_init(&map);
	add(HOST_BASE, HOST_SIZE, MEMMAP_HOST);
	add(MIB(128), MIB(2), MEMMAP_GUEST);
	add(GUEST_BASE, GUEST_SIZE, MEMMAP_GUEST);
	add(GUEST_BASE + MIB(1026), 0x1000, MEMMAP_RESERVED);
	page_alloc_init(&map, direct, HOST_BASE, HOST_BASE + HOST_USED);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(arena);
	return 0;
}

static void test_totals(void **state)
{
	struct page_stats s;

	(void)state;
	page_stats(&s);
	assert_int_equal(s.host_total, HOST_SIZE);
	assert_in_range(s.host_free, HOST_SIZE - HOST_USED - MIB(1), HOST_SIZE - HOST_USED);
	assert_int_equal(s.guest_total, GUEST_SIZE + MIB(2) - 0x1000);
	assert_int_equal(s.guest_free, s.guest_total);
}

static void test_zeroed_and_disjoint(void **state)
{
	struct page_stats before, after;
	char *page[HOST_SIZE / PAGE_SIZE];
	unsigned n = 0;

	(void)state;
	page_stats(&before);
	while ((page[n] = page_alloc(0))) {
		assert_true(IS_ALIGNED((uint64_t)page[n], PAGE_SIZE));
		assert_true(page[n] >= arena + HOST_USED && page[n] < arena + HOST_SIZE);
		for (unsigned i = 0; i < PAGE_SIZE; i++)
			assert_int_equal(page[n][i], 0);
		memset(page[n++], 0x5a, PAGE_SIZE); /* seen again, it would not be zero */
	}
	assert_int_equal(n, before.host_free / PAGE_SIZE);
	page_stats(&after);
	assert_int_equal(after.host_free, 0);
	while (n)
		page_free(page[--n], 0);
	page_stats(&after);
	assert_int_equal(after.host_free, before.host_free);
	/* All of it has grown together again. */
	page[0] = page_alloc(11);
	assert_non_null(page[0]);
	page_free(page[0], 11);
}

static void test_bytes(void **state)
{
	struct page_stats before, after;
	char *p;

	(void)state;
	page_stats(&before);
	p = page_alloc_bytes(5 * PAGE_SIZE + 1);
	page_stats(&after);
	assert_int_equal(before.host_free - after.host_free, 6 * PAGE_SIZE);
	for (unsigned i = 0; i < 6 * PAGE_SIZE; i++)
		assert_int_equal(p[i], 0);
	page_free_bytes(p, 5 * PAGE_SIZE + 1);
	page_stats(&after);
	assert_int_equal(after.host_free, before.host_free);
	assert_null(page_alloc_bytes(0));
	assert_null(page_alloc_bytes(GIB(2)));
	assert_null(page_alloc_bytes(HOST_SIZE));
}

static void test_guest_blocks(void **state)
{
	hpa_t gig[3], two, small;
	unsigned n = 0;

	(void)state;
	/* The reserved page spoils the second gigabyte, not the others. */
	while (n < 3 && page_alloc_guest(18, &gig[n]) == OK)
		assert_true(IS_ALIGNED(gig[n++].v, GIB(1)));
	assert_int_equal(n, 2);
	assert_int_equal(page_alloc_guest(9, &two), OK);
	assert_true(IS_ALIGNED(two.v, MIB(2)));
	assert_int_equal(page_alloc_guest(0, &small), OK);
	assert_int_not_equal(small.v, GUEST_BASE + MIB(1026));
	page_free_guest(gig[0], 18);
	page_free_guest(gig[1], 18);
	page_free_guest(two, 9);
	page_free_guest(small, 0);
	assert_int_equal(page_alloc_guest(18, &gig[0]), OK);
	page_free_guest(gig[0], 18);
}

static void test_double_free(void **state)
{
	char *p;

	(void)state;
	p = page_alloc(3);
	page_free(p, 3);
	assert_panics(page_free(p, 3));
}

static void test_free_of_partly_free(void **state)
{
	hpa_t block;

	(void)state;
	assert_int_equal(page_alloc_guest(18, &block), OK);
	page_free_guest(hpa(block.v + MIB(512)), 4);
	assert_panics(page_free_guest(block, 18));
}

static void test_foreign_free(void **state)
{
	(void)state;
	assert_panics(page_free(arena - PAGE_SIZE, 0));
}

static void test_hole_free(void **state)
{
	(void)state;
	assert_panics(page_free_guest(hpa(GUEST_BASE + MIB(1026)), 0));
}

static void test_misaligned_free(void **state)
{
	(void)state;
	assert_panics(page_free(arena + PAGE_SIZE, 1));
}

/* Random blocks of all sizes: never overlapping, and nothing is lost in the end. */
static void test_random_blocks(void **state)
{
	struct {
		uint64_t pa;
		unsigned order;
	} held[200];
	struct page_stats before, after;
	uint64_t seed = 99;
	unsigned n = 0;

	(void)state;
	page_stats(&before);
	for (unsigned round = 0; round < 20000; round++) {
		hpa_t block;

		if (n < ARRAY_SIZE(held) && test_random(&seed) % 2) {
			unsigned order = test_random(&seed) % 16;

			if (page_alloc_guest(order, &block) != OK)
				continue;
			assert_true(IS_ALIGNED(block.v, PAGE_SIZE << order));
			for (unsigned i = 0; i < n; i++)
				assert_true(block.v + (PAGE_SIZE << order) <= held[i].pa ||
					    held[i].pa + (PAGE_SIZE << held[i].order) <= block.v);
			held[n].pa = block.v;
			held[n++].order = order;
		} else if (n) {
			unsigned i = test_random(&seed) % n;

			page_free_guest(hpa(held[i].pa), held[i].order);
			held[i] = held[--n];
		}
	}
	while (n) {
		n--;
		page_free_guest(hpa(held[n].pa), held[n].order);
	}
	page_stats(&after);
	assert_int_equal(after.guest_free, before.guest_free);
}

static void test_no_room(void **state)
{
	(void)state;
	assert_panics(page_alloc_init(&map, direct, HOST_BASE, HOST_BASE + HOST_SIZE - PAGE_SIZE));
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(test_totals),        CASE(test_zeroed_and_disjoint),
	    CASE(test_bytes),         CASE(test_guest_blocks),
	    CASE(test_foreign_free),  CASE(test_misaligned_free),
	    CASE(test_random_blocks), CASE(test_no_room),
	    CASE(test_double_free),   CASE(test_free_of_partly_free),
	    CASE(test_hole_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
