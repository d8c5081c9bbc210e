/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See hv/msr_table.h; with the functions of the rows. Sources: SDM Vol. 4; APM Vol. 2, Appendix A; for what operating systems
 * touch without asking CPUID first, the rows say so.
 */
#include "hv/msr_table.h"

#include "hv/cr.h"
#include "hv/guest_map.h"
#include "hv/lib/util.h"
#include "hv/msr.h"
#include "hv/pv_eoi.h"
#include "hv/pv_steal.h"
#include "hv/pvclock.h"
#include "hv/speculation.h"
#include "hv/vm.h"
#include "hv/x86/cpuid.h"
#include "hv/x86/insn.h"
#include "hv/x86/kvm_para.h"
#include "hv/x86/msr.h"

#define INTEL_MICROCODE    (1UL << 32) /* revision 1, in the upper half */
#define AMD_PATCH_LEVEL    0x01000065UL
#define HWCR_WRITABLE      (HWCR_TLBCACHEDIS | HWCR_FFDIS | HWCR_MCSTATUSWREN | HWCR_TSCFREQSEL)
#define MTRRCAP_VALUE      (MSR_MTRR_VAR_COUNT | MTRRCAP_FIX | MTRRCAP_WC)
#define MTRR_BASE_TYPE     0xffUL
#define MTRR_BASE_RESERVED BITS(11, 8)
#define MTRR_MASK_RESERVED BITS(10, 0)
#define MC_REGISTERS       4
#define OSVW_LENGTH        4 /* errata 298, 400, 415, 383 */
#define OSVW_298_FAMILY    0x10

/* --- time --- */

static void set_tsc_offset(struct vcpu *v, int64_t offset)
{
	v->tsc_offset = offset;
	ops->tsc_offset(v, offset);
	vlapic_tsc_changed(v);
	pvclock_tsc_changed(v->vm);
}

static bool tsc_read(struct vcpu *v, uint32_t msr, uint64_t *value)
{
	(void)msr;
	*value = vcpu_tsc(v);
	return true;
}

/* SDM Vol. 3B, "IA32_TSC_ADJUST Register Support": writing either register moves the other. */
static bool tsc_write(struct vcpu *v, uint32_t msr, uint64_t value)
{
	uint64_t delta = value - vcpu_tsc(v);

	(void)msr;
	v->msr.tsc_adjust += delta;
	set_tsc_offset(v, (int64_t)((uint64_t)v->tsc_offset + delta));
	return true;
}

static bool tsc_adjust_write(struct vcpu *v, uint32_t msr, uint64_t value)
{
	uint64_t delta = value - v->msr.tsc_adjust;

	(void)msr;
	v->msr.tsc_adjust = value;
	set_tsc_offset(v, (int64_t)((uint64_t)v->tsc_offset + delta));
	return true;
}

static bool system_time_write(struct vcpu *v, uint32_t msr, uint64_t value)
{
	(void)msr;
	return pvclock_write_system_time(v, value);
}

static bool wall_clock_write(struct vcpu *v, uint32_t msr, uint64_t value)
{
	(void)msr;
	return pvclock_write_wall_clock(v, value);
}

static bool steal_time_write(struct vcpu *v, uint32_t msr, uint64_t value)
{
	(void)msr;
	return pv_steal_write_msr(v, value);
}

static bool pv_eoi_msr_write(struct vcpu *v, uint32_t msr, uint64_t value)
{
	(void)msr;
	return pv_eoi_write_msr(v, value);
}

static bool tsc_deadline_read(struct vcpu *v, uint32_t msr, uint64_t *value)
{
	(void)msr;
	*value = vlapic_tsc_deadline_get(v);
	return true;
}

static bool tsc_deadline_write(struct vcpu *v, uint32_t msr, uint64_t value)
{
	(void)msr;
	vlapic_tsc_deadline_set(v, value);
	return true;
}

/* --- APIC, EFER --- */

static bool apic_base_write(struct vcpu *v, uint32_t msr, uint64_t value)
{
	(void)msr;
	if ((value & APIC_BASE_X2APIC) && !cpuid_has(&v->vm->cpuid, FEATURE_X2APIC))
		return false;
	return vlapic_base_set(v, value, v->vm->cpuid.phys_bits);
}

