/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/vdev/hpet.c: the counter, one-shot and periodic timers, edges and levels, the legacy route, hostile values. */
#include "fake_vm.h"

#include "hv/vdev/hpet.h"

#define MS           1000000ULL
#define TICKS(ns)    ((ns) / 10)
#define ID           0x000
#define CONFIG       0x010
#define STATUS       0x020
#define COUNTER      0x0f0
#define T_CONFIG(n)  (0x100 + 0x20 * (n))
#define T_COMPARE(n) (0x108 + 0x20 * (n))

#define LEVEL        (1u << 1)
#define ENABLE       (1u << 2)
#define PERIODIC     (1u << 3)
#define SET          (1u << 6)
#define BITS32       (1u << 8)
#define ROUTE(n)     ((n) << 9)

static unsigned edges[24];
static bool line[24], replaced;
static unsigned pit_unmasked;

void vm_irq_set(struct vm *vm, unsigned gsi, bool level)
{
	assert_true(gsi < 24);
	assert_true(gsi >= 20 || replaced);
	edges[gsi] += level && !line[gsi];
	line[gsi] = level;
}

void vm_irq_replace_legacy(struct vm *vm, bool on)
{
	replaced = on;
	line[2] = line[8] = false;
}

void vpit_unmasked(struct vm *vm)
{
	pit_unmasked++;
}

static uint64_t rd(uint32_t reg, unsigned size)
{
	return io_bus_read(&fake_vm.mmio, NULL, PLATFORM_HPET_BASE + reg, size);
}

static void wr(uint32_t reg, unsigned size, uint64_t value)
{
	io_bus_write(&fake_vm.mmio, NULL, PLATFORM_HPET_BASE + reg, size, value);
}

static int setup(void **state)
{
	fake_vm_new(1);
	memset(edges, 0, sizeof(edges));
	memset(line, 0, sizeof(line));
	replaced = false;
	pit_unmasked = 0;
	assert_int_equal(vhpet_init(&fake_vm), OK);
	vhpet_reset(&fake_vm);
	vhpet_resume(&fake_vm);
	return 0;
}

static void test_registers(void **state)
{
	assert_int_equal(rd(ID, 8), 10000000ULL << 32 | 0x8086a201);
	assert_int_equal(rd(ID + 4, 4), 10000000);
	assert_int_equal(rd(ID + 1, 1), 0xa2);
	assert_int_equal(rd(T_CONFIG(0), 8), 0x00f0000000000030);
	assert_int_equal(rd(T_COMPARE(2), 8), UINT64_MAX);
	assert_int_equal(rd(0x160, 8), 0); /* there is no fourth timer */
	assert_int_equal(rd(0x3f8, 8), 0);
	/* What can't be written stays; a route that doesn't exist isn't taken. */
	wr(ID, 8, 0);
	assert_int_equal(rd(ID, 4), 0x8086a201);
	wr(CONFIG, 8, UINT64_MAX);
	assert_int_equal(rd(CONFIG, 8), 3);
	wr(CONFIG, 4, 0);
	wr(T_CONFIG(1), 8, UINT64_MAX & ~(uint64_t)ROUTE(0x1f));
	assert_int_equal(rd(T_CONFIG(1), 4), 0x30 | LEVEL | ENABLE | PERIODIC | SET | BITS32);
	wr(T_CONFIG(1), 4, ROUTE(19));
	assert_int_equal(rd(T_CONFIG(1), 4), 0x30);
	wr(T_CONFIG(1), 4, ROUTE(21));
	wr(T_CONFIG(1), 4, ROUTE(2));
	assert_int_equal(rd(T_CONFIG(1), 4), 0x30 | ROUTE(21));
	/* Odd sizes and places change nothing, and halves of a register go where they belong. */
	wr(CONFIG, 1, 1);
	wr(CONFIG, 2, 1);
	wr(CONFIG + 2, 4, UINT32_MAX);
	assert_int_equal(rd(CONFIG, 8), 0);
	wr(COUNTER + 4, 4, 0x12345678);
	assert_int_equal(rd(COUNTER, 8), 0x1234567800000000);
	assert_int_equal(rd(COUNTER + 4, 2), 0x5678);
}

