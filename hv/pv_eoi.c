/* SPDX-License-Identifier: BSD-2-Clause */
/* The offer of an end of interrupt without an exit; see hv/pv_eoi.h. */
#include "hv/pv_eoi.h"

#include "hv/lib/util.h"
#include "hv/vm.h"
#include "hv/x86/kvm_para.h"

#define RESERVED BIT(1)

/* The guest may write it at any moment. */
static void put(struct vcpu *v, uint32_t value)
{
	__atomic_store_n(v->pv_eoi, value, __ATOMIC_RELAXED);
}

bool pv_eoi_write_msr(struct vcpu *v, uint64_t value)
{
	uint32_t *word = NULL;

	if (value & RESERVED)
		return false;
	if (value & KVM_MSR_ENABLE) {
		word = gpa_range(&v->vm->mem, gpa(value & ~KVM_MSR_ENABLE), sizeof(*word), true);
		if (!word)
			return false;
	}
	if (v->lapic.eoi_offered)
		pv_eoi_collect(v);
	v->msr.pv_eoi = value;
	v->pv_eoi = word;
	if (word)
		put(v, 0);
	return true;
}

void pv_eoi_offer(struct vcpu *v)
{
	v->lapic.eoi_offered = vlapic_eoi_is_local(v);
	if (v->lapic.eoi_offered)
		put(v, KVM_EOI_PENDING);
}

void pv_eoi_collect(struct vcpu *v)
{
	v->lapic.eoi_offered = false;
	if (__atomic_load_n(v->pv_eoi, __ATOMIC_RELAXED) & KVM_EOI_PENDING)
		put(v, 0);
	else
		vlapic_eoi(v);
}

void pv_eoi_reset(struct vcpu *v)
{
	v->msr.pv_eoi = 0;
	v->pv_eoi = NULL;
	v->lapic.eoi_offered = false;
}
