/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupt pins of PCI functions: levels, of which several share an input of the I/O APIC as a wired OR. Which goes
 * where is also in _PRT, hv/dsdt.asl. No input of the PIC has one.
 */
#include "hv/lib/panic.h"
#include "hv/vdev/pci_private.h"
#include "hv/vm.h"

/* f's pin changes. */
static void drive(struct pci_function *f, bool level)
{
	struct vpci *p = &f->vm->pci;
	unsigned pin = f->config[PCI_INTERRUPT_PIN] - PCI_INTA;
	unsigned input = (f->slot + pin) % PLATFORM_GSI_PCI_COUNT;

	spin_lock(&p->intx_lock);
	if (level)
		p->intx[input] |= (uint32_t)BIT(f->slot);
	else
		p->intx[input] &= (uint32_t)~BIT(f->slot);
	vm_irq_set(f->vm, PLATFORM_GSI_PCI + input, p->intx[input]);
	spin_unlock(&p->intx_lock);
}

void vpci_intx_follow(struct pci_function *f)
{
	bool out = f->intx && !(vpci_config_get(f, PCI_COMMAND, 2) & PCI_COMMAND_INTX_DISABLE) &&
		   !vpci_msix_enabled(f);

	f->config[PCI_STATUS] &= (uint8_t)~PCI_STATUS_INTX;
	if (f->intx)
		f->config[PCI_STATUS] |= PCI_STATUS_INTX;
	if (out == f->intx_out)
		return;
	f->intx_out = out;
	drive(f, out);
}

void vpci_intx_set(struct pci_function *f, bool level)
{
	spin_lock(&f->lock);
	f->intx = level;
	vpci_intx_follow(f);
	spin_unlock(&f->lock);
}

void vpci_intx_define(struct pci_function *f, enum pci_pin pin)
{
	CHECK(pin >= PCI_INTA && pin <= PCI_INTD);
	vpci_config_define(f, PCI_INTERRUPT_LINE, 1, 0, 0xff);
	vpci_config_define(f, PCI_INTERRUPT_PIN, 1, pin, 0);
}