static void test_counter(void **state)
{
	fake_run(5 * MS);
	assert_int_equal(rd(COUNTER, 8), 0);
	wr(COUNTER, 8, 1000);
	wr(CONFIG, 4, 1);
	fake_run(MS);
	assert_int_equal(rd(COUNTER, 8), 1000 + TICKS(MS));
	wr(COUNTER, 8, 5); /* not while it runs */
	assert_int_equal(rd(COUNTER, 4), 1000 + TICKS(MS));
	wr(CONFIG, 4, 0);
	fake_run(MS);
	assert_int_equal(rd(COUNTER, 8), 1000 + TICKS(MS));
	wr(CONFIG, 4, 1);
	fake_run(MS);
	assert_int_equal(rd(COUNTER, 8), 1000 + 2 * TICKS(MS));
	/* 64 bits, and over the end */
	wr(CONFIG, 4, 0);
	wr(COUNTER, 8, UINT64_MAX);
	wr(CONFIG, 4, 1);
	fake_run(20);
	assert_int_equal(rd(COUNTER, 8), 1);
}

static void test_one_shot(void **state)
{
	wr(CONFIG, 4, 1);
	wr(T_CONFIG(2), 4, ENABLE | ROUTE(20));
	wr(T_COMPARE(2), 8, TICKS(2 * MS));
	fake_run(2 * MS - 10);
	assert_int_equal(edges[20], 0);
	fake_run(10);
	assert_int_equal(edges[20], 1);
	assert_int_equal(rd(STATUS, 4), 0); /* edges have no status */
	fake_run(1000 * MS);
	assert_int_equal(edges[20], 1);
	/* The line falls and rises for the next. */
	wr(T_COMPARE(2), 8, TICKS(1003 * MS));
	fake_run(2 * MS);
	assert_int_equal(edges[20], 2);
	/* One that has passed already comes when the counter has gone round: never. */
	wr(T_COMPARE(2), 8, 0);
	fake_run(1000 * MS);
	assert_int_equal(edges[20], 2);
	/* Not enabled: no interrupt. */
	wr(T_CONFIG(2), 4, ROUTE(20));
	wr(T_COMPARE(2), 8, rd(COUNTER, 8) + 100);
	fake_run(MS);
	assert_int_equal(edges[20], 2);
}

static void test_32_bits(void **state)
{
	wr(COUNTER, 8, 0x7fffffff0);
	wr(CONFIG, 4, 1);
	wr(T_CONFIG(1), 4, ENABLE | BITS32 | ROUTE(23));
	assert_int_equal(rd(T_COMPARE(1), 8), UINT32_MAX);
	wr(T_COMPARE(1), 8, 0xabcdef0100000010);
	assert_int_equal(rd(T_COMPARE(1), 8), 0x10);
	fake_run(0x20 * 10);
	assert_int_equal(edges[23], 1);
	fake_run((1ULL << 32) * 10 - 10);
	assert_int_equal(edges[23], 1);
	fake_run(10);
	assert_int_equal(edges[23], 2);
}

/* As Linux does it: the first write, with SET, gives the first match, the second the period. */
static void test_periodic(void **state)
{
	wr(CONFIG, 4, 1);
	wr(T_CONFIG(0), 4, ENABLE | PERIODIC | SET | BITS32 | ROUTE(22));
	wr(T_COMPARE(0), 4, TICKS(3 * MS));
	assert_int_equal(rd(T_CONFIG(0), 4), 0x30 | ENABLE | PERIODIC | BITS32 | ROUTE(22));
	wr(T_COMPARE(0), 4, TICKS(MS));
	fake_run(3 * MS - 10);
	assert_int_equal(edges[22], 0);
	fake_run(10);
	assert_int_equal(edges[22], 1);
	assert_int_equal(rd(T_COMPARE(0), 8), TICKS(4 * MS));
	for (unsigned i = 2; i <= 100; i++) {
		fake_run(MS);
		assert_int_equal(edges[22], i);
	}
	/* The accumulator is right although nobody looked. */
	wr(T_CONFIG(0), 4, PERIODIC | BITS32 | ROUTE(22));
	fake_run(50 * MS + 70);
	assert_int_equal(rd(T_COMPARE(0), 8), TICKS(153 * MS));
	assert_int_equal(edges[22], 100);
}

