/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The loop of each physical CPU and its run queue. Owns vcpu->state, run_link, vruntime; how a vCPU is
 * switched and entered is hv/vcpu.c's.
 */
#include "hv/sched.h"

#include "hv/irq.h"
#include "hv/lib/log.h"
#include "hv/lib/panic.h"
#include "hv/ops.h"
#include "hv/pcpu.h"
#include "hv/smp.h"
#include "hv/timer.h"
#include "hv/vcpu.h"
#include "hv/virt.h"
#include "hv/vm.h"
#include "hv/xstate.h"
#include "hv/work.h"
#include "hv/x86/insn.h"

/* What a guest gets for each item of host work while there is more of that. */
#define WORK_SHARE_NS  500000ULL

/* How far a vCPU that slept may be ahead of those that ran: the credit that makes a wake-up quick. */
#define WAKE_CREDIT_NS (SCHED_SLICE_NS / 2)

static struct timer slice_timer[MAX_PCPUS];

static void slice_ended(struct timer *t)
{
	(void)t;
	__atomic_fetch_or(&this_pcpu()->requests, PCPU_RESCHEDULE,
			  __ATOMIC_SEQ_CST); /* other CPUs set bits too */
}

/* Puts v behind everyone who has had at most as much. Lock held. */
static void queue_insert(struct pcpu *p, struct vcpu *v)
{
	struct list *pos = &p->run_queue;

	v->ready_ns = time_now_ns();
	list_for_each (it, &p->run_queue) {
		if (list_entry(it, struct vcpu, run_link)->vruntime > v->vruntime) {
			pos = it;
			break;
		}
	}
	list_insert_before(pos, &v->run_link);
}

struct pcpu *sched_place(const uint64_t *cpus)
{
	struct pcpu *best = NULL;

	for (uint32_t i = 0; i < pcpu_count; i++) {
		struct pcpu *p = pcpus[i];

		if (!(cpus[i / 64] >> (i % 64) & 1) || !p->online || !p->virt_on)
			continue;
		if (!best || p->bound < best->bound)
			best = p;
	}
	return best;
}

void sched_bind(struct vcpu *v, struct pcpu *p)
{
	spin_lock(&p->sched_lock);
	v->cpu = p;
	v->state = VCPU_OFF;
	list_init(&v->run_link);
	p->bound++;
	spin_unlock(&p->sched_lock);
}

void sched_unbind(struct vcpu *v)
{
	struct pcpu *p = v->cpu;

	spin_lock(&p->sched_lock);
	CHECK(v->state == VCPU_OFF || v->state == VCPU_PARKED);
	p->bound--;
	spin_unlock(&p->sched_lock);
}

/* Is w, just made ready, to run before p's current vCPU has used up its slice? Lock held. */
static bool should_preempt(const struct pcpu *p, const struct vcpu *w)
{
	uint64_t ran = time_now_ns() - p->run_start_ns;

	return !p->running || w->vruntime + WAKE_CREDIT_NS / 2 < p->running->vruntime + ran;
}

void sched_wake(struct vcpu *v)
{
	struct pcpu *p = v->cpu;
	bool kick;

	spin_lock(&p->sched_lock);
	if (v->state == VCPU_READY) {
		spin_unlock(&p->sched_lock);
		return;
	}
	v->state = VCPU_READY;
	if (v->vruntime + WAKE_CREDIT_NS < p->min_vruntime)
		v->vruntime = p->min_vruntime - WAKE_CREDIT_NS;
	queue_insert(p, v);
	kick = should_preempt(p, v);
	if (!kick && !slice_timer[p->id].armed)
		kick = true; /* the running one had no rival and so no slice: let it get one */
	spin_unlock(&p->sched_lock);
	if (kick)
		pcpu_request(p, PCPU_RESCHEDULE);
}

/* Takes the next vCPU from the queue, or NULL; limits its time where someone else waits. */
static struct vcpu *pick(struct pcpu *p, bool work_waits)
{
	struct vcpu *v = NULL;

