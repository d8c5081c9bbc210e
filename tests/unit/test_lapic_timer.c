/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/vdev/lapic_timer.c: the modes, late and masked timers, those of vCPUs that wait or have moved, the TSC deadline. */
#include "fake_lapic.h"

/* Counts and takes an interrupt of `vector`. */
static bool took(struct vcpu *v, int vector)
{
	if (vlapic_pending(v) != vector)
		return false;
	vlapic_accept(v, (uint8_t)vector);
	wr(v, LAPIC_EOI, 0);
	return true;
}

static void test_timer_oneshot(void **state)
{
	static const struct {
		uint32_t code, divisor;
	} t[] = {{0, 2}, {1, 4}, {2, 8}, {3, 16}, {8, 32}, {9, 64}, {0xa, 128}, {0xb, 1}};
	struct vcpu *v = CPU(0);

	wr(v, LAPIC_LVT_TIMER, 0x40);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		wr(v, LAPIC_TIMER_DIVIDE, t[i].code);
		wr(v, LAPIC_TIMER_INITIAL, 1000);
		assert_int_equal(rd(v, LAPIC_TIMER_CURRENT), 1000);
		fake_run(300 * t[i].divisor);
		assert_int_equal(rd(v, LAPIC_TIMER_CURRENT), 700);
		fake_run(700 * t[i].divisor - 1);
		assert_false(took(v, 0x40));
		assert_int_equal(rd(v, LAPIC_TIMER_CURRENT), 1);
		fake_run(1);
		assert_true(took(v, 0x40));
		assert_int_equal(rd(v, LAPIC_TIMER_CURRENT), 0);
		assert_int_equal(rd(v, LAPIC_TIMER_INITIAL), 1000);
		fake_run(1000000);
		assert_false(took(v, 0x40));
	}
	assert_int_equal(fake_fired, ARRAY_SIZE(t));
}

static void test_timer_periodic(void **state)
{
	struct vcpu *v = CPU(0);

	wr(v, LAPIC_TIMER_DIVIDE, 0xb);
	wr(v, LAPIC_LVT_TIMER, 0x20040);
	wr(v, LAPIC_TIMER_INITIAL, 1000000);
	for (unsigned i = 0; i < 10; i++) {
		fake_run(999999);
		assert_false(took(v, 0x40));
		assert_int_equal(rd(v, LAPIC_TIMER_CURRENT), 1);
		fake_run(1);
		assert_true(took(v, 0x40));
		assert_int_equal(rd(v, LAPIC_TIMER_CURRENT), 1000000);
	}
	fake_now += 3500000; /* the host was late: one interrupt, and the edges stay where they were */
	fake_run(0);
	assert_true(took(v, 0x40));
	assert_false(took(v, 0x40));
	fake_run(499999);
	assert_false(took(v, 0x40));
	fake_run(1);
	assert_true(took(v, 0x40));
	wr(v, LAPIC_TIMER_INITIAL, 0);
	assert_int_equal(rd(v, LAPIC_TIMER_CURRENT), 0);
	fake_run(5000000);
	assert_false(took(v, 0x40));
}

static void test_timer_mask(void **state)
{
	struct vcpu *v = CPU(0);

	wr(v, LAPIC_TIMER_DIVIDE, 0xb);
	wr(v, LAPIC_LVT_TIMER, 0x30040);
	wr(v, LAPIC_TIMER_INITIAL, 100000);
	fake_run(250000);
	assert_int_equal(fake_fired, 0); /* nobody would notice */
	assert_int_equal(rd(v, LAPIC_TIMER_CURRENT), 50000);
	wr(v, LAPIC_LVT_TIMER, 0x20040);
	assert_false(took(v, 0x40)); /* what passed under the mask is lost */
	fake_run(50000);
	assert_true(took(v, 0x40));
}

static void test_timer_mode_change(void **state)
{
	struct vcpu *v = CPU(0);

	wr(v, LAPIC_TIMER_DIVIDE, 0xb);
	wr(v, LAPIC_LVT_TIMER, 0x20040);
	wr(v, LAPIC_TIMER_INITIAL, 100000);
	fake_run(130000);
	assert_true(took(v, 0x40));
	wr(v, LAPIC_LVT_TIMER, 0x40); /* periodic to one-shot: this count is the last */
	assert_int_equal(rd(v, LAPIC_TIMER_CURRENT), 70000);
	fake_run(70000);
	assert_true(took(v, 0x40));
	fake_run(200000);
	assert_false(took(v, 0x40));
	wr(v, LAPIC_TIMER_INITIAL, 1000000);
	fake_run(500000);
	wr(v, LAPIC_TIMER_DIVIDE, 0xa); /* half is left, now 128 times slower */
	assert_int_equal(rd(v, LAPIC_TIMER_CURRENT), 500000);
	fake_run(500000 * 128 - 1);
	assert_false(took(v, 0x40));
	fake_run(1);
	assert_true(took(v, 0x40));
}

static void test_timer_storm(void **state)
{
	struct vcpu *v = CPU(0);

	wr(v, LAPIC_TIMER_DIVIDE, 0xb);
	wr(v, LAPIC_LVT_TIMER, 0x20040);
	wr(v, LAPIC_TIMER_INITIAL, 1);
	fake_run(1000000);
	assert_in_range(fake_fired, 8, 12); /* at most one in 100 microseconds */
	assert_true(took(v, 0x40));
}

