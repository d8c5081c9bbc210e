/* SPDX-License-Identifier: BSD-2-Clause */
/* The stages of an NVMe controller: see nvme_controller.h. NVM Express Base Specification 1.4, "Controller Initialization". */
#include "drivers/nvme_controller.h"

#include "hv/timer.h"
#include "hv/x86/insn.h"
#include "mm/host_map.h"
#include "mm/page_alloc.h"

#define MS              1000000ULL
#define SLICE_NS        (2 * MS)
#define STAGE_MIN_NS    (500 * MS)   /* CAP.TO may say 0 */
#define RESTART_MAX_NS  (28000 * MS) /* of all stages: the block layer gives a reset 30 s */
#define COMMAND_NS      (2000 * MS)
#define CREATE_COMMANDS 2 /* of each queue pair, behind the one for all */

const char *nvme_controller_init(struct nvme_controller *c, volatile void *regs, uint64_t regs_size)
{
	*c = (struct nvme_controller){
	    .regs = regs, .regs_size = regs_size, .cap = mmio_read64((volatile uint8_t *)regs + NVME_CAP)};
	if (c->cap == UINT64_MAX)
		return "it does not answer";
	if (!(c->cap & NVME_CAP_CSS_NVM))
		return "it has no NVM commands";
	if (NVME_CAP_MPSMIN(c->cap) != 0)
		return "its pages are larger than 4 KiB";
	if (NVME_CAP_MQES(c->cap) == 0)
		return "its queues have no room";
	if (nvme_controller_doorbells(c) < 2)
		return "its doorbells lie outside of its region";
	if (nvme_queue_init(&c->admin, 0, NVME_CAP_MQES(c->cap) + 1, c->regs + NVME_DOORBELLS,
			    NVME_CAP_STRIDE(c->cap), false) != OK)
		return "no memory for its queues";
	return NULL;
}

void nvme_controller_free(struct nvme_controller *c)
{
	for (unsigned i = 0; i < c->queues; i++)
		nvme_queue_free(&c->queue[i]);
	nvme_queue_free(&c->admin);
}

uint32_t nvme_controller_doorbells(const struct nvme_controller *c)
{
	uint64_t n = (c->regs_size - NVME_DOORBELLS) / (2 * NVME_CAP_STRIDE(c->cap));

	return (uint32_t)MIN(n, NVME_QUEUES_MAX + 1UL);
}

/* --- administrative commands --- */

static void admin_done(void *arg, unsigned slot, uint16_t status, uint32_t result)
{
	struct nvme_controller *c = arg;

	(void)slot;
	c->admin_waits = false;
	c->admin_status = status;
	c->admin_result = result;
}

static void admin_send(struct nvme_controller *c, struct nvme_command *command)
{
	unsigned slot;

	/* One at a time: the queue is empty. */
	c->admin_waits = nvme_queue_claim(&c->admin, NULL, &slot);
	nvme_queue_send(&c->admin, slot, command);
	c->due_ns = time_now_ns() + COMMAND_NS;
}

static enum status admin_look(struct nvme_controller *c)
{
	bool late = time_now_ns() >= c->due_ns;

	nvme_queue_poll(&c->admin, admin_done, c);
	if (c->admin_waits)
		return late ? ERR_TIMEOUT : ERR_AGAIN;
	return nvme_status(c->admin_status);
}

enum status nvme_controller_command(struct nvme_controller *c, struct nvme_command *command, uint32_t *result)
{
	enum status s;

	admin_send(c, command);
	do
		s = admin_look(c);
	while (s == ERR_AGAIN);
	if (result)
		*result = c->admin_result;
	return s;
}

/*
 * The n-th command of those that create the queues: first how many there will be, then for each the ring of completions, which
 * must be there when the ring of commands names it.
 */
static void create_command(struct nvme_controller *c, unsigned n, struct nvme_command *command)
{
	struct nvme_queue *q;
	uint32_t count = c->queues - 1u;

	*command = (struct nvme_command){.opcode = NVME_ADMIN_SET_FEATURES, .cdw10 = NVME_FEATURE_QUEUES};
	command->cdw11 = count << 16 | count;
	if (n == 0)
		return;
	q = &c->queue[(n - 1) / CREATE_COMMANDS];
	*command = (struct nvme_command){.cdw10 = (q->entries - 1u) << 16 | q->id};
	if ((n - 1) % CREATE_COMMANDS == 0) {
		nvme_queue_rewind(q);
		command->opcode = NVME_ADMIN_CREATE_CQ;
		command->prp1 = host_pa(q->cq).v;
		command->cdw11 = NVME_QUEUE_CONTIGUOUS;
		if (c->interrupts)
			command->cdw11 |= (uint32_t)q->id << 16 | NVME_QUEUE_INTERRUPT;
	} else {
		command->opcode = NVME_ADMIN_CREATE_SQ;
		command->prp1 = host_pa(q->sq).v;
		command->cdw11 = (uint32_t)q->id << 16 | NVME_QUEUE_CONTIGUOUS;
	}
}

