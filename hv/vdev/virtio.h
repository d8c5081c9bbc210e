/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The core of a virtio device, below its type and above its transport: status, negotiation of features, queues, reset.
 * The device's lock guards it all: the transport takes it for what the driver does, the type when it is notified, and for what
 * completes later.
 *
 * A queue in which chains follow each other closely is watched: its driver is not asked for notifications, each of which is an
 * exit, but the queue is looked at when a vCPU halts, and by a timer. A driver that halts when it has nothing to do waits
 * no longer for that; one that goes on, VIRTIO_LOOK_NS at most, or longer where much goes through the queue: as long as
 * VIRTIO_LOOK_BYTES take, or a quarter of the queue, VIRTIO_LOOK_MAX_NS at most. Where nothing has come for VIRTIO_LOOKS of these
 * times, notifications are asked for again.
 * The VM's host address space must be loaded. Model: Virtual I/O Device (VIRTIO) 1.2, "Basic Facilities of a Virtio Device".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/lib/status.h"
#include "hv/lib/util.h"
#include "hv/timer.h"
#include "hv/vdev/vdev.h"
#include "hv/vdev/virtqueue.h"
#include "hv/x86/virtio.h"

struct virtio;

/* What makes a type of device. */
struct virtio_type {
	uint16_t id; /* VIRTIO 1.2, "Device Types" */
	/*
	 * The driver says that there is something in this queue, or perhaps there is: look. Without the device's lock, on several CPUs at
	 * a time perhaps; the device was running.
	 */
	void (*notified)(struct virtio *d, unsigned queue);
	/* Does a CPU serve this queue just now? With the device's lock held. NULL: never without that. */
	bool (*is_served)(struct virtio *d, unsigned queue);
	/*
	 * The driver resets the device: all work in flight is to be given up, and every chain that was taken to be given
	 * back, at once or later. Until then the driver sees the reset going on. No chain can be taken.
	 */
	void (*reset)(struct virtio *d);
	/* The same for one queue alone, while the others go on; reset does without it. NULL: chains come back by themselves. */
	void (*queue_reset)(struct virtio *d, unsigned queue);
	/* The driver writes its configuration, with the device's lock held. NULL: there is nothing that it may write. */
	void (*config_write)(struct virtio *d, uint32_t offset, unsigned size, uint64_t value);
};

/* The way from a device to its driver. */
struct virtio_transport {
	void (*used)(struct virtio_transport *t, unsigned queue);
	void (*config_changed)(struct virtio_transport *t);
	void (*reset)(struct virtio_transport *t); /* the device is as at power-on; so is this to be */
};

struct virtio {
	struct vdev dev;
	const struct virtio_type *type;
	struct virtio_transport *transport;
	struct virtqueue *queue;
	uint16_t queue_count;
	uint64_t offered, accepted; /* features: the device's and the driver's */
	uint8_t status;
	bool resetting;        /* the driver wrote 0 to status, and chains are still in flight */
	const uint8_t *config; /* device-specific configuration, which the driver may read */
	uint32_t config_size;  /* in bytes */
	bool config_unseen;    /* it has changed since the driver read of it */
	uint8_t generation;    /* of config, as the driver sees it */
	struct virtio *next;   /* of the VM's devices */
	uint32_t watched;      /* queues, by bits */
	bool look_armed;       /* the timer, or it will be when the VM goes on */
	uint64_t look_at_ns;   /* VM time, if it is */
	struct timer look;
};

#define VIRTIO_LOOK_NS      100000
#define VIRTIO_LOOK_MAX_NS  1000000
#define VIRTIO_LOOK_BYTES   KIB(320)
#define VIRTIO_STREAM_BYTES KIB(64) /* in VIRTIO_LOOK_MAX_NS: from here on it is much */
#define VIRTIO_LOOKS        3

/*
 * For types. Sets up d, beside dev, transport and config: `count` queues of `size_max` entries at `queue`; features are
 * the type's, to which the common ones are added.
 */
void virtio_init(struct virtio *d, const struct virtio_type *type, uint64_t features, struct virtqueue *queue,
		 uint16_t count, uint16_t size_max);
/* Was this feature negotiated? */
bool virtio_has(const struct virtio *d, uint64_t feature);
/* The device can't go on by what the driver did. */
void virtio_needs_reset(struct virtio *d);

/* "The device MUST NOT consume buffers or notify the driver before DRIVER_OK." */
static inline bool virtio_running(const struct virtio *d)
{
	return (d->status & (VIRTIO_DRIVER_OK | VIRTIO_DEVICE_NEEDS_RESET)) == VIRTIO_DRIVER_OK;
}

