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

static int64_t perform(struct vcpu *v, uint64_t number, uint64_t mask)
{
	uint64_t a[] = {v->gpr[RBX] & mask, v->gpr[RCX] & mask, v->gpr[RDX] & mask, v->gpr[RSI] & mask};

	if (number == KVM_HC_KICK_CPU)
		return kick(v->vm, a[1]);
	return send_ipi(v->vm, a[0], a[1], mask == UINT64_MAX ? 64 : 32, a[2], (uint32_t)a[3]);
}

/* Not inlined, so that a call that is refused has no frame. */
[[gnu::noinline]] static enum exit_action answer(struct vcpu *v, uint64_t number, uint64_t mask)
{
	v->gpr[RAX] = (uint64_t)perform(v, number, mask) & mask;
	return ACT_ADVANCE;
}

enum exit_action hypercall_handle(struct vcpu *v)
{
	const struct vm_exit *e = &v->last_exit;
	/* Outside 64-bit mode registers have 32 bits, and the result has. */
	uint64_t mask = e->call.long_mode ? UINT64_MAX : UINT32_MAX, number = v->gpr[RAX] & mask;
	bool allowed = e->call.cpl == 0;

	if (allowed && (number == KVM_HC_KICK_CPU || number == KVM_HC_SEND_IPI))
		return answer(v, number, mask);
	v->gpr[RAX] = (uint64_t)(allowed ? -KVM_ENOSYS : -KVM_EPERM) & mask;
	return ACT_ADVANCE;
}
