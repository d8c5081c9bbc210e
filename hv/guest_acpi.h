/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ACPI tables of a guest: RSDP, XSDT, FADT, MADT, FACS and a DSDT compiled from hv/dsdt.asl. All lie in
 * the guest's ROM but the FACS, which the guest writes.
 */
#pragma once

#include <stdint.h>
#include "hv/lib/status.h"
#include "mm/gpa.h"

#define GUEST_ACPI_VCPUS_MAX 64

/*
 * Writes the tables for a VM with `vcpus` CPUs (APIC IDs 0 to vcpus - 1). *rsdp gets the RSDP's gpa. With the
 * VM's address space loaded. ERR_NOMEM: they don't fit the ROM; ERR_INVAL: more CPUs than
 * GUEST_ACPI_VCPUS_MAX.
 */
enum status guest_acpi_load(const struct gmem *mem, uint32_t vcpus, uint64_t *rsdp);
