/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The device's side of one split virtqueue: setup, taking chains, giving them back, and when to notify. It knows nothing
 * of devices and transports. The VM's host address space must be loaded, and the device's lock guards it. Everything that
 * the guest wrote is checked; what breaks the rules breaks the queue until it is reset, and nothing else. Model: Virtual
 * I/O Device (VIRTIO) 1.2, "Split Virtqueues".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/lib/status.h"
#include "hv/lib/types.h"
#include "hv/vdev/vq_chain.h"
#include "hv/x86/virtio.h"
#include "mm/gpa.h"

#define VQ_SIZE_LIMIT 32768 /* 16-bit indices must tell full from empty */

struct virtqueue {
	/* As the driver sets them while the queue is not enabled. */
	uint16_t size; /* a power of 2, up to size_max */
	uint16_t size_max;
	gpa_t desc, driver, device; /* descriptor table, available ring, used ring */

	bool enabled;
	bool resetting;           /* by itself, with chains in flight: not enabled, and can't be set up yet */
	bool event_idx, indirect; /* negotiated: VIRTIO_F_EVENT_IDX, VIRTIO_F_INDIRECT_DESC */
	enum status broken;       /* OK, or what the guest's rings were found to be */
	uint16_t next_avail;      /* entries of the available ring taken so far */
	uint16_t seen;            /* entries after them that are known to be there; 0 if stopped or broken */
	uint16_t next_used;       /* chains given back so far */
	uint16_t signalled;       /* next_used when a notification was last decided on */
	uint16_t waited;          /* virtio.c's: next_avail when virtio_wait was last called, */
	uint64_t moved_ns;        /* and when it last was another one than before; */
	uint64_t bytes, since_ns; /* what has gone through the queue since then, */
	uint16_t since_avail;     /* next_avail of then; */
	uint64_t look_ns;         /* and how long it is left alone while it is watched */
	const struct gmem *mem;
	const void *table; /* these three in the VM's host address space, while enabled */
	struct vq_avail *avail;
	struct vq_used *used;
};

/* size_max: a power of 2, up to VQ_SIZE_LIMIT. Not enabled, nothing in flight. */
void vq_init(struct virtqueue *q, const struct gmem *mem, uint16_t size_max);
/* Is this a size that a driver may choose? */
bool vq_size_valid(const struct virtqueue *q, uint32_t size);
/*
 * Enables it with the size and addresses set. ERR_INVAL: one is not aligned; ERR_RANGE: not all of a ring is RAM; it is
 * then not enabled.
 */
enum status vq_enable(struct virtqueue *q, bool event_idx, bool indirect);
/* No chain is taken and nothing written to the rings any more. True: none is in flight, vq_init may follow. */
bool vq_stop(struct virtqueue *q);
/* Chains taken and not yet given back. */
uint16_t vq_in_flight(const struct virtqueue *q);

/*
 * Takes the next chain. ERR_NOENT: there is none, or the queue is not enabled. ERR_INVAL, ERR_RANGE: the queue is broken,
 * by what stands in the ring or the chain; it stays so.
 */
enum status vq_take(struct virtqueue *q, struct vq_chain *c);

static inline uint16_t vq_load(const uint16_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

/* Of the chain that is taken next. */
static inline uint16_t vq_next_head(const struct virtqueue *q)
{
	return vq_load(&q->avail->ring[q->next_avail & (q->size - 1)]);
}

/*
 * Takes the next chain, if that is known to be there and one buffer for at least n > 0 bytes, as nearly all for packets are.
 * Returns where, in the VM's host address space; NULL: no chain was taken, vq_take tells more. In line.
 */
static inline void *vq_take_buffer(struct virtqueue *q, size_t n, uint16_t *head)
{
	struct vq_desc d;

	if (!q->seen)
		return NULL;
	*head = vq_next_head(q);
	if (*head >= q->size)
		return NULL;
	d = vq_desc_fetch(q->table, *head);
	if (d.flags != VQ_DESC_WRITE || d.len < n || !gpa_is_main_ram(q->mem, gpa(d.addr), d.len))
		return NULL;
	q->seen--;
	q->next_avail++;
	return q->mem->base + d.addr;
}

/* In line: is there anything to take? False: vq_take has nothing, or the queue is not enabled. */
static inline bool vq_waits(const struct virtqueue *q)
{
	return q->enabled && __atomic_load_n(&q->avail->idx, __ATOMIC_RELAXED) != q->next_avail;
}

/*
 * Gives back a chain that was taken, in any order; at least `written` bytes from the first writable segment's begin on
 * have been written. On a stopped queue the driver learns nothing of it. Each chain once, else it panics.
 */
void vq_give(struct virtqueue *q, uint16_t head, uint32_t written);
/* The same for n chains, which the driver sees all at once; id is the head, len the bytes written. */
void vq_give_all(struct virtqueue *q, const struct vq_used_elem *chain, uint16_t n);
/* The n chains taken last, which were not used, are taken anew by the next calls of vq_take. */
void vq_put_back(struct virtqueue *q, uint16_t n);
/*
 * Must the driver be notified of what was given back since the last call? Forgets it. At most 65535 chains may be given
 * between two calls.
 */
bool vq_must_signal(struct virtqueue *q);
/*
 * Asks the driver for a notification with the next chain. True: there is one already, about which none may come; take it.
 * Needed whenever the device has taken all: with VIRTIO_F_EVENT_IDX each request is for one notification.
 */
bool vq_listen(struct virtqueue *q);
/* Notifications are not needed, while the device looks by itself. Some may come yet. */
void vq_mute(struct virtqueue *q);
