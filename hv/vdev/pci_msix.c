/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MSI-X: the table of messages and the pending bits, in a BAR of their own. The guest may write any address and data into
 * the table; vm_msi drops what is no interrupt message. Model: PCI Local Bus Specification 3.0, "MSI-X Capability and
 * Table Structures" and "MSI-X Operation" of its chapter on message-signalled interrupts.
 */
#include "hv/lib/panic.h"
#include "hv/lib/string.h"
#include "hv/vdev/pci_private.h"
#include "hv/vm.h"

#define ENTRY_ADDRESS (~3ULL)
#define PENDING_BITS  64

/* The BAR. */
#define BAR_SIZE      PAGE_SIZE
#define BAR_PBA       0x800u

static_assert(sizeof(struct pci_msix_entry) == 16);
static_assert(sizeof(((struct pci_msix *)NULL)->entry) <= BAR_PBA);

static uint32_t control(const struct pci_function *f)
{
	return vpci_config_get(f, f->msix.capability + PCI_MSIX_CONTROL, 2);
}

bool vpci_msix_enabled(const struct pci_function *f)
{
	return f->msix.vectors && (control(f) & PCI_MSIX_ON);
}

/* MSI-X is on. A message is a write of the function's own, so it has to be a bus master. */
static inline bool may_send(const struct pci_function *f, unsigned vector)
{
	return (vpci_config_get(f, PCI_COMMAND, 2) & PCI_COMMAND_MASTER) && !(control(f) & PCI_MSIX_MASK) &&
	       !(f->msix.entry[vector].control & PCI_MSIX_ENTRY_MASKED);
}

static void send(struct pci_function *f, unsigned vector)
{
	vm_msi(f->vm, f->msix.entry[vector].address, f->msix.entry[vector].data);
}

/* Sends what has waited and may be sent now. With MSI-X off nothing waits. */
void vpci_msix_follow(struct pci_function *f)
{
	bool on = vpci_msix_enabled(f);

	for (unsigned vector = 0; vector < f->msix.vectors; vector++) {
		uint64_t *word = &f->msix.pending[vector / PENDING_BITS], bit = BIT(vector % PENDING_BITS);

		if (!(*word & bit) || (on && !may_send(f, vector)))
			continue;
		*word &= ~bit;
		if (on)
			send(f, vector);
	}
}

bool vpci_msix_send(struct pci_function *f, unsigned vector)
{
	bool on;

	spin_lock(&f->lock);
	on = vpci_msix_enabled(f);
	if (on && vector < f->msix.vectors) {
		if (may_send(f, vector))
			send(f, vector);
		else
			f->msix.pending[vector / PENDING_BITS] |= BIT(vector % PENDING_BITS);
	}
	spin_unlock(&f->lock);
	return on;
}

/* What lies at offset of the BAR, or NULL: the gaps behind table and pending bits. */
static const void *find(const struct pci_msix *m, uint64_t offset, unsigned size)
{
	if (offset + size <= m->vectors * sizeof(m->entry[0]))
		return (const uint8_t *)m->entry + offset;
	if (offset >= BAR_PBA && offset - BAR_PBA + size <= sizeof(m->pending))
		return (const uint8_t *)m->pending + (offset - BAR_PBA);
	return NULL;
}

static uint64_t table_read(struct pci_function *f, struct vcpu *v, uint64_t offset, unsigned size)
{
	const void *from = find(&f->msix, offset, size);
	uint64_t value = 0;

	(void)v;
	if (!from)
		return 0;
	spin_lock(&f->lock);
	memcpy(&value, from, size);
	spin_unlock(&f->lock);
	return value;
}

/* The specification allows aligned accesses of 4 and 8 bytes; others change nothing, nor does one of the pending bits. */
static void table_write(struct pci_function *f, struct vcpu *v, uint64_t offset, unsigned size,
			uint64_t value)
{
	struct pci_msix *m = &f->msix;
	struct pci_msix_entry *e;

	(void)v;
	if (size < sizeof(uint32_t) || !IS_ALIGNED(offset, size) ||
	    offset >= m->vectors * sizeof(m->entry[0]))
		return;
	e = &m->entry[offset / sizeof(*e)];
	spin_lock(&f->lock);
	memcpy((uint8_t *)e + offset % sizeof(*e), &value, size);
	e->address &= ENTRY_ADDRESS;
	e->control &= PCI_MSIX_ENTRY_MASKED;
	vpci_msix_follow(f);
	spin_unlock(&f->lock);
}

void vpci_msix_define(struct pci_function *f, unsigned bar, unsigned vectors)
{
	unsigned at = vpci_capability_add(f, PCI_CAP_MSIX, PCI_MSIX_SIZE);

	CHECK(vectors >= 1 && vectors <= PCI_MSIX_VECTORS_MAX);
	vpci_bar_define(f, bar, PCI_BAR_MEM32, BAR_SIZE, table_read, table_write);
	vpci_config_define(f, at + PCI_MSIX_CONTROL, 2, vectors - 1, PCI_MSIX_ON | PCI_MSIX_MASK);
	vpci_config_define(f, at + PCI_MSIX_TABLE, 4, bar, 0);
	vpci_config_define(f, at + PCI_MSIX_PBA, 4, BAR_PBA | bar, 0);
	f->msix.capability = at;
	f->msix.vectors = vectors;
}

void vpci_msix_reset(struct pci_function *f)
{
	memset(f->msix.pending, 0, sizeof(f->msix.pending));
	for (unsigned i = 0; i < f->msix.vectors; i++)
		f->msix.entry[i] = (struct pci_msix_entry){.control = PCI_MSIX_ENTRY_MASKED};
}
