/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local APIC's timer: one-shot, periodic and TSC-deadline mode (SDM Vol. 3A, "APIC Timer"). Counts
 * follow from guest time; a host timer is armed only while an expiry would interrupt.
 */
#include "hv/vdev/lapic_private.h"
#include "hv/lib/util.h"
#include "hv/pcpu.h"
#include "hv/vm.h"

static_assert(LAPIC_BUS_HZ == NS_PER_S); /* a bus clock is a nanosecond */

/*
 * A guest may ask for a period of a few nanoseconds. Expiries nearer together than this are merged, so that
 * its timer cannot take the host's CPU; the count itself stays exact.
 */
#define MIN_INTERVAL_NS 100000
#define NEVER           UINT64_MAX
#define MAX_TSC_DELTA   BIT(62)

static uint32_t mode(const struct vlapic *l)
{
	return l->timer_lvt & LAPIC_LVT_TIMER_MODE;
}

static bool masked(const struct vlapic *l)
{
	return l->timer_lvt & LAPIC_LVT_MASKED;
}

/* Bits 3, 1, 0 give 2, 4, 8, 16, 32, 64, 128, 1. */
static uint64_t divisor(const struct vlapic *l)
{
	uint32_t code = (l->timer_divide & 3) | (l->timer_divide & 8) >> 1;

	return 1ULL << ((code + 1) & 7);
}

static uint64_t period_ns(const struct vlapic *l)
{
	return l->timer_initial * divisor(l);
}

static uint64_t first_edge_after(const struct vlapic *l, uint64_t t)
{
	uint64_t period = period_ns(l);

	/* The start may lie before time 0 (a divisor was raised): differences are modulo 2^64. */
	return l->timer_start_ns + ((t - l->timer_start_ns) / period + 1) * period;
}

/* The expiry that is due next, seen from guest time `now`; earlier ones have been dealt with. */
static uint64_t next_expiry(const struct vlapic *l, uint64_t now)
{
	if (!l->timer_initial || mode(l) == LAPIC_LVT_TIMER_DEADLINE)
		return NEVER;
	if (mode(l) == LAPIC_LVT_TIMER_PERIODIC)
		return first_edge_after(l, now);
	return now - l->timer_start_ns < period_ns(l) ? l->timer_start_ns + period_ns(l) : NEVER;
}

uint32_t vlapic_timer_current(const struct vcpu *v)
{
	const struct vlapic *l = &v->lapic;
	uint64_t ticks;

	if (!l->timer_initial || mode(l) == LAPIC_LVT_TIMER_DEADLINE)
		return 0;
	ticks = (vm_time_ns(v->vm) - l->timer_start_ns) / divisor(l);
	if (mode(l) == LAPIC_LVT_TIMER_PERIODIC)
		return l->timer_initial - (uint32_t)(ticks % l->timer_initial);
	return ticks < l->timer_initial ? l->timer_initial - (uint32_t)ticks : 0;
}

static void expire(struct vcpu *v)
{
	if (!masked(&v->lapic))
		vlapic_take(v, v->lapic.timer_lvt & APIC_VECTOR, false);
}

/* Does what is due by now. */
void vlapic_timer_run(struct vcpu *v)
{
	struct vlapic *l = &v->lapic;

	if (l->tsc_deadline && vcpu_tsc(v) >= l->tsc_deadline) {
		l->tsc_deadline = 0;
		expire(v);
	}
	if (l->timer_next_ns != NEVER) {
		uint64_t now = vm_time_ns(v->vm);

		if (now < l->timer_next_ns)
			return;
		expire(v);
		l->timer_next_ns = next_expiry(l, now);
		if (l->timer_next_ns < now + MIN_INTERVAL_NS)
			l->timer_next_ns = first_edge_after(l, now + MIN_INTERVAL_NS);
	}
}

/* Arms the host timer for what comes next, if it would interrupt. */
void vlapic_timer_arm(struct vcpu *v)
{
	struct vlapic *l = &v->lapic;

	if (l->timer_stopped || masked(l))
		return;
	if (l->tsc_deadline) {
		uint64_t tsc = vcpu_tsc(v);
		uint64_t delta = tsc < l->tsc_deadline ? l->tsc_deadline - tsc : 0;

		if (delta < MAX_TSC_DELTA)
			/* The conversion rounds down; never fire early. */
			timer_arm(&l->timer, v->cpu->id,
				  time_now_ns() + clock_convert(v->vm->tsc.to_ns, delta) + 1);
	} else if (l->timer_next_ns != NEVER) {
		timer_arm(&l->timer, v->cpu->id, vm_time_to_host_ns(v->vm, l->timer_next_ns));
	}
}

