/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A made-up NVMe controller with two namespaces, for the driver's test: it follows the specification, insists that the host does,
 * and makes one mistake at a time where the test wants one. It runs whenever somebody asks for the time.
 */
#pragma once

#include "support.h"
#include <string.h>
#include "drivers/nvme_spec.h"
#include "hv/lib/util.h"

#define FAKE_REGS    0x2000
#define FAKE_QUEUES  9 /* with the admin queue */
#define FAKE_MQES    63
#define FAKE_NS_SIZE MIB(4)
#define FAKE_TO      4  /* CAP.TO: times 500 ms */
#define FAKE_MDTS    7  /* 512 KiB */
#define FAKE_PASSES  32 /* of the clock, until a late completion comes */

enum fake_fault {
	FAKE_NONE,
	FAKE_NEVER,       /* takes the command and does nothing */
	FAKE_LATE,        /* completes it long after */
	FAKE_TWICE,       /* completes it, and completes it again */
	FAKE_WRONG_ID,    /* completes one that was never sent */
	FAKE_WRONG_QUEUE, /* says that it was of another queue */
	FAKE_WRONG_PHASE, /* forgets the phase */
	FAKE_ERROR,       /* fails it with fake.status */
};

struct fake_ring {
	uint64_t sq, cq;
	uint16_t size, head, tail; /* head: of commands; tail: of completions */
	bool have_cq, have_sq, phase;
};

static struct {
	uint64_t regs[FAKE_REGS / 8];
	uint8_t disk[2][FAKE_NS_SIZE];
	struct fake_ring ring[FAKE_QUEUES];
	enum fake_fault fault;                     /* of the next I/O command */
	bool fault_admin;                          /* of administrative ones instead */
	uint16_t status;                           /* FAKE_ERROR */
	bool gone, never_ready, never_stops, dead; /* dead: CSTS.CFS at the next start too */
	uint16_t granted;                          /* queues */
	bool enabled;
	unsigned starts, commands;
	uint16_t interrupts[FAKE_QUEUES];
	struct nvme_command last;
	/* the completion that comes late */
	bool late;
	unsigned late_passes;
	unsigned late_ring;
	struct nvme_completion late_entry;
} fake;

static inline uint32_t fake_reg(unsigned offset)
{
	return ((uint32_t *)fake.regs)[offset / 4];
}

static inline void fake_set(unsigned offset, uint32_t value)
{
	((uint32_t *)fake.regs)[offset / 4] = value;
}

static inline void fake_power_on(void)
{
	memset(&fake, 0, sizeof(fake));
	fake.granted = FAKE_QUEUES - 1;
	fake.regs[0] = FAKE_MQES | (uint64_t)FAKE_TO << 24 | NVME_CAP_CSS_NVM;
}

static inline void fake_vanish(void)
{
	memset(fake.regs, 0xff, sizeof(fake.regs));
	fake.gone = true;
}

/* --- completions --- */

static inline void fake_post(unsigned n, const struct nvme_completion *e, bool phase)
{
	struct fake_ring *r = &fake.ring[n];
	struct nvme_completion *to = (struct nvme_completion *)r->cq + r->tail;

	*to = *e;
	to->status = (uint16_t)(e->status << 1 | phase);
}

static inline void fake_complete(unsigned n, const struct nvme_completion *e)
{
	struct fake_ring *r = &fake.ring[n];

	fake_post(n, e, r->phase);
	fake.interrupts[n]++;
	if (++r->tail == r->size) {
		r->tail = 0;
		r->phase = !r->phase;
	}
}

static inline void fake_end(unsigned n, uint16_t id, uint16_t status, uint32_t result)
{
	struct nvme_completion e = {.result = result, .sq_id = (uint16_t)n, .id = id, .status = status};
	enum fake_fault fault = fake.fault_admin == (n == 0) ? fake.fault : FAKE_NONE;

	if (fault != FAKE_NONE)
		fake.fault = FAKE_NONE;
	switch (fault) {
	case FAKE_NEVER:
		return;
	case FAKE_LATE:
		fake.late = true;
		fake.late_passes = FAKE_PASSES;
		fake.late_ring = n;
		fake.late_entry = e;
		return;
	case FAKE_TWICE:
		fake_complete(n, &e);
		break;
	case FAKE_WRONG_ID:
		e.id ^= 0x40;
		break;
	case FAKE_WRONG_QUEUE:
		e.sq_id++;
		break;
	case FAKE_WRONG_PHASE:
		fake_post(n, &e, !fake.ring[n].phase);
		return;
	case FAKE_ERROR:
		e.status = fake.status;
		break;
	case FAKE_NONE:
		break;
	}
	fake_complete(n, &e);
}

