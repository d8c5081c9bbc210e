/* SPDX-License-Identifier: BSD-2-Clause */
/* Steal time and the preempted flag; see hv/pv_steal.h. All but the flag is written on v's CPU alone. */
#include "hv/pv_steal.h"

#include "hv/lib/util.h"
#include "hv/vm.h"
#include "hv/x86/kvm_para.h"

#define RESERVED BITS(5, 1)

/* Less than that is published with more to come: a host interrupt costs no writing. */
#define GRAIN_NS 10000

static uint64_t place(const struct vcpu *v, size_t offset)
{
	return (v->msr.steal_time & ~KVM_MSR_ENABLE) + offset;
}

static enum status write(struct vcpu *v, size_t offset, const void *data, size_t n)
{
	return gpa_write(&v->vm->mem, gpa(place(v, offset)), data, n);
}

static bool publish(struct vcpu *v)
{
	uint32_t odd = v->steal.version + 1, even = v->steal.version + 2;
	uint64_t ns = v->waited_ns;

	v->steal.version = even;
	v->steal.published_ns = ns;
	/* The record is aligned to its size: where its version is RAM, all of it is. */
	if (write(v, offsetof(struct kvm_steal_time, version), &odd, sizeof(odd)) != OK)
		return false;
	(void)write(v, offsetof(struct kvm_steal_time, steal), &ns, sizeof(ns));
	(void)write(v, offsetof(struct kvm_steal_time, version), &even, sizeof(even));
	return true;
}

/* Writes the flags; returns what was there. */
static uint32_t exchange_flags(struct vcpu *v, uint32_t flags)
{
	uint32_t old = 0;

	(void)gpa_xchg32(&v->vm->mem, gpa(place(v, offsetof(struct kvm_steal_time, preempted))), flags, &old);
	return old;
}

bool pv_steal_write_msr(struct vcpu *v, uint64_t value)
{
	uint64_t old = v->msr.steal_time;

	if (value & RESERVED)
		return false;
	v->msr.steal_time = value;
	if (!(value & KVM_MSR_ENABLE) || publish(v))
		return true;
	v->msr.steal_time = old;
	return false;
}

void pv_steal_running(struct vcpu *v)
{
	if (!(v->msr.steal_time & KVM_MSR_ENABLE))
		return;
	if (v->steal.flagged) {
		v->steal.flagged = false;
		/* The guest's translations go with those of the second stage. */
		if (exchange_flags(v, 0) & KVM_VCPU_FLUSH_TLB)
			ops->npt_flush(v);
	}
	if (v->waited_ns - v->steal.published_ns >= GRAIN_NS)
		(void)publish(v);
}

void pv_steal_displaced(struct vcpu *v)
{
	if (!(v->msr.steal_time & KVM_MSR_ENABLE) || v->halted || v->wait_sipi)
		return;
	vm_enter_address_space(v->vm);
	exchange_flags(v, KVM_VCPU_PREEMPTED);
	v->steal.flagged = true;
}

void pv_steal_reset(struct vcpu *v)
{
	v->msr.steal_time = 0;
	v->steal.flagged = false;
}
