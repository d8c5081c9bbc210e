/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtio balloon: the guest gives pages of its memory to Ingot, which gives their frames to others. How much it is asked for
 * is the operator's matter. What becomes of the pages: hv/vm_absent.h. Model: VIRTIO 1.2, "Traditional Memory Balloon Device".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/lib/status.h"
#include "hv/timer.h"
#include "hv/vdev/virtio.h"
#include "hv/vdev/virtio_function.h"

#define VIRTIO_BALLOON_QUEUES  3
#define VIRTIO_BALLOON_ENTRIES 64 /* of each */

/* Tags of what the guest says of its memory: "Memory Statistics Tags". Pages and events are counts, all others bytes. */
enum virtio_balloon_stat {
	BALLOON_SWAP_IN,
	BALLOON_SWAP_OUT,
	BALLOON_MAJOR_FAULTS,
	BALLOON_MINOR_FAULTS,
	BALLOON_FREE,
	BALLOON_TOTAL,
	BALLOON_AVAILABLE,
	BALLOON_CACHES,
	BALLOON_HUGE_ALLOCATED,
	BALLOON_HUGE_FAILED,
	BALLOON_STATS,
};

/* "Device configuration layout", without what belongs to features that are not offered. */
struct virtio_balloon_config {
	uint32_t num_pages; /* of 4 KiB, that it is to give away */
	uint32_t actual;    /* that it says it has; the driver's */
};

struct virtio_balloon {
	struct virtio virtio;
	struct virtio_function function;
	struct virtqueue queue[VIRTIO_BALLOON_QUEUES];
	struct virtio_balloon_config config;
	bool config_changed; /* while the VM stood still: the driver is still to be told */

	/* Pages that are being taken, over several steps; the chain is given back when all are. */
	bool taking;
	uint64_t taken; /* bytes of its array of page numbers */
	struct vq_chain chain;
	struct vq_segment segment[VIRTIO_BALLOON_ENTRIES];

	/* The driver's buffer of statistics is kept, and given back to ask for new ones. */
	bool stats_held;
	uint16_t stats_head;
	struct timer stats_timer;
	uint64_t stats_due_ns; /* guest time: when the next is asked for, or looked for */
	uint32_t stats_known;  /* bits of enum virtio_balloon_stat */
	uint64_t stats[BALLOON_STATS];
};

/* On vm's PCI bus where the configuration says balloon = yes. */
enum status virtio_balloon_init(struct vm *vm);
void virtio_balloon_reset(struct vm *vm);
void virtio_balloon_pause(struct vm *vm);
void virtio_balloon_resume(struct vm *vm);
/* Takes some of the pages that were given: see vdevs_rest_step. */
enum status virtio_balloon_rest_step(struct vm *vm);
/* Asks vm, which has the device and was built, to make do with that many bytes: whole pages, at most its memory. */
void virtio_balloon_set_target(struct vm *vm, uint64_t bytes);
/* What it was asked for. */
uint64_t virtio_balloon_target(const struct vm *vm);
/* The bytes that it has less than that. */
uint64_t virtio_balloon_owed(const struct vm *vm);