/* While it waits for the CPU its timer fires once; what else was due comes with its turn, as one. */
static void test_timer_while_waiting(void **state)
{
	enable_all();
	wr(CPU(0), LAPIC_TIMER_DIVIDE, LAPIC_TIMER_DIVIDE_BY_1);
	wr(CPU(0), LAPIC_LVT_TIMER, 0x41 | LAPIC_LVT_TIMER_PERIODIC);
	wr(CPU(0), LAPIC_TIMER_INITIAL, 100000);
	fake_place = VCPU_WAITING;
	fake_fired = 0;
	fake_run(10000000);
	assert_int_equal(fake_fired, 1);
	assert_int_equal(vlapic_pending(CPU(0)), 0x41);
	vlapic_accept(CPU(0), 0x41);
	wr(CPU(0), LAPIC_EOI, 0);
	fake_place = VCPU_HERE;
	assert_true(CPU(0)->lapic.timer_look);
	vlapic_timer_follow(CPU(0));
	assert_false(CPU(0)->lapic.timer_look);
	assert_int_equal(vlapic_pending(CPU(0)), 0x41);
	fake_run(1000000);
	assert_int_equal(fake_fired, 11);
}

/* Moved: the old CPU's timer, late, leaves it alone. */
static void test_timer_after_move(void **state)
{
	enable_all();
	wr(CPU(0), LAPIC_TIMER_DIVIDE, LAPIC_TIMER_DIVIDE_BY_1);
	wr(CPU(0), LAPIC_LVT_TIMER, 0x41);
	wr(CPU(0), LAPIC_TIMER_INITIAL, 100000);
	fake_place = VCPU_ELSEWHERE;
	fake_run(200000);
	assert_int_equal(vlapic_pending(CPU(0)), -1);
	fake_place = VCPU_HERE;
	vlapic_timer_follow(CPU(0));
	assert_int_equal(vlapic_pending(CPU(0)), 0x41);
}

static void test_tsc_deadline(void **state)
{
	struct vcpu *v = CPU(0);

	vlapic_tsc_deadline_set(v, 1000); /* no effect in one-shot mode */
	assert_int_equal(vlapic_tsc_deadline_get(v), 0);
	wr(v, LAPIC_LVT_TIMER, 0x40040);
	fake_run(5000);
	vlapic_tsc_deadline_set(v, 9000);
	assert_int_equal(vlapic_tsc_deadline_get(v), 9000);
	wr(v, LAPIC_TIMER_INITIAL, 77);
	assert_int_equal(rd(v, LAPIC_TIMER_INITIAL), 0);
	assert_int_equal(rd(v, LAPIC_TIMER_CURRENT), 0);
	fake_run(3999);
	assert_false(took(v, 0x40));
	fake_run(2);
	assert_true(took(v, 0x40));
	assert_int_equal(vlapic_tsc_deadline_get(v), 0);
	vlapic_tsc_deadline_set(v, 1); /* in the past: at once */
	assert_true(took(v, 0x40));
	vlapic_tsc_deadline_set(v, UINT64_MAX); /* never */
	vlapic_tsc_deadline_set(v, 20000);
	vlapic_tsc_deadline_set(v, 0); /* disarmed */
	fake_run(100000);
	assert_false(took(v, 0x40));
	vlapic_tsc_deadline_set(v, 200000);
	wr(v, LAPIC_LVT_TIMER, 0x40); /* leaving the mode disarms */
	wr(v, LAPIC_LVT_TIMER, 0x40040);
	assert_int_equal(vlapic_tsc_deadline_get(v), 0);
	fake_run(200000);
	assert_false(took(v, 0x40));
}

/* The deadline is in the guest's ticks, whatever their rate. */
static void test_tsc_deadline_scaled(void **state)
{
	struct vcpu *v = CPU(0);

	fake_vm.tsc = (struct guest_tsc){.hz = 3 * NS_PER_S, .to_ns = clock_ratio(3 * NS_PER_S, NS_PER_S)};
	wr(v, LAPIC_LVT_TIMER, 0x40040);
	vlapic_tsc_deadline_set(v, 30000);
	fake_run(9999);
	assert_false(took(v, 0x40));
	fake_run(3);
	assert_true(took(v, 0x40));
}

static void test_timer_pause(void **state)
{
	struct vcpu *v = CPU(0);

	wr(v, LAPIC_TIMER_DIVIDE, 0xb);
	wr(v, LAPIC_LVT_TIMER, 0x40);
	wr(v, LAPIC_TIMER_INITIAL, 100000);
	vlapic_pause(v);
	fake_run(50000);
	assert_int_equal(fake_fired, 0);
	vlapic_resume(v);
	fake_run(50000);
	assert_true(took(v, 0x40));
	vlapic_reset(v);
	wr(v, LAPIC_LVT_TIMER, 0x40);
	wr(v, LAPIC_TIMER_INITIAL, 100000);
	vlapic_reset(v); /* a timer that was armed does no harm */
	fake_run(1000000);
	assert_int_equal(vlapic_pending(v), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_timer_oneshot, setup),
	    cmocka_unit_test_setup(test_timer_periodic, setup),
	    cmocka_unit_test_setup(test_timer_mask, setup),
	    cmocka_unit_test_setup(test_timer_mode_change, setup),
	    cmocka_unit_test_setup(test_timer_storm, setup),
	    cmocka_unit_test_setup(test_timer_while_waiting, setup),
	    cmocka_unit_test_setup(test_timer_after_move, setup),
	    cmocka_unit_test_setup(test_tsc_deadline, setup),
	    cmocka_unit_test_setup(test_tsc_deadline_scaled, setup),
	    cmocka_unit_test_setup(test_timer_pause, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
