/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a vCPU that executes CPUID is told: the policy's registers (hv/cpuid_policy.c), with the bits that follow the vCPU's state.
 * Sources: SDM Vol. 2A, "CPUID"; APM Vol. 3, Appendix E.
 */
#include "hv/cpuid.h"

#include "hv/vm.h"
#include "hv/xstate.h"
#include "hv/x86/apic.h"
#include "hv/x86/cpuid.h"
#include "hv/x86/cr.h"

static const struct cpuid_regs zero;

/* Four characters of a signature, as a register holds them. */
#define SIGNATURE(s)                                                                                         \
	((uint32_t)(s)[0] | (uint32_t)(s)[1] << 8 | (uint32_t)(s)[2] << 16 | (uint32_t)(s)[3] << 24)

/* Ours, then KVM's; none where the configuration hides that this is a virtual machine. */
static const struct cpuid_regs *hypervisor_leaf(const struct cpuid_policy *p, uint32_t leaf)
{
	static const struct cpuid_regs own = {CPUID_HV_BASE, SIGNATURE("Ingo"), SIGNATURE("tIng"),
					      SIGNATURE("otHV")};
	static const struct cpuid_regs kvm = {CPUID_KVM_BASE + 1, SIGNATURE("KVMK"), SIGNATURE("VMKV"),
					      SIGNATURE("M\0\0\0")};

	if (!cpuid_has(p, FEATURE_HYPERVISOR))
		return &zero;
	switch (leaf) {
	case CPUID_HV_BASE:
		return &own;
	case CPUID_KVM_BASE:
		return &kvm;
	case CPUID_KVM_BASE + 1:
		return &p->kvm_features;
	default:
		return &zero;
	}
}

static const struct cpuid_regs *pick(const struct cpuid_policy *p, const struct cpuid_leaf *l,
				     uint32_t subleaf)
{
	if (subleaf >= l->count) {
		if (!l->last_repeats)
			return &zero;
		subleaf = 0;
	}
	return &p->entry[l->first + subleaf];
}

static const struct cpuid_regs *find(const struct cpuid_policy *p, uint32_t leaf, uint32_t subleaf)
{
	if (leaf < CPUID_BASIC_MAX)
		return pick(p, &p->basic[leaf], subleaf);
	if (leaf - CPUID_EXT_BASE < CPUID_EXT_MAX)
		return pick(p, &p->ext[leaf - CPUID_EXT_BASE], subleaf);
	return leaf >> 28 == CPUID_HV_BASE >> 28 ? hypervisor_leaf(p, leaf) : &zero;
}

struct cpuid_regs cpuid_lookup(const struct cpuid_policy *p, uint32_t leaf, uint32_t subleaf)
{
	return *find(p, leaf, subleaf);
}

/* Intel CPUs answer a leaf above the highest with the highest basic leaf: SDM Vol. 2A, "CPUID". */
static uint32_t clamp_leaf(const struct cpuid_policy *p, uint32_t leaf)
{
	if (leaf <= p->max_basic || p->vendor != CPUID_VENDOR_INTEL)
		return leaf;
	if (leaf >= CPUID_EXT_BASE ? leaf <= p->max_ext : leaf >> 28 == CPUID_HV_BASE >> 28)
		return leaf;
	return p->max_basic;
}

/* The bits of *r that follow v's state. */
static void patch(struct vcpu *v, uint32_t leaf, uint32_t subleaf, struct cpuid_regs *r)
{
	const struct cpuid_policy *p = &v->vm->cpuid;
	bool apic = vlapic_base_get(&v->lapic) & APIC_BASE_ENABLE;

	switch (leaf) {
	case CPUID_LEAF_FEATURES:
		r->ebx |= v->id << CPUID_1_EBX_APIC_ID_SHIFT;
		if (!apic)
			r->edx &= ~CPUID_1_EDX_APIC;
		if (vcpu_reg_get(v, VREG_CR4) & CR4_OSXSAVE)
			r->ecx |= CPUID_1_ECX_OSXSAVE;
		break;
	case CPUID_LEAF_STRUCTURED:
		if (!subleaf && (vcpu_reg_get(v, VREG_CR4) & CR4_PKE))
			r->ecx |= CPUID_7_ECX_OSPKE;
		break;
	case CPUID_LEAF_TOPOLOGY:
		r->ecx |= subleaf & 0xff;
		r->edx = v->id;
		break;
	case CPUID_LEAF_XSTATE:
		if (p->xcr0_mask && subleaf <= 1)
			r->ebx = cpuid_xsave_size(p, xstate_xcr0(v), subleaf == 1);
		break;
	case CPUID_LEAF_EXT_FEATURES:
		if (p->vendor == CPUID_VENDOR_AMD && !apic)
			r->edx &= ~CPUID_1_EDX_APIC;
		break;
	case CPUID_LEAF_AMD_TOPOLOGY:
		if (p->vendor == CPUID_VENDOR_AMD) {
			r->eax = v->id;
			r->ebx = v->id & 0xff;
		}
		break;
	default:
		break;
	}
}

struct cpuid_regs cpuid_query(struct vcpu *v, uint32_t leaf, uint32_t subleaf)
{
	struct cpuid_regs r;

	leaf = clamp_leaf(&v->vm->cpuid, leaf);
	r = *find(&v->vm->cpuid, leaf, subleaf);
	patch(v, leaf, subleaf, &r);
	return r;
}

static void answer(struct vcpu *v, const struct cpuid_regs *r)
{
	v->gpr[RAX] = r->eax;
	v->gpr[RBX] = r->ebx;
	v->gpr[RCX] = r->ecx;
	v->gpr[RDX] = r->edx;
}

/* Not inlined, so that the other way has no frame. */
[[gnu::noinline]] static enum exit_action handle_any(struct vcpu *v, uint32_t leaf, uint32_t subleaf)
{
	struct cpuid_regs r = cpuid_query(v, leaf, subleaf);

	answer(v, &r);
	return ACT_ADVANCE;
}

enum exit_action cpuid_handle(struct vcpu *v)
{
	const struct cpuid_policy *p = &v->vm->cpuid;
	uint64_t leaf = (uint32_t)v->gpr[RAX];
	unsigned entry = leaf < CPUID_BASIC_MAX ? p->constant[leaf] : CPUID_VARIES;

	if (entry == CPUID_VARIES)
		return handle_any(v, (uint32_t)leaf, (uint32_t)v->gpr[RCX]);
	answer(v, &p->entry[entry]);
	return ACT_ADVANCE;
}
