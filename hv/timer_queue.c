/* SPDX-License-Identifier: BSD-2-Clause */
/* A sorted list: a CPU has a few timers for each of its vCPUs. */
#include "hv/timer_queue.h"

void timer_queue_init(struct timer_queue *q)
{
	q->lock = (struct spinlock){0};
	list_init(&q->timers);
	q->running = NULL;
	q->programmed_ns = UINT64_MAX;
}

bool timer_queue_insert(struct timer_queue *q, struct timer *t, uint64_t deadline_ns)
{
	struct list *pos = q->timers.next;

	while (pos != &q->timers && list_entry(pos, struct timer, link)->deadline_ns <= deadline_ns)
		pos = pos->next;
	t->deadline_ns = deadline_ns;
	t->armed = true;
	list_insert_before(pos, &t->link);
	return q->timers.next == &t->link;
}

void timer_queue_remove(struct timer *t)
{
	list_remove(&t->link);
	t->armed = false;
}

struct timer *timer_queue_take_due(struct timer_queue *q, uint64_t now_ns)
{
	struct timer *t;

	q->running = NULL;
	if (list_empty(&q->timers))
		return NULL;
	t = list_entry(q->timers.next, struct timer, link);
	if (t->deadline_ns > now_ns)
		return NULL;
	timer_queue_remove(t);
	q->running = t;
	return t;
}

uint64_t timer_queue_next(const struct timer_queue *q)
{
	if (list_empty(&q->timers))
		return UINT64_MAX;
	return list_entry(q->timers.next, struct timer, link)->deadline_ns;
}