/*
 * As vq_take, where the device is running (else ERR_NOENT). What breaks the queue sets DEVICE_NEEDS_RESET, and no chain is
 * taken from any queue until the reset.
 */
static inline enum status virtio_take(struct virtio *d, unsigned queue, struct vq_chain *c)
{
	enum status s = virtio_running(d) ? vq_take(&d->queue[queue], c) : ERR_NOENT;

	if (s != OK && s != ERR_NOENT)
		virtio_needs_reset(d);
	return s;
}

/* As vq_take_buffer, where the device is running. NULL: virtio_take tells more. */
static inline void *virtio_take_buffer(struct virtio *d, unsigned queue, size_t n, uint16_t *head)
{
	return virtio_running(d) ? vq_take_buffer(&d->queue[queue], n, head) : NULL;
}

/* As vq_give. The driver is told by virtio_signal, once for many. The last chain in flight ends a reset, of the device or the queue. */
void virtio_give(struct virtio *d, unsigned queue, const struct vq_chain *c, uint32_t written);
/* As vq_give_all, and likewise. */
void virtio_give_all(struct virtio *d, unsigned queue, const struct vq_used_elem *chain, uint16_t n);
/* As vq_put_back. */
void virtio_put_back(struct virtio *d, unsigned queue, uint16_t n);
/* Notifies the driver of what was given back, if it wants to know. */
void virtio_signal(struct virtio *d, unsigned queue);
/* As vq_listen; the queue isn't watched any longer. */
bool virtio_listen(struct virtio *d, unsigned queue);
/* So many bytes have gone through the queue. */
static inline void virtio_count(struct virtio *d, unsigned queue, uint32_t bytes)
{
	d->queue[queue].bytes += bytes;
}

/* All was taken: as vq_listen, or the queue is watched, and then it returns false. */
bool virtio_wait(struct virtio *d, unsigned queue);
/* More is there than may be done at once: the queue is looked at again after so many nanoseconds, perhaps earlier. */
void virtio_rest(struct virtio *d, unsigned queue, uint64_t ns);
/* The bytes of config have changed. */
void virtio_config_changed(struct virtio *d);

/* The VM is reset. Takes the device's lock. */
void virtio_vm_reset(struct virtio *d);
/* Of those whose queues may be watched: the VM is paused, goes on. */
void virtio_pause(struct virtio *d);
void virtio_resume(struct virtio *d);

/* Looks at the queues of vm, or of one device, that are watched, with the VM's address space loaded. No lock held. */
void virtio_look(struct vm *vm);
void virtio_look_at(struct virtio *d);
/*
 * The same, before vm ends or d is reset, for what its driver has offered until now: another CPU that serves a queue just now is
 * waited for, but no longer than a guest may keep this one busy.
 */
void virtio_look_last(struct vm *vm);
void virtio_look_last_at(struct virtio *d);

/* For transports. The registers that all of them have; a queue that doesn't exist has size 0 and takes no writes. */
void virtio_reset(struct virtio *d);
uint8_t virtio_status(const struct virtio *d);
/* Bits are only ever added, each after the one that it builds on; 0 resets. */
void virtio_set_status(struct virtio *d, uint8_t status);
/* Features 32 * select to 32 * select + 31. */
uint32_t virtio_offered(const struct virtio *d, uint32_t select);
uint32_t virtio_accepted(const struct virtio *d, uint32_t select);
void virtio_accept(struct virtio *d, uint32_t select, uint32_t features);
/* NULL: there is none. */
struct virtqueue *virtio_queue(const struct virtio *d, uint32_t queue);
/* The queue whose size and addresses the driver may still set, or NULL. */
struct virtqueue *virtio_queue_to_set(const struct virtio *d, uint32_t queue);
void virtio_enable_queue(struct virtio *d, uint32_t queue);
/*
 * VIRTIO_F_RING_RESET: true, where that was negotiated. The driver hears no more of the queue, which is `resetting` until its
 * last chain is back, and then as at power-on.
 */
bool virtio_reset_queue(struct virtio *d, uint32_t queue);
/* Without the lock. */
void virtio_notified(struct virtio *d, uint32_t queue);
/* Bytes beyond the configuration's end are 0. size: 1, 2, 4 or 8. */
uint64_t virtio_config_read(struct virtio *d, uint32_t offset, unsigned size);
void virtio_config_write(struct virtio *d, uint32_t offset, unsigned size, uint64_t value);
