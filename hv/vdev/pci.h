/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's PCI bus 0 and the two ways to its configuration space: mechanism #1, ports CF8h-CFFh, and a window of
 * memory (ECAM). The host bridge is 00:00.0; a device puts itself in another slot, as function 0.
 * Model: PCI Local Bus Specification 3.0, "Software Generation of Configuration Transactions"; PCI Express Base
 * Specification, "PCI Express Enhanced Configuration Access Mechanism".
 */
#pragma once

#include <stdint.h>
#include "hv/guest_map.h"
#include "hv/lib/status.h"
#include "hv/vdev/pci_function.h"
#include "hv/vdev/platform.h"
#include "hv/vdev/vdev.h"

#define PCI_SLOTS 32

struct vpci {
	struct vdev dev;
	uint32_t address; /* CONFIG_ADDRESS */
	struct pci_function
	    *function[PCI_SLOTS]; /* NULL: an empty slot; doesn't change once the VM has run */
	struct pci_function bridge;
	struct guest_window high; /* above the RAM, for 64-bit BARs */
	unsigned bar_count;
	struct pci_bar *bar[PCI_SLOTS * PCI_BARS]; /* of all functions, as they came */
	struct spinlock intx_lock;
	uint32_t intx[PLATFORM_GSI_PCI_COUNT]; /* guarded by intx_lock: the slots that assert each input */
};

enum status vpci_init(struct vm *vm);
void vpci_reset(struct vm *vm);
/*
 * Puts f, which is described, into a slot, 1 to PCI_SLOTS - 1, for good: after vpci_init, before the first vpci_reset.
 * ERR_EXIST: it is taken; ERR_INVAL: no such slot.
 */
enum status vpci_add(struct vm *vm, unsigned slot, struct pci_function *f);
/* The same with the first slot that is free; ERR_NOMEM: none is. */
enum status vpci_add_next(struct vm *vm, struct pci_function *f);