static bool efer_read(struct vcpu *v, uint32_t msr, uint64_t *value)
{
	(void)msr;
	*value = vcpu_reg_get(v, VREG_EFER);
	return true;
}

static bool efer_msr_write(struct vcpu *v, uint32_t msr, uint64_t value)
{
	(void)msr;
	return efer_write(v, value);
}

/* --- speculation control: exits where the host keeps IBRS set; which bits there are is the hardware's to say --- */

static bool spec_ctrl_read(struct vcpu *v, uint32_t msr, uint64_t *value)
{
	(void)msr;
	*value = v->msrs.spec_ctrl;
	return true;
}

static bool spec_ctrl_write(struct vcpu *v, uint32_t msr, uint64_t value)
{
	/* v is loaded: until another vCPU is, the hardware holds its value (hv/vcpu.c). */
	if (!wrmsr_safe(msr, value | speculation_spec_ctrl()))
		return false;
	v->msrs.spec_ctrl = value;
	return true;
}

/* --- memory types: stored, not applied; the second-stage tables say write-back for all of RAM --- */

static bool memory_type_valid(uint64_t type)
{
	return type == MEMTYPE_UC || type == MEMTYPE_WC || type == MEMTYPE_WT || type == MEMTYPE_WP ||
	       type == MEMTYPE_WB;
}

static bool memory_types_valid(uint64_t value, bool uc_minus)
{
	for (unsigned i = 0; i < 8; i++) {
		uint64_t type = value >> (8 * i) & 0xff;

		if (!memory_type_valid(type) && !(uc_minus && type == MEMTYPE_UC_MINUS))
			return false;
	}
	return true;
}

static bool pat_read(struct vcpu *v, uint32_t msr, uint64_t *value)
{
	(void)msr;
	*value = ops->msr_get(v, VMSR_PAT);
	return true;
}

static bool pat_write(struct vcpu *v, uint32_t msr, uint64_t value)
{
	(void)msr;
	if (!memory_types_valid(value, true))
		return false;
	ops->msr_set(v, VMSR_PAT, value);
	return true;
}

static bool mtrr_def_write(struct vcpu *v, uint32_t msr, uint64_t value)
{
	(void)msr;
	if ((value & ~(MTRR_DEF_TYPE | MTRR_DEF_TYPE_FE | MTRR_DEF_TYPE_E)) ||
	    !memory_type_valid(value & MTRR_DEF_TYPE))
		return false;
	v->msr.mtrr_def_type = value;
	return true;
}

static unsigned mtrr_fixed_index(uint32_t msr)
{
	if (msr == MSR_IA32_MTRR_FIX64K_00000)
		return 0;
	if (msr < MSR_IA32_MTRR_FIX4K_C0000)
		return 1 + (msr - MSR_IA32_MTRR_FIX16K_80000);
	return 3 + (msr - MSR_IA32_MTRR_FIX4K_C0000);
}

static bool mtrr_fixed_read(struct vcpu *v, uint32_t msr, uint64_t *value)
{
	*value = v->msr.mtrr_fixed[mtrr_fixed_index(msr)];
	return true;
}

static bool mtrr_fixed_write(struct vcpu *v, uint32_t msr, uint64_t value)
{
	if (!memory_types_valid(value, false))
		return false;
	v->msr.mtrr_fixed[mtrr_fixed_index(msr)] = value;
	return true;
}

static bool mtrr_var_read(struct vcpu *v, uint32_t msr, uint64_t *value)
{
	uint32_t n = msr - MSR_IA32_MTRR_PHYSBASE(0);

	*value = (n & 1) ? v->msr.mtrr_mask[n / 2] : v->msr.mtrr_base[n / 2];
	return true;
}

static bool mtrr_var_write(struct vcpu *v, uint32_t msr, uint64_t value)
{
	uint32_t n = msr - MSR_IA32_MTRR_PHYSBASE(0);

	if (value >> v->vm->cpuid.phys_bits)
		return false;
	if (n & 1) {
		if (value & MTRR_MASK_RESERVED)
			return false;
		v->msr.mtrr_mask[n / 2] = value;
	} else {
		if ((value & MTRR_BASE_RESERVED) || !memory_type_valid(value & MTRR_BASE_TYPE))
			return false;
		v->msr.mtrr_base[n / 2] = value;
	}
	return true;
}

