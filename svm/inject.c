/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Events in the VMCB: injection, the two windows, what blocks them. What is injected when is hv/event.c's.
 *
 * NMI blocking (APM Vol. 2, "Virtual NMIs" are newer than the CPUs we run on): an injected NMI blocks
 * further ones until the guest's IRET, which is intercepted. It must not be followed by an NMI before it has
 * been executed, else the new frame would overwrite the one that it reads. So where an NMI waits, the IRET is
 * single-stepped.
 */
#include "svm/svm.h"

#include "hv/lib/panic.h"
#include "hv/pcpu.h"
#include "hv/x86/cr.h"
#include "hv/x86/desc.h"
#include "hv/x86/rflags.h"
#include "svm/exit.h"

#define DR6_BREAKPOINTS (DR6_B0 | DR6_B1 | DR6_B2 | DR6_B3 | DR6_BD)

static void intercept(struct vmcb *b, uint32_t bit, bool on)
{
	b->intercept_misc1 = on ? b->intercept_misc1 | bit : b->intercept_misc1 & ~bit;
	b->clean &= ~CLEAN_INTERCEPTS;
}

/* The IRET that ends NMI blocking has been executed when RIP has moved. */
static void nmi_look(struct svm_vcpu *s)
{
	if (s->nmi == NMI_IRET && s->base.rip != s->iret_rip)
		s->nmi = NMI_OPEN;
}

uint32_t svm_blocking(struct vcpu *v)
{
	struct svm_vcpu *s = to_svm(v);
	uint32_t blocking = 0;

	nmi_look(s);
	if (!(s->vmcb.rflags & RFLAGS_IF))
		blocking |= BLOCK_IF;
	if (s->vmcb.int_state & INT_STATE_SHADOW)
		blocking |= BLOCK_SHADOW;
	if (s->nmi != NMI_OPEN)
		blocking |= BLOCK_NMI;
	return blocking;
}

bool svm_insn_completed(struct vcpu *v)
{
	struct vmcb *b = &to_svm(v)->vmcb;

	b->int_state = 0;
	b->rflags &= ~RFLAGS_RF;
	return b->rflags & RFLAGS_TF;
}

/*
 * By EVENTINJ. But QEMU 7.2's TCG delivers an interrupt of EVENTINJ a second time, whatever RFLAGS.IF says by then, if it
 * leaves its loop between the delivery and the guest's next exit or exception: there interrupts are virtual ones.
 */
void svm_inject(struct vcpu *v, const struct guest_event *ev)
{
	struct svm_vcpu *s = to_svm(v);
	uint64_t inj = EVENT_VALID | (uint64_t)ev->type << EVENT_TYPE_SHIFT | ev->vector;

	/* Soft ones are never requeued here (svm_event_decode), and nothing else makes them. */
	CHECK(ev->type == EVENT_INTERRUPT || ev->type == EVENT_NMI || ev->type == EVENT_EXCEPTION);
	if (ev->type == EVENT_INTERRUPT && svm_caps.repeats_eventinj) {
		s->interrupt = ev->vector;
		s->pending |= PENDING_INTERRUPT;
		return;
	}
	if (ev->has_error)
		inj |= EVENT_ERROR_VALID | (uint64_t)ev->error << EVENT_ERROR_SHIFT;
	s->vmcb.event_inj = inj;
	if (ev->type == EVENT_NMI) {
		s->nmi = NMI_BLOCKED;
		intercept(&s->vmcb, INTERCEPT_IRET, true);
		s->pending &= ~(uint32_t)PENDING_STEP;
	}
}

/* A virtual interrupt that is never delivered: its intercept comes when it could be, whatever the TPR says. */
void svm_interrupt_window(struct vcpu *v, bool on)
{
	struct vmcb *b = &to_svm(v)->vmcb;

	b->int_ctl &= ~INT_CTL_VIRTUAL;
	if (on)
		b->int_ctl |= INT_CTL_VIRTUAL;
	b->clean &= ~CLEAN_TPR;
	intercept(b, INTERCEPT_VINTR, on);
}

/*
 * The interrupt as a virtual one (APM Vol. 2, "Virtual Interrupts"): as nothing blocks it, the CPU takes it before the
 * guest's next instruction. Where V_IRQ already stands for the window there is only EVENTINJ.
 */
void svm_interrupt_begin(struct svm_vcpu *s)
{
	struct vmcb *b = &s->vmcb;

	s->pending &= ~(uint32_t)PENDING_INTERRUPT;
	if (b->int_ctl & INT_CTL_V_IRQ) {
		b->event_inj = EVENT_VALID | EVENT_INTERRUPT << EVENT_TYPE_SHIFT | s->interrupt;
		return;
	}
	b->v_intr_vector = s->interrupt;
	b->int_ctl |= INT_CTL_VIRTUAL;
	b->clean &= ~CLEAN_TPR;
	s->interrupt_rip = s->base.rip;
	s->watch |= WATCH_INTERRUPT;
}

