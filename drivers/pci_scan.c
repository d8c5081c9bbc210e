/* SPDX-License-Identifier: BSD-2-Clause */
/* The walk over the machine's PCI functions: see pci_scan.h. */
#include "drivers/pci_scan.h"

#include "drivers/pci_config.h"

#define FUNCTIONS       8
#define DEVFNS          256
#define BUS_BITS        64
#define SECONDARY_SHIFT 8

static void add_bus(struct pci_scan *s, unsigned bus)
{
	s->found[bus / BUS_BITS] |= BIT(bus % BUS_BITS);
}

/* The lowest bus that was found and not walked yet; PCI_BUS_COUNT: none. */
static unsigned next_bus(const struct pci_scan *s)
{
	for (unsigned i = 0; i < PCI_BUS_COUNT; i++) {
		if ((s->found[i / BUS_BITS] & ~s->done[i / BUS_BITS]) >> (i % BUS_BITS) & 1)
			return i;
	}
	return PCI_BUS_COUNT;
}

static void advance(struct pci_scan *s, unsigned places)
{
	s->devfn += places;
	if (s->devfn < DEVFNS)
		return;
	s->done[s->bus / BUS_BITS] |= BIT(s->bus % BUS_BITS);
	s->bus = next_bus(s);
	s->devfn = 0;
}

void pci_scan_start(struct pci_scan *s)
{
	*s = (struct pci_scan){};
	add_bus(s, 0);
}

bool pci_scan_ended(const struct pci_scan *s)
{
	return s->bus == PCI_BUS_COUNT;
}

bool pci_scan_step(struct pci_scan *s, uint16_t *bdf)
{
	uint16_t at = (uint16_t)(s->bus << 8 | s->devfn);
	bool first = at % FUNCTIONS == 0, there = pci_config_read16(at, PCI_VENDOR) != PCI_VENDOR_NONE;
	uint8_t type = there ? pci_config_read8(at, PCI_HEADER_TYPE) : 0;

	*bdf = at;
	if ((type & PCI_HEADER_TYPE_MASK) == PCI_HEADER_BRIDGE)
		add_bus(s, pci_config_read(at, PCI_BUSES) >> SECONDARY_SHIFT & 0xff);
	/* Without that bit in function 0, the other seven may be its echoes. */
	advance(s, first && !(type & PCI_HEADER_MULTI) ? FUNCTIONS : 1);
	return there;
}
