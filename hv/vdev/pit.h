/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The 8254 timer, ports 40h-43h, and the NMI status and control port 61h. Channel 0 drives GSI 2; channel 2
 * has a gate and can be read back at port 61h. Model: Intel 8254 data sheet.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/lib/status.h"
#include "hv/timer.h"
#include "hv/vdev/vdev.h"

#define PIT_HZ 1193182ULL

struct vpit_channel {
	uint8_t control; /* RW, mode and BCD bits of the last control word */
	bool counting;   /* a count was loaded and, in modes 1 and 5, triggered */
	bool null_count; /* the count register was written and not yet loaded */
	bool gate;
	uint32_t reload;  /* 1-65536 (10000 in BCD) */
	uint64_t start;   /* guest time of the load or trigger, in PIT ticks */
	uint64_t stopped; /* gate low: PIT ticks that had gone by */
	bool armed;       /* modes 1 and 5: a count waits for the trigger */
	uint8_t write_low;
	bool write_high_next, read_high_next;
	uint16_t latch;
	uint8_t latch_bytes; /* latched bytes still to be read */
	uint8_t status;
	bool status_latched;
};

struct vpit {
	struct vdev dev;
	struct vpit_channel ch[3];
	uint8_t speaker;   /* port 61h, bits 0 and 1 */
	uint64_t irq_next; /* guest time of channel 0's next rising edge, ns; UINT64_MAX: none */
	struct timer timer;
};

enum status vpit_init(struct vm *vm);
void vpit_reset(struct vm *vm);
void vpit_pause(struct vm *vm);
void vpit_resume(struct vm *vm);
/* The timer's interrupt line may have been unmasked. No lock held. */
void vpit_unmasked(struct vm *vm);
