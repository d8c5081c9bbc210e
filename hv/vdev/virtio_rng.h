/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtio entropy device: one queue of buffers to fill with random bytes, no configuration. Model: VIRTIO 1.2, "Entropy
 * Device".
 */
#pragma once

#include <stdbool.h>
#include "hv/lib/status.h"
#include "hv/timer.h"
#include "hv/vdev/virtio.h"

struct virtio_rng {
	struct virtio virtio;
	struct virtqueue queue;
	struct timer timer;
	bool resting; /* it has given enough at a time, and goes on when the timer says so */
};

/* ERR_UNSUPPORTED: the CPU has no source of random bytes. The transport is the owner's to add. */
enum status virtio_rng_init(struct virtio_rng *r, struct vm *vm);
void virtio_rng_reset(struct virtio_rng *r);
void virtio_rng_pause(struct virtio_rng *r);
void virtio_rng_resume(struct virtio_rng *r);
