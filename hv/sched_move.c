/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vCPUs that change their CPU: one that wakes while its home is busy goes to an idle CPU of its cpuset, and an idle
 * CPU takes one that waits elsewhere.
 *
 * A vCPU whose state is still in a CPU's hardware (pcpu->current) stays there. Otherwise everything of it is in
 * memory, the VMCS cleared; VPIDs and ASIDs are numbers of a CPU and are taken anew; its timer follows when it comes
 * onto the new CPU (vlapic_comes). No two CPUs' locks are held at a time: between them the vCPU is in no queue.
 */
#include "hv/config.h"
#include "hv/pcpu.h"
#include "hv/sched_private.h"
#include "hv/vcpu.h"
#include "hv/vm.h"

static bool allows(const struct vcpu *v, const struct pcpu *p)
{
	return p->virt_on && cpu_set_has(&v->vm->cfg->cpuset, p->id);
}

/* Is v's state in memory? Its CPU, p, doesn't change that while v is not running. p's lock held. */
static bool in_memory(const struct pcpu *p, const struct vcpu *v)
{
	return __atomic_load_n(&p->current, __ATOMIC_ACQUIRE) != v;
}

static bool is_idle(const struct pcpu *p)
{
	return __atomic_load_n(&p->idle, __ATOMIC_SEQ_CST);
}

/* An idle CPU for v, other than p; NULL: there is none. */
static struct pcpu *idle_cpu_for(const struct pcpu *p, const struct vcpu *v)
{
	for (uint32_t i = 0; i < pcpu_count; i++) {
		struct pcpu *q = pcpus[i];

		if (q != p && is_idle(q) && allows(v, q))
			return q;
	}
	return NULL;
}

struct pcpu *sched_choose_cpu(struct pcpu *p, const struct vcpu *v)
{
	bool free = !p->running || is_idle(p); /* or the one that runs waits, where it is, for an event */
	struct pcpu *q;

	if ((free && list_empty(&p->run_queue)) || !in_memory(p, v))
		return p;
	q = idle_cpu_for(p, v);
	return q ? q : p;
}

/* Takes one out of q's run queue for p, the one that would have waited longest. Lock held. */
static struct vcpu *take_for(struct pcpu *q, const struct pcpu *p, const struct vm *vm)
{
	struct vcpu *found = NULL;

	list_for_each (it, &q->run_queue) {
		struct vcpu *v = list_entry(it, struct vcpu, run_link);

		if ((!vm || v->vm == vm) && allows(v, p) && in_memory(q, v))
			found = v;
	}
	if (found) {
		list_remove(&found->run_link);
		sched_detach(q, found);
	}
	return found;
}

bool sched_pull(struct pcpu *p, const struct vm *vm)
{
	for (uint32_t i = 1; i < pcpu_count; i++) {
		struct pcpu *q = pcpus[(p->id + i) % pcpu_count];
		struct vcpu *v = NULL;

		/* A glance without the lock: whoever comes too late is offered by q's next pick. */
		if (list_empty(&q->run_queue))
			continue;
		spin_lock(&q->sched_lock);
		if (q->running)
			v = take_for(q, p, vm);
		spin_unlock(&q->sched_lock);
		if (!v)
			continue;
		spin_lock(&p->sched_lock);
		sched_attach(p, v);
		spin_unlock(&p->sched_lock);
		return true;
	}
	return false;
}

bool sched_others_wait(const struct pcpu *p)
{
	for (uint32_t i = 0; i < pcpu_count; i++) {
		if (pcpus[i] != p && !list_empty(&pcpus[i]->run_queue))
			return true;
	}
	return false;
}

void sched_offer(const struct pcpu *p, const struct vcpu *v)
{
	struct pcpu *q = idle_cpu_for(p, v);

	if (q)
		pcpu_request(q, PCPU_RESCHEDULE);
}
