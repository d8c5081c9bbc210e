/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which vCPU a physical CPU runs next. A CPU's run queue is sorted by virtual run time, which passes more slowly
 * the more weight a VM has: the vCPU that has had the least goes first. A vCPU has a home CPU of its VM's cpuset,
 * and moves where that one is busy and another has nothing to do.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/vcpu.h"

struct pcpu;

/* How long a vCPU runs while another waits. */
#define SCHED_SLICE_NS 5000000ULL

/* The CPU of the set (bit i of cpus[i / 64]) with the fewest vCPUs bound to it; NULL: none is usable. */
struct pcpu *sched_place(const uint64_t *cpus);
/* Binds v to p, not yet ready. */
void sched_bind(struct vcpu *v, struct pcpu *p);
/* v is off or parked. */
void sched_unbind(struct vcpu *v);
/* Makes v, which is off or parked, ready to run. */
void sched_start(struct vcpu *v);
/* Makes v ready to run if it sleeps, or if it waits for its cap and is to be parked. Any CPU. */
void sched_wake(struct vcpu *v);
/* v's VM may run on: makes v ready if it waits for its cap. */
void sched_uncap(struct vcpu *v);

/* For the loop of CPU p, which calls them. */
void sched_init_cpu(struct pcpu *p);
/* Takes the next vCPU, p's own or one that waits elsewhere; NULL: none. Limits its time where someone else waits. */
struct vcpu *sched_pick(struct pcpu *p, bool work_waits);
/* Nobody but p's running vCPU wants p, and nothing limits its turn: where it halts, it may wait on p. */
bool sched_is_alone(const struct pcpu *p);
/* p's running vCPU v begins such a wait, which does not count, and ends it. */
void sched_wait_begins(struct pcpu *p, struct vcpu *v);
void sched_wait_ends(struct pcpu *p);
/* CPU p, the calling one, has worked so long for v: v pays for it, and not the vCPU in whose turn that was. */
void sched_charge(struct pcpu *p, struct vcpu *v, uint64_t ns);
/* Decides where v, which p has run since sched_pick, goes: a queue, sleep, or out of the game. */
void sched_put(struct pcpu *p, struct vcpu *v, enum vcpu_leave why);
