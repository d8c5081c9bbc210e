/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The driver's side of one split virtqueue: chains of buffers are offered to a device and come back. What the device writes
 * is only the used ring, and every element of it is checked; one that is wrong breaks the ring until it is set up again.
 * It knows nothing of transports. Its owner's lock guards it. Model: VIRTIO 1.2, "Split Virtqueues".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "hv/lib/status.h"
#include "hv/x86/virtio.h"

#define VIRTIO_RING_SIZE_MAX 32768

/* What this side knows of a descriptor; the device never sees it. */
struct virtio_ring_slot {
	void *token;       /* of the chain that begins here and is with the device; else NULL */
	uint32_t writable; /* bytes that the device may write into that chain */
	uint16_t count;    /* descriptors of that chain */
	uint16_t next;     /* in the chain, or in the list of free ones */
};

struct virtio_ring {
	uint16_t size;
	struct vq_desc *desc;
	struct vq_avail *avail;
	struct vq_used *used;
	struct virtio_ring_slot *slot;

	uint16_t free, free_count; /* descriptors: the first, and how many */
	uint16_t in_flight;        /* chains */
	uint16_t next_avail, next_used;
	bool broken;

	/* The chain that is being made. */
	uint16_t head, last, pieces;
	uint32_t writable;
};

/* Bytes of memory, contiguous for the device, that a ring of this size takes. */
size_t virtio_ring_bytes(uint16_t size);
/*
 * An empty ring. size: a power of 2, up to VIRTIO_RING_SIZE_MAX; memory is of virtio_ring_bytes(size), aligned to 16. The
 * device must not know of the memory, or have been reset: what was in flight is forgotten.
 */
void virtio_ring_init(struct virtio_ring *r, uint16_t size, void *memory);

/* How many descriptors are free: a chain takes one for each piece. */
static inline uint16_t virtio_ring_room(const struct virtio_ring *r)
{
	return r->free_count;
}

/* The number of the descriptor that the next piece gets, below size; it is no other's until its chain is back. */
static inline uint16_t virtio_ring_next(const struct virtio_ring *r)
{
	return r->free;
}

/*
 * A chain is made piece by piece, in the order of the device type's layout, those that the device reads first; there must be
 * room for it. End offers it to the device: token, not NULL, comes back with it. The device is not notified yet.
 */
void virtio_ring_begin(struct virtio_ring *r);
void virtio_ring_piece(struct virtio_ring *r, uint64_t pa, uint32_t len, bool device_writes);
void virtio_ring_end(struct virtio_ring *r, void *token);
/* Does the device want to be notified of what was offered? */
bool virtio_ring_must_notify(const struct virtio_ring *r);

/*
 * The next chain that the device is done with: its token, the number of its first descriptor, how many bytes were written, at
 * most those that it may write. ERR_NOENT: none at present; ERR_IO: the ring is broken.
 */
enum status virtio_ring_take(struct virtio_ring *r, void **token, uint16_t *head, uint32_t *written);
/* Whether the device is to interrupt. It may do so all the same. True: there is something to take already. */
bool virtio_ring_listen(struct virtio_ring *r, bool on);
