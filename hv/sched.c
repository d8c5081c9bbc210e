/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The run queues. Owns vcpu->state, run_link, vruntime; how a vCPU is switched and entered is hv/vcpu.c's, what a
 * CPU does beside running vCPUs hv/cpu_loop.c's.
 */
#include "hv/sched.h"

#include "hv/lib/panic.h"
#include "hv/lib/util.h"
#include "hv/pcpu.h"
#include "hv/sched_cap.h"
#include "hv/sched_private.h"
#include "hv/timer.h"
#include "hv/vcpu.h"
#include "hv/vm.h"

/* What a guest gets for each item of host work while there is more of that. */
#define WORK_SHARE_NS  500000ULL

/* How far a vCPU that slept may be ahead of those that ran: the credit that makes a wake-up quick. */
#define WAKE_CREDIT_NS (SCHED_SLICE_NS / 2)

static struct timer slice_timer[MAX_PCPUS];

static void slice_ended(struct timer *t)
{
	struct pcpu *p = pcpus[t - slice_timer]; /* this one */

	__atomic_fetch_or(&p->requests, PCPU_RESCHEDULE, __ATOMIC_SEQ_CST); /* other CPUs set bits too */
}

void sched_init_cpu(struct pcpu *p)
{
	timer_init(&slice_timer[p->id], slice_ended);
	list_init(&p->run_queue);
}

/* What ns of CPU time count for v. */
static uint64_t weighted(const struct vcpu *v, uint64_t ns)
{
	return ns * CPU_WEIGHT_DEFAULT / v->vm->cfg->cpu_weight;
}