/* --- commands --- */

static inline void fake_identify(const struct nvme_command *c)
{
	uint8_t *p = (uint8_t *)c->prp1;

	memset(p, 0, NVME_IDENTIFY_SIZE);
	if (c->cdw10 == NVME_CNS_CONTROLLER) {
		memset(p + NVME_ID_SERIAL, ' ', NVME_ID_SERIAL_SIZE);
		memset(p + NVME_ID_MODEL, ' ', NVME_ID_MODEL_SIZE);
		memcpy(p + NVME_ID_SERIAL, " S\x1b-1", 5);
		memcpy(p + NVME_ID_MODEL, "Fake disk", 9);
		p[NVME_ID_MDTS] = FAKE_MDTS;
		p[NVME_ID_SQES] = 0x66;
		p[NVME_ID_CQES] = 0x44;
		p[NVME_ID_ONCS] = NVME_ONCS_DATASET | NVME_ONCS_WRITE_ZEROES;
		p[NVME_ID_VWC] = NVME_VWC_PRESENT;
	} else if (c->cdw10 == NVME_CNS_ACTIVE) {
		p[0] = 1;
		p[4] = 2;
	} else {
		unsigned shift = c->nsid == 1 ? 9 : 12;

		assert_int_equal(c->cdw10, NVME_CNS_NAMESPACE);
		assert_in_range(c->nsid, 1, 2);
		*(uint64_t *)p = FAKE_NS_SIZE >> shift;
		p[NVME_NS_DLFEAT] = 1 | NVME_DLFEAT_WRITE_ZEROES;
		p[NVME_NS_FORMAT] = (uint8_t)(c->nsid - 1);
		p[NVME_NS_FORMATS + 2] = 9;
		p[NVME_NS_FORMATS + 4 + 2] = 12;
	}
}

static inline void fake_create(const struct nvme_command *c, bool cq)
{
	unsigned id = c->cdw10 & 0xffff;
	struct fake_ring *r = &fake.ring[id];

	assert_in_range(id, 1, fake.granted);
	assert_in_range((c->cdw10 >> 16) + 1, 2, FAKE_MQES + 1);
	assert_true(IS_ALIGNED(c->prp1, PAGE_SIZE) && c->prp1);
	assert_true(c->cdw11 & NVME_QUEUE_CONTIGUOUS);
	if (cq) {
		assert_false(r->have_cq);
		*r = (struct fake_ring){.cq = c->prp1, .have_cq = true, .phase = true};
		r->size = (uint16_t)((c->cdw10 >> 16) + 1);
		for (unsigned i = 0; i < r->size; i++)
			assert_int_equal(((struct nvme_completion *)r->cq)[i].status, 0);
	} else {
		assert_true(r->have_cq && !r->have_sq);
		assert_int_equal(c->cdw11 >> 16, id);
		r->sq = c->prp1;
		r->have_sq = true;
	}
}

static inline void fake_admin(const struct nvme_command *c)
{
	uint32_t result = 0;

	switch (c->opcode) {
	case NVME_ADMIN_IDENTIFY:
		fake_identify(c);
		break;
	case NVME_ADMIN_SET_FEATURES:
		assert_int_equal(c->cdw10, NVME_FEATURE_QUEUES);
		for (unsigned i = 1; i < FAKE_QUEUES; i++)
			assert_false(fake.ring[i].have_cq);
		result = (fake.granted - 1u) * 0x10001;
		break;
	case NVME_ADMIN_CREATE_CQ:
	case NVME_ADMIN_CREATE_SQ:
		fake_create(c, c->opcode == NVME_ADMIN_CREATE_CQ);
		break;
	default:
		fail_msg("admin command %x", c->opcode);
	}
	fake_end(0, c->id, 0, result);
}

/* As the controller walks it: "PRP Entry", "PRP List". */
static inline uint64_t fake_page(const struct nvme_command *c, unsigned n, unsigned pages)
{
	uint64_t entry = n == 0 ? c->prp1 : c->prp2;

	if (n && pages > 2) {
		assert_true(IS_ALIGNED(c->prp2, 8));
		assert_true((c->prp2 & (PAGE_SIZE - 1)) + 8 * (pages - 1) <= PAGE_SIZE);
		entry = ((uint64_t *)c->prp2)[n - 1];
	}
	assert_true(n ? IS_ALIGNED(entry, PAGE_SIZE) : IS_ALIGNED(entry, 4));
	return entry;
}

