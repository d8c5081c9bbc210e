/* SPDX-License-Identifier: BSD-2-Clause */
/* The offer of an end of interrupt without an exit; see hv/pv_eoi.h. */
#include "hv/pv_eoi.h"

#include "hv/lib/util.h"
#include "hv/vm.h"
#include "hv/x86/kvm_para.h"

#define RESERVED BIT(1)

static bool put(struct vcpu *v, uint32_t value)
{
	gpa_t a = gpa(v->msr.pv_eoi & ~KVM_MSR_ENABLE);

	return gpa_write(&v->vm->mem, a, &value, sizeof(value)) == OK;
}

bool pv_eoi_write_msr(struct vcpu *v, uint64_t value)
{
	uint64_t old = v->msr.pv_eoi;

	if (value & RESERVED)
		return false;
	if (v->lapic.eoi_offered)
		pv_eoi_collect(v);
	v->msr.pv_eoi = value;
	if (!(value & KVM_MSR_ENABLE) || put(v, 0))
		return true;
	v->msr.pv_eoi = old;
	return false;
}

void pv_eoi_offer(struct vcpu *v)
{
	if (vlapic_eoi_is_local(v))
		v->lapic.eoi_offered = put(v, KVM_EOI_PENDING);
}

void pv_eoi_collect(struct vcpu *v)
{
	uint32_t value;

	v->lapic.eoi_offered = false;
	if (gpa_read32(&v->vm->mem, gpa(v->msr.pv_eoi & ~KVM_MSR_ENABLE), &value) != OK)
		return;
	if (value & KVM_EOI_PENDING)
		(void)put(v, 0);
	else
		vlapic_eoi(v);
}

void pv_eoi_reset(struct vcpu *v)
{
	v->msr.pv_eoi = 0;
	v->lapic.eoi_offered = false;
}
