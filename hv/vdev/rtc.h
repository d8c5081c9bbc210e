/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The real-time clock and CMOS memory, ports 70h-71h: an MC146818. Its time is the host's at power-on and
 * then guest time. GSI 8. Model: Motorola MC146818 data sheet; IBM PC AT, for the CMOS locations.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/lib/status.h"
#include "hv/timer.h"
#include "hv/vdev/vdev.h"

#define CMOS_SIZE 128

/*
 * The divider chain stands at u = guest time + phase_ns; the clock is then base_s + u / 1 s seconds after the
 * year 0 began.
 */
struct vrtc {
	struct vdev dev;
	uint8_t index;
	uint8_t reg_a, reg_b, reg_c;
	uint8_t cmos[CMOS_SIZE]; /* alarm and memory; the clock's own registers too while it is stopped */
	int64_t base_s;
	uint64_t phase_ns; /* less than 1 s */
	uint64_t seen;     /* u up to which the flags of register C are complete */
	bool irq;          /* the level last given to vm_irq_set */
	struct timer timer;
};

enum status vrtc_init(struct vm *vm);
/* Also fills the memory sizes from vm->mem. */
void vrtc_reset(struct vm *vm);
void vrtc_pause(struct vm *vm);
void vrtc_resume(struct vm *vm);
