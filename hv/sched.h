/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which vCPU a physical CPU runs next, and the loop that every CPU lives in. A CPU's run queue is
 * sorted by virtual run time: the vCPU that has had the least goes first.
 */
#pragma once

#include <stdint.h>

struct pcpu;
struct vcpu;

/* How long a vCPU runs while another waits. */
#define SCHED_SLICE_NS 5000000ULL

/* The CPU of the set (bit i of cpus[i / 64]) with the fewest vCPUs bound to it; NULL: none is usable. */
struct pcpu *sched_place(const uint64_t *cpus);
/* Binds v to p, not yet ready. */
void sched_bind(struct vcpu *v, struct pcpu *p);
void sched_unbind(struct vcpu *v);
/* Makes v, which is halted, parked or off, ready to run. Any CPU. */
void sched_wake(struct vcpu *v);
