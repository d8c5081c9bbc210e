/* SPDX-License-Identifier: BSD-2-Clause */
/* A small driver of virtio devices on PCI: virtio.h. */
#include "tests/guests/lib/virtio.h"

#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/pci.h"

#define VENDOR      0x1af4
#define DEVICE_BASE 0x1040
#define FEATURE_32  (1u << (32 - 32)) /* VIRTIO_F_VERSION_1, in the second word */
#define TRIES       1000
#define TRY_US      1000

bool virtio_find(struct virtio_dev *d, uint16_t type, unsigned n)
{
	*d = (struct virtio_dev){};
	if (!pci_find(VENDOR, DEVICE_BASE + type, n, &d->devfn))
		return false;
	pci_place(d->devfn);
	for (uint32_t i = 0, cap; (cap = pci_find_cap(d->devfn, PCI_CAP_ID_VENDOR, i)) != 0; i++) {
		volatile uint8_t *at =
		    pci_bar(d->devfn, pci_get(d->devfn, cap + 4, 1)) + pci_get(d->devfn, cap + 8, 4);

		switch (pci_get(d->devfn, cap + 3, 1)) {
		case 1:
			d->common = at;
			break;
		case 2:
			d->notify = at;
			d->notify_factor = pci_get(d->devfn, cap + 16, 4);
			break;
		case 3:
			d->isr = at;
			break;
		case 4:
			d->config = at;
			break;
		}
	}
	return d->common && d->notify && d->isr && d->config;
}

uint32_t virtio_get(const struct virtio_dev *d, unsigned reg, unsigned size)
{
	volatile uint8_t *p = d->common + reg;

	return size == 1 ? *p : size == 2 ? *(volatile uint16_t *)p : *(volatile uint32_t *)p;
}

void virtio_set(const struct virtio_dev *d, unsigned reg, unsigned size, uint64_t value)
{
	volatile uint8_t *p = d->common + reg;

	if (size == 1)
		*p = (uint8_t)value;
	else if (size == 2)
		*(volatile uint16_t *)p = (uint16_t)value;
	else
		*(volatile uint32_t *)p = (uint32_t)value;
	if (size == 8)
		*(volatile uint32_t *)(p + 4) = (uint32_t)(value >> 32);
}

uint8_t virtio_get_status(const struct virtio_dev *d)
{
	return (uint8_t)virtio_get(d, VIO_STATUS, 1);
}

bool virtio_do_reset(const struct virtio_dev *d)
{
	virtio_set(d, VIO_STATUS, 1, 0);
	for (unsigned i = 0; i < TRIES; i++) {
		if (!virtio_get_status(d))
			return true;
		guest_delay_us(TRY_US);
	}
	return false;
}

static uint32_t offered(const struct virtio_dev *d, uint32_t word)
{
	virtio_set(d, VIO_DEVICE_SELECT, 4, word);
	return virtio_get(d, VIO_DEVICE_FEATURE, 4);
}

static void accept(const struct virtio_dev *d, uint32_t word, uint32_t features)
{
	virtio_set(d, VIO_DRIVER_SELECT, 4, word);
	virtio_set(d, VIO_DRIVER_FEATURE, 4, features);
}

uint64_t virtio_negotiate(const struct virtio_dev *d, uint64_t features)
{
	uint32_t low, high;

	if (!virtio_do_reset(d))
		return 0;
	virtio_set(d, VIO_STATUS, 1, VIO_ACKNOWLEDGE | VIO_DRIVER);
	low = offered(d, 0) & (uint32_t)features;
	high = offered(d, 1) & ((uint32_t)(features >> 32) | FEATURE_32);
	accept(d, 0, low);
	accept(d, 1, high);
	virtio_set(d, VIO_STATUS, 1, VIO_ACKNOWLEDGE | VIO_DRIVER | VIO_FEATURES_OK);
	return virtio_get_status(d) & VIO_FEATURES_OK ? (uint64_t)high << 32 | low : 0;
}

bool virtio_queue_start(const struct virtio_dev *d, struct virtio_ring *r, uint16_t index, uint16_t size)
{
	*r = (struct virtio_ring){.size = size, .index = index};
	virtio_set(d, VIO_QUEUE_SELECT, 2, index);
	virtio_set(d, VIO_QUEUE_SIZE, 2, size);
	if (virtio_get(d, VIO_QUEUE_SIZE, 2) != size)
		return false;
	virtio_set(d, VIO_QUEUE_DESC, 8, (uintptr_t)r->desc);
	virtio_set(d, VIO_QUEUE_DRIVER, 8, (uintptr_t)&r->avail);
	virtio_set(d, VIO_QUEUE_DEVICE, 8, (uintptr_t)&r->used);
	virtio_set(d, VIO_QUEUE_ENABLE, 2, 1);
	return virtio_get(d, VIO_QUEUE_ENABLE, 2) == 1;
}

void virtio_driver_ok(const struct virtio_dev *d)
{
	virtio_set(d, VIO_STATUS, 1, VIO_ACKNOWLEDGE | VIO_DRIVER | VIO_FEATURES_OK | VIO_DRIVER_OK);
}

void virtio_offer(struct virtio_ring *r, uint16_t head)
{
	r->avail.ring[r->avail.idx % r->size] = head;
	__atomic_store_n(&r->avail.idx, r->avail.idx + 1, __ATOMIC_SEQ_CST);
}

void virtio_kick(const struct virtio_dev *d, const struct virtio_ring *r)
{
	*(volatile uint16_t *)(d->notify + r->index * d->notify_factor) = r->index;
}

volatile uint16_t *virtio_avail_event(struct virtio_ring *r)
{
	return (volatile uint16_t *)&r->used.elem[r->size].id;
}

volatile uint16_t *virtio_used_event(struct virtio_ring *r)
{
	return &r->avail.ring[r->size];
}

bool virtio_kick_wanted(struct virtio_ring *r)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return *virtio_avail_event(r) == (uint16_t)(r->avail.idx - 1);
}

bool virtio_take_used(struct virtio_ring *r, uint32_t *id, uint32_t *len)
{
	if (__atomic_load_n(&r->used.idx, __ATOMIC_ACQUIRE) == r->seen)
		return false;
	*id = r->used.elem[r->seen % r->size].id;
	*len = r->used.elem[r->seen % r->size].len;
	r->seen++;
	return true;
}

void virtio_ask_interrupt(struct virtio_ring *r, uint16_t n)
{
	*virtio_used_event(r) = r->seen + n - 1;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void virtio_set_vector(const struct virtio_dev *d, const struct virtio_ring *r, uint16_t vector)
{
	virtio_set(d, VIO_QUEUE_SELECT, 2, r->index);
	virtio_set(d, VIO_QUEUE_VECTOR, 2, vector);
}

bool virtio_wait(struct virtio_ring *r, uint32_t *id, uint32_t *len)
{
	for (unsigned i = 0; i < TRIES; i++) {
		if (virtio_take_used(r, id, len))
			return true;
		guest_delay_us(TRY_US);
	}
	return false;
}
