/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A disk for the guest, as a virtio block device with a queue for each vCPU. Chains are taken under the device's lock and go to
 * the disk without it. Model: VIRTIO 1.2, "Block Device".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/io/disk.h"
#include "hv/vdev/virtio.h"
#include "hv/vdev/virtio_function.h"
#include "hv/work.h"
#include "hv/x86/virtio_blk.h"

struct vm;

#define VIRTIO_BLK_QUEUES_MAX 8
#define VIRTIO_BLK_QUEUE_SIZE 128
#define VIRTIO_BLK_REQUESTS   128 /* under way at a time, of all queues */
#define VIRTIO_BLK_RUNS       32  /* pieces of memory of most requests; more are allocated */

struct virtio_blk;

struct virtio_blk_request {
	struct virtio_blk_request *next; /* of the free ones */
	struct virtio_blk *owner;
	struct disk_request disk;
	uint16_t queue, head;
	uint8_t *answer;  /* where the driver looks for the result, in the VM's host address space */
	uint32_t written; /* bytes of the chain, with that one */
	struct frame_run run[VIRTIO_BLK_RUNS];
	struct frame_run *more_runs; /* in their place, of RUNS_MAX; or NULL */
};

struct virtio_blk {
	struct virtio virtio;
	struct virtio_function function;
	struct virtqueue queue[VIRTIO_BLK_QUEUES_MAX];
	struct virtio_blk_config config;
	struct disk disk;
	struct work rest; /* serves the queues of `unserved` */

	/* Guarded by the device's lock. */
	uint32_t unserved; /* queues that perhaps have chains, which the work item will take */
	uint32_t serving;  /* queues that are being served */
	unsigned turn;     /* the queue that the work item served last */
	bool rest_queued;  /* the work item is to run, or runs; unserved is not 0 when it begins */
	uint32_t busy;     /* requests under way, and the work item */
	bool draining;     /* no chain is taken */
	struct vq_segment seg[VIRTIO_BLK_QUEUE_SIZE]; /* of the chain that is being taken */
	struct virtio_blk_request *free;
	struct virtio_blk_request request[VIRTIO_BLK_REQUESTS];
};

/* For vdev.c: all of the guest's disks. */
enum status virtio_blk_init(struct vm *vm);
void virtio_blk_reset(struct vm *vm);
bool virtio_blk_drain(struct vm *vm);
void virtio_blk_resume(struct vm *vm);
enum status virtio_blk_fini(struct vm *vm);
