/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * NVMe disks: each namespace of a controller is a block device with queues of its own, one for each CPU as far as the controller
 * and the interrupts go. They share the controller's resets: what another namespace has in flight then is sent again here,
 * so that its block device hears nothing of it.
 */
#include "drivers/nvme.h"
#include "drivers/nvme_controller.h"
#include "drivers/pci.h"
#include "hv/io/block.h"
#include "hv/lib/fmt.h"
#include "hv/lib/log.h"
#include "hv/lib/string.h"
#include "hv/pcpu.h"
#include "mm/host_map.h"
#include "mm/page_alloc.h"

#define NAMESPACES_MAX 16
#define QUEUES_EACH    16 /* of a namespace */
#define REGS_MAX       MIB(1)
#define TIMEOUT_NS     10000000000ULL
#define POLL_NS        1000000ULL /* without interrupts */

enum nvme_reset {
	RESET_NONE,
	RESET_WANTED, /* its block device has asked for one, which is under way */
	RESET_DONE,   /* another's has ended meanwhile, and was its own too */
};

struct nvme_irq {
	struct block_device *b;
	unsigned queue;
};

struct nvme_namespace {
	struct block_device block;
	struct block_queue block_queue[QUEUES_EACH];
	struct nvme_irq irq[QUEUES_EACH];
	struct nvme *nvme;
	struct nvme_format format;
	struct nvme_queue *queue; /* block.queues */
	enum nvme_reset reset;
};

struct nvme {
	struct spinlock lock; /* resets; outside of the queues' locks, within the block device's */
	struct pci_device *pci;
	struct nvme_controller c;
	struct nvme_controller_id id;
	struct nvme_namespace ns[NAMESPACES_MAX];
	unsigned namespaces;
	struct nvme_queue *queue; /* all namespaces' */
	size_t queue_bytes;
	bool gone;
};

static unsigned controllers;

static struct nvme_namespace *namespace_of(struct block_device *b)
{
	return container_of(b, struct nvme_namespace, block);
}

/* --- requests --- */

/* False: the request is one that can't be. A closed queue gets its commands when it opens. */
static bool send(struct nvme_namespace *ns, struct nvme_queue *q, unsigned slot)
{
	uint64_t *list = nvme_queue_list(q, slot);
	struct nvme_command c;

	if (!nvme_command_build(&c, &ns->format, q->slot[slot].request, list, host_pa(list)))
		return false;
	if (q->open)
		nvme_queue_send(q, slot, &c);
	return true;
}

static bool submit(struct block_device *b, unsigned queue, struct block_request *r)
{
	struct nvme_namespace *ns = namespace_of(b);
	struct nvme_queue *q = &ns->queue[queue];
	unsigned slot;
	bool room;

	spin_lock(&q->lock);
	room = nvme_queue_claim(q, r, &slot);
	if (room && !send(ns, q, slot)) {
		nvme_queue_release(q, slot);
		block_complete(b, r, ERR_INVAL);
	}
	spin_unlock(&q->lock);
	return room;
}

struct poll_of {
	struct block_device *b;
	struct nvme_queue *q;
};

static void completed(void *arg, unsigned slot, uint16_t status, uint32_t result)
{
	const struct poll_of *p = arg;

	(void)result;
	block_complete(p->b, p->q->slot[slot].request, nvme_status(status));
}

static void poll(struct block_device *b, unsigned queue)
{
	struct nvme_queue *q = &namespace_of(b)->queue[queue];
	struct poll_of p = {.b = b, .q = q};
	uint64_t stray;

	spin_lock(&q->lock);
	stray = q->stray;
	if (q->open)
		nvme_queue_poll(q, completed, &p);
	if (!stray && q->stray)
		log_warn("disk %s: it completes what is not in flight: ignored, from now on without a word",
			 b->name);
	spin_unlock(&q->lock);
}

static void interrupted(void *arg)
{
	const struct nvme_irq *i = arg;

	block_poll(i->b, i->queue);
}

/* --- resets; the controller's lock is held --- */

static void close_queues(struct nvme *n)
{
	for (unsigned i = 0; i < n->c.queues; i++) {
		struct nvme_queue *q = &n->queue[i];

		spin_lock(&q->lock);
		q->open = false;
		spin_unlock(&q->lock);
	}
}

/* Of a namespace that wanted the reset all is forgotten, and sent again by who keeps it in flight; of others, here. */
static void open_queue(struct nvme_namespace *ns, struct nvme_queue *q)
{
	uint64_t busy;

	spin_lock(&q->lock);
	q->open = true;
	if (ns->reset == RESET_WANTED)
		q->busy = 0;
	for (busy = q->busy; busy; busy &= busy - 1)
		(void)send(ns, q, (unsigned)__builtin_ctzll(busy)); /* was sent before, so can be */
	spin_unlock(&q->lock);
}

