/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/work.c: order, and what may run at the same time. An item that calls work_run_one plays another CPU. */
#include "support.h"

#include <string.h>

#include "hv/config.h"
#include "hv/pcpu.h"
#include "hv/work.h"

static struct pcpu cpu = {.online = true};
struct pcpu *pcpus[MAX_PCPUS] = {&cpu};
uint32_t pcpu_count = 1;

static struct work a, b, alone;
static char ran[16];
static unsigned ran_count, kicks;

/* The stack's top holds the CPU's struct, for this_pcpu(); here the tests' own stack has none. */
void pcpu_request(struct pcpu *p, uint32_t bits)
{
	assert_ptr_equal(p, &cpu);
	assert_int_equal(bits, PCPU_WORK);
	kicks++;
}

static void note(struct work *w)
{
	ran[ran_count++] = w == &a ? 'a' : w == &b ? 'b' : '1';
}

/* While a runs: it is queued again and must wait, b may run, `alone` may not. */
static void a_runs(struct work *w)
{
	note(w);
	if (ran_count > 1)
		return;
	work_queue(&a);
	assert_false(work_pending());
	assert_false(work_run_one());
	work_queue(&b);
	assert_true(work_pending());
	assert_true(work_run_one());
	work_queue(&alone);
	work_queue(&b); /* behind it, and must not overtake */
	kicks = 0;
}

static void alone_runs(struct work *w)
{
	note(w);
	work_queue(&b);
	assert_false(work_pending());
	assert_false(work_run_one());
}

static int setup(void **state)
{
	cpu.idle = true; /* found first: this_pcpu() isn't asked */
	work_init(&a, a_runs);
	work_init(&b, note);
	work_init_alone(&alone, alone_runs);
	memset(ran, 0, sizeof(ran));
	ran_count = kicks = 0;
	return 0;
}

static void test_never_twice_at_once(void **state)
{
	work_queue(&a);
	work_queue(&a); /* queued already */
	assert_true(work_run_one());
	assert_string_equal(ran, "ab");
	assert_int_equal(kicks, 1); /* who found nothing to do meanwhile may sleep */
	while (work_run_one())
		;
	assert_string_equal(ran, "aba1b");
	assert_false(work_pending());
}

static void test_alone(void **state)
{
	work_queue(&alone);
	work_queue(&b);
	assert_true(work_run_one());
	assert_string_equal(ran, "1");
	assert_true(work_run_one());
	assert_string_equal(ran, "1b");
	assert_false(work_run_one());
}

static void test_first_cpu(void **state)
{
	pcpu_count = 3;
	work_set_cpus(&(struct cpu_set){{6}});
	assert_int_equal(work_first_cpu(), 1);
	work_set_cpus(&(struct cpu_set){{8}}); /* not in this machine */
	assert_int_equal(work_first_cpu(), 0);
	pcpu_count = 1;
	work_set_cpus(&(struct cpu_set){{1}});
	assert_int_equal(work_first_cpu(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_never_twice_at_once, setup),
	    cmocka_unit_test_setup(test_alone, setup),
	    cmocka_unit_test_setup(test_first_cpu, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
