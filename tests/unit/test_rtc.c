/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/vdev/rtc.c and hv/lib/calendar.c: time in every format, setting it, alarms, periods, updates, CMOS. */
#include "fake_vm.h"

#include "hv/vdev/rtc.h"
#include "hv/lib/calendar.h"

#define S  1000000000ULL
#define MS 1000000ULL

static uint64_t wall;
static bool irq;
static unsigned edges;

uint64_t time_wall_at_boot(void)
{
	return wall;
}

void vm_irq_set_legacy(struct vm *vm, unsigned gsi, bool level)
{
	assert_int_equal(gsi, 8);
	edges += level && !irq;
	irq = level;
}

static uint8_t rd(uint8_t reg)
{
	io_bus_write(&fake_vm.ports, NULL, 0x70, 1, reg);
	return (uint8_t)io_bus_read(&fake_vm.ports, NULL, 0x71, 1);
}

static void wr(uint8_t reg, uint8_t value)
{
	io_bus_write(&fake_vm.ports, NULL, 0x70, 1, reg);
	io_bus_write(&fake_vm.ports, NULL, 0x71, 1, value);
}

/* Century and year down to second, as they read. */
static void expect_time(uint64_t ymd, unsigned hms)
{
	uint64_t date = (uint64_t)rd(0x32) << 24 | (unsigned)rd(9) << 16 | rd(8) << 8 | rd(7);
	unsigned time = (unsigned)rd(4) << 16 | rd(2) << 8 | rd(0);

	assert_int_equal(date, ymd);
	assert_int_equal(time, hms);
}

static int setup(void **state)
{
	fake_vm_new(1);
	fake_vm.mem.count = 2;
	fake_vm.mem.slot[0] = (struct gmem_slot){.base = 0, .size = MIB(512)};
	fake_vm.mem.slot[1] = (struct gmem_slot){.base = GIB(4), .size = GIB(1)};
	wall = 1709251198; /* 2024-02-29 23:59:58 UTC */
	fake_now = FAKE_BASE_NS;
	irq = false;
	assert_int_equal(vrtc_init(&fake_vm), OK);
	vrtc_reset(&fake_vm);
	vrtc_resume(&fake_vm);
	edges = 0;
	return 0;
}

static void test_calendar(void **state)
{
	uint64_t seed = 146818, s = 0;
	unsigned year = 0, month = 1, day = 1, weekday = 7;
	static const unsigned days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	const struct calendar_date epoch = {.day = 1, .month = 1, .year = 1970};

	/* Every day of 3000 years against one that is counted up. */
	while (year < 3000) {
		uint64_t in_day = test_random(&seed) % CALENDAR_DAY_S;
		struct calendar_date d = calendar_from_seconds(s + in_day);
		bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

		assert_true(d.year == year && d.month == month && d.day == day && d.weekday == weekday);
		assert_int_equal(d.hour * 3600 + d.minute * 60 + d.second, in_day);
		assert_int_equal(calendar_to_seconds(&d), s + in_day);
		s += CALENDAR_DAY_S;
		weekday = weekday % 7 + 1;
		if (++day > days[month - 1] + (month == 2 && leap)) {
			day = 1;
			if (++month > 12) {
				month = 1;
				year++;
			}
		}
	}
	assert_int_equal(calendar_to_seconds(&epoch), CALENDAR_UNIX_EPOCH_S);
	assert_int_equal(calendar_from_seconds(CALENDAR_UNIX_EPOCH_S).weekday, 5); /* a Thursday */
}

static void test_runs(void **state)
{
	expect_time(0x20240229, 0x235958);
	assert_int_equal(rd(6), 5);
	fake_run(1990 * MS); /* with the 5 ms that were on the host's clock */
	expect_time(0x20240229, 0x235959);
	fake_run(10 * MS);
	expect_time(0x20240301, 0x000000);
	fake_run(366 * 86400 * S);
	expect_time(0x20250302, 0x000000);
	assert_int_equal(fake_fired, 0);
	assert_int_equal(rd(0x0a), 0x26);
	assert_int_equal(rd(0x0b), 0x02);
	assert_int_equal(rd(0x0d), 0x80);
	assert_int_equal(io_bus_read(&fake_vm.ports, NULL, 0x70, 1), 0xff);
}