static void open_queues(struct nvme *n)
{
	for (unsigned i = 0; i < n->namespaces; i++) {
		struct nvme_namespace *ns = &n->ns[i];

		for (unsigned k = 0; k < ns->block.queues; k++)
			open_queue(ns, &ns->queue[k]);
		if (ns->reset == RESET_WANTED)
			ns->reset = RESET_DONE;
	}
}

static void lose(struct nvme *n)
{
	n->gone = true;
	pci_enable(n->pci, false);
}

static enum status go_on(struct nvme *n, struct nvme_namespace *ns)
{
	enum status s;

	if (n->c.stage == NVME_UP) {
		close_queues(n);
		nvme_controller_stop(&n->c);
	}
	ns->reset = RESET_WANTED;
	s = nvme_controller_advance(&n->c, NVME_UP);
	if (s == OK) {
		open_queues(n);
	} else if (s != ERR_AGAIN) {
		lose(n);
	}
	return s;
}

static enum status reset(struct block_device *b)
{
	struct nvme_namespace *ns = namespace_of(b);
	struct nvme *n = ns->nvme;
	enum status s = OK;

	spin_lock(&n->lock);
	if (!pci_is_there(n->pci))
		lose(n);
	if (n->gone)
		s = ERR_NOENT;
	else if (ns->reset != RESET_DONE)
		s = go_on(n, ns);
	if (s == OK)
		ns->reset = RESET_NONE;
	spin_unlock(&n->lock);
	return s;
}

/* While another namespace's reset is under way there is nothing to be seen. */
static bool is_well(struct block_device *b)
{
	struct nvme *n = namespace_of(b)->nvme;
	bool well;

	spin_lock(&n->lock);
	well =
	    !n->gone && (n->c.stage != NVME_UP || (pci_is_there(n->pci) && nvme_controller_is_well(&n->c)));
	spin_unlock(&n->lock);
	return well;
}

static const struct block_ops ops = {.submit = submit, .poll = poll, .reset = reset, .is_well = is_well};

/* --- at boot --- */

static enum status advance(struct nvme *n, enum nvme_stage stage)
{
	enum status s;

	do
		s = nvme_controller_advance(&n->c, stage);
	while (s == ERR_AGAIN);
	return s;
}

static enum status identify(struct nvme *n, uint32_t what, uint32_t nsid, uint8_t *data)
{
	struct nvme_command c = {
	    .opcode = NVME_ADMIN_IDENTIFY, .nsid = nsid, .prp1 = host_pa(data).v, .cdw10 = what};

	return nvme_controller_command(&n->c, &c, NULL);
}

/* The first namespace is called as its controller is. */
static void add_namespace(struct nvme *n, uint32_t nsid, const uint8_t *data)
{
	struct nvme_namespace *ns = &n->ns[n->namespaces];
	struct block_device *b = &ns->block;
	const char *why = nvme_namespace_parse(&ns->format, b, nsid, &n->id, data);

	if (why) {
		log_warn("nvme%u: namespace %u left out: %s", controllers, nsid, why);
		return;
	}
	if (nsid == 1)
		fmt_snprintf(b->name, sizeof(b->name), "nvme%u", controllers);
	else
		fmt_snprintf(b->name, sizeof(b->name), "nvme%un%u", controllers, nsid);
	memcpy(b->model, n->id.model, sizeof(b->model));
	memcpy(b->serial, n->id.serial, sizeof(b->serial));
	b->bdf = n->pci->bdf;
	b->ops = &ops;
	b->timeout_ns = TIMEOUT_NS;
	b->queue = ns->block_queue;
	ns->nvme = n;
	n->namespaces++;
}

/* data: two pages. */
static enum status find_namespaces(struct nvme *n, uint8_t *data)
{
	const uint32_t *active = (const uint32_t *)(data + NVME_IDENTIFY_SIZE);
	enum status s = identify(n, NVME_CNS_CONTROLLER, 0, data);

	if (s != OK)
		return s;
	if (!nvme_controller_parse(&n->id, data))
		return ERR_UNSUPPORTED;
	s = identify(n, NVME_CNS_ACTIVE, 0, data + NVME_IDENTIFY_SIZE);
	for (unsigned i = 0; s == OK && i < NVME_ACTIVE_MAX && active[i]; i++) {
		if (n->namespaces == NAMESPACES_MAX) {
			log_warn("nvme%u: more than %u namespaces: the rest is left out", controllers,
				 NAMESPACES_MAX);
			break;
		}
		s = identify(n, NVME_CNS_NAMESPACE, active[i], data);
		if (s == OK)
			add_namespace(n, active[i], data);
	}
	return s == OK && !n->namespaces ? ERR_NOENT : s;
}

