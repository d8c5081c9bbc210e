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

/* Times are in ticks of PIT_HZ since guest time 0; differences are taken modulo 2^64. */
struct vpit_channel {
	uint8_t control; /* RW, mode and BCD bits of the last control word */
	bool gate;
	bool counting; /* `reload` was loaded at `start` */
	bool pending;  /* `next_reload` waits: modes 1 and 5 for a trigger, 2 and 3 for next_at */
	uint32_t reload, next_reload; /* 1-65536 (10000 in BCD) */
	uint64_t start, next_at;
	uint64_t frozen; /* what had elapsed when the gate went low */
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
	uint8_t port61;    /* bits 3-0 as written: gate 2, speaker, the two NMI enables */
	uint64_t irq_edge; /* channel 0's next rising edge; UINT64_MAX: none */
	struct timer timer;
};

enum status vpit_init(struct vm *vm);
void vpit_reset(struct vm *vm);
void vpit_pause(struct vm *vm);
void vpit_resume(struct vm *vm);
/* The timer's interrupt line may have been unmasked. No lock held. */
void vpit_unmasked(struct vm *vm);
