/* SPDX-License-Identifier: BSD-2-Clause */
/* Rings of commands and completions: see nvme_queue.h. */
#include "drivers/nvme_queue.h"

#include "hv/lib/string.h"
#include "hv/x86/insn.h"
#include "mm/host_map.h"
#include "mm/page_alloc.h"

/* A command's id is its slot, and above that a number that tells it from the slot's earlier ones. FFFFh is never one. */
#define ID_SLOT_BITS 6
#define ID_SLOT(id)  ((id) & (NVME_QUEUE_ENTRIES - 1))
#define SEQUENCES    512
static_assert(1 << ID_SLOT_BITS == NVME_QUEUE_ENTRIES, "a slot fits into its bits of an id");
static_assert(NVME_QUEUE_ENTRIES * sizeof(struct nvme_command) == PAGE_SIZE, "a ring of commands is a page");

enum status nvme_queue_init(struct nvme_queue *q, uint16_t id, uint32_t entries, volatile void *doorbells,
			    uint32_t stride, bool lists)
{
	volatile uint8_t *bell = (volatile uint8_t *)doorbells + 2 * id * stride;

	*q = (struct nvme_queue){.id = id,
				 .entries = (uint16_t)MIN(entries, (uint32_t)NVME_QUEUE_ENTRIES),
				 .sq_doorbell = (volatile uint32_t *)bell,
				 .cq_doorbell = (volatile uint32_t *)(bell + stride)};
	q->sq = page_alloc(0);
	q->cq = page_alloc(0);
	if (lists)
		q->list = page_alloc_bytes(NVME_QUEUE_ENTRIES * NVME_LIST_SIZE);
	if (!q->sq || !q->cq || (lists && !q->list))
		return ERR_NOMEM;
	nvme_queue_rewind(q);
	return OK;
}

void nvme_queue_free(struct nvme_queue *q)
{
	if (q->sq)
		page_free(q->sq, 0);
	if (q->cq)
		page_free(q->cq, 0);
	if (q->list)
		page_free_bytes(q->list, NVME_QUEUE_ENTRIES * NVME_LIST_SIZE);
}

void nvme_queue_rewind(struct nvme_queue *q)
{
	memset(q->sq, 0, NVME_QUEUE_ENTRIES * sizeof(*q->sq));
	memset(q->cq, 0, NVME_QUEUE_ENTRIES * sizeof(*q->cq));
	q->sq_tail = q->cq_head = 0;
	q->phase = true; /* "Phase Tag": the first pass over a zeroed ring writes 1 */
}

/* One entry of the ring of commands stays free, or a full one would look empty; so there is room in it for each slot. */
bool nvme_queue_claim(struct nvme_queue *q, struct block_request *r, unsigned *slot)
{
	uint64_t free = ~q->busy & (BIT(q->entries - 1) - 1);

	if (free == 0)
		return false;
	*slot = (unsigned)__builtin_ctzll(free);
	q->busy |= BIT(*slot);
	q->slot[*slot].request = r;
	return true;
}

void nvme_queue_release(struct nvme_queue *q, unsigned slot)
{
	q->busy &= ~BIT(slot);
}

uint64_t *nvme_queue_list(const struct nvme_queue *q, unsigned slot)
{
	return q->list + (size_t)slot * NVME_LIST_ENTRIES;
}

void nvme_queue_send(struct nvme_queue *q, unsigned slot, struct nvme_command *c)
{
	q->sequence = (q->sequence + 1) % SEQUENCES;
	c->id = q->slot[slot].id = (uint16_t)(q->sequence << ID_SLOT_BITS | slot);
	q->sq[q->sq_tail] = *c;
	q->sq_tail = (uint16_t)((q->sq_tail + 1) % q->entries);
	compiler_barrier();
	mmio_write32(q->sq_doorbell, q->sq_tail);
}

/* Is the completion of a command that is in flight, and of this one, not of an earlier one in the same slot? */
static bool in_flight(const struct nvme_queue *q, uint16_t sq_id, uint16_t id)
{
	return sq_id == q->id && (q->busy & BIT(ID_SLOT(id))) && q->slot[ID_SLOT(id)].id == id;
}

/* False: the ring has no new one. */
static bool take_one(struct nvme_queue *q, nvme_done_fn done, void *arg)
{
	const volatile struct nvme_completion *e = &q->cq[q->cq_head];
	uint16_t status = __atomic_load_n(&e->status, __ATOMIC_ACQUIRE), id = e->id, sq_id = e->sq_id;
	uint32_t result = e->result;

	if ((status & 1) != q->phase)
		return false;
	if (++q->cq_head == q->entries) {
		q->cq_head = 0;
		q->phase = !q->phase;
	}
	if (in_flight(q, sq_id, id)) {
		q->busy &= ~BIT(ID_SLOT(id));
		done(arg, ID_SLOT(id), status >> 1, result);
	} else {
		q->stray++;
	}
	return true;
}

void nvme_queue_poll(struct nvme_queue *q, nvme_done_fn done, void *arg)
{
	unsigned n = 0;

	while (n < q->entries && take_one(q, done, arg))
		n++;
	if (n)
		mmio_write32(q->cq_doorbell, q->cq_head);
}
