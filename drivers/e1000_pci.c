/* SPDX-License-Identifier: BSD-2-Clause */
/* Intel's gigabit cards on the PCI bus: which there are, their registers, their interrupts. */
#include "drivers/e1000_private.h"

#include "drivers/e1000.h"
#include "hv/lib/fmt.h"
#include "hv/work.h"
#include "hv/x86/insn.h"
#include "mm/host_map.h"
#include "mm/page_alloc.h"

/* The last of each is "EEPROM Read Register" in the manuals: where the address begins, and which bit says done. */
static const struct e1000_model model_82540em = {.name = "e1000", .eerd_address = 8, .eerd_done = 4};
static const struct e1000_model model_82574l = {
    .name = "e1000e",
    .eerd_address = 2,
    .eerd_done = 1,
    .master_disable = true,
    .txdctl = TXDCTL_82574,
};
static unsigned e1000_count, e1000e_count;

uint32_t e1000_read(const struct e1000 *e, uint32_t reg)
{
	return mmio_read32((const volatile char *)e->regs + reg);
}

void e1000_write(const struct e1000 *e, uint32_t reg, uint32_t value)
{
	mmio_write32((volatile char *)e->regs + reg, value);
}

static enum status probe(struct pci_device *d, struct e1000 *e, unsigned number)
{
	enum status s;

	e->nic.bdf = d->bdf;
	e->cpu = work_first_cpu();
	fmt_snprintf(e->nic.name, sizeof(e->nic.name), "%s-%u", e->model->name, number);
	e->regs = pci_map(d, 0, 0, E1000_REGS_SIZE);
	if (!e->regs)
		return ERR_IO;
	pci_enable(d, true);
	s = e1000_init(e);
	if (s != OK)
		return s;
	if (d->irqs)
		e->interrupts = pci_irq_connect(d, 0, e->cpu, e1000_interrupt, e) == OK;
	e->msix = e->interrupts && d->msix;
	nic_register(&e->nic);
	return OK;
}

enum status e1000_probe(struct pci_device *d)
{
	bool is_82574l = d->device == E1000_82574L;
	unsigned *count = is_82574l ? &e1000e_count : &e1000_count;
	struct e1000 *e = page_alloc_bytes(sizeof(*e));
	enum status s;

	if (!e)
		return ERR_NOMEM;
	e->model = is_82574l ? &model_82574l : &model_82540em;
	s = probe(d, e, *count);
	if (s == OK) {
		(*count)++;
		return OK;
	}
	pci_enable(d, false);
	e1000_rings_free(e);
	host_unmap((const void *)e->regs, E1000_REGS_SIZE);
	page_free_bytes(e, sizeof(*e));
	return s;
}
