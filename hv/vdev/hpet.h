/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The high precision event timer: a 64-bit counter of 100 MHz and three timers, one-shot or periodic, edge or level
 * triggered, with the legacy replacement route that takes the PIT's and the RTC's lines. No FSB (MSI) delivery.
 * Model: IA-PC HPET Specification 1.0a.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/lib/status.h"
#include "hv/timer.h"
#include "hv/vdev/vdev.h"

#define HPET_TIMERS 3
#define HPET_HZ     100000000ULL

/* GCAP_ID, lower half; the upper one is the period in femtoseconds. Also in the ACPI table. */
#define HPET_ID_LOW 0x8086a201u /* vendor, legacy route, 64 bits, three timers, revision 1 */

/* Times are ticks of HPET_HZ since guest time 0, whatever the counter says. */
struct vhpet_timer {
	uint32_t config;     /* the writable bits of Tn_CONF */
	uint64_t comparator; /* the accumulator, in periodic mode */
	uint64_t period;     /* in ticks; what was last written to the comparator in periodic mode */
	uint64_t due;        /* when the counter will match; UINT64_MAX: never, or it is halted */
};

struct vhpet {
	struct vdev dev;
	uint64_t config; /* GEN_CONF */
	uint32_t status; /* GINTR_STA: level-triggered timers that wait for their acknowledgement */
	uint64_t offset; /* the counter is ticks plus this while it runs */
	uint64_t halted; /* its value while it doesn't */
	struct vhpet_timer t[HPET_TIMERS];
	struct timer timer; /* for the next interrupt of all */
};

enum status vhpet_init(struct vm *vm);
void vhpet_reset(struct vm *vm);
void vhpet_pause(struct vm *vm);
void vhpet_resume(struct vm *vm);