/* How many queues each namespace gets, at least 1. */
static enum status share_queues(struct nvme *n, uint32_t *each)
{
	uint32_t most = MIN(nvme_controller_doorbells(&n->c) - 1, (uint32_t)NVME_QUEUES_MAX), result = 0;
	uint32_t wanted = MIN(MIN(pcpu_count, (uint32_t)QUEUES_EACH) * n->namespaces, most);
	struct nvme_command c = {.opcode = NVME_ADMIN_SET_FEATURES, .cdw10 = NVME_FEATURE_QUEUES};
	enum status s;

	n->c.interrupts = n->pci->irqs > n->namespaces;
	wanted = MIN(wanted, n->c.interrupts ? n->pci->irqs - 1u : n->namespaces);
	c.cdw11 = (wanted - 1) << 16 | (wanted - 1);
	s = nvme_controller_command(&n->c, &c, &result);
	if (s != OK)
		return s;
	wanted = MIN(wanted, MIN(result & 0xffff, result >> 16) + 1);
	*each = wanted / n->namespaces;
	return *each ? OK : ERR_RANGE;
}

/* Gives a namespace its queues: one for each CPU from 0 on whose interrupt can be had, or one that is polled. */
static enum status add_queues(struct nvme *n, struct nvme_namespace *ns, uint32_t each)
{
	struct block_device *b = &ns->block;

	ns->queue = &n->queue[n->c.queues];
	for (unsigned i = 0; i < each; i++) {
		uint16_t id = (uint16_t)(n->c.queues + 1);
		enum status s;

		ns->irq[i] = (struct nvme_irq){.b = b, .queue = i};
		if (!n->c.interrupts || pci_irq_connect(n->pci, id, i, interrupted, &ns->irq[i]) != OK) {
			if (i)
				break;
			each = 1;
			b->poll_ns = POLL_NS;
		}
		s = nvme_queue_init(&n->queue[n->c.queues++], id, NVME_CAP_MQES(n->c.cap) + 1,
				    n->c.regs + NVME_DOORBELLS, NVME_CAP_STRIDE(n->c.cap), true);
		if (s != OK)
			return s;
		b->queues++;
	}
	return OK;
}

static enum status add_all_queues(struct nvme *n)
{
	uint32_t each = 0;
	enum status s = share_queues(n, &each);

	if (s != OK)
		return s;
	n->queue_bytes = each * n->namespaces * sizeof(*n->queue);
	n->queue = page_alloc_bytes(n->queue_bytes);
	if (!n->queue)
		return ERR_NOMEM;
	n->c.queue = n->queue;
	for (unsigned i = 0; s == OK && i < n->namespaces; i++)
		s = add_queues(n, &n->ns[i], each);
	return s;
}

static enum status bring_up(struct nvme *n)
{
	uint64_t size = MIN(n->pci->region[0].size, REGS_MAX);
	volatile void *regs;
	const char *why;
	uint8_t *data;
	enum status s;

	pci_enable(n->pci, true);
	regs = pci_map(n->pci, 0, 0, size);
	if (size <= NVME_DOORBELLS || !regs)
		return ERR_RANGE;
	why = nvme_controller_init(&n->c, regs, size);
	if (why) {
		log_warn("nvme%u: %s", controllers, why);
		return ERR_UNSUPPORTED;
	}
	s = advance(n, NVME_ADMIN);
	data = page_alloc_bytes(2 * NVME_IDENTIFY_SIZE);
	if (!data)
		return ERR_NOMEM;
	if (s == OK)
		s = find_namespaces(n, data);
	if (s == OK)
		s = add_all_queues(n);
	if (s == OK)
		s = advance(n, NVME_UP);
	if (s != OK)
		pci_enable(n->pci, false);
	page_free_bytes(data, 2 * NVME_IDENTIFY_SIZE);
	return s;
}

static void release(struct nvme *n)
{
	pci_enable(n->pci, false);
	nvme_controller_free(&n->c);
	if (n->queue)
		page_free_bytes(n->queue, n->queue_bytes);
	page_free_bytes(n, sizeof(*n));
}

enum status nvme_probe(struct pci_device *d)
{
	struct nvme *n = page_alloc_bytes(sizeof(*n));
	enum status s;

	if (!n)
		return ERR_NOMEM;
	n->pci = d;
	s = bring_up(n);
	if (s != OK) {
		release(n);
		return s;
	}
	controllers++;
	open_queues(n);
	for (unsigned i = 0; i < n->namespaces; i++)
		block_register(&n->ns[i].block);
	return OK;
}
