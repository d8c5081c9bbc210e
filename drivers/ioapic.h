/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The I/O APICs of the hardware (82093AA data sheet; SDM Vol. 3A, "I/O APIC" in the APIC chapter). Told of by
 * the MADT's reader; owns the redirection entries, not the vectors.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/lib/status.h"

/* Maps one I/O APIC and masks all of its inputs. ERR_NOMEM, ERR_IO: nothing answers there. */
enum status ioapic_add(uint64_t pa, uint32_t gsi_base);
/* MADT interrupt source override: ISA line irq (0-15) arrives at gsi. */
enum status ioapic_override(uint8_t irq, uint32_t gsi, bool active_low, bool level);
/* True, and the way in, if the ISA line has a global interrupt number that an I/O APIC takes. */
bool ioapic_isa_gsi(uint8_t irq, uint32_t *gsi, bool *active_low, bool *level);
/*
 * Sends gsi as `vector` to one CPU, masked until ioapic_mask. ERR_NOENT: no I/O APIC has it; ERR_RANGE: the
 * APIC ID is above 254, which needs interrupt remapping.
 */
enum status ioapic_route(uint32_t gsi, uint8_t vector, uint32_t apic_id, bool active_low, bool level);
/* The same for an ISA line, with the overrides. */
enum status ioapic_route_isa(uint8_t irq, uint8_t vector, uint32_t apic_id, uint32_t *gsi);
enum status ioapic_mask(uint32_t gsi, bool masked);
