/* SPDX-License-Identifier: BSD-2-Clause */
/* Configuration space of the host's PCI devices: see pci_config.h. */
#include "drivers/pci_config.h"

#include "hv/lib/lock.h"
#include "hv/x86/insn.h"

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA    0xcfc
#define CONFIG_ENABLE  0x80000000u
#define REGISTER       0xfcu /* the offset of a doubleword; the rest goes with the port */

static struct spinlock lock; /* the pair of ports is one resource */

static void select(uint16_t bdf, uint8_t offset)
{
	out32(CONFIG_ADDRESS, CONFIG_ENABLE | (uint32_t)bdf << 8 | (offset & REGISTER));
}

uint32_t pci_config_read(uint16_t bdf, uint8_t offset)
{
	uint32_t value;

	spin_lock(&lock);
	select(bdf, offset);
	value = in32(CONFIG_DATA);
	spin_unlock(&lock);
	return value;
}

uint16_t pci_config_read16(uint16_t bdf, uint8_t offset)
{
	return (uint16_t)(pci_config_read(bdf, offset) >> 8 * (offset & ~REGISTER));
}

uint8_t pci_config_read8(uint16_t bdf, uint8_t offset)
{
	return (uint8_t)(pci_config_read(bdf, offset) >> 8 * (offset & ~REGISTER));
}

void pci_config_write(uint16_t bdf, uint8_t offset, uint32_t value)
{
	spin_lock(&lock);
	select(bdf, offset);
	out32(CONFIG_DATA, value);
	spin_unlock(&lock);
}

void pci_config_write16(uint16_t bdf, uint8_t offset, uint16_t value)
{
	spin_lock(&lock);
	select(bdf, offset);
	out16((uint16_t)(CONFIG_DATA + (offset & ~REGISTER)), value);
	spin_unlock(&lock);
}

uint16_t pci_config_io_bar(uint16_t bdf, unsigned bar)
{
	uint32_t value;

	if (pci_config_read16(bdf, PCI_VENDOR) == PCI_VENDOR_NONE)
		return 0;
	value = pci_config_read(bdf, (uint8_t)(PCI_BAR0 + 4 * bar));
	return value & PCI_BAR_SPACE_IO ? (uint16_t)(value & ~PCI_BAR_FLAGS_IO) : 0;
}
