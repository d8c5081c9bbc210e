/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The driver's side of virtio devices on PCI, for tiny guests: finding them, placing their BARs, negotiation, split queues
 * polled. Whatever goes into rings and descriptors is the guest's own, rules or not. Model: VIRTIO 1.2.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define VIRTIO_ENTRIES 256 /* of each queue: the most */
#define VIO_EVENT_IDX  (1ULL << 29)

enum { DESC_NEXT = 1, DESC_WRITE = 2, DESC_INDIRECT = 4 };

struct virtio_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

struct virtio_ring {
	struct virtio_desc desc[VIRTIO_ENTRIES] __attribute__((aligned(16)));
	struct {
		uint16_t flags, idx, ring[VIRTIO_ENTRIES + 1]; /* behind the last entry: used_event */
	} avail __attribute__((aligned(2)));
	struct {
		uint16_t flags, idx;
		struct {
			uint32_t id, len;
		} elem[VIRTIO_ENTRIES + 1]; /* behind the last entry: avail_event */
	} used __attribute__((aligned(4)));
	uint16_t size, index, seen; /* entries; this queue's number; used.idx as far as it was looked at */
};

struct virtio_dev {
	uint32_t devfn;
	volatile uint8_t *common, *notify, *isr, *config;
	uint32_t notify_factor;
};

/* Registers of the common structure. */
enum {
	VIO_DEVICE_SELECT = 0x00,
	VIO_DEVICE_FEATURE = 0x04,
	VIO_DRIVER_SELECT = 0x08,
	VIO_DRIVER_FEATURE = 0x0c,
	VIO_CONFIG_VECTOR = 0x10,
	VIO_NUM_QUEUES = 0x12,
	VIO_STATUS = 0x14,
	VIO_QUEUE_SELECT = 0x16,
	VIO_QUEUE_SIZE = 0x18,
	VIO_QUEUE_VECTOR = 0x1a,
	VIO_QUEUE_ENABLE = 0x1c,
	VIO_QUEUE_NOTIFY_OFF = 0x1e,
	VIO_QUEUE_DESC = 0x20,
	VIO_QUEUE_DRIVER = 0x28,
	VIO_QUEUE_DEVICE = 0x30,
	VIO_QUEUE_RESET = 0x3a,
};

enum { VIO_ACKNOWLEDGE = 1, VIO_DRIVER = 2, VIO_DRIVER_OK = 4, VIO_FEATURES_OK = 8, VIO_NEEDS_RESET = 0x40 };

/* The n-th (from 0) device of this virtio type; false: there is none. Enables it, with BARs at places of its own. */
bool virtio_find(struct virtio_dev *d, uint16_t type, unsigned n);
uint32_t virtio_get(const struct virtio_dev *d, unsigned reg, unsigned size);
void virtio_set(const struct virtio_dev *d, unsigned reg, unsigned size, uint64_t value);
uint8_t virtio_get_status(const struct virtio_dev *d);
/* Waits for the end of a reset, a second at most; false: it went on. */
bool virtio_do_reset(const struct virtio_dev *d);
/* Resets, and accepts those of `features` that are offered and VERSION_1. What was accepted; 0: the device refused. */
uint64_t virtio_negotiate(const struct virtio_dev *d, uint64_t features);
/* Clears r and gives it to the device as its queue `index`. False: there is no such queue, or it refused. */
bool virtio_queue_start(const struct virtio_dev *d, struct virtio_ring *r, uint16_t index, uint16_t size);
void virtio_driver_ok(const struct virtio_dev *d);
/* Puts descriptor `head` into the available ring; virtio_kick tells the device. */
void virtio_offer(struct virtio_ring *r, uint16_t head);
void virtio_kick(const struct virtio_dev *d, const struct virtio_ring *r);
/* With VIRTIO_F_EVENT_IDX: has the device asked to be told of the chain offered last? */
bool virtio_kick_wanted(struct virtio_ring *r);
/* With VIRTIO_F_EVENT_IDX: how far the available ring must come for the device to be told, and the used ring for the driver. */
volatile uint16_t *virtio_avail_event(struct virtio_ring *r);
volatile uint16_t *virtio_used_event(struct virtio_ring *r);
/* The next element of the used ring, if there is one. */
bool virtio_take_used(struct virtio_ring *r, uint32_t *id, uint32_t *len);
/* With VIRTIO_F_EVENT_IDX: asks for an interrupt when n more chains have been used, n from 1 on. 0: for none. */
void virtio_ask_interrupt(struct virtio_ring *r, uint16_t n);
/* The queue's interrupts are message `vector` of MSI-X. */
void virtio_set_vector(const struct virtio_dev *d, const struct virtio_ring *r, uint16_t vector);
/* The next element of the used ring, waited for a second at most; false: none came. */
bool virtio_wait(struct virtio_ring *r, uint32_t *id, uint32_t *len);
