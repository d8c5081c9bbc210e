/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A pair of NVMe queues: commands on their way out, completions on their way back. The controller is not trusted: what it
 * completes must be in flight, and be named with the very id that the command had. Knows nothing of what a command does.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "drivers/nvme_command.h"
#include "hv/lib/lock.h"
#include "hv/lib/status.h"

#define NVME_QUEUE_ENTRIES 64 /* at most: a page of commands; one entry always stays free */

struct nvme_slot {
	struct block_request *request; /* NULL: an administrative command */
	uint16_t id;                   /* the command's; differs each time that the slot is sent */
};

struct nvme_queue {
	struct spinlock lock; /* guards all the rest */
	uint16_t id;
	uint16_t entries;
	bool open; /* the controller has it; else commands are kept until it has */
	bool phase;
	uint16_t sq_tail, cq_head, sequence;
	struct nvme_command *sq;
	struct nvme_completion *cq;
	volatile uint32_t *sq_doorbell, *cq_doorbell;
	uint64_t busy; /* slots, by number */
	struct nvme_slot slot[NVME_QUEUE_ENTRIES];
	uint64_t *list; /* NVME_LIST_ENTRIES of each slot; NULL: the admin queue, whose commands need none */
	uint64_t stray; /* completions of what was not in flight */
};

/* The command in this slot is complete; status is without the phase. The slot is free again. */
typedef void (*nvme_done_fn)(void *arg, unsigned slot, uint16_t status, uint32_t result);

/*
 * Allocates a closed pair of at most NVME_QUEUE_ENTRIES. doorbells: of the device, `stride` bytes from one to the next. ERR_NOMEM.
 */
enum status nvme_queue_init(struct nvme_queue *q, uint16_t id, uint32_t entries, volatile void *doorbells,
			    uint32_t stride, bool lists);
void nvme_queue_free(struct nvme_queue *q);
/* Empty rings, as a controller demands that has just been given them; what is in flight stays so, but is not in the ring. */
void nvme_queue_rewind(struct nvme_queue *q);

/* A free slot. False: none. */
bool nvme_queue_claim(struct nvme_queue *q, struct block_request *r, unsigned *slot);
void nvme_queue_release(struct nvme_queue *q, unsigned slot);
uint64_t *nvme_queue_list(const struct nvme_queue *q, unsigned slot);
/* Hands a claimed slot's command to the controller. The queue is open. */
void nvme_queue_send(struct nvme_queue *q, unsigned slot, struct nvme_command *c);
/* Takes at most as many completions as the queue has entries, and says so to the controller. */
void nvme_queue_poll(struct nvme_queue *q, nvme_done_fn done, void *arg);
