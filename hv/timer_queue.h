/* SPDX-License-Identifier: BSD-2-Clause */
/* One CPU's timers in the order of their deadlines. Pure: the caller holds the lock and knows the time. */
#pragma once

#include "hv/lib/lock.h"
#include "hv/timer.h"

struct timer_queue {
	struct spinlock lock;
	struct list timers;
	struct timer *running;  /* its function is being called on this queue's CPU */
	uint64_t programmed_ns; /* what the hardware timer is set to; UINT64_MAX: it is off */
};

void timer_queue_init(struct timer_queue *q);
/* Behind those with the same deadline. True: t is first now. */
bool timer_queue_insert(struct timer_queue *q, struct timer *t, uint64_t deadline_ns);
void timer_queue_remove(struct timer *t);
/* Takes the first timer out and marks it running, if it is due at now_ns; else NULL. */
struct timer *timer_queue_take_due(struct timer_queue *q, uint64_t now_ns);
/* UINT64_MAX: the queue is empty. */
uint64_t timer_queue_next(const struct timer_queue *q);
