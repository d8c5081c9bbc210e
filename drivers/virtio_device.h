/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio device of the machine behind PCI, as a driver of its type uses it: status, features, queues, configuration.
 * Model: VIRTIO 1.2, "Virtio Over PCI Bus", "General Initialization And Device Operation"; modern devices only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "drivers/pci.h"
#include "drivers/virtio_ring.h"
#include "hv/lib/status.h"

struct virtio_device {
	struct pci_device *pci;
	volatile char *common, *notify, *config; /* config: NULL where the device has none */
	uint32_t notify_size, config_size;       /* in bytes */
	uint32_t notify_multiplier;
	uint64_t features; /* agreed on */
};

/* A queue: its ring, and where the device is notified. */
struct virtio_queue {
	struct virtio_ring ring;
	uint16_t index;
	volatile char *doorbell;
	void *memory;
	uint16_t vector; /* which of the device's interrupts; VIRTIO_PCI_NO_VECTOR: it is polled */
};

/* Finds the device's registers and lets it master the bus. ERR_UNSUPPORTED: they are not all there, or out of place. */
enum status virtio_device_init(struct virtio_device *v, struct pci_device *pci);
/*
 * Resets it and agrees on those of `wanted` that it offers, with VIRTIO_F_VERSION_1: v->features. ERR_AGAIN: it needs more time
 * for the reset, call again; ERR_NOENT: it is gone from the bus; ERR_UNSUPPORTED: it doesn't accept. Waits for some
 * milliseconds at most. On an error it touches no memory but after ERR_AGAIN.
 */
enum status virtio_device_reset(struct virtio_device *v, uint64_t wanted);
/* Once it is ready: does it work? Not, where it says that it needs a reset, or nothing answers in its place. */
bool virtio_device_is_well(const struct virtio_device *v);
/* Was this feature agreed on? */
static inline bool virtio_device_has(const struct virtio_device *v, uint64_t feature)
{
	return v->features & feature;
}

/*
 * After virtio_device_reset: sets up queue q->index, with up to size_max entries, empty; q->vector is set. The first time memory is
 * allocated, later, with the same size_max, the same is used. ERR_NOENT: there is no such queue; ERR_NOMEM; ERR_IO: it doesn't
 * take it.
 */
enum status virtio_device_queue(struct virtio_device *v, struct virtio_queue *q, uint16_t size_max);
/* Gives back the queue's memory; the device has been reset or silenced. */
void virtio_queue_free(struct virtio_queue *q);
/* The device may begin. */
void virtio_device_ready(struct virtio_device *v);
/* Tells the device, if it wants to be told, that something was offered in q. */
void virtio_queue_notify(struct virtio_queue *q);

/* Fields of the device's configuration, by offset and their own width; 0 beyond its end. */
uint8_t virtio_config8(const struct virtio_device *v, uint32_t offset);
uint16_t virtio_config16(const struct virtio_device *v, uint32_t offset);
uint32_t virtio_config32(const struct virtio_device *v, uint32_t offset);
/* Both halves of one state of the device, or, where it changes all the time, of two. */
uint64_t virtio_config64(const struct virtio_device *v, uint32_t offset);
