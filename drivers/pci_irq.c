/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupts of PCI devices as messages: PCI Local Bus Specification 3.0, "Message Signaled Interrupts". */
#include <stddef.h>
#include "drivers/pci.h"
#include "hv/x86/insn.h"

#define ENTRY_ADDRESS 0
#define ENTRY_UPPER   4
#define ENTRY_DATA    8
#define ENTRY_CONTROL 12

static void set_control(const struct pci_device *d, uint8_t at, uint16_t clear, uint16_t set)
{
	pci_config_write16(d->bdf, at, (uint16_t)((pci_config_read16(d->bdf, at) & ~clear) | set));
}

/* Maps the table, where there is one that lies in its region, and masks all of its entries. */
static bool msix_init(struct pci_device *d)
{
	uint32_t place, count;

	if (!d->msix)
		return false;
	set_control(d, d->msix + PCI_MSIX_CONTROL, PCI_MSIX_ON, 0);
	place = pci_config_read(d->bdf, d->msix + PCI_MSIX_TABLE);
	count = (pci_config_read16(d->bdf, d->msix + PCI_MSIX_CONTROL) & PCI_MSIX_COUNT) + 1;
	if (!d->msix_table)
		d->msix_table = pci_map(d, place & PCI_MSIX_BAR, place & ~PCI_MSIX_BAR,
					(uint64_t)count * PCI_MSIX_ENTRY_SIZE);
	if (!d->msix_table)
		return false;
	d->irqs = (uint16_t)count;
	return true;
}

void pci_irq_init(struct pci_device *d)
{
	d->msix = pci_capability(d, PCI_CAP_MSIX, 0);
	d->msi = pci_capability(d, PCI_CAP_MSI, 0);
	if (d->msi)
		set_control(d, d->msi + PCI_MSI_CONTROL, PCI_MSI_ON, 0);
	if (!msix_init(d)) {
		d->msix = 0;
		d->irqs = d->msi != 0;
	}
}

static void msix_connect(const struct pci_device *d, unsigned n, uint64_t address, uint32_t data)
{
	char *entry = d->msix_table + (size_t)n * PCI_MSIX_ENTRY_SIZE;

	/* The table answers only while the device does; all of its entries are masked after a reset. */
	pci_enable(d, pci_config_read16(d->bdf, PCI_COMMAND) & PCI_COMMAND_MASTER);
	mmio_write32(entry + ENTRY_CONTROL, PCI_MSIX_ENTRY_MASKED);
	mmio_write32(entry + ENTRY_ADDRESS, (uint32_t)address);
	mmio_write32(entry + ENTRY_UPPER, (uint32_t)(address >> 32));
	mmio_write32(entry + ENTRY_DATA, data);
	mmio_write32(entry + ENTRY_CONTROL, 0);
	set_control(d, d->msix + PCI_MSIX_CONTROL, PCI_MSIX_MASK, PCI_MSIX_ON);
}

static void msi_connect(const struct pci_device *d, uint64_t address, uint32_t data)
{
	uint16_t control = pci_config_read16(d->bdf, d->msi + PCI_MSI_CONTROL);
	bool is_64 = control & PCI_MSI_64;

	pci_config_write(d->bdf, d->msi + PCI_MSI_ADDRESS, (uint32_t)address);
	if (is_64)
		pci_config_write(d->bdf, d->msi + PCI_MSI_ADDRESS + 4, (uint32_t)(address >> 32));
	pci_config_write16(d->bdf, d->msi + (is_64 ? PCI_MSI_DATA_64 : PCI_MSI_DATA_32), (uint16_t)data);
	if (control & PCI_MSI_MASKABLE)
		pci_config_write(d->bdf, d->msi + (is_64 ? PCI_MSI_MASK_64 : PCI_MSI_MASK_32), 0);
	set_control(d, d->msi + PCI_MSI_CONTROL, PCI_MSI_COUNT, PCI_MSI_ON);
}

enum status pci_irq_connect(struct pci_device *d, unsigned n, uint32_t cpu, irq_fn fn, void *arg)
{
	uint64_t address;
	uint32_t data;
	uint8_t vector;
	enum status s;

	if (n >= d->irqs)
		return ERR_RANGE;
	s = irq_message(cpu, &address, &data);
	if (s == OK)
		s = irq_vector_alloc(&vector);
	if (s != OK)
		return s;
	irq_set_handler(vector, fn, arg);
	if (d->msix)
		msix_connect(d, n, address, data | vector);
	else
		msi_connect(d, address, data | vector);
	return OK;
}

void pci_irq_mask(const struct pci_device *d, unsigned n, bool masked)
{
	uint16_t control;

	if (d->msix) {
		mmio_write32(d->msix_table + (size_t)n * PCI_MSIX_ENTRY_SIZE + ENTRY_CONTROL,
			     masked ? PCI_MSIX_ENTRY_MASKED : 0);
		return;
	}
	control = pci_config_read16(d->bdf, d->msi + PCI_MSI_CONTROL);
	if (control & PCI_MSI_MASKABLE)
		pci_config_write(d->bdf, d->msi + (control & PCI_MSI_64 ? PCI_MSI_MASK_64 : PCI_MSI_MASK_32),
				 masked);
	else
		set_control(d, d->msi + PCI_MSI_CONTROL, PCI_MSI_ON, masked ? 0 : PCI_MSI_ON);
}
