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
#include "hv/pv_eoi.h"
#include "hv/sched.h"
#include "hv/speculation.h"
#include "hv/vm.h"

#define NO_MORE 3 /* the guest is not entered more often than that */

struct pcpu test_cpu;
static struct vm vm;
static struct vcpu v;
static unsigned runs, waits, flushes, advances, offers, collected;
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

static void window(struct vcpu *of, bool on)
{
	assert_false(on);
}

static void reset(struct vcpu *of)
{
}

static uint64_t reg_get(struct vcpu *of, enum vreg r)
{
	return 0;
}

static void reg_set(struct vcpu *of, enum vreg r, uint64_t value)
{
}

static const struct hv_ops test_ops = {.vcpu_load = load,
				       .vcpu_put = put,
				       .vcpu_unload = unload,
				       .vcpu_run = run,
				       .vcpu_reset = reset,
				       .interrupt_window = window,
				       .nmi_window = window,
				       .reg_get = reg_get,
				       .reg_set = reg_set};
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
	assert_false(of->lapic.eoi_offered); /* what is in service decides what can go in */
	event = false;
}

/* The end of an interrupt lets the next one in. */
void pv_eoi_collect(struct vcpu *of)
{
	of->lapic.eoi_offered = false;
	event_reconsider(of);
	event = true;
	collected++;
}

void pv_eoi_reset(struct vcpu *of)
{
	of->pv_eoi = NULL;
	of->lapic.eoi_offered = false;
}

void pv_steal_reset(struct vcpu *of)
{
}

void pvclock_reset(struct vcpu *of)
{
}

void vlapic_reset(struct vcpu *of)
{
}

void vlapic_init_signal(struct vcpu *of)
{
}

void xstate_reset(void *area)
{
}

void pv_eoi_offer(struct vcpu *of)
{
	assert_false(event); /* it is of what goes in now */
	of->lapic.eoi_offered = true;
	offers++;
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
	runs = waits = flushes = advances = offers = collected = 0;
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

/*
 * An offer is made at each entry and looked at when the guest is back, before its requests: the end that it has given without an exit
 * ends this HLT.
 */
static void test_eoi_offer(void **state)
{
	static uint32_t word;

	v.pv_eoi = &word;
	assert_left(LEAVE_READY, NO_MORE, 0);
	assert_int_equal(offers, NO_MORE);
	assert_int_equal(collected, NO_MORE - 1);
	assert_true(v.lapic.eoi_offered);
}

/* The word is no longer written: after INIT, and when the guest has been reset it is another kernel's memory. */
static void test_eoi_word_is_forgotten(void **state)
{
	static uint32_t word;

	v.pv_eoi = &word;
	v.requests = VREQ_INIT;
	come_to_cpu[0] = PCPU_RESCHEDULE;
	assert_left(LEAVE_ASLEEP, 1, 1);
	assert_int_equal(offers, 0);
	v.pv_eoi = &word;
	vcpu_reset(&v);
	assert_null(v.pv_eoi);
}

static void test_no_eoi_offer(void **state)
{
	come_to_cpu[0] = PCPU_RESCHEDULE;
	assert_left(LEAVE_ASLEEP, 1, 1);
	assert_int_equal(offers + collected, 0);
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
	    cmocka_unit_test_setup(test_eoi_offer, setup),
	    cmocka_unit_test_setup(test_no_eoi_offer, setup),
	    cmocka_unit_test_setup(test_eoi_word_is_forgotten, setup),
	    cmocka_unit_test_setup(test_cpu_is_wanted, setup),
	    cmocka_unit_test_setup(test_park, setup),
	    cmocka_unit_test_setup(test_not_alone, setup),
	    cmocka_unit_test_setup(test_waits_for_sipi, setup),
	};

	return cmocka_run_group_tests_name("vcpu", tests, NULL, NULL);
}
