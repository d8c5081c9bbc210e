/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The register structures of a virtio device on PCI, as one memory BAR holds them; the PCI function itself, its
 * capabilities and its interrupts are the owner's. Model: VIRTIO 1.2, "Virtio Over PCI Bus"; nothing of the legacy interface.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/vdev/virtio.h"

#define VIRTIO_PCI_BAR_SIZE  0x4000
#define VIRTIO_PCI_QUEUE_MAX 64
#define VIRTIO_PCI_NOTIFY_FACTOR                                                                             \
	4 /* notify_off_multiplier: queue n is notified 4 * n bytes into its structure */

/* Where in the BAR a structure lies; rows 1 to VIRTIO_PCI_CAP_COUNT - 1, by cfg_type. */
struct virtio_pci_structure {
	uint32_t offset, length;
};
extern const struct virtio_pci_structure virtio_pci_structure[VIRTIO_PCI_CAP_COUNT];

struct virtio_pci;

/* What the PCI function does for it. With the device's lock held. */
struct virtio_pci_wires {
	/* Sends this message, if it is one below p->vectors. False: MSI-X is not enabled. */
	bool (*msix)(struct virtio_pci *p, uint16_t vector);
	/* The level of its pin, which counts as long as MSI-X is not enabled. */
	void (*intx)(struct virtio_pci *p, bool level);
};

struct virtio_pci {
	struct virtio_transport transport;
	const struct virtio_pci_wires *wires;
	struct virtio *device;
	uint16_t vectors; /* in the function's MSI-X table */
	uint32_t device_feature_select, driver_feature_select;
	uint16_t queue_select;
	uint16_t config_vector, queue_vector[VIRTIO_PCI_QUEUE_MAX];
	uint8_t isr;
};

/* Puts d, of at most VIRTIO_PCI_QUEUE_MAX queues, behind p. */
void virtio_pci_init(struct virtio_pci *p, const struct virtio_pci_wires *wires, struct virtio *d,
		     uint16_t vectors);
/* An access to the BAR, of 1, 2, 4 or 8 bytes that lie in it. Takes the device's lock. */
uint64_t virtio_pci_read(struct virtio_pci *p, uint32_t offset, unsigned size);
void virtio_pci_write(struct virtio_pci *p, uint32_t offset, unsigned size, uint64_t value);
