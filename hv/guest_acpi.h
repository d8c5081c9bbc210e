/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ACPI tables of a guest: RSDP, XSDT, FADT, MADT, HPET, MCFG, FACS, a DSDT compiled from hv/dsdt.asl, and an SSDT of what
 * in that differs between VMs. All lie in the guest's ROM but the FACS, which the guest writes.
 */
#pragma once

#include <stdint.h>
#include "hv/guest_map.h"
#include "hv/lib/status.h"
#include "mm/gpa.h"

#define GUEST_ACPI_VCPUS_MAX 64

/*
 * Writes the tables for a VM with `vcpus` CPUs (APIC IDs 0 to vcpus - 1), and pci for 64-bit BARs. *rsdp gets the RSDP's gpa.
 * With the VM's address space loaded. ERR_NOMEM: they don't fit the ROM; ERR_INVAL: more CPUs than
 * GUEST_ACPI_VCPUS_MAX.
 */
enum status guest_acpi_load(const struct gmem *mem, uint32_t vcpus, struct guest_window pci, uint64_t *rsdp);
