/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/gpa.c: slots, and accessors that never touch a byte outside of them (the sanitizer watches). */
#include "support.h"

#include <stdlib.h>
#include <string.h>
#include "hv/lib/util.h"
#include "mm/gpa.h"

/* RAM 0-0x4000, ROM 0x4000-0x5000, a hole, RAM 0x8000-0x9000; the buffer ends with the last slot. */
#define SIZE 0x9000

static struct gmem m;

static int setup(void **state)
{
	(void)state;
	m = (struct gmem){.base = malloc(SIZE)};
	memset(m.base, 0x11, SIZE);
	assert_int_equal(gmem_add(&m, 0x8000, 0x1000, false), OK);
	assert_int_equal(gmem_add(&m, 0, 0x4000, false), OK);
	assert_int_equal(gmem_add(&m, 0x4000, 0x1000, true), OK);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(m.base);
	return 0;
}

static void test_slots(void **state)
{
	(void)state;
	for (uint32_t i = 1; i < m.count; i++)
		assert_true(m.slot[i - 1].base + m.slot[i - 1].size <= m.slot[i].base);
	assert_int_equal(gmem_add(&m, 0x3000, 0x2000, false), ERR_INVAL);
	assert_int_equal(gmem_add(&m, 0x7000, 0x1001, false), ERR_INVAL);
	assert_int_equal(gmem_add(&m, 0x7000, 0, false), ERR_INVAL);
	assert_int_equal(gmem_add(&m, 0x7000, 0x2000, false), ERR_INVAL);
	assert_int_equal(gmem_add(&m, GIB(511), GIB(2), false), ERR_INVAL);
	assert_int_equal(gmem_add(&m, 0xfffffffffffff000, 0x2000, false), ERR_INVAL);
	for (uint64_t a = 0x100000; m.count < GMEM_SLOT_MAX; a += 0x2000)
		assert_int_equal(gmem_add(&m, a, 0x1000, false), OK);
	assert_int_equal(gmem_add(&m, 0x200000, 0x1000, false), ERR_NOMEM);
	assert_null(gmem_find(&m, gpa(0x5000)));
	assert_true(gmem_find(&m, gpa(0x4fff))->readonly);
	assert_null(gmem_find(&m, gpa(UINT64_MAX)));
}

static void test_read_write(void **state)
{
	char in[0x100], out[0x100];

	(void)state;
	memset(in, 0x77, sizeof(in));
	assert_int_equal(gpa_write(&m, gpa(0x3f00), in, 0x100), OK);
	assert_int_equal(gpa_read(&m, gpa(0x3f00), out, 0x100), OK);
	assert_memory_equal(in, out, 0x100);
	/* Across two adjacent slots, the second one ROM. */
	assert_int_equal(gpa_read(&m, gpa(0x3f80), out, 0x100), OK);
	assert_int_equal(out[0x7f], 0x77);
	assert_int_equal(out[0x80], 0x11);
	assert_int_equal(gpa_write(&m, gpa(0x3fc0), "x", 1), OK);
	memset(in, 0x55, sizeof(in));
	assert_int_equal(gpa_write(&m, gpa(0x3f80), in, 0x100), ERR_FAULT);
	assert_int_equal(m.base[0x3f80], 0x77);
	assert_int_equal(gpa_load(&m, gpa(0x3f80), in, 0x100), OK);
	assert_int_equal(m.base[0x407f], 0x55);
	assert_int_equal(gpa_zero(&m, gpa(0x4000), 0x1000), OK);
	assert_int_equal(m.base[0x4fff], 0);
	assert_int_equal(m.base[0x3fff], 0x55);
}

