/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The IOAPIC (82093AA, version 11h): 24 pins. Guarded by vm->irq_lock. Pins are driven by vm_irq_set alone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/lib/status.h"
#include "hv/vdev/platform.h"
#include "hv/vdev/vdev.h"

struct vioapic {
	struct vdev dev;
	uint64_t rte[PLATFORM_IOAPIC_PINS]; /* redirection table entries, as the guest reads them */
	uint32_t line;                      /* input levels; bit n: pin n is asserted */
	uint32_t id;                        /* register 0 */
	uint8_t select;
};

enum status vioapic_init(struct vm *vm);
void vioapic_reset(struct vm *vm);
/* With vm->irq_lock held. */
void vioapic_set_line(struct vm *vm, unsigned pin, bool level);
/* A LAPIC's EOI of a level-triggered vector, broadcast. Takes vm->irq_lock. */
void vioapic_eoi(struct vm *vm, uint8_t vector);
/* True: an edge at `pin` now would be lost. Any CPU, a snapshot. */
bool vioapic_masked(const struct vm *vm, unsigned pin);
