/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/event.c: the order of events, windows, and the merging of faults. */
#include "support.h"

#include <stdlib.h>
#include <string.h>
#include "hv/event.h"
#include "hv/vcpu.h"
#include "hv/vm.h"
#include "hv/x86/rflags.h"

static struct vm vm;
static struct vcpu v;
static uint32_t blocking;
static struct guest_event injected;
static unsigned injections, triple_faults;
static bool interrupt_window, nmi_window, pic_pending;
static int lapic_vector, accepted, waiting;

static uint32_t fake_blocking(struct vcpu *x)
{
	return blocking;
}

static uint64_t cr2, rflags;

static uint64_t fake_reg_get(struct vcpu *x, enum vreg r)
{
	assert_int_equal(r, VREG_RFLAGS);
	return rflags;
}

static void fake_reg_set(struct vcpu *x, enum vreg r, uint64_t value)
{
	assert_true(r == VREG_CR2 || r == VREG_RFLAGS);
	*(r == VREG_CR2 ? &cr2 : &rflags) = value;
}

static void fake_inject(struct vcpu *x, const struct guest_event *ev)
{
	injected = *ev;
	injections++;
}

static void fake_interrupt_window(struct vcpu *x, bool on)
{
	interrupt_window = on;
}

static void fake_nmi_window(struct vcpu *x, bool on)
{
	nmi_window = on;
}

static void fake_lapic_waits(struct vcpu *x, int vector)
{
	waiting = vector;
}

static const struct hv_ops fake_ops = {
    .lapic_waits = fake_lapic_waits,
    .reg_get = fake_reg_get,
    .reg_set = fake_reg_set,
    .blocking = fake_blocking,
    .inject = fake_inject,
    .interrupt_window = fake_interrupt_window,
    .nmi_window = fake_nmi_window,
};
const struct hv_ops *ops = &fake_ops;

int vlapic_pending(struct vcpu *x)
{
	return lapic_vector;
}

int vlapic_waiting(struct vcpu *x)
{
	return lapic_vector;
}

void vlapic_accept(struct vcpu *x, uint8_t vector)
{
	assert_int_equal(vector, lapic_vector);
	accepted = vector;
	lapic_vector = -1;
}

bool vlapic_accepts_extint(const struct vcpu *x)
{
	return true;
}

bool vpic_pending(const struct vm *x)
{
	return pic_pending;
}

uint8_t vpic_accept(struct vm *x)
{
	pic_pending = false;
	return 0x20;
}

void vm_triple_fault(struct vcpu *x)
{
	triple_faults++;
}

void vcpu_request(struct vcpu *x, uint32_t bits)
{
	x->requests |= bits;
}

static int setup(void **state)
{
	memset(&v, 0, sizeof(v));
	v.vm = &vm;
	blocking = 0;
	injected = (struct guest_event){};
	injections = triple_faults = 0;
	interrupt_window = nmi_window = pic_pending = false;
	lapic_vector = accepted = waiting = -1;
	return 0;
}

static void requeue(uint8_t type, uint8_t vector)
{
	event_requeue(&v, &(struct guest_event){.type = type, .vector = vector});
}

static void test_nothing(void **state)
{
	event_inject_next(&v);
	assert_int_equal(injections, 0);
	assert_false(interrupt_window);
	assert_false(event_pending(&v));
}

static void test_order(void **state)
{
	lapic_vector = 0x40;
	event_nmi(&v);
	event_raise(&v, EXC_UD);
	event_inject_next(&v);
	assert_int_equal(injected.vector, EXC_UD);
	assert_true(interrupt_window && nmi_window);
	event_inject_next(&v);
	assert_int_equal(injected.type, EVENT_NMI);
	event_inject_next(&v);
	assert_int_equal(injected.type, EVENT_INTERRUPT);
	assert_int_equal(injected.vector, 0x40);
	assert_int_equal(accepted, 0x40);
	assert_false(interrupt_window || nmi_window);
	assert_int_equal(injections, 3);
}