	spin_lock(&p->sched_lock);
	if (!list_empty(&p->run_queue)) {
		v = list_entry(p->run_queue.next, struct vcpu, run_link);
		list_remove(&v->run_link);
		if (v->vruntime > p->min_vruntime)
			p->min_vruntime = v->vruntime;
		p->run_start_ns = time_now_ns();
		v->waited_ns += p->run_start_ns - v->ready_ns;
		if (work_waits)
			timer_arm(&slice_timer[p->id], p->id, p->run_start_ns + WORK_SHARE_NS);
		else if (!list_empty(&p->run_queue))
			timer_arm(&slice_timer[p->id], p->id, p->run_start_ns + SCHED_SLICE_NS);
	}
	p->running = v;
	spin_unlock(&p->sched_lock);
	return v;
}

/*
 * Puts v to sleep unless a request has come. The state is set before the requests are looked at, and
 * vcpu_request does it the other way round, so that one of the two sees the other. Lock held.
 */
static bool fall_asleep(struct vcpu *v)
{
	__atomic_store_n(&v->state, v->wait_sipi ? VCPU_WAIT_SIPI : VCPU_HALTED, __ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&v->requests, __ATOMIC_SEQ_CST))
		return true;
	v->state = VCPU_READY;
	return false;
}

/* Decides where v, which has left the CPU, goes: a queue, sleep, or out of the game. */
static void settle(struct pcpu *p, struct vcpu *v, enum vcpu_leave why, uint64_t ran_ns)
{
	struct vm *vm = v->vm;
	bool parked = false;

	timer_cancel(&slice_timer[p->id]);
	spin_lock(&p->sched_lock);
	p->running = NULL;
	v->vruntime += ran_ns;
	v->guest_ns += ran_ns;
	p->guest_ns += ran_ns;
	if (why == LEAVE_PARKED) {
		v->state = VCPU_PARKED;
		parked = true;
	} else if (why == LEAVE_READY || !fall_asleep(v)) {
		queue_insert(p, v);
	}
	spin_unlock(&p->sched_lock);
	/* Once it is parked another CPU may free v. */
	if (parked)
		vm_vcpu_parked(vm);
}

/* The interrupt window: pending host interrupts are taken here, between two instructions. */
static void irq_window(void)
{
	asm volatile("sti\n\tnop\n\tcli" ::: "memory");
}

static void run_vcpu(struct pcpu *p, struct vcpu *v)
{
	enum vcpu_leave why = vcpu_execute(v);

	settle(p, v, why, time_now_ns() - p->run_start_ns);
	irq_window();
}

static void idle(struct pcpu *p)
{
	uint64_t start = time_now_ns();

	__atomic_store_n(&p->idle, true, __ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&p->requests, __ATOMIC_SEQ_CST) && !(work_is_mine() && work_pending()))
		asm volatile("sti\n\thlt\n\tcli" ::: "memory");
	__atomic_store_n(&p->idle, false, __ATOMIC_RELAXED);
	p->idle_ns += time_now_ns() - start;
}

/*
 * One item of host work. A request for more of it that came meanwhile is dropped, because it would keep
 * the guest from being entered at all; the guest gets a short slice instead.
 */
static bool run_work(struct pcpu *p)
{
	bool worked = work_run_one();

	__atomic_fetch_and(&p->requests, ~(uint32_t)PCPU_WORK, __ATOMIC_SEQ_CST);
	return worked;
}

[[gnu::noreturn]] void pcpu_main(struct pcpu *p)
{
	timer_init(&slice_timer[p->id], slice_ended);
	list_init(&p->run_queue);
	xstate_enable();
	virt_enable(p);
	__atomic_store_n(&p->ready, true, __ATOMIC_RELEASE);
	for (;;) {
		uint32_t requests = __atomic_exchange_n(&p->requests, 0, __ATOMIC_SEQ_CST);
		bool worked = false;
		struct vcpu *v;

		if (requests & PCPU_STOP)
			smp_stop_self();
		timer_run_due();
		if (work_is_mine())
			worked = run_work(p);
		v = pick(p, work_is_mine() && work_pending());
		if (v)
			run_vcpu(p, v);
		else if (!worked)
			idle(p);
		else
			irq_window();
	}
}
