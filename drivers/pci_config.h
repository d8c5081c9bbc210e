/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Configuration space of the host's PCI devices by mechanism #1 (PCI Local Bus Specification 3.0, "Software
 * Generation of Configuration Transactions"). bdf is bus << 8 | device << 3 | function; offsets and bits: hv/x86/pci.h.
 */
#pragma once

#include <stdint.h>
#include "hv/x86/pci.h"

/* offset is a multiple of the access's size, below 256. Any CPU. Nothing there: reads are all ones. */
uint32_t pci_config_read(uint16_t bdf, uint8_t offset);
uint16_t pci_config_read16(uint16_t bdf, uint8_t offset);
uint8_t pci_config_read8(uint16_t bdf, uint8_t offset);
void pci_config_write(uint16_t bdf, uint8_t offset, uint32_t value);
void pci_config_write16(uint16_t bdf, uint8_t offset, uint16_t value);
/* The I/O port in base address register `bar` (0-5); 0: it is not an I/O one, or nothing is there. */
uint16_t pci_config_io_bar(uint16_t bdf, unsigned bar);
