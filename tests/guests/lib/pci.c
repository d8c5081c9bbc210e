/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest's view of the PCI bus: pci.h. */
#include "tests/guests/lib/pci.h"

#include "hv/vdev/platform.h"

#define SLOTS     32
#define BARS      6
#define BAR0      0x10
#define CAPS_MAX  48
#define SLOT_ROOM 0x1000000u /* of the window, for the BARs of one slot */
#define MSI_BASE  0xfee00000u
#define MSIX_ON   0x8000u

static volatile uint8_t *ecam(uint32_t devfn, uint32_t offset)
{
	return (volatile uint8_t *)(uintptr_t)(PLATFORM_PCI_ECAM_BASE + (devfn << 12) + offset);
}

uint32_t pci_get(uint32_t devfn, uint32_t offset, unsigned size)
{
	volatile uint8_t *p = ecam(devfn, offset);

	return size == 1 ? *p : size == 2 ? *(volatile uint16_t *)p : *(volatile uint32_t *)p;
}

void pci_set(uint32_t devfn, uint32_t offset, unsigned size, uint32_t value)
{
	volatile uint8_t *p = ecam(devfn, offset);

	if (size == 1)
		*p = (uint8_t)value;
	else if (size == 2)
		*(volatile uint16_t *)p = (uint16_t)value;
	else
		*(volatile uint32_t *)p = value;
}

bool pci_find(uint16_t vendor, uint16_t device, unsigned n, uint32_t *devfn)
{
	for (uint32_t slot = 0; slot < SLOTS; slot++) {
		*devfn = slot << 3;
		if (pci_get(*devfn, 0, 4) == ((uint32_t)device << 16 | vendor) && n-- == 0)
			return true;
	}
	return false;
}

void pci_place(uint32_t devfn)
{
	uint32_t at = PLATFORM_PCI_MEM_BASE + (devfn >> 3) * SLOT_ROOM;

	for (unsigned n = 0; n < BARS; n++) {
		uint32_t reg = BAR0 + 4 * n, size;

		pci_set(devfn, reg, 4, UINT32_MAX);
		size = ~(pci_get(devfn, reg, 4) & ~0xfu) + 1;
		if (!pci_get(devfn, reg, 4) || (pci_get(devfn, reg, 4) & 1))
			continue;
		at = (at + size - 1) & ~(size - 1);
		pci_set(devfn, reg, 4, at);
		at += size;
		if (pci_get(devfn, reg, 4) & 4)
			pci_set(devfn, BAR0 + 4 * ++n, 4, 0);
	}
	pci_set(devfn, 4, 2, 0x6);
}

volatile uint8_t *pci_bar(uint32_t devfn, unsigned n)
{
	return (volatile uint8_t *)(uintptr_t)(pci_get(devfn, BAR0 + 4 * n, 4) & ~0xfu);
}

uint32_t pci_find_cap(uint32_t devfn, uint8_t id, unsigned n)
{
	uint32_t cap = pci_get(devfn, 0x34, 1);

	for (unsigned i = 0; cap && i < CAPS_MAX; i++, cap = pci_get(devfn, cap + 1, 1))
		if (pci_get(devfn, cap, 1) == id && n-- == 0)
			return cap;
	return 0;
}

void pci_msix_connect(uint32_t devfn, unsigned bar, unsigned vector, uint8_t interrupt)
{
	volatile uint32_t *entry = (volatile uint32_t *)(pci_bar(devfn, bar) + 16 * vector);

	entry[0] = MSI_BASE;
	entry[1] = 0;
	entry[2] = interrupt;
	entry[3] = 0;
	pci_set(devfn, pci_find_cap(devfn, PCI_CAP_ID_MSIX, 0) + 2, 2, MSIX_ON);
}
