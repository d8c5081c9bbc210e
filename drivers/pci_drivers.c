/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of PCI devices that Ingot drives. */
#include "drivers/pci.h"

#include "drivers/ahci.h"
#include "drivers/ata.h"
#include "drivers/e1000.h"
#include "drivers/nvme.h"
#include "drivers/virtio_blk.h"
#include "drivers/virtio_net.h"
#include "hv/x86/virtio.h"

#define INTEL     0x8086
#define CLASS_ALL 0xffffff
#define CLASS_IDE 0x010180 /* a bus master, its channels in either mode */
#define IDE_MASK  0xffff80

const struct pci_driver pci_drivers[] = {
    {.class_code = AHCI_PCI_CLASS, .class_mask = CLASS_ALL, .name = "ahci", .probe = ahci_probe},
    {.class_code = NVME_PCI_CLASS, .class_mask = CLASS_ALL, .name = "nvme", .probe = nvme_probe},
    {VIRTIO_PCI_VENDOR, VIRTIO_PCI_DEVICE(VIRTIO_ID_BLOCK), .name = "virtio-blk", .probe = virtio_blk_probe},
    {VIRTIO_PCI_VENDOR, VIRTIO_PCI_BLOCK_OLD, .name = "virtio-blk", .probe = virtio_blk_probe},
    {.class_code = CLASS_IDE, .class_mask = IDE_MASK, .name = "ata", .probe = ata_probe},
    {INTEL, E1000_82540EM, .name = "e1000", .probe = e1000_probe},
    {INTEL, E1000_82574L, .name = "e1000e", .probe = e1000_probe},
    {VIRTIO_PCI_VENDOR, VIRTIO_PCI_DEVICE(VIRTIO_ID_NET), .name = "virtio-net", .probe = virtio_net_probe},
    {VIRTIO_PCI_VENDOR, VIRTIO_PCI_NET_OLD, .name = "virtio-net", .probe = virtio_net_probe},
    {},
};