/* An exception goes in before an interrupt that was cut short and waits; taken back, both are there again. */
static void test_taken_back(void **state)
{
	blocking = BLOCK_IF;
	requeue(EVENT_INTERRUPT, 0x41);
	event_raise(&v, EXC_UD);
	event_inject_next(&v);
	assert_int_equal(injected.vector, EXC_UD);
	event_take_back(&v, &injected);
	event_inject_next(&v);
	assert_int_equal(injected.vector, EXC_UD);
	blocking = 0;
	event_inject_next(&v);
	assert_int_equal(injected.vector, 0x41);
	event_take_back(&v, &injected);
	event_nmi(&v);
	event_inject_next(&v);
	assert_int_equal(injected.vector, 0x41);
	event_inject_next(&v);
	assert_int_equal(injected.type, EVENT_NMI);
	event_take_back(&v, &injected);
	event_inject_next(&v);
	assert_int_equal(injected.type, EVENT_NMI);
	assert_int_equal(injections, 6);
}

/* Of what a handler raises, faults alone have RF in their frame; what was cut short has its frame already. */
static void test_resume_flag(void **state)
{
	static const struct {
		uint8_t vector;
		uint64_t flag;
	} cases[] = {{EXC_GP, RFLAGS_RF}, {EXC_PF, RFLAGS_RF}, {EXC_UD, RFLAGS_RF}, {EXC_DB, 0}, {EXC_DF, 0}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		rflags = RFLAGS_FIXED;
		event_raise(&v, cases[i].vector);
		event_inject_next(&v);
		assert_int_equal(rflags, RFLAGS_FIXED | cases[i].flag);
	}
	rflags = RFLAGS_FIXED;
	requeue(EVENT_EXCEPTION, EXC_PF);
	event_inject_next(&v);
	assert_int_equal(rflags, RFLAGS_FIXED);
}

static void test_pic_goes_before_lapic(void **state)
{
	lapic_vector = 0x40;
	pic_pending = true;
	event_inject_next(&v);
	assert_int_equal(injected.vector, 0x20);
	assert_true(interrupt_window);
}

/* Where the processor delivers, the core injects the PIC's interrupts alone, and tells what waits. */
static void test_processor_delivers(void **state)
{
	v.lapic.delivers = v.lapic.watched = true;
	lapic_vector = 0x40;
	event_inject_next(&v);
	assert_int_equal(injections, 0);
	assert_int_equal(waiting, 0x40);
	assert_false(interrupt_window);
	assert_true(event_pending(&v)); /* it ends a HLT all the same */
	pic_pending = true;
	blocking = BLOCK_IF;
	event_inject_next(&v);
	assert_int_equal(injections, 0);
	assert_true(interrupt_window);
	blocking = 0;
	event_inject_next(&v);
	assert_int_equal(injected.vector, 0x20);
	assert_int_equal(accepted, -1);
	assert_false(interrupt_window);
}

static void test_blocked(void **state)
{
	static const uint32_t masks[] = {BLOCK_IF, BLOCK_SHADOW};

	for (unsigned i = 0; i < 2; i++) {
		setup(NULL);
		blocking = masks[i];
		lapic_vector = 0x40;
		event_inject_next(&v);
		assert_int_equal(injections, 0);
		assert_true(interrupt_window);
		assert_int_equal(accepted, -1);
	}
}

static void test_nmi_blocked(void **state)
{
	blocking = BLOCK_NMI;
	event_nmi(&v);
	event_inject_next(&v);
	assert_int_equal(injections, 0);
	assert_true(nmi_window);
	blocking = BLOCK_IF; /* does not hold an NMI */
	event_inject_next(&v);
	assert_int_equal(injected.type, EVENT_NMI);
	assert_false(nmi_window);
}

static void test_halt_ends(void **state)
{
	lapic_vector = 0x40;
	assert_true(event_pending(&v));
	blocking = BLOCK_IF;
	assert_false(event_pending(&v));
	event_nmi(&v);
	assert_true(event_pending(&v));
}

