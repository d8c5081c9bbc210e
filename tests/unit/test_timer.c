/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/clock.h and hv/guest_tsc.h against exact division; hv/timer_queue.c against a linear search, with a clock of its own. */
#include "support.h"

#include "hv/clock.h"
#include "hv/guest_tsc.h"
#include "hv/lib/util.h"
#include "hv/timer_queue.h"

#define NS_PER_S 1000000000UL
#define TIMERS   40
#define YEAR_S   (366UL * 24 * 60 * 60)
#define ROUNDS   20000

static uint64_t seed;

static unsigned random_below(unsigned n)
{
	return (unsigned)(test_random(&seed) % n);
}

static void check_conversion(uint64_t from, uint64_t to, uint64_t ticks)
{
	unsigned __int128 exact = (unsigned __int128)ticks * to / from;
	uint64_t got;

	if (exact >> 63 != 0)
		return;
	got = clock_convert(clock_ratio(from, to), ticks);
	assert_in_range(got, exact == 0 ? 0 : (uint64_t)exact - 1, (uint64_t)exact);
}

static void test_clock_is_exact(void **state)
{
	static const uint64_t rates[] = {1,          32768,      3579545,    50000000,
					 999999999,  NS_PER_S,   1000000001, 2614739400,
					 4294967296, 5000000000, UINT32_MAX, 65000000000};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(rates); i++) {
		for (unsigned n = 0; n < 1000; n++) {
			uint64_t ticks = test_random(&seed) >> (1 + random_below(63));

			check_conversion(rates[i], NS_PER_S, ticks);
			check_conversion(NS_PER_S, rates[i], ticks);
		}
		assert_int_equal(clock_convert(clock_ratio(rates[i], NS_PER_S), 0), 0);
	}
	/* Equal rates: not even one unit off, up to the last bit. */
	assert_int_equal(clock_convert(clock_ratio(NS_PER_S, NS_PER_S), INT64_MAX), INT64_MAX);
}

/* Over ten years: the error is what the multiplier's last bit is worth, and more host ticks are never fewer guest ticks. */
static void check_scaling(uint64_t from, uint64_t to)
{
	uint64_t m = tsc_multiplier(from, to), last = 0;

	for (uint64_t s = 0; s <= 10 * YEAR_S; s += YEAR_S / 12 + random_below(1000000)) {
		uint64_t ticks = from * s + random_below(1000000);
		uint64_t exact = (uint64_t)((unsigned __int128)ticks * to / from), got = tsc_scale(m, ticks);
		uint64_t slack = (ticks >> (TSC_FRACTION_BITS + 1)) + 1;

		assert_in_range(got, exact > slack ? exact - slack : 0, exact + slack);
		assert_true(got >= last);
		last = got;
	}
}

static void test_guest_tsc(void **state)
{
	static const uint64_t rates[] = {50000000, 999999999, NS_PER_S, 2095993000, 2400000000, 5700000000};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(rates); i++) {
		for (unsigned n = 0; n < ARRAY_SIZE(rates); n++)
			check_scaling(rates[i], rates[n]);
		assert_int_equal(tsc_multiplier(rates[i], rates[i]), TSC_MULTIPLIER_ONE);
	}
	/* 1 is the identity up to the last bit; a multiplier has 16 bits before the point. */
	assert_int_equal(tsc_scale(TSC_MULTIPLIER_ONE, UINT64_MAX), UINT64_MAX);
	assert_int_equal(tsc_multiplier(1000000, 65535 * 1000000UL), 65535 * TSC_MULTIPLIER_ONE);
	assert_int_equal(tsc_multiplier(1000000, 65536 * 1000000UL), 0);
	assert_int_equal(tsc_multiplier(3, 2), 2 * TSC_MULTIPLIER_ONE / 3 + 1); /* to the nearest */
}

static struct timer_queue q;
static struct timer timers[TIMERS];
static uint64_t model[TIMERS]; /* UINT64_MAX: not armed */

static int setup(void **state)
{
	(void)state;
	seed = 1;
	timer_queue_init(&q);
	for (unsigned i = 0; i < TIMERS; i++) {
		timers[i] = (struct timer){};
		list_init(&timers[i].link);
		model[i] = UINT64_MAX;
	}
	return 0;
}

static uint64_t model_next(void)
{
	uint64_t next = UINT64_MAX;

	for (unsigned i = 0; i < TIMERS; i++)
		next = MIN(next, model[i]);
	return next;
}

static void test_empty(void **state)
{
	(void)state;
	assert_int_equal(timer_queue_next(&q), UINT64_MAX);
	assert_null(timer_queue_take_due(&q, UINT64_MAX));
	assert_null(q.running);
}

static void test_due_at_its_deadline_not_before(void **state)
{
	(void)state;
	assert_true(timer_queue_insert(&q, &timers[0], 100));
	assert_null(timer_queue_take_due(&q, 99));
	assert_true(timers[0].armed);
	assert_ptr_equal(timer_queue_take_due(&q, 100), &timers[0]);
	assert_false(timers[0].armed);
	assert_ptr_equal(q.running, &timers[0]);
	assert_null(timer_queue_take_due(&q, 100));
	assert_null(q.running);
}

static void test_equal_deadlines_keep_their_order(void **state)
{
	(void)state;
	assert_true(timer_queue_insert(&q, &timers[0], 5));
	assert_false(timer_queue_insert(&q, &timers[1], 5));
	assert_false(timer_queue_insert(&q, &timers[2], 5));
	for (unsigned i = 0; i < 3; i++)
		assert_ptr_equal(timer_queue_take_due(&q, 5), &timers[i]);
}

static void test_against_model(void **state)
{
	uint64_t now = 0;

	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned i = random_below(TIMERS);
		struct timer *t = &timers[i];
		bool first;

		switch (random_below(3)) {
		case 0:
			if (t->armed)
				break;
			model[i] = now + random_below(50);
			first = timer_queue_insert(&q, t, model[i]);
			assert_int_equal(first, q.timers.next == &t->link);
			break;
		case 1:
			if (!t->armed)
				break;
			timer_queue_remove(t);
			model[i] = UINT64_MAX;
			break;
		default:
			now += random_below(20);
			while ((t = timer_queue_take_due(&q, now)) != NULL) {
				assert_int_equal(t->deadline_ns, model_next());
				assert_true(t->deadline_ns <= now);
				assert_int_equal(model[t - timers], t->deadline_ns);
				model[t - timers] = UINT64_MAX;
			}
			assert_true(model_next() > now);
		}
		assert_int_equal(timer_queue_next(&q), model_next());
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_clock_is_exact, setup),
	    cmocka_unit_test_setup(test_guest_tsc, setup),
	    cmocka_unit_test_setup(test_empty, setup),
	    cmocka_unit_test_setup(test_due_at_its_deadline_not_before, setup),
	    cmocka_unit_test_setup(test_equal_deadlines_keep_their_order, setup),
	    cmocka_unit_test_setup(test_against_model, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
