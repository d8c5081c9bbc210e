/* SPDX-License-Identifier: BSD-2-Clause */
/* The transport of a virtio device in unit tests of its type: it counts what the driver is told. */
#pragma once

#include "support.h"
#include <string.h>
#include "hv/vdev/virtio.h"

#define FAKE_TRANSPORT_QUEUES 32
#define RUNS                  (VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK | VIRTIO_DRIVER_OK)

static unsigned used_calls[FAKE_TRANSPORT_QUEUES]; /* by queue */
static unsigned config_calls, transport_resets;

static inline void on_used(struct virtio_transport *t, unsigned queue)
{
	used_calls[queue]++;
}

static inline void on_config(struct virtio_transport *t)
{
	config_calls++;
}

static inline void on_reset(struct virtio_transport *t)
{
	transport_resets++;
}

static struct virtio_transport transport = {on_used, on_config, on_reset};

static inline void forget_calls(void)
{
	memset(used_calls, 0, sizeof(used_calls));
	config_calls = transport_resets = 0;
}

/* As a driver does it: the descriptors of queue i are at `at` + i * `apart`, the available ring a page behind, the used ring two. */
static inline void set_up_queues(struct virtio *d, unsigned count, uint16_t size, uint64_t at, uint64_t apart)
{
	for (unsigned i = 0; i < count; i++, at += apart) {
		struct virtqueue *q = virtio_queue(d, i);

		q->size = size;
		q->desc = gpa(at);
		q->driver = gpa(at + PAGE_SIZE);
		q->device = gpa(at + 2 * PAGE_SIZE);
		virtio_enable_queue(d, i);
	}
}
