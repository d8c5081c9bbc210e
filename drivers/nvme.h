/* SPDX-License-Identifier: BSD-2-Clause */
/* The driver of NVMe controllers, for the table of PCI drivers. */
#pragma once

#include "drivers/pci.h"

#define NVME_PCI_CLASS 0x010802 /* mass storage, non-volatile memory, NVM Express */

/* Registers a block device for each namespace: nvme0, nvme0n2. */
enum status nvme_probe(struct pci_device *d);
