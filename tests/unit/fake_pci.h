/* SPDX-License-Identifier: BSD-2-Clause */
/* What the PCI bus wants of the rest, for tests of devices that have no use for interrupts. */
#pragma once

#include "fake_bus.h"

void vm_msi(struct vm *vm, uint64_t address, uint32_t data)
{
}

void vm_irq_set(struct vm *vm, unsigned gsi, bool level)
{
}
