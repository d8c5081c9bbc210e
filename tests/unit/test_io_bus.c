/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/io_bus.c: the table, and accesses that meet, miss or straddle ranges. */
#include "support.h"

#include <string.h>
#include "hv/io_bus.h"
#include "hv/lib/util.h"
#include "hv/vdev/vdev.h"

static struct io_bus bus;
static struct io_index bus_index;
static struct vdev dev_a, dev_b;
static struct {
	struct vdev *d;
	uint64_t addr, value;
	unsigned size;
} calls[16];
static unsigned count;

/* Each byte reads as the low byte of its address. */
static uint64_t rd(struct vdev *d, struct vcpu *v, uint64_t addr, unsigned size)
{
	uint64_t value = 0x1122334455667788;

	memcpy(&value,
	       (uint8_t[]){addr, addr + 1, addr + 2, addr + 3, addr + 4, addr + 5, addr + 6, addr + 7}, 8);
	calls[count].d = d;
	calls[count].addr = addr;
	calls[count++].size = size;
	return value; /* dirty upper bytes */
}

static void wr(struct vdev *d, struct vcpu *v, uint64_t addr, unsigned size, uint64_t value)
{
	calls[count].d = d;
	calls[count].addr = addr;
	calls[count].value = value;
	calls[count++].size = size;
}

/* As memory is: searched. */
static int setup(void **state)
{
	assert_int_equal(io_bus_add(&bus, 0x60, 8, &dev_b, rd, wr), OK);
	assert_int_equal(io_bus_add(&bus, 0x40, 4, &dev_a, rd, wr), OK);
	assert_int_equal(io_bus_add(&bus, 0x44, 4, &dev_b, rd, wr), OK);
	count = 0;
	return 0;
}

/* As ports are. */
static int setup_indexed(void **state)
{
	bus.index = &bus_index;
	return setup(state);
}

static int teardown(void **state)
{
	io_bus_clear(&bus);
	bus.index = NULL;
	return 0;
}

static void test_add(void **state)
{
	assert_int_equal(io_bus_add(&bus, 0x3f, 2, &dev_a, rd, wr), ERR_EXIST);
	assert_int_equal(io_bus_add(&bus, 0x47, 1, &dev_a, rd, wr), ERR_EXIST);
	assert_int_equal(io_bus_add(&bus, 0, 0x1000, &dev_a, rd, wr), ERR_EXIST);
	assert_int_equal(io_bus_add(&bus, 0x10, 0, &dev_a, rd, wr), ERR_INVAL);
	assert_int_equal(io_bus_add(&bus, ~0ULL, 2, &dev_a, rd, wr), ERR_INVAL);
	assert_int_equal(io_bus_add(&bus, ~0ULL, 1, &dev_a, rd, wr), OK);
	for (unsigned i = bus.count; i < IO_RANGE_MAX; i++)
		assert_int_equal(io_bus_add(&bus, 0x1000 + i, 1, &dev_a, rd, wr), OK);
	assert_int_equal(io_bus_add(&bus, 0x2000, 1, &dev_a, rd, wr), ERR_NOMEM);
	for (unsigned i = 1; i < bus.count; i++)
		assert_true(bus.range[i - 1].base + bus.range[i - 1].size <= bus.range[i].base);
}

/* Ports lie in more leaves than there are: the range that needs one too many is refused, and leaves no trace. */
static void test_leaves(void **state)
{
	for (unsigned i = 1; i < IO_LEAF_MAX - 1; i++)
		assert_int_equal(io_bus_add(&bus, i * 0x1000, 2, &dev_a, rd, wr), OK);
	assert_int_equal(io_bus_add(&bus, 0x20ff, 2, &dev_a, rd, wr), ERR_NOMEM);
	assert_int_equal(io_bus_read(&bus, NULL, 0x20ff, 2), 0xffff);
	assert_int_equal(count, 0);
	assert_int_equal(io_bus_add(&bus, 0x20fe, 2, &dev_a, rd, wr), OK);
	assert_int_equal(io_bus_read(&bus, NULL, 0x20fe, 2), 0xfffe);
	assert_int_equal(io_bus_read(&bus, NULL, 0xd000, 2), 0x0100);
	assert_int_equal(io_bus_read(&bus, NULL, 0x61, 1), 0x61);
}

/* A large range needs one leaf for all that it fills, and one for each ragged end. */
static void test_large(void **state)
{
	assert_int_equal(io_bus_add(&bus, 0x8080, 0x4000, &dev_a, rd, wr), OK);
	for (unsigned i = 1; i < IO_LEAF_MAX - 4; i++)
		assert_int_equal(io_bus_add(&bus, i * 0x200, 2, &dev_b, rd, wr), OK);
	assert_int_equal(io_bus_add(&bus, 0xf000, 2, &dev_b, rd, wr), ERR_NOMEM);
	assert_int_equal(io_bus_read(&bus, NULL, 0x807f, 1), 0xff);
	assert_int_equal(io_bus_read(&bus, NULL, 0xc080, 1), 0xff);
	assert_int_equal(count, 0);
	for (uint64_t at = 0x8080; at < 0xc080; at += 0x10, count = 0) {
		assert_int_equal(io_bus_read(&bus, NULL, at, 1), at & 0xff);
		assert_int_equal(calls[0].addr, at);
		assert_ptr_equal(calls[0].d, &dev_a);
	}
	assert_int_equal(io_bus_read(&bus, NULL, 0xc07f, 1), 0x7f);
	assert_int_equal(io_bus_read(&bus, NULL, 0x200, 1), 0);
}

