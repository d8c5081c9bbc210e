/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers and bits of PCI configuration space (PCI Local Bus Specification 3.0, "Configuration Space Organization",
 * "Message Signaled Interrupts"). Used by the drivers for the hardware and by hv/vdev for the model.
 */
#pragma once

#include "hv/lib/util.h"

#define PCI_CONFIG_SIZE 256

/* Offsets in configuration space; from PCI_BAR0 to PCI_INTERRUPT_PIN those of header type 0. */
enum pci_register {
	PCI_VENDOR = 0x00,
	PCI_DEVICE = 0x02,
	PCI_COMMAND = 0x04,
	PCI_STATUS = 0x06,
	PCI_REVISION = 0x08, /* with the class above */
	PCI_CACHE_LINE = 0x0c,
	PCI_HEADER_TYPE = 0x0e,
	PCI_BAR0 = 0x10,
	PCI_BUSES = 0x18, /* of a bridge: the secondary bus in its second byte */
	PCI_SUBSYSTEM_VENDOR = 0x2c,
	PCI_SUBSYSTEM = 0x2e,
	PCI_CAPABILITIES = 0x34,
	PCI_INTERRUPT_LINE = 0x3c,
	PCI_INTERRUPT_PIN = 0x3d,
	PCI_HEADER_END = 0x40,
};

#define PCI_VENDOR_NONE          0xffffu /* nothing is there */

#define PCI_COMMAND_IO           BIT(0)
#define PCI_COMMAND_MEMORY       BIT(1)
#define PCI_COMMAND_MASTER       BIT(2)
#define PCI_COMMAND_PARITY       BIT(6)
#define PCI_COMMAND_SERR         BIT(8)
#define PCI_COMMAND_INTX_DISABLE BIT(10)
#define PCI_STATUS_INTX          BIT(3)
#define PCI_STATUS_CAPABILITIES  BIT(4)

#define PCI_HEADER_TYPE_MASK     0x7fu
#define PCI_HEADER_DEVICE        0u
#define PCI_HEADER_BRIDGE        1u
#define PCI_HEADER_MULTI         0x80u /* it has more functions than one */

#define PCI_BAR_SPACE_IO         0x1u
#define PCI_BAR_TYPE             0x6u
#define PCI_BAR_TYPE_64          0x4u
#define PCI_BAR_PREFETCHABLE     0x8u
#define PCI_BAR_FLAGS_IO         0x3u
#define PCI_BAR_FLAGS_MEM        0xfu

enum pci_capability { PCI_CAP_MSI = 0x05, PCI_CAP_VENDOR = 0x09, PCI_CAP_MSIX = 0x11 };

#define PCI_CAP_NEXT          1 /* offset in a capability */

/* Offsets in the MSI capability, and its control register. */
#define PCI_MSI_CONTROL       2
#define PCI_MSI_ADDRESS       4
#define PCI_MSI_DATA_32       8
#define PCI_MSI_DATA_64       12
#define PCI_MSI_MASK_32       12
#define PCI_MSI_MASK_64       16
#define PCI_MSI_ON            BIT(0)
#define PCI_MSI_COUNT         (7u << 4) /* vectors in use, as a power of two */
#define PCI_MSI_64            BIT(7)
#define PCI_MSI_MASKABLE      BIT(8)

/* Offsets in the MSI-X capability, its control register, and its table. */
#define PCI_MSIX_CONTROL      2
#define PCI_MSIX_TABLE        4
#define PCI_MSIX_PBA          8
#define PCI_MSIX_SIZE         12
#define PCI_MSIX_COUNT        0x7ffu /* entries of the table, less one */
#define PCI_MSIX_MASK         BIT(14)
#define PCI_MSIX_ON           BIT(15)
#define PCI_MSIX_BAR          7u /* of the two places; the rest is the offset in that BAR */
#define PCI_MSIX_ENTRY_SIZE   16
#define PCI_MSIX_ENTRY_MASKED BIT(0) /* in the entry's last doubleword */
