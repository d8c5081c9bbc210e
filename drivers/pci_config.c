/* SPDX-License-Identifier: BSD-2-Clause */
/* Configuration space of the host's PCI devices: see pci_config.h. */
#include "drivers/pci_config.h"

#include "hv/lib/lock.h"
#include "hv/x86/insn.h"

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA    0xcfc
#define CONFIG_ENABLE  0x80000000u

static struct spinlock lock; /* the pair of ports is one resource */

uint32_t pci_config_read(uint16_t bdf, uint8_t offset)
{
	uint32_t value;

	spin_lock(&lock);
	out32(CONFIG_ADDRESS, CONFIG_ENABLE | (uint32_t)bdf << 8 | (offset & 0xfcu));
	value = in32(CONFIG_DATA);
	spin_unlock(&lock);
	return value;
}

uint16_t pci_config_io_bar(uint16_t bdf, unsigned bar)
{
	uint32_t value;

	if (pci_config_read(bdf, PCI_CONFIG_ID) == UINT32_MAX)
		return 0;
	value = pci_config_read(bdf, (uint8_t)(PCI_CONFIG_BAR0 + 4 * bar));
	return value & PCI_BAR_IO ? value & PCI_BAR_IO_MASK : 0;
}