/* --- machine check: one bank in which nothing ever happens --- */

static bool mc_read(struct vcpu *v, uint32_t msr, uint64_t *value)
{
	uint32_t n = msr - MSR_IA32_MC_CTL(0);

	*value = v->msr.mc[n / MC_REGISTERS][n % MC_REGISTERS];
	return true;
}

/* CTL takes anything; the others may be cleared only, SDM Vol. 3B, "IA32_MCi_STATUS MSRS". */
static bool mc_write(struct vcpu *v, uint32_t msr, uint64_t value)
{
	uint32_t n = msr - MSR_IA32_MC_CTL(0);
	bool free = n % MC_REGISTERS == 0 || (v->msr.hwcr & HWCR_MCSTATUSWREN);

	if (value && !free)
		return false;
	v->msr.mc[n / MC_REGISTERS][n % MC_REGISTERS] = value;
	return true;
}

/* --- others --- */

static bool misc_enable_write(struct vcpu *v, uint32_t msr, uint64_t value)
{
	uint64_t writable = MISC_ENABLE_FAST_STRING;

	/* What a guest doesn't have stays as it is, like the bits of a CPU without the feature. */
	(void)msr;
	v->msr.misc_enable = (v->msr.misc_enable & ~writable) | (value & writable);
	return true;
}

/*
 * AMD's errata, "OS Visible Workarounds" (APM Vol. 2): those of which the guest is told are handled by the host, but
 * for 298 (bit 0), a race of the TLB on family 10h that a guest must avoid too.
 */
static bool osvw_status_read(struct vcpu *v, uint32_t msr, uint64_t *value)
{
	(void)msr;
	*value = v->vm->cpuid.family == OSVW_298_FAMILY;
	return true;
}

static bool debugctl_read(struct vcpu *v, uint32_t msr, uint64_t *value)
{
	(void)msr;
	*value = ops->msr_get(v, VMSR_DEBUGCTL);
	return true;
}

/* Only single-stepping on branches; there are no branch records. */
static bool debugctl_write(struct vcpu *v, uint32_t msr, uint64_t value)
{
	(void)msr;
	if (value & ~DEBUGCTL_BTF)
		return false;
	ops->msr_set(v, VMSR_DEBUGCTL, value);
	return true;
}

#define STATE(field)  .offset = offsetof(struct vcpu, msr.field)
#define ONE(msr)      .first = (msr), .last = (msr)
#define WITH(feature) .with = {FEATURE_##feature}
#define PASS          .pass = MSR_READ | MSR_WRITE

