/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pair of 8259A interrupt controllers with the chipset's edge/level registers. Guarded by vm->irq_lock.
 * Its INTR output goes to LINT0 of the LAPICs. Model: Intel 8259A data sheet; 82371 for ELCR.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/lib/status.h"
#include "hv/vdev/vdev.h"

struct vpic_chip {
	uint8_t line; /* input levels */
	uint8_t irr, isr, imr;
	uint8_t elcr; /* bit n: input n is level triggered */
	uint8_t vector_base;
	uint8_t lowest;    /* the input with the lowest priority; 7 unless rotated */
	uint8_t init_step; /* 0: none in progress, else the next ICW: 2, 3, 4 */
	uint8_t icw1, icw4;
	bool read_isr, poll, special_mask, rotate_aeoi;
	bool intr; /* the output */
};

struct vpic {
	struct vdev dev;
	struct vpic_chip chip[2]; /* master, slave */
};

enum status vpic_init(struct vm *vm);
void vpic_reset(struct vm *vm);
/* Input 0-15. With vm->irq_lock held. */
void vpic_set_line(struct vm *vm, unsigned irq, bool level);
/* The INTR pin: an interrupt waits for a CPU whose vlapic_accepts_extint is true. Any CPU, a snapshot. */
bool vpic_pending(const struct vm *vm);
/*
 * The INTA cycle: returns the vector and marks it in service. Where the request has gone meanwhile it is a
 * spurious IRQ 7 or 15, as the chip gives. Takes vm->irq_lock.
 */
uint8_t vpic_accept(struct vm *vm);
/* True: input 0-15 is masked (at the master too). Any CPU, a snapshot. */
bool vpic_masked(const struct vm *vm, unsigned irq);
