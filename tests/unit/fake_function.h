/* SPDX-License-Identifier: BSD-2-Clause */
/* One function on the bus of fake_vm, which has MSI-X, in tests of its interrupts. */
#pragma once

#include "fake_bus.h"

#define SLOT               6
#define MSIX               0x40 /* the capability */
#define ON                 0x8000u
#define ECAM(slot, offset) (PLATFORM_PCI_ECAM_BASE + ((uint64_t)(slot) << 15) + (offset))

static uint64_t seed = 3;
static struct pci_function f;

static inline uint32_t below(uint32_t n)
{
	return (uint32_t)(test_random(&seed) >> 33) % n;
}

static inline void command(uint16_t value)
{
	wr(ECAM(SLOT, PCI_COMMAND), 2, value);
}

static inline void control(uint32_t value)
{
	wr(ECAM(SLOT, MSIX + 2), 2, value);
}
