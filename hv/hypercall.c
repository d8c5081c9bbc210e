/* SPDX-License-Identifier: BSD-2-Clause */
/* Hypercalls; see hv/hypercall.h. */
#include "hv/hypercall.h"

#include "hv/lib/util.h"
#include "hv/vm.h"
#include "hv/x86/kvm_para.h"

/* Wakes a vCPU that halted in a spinlock's slow path, its interrupts off. */
static int64_t kick(struct vm *vm, uint64_t apic_id)
{
	/* APIC IDs are the vCPUs' numbers. */
	if (apic_id < vm->vcpu_count)
		vcpu_unhalt(vm->vcpu[apic_id]);
	return 0;
}

/* The vCPUs that bit i of `bits`, the vCPU first + i, means. */
static uint64_t shifted(uint64_t bits, uint64_t first)
{
	return first < VM_MAX_VCPUS ? bits << first : 0;
}

/* `per_word`: bits that `low` and `high` have, as many as the guest's registers. */
static int64_t send_ipi(struct vm *vm, uint64_t low, uint64_t high, unsigned per_word, uint64_t first,
			uint32_t icr)
{
	struct apic_message m = {
	    .mode = (icr & APIC_DELIVERY_MASK) >> APIC_DELIVERY_SHIFT,
	    .vector = icr & APIC_VECTOR,
	    .level = false, /* IPIs are edge triggered */
	};
	uint64_t set = shifted(low, first);

	if (icr & (APIC_DEST_LOGICAL | LAPIC_ICR_SHORTHAND_MASK))
		return -KVM_EINVAL;
	if (first < VM_MAX_VCPUS)
		set |= shifted(high, first + per_word);
	return vlapic_deliver_set(vm, set, &m);
}

static int64_t perform(struct vcpu *v, uint64_t mask)
{
	uint64_t a[] = {v->gpr[RBX] & mask, v->gpr[RCX] & mask, v->gpr[RDX] & mask, v->gpr[RSI] & mask};

	switch (v->gpr[RAX] & mask) {
	case KVM_HC_KICK_CPU:
		return kick(v->vm, a[1]);
	case KVM_HC_SEND_IPI:
		return send_ipi(v->vm, a[0], a[1], mask == UINT64_MAX ? 64 : 32, a[2], (uint32_t)a[3]);
	default:
		return -KVM_ENOSYS;
	}
}

enum exit_action hypercall_handle(struct vcpu *v)
{
	/* Outside 64-bit mode registers have 32 bits, and the result has. */
	uint64_t mask = ops->long_mode(v) ? UINT64_MAX : UINT32_MAX;
	int64_t result = vcpu_cpl(v) == 0 ? perform(v, mask) : -KVM_EPERM;

	v->gpr[RAX] = (uint64_t)result & mask;
	return ACT_ADVANCE;
}