/* --- stages --- */

static void enter(struct nvme_controller *c, enum nvme_stage stage)
{
	uint64_t to = NVME_CAP_TO_MS(c->cap) * MS;

	c->stage = stage;
	c->due_ns = time_now_ns() + MAX(to, STAGE_MIN_NS);
}

static enum status waiting(const struct nvme_controller *c)
{
	return time_now_ns() >= c->due_ns ? ERR_TIMEOUT : ERR_AGAIN;
}

void nvme_controller_stop(struct nvme_controller *c)
{
	c->end_ns = time_now_ns() + RESTART_MAX_NS;
	enter(c, NVME_SETTLING);
}

/*
 * "Controller Configuration": to clear CC.EN while CSTS.RDY is 0 has undefined results. One that neither becomes ready nor
 * says that it failed is disabled all the same.
 */
static enum status settle(struct nvme_controller *c, uint32_t csts)
{
	uint32_t cc = mmio_read32(c->regs + NVME_CC);

	if ((cc & NVME_CC_EN) && !(csts & (NVME_CSTS_RDY | NVME_CSTS_CFS)) && waiting(c) == ERR_AGAIN)
		return ERR_AGAIN;
	mmio_write32(c->regs + NVME_CC, cc & (uint32_t)~NVME_CC_EN);
	enter(c, NVME_STOPPING);
	return OK;
}

static enum status start(struct nvme_controller *c, uint32_t csts)
{
	uint32_t entries = c->admin.entries - 1u;

	if (csts & NVME_CSTS_RDY)
		return waiting(c);
	nvme_queue_rewind(&c->admin);
	c->admin.busy = 0;
	c->admin_waits = false;
	mmio_write32(c->regs + NVME_AQA, entries << 16 | entries);
	mmio_write64(c->regs + NVME_ASQ, host_pa(c->admin.sq).v);
	mmio_write64(c->regs + NVME_ACQ, host_pa(c->admin.cq).v);
	mmio_write32(c->regs + NVME_CC, NVME_CC_EN | NVME_CC_IOSQES(NVME_SQES) | NVME_CC_IOCQES(NVME_CQES));
	enter(c, NVME_STARTING);
	return OK;
}

static enum status started(struct nvme_controller *c, uint32_t csts)
{
	if (csts & NVME_CSTS_CFS)
		return ERR_IO;
	if (!(csts & NVME_CSTS_RDY))
		return waiting(c);
	c->created = 0;
	enter(c, NVME_ADMIN);
	return OK;
}

static enum status create(struct nvme_controller *c)
{
	struct nvme_command command;
	enum status s = ERR_AGAIN;

	if (c->admin_waits) {
		s = admin_look(c);
		if (s == OK && ++c->created == 1 + CREATE_COMMANDS * c->queues) {
			c->stage = NVME_UP;
			return OK;
		}
	}
	if (!c->admin_waits && (s == OK || s == ERR_AGAIN)) {
		create_command(c, c->created, &command);
		admin_send(c, &command);
		return OK;
	}
	return s;
}

/* OK: it went on; ERR_AGAIN: it waits. */
static enum status step(struct nvme_controller *c)
{
	uint32_t csts = mmio_read32(c->regs + NVME_CSTS);

	if (csts == NVME_GONE)
		return ERR_NOENT;
	switch (c->stage) {
	case NVME_UNKNOWN:
	case NVME_UP:
		nvme_controller_stop(c);
		return OK;
	case NVME_SETTLING:
		return settle(c, csts);
	case NVME_STOPPING:
		return start(c, csts);
	case NVME_STARTING:
		return started(c, csts);
	case NVME_ADMIN:
		return csts & NVME_CSTS_CFS ? ERR_IO : create(c);
	}
	return ERR_IO;
}

enum status nvme_controller_advance(struct nvme_controller *c, enum nvme_stage stage)
{
	uint64_t end = time_now_ns() + SLICE_NS;
	enum status s = OK;

	while (c->stage != stage && (s == OK || s == ERR_AGAIN)) {
		if (s == ERR_AGAIN && time_now_ns() >= end)
			return ERR_AGAIN;
		s = c->stage != NVME_UNKNOWN && time_now_ns() >= c->end_ns ? ERR_TIMEOUT : step(c);
	}
	if (c->stage == stage)
		return OK;
	c->stage = NVME_UNKNOWN;
	return s;
}

bool nvme_controller_is_well(const struct nvme_controller *c)
{
	uint32_t csts = mmio_read32(c->regs + NVME_CSTS);

	return csts != NVME_GONE && (csts & (NVME_CSTS_RDY | NVME_CSTS_CFS)) == NVME_CSTS_RDY;
}
