/* SPDX-License-Identifier: BSD-2-Clause */
/* The account of a VM that has a cap. Time is given out when somebody asks; the timer only wakes who waits. */
#include "hv/sched_cap.h"

#include "hv/lib/util.h"
#include "hv/sched.h"
#include "hv/vcpu.h"
#include "hv/vm.h"

/* Xen's credit scheduler accounts in this grain too. */
#define PERIOD_NS  30000000ULL

/* Less than this is not worth an entry. */
#define MIN_RUN_NS 200000ULL

static int64_t quota_ns(const struct vm *vm)
{
	return (int64_t)(vm->cfg->cap * (PERIOD_NS / 100));
}

/* Gives out the periods that have begun. What was not used is lost, as an idle CPU's time is. Lock held. */
static void refill(struct vm *vm)
{
	struct sched_cap *c = &vm->cap;
	uint64_t periods = (time_now_ns() - c->period_ns) / PERIOD_NS;

	if (!periods)
		return;
	c->period_ns += periods * PERIOD_NS;
	c->budget_ns += (int64_t)periods * quota_ns(vm);
	c->budget_ns = MIN(c->budget_ns, quota_ns(vm));
}

static void period_begins(struct timer *t)
{
	struct vm *vm = container_of(t, struct vm, cap.timer);

	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		sched_uncap(vm->vcpu[i]);
}

void sched_cap_init(struct vm *vm)
{
	vm->cap = (struct sched_cap){.period_ns = time_now_ns(), .budget_ns = quota_ns(vm)};
	timer_init(&vm->cap.timer, period_begins);
}

void sched_cap_fini(struct vm *vm)
{
	timer_cancel(&vm->cap.timer);
}

uint64_t sched_cap_left(struct vm *vm)
{
	int64_t left;

	if (!vm->cfg->cap)
		return UINT64_MAX;
	spin_lock(&vm->cap.lock);
	refill(vm);
	left = vm->cap.budget_ns;
	spin_unlock(&vm->cap.lock);
	/* All of its vCPUs may be running at this time. */
	return left > 0 ? MAX((uint64_t)left / vm->vcpu_count, MIN_RUN_NS) : 0;
}

void sched_cap_charge(struct vm *vm, uint64_t ran_ns)
{
	if (!vm->cfg->cap)
		return;
	spin_lock(&vm->cap.lock);
	refill(vm);
	vm->cap.budget_ns -= (int64_t)ran_ns;
	spin_unlock(&vm->cap.lock);
}

void sched_cap_wait(struct vm *vm)
{
	struct sched_cap *c = &vm->cap;

	spin_lock(&c->lock);
	if (!c->timer.armed)
		timer_arm(&c->timer, vm_timer_cpu(vm), c->period_ns + PERIOD_NS);
	spin_unlock(&c->lock);
}
