/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * KVM's clock: the guest names a place in its memory, and finds there what turns its TSC into nanoseconds (struct
 * kvm_clock). It spares the guest the calibration, which an exit is too slow for, and the exits of reading a timer.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct vcpu;
struct vm;

/* Factors of the conversion: ns = ((shift < 0 ? ticks >> -shift : ticks << shift) * mul) >> 32. */
struct pvclock_scale {
	uint32_t mul;
	int8_t shift;
};
/* For a TSC of hz ticks a second, 1 to 2^40. */
struct pvclock_scale pvclock_scale(uint64_t hz);

/* Writes of the two MSRs. False: #GP(0), the place isn't RAM. */
bool pvclock_write_system_time(struct vcpu *v, uint64_t value);
bool pvclock_write_wall_clock(struct vcpu *v, uint64_t value);
/* A vCPU's TSC was set: every record is written anew. vm's address space is loaded. */
void pvclock_tsc_changed(struct vm *vm);
/* Power-on or INIT: the guest's memory is not to be written any more. */
void pvclock_reset(struct vcpu *v);
