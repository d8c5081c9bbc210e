/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtio console, a guest's hvc0: one port, a queue for each direction, no configuration. The console multiplexer is
 * behind it, as behind the UART. Output is held back while the console's ring is full. Model: VIRTIO 1.2, "Console Device".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "hv/lib/status.h"
#include "hv/vdev/virtio.h"
#include "hv/vdev/virtio_function.h"

#define VIRTIO_CONSOLE_QUEUE 64

struct virtio_console {
	struct virtio virtio;
	struct virtio_function function;
	struct virtqueue queue[2];
	bool held;          /* the console has no room: it goes on when that says so */
	bool input_refused; /* virtio_console_input took less than it was given: say when there is room */
	bool sending;       /* `out` was taken, and is sent up to `sent` */
	struct vq_chain out;
	struct vq_segment segment[VIRTIO_CONSOLE_QUEUE];
	uint64_t sent;
};

/* On vm's PCI bus where the configuration says hvc0 = console. */
enum status virtio_console_init(struct vm *vm);
void virtio_console_reset(struct vm *vm);
void virtio_console_pause(struct vm *vm);
void virtio_console_resume(struct vm *vm);
/* As guest_console_input and guest_console_output_ready (hv/vdev/guest_console.h). */
size_t virtio_console_input(struct vm *vm, const uint8_t *bytes, size_t n);
void virtio_console_output_ready(struct vm *vm);
