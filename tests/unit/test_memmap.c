/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/memmap.c: overlaps, rounding, taking, the division into zones, and all of it against a page-wise model. */
#include "support.h"

#include <string.h>
#include "hv/lib/util.h"
#include "mm/memmap.h"

static struct memmap m;

static int setup(void **state)
{
	(void)state;
	memmap_init(&m);
	return 0;
}

static enum memmap_type type_at(uint64_t pa)
{
	enum memmap_type t = MEMMAP_RAM;

	while (t <= MEMMAP_USED && !memmap_covers(&m, pa, pa + 1, t))
		t++;
	return t <= MEMMAP_USED ? t : MEMMAP_HOLE;
}

static void assert_sorted(void)
{
	for (uint32_t i = 0; i < m.count; i++) {
		assert_true(m.range[i].base < m.range[i].end);
		if (i == 0)
			continue;
		assert_true(m.range[i - 1].end <= m.range[i].base);
		assert_false(m.range[i - 1].end == m.range[i].base && m.range[i - 1].type == m.range[i].type);
	}
}

static void test_rounding(void **state)
{
	(void)state;
	assert_int_equal(memmap_add(&m, 0x1001, 0x2fff, MEMMAP_RAM), OK);
	assert_int_equal(m.count, 1);
	assert_int_equal(m.range[0].base, 0x2000);
	assert_int_equal(m.range[0].end, 0x4000);
	assert_int_equal(memmap_add(&m, 0x2fff, 2, MEMMAP_RESERVED), OK);
	assert_int_equal(memmap_total(&m, MEMMAP_RESERVED), 0x2000);
	assert_int_equal(memmap_total(&m, MEMMAP_RAM), 0);
	assert_int_equal(memmap_add(&m, 0x10100, 0x200, MEMMAP_RAM), OK);
	assert_int_equal(m.count, 1);
}

static void test_refused(void **state)
{
	(void)state;
	assert_int_equal(memmap_add(&m, 0x1000, 0, MEMMAP_RAM), ERR_INVAL);
	assert_int_equal(memmap_add(&m, UINT64_MAX - 0xfff, 0x2000, MEMMAP_RAM), ERR_INVAL);
	assert_int_equal(memmap_add(&m, UINT64_MAX - 0x1000, 0x1000, MEMMAP_RESERVED), ERR_INVAL);
	assert_int_equal(m.count, 0);
}

static void test_precedence(void **state)
{
	(void)state;
	assert_int_equal(memmap_add(&m, 0x100000, 0x1000, MEMMAP_RESERVED), OK);
	assert_int_equal(memmap_add(&m, 0, 0x200000, MEMMAP_RAM), OK);
	assert_int_equal(memmap_add(&m, 0x101000, 0x3000, MEMMAP_ACPI_RECLAIM), OK);
	assert_int_equal(memmap_add(&m, 0x0ff000, 0x3000, MEMMAP_NVS), OK);
	assert_int_equal(type_at(0x0fefff), MEMMAP_RAM);
	assert_int_equal(type_at(0x0ff000), MEMMAP_NVS);
	assert_int_equal(type_at(0x100fff), MEMMAP_RESERVED);
	assert_int_equal(type_at(0x101000), MEMMAP_NVS);
	assert_int_equal(type_at(0x102000), MEMMAP_ACPI_RECLAIM);
	assert_int_equal(type_at(0x104000), MEMMAP_RAM);
	assert_int_equal(type_at(0x200000), MEMMAP_HOLE);
	assert_true(memmap_covers(&m, 0x100000, 0x101000, MEMMAP_RESERVED));
	assert_false(memmap_covers(&m, 0x100000, 0x101001, MEMMAP_RESERVED));
	assert_false(memmap_covers(&m, 0xff000, 0x101000, MEMMAP_RESERVED));
	assert_sorted();
}

static void test_merges(void **state)
{
	(void)state;
	for (uint64_t a = 0; a < 0x100000; a += 0x2000)
		assert_int_equal(memmap_add(&m, a, 0x1000, MEMMAP_RAM), OK);
	assert_int_equal(m.count, 0x80);
	for (uint64_t a = 0x1000; a < 0x100000; a += 0x2000)
		assert_int_equal(memmap_add(&m, a, 0x1000, MEMMAP_RAM), OK);
	assert_int_equal(m.count, 1);
}

static void test_full(void **state)
{
	uint64_t a = 0;

	(void)state;
	for (; m.count < MEMMAP_MAX; a += 0x2000)
		assert_int_equal(memmap_add(&m, a, 0x1000, MEMMAP_RAM), OK);
	assert_int_equal(memmap_add(&m, a, 0x1000, MEMMAP_RAM), ERR_NOMEM);
	assert_int_equal(memmap_add(&m, 0, 0x1000, MEMMAP_RESERVED), OK);
	assert_sorted();
}