/* Each pair of SDM Vol. 3A, "Conditions for Generating a Double Fault". */
static void test_double_fault_table(void **state)
{
	static const struct {
		uint8_t first, second, result;
	} pairs[] = {
	    {EXC_UD, EXC_GP, EXC_GP}, {EXC_UD, EXC_PF, EXC_PF}, {EXC_GP, EXC_UD, EXC_UD},
	    {EXC_GP, EXC_GP, EXC_DF}, {EXC_NP, EXC_TS, EXC_DF}, {EXC_GP, EXC_PF, EXC_PF},
	    {EXC_PF, EXC_UD, EXC_UD}, {EXC_PF, EXC_GP, EXC_DF}, {EXC_PF, EXC_PF, EXC_DF},
	    {EXC_DE, EXC_SS, EXC_DF}, {EXC_DB, EXC_PF, EXC_PF},
	};

	for (unsigned i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		setup(NULL);
		requeue(EVENT_EXCEPTION, pairs[i].first);
		event_raise_error(&v, pairs[i].second, 5);
		event_inject_next(&v);
		assert_int_equal(injected.vector, pairs[i].result);
		assert_int_equal(injected.error, pairs[i].result == EXC_DF ? 0 : 5);
		assert_true(injected.has_error);
		event_inject_next(&v);
		assert_int_equal(injections, 1);
	}
}

static void test_triple_fault(void **state)
{
	requeue(EVENT_EXCEPTION, EXC_DF);
	event_raise_error(&v, EXC_GP, 0);
	assert_int_equal(triple_faults, 1);
}

/* A fault in the delivery of an interrupt comes first; the interrupt is not lost. */
static void test_interrupt_survives_fault(void **state)
{
	requeue(EVENT_INTERRUPT, 0x50);
	event_raise_pf(&v, 0x1234, 2);
	assert_int_equal(cr2, 0x1234);
	event_inject_next(&v);
	assert_int_equal(injected.vector, EXC_PF);
	assert_true(interrupt_window);
	blocking = BLOCK_IF;
	event_inject_next(&v);
	assert_int_equal(injections, 1);
	blocking = 0;
	event_inject_next(&v);
	assert_int_equal(injected.vector, 0x50);
	assert_int_equal(injected.type, EVENT_INTERRUPT);
}

/* An NMI that was cut short waits behind the fault's handler only if that is itself within an NMI. */
static void test_requeued_nmi(void **state)
{
	requeue(EVENT_NMI, EXC_NMI);
	blocking = BLOCK_IF;
	event_inject_next(&v);
	assert_int_equal(injected.type, EVENT_NMI);
	requeue(EVENT_NMI, EXC_NMI);
	blocking = BLOCK_NMI;
	event_inject_next(&v);
	assert_int_equal(injections, 1);
	assert_true(nmi_window);
}

/* An exception goes in again whatever is blocked. */
static void test_requeued_exception(void **state)
{
	requeue(EVENT_EXCEPTION, EXC_UD);
	blocking = BLOCK_IF | BLOCK_NMI;
	event_inject_next(&v);
	assert_int_equal(injected.vector, EXC_UD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_nothing, setup),
	    cmocka_unit_test_setup(test_order, setup),
	    cmocka_unit_test_setup(test_taken_back, setup),
	    cmocka_unit_test_setup(test_resume_flag, setup),
	    cmocka_unit_test_setup(test_pic_goes_before_lapic, setup),
	    cmocka_unit_test_setup(test_processor_delivers, setup),
	    cmocka_unit_test_setup(test_blocked, setup),
	    cmocka_unit_test_setup(test_nmi_blocked, setup),
	    cmocka_unit_test_setup(test_halt_ends, setup),
	    cmocka_unit_test_setup(test_double_fault_table, setup),
	    cmocka_unit_test_setup(test_triple_fault, setup),
	    cmocka_unit_test_setup(test_interrupt_survives_fault, setup),
	    cmocka_unit_test_setup(test_requeued_nmi, setup),
	    cmocka_unit_test_setup(test_requeued_exception, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
