/* SPDX-License-Identifier: BSD-2-Clause */
/* The calculating part of drivers/tsc.c, with clocks that tick as the test says. */
#include "support.h"

#include "drivers/tsc.h"
#include "drivers/tsc_measure.h"
#include "hv/lib/util.h"
#include "mm/host_map.h"

/* The real clocks' files aren't linked: none is there. */
bool hpet_clock(const struct acpi_info *acpi, struct clock_source *c)
{
	return false;
}

bool pmtimer_clock(const struct acpi_info *acpi, struct clock_source *c)
{
	return false;
}

bool pit8254_clock(struct clock_source *c)
{
	return false;
}

#define TSC_HZ 2893437000ULL
#define PM_HZ  3579545ULL

static uint64_t now, start, smi_every, reads;

/* Each access takes 1000 TSC ticks, and now and then a million. */
static uint64_t fake_tsc(void)
{
	if (smi_every && ++reads % smi_every == 0)
		now += 1000000;
	return now += 1000;
}

static uint64_t ticks(uint64_t hz)
{
	return (uint64_t)((unsigned __int128)(fake_tsc() - start) * hz / TSC_HZ);
}

static uint64_t pm_read(void)
{
	return (0xfffff0 + ticks(PM_HZ)) & 0xffffff; /* wraps at once */
}

static uint64_t hpet_read(void)
{
	return ticks(100000000);
}

static uint64_t dead_read(void)
{
	return 0xffffffff;
}

static int setup(void **state)
{
	now = start = 123456789;
	smi_every = reads = 0;
	return 0;
}

static void assert_near(uint64_t hz, uint64_t one_in)
{
	assert_in_range(hz, TSC_HZ - TSC_HZ / one_in, TSC_HZ + TSC_HZ / one_in);
}

static void test_measure(void **state)
{
	const struct clock_source pm = {.hz = PM_HZ, .mask = 0xffffff, .read = pm_read};
	const struct clock_source hpet = {.hz = 100000000, .mask = UINT32_MAX, .read = hpet_read};

	assert_near(tsc_measure(&pm, 5000, fake_tsc), 10000);
	assert_near(tsc_measure(&hpet, 5000, fake_tsc), 10000);
	assert_near(tsc_measure(&pm, 2000, fake_tsc), 4000);
	smi_every = 7;
	assert_near(tsc_measure(&pm, 5000, fake_tsc), 10000);
	assert_near(tsc_measure(&hpet, 5000, fake_tsc), 10000);
}

static void test_dead(void **state)
{
	const struct clock_source dead = {.hz = PM_HZ, .mask = 0xffffff, .read = dead_read};

	assert_int_equal(tsc_measure(&dead, 5000, fake_tsc), 0);
}

static void test_leaves(void **state)
{
	const struct tsc_leaves none = {}, crystal = {2, 216, 24000000, 2600}, base = {.base_mhz = 2600};
	const struct tsc_leaves half = {2, 216, 0, 2700};

	assert_int_equal(tsc_cpuid_hz(&none), 0);
	assert_int_equal(tsc_cpuid_hz(&crystal), 2592000000);
	assert_int_equal(tsc_cpuid_hz(&base), 2600000000);
	assert_int_equal(tsc_cpuid_hz(&half), 2700000000);
}

static void test_choose(void **state)
{
	assert_int_equal(tsc_choose(2592100000, 2592000000), 2592000000);
	assert_int_equal(tsc_choose(2592100000, 2600000000), 2592100000);
	assert_int_equal(tsc_choose(100000000, 2600000000), 100000000);
	assert_int_equal(tsc_choose(2592100000, 0), 2592100000);
	assert_true(tsc_agree(1000, 1009));
	assert_false(tsc_agree(1000, 1011));
	assert_false(tsc_agree(0, 1011));
	assert_false(tsc_agree(1000, 0));
}

static void test_no_clock(void **state)
{
	const struct acpi_info none = {};

	assert_panics(tsc_calibrate(&none));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_measure, setup),  cmocka_unit_test_setup(test_dead, setup),
	    cmocka_unit_test_setup(test_leaves, setup),   cmocka_unit_test_setup(test_choose, setup),
	    cmocka_unit_test_setup(test_no_clock, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