static void set_time(uint8_t format)
{
	wr(0x0b, 0x80 | format);
	wr(0x0a, 0x76); /* as Linux does */
	wr(0x32, 0x19);
	wr(9, 0x99);
	wr(8, 0x12);
	wr(7, 0x31);
	wr(4, 0x23);
	wr(2, 0x59);
	wr(0, 0x59);
	wr(0x0b, format);
}

static void test_set(void **state)
{
	set_time(0x02);
	fake_run(10 * S);
	expect_time(0x19991231, 0x235959); /* the divider is still held */
	wr(0x0a, 0x26);
	fake_run(499 * MS);
	expect_time(0x19991231, 0x235959);
	fake_run(2 * MS); /* the first update comes after half a second */
	expect_time(0x20000101, 0x000000);
	fake_run(999 * MS);
	expect_time(0x20000101, 0x000001);
	wr(2, 0x30); /* without SET: goes on from there */
	fake_run(1 * S);
	expect_time(0x20000101, 0x003002);
}

static void test_set_alone(void **state)
{
	wr(0x0b, 0x82); /* SET leaves the divider running */
	wr(0, 0x10);
	fake_run(5 * S);
	expect_time(0x20240229, 0x235910);
	wr(0x0b, 0x02);
	fake_run(994 * MS);
	expect_time(0x20240229, 0x235910);
	fake_run(2 * MS);
	expect_time(0x20240229, 0x235911);
}

static void test_formats(void **state)
{
	wr(0x0b, 0x82);
	wr(0x0b, 0x84); /* binary, 12 hours: the registers are the guest's to rewrite */
	wr(4, 0x80 | 12);
	wr(2, 45);
	wr(0, 7);
	wr(7, 28);
	wr(8, 2);
	wr(9, 23);
	wr(0x32, 20);
	wr(0x0b, 0x04);
	assert_int_equal(rd(4), 0x80 | 12); /* noon */
	fake_run(3600 * S);
	assert_int_equal(rd(4), 0x80 | 1);
	assert_int_equal(rd(2), 45);
	fake_run(11 * 3600 * S);
	assert_int_equal(rd(4), 12); /* midnight */
	assert_int_equal(rd(7), 1);
	assert_int_equal(rd(8), 3);
	wr(0x0b, 0x82);
	wr(0x0b, 0x80); /* BCD, 12 hours */
	wr(4, 0x91);
	wr(0x0b, 0x00);
	assert_int_equal(rd(4), 0x91); /* 11 pm */
}

static void test_uip(void **state)
{
	/* 5 ms of the second are over. */
	assert_false(rd(0x0a) & 0x80);
	fake_run(992 * MS);
	assert_false(rd(0x0a) & 0x80);
	fake_run(1 * MS);
	assert_true(rd(0x0a) & 0x80);
	fake_run(2 * MS - 1);
	assert_true(rd(0x0a) & 0x80);
	fake_run(1);
	assert_false(rd(0x0a) & 0x80);
	fake_run(999 * MS);
	wr(0x0b, 0x82);
	assert_false(rd(0x0a) & 0x80);
}

static void test_update_interrupt(void **state)
{
	assert_int_equal(rd(0x0c), 0);
	wr(0x0b, 0x12);
	fake_run(995 * MS - 1);
	assert_false(irq);
	fake_run(1);
	assert_true(irq);
	expect_time(0x20240229, 0x235959);
	fake_run(3 * S);
	assert_int_equal(edges, 1);
	assert_int_equal(fake_fired, 1);  /* nothing more until register C is read */
	assert_int_equal(rd(0x0c), 0xf0); /* the alarm of 00:00:00 and periods too */
	assert_false(irq);
	assert_int_equal(rd(0x0c), 0);
	fake_run(1 * S);
	assert_int_equal(edges, 2);
	wr(0x0b, 0x92); /* SET clears UIE */
	assert_int_equal(rd(0x0b), 0x82);
	assert_false(irq);
}

static void test_flags_without_interrupt(void **state)
{
	fake_run(2 * S);
	assert_int_equal(rd(0x0c), 0x40 | 0x20 | 0x10);
	fake_run(1);
	assert_int_equal(rd(0x0c), 0);
	assert_int_equal(fake_fired, 0);
	wr(0x0a, 0x20); /* no period */
	fake_run(1 * S);
	assert_int_equal(rd(0x0c), 0x10);
}

