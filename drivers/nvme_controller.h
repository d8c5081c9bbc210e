/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An NVMe controller as a whole: stopping and starting it, its administrative commands, creating its queues. Everything that
 * takes time goes in steps, so that a reset never holds a CPU. What the queues carry is drivers/nvme.c's matter.
 */
#pragma once

#include <stdint.h>
#include "drivers/nvme_queue.h"
#include "hv/lib/status.h"

#define NVME_QUEUES_MAX 64 /* of a controller, for I/O */

enum nvme_stage {
	NVME_UNKNOWN,  /* as firmware left it, or as it failed */
	NVME_SETTLING, /* is being enabled: may not be disabled before it is ready */
	NVME_STOPPING,
	NVME_STARTING,
	NVME_ADMIN, /* takes administrative commands */
	NVME_UP,    /* has its queues */
};

struct nvme_controller {
	volatile uint8_t *regs;
	uint64_t regs_size, cap;
	enum nvme_stage stage;
	uint64_t due_ns; /* when the stage, or the command, must have ended */
	uint64_t end_ns; /* when it must be up again */
	struct nvme_queue admin;
	bool admin_waits; /* a command is under way; else the last one's outcome is below */
	uint16_t admin_status;
	uint32_t admin_result;
	struct nvme_queue *queue; /* ids 1 to queues; closed while the controller is not up */
	uint16_t queues;
	uint16_t created; /* how many of the commands that create them are done */
	bool interrupts;  /* each queue raises the one of its id */
};

/* NULL, or why this controller can't be used: a text for the operator. regs: the registers and the doorbells behind them. */
const char *nvme_controller_init(struct nvme_controller *c, volatile void *regs, uint64_t regs_size);
/* The controller is stopped, or can't reach memory. */
void nvme_controller_free(struct nvme_controller *c);
/* How many queues have a doorbell. */
uint32_t nvme_controller_doorbells(const struct nvme_controller *c);

/* Whatever it does: the next advance begins with stopping it. All queues are closed. */
void nvme_controller_stop(struct nvme_controller *c);
/*
 * Goes on towards NVME_ADMIN or NVME_UP, for some milliseconds at most. ERR_AGAIN: not there yet, call again. ERR_NOENT: there
 * is no device any more; ERR_TIMEOUT, ERR_IO: it failed. It may still use memory then.
 */
enum status nvme_controller_advance(struct nvme_controller *c, enum nvme_stage stage);
/* In NVME_UP: does the controller say that it works? */
bool nvme_controller_is_well(const struct nvme_controller *c);
/* One administrative command, waited for: at boot, in NVME_ADMIN. result may be NULL. ERR_IO, ERR_TIMEOUT. */
enum status nvme_controller_command(struct nvme_controller *c, struct nvme_command *command,
				    uint32_t *result);