static void test_out_of_range(void **state)
{
	char b[0x1000] = {};

	(void)state;
	assert_int_equal(gpa_read(&m, gpa(0x4fff), b, 2), ERR_RANGE);
	assert_int_equal(gpa_write(&m, gpa(0x7fff), b, 2), ERR_RANGE);
	assert_int_equal(gpa_write(&m, gpa(0x8fff), b, 2), ERR_RANGE);
	assert_int_equal(m.base[0x8fff], 0x11);
	assert_int_equal(gpa_read(&m, gpa(0x9000), b, 1), ERR_RANGE);
	assert_int_equal(gpa_read(&m, gpa(0x9000), b, 0), OK);
	assert_int_equal(gpa_read(&m, gpa(UINT64_MAX), b, 2), ERR_RANGE);
	assert_int_equal(gpa_read(&m, gpa(0x8800), b, SIZE_MAX), ERR_RANGE);
	assert_int_equal(gpa_zero(&m, gpa(0x8800), 0x801), ERR_RANGE);
	assert_int_equal(m.base[0x8800], 0x11);
}

static void test_range(void **state)
{
	(void)state;
	assert_ptr_equal(gpa_range(&m, gpa(0x3f00), 0x100, true), m.base + 0x3f00);
	assert_ptr_equal(gpa_range(&m, gpa(0x3f00), 0x200, false), m.base + 0x3f00);
	assert_null(gpa_range(&m, gpa(0x3f00), 0x101, true)); /* its end is in ROM */
	assert_null(gpa_range(&m, gpa(0x3f00), 0x1101, false));
	assert_null(gpa_range(&m, gpa(0x3f00), 0, false));
	assert_null(gpa_range(&m, gpa(0x5000), 1, false));
	assert_null(gpa_range(&m, gpa(UINT64_MAX), 2, false));
	assert_null(gpa_range(&m, gpa(0x8800), SIZE_MAX, true));
	assert_ptr_equal(gpa_range(&m, gpa(0x8fff), 1, true), m.base + 0x8fff);
}

static void test_atomic(void **state)
{
	uint64_t q;
	uint32_t d, old = 0;

	(void)state;
	assert_int_equal(gpa_read64(&m, gpa(0x8ff8), &q), OK);
	assert_true(q == 0x1111111111111111);
	assert_int_equal(gpa_read64(&m, gpa(0x8ffc), &q), ERR_INVAL);
	assert_int_equal(gpa_read32(&m, gpa(0x9000), &d), ERR_RANGE);
	assert_int_equal(gpa_cmpxchg64(&m, gpa(8), 1, 2), ERR_AGAIN);
	assert_int_equal(gpa_cmpxchg64(&m, gpa(8), 0x1111111111111111, 2), OK);
	assert_int_equal(gpa_read64(&m, gpa(8), &q), OK);
	assert_int_equal(q, 2);
	assert_int_equal(gpa_cmpxchg32(&m, gpa(12), 0, 5), OK);
	assert_int_equal(gpa_cmpxchg32(&m, gpa(12), 0, 6), ERR_AGAIN);
	assert_int_equal(gpa_cmpxchg32(&m, gpa(13), 5, 6), ERR_INVAL);
	assert_int_equal(gpa_xchg32(&m, gpa(12), 9, &old), OK);
	assert_int_equal(old, 5);
	assert_int_equal(gpa_xchg32(&m, gpa(12), 5, &old), OK);
	assert_int_equal(old, 9);
	assert_int_equal(gpa_xchg32(&m, gpa(14), 5, &old), ERR_INVAL);
	assert_int_equal(gpa_xchg32(&m, gpa(0x4000), 5, &old), ERR_FAULT);
	assert_int_equal(gpa_xchg32(&m, gpa(0x5000), 5, &old), ERR_RANGE);
	assert_int_equal(gpa_read32(&m, gpa(12), &d), OK);
	assert_int_equal(d, 5);
	assert_int_equal(gpa_cmpxchg32(&m, gpa(0x4000), 0x11111111, 6), ERR_FAULT);
	assert_int_equal(gpa_cmpxchg64(&m, gpa(0x5000), 0, 6), ERR_RANGE);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(test_slots), CASE(test_read_write), CASE(test_out_of_range),
	    CASE(test_range), CASE(test_atomic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
