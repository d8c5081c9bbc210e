/* SPDX-License-Identifier: BSD-2-Clause */
/* IDE controllers on the PCI bus: where their channels' ports are, and their interrupts (PCI IDE Controller Specification 1.0). */
#include "drivers/ata_private.h"

#include "drivers/ata.h"
#include "drivers/ioapic.h"
#include "hv/pcpu.h"
#include "hv/x86/insn.h"
#include "mm/host_map.h"
#include "mm/page_alloc.h"

#define CHANNELS       2
#define MASTER_REGION  4
#define MASTER_PORTS   (CHANNELS * ATA_MASTER_PORTS)
#define CONTROL_PORTS  4
#define CONTROL_OFFSET 2               /* in its region, in native mode */
#define NATIVE(i)      (1u << 2 * (i)) /* of the class code's interface: channel i has regions of its own */
#define POLL_NS        100000          /* where a channel has no interrupt */

/* Where a channel is that is compatible with the AT's. */
static const struct {
	uint16_t command, control;
	uint8_t irq;
} legacy[CHANNELS] = {{0x1f0, 0x3f6, 14}, {0x170, 0x376, 15}};

uint8_t ata_in8(uint16_t port)
{
	return in8(port);
}

uint16_t ata_in16(uint16_t port)
{
	return in16(port);
}

void ata_out8(uint16_t port, uint8_t value)
{
	out8(port, value);
}

void ata_out32(uint16_t port, uint32_t value)
{
	out32(port, value);
}

static bool find_ports(const struct pci_device *d, unsigned i, struct ata_channel *c)
{
	uint16_t master = pci_port(d, MASTER_REGION, MASTER_PORTS), control;

	if (!master)
		return false;
	c->master = (uint16_t)(master + i * ATA_MASTER_PORTS);
	if (!(d->class_code & NATIVE(i))) {
		c->command = legacy[i].command;
		c->control = legacy[i].control;
		return true;
	}
	control = pci_port(d, 2 * i + 1, CONTROL_PORTS);
	c->command = pci_port(d, 2 * i, ATA_PORTS);
	c->control = (uint16_t)(control + CONTROL_OFFSET);
	return c->command && control;
}

static bool connect_irq(struct ata_channel *c, uint8_t irq)
{
	uint8_t vector;
	uint32_t gsi;

	if (irq_vector_alloc(&vector) != OK)
		return false;
	irq_set_handler(vector, ata_interrupt, c);
	return ioapic_route_isa(irq, vector, pcpus[0]->apic_id, &gsi) == OK && ioapic_mask(gsi, false) == OK;
}

static enum status alloc_tables(struct ata_channel *c)
{
	for (unsigned i = 0; i < ATA_DRIVES; i++) {
		c->drive[i].prd = page_alloc(0);
		if (!c->drive[i].prd)
			return ERR_NOMEM;
		if (host_pa(c->drive[i].prd).v > UINT32_MAX - PAGE_SIZE)
			return ERR_RANGE;
	}
	return OK;
}

static void free_channel(struct ata_channel *c)
{
	for (unsigned i = 0; i < ATA_DRIVES; i++) {
		if (c->drive[i].prd)
			page_free(c->drive[i].prd, 0);
	}
	page_free_bytes(c, sizeof(*c));
}

static void register_drives(struct ata_channel *c, const struct pci_device *d)
{
	for (unsigned i = 0; i < ATA_DRIVES; i++) {
		struct block_device *b = &c->drive[i].block;

		b->bdf = d->bdf;
		b->poll_ns = c->interrupts ? 0 : POLL_NS;
		if (c->drive[i].present)
			block_register(b);
	}
}

/* Channel i of d; one without disks is let alone. */
static enum status probe_channel(struct pci_device *d, unsigned i)
{
	struct ata_channel *c = page_alloc_bytes(sizeof(*c));
	enum status s;

	if (!c)
		return ERR_NOMEM;
	s = find_ports(d, i, c) ? alloc_tables(c) : ERR_UNSUPPORTED;
	if (s != OK || !ata_probe_channel(c)) {
		free_channel(c);
		return s;
	}
	pci_enable(d, true);
	if (!(d->class_code & NATIVE(i)))
		c->interrupts = connect_irq(c, legacy[i].irq);
	if (c->interrupts)
		ata_out8(c->control, 0);
	register_drives(c, d);
	return OK;
}

enum status ata_probe(struct pci_device *d)
{
	enum status s[CHANNELS];

	pci_enable(d, false);
	for (unsigned i = 0; i < CHANNELS; i++)
		s[i] = probe_channel(d, i);
	/* The disks of one channel are of use without the other. */
	return s[0] == OK ? OK : s[1];
}
