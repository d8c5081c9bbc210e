/* SPDX-License-Identifier: BSD-2-Clause */
/* The driver's side of one split virtqueue: see virtio_ring.h. Indices of rings run on modulo 2^16. */
#include "drivers/virtio_ring.h"

#include "hv/lib/panic.h"
#include "hv/lib/string.h"

#define USED_ALIGN 4
#define SLOT_ALIGN 8

static size_t avail_offset(uint16_t size)
{
	return (size_t)size * VQ_DESC_SIZE;
}

static size_t used_offset(uint16_t size)
{
	/* Behind each ring there is room for the event index, which is not negotiated. */
	return ALIGN_UP(avail_offset(size) + sizeof(struct vq_avail) + (size + 1UL) * sizeof(uint16_t),
			USED_ALIGN);
}

static size_t slot_offset(uint16_t size)
{
	return ALIGN_UP(used_offset(size) + sizeof(struct vq_used) + size * sizeof(struct vq_used_elem) +
			    sizeof(uint16_t),
			SLOT_ALIGN);
}

size_t virtio_ring_bytes(uint16_t size)
{
	return slot_offset(size) + size * sizeof(struct virtio_ring_slot);
}

void virtio_ring_init(struct virtio_ring *r, uint16_t size, void *memory)
{
	char *base = memory;

	CHECK(size && size <= VIRTIO_RING_SIZE_MAX && IS_ALIGNED(size, size));
	memset(memory, 0, virtio_ring_bytes(size));
	*r = (struct virtio_ring){
	    .size = size,
	    .desc = memory,
	    .avail = (struct vq_avail *)(base + avail_offset(size)),
	    .used = (struct vq_used *)(base + used_offset(size)),
	    .slot = (struct virtio_ring_slot *)(base + slot_offset(size)),
	    .free_count = size,
	};
	for (unsigned i = 0; i < size; i++)
		r->slot[i].next = (uint16_t)(i + 1);
}

/* --- to the device --- */

void virtio_ring_begin(struct virtio_ring *r)
{
	r->head = r->free;
	r->pieces = 0;
	r->writable = 0;
}

void virtio_ring_piece(struct virtio_ring *r, uint64_t pa, uint32_t len, bool device_writes)
{
	uint16_t i = r->free;

	CHECK(r->free_count);
	r->free = r->slot[i].next;
	r->free_count--;
	if (r->pieces++)
		r->desc[r->last].flags |= VQ_DESC_NEXT;
	r->desc[i] = (struct vq_desc){
	    .addr = pa, .len = len, .flags = device_writes ? VQ_DESC_WRITE : 0, .next = r->free};
	r->last = i;
	r->writable += device_writes ? len : 0;
}

void virtio_ring_end(struct virtio_ring *r, void *token)
{
	struct virtio_ring_slot *s = &r->slot[r->head];

	CHECK(r->pieces && token);
	s->token = token;
	s->writable = r->writable;
	s->count = r->pieces;
	r->in_flight++;
	r->avail->ring[r->next_avail++ & (r->size - 1)] = r->head;
	/* The descriptors and the entry are written before the device sees that they are there. */
	__atomic_store_n(&r->avail->idx, r->next_avail, __ATOMIC_RELEASE);
}

bool virtio_ring_must_notify(const struct virtio_ring *r)
{
	/* The index goes out before the flag is read, else both sides may rest. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return !(__atomic_load_n(&r->used->flags, __ATOMIC_RELAXED) & VQ_USED_NO_NOTIFY);
}

/* --- from the device --- */

static enum status break_ring(struct virtio_ring *r)
{
	r->broken = true;
	return ERR_IO;
}

/* Gives the chain's descriptors back. Their links are this side's own. */
static void release(struct virtio_ring *r, uint16_t head)
{
	struct virtio_ring_slot *s = &r->slot[head];
	uint16_t last = head;

	for (uint16_t i = 1; i < s->count; i++)
		last = r->slot[last].next;
	r->slot[last].next = r->free;
	r->free = head;
	r->free_count += s->count;
	r->in_flight--;
	s->token = NULL;
}

enum status virtio_ring_take(struct virtio_ring *r, void **token, uint16_t *head, uint32_t *written)
{
	const volatile struct vq_used_elem *e = &r->used->ring[r->next_used & (r->size - 1)];
	uint16_t there = __atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE) - r->next_used;
	uint32_t id, len;

	if (r->broken)
		return ERR_IO;
	if (!there)
		return ERR_NOENT;
	id = e->id;
	len = e->len;
	if (there > r->in_flight || id >= r->size || !r->slot[id].token || len > r->slot[id].writable)
		return break_ring(r);
	*token = r->slot[id].token;
	*head = (uint16_t)id;
	*written = len;
	release(r, *head);
	r->next_used++;
	return OK;
}

bool virtio_ring_listen(struct virtio_ring *r, bool on)
{
	__atomic_store_n(&r->avail->flags, on ? 0 : VQ_AVAIL_NO_INTERRUPT, __ATOMIC_RELAXED);
	/* The wish goes out before the index is read, else both sides may rest. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return __atomic_load_n(&r->used->idx, __ATOMIC_RELAXED) != r->next_used;
}