static void test_take(void **state)
{
	uint64_t base;

	(void)state;
	assert_int_equal(memmap_add(&m, 0x1000, 0x9e000, MEMMAP_RAM), OK);
	assert_int_equal(memmap_add(&m, 0x100000, 0x7f00000, MEMMAP_RAM), OK);
	assert_int_equal(memmap_take(&m, 0x1000, 0x1000, 0x100000, &base), OK);
	assert_int_equal(base, 0x9e000);
	assert_int_equal(memmap_take(&m, 0x3000, 0x200000, UINT64_MAX, &base), OK);
	assert_int_equal(base, 0x7e00000);
	assert_int_equal(type_at(base + 0x2fff), MEMMAP_USED);
	assert_int_equal(memmap_take(&m, 0x3000, 0x200000, UINT64_MAX, &base), OK);
	assert_int_equal(base, 0x7c00000);
	assert_int_equal(memmap_take(&m, 0x100000, 0x1000, 0x100000, &base), ERR_NOMEM);
	assert_sorted();
	assert_panics((void)!memmap_take(&m, 0x100, 0x1000, UINT64_MAX, &base));
}

static void test_split(void **state)
{
	uint64_t host;

	(void)state;
	assert_int_equal(memmap_add(&m, 0x1000, 0x9e000, MEMMAP_RAM), OK);
	assert_int_equal(memmap_add(&m, MIB(1), GIB(2) - MIB(1) - 0x21000, MEMMAP_RAM), OK);
	assert_int_equal(memmap_add(&m, MIB(5), 0x3000, MEMMAP_USED), OK);
	assert_int_equal(memmap_add(&m, GIB(4), GIB(4), MEMMAP_RAM), OK);
	host = memmap_split_zones(&m, MIB(48));
	assert_int_equal(host, memmap_total(&m, MEMMAP_HOST));
	assert_sorted();
	/* Never less than asked for, and hardly more. */
	assert_in_range(memmap_total(&m, MEMMAP_HOST), MIB(48), MIB(50));
	/* Low memory stays; the odd ends are the host's; the gigabytes above 4 GiB stay whole. */
	assert_int_equal(memmap_total(&m, MEMMAP_RAM), 0x9e000);
	assert_int_equal(type_at(MIB(1)), MEMMAP_HOST);
	assert_int_equal(type_at(MIB(5) + 0x3000), MEMMAP_HOST);
	assert_int_equal(type_at(GIB(2) - 0x22000), MEMMAP_HOST);
	assert_int_equal(type_at(MIB(2)), MEMMAP_GUEST);
	assert_int_equal(type_at(GIB(4)), MEMMAP_GUEST);
	for (uint32_t i = 0; i < m.count; i++)
		if (m.range[i].type == MEMMAP_GUEST)
			assert_true(IS_ALIGNED(m.range[i].base | m.range[i].end, MIB(2)));
}

static void test_split_small_and_high(void **state)
{
	(void)state;
	/* Less than asked for below 4 GiB: the rest comes from above. */
	assert_int_equal(memmap_add(&m, MIB(1), MIB(15), MEMMAP_RAM), OK);
	assert_int_equal(memmap_add(&m, GIB(4), GIB(1), MEMMAP_RAM), OK);
	assert_int_equal(memmap_split_zones(&m, MIB(47)), MIB(47));
	assert_int_equal(type_at(GIB(4) + MIB(32)), MEMMAP_GUEST);
	/* Less than asked for at all. */
	memmap_init(&m);
	assert_int_equal(memmap_add(&m, MIB(1), MIB(15), MEMMAP_RAM), OK);
	assert_int_equal(memmap_split_zones(&m, MIB(48)), MIB(15));
	assert_int_equal(memmap_total(&m, MEMMAP_GUEST), 0);
}

/* Random reports on 64 pages, compared page by page with an array. */
static void test_random_model(void **state)
{
	uint64_t seed = 0x1234567;

	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		enum memmap_type model[64] = {};

		memmap_init(&m);
		for (unsigned n = 0; n < 25; n++) {
			uint64_t base = test_random(&seed) % 0x3f000;
			uint64_t len = 1 + test_random(&seed) % (0x40000 - base);
			enum memmap_type type = 1 + test_random(&seed) % MEMMAP_USED;
			uint64_t first = type == MEMMAP_RAM ? (base + 0xfff) / 0x1000 : base / 0x1000;
			uint64_t end =
			    type == MEMMAP_RAM ? (base + len) / 0x1000 : (base + len + 0xfff) / 0x1000;

			assert_int_equal(memmap_add(&m, base, len, type), OK);
			for (uint64_t p = first; p < end; p++)
				if (model[p] < type)
					model[p] = type;
		}
		assert_sorted();
		for (unsigned p = 0; p < 64; p++)
			assert_int_equal(type_at(p * 0x1000 + 0x123), model[p]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_rounding, setup),
	    cmocka_unit_test_setup(test_refused, setup),
	    cmocka_unit_test_setup(test_precedence, setup),
	    cmocka_unit_test_setup(test_merges, setup),
	    cmocka_unit_test_setup(test_full, setup),
	    cmocka_unit_test_setup(test_take, setup),
	    cmocka_unit_test_setup(test_split, setup),
	    cmocka_unit_test_setup(test_split_small_and_high, setup),
	    cmocka_unit_test_setup(test_random_model, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
