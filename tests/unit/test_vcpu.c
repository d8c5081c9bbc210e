/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hv/vcpu.c: the loop from entry to exit, and a HLT that is waited for in it. The guest halts at each entry; what comes
 * while its CPU waits is the test's to say.
 */
#include "support.h"

#include <string.h>
#include "hv/event.h"
#include "hv/ops.h"
#include "hv/pcpu.h"
#include "hv/sched.h"
#include "hv/speculation.h"
#include "hv/vm.h"

#define NO_MORE 3 /* the guest is not entered more often than that */

struct pcpu test_cpu;
static struct vm vm;
static struct vcpu v;
static unsigned runs, waits, flushes, advances;
static bool loaded, alone, event;
/* What comes in the first wait, and in all that follow. */
static uint32_t come_to_cpu[2], come_to_vcpu[2];
static bool come_event[2];

static void load(struct vcpu *of)
{
	assert_false(loaded);
	loaded = true;
}

static void put(struct vcpu *of)
{
	assert_true(loaded);
	loaded = false;
}

static enum exit_action run(struct vcpu *of)
{
	assert_true(loaded && test_cpu.in_guest && !test_cpu.idle);
	if (vcpu_is_wanted(of))
		return ACT_RESUME;
	if (advances) {
		of->last_exit.next_rip = of->rip + 1;
		/* What the handler of the last one asks for is seen before the next entry. */
		if (--advances == 0) {
			of->requests = VREQ_EVENT;
			event = true;
		}
		return ACT_ADVANCE;
	}
	assert_false(event);
	return ++runs == NO_MORE ? ACT_LEAVE : ACT_ADVANCE_HALT;
}

static void unload(struct vcpu *of)
{
	assert_false(loaded);
}

static const struct hv_ops test_ops = {
    .vcpu_load = load, .vcpu_put = put, .vcpu_unload = unload, .vcpu_run = run};
const struct hv_ops *ops = &test_ops;

void boot_cost_guest_enters(void)
{
}

struct vm *vm_enter_address_space(struct vm *of)
{
	return NULL;
}

void speculation_guest_enters(struct pcpu *p, const struct vm *of)
{
	flushes++;
}

void xstate_load(struct vcpu *of)
{
}

void xstate_save(struct vcpu *of)
{
}

void pv_steal_running(struct vcpu *of)
{
}

void event_reconsider(struct vcpu *of)
{
	of->requests |= VREQ_EVENT;
}

bool event_pending(struct vcpu *of)
{
	return event;
}

void event_inject_next(struct vcpu *of)
{
	assert_true(loaded);
	event = false;
}

enum exit_action exit_advance_and(struct vcpu *of, enum exit_action act)
{
	assert_int_equal(act, ACT_ADVANCE_HALT);
	of->halted = true;
	event_reconsider(of);
	return ACT_RESUME;
}

bool sched_is_alone(const struct pcpu *p)
{
	return alone;
}

void sched_wait_begins(struct pcpu *p, struct vcpu *of)
{
	assert_false(loaded);
}

void sched_wait_ends(struct pcpu *p)
{
}

void pcpu_wait(struct pcpu *p, const uint32_t *others)
{
	unsigned n = waits++ != 0;

	/* Interrupts come in here: the host's state is all there, and nobody kicks by NMI. */
	assert_false(loaded || p->in_guest);
	assert_ptr_equal(others, &v.requests);
	p->requests |= come_to_cpu[n];
	v.requests |= come_to_vcpu[n];
	event = event || come_event[n];
}

static int setup(void **state)
{
	test_cpu = (struct pcpu){};
	memset(&v, 0, sizeof(v));
	v.vm = &vm;
	v.cpu = &test_cpu;
	runs = waits = flushes = advances = 0;
	loaded = event = false;
	alone = true;
	memset(come_to_cpu, 0, sizeof(come_to_cpu));
	memset(come_to_vcpu, 0, sizeof(come_to_vcpu));
	memset(come_event, 0, sizeof(come_event));
	return 0;
}

static void assert_left(enum vcpu_leave why, unsigned run_count, unsigned wait_count)
{
	assert_int_equal(vcpu_execute(&v), why);
	assert_int_equal(runs, run_count);
	assert_int_equal(waits, wait_count);
	assert_false(loaded || test_cpu.in_guest || test_cpu.idle);
}

/* An event goes straight to the guest; who then leaves is ready. */
static void test_event(void **state)
{
	come_to_vcpu[0] = come_to_vcpu[1] = VREQ_EVENT;
	come_event[0] = come_event[1] = true;
	assert_left(LEAVE_READY, NO_MORE, NO_MORE - 1);
	assert_false(v.halted);
	/* The handlers that ran in a wait may have left traces that a guest is not to see. */
	assert_int_equal(flushes, NO_MORE);
}

/* An interrupt that was the host's alone. */
static void test_not_for_it(void **state)
{
	come_to_vcpu[1] = VREQ_EVENT;
	come_event[1] = true;
	assert_left(LEAVE_READY, NO_MORE, NO_MORE);
}

/* Instructions that are dealt with, one after the other. */
static void test_advance(void **state)
{
	advances = 5;
	v.rip = 100;
	come_to_cpu[0] = PCPU_RESCHEDULE;
	assert_left(LEAVE_ASLEEP, 1, 1);
	assert_int_equal(v.rip, 105);
}

static void test_cpu_is_wanted(void **state)
{
	come_to_cpu[0] = PCPU_RESCHEDULE;
	assert_left(LEAVE_ASLEEP, 1, 1);
	assert_true(v.halted);
	assert_int_equal(test_cpu.requests, PCPU_RESCHEDULE);
}

static void test_park(void **state)
{
	come_to_vcpu[0] = VREQ_PARK | VREQ_EVENT;
	assert_left(LEAVE_PARKED, 1, 1);
	assert_int_equal(v.requests, VREQ_EVENT);
}

static void test_not_alone(void **state)
{
	alone = false;
	assert_left(LEAVE_ASLEEP, 1, 0);
}

static void test_waits_for_sipi(void **state)
{
	v.wait_sipi = true;
	assert_left(LEAVE_ASLEEP, 0, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_event, setup),
	    cmocka_unit_test_setup(test_not_for_it, setup),
	    cmocka_unit_test_setup(test_advance, setup),
	    cmocka_unit_test_setup(test_cpu_is_wanted, setup),
	    cmocka_unit_test_setup(test_park, setup),
	    cmocka_unit_test_setup(test_not_alone, setup),
	    cmocka_unit_test_setup(test_waits_for_sipi, setup),
	};

	return cmocka_run_group_tests_name("vcpu", tests, NULL, NULL);
}
