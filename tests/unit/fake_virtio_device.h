/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio device of the machine for unit tests of drivers, in place of drivers/virtio_device.c: the test looks at what was
 * offered and answers, rightly or wrongly. Memory is where its physical address says.
 */
#pragma once

#include "support.h"

#include <stdlib.h>
#include <string.h>
#include "drivers/virtio_device.h"
#include "mm/host_map.h"
#include "mm/page_alloc.h"

#define FAKE_QUEUES      8
#define FAKE_ALLOCATIONS 64

static struct {
	uint64_t offered;
	uint8_t config[256];
	uint16_t queue_size, queues;
	enum status reset_status; /* of the next reset */
	bool ready, master, needs_reset;
	unsigned resets, notified[FAKE_QUEUES], allocations;
	void *allocated[FAKE_ALLOCATIONS];
	struct virtio_queue *queue[FAKE_QUEUES];
	uint16_t seen[FAKE_QUEUES]; /* of the available ring */
	uint16_t irqs;              /* that can be connected */
	struct {
		irq_fn fn;
		void *arg;
		uint32_t cpu;
	} irq[FAKE_QUEUES];
	void (*on_notify)(struct virtio_queue *q); /* the device acts at once */
} fake;

enum status virtio_device_init(struct virtio_device *v, struct pci_device *pci)
{
	*v = (struct virtio_device){.pci = pci};
	return OK;
}

enum status virtio_device_reset(struct virtio_device *v, uint64_t wanted)
{
	fake.resets++;
	fake.ready = false;
	memset(fake.queue, 0, sizeof(fake.queue));
	v->features = fake.offered & (wanted | VIRTIO_F_VERSION_1);
	return fake.reset_status;
}

enum status virtio_device_queue(struct virtio_device *v, struct virtio_queue *q, uint16_t size_max)
{
	uint16_t size = MIN(fake.queue_size, size_max);

	if (q->index >= fake.queues)
		return ERR_NOENT;
	if (!q->memory)
		q->memory = page_alloc_bytes(virtio_ring_bytes(size));
	virtio_ring_init(&q->ring, size, q->memory);
	fake.queue[q->index] = q;
	fake.seen[q->index] = 0;
	return OK;
}

void virtio_queue_free(struct virtio_queue *q)
{
	if (q->memory)
		page_free_bytes(q->memory, 0);
	q->memory = NULL;
}

void virtio_device_ready(struct virtio_device *v)
{
	fake.ready = true;
}

bool virtio_device_is_well(const struct virtio_device *v)
{
	return fake.ready && !fake.needs_reset;
}

void virtio_queue_notify(struct virtio_queue *q)
{
	assert_true(fake.ready);
	fake.notified[q->index]++;
	if (fake.on_notify)
		fake.on_notify(q);
}

uint8_t virtio_config8(const struct virtio_device *v, uint32_t offset)
{
	return fake.config[offset];
}

uint16_t virtio_config16(const struct virtio_device *v, uint32_t offset)
{
	uint16_t value;

	memcpy(&value, fake.config + offset, sizeof(value));
	return value;
}

uint32_t virtio_config32(const struct virtio_device *v, uint32_t offset)
{
	uint32_t value;

	memcpy(&value, fake.config + offset, sizeof(value));
	return value;
}

uint64_t virtio_config64(const struct virtio_device *v, uint32_t offset)
{
	uint64_t value;

	memcpy(&value, fake.config + offset, sizeof(value));
	return value;
}

void pci_enable(const struct pci_device *d, bool master)
{
	fake.master = master;
}

enum status pci_irq_connect(struct pci_device *d, unsigned n, uint32_t cpu, irq_fn fn, void *arg)
{
	if (n >= fake.irqs)
		return ERR_RANGE;
	fake.irq[n].fn = fn;
	fake.irq[n].arg = arg;
	fake.irq[n].cpu = cpu;
	return OK;
}

void *page_alloc_bytes(size_t bytes)
{
	void *p = memset(aligned_alloc(PAGE_SIZE, ALIGN_UP(bytes, PAGE_SIZE)), 0, bytes);

	assert_true(fake.allocations < FAKE_ALLOCATIONS);
	fake.allocated[fake.allocations++] = p;
	return p;
}

void page_free_bytes(void *p, size_t bytes)
{
	unsigned i = 0;

	while (i < fake.allocations && fake.allocated[i] != p)
		i++;
	assert_true(i < fake.allocations);
	fake.allocated[i] = fake.allocated[--fake.allocations];
	free(p);
}

/* A driver keeps what it has until the machine ends. */
static inline void fake_free_all(void)
{
	while (fake.allocations)
		page_free_bytes(fake.allocated[0], 0);
}

hpa_t host_pa(const void *p)
{
	return hpa((uint64_t)p);
}

void delay_us(uint32_t us)
{
}

/* The next chain that was offered in queue n: its first descriptor. */
static inline uint16_t fake_take(unsigned n)
{
	struct virtio_ring *r = &fake.queue[n]->ring;

	assert_int_not_equal(fake.seen[n], r->avail->idx);
	return r->avail->ring[fake.seen[n]++ % r->size];
}

static inline bool fake_has(unsigned n)
{
	return fake.seen[n] != fake.queue[n]->ring.avail->idx;
}

/* Descriptor n of a chain. */
static inline struct vq_desc *fake_desc(unsigned queue, uint16_t head, unsigned n)
{
	struct vq_desc *d = &fake.queue[queue]->ring.desc[head];

	while (n--) {
		assert_true(d->flags & VQ_DESC_NEXT);
		d = &fake.queue[queue]->ring.desc[d->next];
	}
	return d;
}

static inline void *fake_data(const struct vq_desc *d)
{
	return (void *)d->addr;
}

static inline void fake_answer(unsigned n, uint32_t id, uint32_t written)
{
	struct virtio_ring *r = &fake.queue[n]->ring;

	r->used->ring[r->used->idx % r->size] = (struct vq_used_elem){id, written};
	r->used->idx++;
}