/*
 * A physical interrupt goes before a virtual one: then V_IRQ is still set, nothing was executed, and the interrupt goes back to the
 * core. Elsewhere QEMU's V_IRQ is set because the delivery ended in a fault: on hardware it would be 0, the interrupt is lost.
 */
void svm_interrupt_end(struct svm_vcpu *s)
{
	struct vmcb *b = &s->vmcb;

	s->watch &= ~(uint64_t)WATCH_INTERRUPT;
	if ((b->int_ctl & INT_CTL_V_IRQ) && s->base.rip == s->interrupt_rip)
		event_requeue(&s->base,
			      &(struct guest_event){.type = EVENT_INTERRUPT, .vector = s->interrupt});
	b->int_ctl &= ~INT_CTL_VIRTUAL;
	b->clean &= ~CLEAN_TPR;
}

void svm_nmi_window(struct vcpu *v, bool on)
{
	struct svm_vcpu *s = to_svm(v);

	s->nmi_window = on;
	if (on && s->nmi != NMI_BLOCKED)
		s->pending |= PENDING_STEP;
	else
		s->pending &= ~(uint32_t)PENDING_STEP;
}

void svm_lapic_changed(struct vcpu *v)
{
	(void)v;
}

void svm_lapic_waits(struct vcpu *v, int vector)
{
	(void)v;
	(void)vector;
}

void svm_iret_intercepted(struct svm_vcpu *s)
{
	s->nmi = NMI_IRET;
	s->iret_rip = s->base.rip;
	intercept(&s->vmcb, INTERCEPT_IRET, false);
	if (s->nmi_window)
		s->pending |= PENDING_STEP;
}

/*
 * Sets TF for one instruction. Where an event is injected its frame would show the flag: there the guest is left behind the
 * event, before its handler's first instruction, by an interrupt that waits already.
 */
void svm_step_begin(struct svm_vcpu *s)
{
	struct vmcb *b = &s->vmcb;

	if ((b->event_inj & EVENT_VALID) || (s->watch & WATCH_INTERRUPT)) {
		s->watch |= WATCH_EVENT;
		pcpu_kick_self();
		return;
	}
	s->watch |= WATCH_STEP;
	s->step_tf = b->rflags & RFLAGS_TF;
	s->step_dr6 = b->dr6;
	b->rflags |= RFLAGS_TF;
}

void svm_step_end(struct svm_vcpu *s, struct vm_exit *e)
{
	struct vmcb *b = &s->vmcb;
	/* Our trap, unless a breakpoint came with it. BS isn't asked for: Bochs 2.7 exits before it sets it. */
	bool trapped = e->kind == EXIT_EXCEPTION && e->exc.vector == EXC_DB &&
		       !(b->dr6 & ~s->step_dr6 & DR6_BREAKPOINTS);
	bool iret_done = s->nmi == NMI_IRET && s->base.rip != s->iret_rip;

	s->watch &= ~(uint64_t)WATCH_STEP;
	nmi_look(s);
	/* IRET has loaded the flags from its frame. */
	if (!iret_done)
		b->rflags = (b->rflags & ~RFLAGS_TF) | s->step_tf;
	if (!trapped || s->step_tf)
		return; /* something came first: once more; or the trap is the guest's own too */
	svm_reg_set(&s->base, VREG_DR6, s->step_dr6);
	e->kind = EXIT_NMI_WINDOW;
}

/* The NMI was not delivered: nothing is blocked yet. */
static void nmi_undo(struct svm_vcpu *s)
{
	s->nmi = NMI_OPEN;
	intercept(&s->vmcb, INTERCEPT_IRET, false);
}

void svm_requeue(struct svm_vcpu *s)
{
	struct guest_event ev;

	if (!svm_event_decode(s->vmcb.exit_int_info, &ev))
		return;
	if (ev.type == EVENT_NMI)
		nmi_undo(s);
	event_requeue(&s->base, &ev);
}

void svm_take_back(struct svm_vcpu *s)
{
	struct guest_event ev;

	if (s->pending & PENDING_INTERRUPT) {
		s->pending &= ~(uint32_t)PENDING_INTERRUPT;
		ev = (struct guest_event){.valid = true, .type = EVENT_INTERRUPT, .vector = s->interrupt};
	} else if (!svm_event_decode(s->vmcb.event_inj, &ev)) {
		return;
	}
	s->vmcb.event_inj = 0;
	if (ev.type == EVENT_NMI)
		nmi_undo(s);
	event_take_back(&s->base, &ev);
}
