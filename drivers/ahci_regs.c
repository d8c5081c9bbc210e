/* SPDX-License-Identifier: BSD-2-Clause */
/* Registers of AHCI controllers, which a test replaces: a write to many of them is no store. */
#include "drivers/ahci_port.h"

#include "hv/x86/insn.h"

uint32_t ahci_read(const volatile uint8_t *regs, uint32_t offset)
{
	return mmio_read32(regs + offset);
}

void ahci_write(volatile uint8_t *regs, uint32_t offset, uint32_t value)
{
	mmio_write32(regs + offset, value);
}
