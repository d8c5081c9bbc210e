/* SPDX-License-Identifier: BSD-2-Clause */
/* What the scheduler's files share: sched.c, sched_move.c. */
#pragma once

#include <stdbool.h>

struct pcpu;
struct vcpu;
struct vm;

/* sched.c; lock of the CPU held. */
/* v's home is no longer p, whose run queue it is not in. It keeps how far it is behind or ahead of the others. */
void sched_detach(struct pcpu *p, struct vcpu *v);
/* Puts v, detached and ready, into p's run queue. */
void sched_attach(struct pcpu *p, struct vcpu *v);

/* sched_move.c */
/* The CPU that v, asleep until now, is to run on: p, its home, whose lock is held, or one that has nothing to do. */
struct pcpu *sched_choose_cpu(struct pcpu *p, const struct vcpu *v);
/* Brings a vCPU (of vm; NULL: of any) that waits for another CPU to p's run queue. False: there is none. No lock. */
bool sched_pull(struct pcpu *p, const struct vm *vm);
/* A glance without locks: does a vCPU wait for a CPU other than p? Whoever comes later is offered. */
bool sched_others_wait(const struct pcpu *p);
/* Tells a CPU that has nothing to do that v waits for p. Lock held. */
void sched_offer(const struct pcpu *p, const struct vcpu *v);
