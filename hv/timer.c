/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's clock on the TSC, and each CPU's timer queue on its LAPIC timer. Measuring the TSC's rate is not
 * done here.
 */
#include "hv/timer.h"
#include "drivers/lapic.h"
#include "hv/clock.h"
#include "hv/irq.h"
#include "hv/lib/panic.h"
#include "hv/pcpu.h"
#include "hv/sched.h"
#include "hv/timer_queue.h"
#include "hv/x86/insn.h"

#define NS_PER_S    1000000000UL
#define US_PER_S    1000000UL

/* A function that arms its own timer in the past must not keep the CPU for ever. */
#define RUN_DUE_MAX 64

static uint64_t tsc_entry, tsc_start, tsc_rate;
static uint64_t wall_at_boot;
static struct clock_ratio to_ns, to_tsc;
static struct timer_queue queues[MAX_PCPUS];
struct boot_cost boot_cost;

void time_start(uint64_t entry_tsc)
{
	tsc_entry = entry_tsc;
	tsc_start = rdtsc();
}

void time_init(uint64_t tsc_ticks_per_s)
{
	CHECK(tsc_ticks_per_s != 0);
	tsc_rate = tsc_ticks_per_s;
	to_ns = clock_ratio(tsc_rate, NS_PER_S);
	to_tsc = clock_ratio(NS_PER_S, tsc_rate);
}

uint64_t tsc_hz(void)
{
	return tsc_rate;
}

uint64_t tsc_to_ns(uint64_t ticks)
{
	return clock_convert(to_ns, ticks);
}

uint64_t ns_to_tsc(uint64_t ns)
{
	return clock_convert(to_tsc, ns);
}

uint64_t time_now_ns(void)
{
	return tsc_to_ns(rdtsc() - tsc_start);
}

void time_set_wall(uint64_t now_s)
{
	uint64_t since_boot = time_now_ns() / NS_PER_S;

	wall_at_boot = now_s > since_boot ? now_s - since_boot : 0;
}

uint64_t time_wall_at_boot(void)
{
	return wall_at_boot;
}

void delay_us(uint32_t us)
{
	uint64_t start = rdtsc(), ticks = us * tsc_rate / US_PER_S + 1;

	while (rdtsc() - start < ticks)
		cpu_pause();
	boot_cost.waiting += rdtsc() - start;
}

void boot_cost_guest_enters(void)
{
	uint64_t total = rdtsc() - tsc_entry, none = 0;

	if (boot_cost.total || !__atomic_compare_exchange_n(&boot_cost.total, &none, total, false,
							    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		return;
	boot_cost.total_waiting = boot_cost.waiting;
	boot_cost.total_scrubbing = boot_cost.scrubbing;
}

/* The TSC value at which ns have passed: one tick later than the rounded-down deadline, never early. */
static uint64_t deadline_to_tsc(uint64_t ns)
{
	return ns == UINT64_MAX ? UINT64_MAX : tsc_start + ns_to_tsc(ns) + 1;
}

/* Sets this CPU's hardware for the head of its queue. The queue's lock is held. */
static void timer_program(struct timer_queue *q)
{
	uint64_t ns = timer_queue_next(q), tsc;
	struct pcpu *p = this_pcpu();

	/* The access would leave to a hypervisor below, if there is one. */
	if (ns == q->programmed_ns)
		return;
	q->programmed_ns = ns;

	tsc = deadline_to_tsc(ns);
	lapic_timer_set(tsc);
	if (p->deadline_set)
		p->deadline_set(tsc);
}

static void timer_interrupt(void *arg)
{
	(void)arg;
	queues[this_pcpu()->id].programmed_ns = UINT64_MAX; /* one-shot: now it is off */
	timer_run_due();
}

void timer_init_queues(void)
{
	for (unsigned i = 0; i < MAX_PCPUS; i++)
		timer_queue_init(&queues[i]);
	irq_set_handler(VECTOR_TIMER, timer_interrupt, NULL);
}

void timer_init(struct timer *t, timer_fn fn)
{
	*t = (struct timer){.fn = fn};
	list_init(&t->link);
}

static void timer_disarm(struct timer *t)
{
	struct timer_queue *q = &queues[t->cpu];

	spin_lock(&q->lock);
	if (t->armed)
		timer_queue_remove(t);
	spin_unlock(&q->lock);
}

void timer_arm(struct timer *t, uint32_t cpu, uint64_t deadline_ns)
{
	struct timer_queue *q = &queues[cpu];
	bool first;

	if (t->cpu != cpu)
		timer_disarm(t);
	spin_lock(&q->lock);
	if (t->armed)
		timer_queue_remove(t);
	t->cpu = cpu;
	first = timer_queue_insert(q, t, deadline_ns);
	if (first && cpu == this_pcpu()->id)
		timer_program(q);
	spin_unlock(&q->lock);
	if (first && cpu != this_pcpu()->id)
		pcpu_request(pcpus[cpu], PCPU_TIMER);
}

void timer_cancel(struct timer *t)
{
	struct timer_queue *q = &queues[t->cpu];

	timer_disarm(t);
	/* The hardware may now be early; then timer_run_due finds nothing due and sets it again. */
	if (t->cpu == this_pcpu()->id)
		return;
	while (__atomic_load_n(&q->running, __ATOMIC_ACQUIRE) == t)
		cpu_pause();
}

static void call(struct timer *t)
{
	struct vcpu *payer = t->payer;
	uint64_t start;

	if (!payer) {
		t->fn(t);
		return;
	}
	start = time_now_ns();
	t->fn(t);
	sched_charge(this_pcpu(), payer, time_now_ns() - start);
}

void timer_run_due(void)
{
	struct timer_queue *q = &queues[this_pcpu()->id];
	uint64_t now = time_now_ns();
	struct timer *t;

	spin_lock(&q->lock);
	for (unsigned i = 0; i < RUN_DUE_MAX; i++) {
		t = timer_queue_take_due(q, now);
		if (t == NULL)
			break;
		spin_unlock(&q->lock);
		call(t);
		spin_lock(&q->lock);
	}
	__atomic_store_n(&q->running, NULL, __ATOMIC_RELEASE);
	timer_program(q);
	spin_unlock(&q->lock);
}

uint64_t timer_next_deadline_tsc(void)
{
	struct timer_queue *q = &queues[this_pcpu()->id];
	uint64_t ns;

	spin_lock(&q->lock);
	ns = timer_queue_next(q);
	spin_unlock(&q->lock);
	return deadline_to_tsc(ns);
}
