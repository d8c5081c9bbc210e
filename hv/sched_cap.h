/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VM's `cap`: an upper limit of its CPU time, in percent of one CPU for all its vCPUs together. In each period it
 * may run so long; what it ran beyond is taken off the next one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/lib/lock.h"
#include "hv/timer.h"

struct vm;

struct sched_cap {
	struct spinlock lock; /* guards what follows */
	uint64_t period_ns;   /* host clock at which the present period began */
	int64_t budget_ns;    /* what is left of it; below 0: a debt */
	struct timer timer;   /* armed while a vCPU waits for the next period */
};

/* Before vm's vCPUs run for the first time. */
void sched_cap_init(struct vm *vm);
/* No vCPU runs: no timer will. */
void sched_cap_fini(struct vm *vm);
/* How long one of its vCPUs may run now, in ns; UINT64_MAX: there is no cap. */
uint64_t sched_cap_left(struct vm *vm);
void sched_cap_charge(struct vm *vm, uint64_t ran_ns);
/* A vCPU of vm waits for its cap: sched_uncap is called for it when there is time again. */
void sched_cap_wait(struct vm *vm);
