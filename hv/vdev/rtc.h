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

struct vrtc {
	struct vdev dev;
	uint8_t index;
	uint8_t reg_a, reg_b, reg_c;
	uint8_t cmos[CMOS_SIZE]; /* the bytes that are no clock registers; the clock's own while SET is 1 */
	int64_t offset_ns;       /* time since 1970 = guest time + this */
	uint64_t set_ns;         /* guest time at which the clock was stopped (SET, divider reset) */
	uint64_t done_ns;        /* guest time up to which the flags of register C are complete */
	struct timer timer;
};

enum status vrtc_init(struct vm *vm);
/* Also fills the memory sizes from vm->mem. */
void vrtc_reset(struct vm *vm);
void vrtc_pause(struct vm *vm);
void vrtc_resume(struct vm *vm);
