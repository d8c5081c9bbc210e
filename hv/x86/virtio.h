/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Numbers and layouts of Virtual I/O Device (VIRTIO) 1.2 that both sides of a device have: "Basic Facilities of a Virtio
 * Device", "Split Virtqueues". Used by the drivers for the machine's devices and by hv/vdev for the guests'.
 */
#pragma once

#include <stdint.h>
#include "hv/lib/util.h"

/* Device status. */
#define VIRTIO_ACKNOWLEDGE        0x01
#define VIRTIO_DRIVER             0x02
#define VIRTIO_DRIVER_OK          0x04
#define VIRTIO_FEATURES_OK        0x08
#define VIRTIO_DEVICE_NEEDS_RESET 0x40
#define VIRTIO_FAILED             0x80

/* Features that do not belong to a type of device; those of types are bits 0-23. */
#define VIRTIO_F_INDIRECT_DESC    BIT(28)
#define VIRTIO_F_EVENT_IDX        BIT(29)
#define VIRTIO_F_VERSION_1        BIT(32)
#define VIRTIO_F_ACCESS_PLATFORM  BIT(33)
#define VIRTIO_F_ORDER_PLATFORM   BIT(36)
#define VIRTIO_F_RING_RESET       BIT(40)

#define VIRTIO_ID_NET             1
#define VIRTIO_ID_BLOCK           2

#define VIRTIO_PCI_VENDOR         0x1af4
#define VIRTIO_PCI_DEVICE(id)     (0x1040 + (id))
#define VIRTIO_PCI_NET_OLD        0x1000 /* of transitional devices, which are modern ones too */
#define VIRTIO_PCI_BLOCK_OLD      0x1001
#define VIRTIO_PCI_NO_VECTOR      0xffff

/* cfg_type of a capability. */
enum virtio_pci_cap {
	VIRTIO_PCI_CAP_COMMON = 1,
	VIRTIO_PCI_CAP_NOTIFY,
	VIRTIO_PCI_CAP_ISR,
	VIRTIO_PCI_CAP_DEVICE,
	VIRTIO_PCI_CAP_COUNT, /* of structures in a BAR */
	VIRTIO_PCI_CAP_PCI_CFG = VIRTIO_PCI_CAP_COUNT,
};

#define VQ_DESC_SIZE          16
#define VQ_DESC_NEXT          1
#define VQ_DESC_WRITE         2
#define VQ_DESC_INDIRECT      4
#define VQ_AVAIL_NO_INTERRUPT 1
#define VQ_USED_NO_NOTIFY     1

struct vq_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};
static_assert(sizeof(struct vq_desc) == VQ_DESC_SIZE);

/* The available ring; behind ring[size - 1] is used_event. */
struct vq_avail {
	uint16_t flags, idx;
	uint16_t ring[];
};

struct vq_used_elem {
	uint32_t id, len;
};

/* The used ring; behind ring[size - 1] is avail_event, of 16 bits. */
struct vq_used {
	uint16_t flags, idx;
	struct vq_used_elem ring[];
};
