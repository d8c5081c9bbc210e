/* SPDX-License-Identifier: BSD-2-Clause */
/* The PCI bus for tiny guests: functions by their identity, BARs, capabilities, MSI-X; by ECAM. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { PCI_CAP_ID_VENDOR = 0x09, PCI_CAP_ID_MSIX = 0x11 };

uint32_t pci_get(uint32_t devfn, uint32_t offset, unsigned size);
void pci_set(uint32_t devfn, uint32_t offset, unsigned size, uint32_t value);
/* The n-th (from 0) function of this identity in *devfn; false: there is none. */
bool pci_find(uint16_t vendor, uint16_t device, unsigned n, uint32_t *devfn);
/* Puts the memory BARs, all together of at most 16 MiB, to where no other device has any, and lets the function answer. */
void pci_place(uint32_t devfn);
/* The address in a memory BAR. */
volatile uint8_t *pci_bar(uint32_t devfn, unsigned n);
/* The n-th (from 0) capability of this id; 0: there is none. */
uint32_t pci_find_cap(uint32_t devfn, uint8_t id, unsigned n);
/* Message `vector` of MSI-X, whose table begins BAR `bar`, is this interrupt of the CPU with APIC ID 0; MSI-X is on. */
void pci_msix_connect(uint32_t devfn, unsigned bar, unsigned vector, uint8_t interrupt);
