/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of PCI devices that Ingot drives. */
#include "drivers/pci.h"

const struct pci_driver pci_drivers[] = {
    {},
};