static void timer_fired(struct timer *t)
{
	struct vcpu *v = container_of(t, struct vcpu, lapic.timer);

	if (vcpu_place(v) == VCPU_ELSEWHERE)
		return; /* and its timer goes on there */
	vlapic_timer_run(v);
	/*
	 * While it waits for the CPU, the time that its expiries take would be others'. They are made up for
	 * when it has its turn.
	 */
	if (vcpu_place(v) == VCPU_HERE)
		vlapic_timer_arm(v);
	else
		v->lapic.timer_look = true;
}

static void show_registers(struct vlapic *l)
{
	vlapic_set_reg(l, LAPIC_LVT_TIMER, l->timer_lvt);
	vlapic_set_reg(l, LAPIC_TIMER_INITIAL, l->timer_initial);
	vlapic_set_reg(l, LAPIC_TIMER_DIVIDE, l->timer_divide);
}

/* The count, the mode or the mask has changed: look again from now on. */
static void restart(struct vcpu *v)
{
	show_registers(&v->lapic);
	v->lapic.timer_next_ns = next_expiry(&v->lapic, vm_time_ns(v->vm));
	vlapic_timer_arm(v);
}

void vlapic_timer_init(struct vcpu *v)
{
	timer_init(&v->lapic.timer, timer_fired);
}

void vlapic_timer_reset(struct vcpu *v)
{
	struct vlapic *l = &v->lapic;

	l->timer_lvt = LAPIC_LVT_MASKED;
	l->timer_divide = 0;
	l->timer_initial = 0;
	l->timer_start_ns = 0;
	l->timer_next_ns = NEVER;
	l->tsc_deadline = 0;
	show_registers(l);
}

void vlapic_timer_set_lvt(struct vcpu *v, uint32_t lvt)
{
	struct vlapic *l = &v->lapic;
	uint32_t old = mode(l), new = lvt &LAPIC_LVT_TIMER_MODE;

	vlapic_timer_run(v);
	if (old != new && (old == LAPIC_LVT_TIMER_DEADLINE || new == LAPIC_LVT_TIMER_DEADLINE)) {
		/* Changing to or from TSC-deadline mode disarms the timer. */
		l->timer_initial = 0;
		l->tsc_deadline = 0;
	} else if (old != new && l->timer_initial) {
		uint64_t now = vm_time_ns(v->vm);

		if (old == LAPIC_LVT_TIMER_PERIODIC) /* the count goes on from where it is */
			l->timer_start_ns = first_edge_after(l, now) - period_ns(l);
		else if (now - l->timer_start_ns >= period_ns(l)) /* a one-shot that is over stays so */
			l->timer_initial = 0;
	}
	l->timer_lvt = lvt;
	restart(v);
}

void vlapic_timer_set_initial(struct vcpu *v, uint32_t count)
{
	struct vlapic *l = &v->lapic;

	vlapic_timer_run(v);
	if (mode(l) == LAPIC_LVT_TIMER_DEADLINE)
		count = 0; /* ignored, and reads as 0 */
	l->timer_initial = count;
	l->timer_start_ns = vm_time_ns(v->vm);
	restart(v);
}

void vlapic_timer_set_divide(struct vcpu *v, uint32_t divide)
{
	struct vlapic *l = &v->lapic;
	uint32_t current;

	vlapic_timer_run(v);
	current = vlapic_timer_current(v);
	l->timer_divide = divide;
	/* What is left of the count goes on at the new rate. */
	if (current)
		l->timer_start_ns = vm_time_ns(v->vm) - (l->timer_initial - current) * divisor(l);
	restart(v);
}

uint64_t vlapic_tsc_deadline_get(const struct vcpu *v)
{
	const struct vlapic *l = &v->lapic;

	return l->tsc_deadline && vcpu_tsc(v) < l->tsc_deadline ? l->tsc_deadline : 0;
}

void vlapic_tsc_deadline_set(struct vcpu *v, uint64_t value)
{
	struct vlapic *l = &v->lapic;

	if (!vlapic_enabled(l) || mode(l) != LAPIC_LVT_TIMER_DEADLINE)
		return; /* no effect in the other modes */
	l->tsc_deadline = value;
	vlapic_timer_run(v);
	vlapic_timer_arm(v);
}

void vlapic_tsc_changed(struct vcpu *v)
{
	if (!v->lapic.tsc_deadline)
		return;
	vlapic_timer_run(v);
	vlapic_timer_arm(v);
}

void vlapic_timer_follow(struct vcpu *v)
{
	v->lapic.timer_look = false;
	timer_cancel(&v->lapic.timer); /* it may be another CPU's that runs it just now */
	vlapic_timer_run(v);
	vlapic_timer_arm(v);
}

void vlapic_pause(struct vcpu *v)
{
	v->lapic.timer_stopped = true;
	timer_cancel(&v->lapic.timer);
}

void vlapic_resume(struct vcpu *v)
{
	v->lapic.timer_stopped = false;
	vlapic_timer_run(v);
	vlapic_timer_arm(v);
}

void vlapic_fini(struct vcpu *v)
{
	vlapic_pause(v);
}