/* clang-format off */
const struct msr_row msr_table[] = {
	{.kind = ROW_FUNCTION}, /* what no other row lists: #GP */
	{ONE(MSR_IA32_TSC_DEADLINE), CPUID_BOTH, ROW_FUNCTION, WITH(TSC_DEADLINE), .read = tsc_deadline_read, .write = tsc_deadline_write},
	{MSR_X2APIC_BASE, MSR_X2APIC_LAST, CPUID_BOTH, ROW_FUNCTION, .read = vlapic_msr_read, .write = vlapic_msr_write},

	/* Switched with the vCPU and so passed through; their handlers are for a back end that can't. */
	{ONE(MSR_FS_BASE), CPUID_BOTH, ROW_CANONICAL, .offset = VMSR_FS_BASE, PASS},
	{ONE(MSR_GS_BASE), CPUID_BOTH, ROW_CANONICAL, .offset = VMSR_GS_BASE, PASS},
	{ONE(MSR_KERNEL_GS_BASE), CPUID_BOTH, ROW_CANONICAL, .offset = VMSR_KERNEL_GS_BASE, PASS},
	{ONE(MSR_STAR), CPUID_BOTH, ROW_VENDOR, UINT64_MAX, VMSR_STAR, PASS},
	{ONE(MSR_LSTAR), CPUID_BOTH, ROW_CANONICAL, .offset = VMSR_LSTAR, PASS},
	{ONE(MSR_CSTAR), CPUID_BOTH, ROW_CANONICAL, .offset = VMSR_CSTAR, PASS},
	{ONE(MSR_SFMASK), CPUID_BOTH, ROW_VENDOR, UINT32_MAX, VMSR_SFMASK, PASS},
	{ONE(MSR_IA32_SYSENTER_CS), CPUID_BOTH, ROW_VENDOR, UINT64_MAX, VMSR_SYSENTER_CS, WITH(SYSENTER), PASS},
	{ONE(MSR_IA32_SYSENTER_ESP), CPUID_BOTH, ROW_CANONICAL, .offset = VMSR_SYSENTER_ESP, WITH(SYSENTER), PASS},
	{ONE(MSR_IA32_SYSENTER_EIP), CPUID_BOTH, ROW_CANONICAL, .offset = VMSR_SYSENTER_EIP, WITH(SYSENTER), PASS},
	/* The same. */
	{ONE(MSR_TSC_AUX), CPUID_BOTH, ROW_FUNCTION, WITH(RDTSCP), PASS},
	{ONE(MSR_IA32_SPEC_CTRL), CPUID_BOTH, ROW_FUNCTION, PASS, .host_bits = true, .read = spec_ctrl_read, .write = spec_ctrl_write,
	 .with = {FEATURE_SPEC_CTRL, FEATURE_STIBP, FEATURE_SSBD, FEATURE_AMD_IBRS, FEATURE_AMD_STIBP, FEATURE_AMD_SSBD}},
	{ONE(MSR_IA32_PRED_CMD), CPUID_BOTH, ROW_FUNCTION, .pass = MSR_WRITE, .with = {FEATURE_SPEC_CTRL, FEATURE_AMD_IBPB}},

	{ONE(MSR_EFER), CPUID_BOTH, ROW_FUNCTION, .read = efer_read, .write = efer_msr_write},

	{ONE(MSR_IA32_TSC), CPUID_BOTH, ROW_FUNCTION, .read = tsc_read, .write = tsc_write},
	{ONE(MSR_KVM_SYSTEM_TIME), CPUID_BOTH, ROW_STORED, WITH(KVMCLOCK), STATE(pvclock), .write = system_time_write},
	{ONE(MSR_KVM_WALL_CLOCK), CPUID_BOTH, ROW_FUNCTION, WITH(KVMCLOCK), .write = wall_clock_write},
	{ONE(MSR_KVM_STEAL_TIME), CPUID_BOTH, ROW_STORED, WITH(KVM_STEAL_TIME), STATE(steal_time), .write = steal_time_write},
	{ONE(MSR_KVM_PV_EOI), CPUID_BOTH, ROW_STORED, WITH(KVM_PV_EOI), STATE(pv_eoi), .write = pv_eoi_msr_write},
	/* nobody polls at a HLT */
	{ONE(MSR_KVM_POLL_CONTROL), CPUID_BOTH, ROW_STORED, KVM_POLL_ENABLE, STATE(poll_control), WITH(KVM_POLL_CONTROL)},
	{ONE(MSR_IA32_APIC_BASE), CPUID_BOTH, ROW_STORED, .offset = offsetof(struct vcpu, lapic.base), .write = apic_base_write},
	{ONE(MSR_IA32_PAT), CPUID_BOTH, ROW_FUNCTION, WITH(PAT), .read = pat_read, .write = pat_write},
	{ONE(MSR_IA32_MTRRCAP), CPUID_BOTH, ROW_CONST, WITH(MTRR), .value = MTRRCAP_VALUE},
	{MSR_IA32_MTRR_PHYSBASE(0), MSR_IA32_MTRR_PHYSMASK(MSR_MTRR_VAR_COUNT - 1), CPUID_BOTH, ROW_FUNCTION, WITH(MTRR),
	 .read = mtrr_var_read, .write = mtrr_var_write},
	{ONE(MSR_IA32_MTRR_FIX64K_00000), CPUID_BOTH, ROW_FUNCTION, WITH(MTRR), .read = mtrr_fixed_read, .write = mtrr_fixed_write},
	{MSR_IA32_MTRR_FIX16K_80000, MSR_IA32_MTRR_FIX16K_A0000, CPUID_BOTH, ROW_FUNCTION, WITH(MTRR),
	 .read = mtrr_fixed_read, .write = mtrr_fixed_write},
	{MSR_IA32_MTRR_FIX4K_C0000, MSR_IA32_MTRR_FIX4K_F8000, CPUID_BOTH, ROW_FUNCTION, WITH(MTRR),
	 .read = mtrr_fixed_read, .write = mtrr_fixed_write},
	{ONE(MSR_IA32_MTRR_DEF_TYPE), CPUID_BOTH, ROW_STORED, WITH(MTRR), STATE(mtrr_def_type), .write = mtrr_def_write},
	{ONE(MSR_IA32_MCG_CAP), CPUID_BOTH, ROW_CONST, WITH(MCA), .value = MSR_MC_BANKS},
	{ONE(MSR_IA32_MCG_STATUS), CPUID_BOTH, ROW_STORED, MCG_STATUS_RIPV | MCG_STATUS_EIPV | MCG_STATUS_MCIP,
	 STATE(mcg_status), WITH(MCA)},
	{MSR_IA32_MC_CTL(0), MSR_IA32_MC_MISC(MSR_MC_BANKS - 1), CPUID_BOTH, ROW_FUNCTION, WITH(MCA), .read = mc_read, .write = mc_write},
	{MSR_IA32_P5_MC_ADDR, MSR_IA32_P5_MC_TYPE, CPUID_BOTH, ROW_CONST, WITH(MCE), .value = 0},
	{ONE(MSR_IA32_DEBUGCTL), CPUID_BOTH, ROW_FUNCTION, .read = debugctl_read, .write = debugctl_write},

	{ONE(MSR_IA32_TSC_ADJUST), CPUID_BOTH, ROW_STORED, WITH(TSC_ADJUST), STATE(tsc_adjust), .write = tsc_adjust_write},
	{ONE(MSR_IA32_XSS), CPUID_BOTH, ROW_STORED, WITH(XSAVES), STATE(xss)}, /* no supervisor component: 0 alone */
	{ONE(MSR_IA32_PLATFORM_ID), CPUID_INTEL, ROW_CONST, .value = 0},
	{ONE(MSR_IA32_FEATURE_CONTROL), CPUID_INTEL, ROW_CONST, .value = FEATURE_CONTROL_LOCK}, /* VMX is off for good */
	{ONE(MSR_IA32_BIOS_SIGN_ID), CPUID_INTEL, ROW_IGNORED, .value = INTEL_MICROCODE}, /* 0 is written before each reading */
	{ONE(MSR_PLATFORM_INFO), CPUID_INTEL, ROW_CONST, .value = 0},                     /* no CPUID faulting, no ratios */
	{ONE(MSR_IA32_MISC_ENABLE), CPUID_INTEL, ROW_STORED, STATE(misc_enable), .write = misc_enable_write},

	{ONE(MSR_IA32_BIOS_SIGN_ID), CPUID_AMD, ROW_CONST, .value = AMD_PATCH_LEVEL},
	{ONE(MSR_HWCR), CPUID_AMD, ROW_STORED, HWCR_WRITABLE, STATE(hwcr)},
	{ONE(MSR_SYSCFG), CPUID_AMD, ROW_CONST, .value = 0},
	{ONE(MSR_NB_CFG), CPUID_AMD, ROW_IGNORED, .value = 0},      /* Linux enables extended configuration space in it */
	{ONE(MSR_INT_PENDING), CPUID_AMD, ROW_CONST, .value = 0},   /* Linux looks for C1E */
	{ONE(MSR_VM_CR), CPUID_AMD, ROW_CONST, .value = VM_CR_LOCK | VM_CR_SVMDIS},
	{ONE(MSR_OSVW_ID_LENGTH), CPUID_AMD, ROW_CONST, WITH(OSVW), .value = OSVW_LENGTH},
	{ONE(MSR_OSVW_STATUS), CPUID_AMD, ROW_FUNCTION, WITH(OSVW), .read = osvw_status_read},
	{ONE(MSR_DE_CFG), CPUID_AMD, ROW_STORED, DE_CFG_LFENCE_SERIALIZE, STATE(de_cfg)},
};
/* clang-format on */
const size_t msr_table_rows = ARRAY_SIZE(msr_table);

static_assert(ARRAY_SIZE(msr_table) <= MSR_ROW_MAX);