/* Puts v behind everyone who has had at most as much. Lock held. */
static void queue_insert(struct pcpu *p, struct vcpu *v)
{
	struct list *pos = &p->run_queue;

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

void sched_detach(struct pcpu *p, struct vcpu *v)
{
	p->bound--;
	if (p->next == v)
		p->next = NULL;
	v->vruntime -= p->min_vruntime; /* modulo 2^64, until sched_attach */
}

void sched_attach(struct pcpu *p, struct vcpu *v)
{
	int64_t ahead = (int64_t)v->vruntime;

	p->bound++;
	v->lapic.timer_look = true;
	v->vruntime =
	    ahead >= 0 || (uint64_t)-ahead < p->min_vruntime ? p->min_vruntime + (uint64_t)ahead : 0;
	__atomic_store_n(&v->cpu, p, __ATOMIC_SEQ_CST);
	queue_insert(p, v);
}

/* Locks v's home, which may change until it is locked. */
static struct pcpu *lock_home(struct vcpu *v)
{
	for (;;) {
		struct pcpu *p = __atomic_load_n(&v->cpu, __ATOMIC_SEQ_CST);

		spin_lock(&p->sched_lock);
		if (__atomic_load_n(&v->cpu, __ATOMIC_SEQ_CST) == p)
			return p;
		spin_unlock(&p->sched_lock);
	}
}

/* Is w, just made ready, to run before p's current vCPU has used up its slice? Lock held. */
static bool should_preempt(const struct pcpu *p, const struct vcpu *w)
{
	uint64_t ran;

	if (!p->running)
		return true;
	ran = weighted(p->running, time_now_ns() - p->run_start_ns);
	return w->vruntime + WAKE_CREDIT_NS / 2 < p->running->vruntime + ran;
}

/* v is in p's queue since this moment: is p to look at once? Lock held. */
static bool wants_kick(const struct pcpu *p, const struct vcpu *v)
{
	/* One that runs without a rival has a long slice or none: let it get one. */
	return should_preempt(p, v) || p->slice_end_ns > time_now_ns() + SCHED_SLICE_NS;
}

/* v, of home p, becomes ready where it can run soonest. p's lock is held, and is released. */
static void make_ready(struct pcpu *p, struct vcpu *v)
{
	struct pcpu *q = sched_choose_cpu(p, v);
	bool kick;

	if (v->state != VCPU_CAPPED) /* else it has been ready, and waiting, all the time */
		v->ready_ns = time_now_ns();
	v->state = VCPU_READY;
	if (v->vruntime + WAKE_CREDIT_NS < p->min_vruntime)
		v->vruntime = p->min_vruntime - WAKE_CREDIT_NS;
	if (q == p) {
		queue_insert(p, v);
	} else {
		sched_detach(p, v);
		spin_unlock(&p->sched_lock);
		spin_lock(&q->sched_lock);
		sched_attach(q, v);
	}
	kick = wants_kick(q, v);
	spin_unlock(&q->sched_lock);
	if (kick)
		pcpu_request(q, PCPU_RESCHEDULE);
}

static bool asleep(const struct vcpu *v)
{
	return v->state == VCPU_HALTED || v->state == VCPU_WAIT_SIPI;
}

static bool is_to_park(const struct vcpu *v)
{
	return __atomic_load_n(&v->requests, __ATOMIC_SEQ_CST) & VREQ_PARK;
}

void sched_start(struct vcpu *v)
{
	struct pcpu *p = lock_home(v);

	CHECK(v->state == VCPU_OFF || v->state == VCPU_PARKED);
	make_ready(p, v);
}

void sched_wake(struct vcpu *v)
{
	struct pcpu *p = lock_home(v);

	if (asleep(v) || (v->state == VCPU_CAPPED && is_to_park(v)))
		make_ready(p, v);
	else
		spin_unlock(&p->sched_lock);
}

void sched_uncap(struct vcpu *v)
{
	struct pcpu *p = lock_home(v);

	if (v->state == VCPU_CAPPED)
		make_ready(p, v);
	else
		spin_unlock(&p->sched_lock);
}

/*
 * Puts v, of a VM that has used up its time, aside. As with fall_asleep, the state is set before the requests
 * are looked at: what is to be parked must run. Lock held.
 */
static bool put_aside(struct vcpu *v)
{
	__atomic_store_n(&v->state, VCPU_CAPPED, __ATOMIC_SEQ_CST);
	if (!is_to_park(v)) {
		sched_cap_wait(v->vm);
		return true;
	}
	v->state = VCPU_READY;
	return false;
}

/* The one that goes next, out of p's queue, and how long its cap lets it run. NULL: none. Lock held. */
static struct vcpu *take_next(struct pcpu *p, uint64_t *left_ns)
{
	while (!list_empty(&p->run_queue)) {
		struct vcpu *v = p->next ? p->next : list_entry(p->run_queue.next, struct vcpu, run_link);

		p->next = NULL;
		list_remove(&v->run_link);
		*left_ns = sched_cap_left(v->vm);
		if (*left_ns || !put_aside(v))
			return v;
	}
	return NULL;
}

/* How long v may run, in ns; UINT64_MAX: until something comes. Lock held. */
static uint64_t slice_of(struct pcpu *p, bool work_waits, uint64_t left_ns)
{
	uint64_t slice = UINT64_MAX;

	if (!list_empty(&p->run_queue))
		slice = SCHED_SLICE_NS;
	if (work_waits)
		slice = WORK_SHARE_NS;
	return left_ns ? MIN(slice, left_ns) : slice;
}

static struct vcpu *pick_own(struct pcpu *p, bool work_waits)
{
	uint64_t left_ns, slice;
	struct vcpu *v;

	spin_lock(&p->sched_lock);
	v = take_next(p, &left_ns);
	if (v) {
		p->min_vruntime = MAX(p->min_vruntime, v->vruntime);
		p->run_start_ns = time_now_ns();
		v->waited_ns += p->run_start_ns - v->ready_ns;
		slice = slice_of(p, work_waits, left_ns);
		p->slice_end_ns = slice == UINT64_MAX ? slice : p->run_start_ns + slice;
		if (slice != UINT64_MAX)
			timer_arm(&slice_timer[p->id], p->id, p->slice_end_ns);
		if (!list_empty(&p->run_queue))
			sched_offer(p, list_entry(p->run_queue.next, struct vcpu, run_link));
	}
	p->running = v;
	spin_unlock(&p->sched_lock);
	return v;
}

struct vcpu *sched_pick(struct pcpu *p, bool work_waits)
{
	struct vcpu *v = pick_own(p, work_waits);

	if (!v && sched_pull(p, NULL))
		v = pick_own(p, work_waits);
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

/* The first of v's own VM in p's queue, NULL: none. Lock held. */
static struct vcpu *sibling(struct pcpu *p, const struct vcpu *v)
{
	list_for_each (it, &p->run_queue) {
		struct vcpu *w = list_entry(it, struct vcpu, run_link);

		if (w->vm == v->vm)
			return w;
	}
	return NULL;
}

/*
 * v spins: it waits for a vCPU of its VM that does not run. That one goes next, at its own expense, and is fetched
 * from another CPU where it waits there.
 */
static void yield_to_sibling(struct pcpu *p, struct vcpu *v)
{
	bool found;

	if (v->vm->vcpu_count == 1)
		return;
	spin_lock(&p->sched_lock);
	found = sibling(p, v);
	spin_unlock(&p->sched_lock);
	if (!found && !sched_pull(p, v->vm))
		return;
	spin_lock(&p->sched_lock);
	p->next = sibling(p, v);
	spin_unlock(&p->sched_lock);
}

bool sched_is_alone(const struct pcpu *p)
{
	return p->slice_end_ns == UINT64_MAX && !sched_others_wait(p);
}

/* v, p's running one, has run so long since p->run_start_ns. Lock held. */
static void account(struct pcpu *p, struct vcpu *v, uint64_t ran_ns)
{
	p->run_start_ns += ran_ns;
	p->guest_ns += ran_ns;
	v->guest_ns += ran_ns;
	v->vruntime += weighted(v, ran_ns);
}

void sched_wait_begins(struct pcpu *p, struct vcpu *v)
{
	spin_lock(&p->sched_lock);
	account(p, v, time_now_ns() - p->run_start_ns);
	p->min_vruntime = MAX(p->min_vruntime, v->vruntime);
	spin_unlock(&p->sched_lock);
}

void sched_wait_ends(struct pcpu *p)
{
	uint64_t waited_ns;

	spin_lock(&p->sched_lock);
	waited_ns = time_now_ns() - p->run_start_ns;
	p->run_start_ns += waited_ns;
	p->idle_ns += waited_ns;
	spin_unlock(&p->sched_lock);
}

/* v pays. Lock held; false: it has moved to another CPU in this very moment, and gets off. */
static bool take_charge(struct pcpu *p, struct vcpu *v, uint64_t ns)
{
	if (v->cpu != p)
		return false;
	account(p, v, ns);
	if (!list_empty(&v->run_link)) {
		list_remove(&v->run_link);
		queue_insert(p, v);
	}
	return true;
}

void sched_charge(struct pcpu *p, struct vcpu *v, uint64_t ns)
{
	bool charged;

	if (p->running == v && !p->idle) /* its turn counts whole */
		return;
	spin_lock(&p->sched_lock);
	charged = take_charge(p, v, ns);
	spin_unlock(&p->sched_lock);
	if (charged)
		sched_cap_charge(v->vm, ns);
}

void sched_put(struct pcpu *p, struct vcpu *v, enum vcpu_leave why)
{
	uint64_t ran_ns = time_now_ns() - p->run_start_ns;
	struct vm *vm = v->vm;
	bool parked = why == LEAVE_PARKED;

	if (p->slice_end_ns != UINT64_MAX)
		timer_cancel(&slice_timer[p->id]);
	if (why == LEAVE_YIELD)
		yield_to_sibling(p, v);
	sched_cap_charge(vm, ran_ns);
	spin_lock(&p->sched_lock);
	p->running = NULL;
	account(p, v, ran_ns);
	v->ready_ns = p->run_start_ns;
	if (parked)
		v->state = VCPU_PARKED;
	else if (why != LEAVE_ASLEEP || !fall_asleep(v))
		queue_insert(p, v);
	spin_unlock(&p->sched_lock);
	/* Once it is parked another CPU may free v. */
	if (parked)
		vm_vcpu_parked(vm);
}
