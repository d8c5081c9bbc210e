/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Host work: small functions that a CPU of the [host] cpuset runs between guests. An item must be
 * bounded (about 200 microseconds); a longer job queues itself again.
 *
 * Items run on several CPUs at a time, but none twice at once: one that is queued while it runs waits for its end.
 * An item that is `alone` runs while no other does.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/lib/list.h"

struct cpu_set;
struct work;
typedef void (*work_fn)(struct work *w);

struct work {
	struct list link;
	work_fn fn;
	bool queued, running, alone;
};

/* The CPUs that do host work ([host] cpuset), at least one of them online. Until it is called: CPU 0. */
void work_set_cpus(const struct cpu_set *cpus);
/* The first of them that is online, for what stays on one CPU, as a card's interrupt does. Once all CPUs have started. */
uint32_t work_first_cpu(void);
/* True if this CPU is one of them: others leave work_run_one alone. */
bool work_is_mine(void);
void work_init(struct work *w, work_fn fn);
void work_init_alone(struct work *w, work_fn fn);
/* Queues w unless it is queued already, and wakes a host CPU. Any CPU, also from an interrupt handler. */
void work_queue(struct work *w);
/* Runs one item. False: there was none that may run now. */
bool work_run_one(void);
/* Is there an item that may run now? */
bool work_pending(void);