static void test_whole(void **state)
{
	assert_int_equal(io_bus_read(&bus, NULL, 0x41, 1), 0x41);
	assert_int_equal(io_bus_read(&bus, NULL, 0x42, 2), 0x4342);
	assert_int_equal(io_bus_read(&bus, NULL, 0x44, 4), 0x47464544);
	assert_int_equal(io_bus_read(&bus, NULL, 0x60, 8), 0x6766656463626160);
	assert_int_equal(count, 4);
	assert_ptr_equal(calls[1].d, &dev_a);
	assert_ptr_equal(calls[2].d, &dev_b);
	io_bus_write(&bus, NULL, 0x62, 2, 0xaabbccdd);
	assert_int_equal(calls[4].value, 0xccdd);
	assert_int_equal(calls[4].size, 2);
}

static void test_nobody(void **state)
{
	assert_int_equal(io_bus_read(&bus, NULL, 0x3f, 1), 0xff);
	assert_int_equal(io_bus_read(&bus, NULL, 0x48, 2), 0xffff);
	assert_int_equal(io_bus_read(&bus, NULL, 0x1000, 4), 0xffffffff);
	assert_int_equal(io_bus_read(&bus, NULL, 0xfee00000, 8), ~0ULL);
	assert_int_equal(io_bus_read(&bus, NULL, 0, 4), 0xffffffff);
	io_bus_write(&bus, NULL, 0x80, 1, 1);
	io_bus_write(&bus, NULL, 0, 8, 1);
	assert_int_equal(count, 0);
}

/* The short way knows the range that was searched for last, and no address beside it; it is gone when ranges change their places. */
static void test_recent(void **state)
{
	assert_null(io_bus_recent(&bus, 0x41));
	assert_int_equal(io_bus_read(&bus, NULL, 0x41, 1), 0x41);
	for (uint64_t at = 0x38; at < 0x70; at++) {
		const struct io_range *r = io_bus_recent(&bus, at);

		assert_int_equal(r != NULL, at >= 0x40 && at < 0x44);
		assert_true(!r || r->dev == &dev_a);
	}
	assert_int_equal(io_bus_read(&bus, NULL, 0x48, 1), 0xff); /* nobody's: the range before it stays */
	assert_ptr_equal(io_bus_recent(&bus, 0x43)->dev, &dev_a);
	io_bus_write(&bus, NULL, 0x67, 1, 1);
	assert_null(io_bus_recent(&bus, 0x43));
	assert_ptr_equal(io_bus_recent(&bus, 0x60)->dev, &dev_b);
	assert_int_equal(io_bus_add(&bus, 0x10, 4, &dev_a, rd, wr), OK);
	assert_null(io_bus_recent(&bus, 0x60));
	assert_int_equal(io_bus_read(&bus, NULL, 0x61, 1), 0x61);
	assert_ptr_equal(io_bus_recent(&bus, 0x60)->dev, &dev_b);
	assert_int_equal(io_bus_read(&bus, NULL, 0x10, 1), 0x10);
	io_bus_clear(&bus);
	assert_null(io_bus_recent(&bus, 0x10));
	assert_int_equal(io_bus_read(&bus, NULL, 0x10, 1), 0xff);
}

/* Ports are looked up, and leave no trace that others would have to read. */
static void test_not_recent(void **state)
{
	assert_int_equal(io_bus_read(&bus, NULL, 0x41, 1), 0x41);
	assert_null(bus.recent);
	assert_int_equal(io_bus_add(&bus, IO_INDEXED, 4, &dev_a, rd, wr), OK);
	assert_int_equal(io_bus_read(&bus, NULL, IO_INDEXED - 2, 4), 0x0100ffff);
}

static void test_split(void **state)
{
	assert_int_equal(io_bus_read(&bus, NULL, 0x65, 4), 0xff676665); /* all but one byte */
	count = 0;
	assert_int_equal(io_bus_read(&bus, NULL, 0x3e, 4), 0x4140ffff); /* nothing, then a device */
	assert_int_equal(io_bus_read(&bus, NULL, 0x42, 4), 0x45444342); /* two devices */
	assert_int_equal(io_bus_read(&bus, NULL, 0x66, 4), 0xffff6766); /* a device, then nothing */
	assert_int_equal(count, 8);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(calls[i].size, 1);
	count = 0;
	io_bus_write(&bus, NULL, 0x46, 4, 0x04030201);
	assert_int_equal(count, 2);
	assert_int_equal(calls[1].addr, 0x47);
	assert_int_equal(calls[1].value, 2);
	count = 0;
	io_bus_write(&bus, NULL, 0x3d, 8, 0x0807060504030201);
	assert_int_equal(count, 5);
	assert_int_equal(calls[0].addr, 0x40);
	assert_int_equal(calls[0].value, 4);
	assert_int_equal(calls[4].value, 8);
}

int main(void)
{
#define SEARCHED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
#define INDEXED(test)                                                                                        \
	{                                                                                                    \
		"indexed " #test, test, setup_indexed, teardown, NULL                                        \
	}
	const struct CMUnitTest tests[] = {
	    SEARCHED(test_add),   SEARCHED(test_whole), SEARCHED(test_nobody), SEARCHED(test_split),
	    INDEXED(test_add),    INDEXED(test_whole),  INDEXED(test_nobody),  INDEXED(test_split),
	    INDEXED(test_leaves), INDEXED(test_large),  SEARCHED(test_recent), INDEXED(test_not_recent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