static inline void fake_transfer(const struct nvme_command *c, uint8_t *disk, uint64_t bytes)
{
	unsigned offset = c->prp1 & (PAGE_SIZE - 1);
	unsigned pages = (unsigned)((offset + bytes + PAGE_SIZE - 1) / PAGE_SIZE);

	assert_in_range(bytes, 1, PAGE_SIZE << FAKE_MDTS);
	for (unsigned i = 0; i < pages; i++) {
		uint8_t *p = (uint8_t *)fake_page(c, i, pages);
		uint64_t n = MIN(bytes, PAGE_SIZE - (i ? 0 : offset));

		if (c->opcode == NVME_WRITE)
			memcpy(disk, p, n);
		else
			memcpy(p, disk, n);
		disk += n;
		bytes -= n;
	}
}

static inline void fake_io(unsigned n, const struct nvme_command *c)
{
	uint64_t start = (uint64_t)c->cdw11 << 32 | c->cdw10, blocks = (c->cdw12 & 0xffff) + 1;
	unsigned shift = c->nsid == 1 ? 9 : 12;
	uint8_t *disk;

	fake.last = *c;
	fake.commands++;
	assert_in_range(c->nsid, 1, 2);
	if (fake.fault == FAKE_NEVER && !fake.fault_admin) {
		fake.fault = FAKE_NONE;
		return;
	}
	if (c->opcode == NVME_DATASET_MANAGEMENT) {
		const struct nvme_range *range = (const struct nvme_range *)c->prp1;

		assert_int_equal(c->cdw10, 0);
		assert_int_equal(c->cdw11, NVME_CDW11_DEALLOCATE);
		start = range->start;
		blocks = range->blocks;
	}
	assert_true(start <= FAKE_NS_SIZE >> shift && blocks <= (FAKE_NS_SIZE >> shift) - start);
	disk = fake.disk[c->nsid - 1] + (start << shift);
	if (c->opcode == NVME_READ || c->opcode == NVME_WRITE)
		fake_transfer(c, disk, blocks << shift);
	else if (c->opcode != NVME_FLUSH)
		memset(disk, 0, blocks << shift);
	fake_end(n, c->id, 0, 0);
}

/* --- registers --- */

static inline void fake_enable(void)
{
	uint32_t aqa = fake_reg(NVME_AQA);

	fake.starts++;
	assert_int_equal(fake_reg(NVME_CC), NVME_CC_EN | 6 << 16 | 4 << 20);
	memset(fake.ring, 0, sizeof(fake.ring));
	memset((uint8_t *)fake.regs + NVME_DOORBELLS, 0, FAKE_REGS - NVME_DOORBELLS);
	fake.ring[0] = (struct fake_ring){.sq = fake.regs[NVME_ASQ / 8],
					  .cq = fake.regs[NVME_ACQ / 8],
					  .size = (uint16_t)((aqa & 0xfff) + 1),
					  .have_cq = true,
					  .have_sq = true,
					  .phase = true};
	fake_set(NVME_CSTS, fake.dead ? NVME_CSTS_CFS : fake.never_ready ? 0 : NVME_CSTS_RDY);
}

static inline void fake_ring_run(unsigned n)
{
	struct fake_ring *r = &fake.ring[n];
	uint32_t tail = fake_reg(NVME_DOORBELLS + 8 * n);

	while (r->have_sq && r->head != tail) {
		struct nvme_command c = ((struct nvme_command *)r->sq)[r->head];

		assert_true(tail < r->size);
		r->head = (uint16_t)((r->head + 1) % r->size);
		if (n)
			fake_io(n, &c);
		else
			fake_admin(&c);
	}
}

void fake_run_device(void)
{
	bool enable = fake_reg(NVME_CC) & NVME_CC_EN;

	if (fake.gone)
		return;
	if (enable != fake.enabled) {
		fake.enabled = enable;
		fake.late = false;
		if (enable)
			fake_enable();
		else if (!fake.never_stops)
			fake_set(NVME_CSTS, 0);
	}
	if (!enable || !(fake_reg(NVME_CSTS) & NVME_CSTS_RDY))
		return;
	if (fake.late && --fake.late_passes == 0) {
		fake.late = false;
		fake_complete(fake.late_ring, &fake.late_entry);
	}
	for (unsigned n = 0; n < FAKE_QUEUES; n++)
		fake_ring_run(n);
}
