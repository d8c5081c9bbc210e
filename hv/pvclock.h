/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The clock interface that KVM defined and guests know (Linux, Documentation/virt/kvm/x86/msr.rst): the guest
 * names a place in its memory, and finds there what turns its TSC into nanoseconds. It spares the guest the
 * calibration, which an exit is too slow for, and the exits of reading a timer. CPUID shows it at
 * CPUID_KVM_BASE, beside our own leaf.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct vcpu;

#define MSR_KVM_WALL_CLOCK  0x4b564d00u
#define MSR_KVM_SYSTEM_TIME 0x4b564d01u

/* CPUID_KVM_BASE + 1, EAX. */
enum kvm_feature {
	KVM_FEATURE_NOP_IO_DELAY = 1 << 1,
	KVM_FEATURE_CLOCKSOURCE2 = 1 << 3, /* the MSRs above */
	KVM_FEATURE_CLOCKSOURCE_STABLE = 1 << 24,
};

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
/* v's TSC was changed: says so to the guest. On v's CPU. */
void pvclock_update(struct vcpu *v);
