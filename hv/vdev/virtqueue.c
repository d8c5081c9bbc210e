/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rings of a split virtqueue. Both sides write while the other reads, so every access to them is one atomic load or
 * store; what is read is a number that is checked, never an address. Model: VIRTIO 1.2, "Split Virtqueues".
 */
#include "hv/vdev/virtqueue.h"

#include "hv/lib/panic.h"
#include "hv/lib/util.h"

#define AVAIL_SIZE(entries) (6 + 2 * (entries)) /* with the event fields, negotiated or not */
#define USED_SIZE(entries)  (6 + 8 * (entries))
#define DESC_ALIGN          16
#define AVAIL_ALIGN         2
#define USED_ALIGN          4

void vq_init(struct virtqueue *q, const struct gmem *mem, uint16_t size_max)
{
	*q = (struct virtqueue){.mem = mem, .size = size_max, .size_max = size_max};
}

bool vq_size_valid(const struct virtqueue *q, uint32_t size)
{
	return size && size <= q->size_max && !(size & (size - 1));
}

enum status vq_enable(struct virtqueue *q, bool event_idx, bool indirect)
{
	if (!IS_ALIGNED(q->desc.v, DESC_ALIGN) || !IS_ALIGNED(q->driver.v, AVAIL_ALIGN) ||
	    !IS_ALIGNED(q->device.v, USED_ALIGN))
		return ERR_INVAL;
	q->table = gpa_range(q->mem, q->desc, VQ_DESC_SIZE * (size_t)q->size, true);
	q->avail = gpa_range(q->mem, q->driver, AVAIL_SIZE((size_t)q->size), true);
	q->used = gpa_range(q->mem, q->device, USED_SIZE((size_t)q->size), true);
	if (!q->table || !q->avail || !q->used)
		return ERR_RANGE;
	q->event_idx = event_idx;
	q->indirect = indirect;
	q->enabled = true;
	return OK;
}

bool vq_stop(struct virtqueue *q)
{
	q->enabled = false;
	q->seen = 0;
	return !vq_in_flight(q);
}

uint16_t vq_in_flight(const struct virtqueue *q)
{
	return q->next_avail - q->next_used;
}

static void store(uint16_t *p, uint16_t value)
{
	__atomic_store_n(p, value, __ATOMIC_RELAXED);
}

static uint16_t *avail_event(const struct virtqueue *q)
{
	return (uint16_t *)&q->used->ring[q->size];
}

/* Looks what the driver has offered since it was last looked at. OK: something. */
[[gnu::noinline]] static enum status look(struct virtqueue *q)
{
	uint16_t waiting;

	if (!q->enabled)
		return ERR_NOENT;
	if (q->broken != OK)
		return q->broken;
	/* The descriptors and the ring's entries were written before idx: acquire. */
	waiting = __atomic_load_n(&q->avail->idx, __ATOMIC_ACQUIRE) - q->next_avail;
	if (!waiting)
		return ERR_NOENT;
	/* A chain has a descriptor of its own until it is given back: idx can't be further ahead, nor go back. */
	if (waiting > q->size - vq_in_flight(q))
		return q->broken = ERR_INVAL;
	q->seen = waiting;
	return OK;
}

enum status vq_take(struct virtqueue *q, struct vq_chain *c)
{
	enum status s = q->seen ? OK : look(q);
	uint16_t head;

	if (s != OK)
		return s;
	head = vq_next_head(q);
	s = head < q->size ? vq_chain_walk(c, q->mem, q->table, q->size, head, q->indirect) : ERR_INVAL;
	if (s != OK) {
		q->seen = 0;
		return q->broken = s;
	}
	q->seen--;
	q->next_avail++;
	return OK;
}

void vq_give_all(struct virtqueue *q, const struct vq_used_elem *chain, uint16_t n)
{
	struct vq_used *used = q->used;
	uint16_t at = q->next_used, mask = q->size - 1;

	CHECK(vq_in_flight(q) >= n);
	q->next_used += n;
	if (!q->enabled)
		return;
	for (const struct vq_used_elem *end = chain + n; chain != end; chain++, at++) {
		struct vq_used_elem *e = &used->ring[at & mask];

		__atomic_store_n(&e->id, chain->id, __ATOMIC_RELAXED);
		__atomic_store_n(&e->len, chain->len, __ATOMIC_RELAXED);
	}
	/* Data and entries are there before idx says so: release. */
	__atomic_store_n(&used->idx, at, __ATOMIC_RELEASE);
}

void vq_give(struct virtqueue *q, uint16_t head, uint32_t written)
{
	struct vq_used_elem chain = {.id = head, .len = written};

	vq_give_all(q, &chain, 1);
}

void vq_put_back(struct virtqueue *q, uint16_t n)
{
	CHECK(vq_in_flight(q) >= n);
	q->next_avail -= n;
	q->seen = 0;
}

/* Is `event` one of the indices from `old` on that came before `now`? */
static bool passed(uint16_t event, uint16_t old, uint16_t now)
{
	return (uint16_t)(now - event - 1) < (uint16_t)(now - old);
}

bool vq_must_signal(struct virtqueue *q)
{
	uint16_t old = q->signalled;

	if (!q->enabled || old == q->next_used)
		return false;
	q->signalled = q->next_used;
	/* The driver allows notifications and then looks at used->idx: idx must be seen before that is read. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (q->event_idx)
		return passed(vq_load(&q->avail->ring[q->size]), old, q->next_used);
	return !(vq_load(&q->avail->flags) & VQ_AVAIL_NO_INTERRUPT);
}

bool vq_listen(struct virtqueue *q)
{
	if (!q->enabled || q->broken != OK)
		return false;
	if (q->event_idx)
		store(avail_event(q), q->next_avail);
	else
		store(&q->used->flags, 0);
	/* The driver writes avail->idx and then reads what was just stored: it must be seen before idx is read. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return vq_load(&q->avail->idx) != q->next_avail;
}

void vq_mute(struct virtqueue *q)
{
	/* With VIRTIO_F_EVENT_IDX flags stays 0, and an avail_event that lies behind has the same effect. */
	if (q->enabled && !q->event_idx)
		store(&q->used->flags, VQ_USED_NO_NOTIFY);
}
