/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * KVM's interface for guests, as stock kernels speak it: feature bits, MSRs, hypercalls, records in guest memory.
 * Source: Linux, Documentation/virt/kvm/x86/cpuid.rst, msr.rst, hypercalls.rst. Leaf 40000100h announces it
 * (hv/cpuid.c).
 */
#pragma once

#include <stdint.h>

/* CPUID_KVM_BASE + 1, EAX. */
enum kvm_feature {
	KVM_FEATURE_NOP_IO_DELAY = 1 << 1,
	KVM_FEATURE_CLOCKSOURCE2 = 1 << 3, /* MSR_KVM_WALL_CLOCK, MSR_KVM_SYSTEM_TIME */
	KVM_FEATURE_STEAL_TIME = 1 << 5,
	KVM_FEATURE_PV_EOI = 1 << 6,
	KVM_FEATURE_PV_UNHALT = 1 << 7,
	KVM_FEATURE_PV_TLB_FLUSH = 1 << 9,
	KVM_FEATURE_PV_SEND_IPI = 1 << 11,
	KVM_FEATURE_POLL_CONTROL = 1 << 12,
	KVM_FEATURE_CLOCKSOURCE_STABLE = 1 << 24,
};

#define MSR_KVM_WALL_CLOCK   0x4b564d00u
#define MSR_KVM_SYSTEM_TIME  0x4b564d01u
#define MSR_KVM_STEAL_TIME   0x4b564d03u
#define MSR_KVM_PV_EOI       0x4b564d04u
#define MSR_KVM_POLL_CONTROL 0x4b564d05u

/* Bit 0 of those that hold an address. */
#define KVM_MSR_ENABLE       1UL
#define KVM_POLL_ENABLE      1UL

/* RAX; arguments in RBX, RCX, RDX, RSI; the result in RAX. */
enum kvm_hypercall {
	KVM_HC_KICK_CPU = 5,  /* flags (none is defined), APIC ID */
	KVM_HC_SEND_IPI = 10, /* set of APIC IDs: low half, high half, the ID of bit 0; ICR */
};

/* Results, negated. */
enum kvm_error { KVM_EPERM = 1, KVM_EINVAL = 22, KVM_ENOSYS = 1000 };

struct kvm_clock {
	uint32_t version; /* odd while it is being written */
	uint32_t pad;
	uint64_t tsc_timestamp, system_time;
	uint32_t tsc_to_system_mul;
	int8_t tsc_shift;
	uint8_t flags, pad2[2];
} __attribute__((packed));
_Static_assert(sizeof(struct kvm_clock) == 32);
#define KVM_CLOCK_TSC_STABLE 1u

struct kvm_wall_clock {
	uint32_t version, seconds, nanoseconds;
} __attribute__((packed));
_Static_assert(sizeof(struct kvm_wall_clock) == 12);

struct kvm_steal_time {
	uint64_t steal;   /* nanoseconds */
	uint32_t version; /* odd while it is being written */
	uint32_t flags;
	uint32_t preempted; /* a byte and three of padding: KVM_VCPU_... */
	uint32_t pad[11];
} __attribute__((packed));
_Static_assert(sizeof(struct kvm_steal_time) == 64);
#define KVM_VCPU_PREEMPTED 1u
#define KVM_VCPU_FLUSH_TLB 2u /* by the guest, which saw KVM_VCPU_PREEMPTED: flush before it runs again */

#define KVM_EOI_PENDING    1u /* bit 0 of PV EOI's four bytes: clearing it is an end of interrupt */
