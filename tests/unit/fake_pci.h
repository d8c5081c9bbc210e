/* SPDX-License-Identifier: BSD-2-Clause */
/* What the PCI bus wants of the rest, for tests of devices on it that have no use for it. */
#pragma once

#include "hv/vm.h"

void vm_msi(struct vm *vm, uint64_t address, uint32_t data)
{
}

void vm_irq_set(struct vm *vm, unsigned gsi, bool level)
{
}

uint8_t vpm_reset_read(struct vm *vm)
{
	return 0;
}

void vpm_reset_write(struct vm *vm, uint8_t value)
{
}
