/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * AHCI controllers, and each of their disks as a block device. A disk is reset for itself; the controller as a whole only loses
 * its bus mastering, and with that all of its disks, where a port can't be stopped.
 */
#include "drivers/ahci.h"

#include "drivers/ahci_port.h"
#include "hv/io/block.h"
#include "hv/lib/fmt.h"
#include "hv/lib/log.h"
#include "hv/lib/string.h"
#include "hv/timer.h"
#include "hv/work.h"
#include "mm/page_alloc.h"

#define REGION     5
#define REGS_SIZE  AHCI_PORT(AHCI_PORTS)
#define TIMEOUT_NS 10000000000ULL /* a disk may try for seconds to read a bad sector */
#define POLL_NS    1000000ULL     /* without interrupts */
#define HANDOFF_NS 2000000000ULL
#define RUN_ALIGN  2

struct ahci_disk {
	struct block_device block;
	struct block_queue queue;
	struct ahci_hba *hba;
	struct ahci_port port;
};

struct ahci_hba {
	struct pci_device *pci;
	volatile uint8_t *regs;
	uint32_t cap;
	struct ahci_disk *disk[AHCI_PORTS]; /* NULL: none, or not ours */
	bool lost; /* atomic: a port would not stop, and none reaches memory any more */
};

static unsigned disks;

static struct ahci_disk *disk_of(struct block_device *b)
{
	return container_of(b, struct ahci_disk, block);
}

/* --- requests; the queue's lock is held --- */

static bool submit(struct block_device *b, unsigned queue, struct block_request *r)
{
	enum status s;

	(void)queue;
	if (!ahci_port_submit(&disk_of(b)->port, r, &s))
		return false;
	if (s != OK)
		block_complete(b, r, s);
	return true;
}

static void done(void *arg, struct block_request *r, enum status s)
{
	block_complete(arg, r, s);
}

static void poll(struct block_device *b, unsigned queue)
{
	(void)queue;
	ahci_port_poll(&disk_of(b)->port, done, b);
}

static void lose(struct ahci_hba *h)
{
	pci_enable(h->pci, false);
	__atomic_store_n(&h->lost, true, __ATOMIC_RELAXED);
}

static void silence(struct ahci_hba *h, struct ahci_port *p)
{
	if (!ahci_port_silence(p))
		lose(h);
}

static enum status reset(struct block_device *b)
{
	struct ahci_disk *d = disk_of(b);
	enum status s = ERR_NOENT;

	if (!pci_is_there(d->hba->pci))
		lose(d->hba);
	if (!__atomic_load_n(&d->hba->lost, __ATOMIC_RELAXED))
		s = ahci_port_reset(&d->port);
	if (s != OK && s != ERR_AGAIN)
		silence(d->hba, &d->port);
	return s;
}

static bool is_well(struct block_device *b)
{
	const struct ahci_disk *d = disk_of(b);

	return !__atomic_load_n(&d->hba->lost, __ATOMIC_RELAXED) && pci_is_there(d->hba->pci) &&
	       ahci_port_is_well(&d->port);
}

static const struct block_ops ops = {.submit = submit, .poll = poll, .reset = reset, .is_well = is_well};

/* "Message Signaled Interrupts": one for all ports. A port's bit of IS can be cleared once its own register is. */
static void interrupted(void *arg)
{
	const struct ahci_hba *h = arg;
	uint32_t ports = ahci_read(h->regs, AHCI_IS);

	for (unsigned i = 0; i < AHCI_PORTS; i++) {
		if (ports & 1u << i && h->disk[i] && ahci_port_interrupt(&h->disk[i]->port))
			block_suspect(&h->disk[i]->block);
	}
	ahci_write(h->regs, AHCI_IS, ports);
	for (unsigned i = 0; i < AHCI_PORTS; i++) {
		if (ports & 1u << i && h->disk[i])
			block_poll(&h->disk[i]->block, 0);
	}
}

/* --- at boot --- */

/* "BIOS/OS Handoff": a firmware that doesn't let go in time has lost. */
static void take_over(const struct ahci_hba *h)
{
	uint64_t end = time_now_ns() + HANDOFF_NS;

	if (!(ahci_read(h->regs, AHCI_CAP2) & AHCI_CAP2_BOH))
		return;
	ahci_write(h->regs, AHCI_BOHC, ahci_read(h->regs, AHCI_BOHC) | (uint32_t)AHCI_BOHC_OOS);
	while ((ahci_read(h->regs, AHCI_BOHC) & AHCI_BOHC_BOS) && time_now_ns() < end)
		;
}

