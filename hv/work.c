/* SPDX-License-Identifier: BSD-2-Clause */
/* One queue of work items for all host CPUs, and waking one of them. */
#include "hv/work.h"
#include "hv/config.h"
#include "hv/pcpu.h"

static struct spinlock lock; /* guards what follows, and `queued` and `running` of every item */
static struct list queue = LIST_INIT(queue);
static unsigned running_count; /* items being run */
static bool alone_runs;        /* one of them, the only one, is alone */
static struct cpu_set work_cpus = {{1}};

void work_set_cpus(const struct cpu_set *cpus)
{
	work_cpus = *cpus;
}

uint32_t work_first_cpu(void)
{
	for (uint32_t i = 0; i < pcpu_count; i++) {
		if (cpu_set_has(&work_cpus, i))
			return i;
	}
	return 0;
}

bool work_is_mine(void)
{
	return cpu_set_has(&work_cpus, this_pcpu()->id);
}

void work_init(struct work *w, work_fn fn)
{
	list_init(&w->link);
	w->fn = fn;
	w->queued = w->running = w->alone = false;
}

void work_init_alone(struct work *w, work_fn fn)
{
	work_init(w, fn);
	w->alone = true;
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

/*
 * The first item that may run now, or NULL. Nothing overtakes one that waits to be alone, so that it gets its
 * turn. Lock held.
 */
static struct work *next_item(void)
{
	list_for_each (it, &queue) {
		struct work *w = list_entry(it, struct work, link);

		if (w->alone)
			return running_count ? NULL : w;
		if (!w->running && !alone_runs)
			return w;
	}
	return NULL;
}

static struct work *begin_item(void)
{
	struct work *w;

	spin_lock(&lock);
	w = next_item();
	if (w) {
		list_remove(&w->link);
		w->queued = false;
		w->running = true;
		running_count++;
		alone_runs = w->alone;
	}
	spin_unlock(&lock);
	return w;
}

/* Others may have gone to sleep because of w. */
static void end_item(struct work *w)
{
	bool more;

	spin_lock(&lock);
	w->running = false;
	running_count--;
	alone_runs = false;
	more = next_item() != NULL;
	spin_unlock(&lock);
	if (more)
		pcpu_request(work_choose_cpu(), PCPU_WORK);
}

bool work_run_one(void)
{
	struct work *w = list_empty(&queue) ? NULL : begin_item();

	if (!w)
		return false;
	w->fn(w); /* it may queue itself again */
	end_item(w);
	return true;
}

bool work_pending(void)
{
	bool pending;

	if (list_empty(&queue))
		return false;
	spin_lock(&lock);
	pending = next_item() != NULL;
	spin_unlock(&lock);
	return pending;
}
