/* SPDX-License-Identifier: BSD-2-Clause */
/* Parallel ATA disks behind IDE controllers that are bus masters, as block devices: for the table of PCI drivers. */
#pragma once

#include "drivers/pci.h"

/* As struct pci_driver says. ERR_UNSUPPORTED: the controller is no bus master. */
enum status ata_probe(struct pci_device *d);
