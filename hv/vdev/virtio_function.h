/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio device as a function of the guest's PCI bus: its identity, the BAR with its registers, the capabilities that lead
 * to them, MSI-X with a message for each queue and one for the configuration, and INTA. Model: VIRTIO 1.2, "Virtio Over PCI
 * Bus"; modern only.
 */
#pragma once

#include "hv/lib/status.h"
#include "hv/vdev/pci_function.h"
#include "hv/vdev/virtio_pci.h"

struct vm;

struct virtio_function {
	struct pci_function pci;
	struct virtio_pci regs;
	unsigned window; /* offset of the capability that gives access to the BAR from configuration space */
};

/*
 * Puts d, which virtio_init has set up, on the bus of its VM, in the first free slot, for good: after vpci_init, before the
 * first vdevs_reset. class_code as in struct pci_identity. ERR_NOMEM: the bus is full.
 */
enum status virtio_function_add(struct virtio_function *f, struct virtio *d, uint32_t class_code);