static void test_level(void **state)
{
	wr(CONFIG, 4, 1);
	wr(T_CONFIG(2), 4, ENABLE | LEVEL | ROUTE(21));
	wr(T_COMPARE(2), 8, TICKS(MS));
	fake_run(MS);
	assert_true(line[21]);
	assert_int_equal(rd(STATUS, 8), 4);
	wr(STATUS, 4, 3); /* others' bits */
	assert_true(line[21]);
	wr(STATUS, 4, 4);
	assert_false(line[21]);
	assert_int_equal(rd(STATUS, 8), 0);
	/* Without the enable bit the status counts all the same, and the line follows when it is set. */
	wr(T_CONFIG(2), 4, LEVEL | ROUTE(21));
	wr(T_COMPARE(2), 8, TICKS(2 * MS));
	fake_run(2 * MS);
	assert_int_equal(rd(STATUS, 8), 4);
	assert_false(line[21]);
	wr(T_CONFIG(2), 4, ENABLE | LEVEL | ROUTE(21));
	assert_true(line[21]);
	/* It moves to another line, and goes with the mode. */
	wr(T_CONFIG(2), 4, ENABLE | LEVEL | ROUTE(22));
	assert_false(line[21]);
	assert_true(line[22]);
	wr(T_CONFIG(2), 4, ENABLE | ROUTE(22));
	assert_false(line[22]);
	assert_int_equal(rd(STATUS, 8), 0);
}

static void test_legacy(void **state)
{
	wr(T_CONFIG(0), 4, ENABLE | PERIODIC | SET);
	wr(T_COMPARE(0), 8, TICKS(MS));
	wr(T_CONFIG(1), 4, ENABLE);
	wr(T_COMPARE(1), 8, TICKS(MS));
	wr(CONFIG, 4, 1);
	fake_run(MS); /* no route of their own */
	wr(CONFIG, 4, 3);
	assert_true(replaced);
	fake_run(9 * MS);
	assert_int_equal(edges[2], 9);
	assert_int_equal(edges[8], 0);
	wr(T_COMPARE(1), 8, TICKS(11 * MS));
	fake_run(MS);
	assert_int_equal(edges[8], 1);
	wr(CONFIG, 4, 1);
	assert_false(replaced);
	assert_int_equal(pit_unmasked, 1);
	fake_run(10 * MS);
	assert_int_equal(edges[2], 10);
	/* Reset gives the lines back. */
	wr(CONFIG, 4, 3);
	vhpet_reset(&fake_vm);
	assert_false(replaced);
	assert_int_equal(rd(CONFIG, 8), 0);
}

/* A period of a tick costs no more than the shortest interval, and the accumulator stays ahead of the counter. */
static void test_storm(void **state)
{
	wr(CONFIG, 4, 1);
	wr(T_CONFIG(0), 4, ENABLE | PERIODIC | SET | ROUTE(20));
	wr(T_COMPARE(0), 8, 1);
	fake_run(100 * MS);
	assert_in_range(fake_fired, 100, 100 * MS / 20000 + 2);
	assert_int_equal(rd(T_COMPARE(0), 8), rd(COUNTER, 8) + 1);
	/* A period of 0 is none. */
	wr(T_COMPARE(0), 8, 0);
	fake_fired = 0;
	fake_run(100 * MS);
	assert_in_range(fake_fired, 0, 1);
	/* Nor do the ends of the range harm: halted, started, read. */
	for (unsigned i = 0; i < 3; i++) {
		wr(CONFIG, 4, 0);
		wr(T_CONFIG(i), 4, ENABLE | PERIODIC | SET | (i == 1 ? BITS32 : 0) | ROUTE(20));
		wr(T_COMPARE(i), 8, UINT64_MAX);
		wr(COUNTER, 8, UINT64_MAX - i);
		wr(CONFIG, 4, 1);
		fake_run(MS);
		rd(T_COMPARE(i), 8);
	}
}

static void test_pause(void **state)
{
	wr(CONFIG, 4, 1);
	wr(T_CONFIG(0), 4, ENABLE | ROUTE(20));
	wr(T_COMPARE(0), 8, TICKS(MS));
	vhpet_pause(&fake_vm);
	fake_run(0);
	assert_int_equal(edges[20], 0);
	vhpet_resume(&fake_vm);
	fake_run(MS);
	assert_int_equal(edges[20], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_registers, setup), cmocka_unit_test_setup(test_counter, setup),
	    cmocka_unit_test_setup(test_one_shot, setup),  cmocka_unit_test_setup(test_32_bits, setup),
	    cmocka_unit_test_setup(test_periodic, setup),  cmocka_unit_test_setup(test_level, setup),
	    cmocka_unit_test_setup(test_legacy, setup),    cmocka_unit_test_setup(test_storm, setup),
	    cmocka_unit_test_setup(test_pause, setup),
	};

	return cmocka_run_group_tests_name("hpet", tests, NULL, NULL);
}
