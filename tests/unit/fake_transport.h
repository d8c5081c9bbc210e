/* SPDX-License-Identifier: BSD-2-Clause */
/* The transport of a virtio device in unit tests of its type: it counts what the driver is told. */
#pragma once

#include "support.h"
#include <string.h>
#include "hv/vdev/virtio.h"

#define FAKE_TRANSPORT_QUEUES 32

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
