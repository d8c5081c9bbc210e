/* SPDX-License-Identifier: BSD-2-Clause */
/* One queue of work items for all host CPUs, and waking one of them. */
#include "hv/work.h"
#include "hv/config.h"
#include "hv/pcpu.h"

static struct spinlock lock; /* guards queue and `queued` of the items in it */
static struct list queue = LIST_INIT(queue);
static struct cpu_set work_cpus = {{1}};

void work_set_cpus(const struct cpu_set *cpus)
{
	work_cpus = *cpus;
}

bool work_is_mine(void)
{
	return cpu_set_has(&work_cpus, this_pcpu()->id);
}

void work_init(struct work *w, work_fn fn)
{
	list_init(&w->link);
	w->fn = fn;
	w->queued = false;
}

/* An idle CPU, so that no guest is disturbed; else this one, if it is of the set; else the set's first. */
static struct pcpu *work_choose_cpu(void)
{
	struct pcpu *first = NULL;

	for (uint32_t i = 0; i < pcpu_count; i++) {
		if (!cpu_set_has(&work_cpus, i))
			continue;
		if (__atomic_load_n(&pcpus[i]->idle, __ATOMIC_RELAXED))
			return pcpus[i];
		if (first == NULL || pcpus[i] == this_pcpu())
			first = pcpus[i];
	}
	return first != NULL ? first : pcpus[0];
}

void work_queue(struct work *w)
{
	bool added;

	spin_lock(&lock);
	added = !w->queued;
	if (added) {
		w->queued = true;
		list_insert_before(&queue, &w->link);
	}
	spin_unlock(&lock);
	if (added)
		pcpu_request(work_choose_cpu(), PCPU_WORK);
}

bool work_run_one(void)
{
	struct work *w = NULL;

	spin_lock(&lock);
	if (!list_empty(&queue)) {
		w = list_entry(queue.next, struct work, link);
		list_remove(&w->link);
		w->queued = false;
	}
	spin_unlock(&lock);
	if (w == NULL)
		return false;
	w->fn(w); /* it may queue itself again, or free itself */
	return true;
}

bool work_pending(void)
{
	return !list_empty(&queue);
}
