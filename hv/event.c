/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one place that decides what a vCPU gets next: an event whose delivery was interrupted, a fault that
 * a handler raised, an NMI, an interrupt, in this order; a window is asked for where the guest can't take
 * it now. SDM Vol. 3A, "Priority Among Concurrent Events".
 */
#include "hv/event.h"

#include "hv/lib/panic.h"
#include "hv/vcpu.h"
#include "hv/vdev/pic.h"
#include "hv/vm.h"
#include "hv/x86/rflags.h"

/* SDM Vol. 3A, "Interrupt 8-Double Fault Exception (#DF)", the table of interrupt and exception classes. */
enum fault_class { CLASS_BENIGN, CLASS_CONTRIBUTORY, CLASS_PAGE_FAULT, CLASS_DOUBLE_FAULT };

static enum fault_class class_of(uint8_t vector)
{
	switch (vector) {
	case EXC_DE:
	case EXC_TS:
	case EXC_NP:
	case EXC_SS:
	case EXC_GP:
	case EXC_CP:
		return CLASS_CONTRIBUTORY;
	case EXC_PF:
	case EXC_VE:
		return CLASS_PAGE_FAULT;
	case EXC_DF:
		return CLASS_DOUBLE_FAULT;
	default:
		return CLASS_BENIGN;
	}
}

/* Does a fault of class `second` while one of class `first` is delivered make a double fault? */
static bool doubles(enum fault_class first, enum fault_class second)
{
	if (first == CLASS_CONTRIBUTORY)
		return second == CLASS_CONTRIBUTORY;
	if (first == CLASS_PAGE_FAULT)
		return second == CLASS_CONTRIBUTORY || second == CLASS_PAGE_FAULT;
	return false;
}

static bool is_exception(const struct guest_event *ev)
{
	return ev->valid && (ev->type == EVENT_EXCEPTION || ev->type == EVENT_SOFT_EXCEPTION ||
			     ev->type == EVENT_PRIV_SOFT_EXCEPTION);
}

static void raise(struct vcpu *v, struct guest_event ev)
{
	struct vcpu_events *e = &v->events;

	event_reconsider(v);
	if (is_exception(&e->requeued)) {
		enum fault_class first = class_of(e->requeued.vector), second = class_of(ev.vector);

		/* The faulting delivery is abandoned: its instruction will be restarted. */
		e->requeued.valid = false;
		if (first == CLASS_DOUBLE_FAULT && second != CLASS_BENIGN) {
			vm_triple_fault(v);
			return;
		}
		if (doubles(first, second))
			ev = (struct guest_event){
			    .valid = true, .type = EVENT_EXCEPTION, .vector = EXC_DF, .has_error = true};
	} else if (e->requeued.valid && e->requeued.type == EVENT_SOFT_INTERRUPT) {
		e->requeued.valid = false; /* INT n is restarted after the fault */
	}
	e->exception = ev;
}

void event_raise(struct vcpu *v, uint8_t vector)
{
	raise(v, (struct guest_event){.valid = true, .type = EVENT_EXCEPTION, .vector = vector});
}

void event_raise_error(struct vcpu *v, uint8_t vector, uint32_t error)
{
	raise(
	    v,
	    (struct guest_event){
		.valid = true, .type = EVENT_EXCEPTION, .vector = vector, .has_error = true, .error = error});
}

void event_raise_pf(struct vcpu *v, uint64_t cr2, uint32_t error)
{
	vcpu_reg_set(v, VREG_CR2, cr2);
	event_raise_error(v, EXC_PF, error);
}

void event_requeue(struct vcpu *v, const struct guest_event *ev)
{
	v->events.requeued = *ev;
	v->events.requeued.valid = true;
	event_reconsider(v);
}

/* Beside one that was cut short, and waits until it is free, an exception or an NMI may have been injected. */
void event_take_back(struct vcpu *v, const struct guest_event *ev)
{
	struct vcpu_events *e = &v->events;

	if (ev->type == EVENT_EXCEPTION)
		e->exception = *ev;
	else if (ev->type == EVENT_NMI)
		__atomic_store_n(&e->nmi_pending, true, __ATOMIC_SEQ_CST);
	else
		e->requeued = *ev;
	event_reconsider(v);
}

void event_reconsider(struct vcpu *v)
{
	__atomic_fetch_or(&v->requests, VREQ_EVENT, __ATOMIC_RELAXED);
}