static uint64_t pa_max(const struct ahci_hba *h)
{
	return h->cap & AHCI_CAP_64 ? UINT64_MAX : UINT32_MAX;
}

static void describe(struct ahci_disk *d)
{
	struct block_device *b = &d->block;
	const struct ata_identity *id = &d->port.id;

	fmt_snprintf(b->name, sizeof(b->name), "sata%u", disks++);
	memcpy(b->model, id->model, sizeof(b->model));
	memcpy(b->serial, id->serial, sizeof(b->serial));
	b->bdf = d->hba->pci->bdf;
	b->ops = &ops;
	b->sectors = id->sectors;
	b->logical_size = id->logical_size;
	b->physical_size = id->physical_size;
	b->limits = (struct block_limits){
	    .sectors = AHCI_TRANSFER_MAX / BLOCK_SECTOR,
	    .runs = AHCI_PRDS,
	    .run_align = RUN_ALIGN,
	    .pa_max = pa_max(d->hba),
	    .discard_sectors = d->port.trim ? AHCI_TRIM_RANGES * AHCI_TRIM_RANGE_MAX : 0,
	};
	b->write_cache = id->write_cache;
	b->fua = id->fua;
	b->timeout_ns = TIMEOUT_NS;
	b->poll_ns = d->hba->pci->irqs ? 0 : POLL_NS;
	b->queue = &d->queue;
	b->queues = 1;
}

/* A port without a disk of ours is silenced: the memory that firmware has given it is others' now. */
static enum status look_at(struct ahci_hba *h, unsigned n)
{
	struct ahci_disk *d = page_alloc_bytes(sizeof(*d));
	enum status s;

	if (!d)
		return ERR_NOMEM;
	d->hba = h;
	d->port = (struct ahci_port){
	    .regs = h->regs + AHCI_PORT(n), .slot_count = AHCI_CAP_SLOTS(h->cap), .pa_max = pa_max(h)};
	s = ahci_port_find(&d->port);
	if (s == OK) {
		h->disk[n] = d;
		return OK;
	}
	if (s != ERR_NOENT)
		log_warn("ahci: port %u: %s", n, status_str(s));
	silence(h, &d->port);
	ahci_port_free(&d->port);
	page_free_bytes(d, sizeof(*d));
	return h->lost ? ERR_BUSY : OK;
}

/* ERR_NOENT: there is no disk of ours. */
static enum status bring_up(struct ahci_hba *h)
{
	enum status s = OK;
	uint32_t ports;
	bool any = false;

	pci_enable(h->pci, true);
	h->regs = pci_map(h->pci, REGION, 0, MIN(h->pci->region[REGION].size, (uint64_t)REGS_SIZE));
	if (!h->regs)
		return ERR_RANGE;
	take_over(h);
	ahci_write(h->regs, AHCI_GHC, AHCI_GHC_AE);
	h->cap = ahci_read(h->regs, AHCI_CAP);
	ports = ahci_read(h->regs, AHCI_PI);
	for (unsigned i = 0; i < AHCI_PORTS && s == OK; i++) {
		if (ports & 1u << i && AHCI_PORT(i + 1) <= h->pci->region[REGION].size)
			s = look_at(h, i);
		any |= h->disk[i] != NULL;
	}
	return s != OK || any ? s : ERR_NOENT;
}

/* The controller reaches no memory. */
static void forget(struct ahci_hba *h)
{
	for (unsigned i = 0; i < AHCI_PORTS; i++) {
		if (!h->disk[i])
			continue;
		ahci_port_free(&h->disk[i]->port);
		page_free_bytes(h->disk[i], sizeof(*h->disk[i]));
	}
	page_free_bytes(h, sizeof(*h));
}

enum status ahci_probe(struct pci_device *d)
{
	struct ahci_hba *h = page_alloc_bytes(sizeof(*h));
	enum status s;

	if (!h)
		return ERR_NOMEM;
	h->pci = d;
	s = bring_up(h);
	if (s != OK) {
		pci_enable(d, false);
		forget(h);
		return s == ERR_NOENT ? OK : s;
	}
	if (d->irqs && pci_irq_connect(d, 0, work_first_cpu(), interrupted, h) != OK)
		d->irqs = 0;
	for (unsigned i = 0; i < AHCI_PORTS; i++) {
		if (!h->disk[i])
			continue;
		describe(h->disk[i]);
		block_register(&h->disk[i]->block);
	}
	ahci_write(h->regs, AHCI_IS, UINT32_MAX);
	ahci_write(h->regs, AHCI_GHC, AHCI_GHC_AE | AHCI_GHC_IE);
	return OK;
}
