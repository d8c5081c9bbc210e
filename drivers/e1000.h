/* SPDX-License-Identifier: BSD-2-Clause */
/* Intel's gigabit cards 82540EM and 82574L, as `struct nic`: for the table of PCI drivers. */
#pragma once

#include "drivers/pci.h"

#define E1000_82540EM 0x100e
#define E1000_82574L  0x10d3

/* As struct pci_driver says. ERR_TIMEOUT: the card does not come out of its reset; ERR_IO: it has no address. */
enum status e1000_probe(struct pci_device *d);