static void test_periodic(void **state)
{
	static const struct {
		uint8_t rate;
		unsigned hz;
	} t[] = {{1, 256}, {2, 128}, {3, 8192}, {6, 1024}, {10, 64}, {15, 2}};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		unsigned count = 0;

		wr(0x0a, 0x20 | t[i].rate);
		rd(0x0c);
		wr(0x0b, 0x42);
		for (unsigned n = 0; n < 40000; n++) {
			fake_run(50000); /* 2 s in all */
			if (irq) {
				assert_int_equal(rd(0x0c) & 0xc0, 0xc0);
				count++;
			}
		}
		assert_in_range(count, 2 * t[i].hz - 1, 2 * t[i].hz + 1);
		wr(0x0b, 0x02);
	}
	wr(0x0a, 0x76);
	wr(0x0b, 0x42);
	rd(0x0c);
	fake_run(1 * S);
	assert_false(irq); /* the divider is held */
}

static void test_alarm(void **state)
{
	wr(5, 0x00);
	wr(3, 0x01);
	wr(1, 0x30);
	wr(0x0b, 0x22);
	fake_run(91 * S);
	assert_false(irq);
	fake_run(1 * S);
	assert_true(irq); /* 00:01:30 */
	assert_int_equal(rd(0x0c) & 0xb0, 0xb0);
	fake_run(86399 * S);
	assert_false(irq);
	fake_run(1 * S);
	assert_true(irq); /* the next day again */
	rd(0x0c);
	wr(5, 0xff);
	wr(3, 0xc0); /* every minute at 30 s */
	fake_run(59 * S);
	assert_false(irq);
	fake_run(1 * S);
	assert_true(irq);
	rd(0x0c);
	wr(1, 0x99); /* never */
	fake_fired = 0;
	fake_run(200000 * S);
	assert_false(irq);
	assert_in_range(fake_fired, 0, 1); /* the one that was armed before */
}

static void test_pause(void **state)
{
	wr(0x0b, 0x12);
	vrtc_pause(&fake_vm);
	fake_run(5 * S);
	assert_int_equal(fake_fired, 0);
	vrtc_resume(&fake_vm);
	assert_true(irq);
}

static void test_cmos(void **state)
{
	unsigned sum = 0;

	assert_int_equal(rd(0x15) | rd(0x16) << 8, 640);
	assert_int_equal(rd(0x17) | rd(0x18) << 8, 65535);
	assert_int_equal(rd(0x30) | rd(0x31) << 8, 65535);
	assert_int_equal(rd(0x34) | rd(0x35) << 8, (512 - 16) * 16);
	assert_int_equal(rd(0x5b) | rd(0x5c) << 8 | rd(0x5d) << 16, 1024 * 16);
	assert_int_equal(rd(0x14), 0x02);
	assert_int_equal(rd(0x0f), 0);
	for (uint8_t i = 0x10; i <= 0x2d; i++)
		sum += rd(i);
	assert_int_equal(rd(0x2e) << 8 | rd(0x2f), sum);
	wr(0x40, 0x5a);
	wr(0xc1, 0xa5); /* bit 7 is the NMI mask */
	assert_int_equal(rd(0x40), 0x5a);
	assert_int_equal(rd(0x41), 0xa5);
	io_bus_write(&fake_vm.ports, NULL, 0x70, 2, 0x7742); /* index and data at once */
	assert_int_equal(rd(0x42), 0x77);
}

/* No value that a guest can write breaks anything. */
static void test_random_access(void **state)
{
	uint64_t seed = 70;

	for (unsigned n = 0; n < 100000; n++) {
		uint64_t r = test_random(&seed);

		if (r & 1)
			wr(r >> 8 & 0x10 ? (r >> 8 & 15) : 0x32, (uint8_t)(r >> 16));
		else
			rd(r >> 8 & 0x7f);
		fake_run((r >> 32 & 0xffffff) << (r >> 60));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_calendar),
	    cmocka_unit_test_setup(test_runs, setup),
	    cmocka_unit_test_setup(test_set, setup),
	    cmocka_unit_test_setup(test_set_alone, setup),
	    cmocka_unit_test_setup(test_formats, setup),
	    cmocka_unit_test_setup(test_uip, setup),
	    cmocka_unit_test_setup(test_update_interrupt, setup),
	    cmocka_unit_test_setup(test_flags_without_interrupt, setup),
	    cmocka_unit_test_setup(test_periodic, setup),
	    cmocka_unit_test_setup(test_alarm, setup),
	    cmocka_unit_test_setup(test_pause, setup),
	    cmocka_unit_test_setup(test_cmos, setup),
	    cmocka_unit_test_setup(test_random_access, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
