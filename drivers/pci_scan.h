/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The walk over the machine's PCI functions: bus 0, and the buses behind the bridges that are found, each once whatever
 * the bridges say. In small steps, because a configuration access takes a microsecond and there may be 256 buses.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PCI_BUS_COUNT 256

struct pci_scan {
	uint64_t found[PCI_BUS_COUNT / 64], done[PCI_BUS_COUNT / 64];
	unsigned bus, devfn; /* where the next step looks; bus is PCI_BUS_COUNT at the end */
};

void pci_scan_start(struct pci_scan *s);
/* Looks at the next place: true, and its address, if a function is there. */
bool pci_scan_step(struct pci_scan *s, uint16_t *bdf);
/* The walk has ended. */
bool pci_scan_ended(const struct pci_scan *s);
