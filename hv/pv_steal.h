/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Steal time: how long a vCPU was ready without a CPU, in a record in guest memory, with a flag that says that it
 * waits for one now (struct kvm_steal_time). Other vCPUs of the guest see the flag: they don't spin for a lock
 * whose holder waits, and instead of an IPI they leave the request to flush its TLB in the record.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct vcpu;

/* Part of struct vcpu. */
struct pv_steal {
	uint32_t version;      /* of the record */
	uint64_t published_ns; /* vcpu->waited_ns as the record has it */
	bool flagged;          /* KVM_VCPU_PREEMPTED was set */
};

/* MSR_KVM_STEAL_TIME. False: #GP(0), reserved bits, or the place isn't RAM. */
bool pv_steal_write_msr(struct vcpu *v, uint64_t value);
/* v gets the CPU: takes the flag back, flushes v's TLB if that was asked for, brings the record up to date. */
void pv_steal_running(struct vcpu *v);
/* v, which ran here last, gives the CPU to another vCPU: if it didn't want to, the guest is told. */
void pv_steal_displaced(struct vcpu *v);
/* Power-on or INIT: the guest's memory is not to be written any more. */
void pv_steal_reset(struct vcpu *v);