void event_nmi(struct vcpu *v)
{
	__atomic_store_n(&v->events.nmi_pending, true, __ATOMIC_SEQ_CST);
	vcpu_request(v, VREQ_EVENT);
}

static bool extint_waits(struct vcpu *v)
{
	return vlapic_accepts_extint(v) && vpic_pending(v->vm);
}

/* What of the local APIC's there is to inject: where the processor delivers by itself, nothing. */
static int lapic_injectable(struct vcpu *v)
{
	return v->lapic.delivers || !vlapic_may_wait(&v->lapic) ? -1 : vlapic_pending(v);
}

/* Takes the interrupt from its controller. The PIC comes first, as ExtINT goes past the local APIC. */
static bool interrupt_take(struct vcpu *v, bool extint, uint8_t *vector)
{
	int n;

	if (extint) {
		*vector = vpic_accept(v->vm);
		return true;
	}
	n = lapic_injectable(v);
	if (n < 0)
		return false;
	vlapic_accept(v, (uint8_t)n);
	*vector = (uint8_t)n;
	return true;
}

static void set_windows(struct vcpu *v, bool interrupt, bool nmi)
{
	struct vcpu_events *e = &v->events;

	if (e->interrupt_window != interrupt) {
		e->interrupt_window = interrupt;
		ops->interrupt_window(v, interrupt);
	}
	if (e->nmi_window != nmi) {
		e->nmi_window = nmi;
		ops->nmi_window(v, nmi);
	}
}

/*
 * May the requeued event go in now? What was cut short could be delivered when it was; but where a fault in its
 * delivery went first, that handler may run with interrupts off.
 */
static bool requeued_is_free(const struct guest_event *ev, bool interrupt_free, bool nmi_free)
{
	if (!ev->valid)
		return false;
	if (ev->type == EVENT_INTERRUPT)
		return interrupt_free;
	if (ev->type == EVENT_NMI)
		return nmi_free;
	return true;
}

/*
 * SDM Vol. 3B, "Instruction-Breakpoint Exception Condition": the frame of a fault has RFLAGS.RF set; those of traps and
 * of aborts, and of #DB, have it as it was.
 */
static void inject_raised(struct vcpu *v, const struct guest_event *ev)
{
	if (ev->vector != EXC_DB && ev->vector != EXC_DF && ev->vector != EXC_MC)
		vcpu_reg_set(v, VREG_RFLAGS, vcpu_reg_get(v, VREG_RFLAGS) | RFLAGS_RF);
	ops->inject(v, ev);
}

void event_inject_next(struct vcpu *v)
{
	struct vcpu_events *e = &v->events;
	uint32_t blocking = ops->blocking(v);
	bool nmi_free = !(blocking & (BLOCK_NMI | BLOCK_SHADOW));
	bool interrupt_free = !(blocking & (BLOCK_IF | BLOCK_SHADOW));
	/* Should it come behind this, that is a request of its own. */
	bool extint = extint_waits(v);
	uint8_t vector;

	if (e->exception.valid) {
		inject_raised(v, &e->exception);
		e->exception.valid = false;
	} else if (requeued_is_free(&e->requeued, interrupt_free, nmi_free)) {
		ops->inject(v, &e->requeued);
		e->requeued.valid = false;
	} else if (e->nmi_pending && nmi_free) {
		__atomic_store_n(&e->nmi_pending, false, __ATOMIC_SEQ_CST);
		ops->inject(v, &(struct guest_event){.valid = true, .type = EVENT_NMI, .vector = EXC_NMI});
	} else if (interrupt_free && !e->requeued.valid && interrupt_take(v, extint, &vector)) {
		ops->inject(v,
			    &(struct guest_event){.valid = true, .type = EVENT_INTERRUPT, .vector = vector});
	}
	if (v->lapic.watched)
		ops->lapic_waits(v, vlapic_waiting(v));
	set_windows(v,
		    (e->requeued.valid && e->requeued.type == EVENT_INTERRUPT) ||
			(extint && extint_waits(v)) || lapic_injectable(v) >= 0,
		    e->nmi_pending || (e->requeued.valid && e->requeued.type == EVENT_NMI));
}

bool event_pending(struct vcpu *v)
{
	const struct vcpu_events *e = &v->events;

	if (e->requeued.valid || e->exception.valid || e->nmi_pending)
		return true;
	return !(ops->blocking(v) & BLOCK_IF) && (vlapic_pending(v) >= 0 || extint_waits(v));
}
