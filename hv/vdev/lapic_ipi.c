/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupt messages: which local APICs a destination means, and what each delivery mode does there
 * (SDM Vol. 3A, "Issuing Interprocessor Interrupts", "Determining IPI Destination").
 */
#include "hv/vdev/lapic_private.h"
#include "hv/event.h"
#include "hv/lib/util.h"
#include "hv/vm.h"

#define FIRST_VECTOR 16

/* Sets of vCPUs: bit n is vm->vcpu[n]. */
static_assert(VM_MAX_VCPUS <= 64);

/* The cluster model of xAPIC: 4 bits of cluster, 4 bits of member. */
static bool match_cluster(uint32_t ldr, uint32_t dest)
{
	uint32_t own = ldr >> LAPIC_ID_SHIFT;

	return (dest >> 4 == 0xf || dest >> 4 == own >> 4) && (dest & own & 0xf);
}

static bool match_logical(const struct vlapic *l, const struct apic_message *m)
{
	uint32_t ldr = vlapic_reg(l, LAPIC_LDR);

	if (vlapic_x2apic(l))
		return m->dest >> 16 == ldr >> 16 && (m->dest & ldr & 0xffff);
	if (m->dest > LAPIC_X1_BROADCAST)
		return false;
	if (vlapic_reg(l, LAPIC_DFR) == LAPIC_DFR_FLAT)
		return m->dest & ldr >> LAPIC_ID_SHIFT;
	return match_cluster(ldr, m->dest);
}

static bool is_broadcast(const struct apic_message *m)
{
	return m->dest == (m->wide ? LAPIC_X2_BROADCAST : LAPIC_X1_BROADCAST);
}

/* Of what is logical or for all. */
static uint64_t destination(const struct vm *vm, const struct apic_message *m)
{
	uint64_t set = 0;

	for (uint32_t i = 0; i < vm->vcpu_count; i++) {
		const struct vlapic *l = &vm->vcpu[i]->lapic;

		if (vlapic_enabled(l) && (is_broadcast(m) || match_logical(l, m)))
			set |= BIT(i);
	}
	return set;
}

/* Lowest priority: the CPU with the lowest class; among equals the vector chooses, which spreads devices. */
static uint64_t arbitrate(const struct vm *vm, uint64_t set, uint8_t vector)
{
	uint32_t best = UINT32_MAX;
	unsigned count = 0;
	uint64_t equals = 0;

	for (uint64_t left = set; left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctzll(left);
		const struct vlapic *l = &vm->vcpu[i]->lapic;
		uint32_t class = vlapic_ppr(l) >> 4;

		if (!(vlapic_reg(l, LAPIC_SVR) & LAPIC_SVR_ENABLE))
			continue;
		if (class < best) {
			best = class;
			equals = 0;
		}
		if (class == best)
			equals |= BIT(i);
	}
	if (!equals)
		return 0;
	for (uint64_t left = equals; left; left &= left - 1)
		count++;
	for (unsigned skip = vector % count; skip; skip--)
		equals &= equals - 1;
	return equals & -equals;
}

static bool deliver_one(struct vcpu *v, const struct apic_message *m)
{
	switch (m->mode) {
	case APIC_FIXED:
	case APIC_LOWEST:
		return vlapic_take(v, m->vector, m->level);
	case APIC_NMI:
		event_nmi(v);
		return true;
	case APIC_INIT:
		vcpu_init_signal(v);
		return true;
	case APIC_SIPI:
		vcpu_sipi(v, m->vector);
		return true;
	default: /* SMI: no system management mode. ExtINT: the PIC reaches LINT0 by itself. */
		return false;
	}
}

static unsigned deliver_set(struct vm *vm, uint64_t set, const struct apic_message *m)
{
	unsigned taken = 0;

	if (m->mode == APIC_LOWEST)
		set = arbitrate(vm, set, m->vector);
	for (; set; set &= set - 1)
		taken += deliver_one(vm->vcpu[__builtin_ctzll(set)], m);
	return taken;
}

/* Those of the set that exist and whose LAPIC is on. */
static uint64_t reachable(const struct vm *vm, uint64_t set)
{
	uint64_t on = 0;

	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		if (vlapic_enabled(&vm->vcpu[i]->lapic))
			on |= BIT(i);
	return set & on;
}

unsigned vlapic_deliver_set(struct vm *vm, uint64_t set, const struct apic_message *m)
{
	return deliver_set(vm, reachable(vm, set), m);
}

unsigned vlapic_deliver(struct vm *vm, const struct apic_message *m)
{
	/* APIC IDs are the vCPUs' numbers. Of one there is nothing to arbitrate. */
	if (!m->logical && !is_broadcast(m))
		return m->dest < vm->vcpu_count && vlapic_enabled(&vm->vcpu[m->dest]->lapic) &&
		       deliver_one(vm->vcpu[m->dest], m);
	return deliver_set(vm, destination(vm, m), m);
}

void vlapic_self_ipi(struct vcpu *v, uint8_t vector)
{
	if (vector < FIRST_VECTOR)
		vlapic_error(v, LAPIC_ESR_SEND_VECTOR);
	/* The receiving side notes an illegal vector as well. */
	vlapic_take_own(v, vector);
}

/*
 * Self and all-including-self are defined for fixed interrupts alone (SDM Vol. 3A, "Valid Combinations for the
 * Pentium 4 Processor's Local xAPIC Interrupt Command Register"). Processors send an NMI as well.
 */
static bool shorthand_allows(uint32_t shorthand, uint8_t mode)
{
	return shorthand == LAPIC_ICR_OTHERS || shorthand == 0 || mode == APIC_FIXED || mode == APIC_NMI;
}

void vlapic_send(struct vcpu *v, uint64_t icr)
{
	struct vm *vm = v->vm;
	bool wide = vlapic_x2apic(&v->lapic);
	uint32_t shorthand = (uint32_t)icr & LAPIC_ICR_SHORTHAND_MASK;
	struct apic_message m = {
	    .dest = wide ? (uint32_t)(icr >> LAPIC_ICR_DEST_SHIFT_X2) : (uint32_t)(icr >> 56),
	    .wide = wide,
	    .logical = icr & APIC_DEST_LOGICAL,
	    .mode = (icr & APIC_DELIVERY_MASK) >> APIC_DELIVERY_SHIFT,
	    .vector = icr & APIC_VECTOR,
	};

	/* IPIs are edge triggered whatever the trigger mode says, but for the INIT level de-assert: no effect. */
	if (m.mode == APIC_INIT && (icr & LAPIC_ICR_LEVEL) && !(icr & LAPIC_ICR_ASSERT))
		return;
	if (!shorthand_allows(shorthand, m.mode))
		return;
	if ((m.mode == APIC_FIXED || m.mode == APIC_LOWEST) && m.vector < FIRST_VECTOR) {
		vlapic_error(v, LAPIC_ESR_SEND_VECTOR);
		if (shorthand == LAPIC_ICR_SELF)
			vlapic_error(v, LAPIC_ESR_RECV_VECTOR);
		return;
	}
	switch (shorthand) {
	case LAPIC_ICR_SELF:
		if (m.mode == APIC_FIXED)
			vlapic_take_own(v, m.vector);
		else
			deliver_set(vm, BIT(v->id), &m);
		return;
	case LAPIC_ICR_ALL:
	case LAPIC_ICR_OTHERS:
		vlapic_deliver_set(vm, shorthand == LAPIC_ICR_OTHERS ? ~BIT(v->id) : ~0ULL, &m);
		return;
	default:
		vlapic_deliver(vm, &m);
	}
}
