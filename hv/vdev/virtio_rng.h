/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtio entropy device: one queue of buffers to fill with random bytes, no configuration. Model: VIRTIO 1.2, "Entropy
 * Device".
 */
#pragma once

#include "hv/lib/status.h"
#include "hv/vdev/virtio.h"
#include "hv/vdev/virtio_function.h"

struct virtio_rng {
	struct virtio virtio;
	struct virtio_function function;
	struct virtqueue queue;
};

/* On vm's PCI bus, unless the CPU has no source of random bytes. */
enum status virtio_rng_init(struct vm *vm);
void virtio_rng_reset(struct vm *vm);
void virtio_rng_pause(struct vm *vm);
void virtio_rng_resume(struct vm *vm);
