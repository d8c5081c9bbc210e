/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Configuration space of the host's PCI devices by mechanism #1 (PCI Local Bus Specification 3.0, "Software
 * Generation of Configuration Transactions"). bdf is bus << 8 | device << 3 | function.
 */
#pragma once

#include <stdint.h>

#define PCI_CONFIG_ID     0x00 /* device << 16 | vendor; all ones: nothing there */
#define PCI_CONFIG_CLASS  0x08 /* class << 24 | subclass << 16 | interface << 8 | revision */
#define PCI_CONFIG_HEADER 0x0c /* header type in bits 16-22, bit 23: multi-function */
#define PCI_CONFIG_BAR0   0x10
#define PCI_CONFIG_BUSES  0x18 /* of a bridge: secondary bus in bits 8-15 */
#define PCI_BAR_IO        0x1u
#define PCI_BAR_IO_MASK   0xfffcu

/* offset is a multiple of 4, below 256. Any CPU. */
uint32_t pci_config_read(uint16_t bdf, uint8_t offset);
/* The I/O port in base address register `bar` (0-5); 0: it is not an I/O one, or nothing is there. */
uint16_t pci_config_io_bar(uint16_t bdf, unsigned bar);
