/* SPDX-License-Identifier: BSD-2-Clause */
/* The driver of AHCI controllers, for the table of PCI drivers. */
#pragma once

#include "drivers/pci.h"

#define AHCI_PCI_CLASS 0x010601 /* mass storage, Serial ATA, AHCI */

/* Registers a block device for each disk: sata0, sata1, ... in order of controllers and ports. */
enum status ahci_probe(struct pci_device *d);
