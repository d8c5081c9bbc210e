/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A function of the guest's PCI bus: its configuration space, type 0 header. A device embeds one, describes it before
 * the VM runs, and puts it on the bus (hv/vdev/pci.h).
 * Model: PCI Local Bus Specification 3.0, "Configuration Space Organization".
 */
#pragma once

#include <stdint.h>
#include "hv/lib/lock.h"
#include "hv/lib/util.h"

#define PCI_CONFIG_SIZE 256

/* Offsets in configuration space. */
enum pci_register {
	PCI_VENDOR = 0x00,
	PCI_DEVICE = 0x02,
	PCI_COMMAND = 0x04,
	PCI_REVISION = 0x08, /* with the class above */
	PCI_CACHE_LINE = 0x0c,
	PCI_SUBSYSTEM_VENDOR = 0x2c,
	PCI_SUBSYSTEM = 0x2e,
};

#define PCI_COMMAND_IO           BIT(0)
#define PCI_COMMAND_MEMORY       BIT(1)
#define PCI_COMMAND_MASTER       BIT(2)
#define PCI_COMMAND_PARITY       BIT(6)
#define PCI_COMMAND_SERR         BIT(8)
#define PCI_COMMAND_INTX_DISABLE BIT(10)

struct pci_identity {
	uint16_t vendor, device, subsystem_vendor, subsystem;
	uint32_t class_code; /* class << 16 | subclass << 8 | interface */
	uint8_t revision;
};

struct pci_function {
	struct spinlock
	    lock; /* guards what the guest may change; taken after the lock of the function's device */
	uint8_t config[PCI_CONFIG_SIZE];
	uint8_t writable[PCI_CONFIG_SIZE]; /* the bits that the guest may change */
};

/* Begins the description of f. */
void vpci_function_init(struct pci_function *f, const struct pci_identity *id);
/* A register of 1, 2 or 4 bytes: its value, and the bits that the guest may change, which are 0 after a reset. */
void vpci_config_define(struct pci_function *f, unsigned offset, unsigned size, uint32_t value,
			uint32_t writable);

/* For the bus. */
void vpci_function_reset(struct pci_function *f);
/* One access of 1, 2 or 4 bytes, not over the end of a register: offset % 4 + size <= 4, offset below PCI_CONFIG_SIZE. */
uint32_t vpci_config_read(struct pci_function *f, unsigned offset, unsigned size);
void vpci_config_write(struct pci_function *f, unsigned offset, unsigned size, uint32_t value);
