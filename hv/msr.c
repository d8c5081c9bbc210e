/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's MSRs. `table` is the whole of what a guest sees: a row says for which vendor, with which feature of the
 * guest, how it is kept, which bits may be written, and which accesses go to the hardware without an exit. Sources: SDM Vol. 4; APM Vol. 2, Appendix A; for what operating systems touch
 * without asking CPUID first, the rows say so.
 */
#include "hv/msr.h"

#include "hv/cr.h"
#include "hv/event.h"
#include "hv/guest_map.h"
#include "hv/lib/panic.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/pv_eoi.h"
#include "hv/pv_steal.h"
#include "hv/pvclock.h"
#include "hv/speculation.h"
#include "hv/vm.h"
#include "hv/x86/cpuid.h"
#include "hv/x86/insn.h"
#include "hv/x86/kvm_para.h"
#include "hv/x86/msr.h"

enum vendor { BOTH, INTEL, AMD };

enum kind {
	CONST,     /* reads as `value`; a write is #GP */
	IGNORED,   /* reads as `value`; writes have no effect */
	STORED,    /* in struct vcpu at `offset`; writes of bits outside `value` are #GP */
	VENDOR,    /* ops->msr_get/set of enum vmsr `offset`; bits outside `value` are #GP */
	CANONICAL, /* the same; the value must be a canonical address */
	FUNCTION,
};

#define WITH_MAX 6

struct row {
	uint32_t first, last;
	enum vendor vendor;
	enum kind kind;
	uint64_t value;
	size_t offset;
	struct cpuid_feature
	    with[WITH_MAX]; /* the guest must have one of these; the first has leaf 0: needs none */
	uint8_t pass;       /* enum msr_rights: accesses that make no exit */
	bool host_bits;     /* but they do where the host keeps bits of it set */
	bool (*read)(struct vcpu *v, uint32_t msr, uint64_t *value);
	bool (*write)(struct vcpu *v, uint32_t msr, uint64_t value);
} __attribute__((aligned(128))); /* so that one is quickly found */

#define INTEL_MICROCODE         (1UL << 32) /* revision 1, in the upper half */
#define AMD_PATCH_LEVEL         0x01000065UL
#define MISC_ENABLE_INIT        (MISC_ENABLE_FAST_STRING | MISC_ENABLE_BTS_UNAVAIL | MISC_ENABLE_PEBS_UNAVAIL)
#define HWCR_WRITABLE           (HWCR_TLBCACHEDIS | HWCR_FFDIS | HWCR_MCSTATUSWREN | HWCR_TSCFREQSEL)
#define DE_CFG_LFENCE_SERIALIZE BIT(1)
#define MTRRCAP_VALUE           (MSR_MTRR_VAR_COUNT | MTRRCAP_FIX | MTRRCAP_WC)
#define MTRR_FIXED_WB           0x0606060606060606UL
#define MTRR_FIXED_WP           0x0505050505050505UL
#define MTRR_BASE_TYPE          0xffUL
#define MTRR_BASE_RESERVED      BITS(11, 8)
#define MTRR_MASK_RESERVED      BITS(10, 0)
#define MC_REGISTERS            4
#define OSVW_LENGTH             4 /* errata 298, 400, 415, 383 */
#define OSVW_298_FAMILY         0x10

#define MSR_HIGH_BASE           0xc0000000u /* EFER, SYSCALL, segment bases */
#define MSR_AMD_BASE            0xc0010000u

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
static const struct row table[] = {
	{.kind = FUNCTION}, /* what no other row lists: #GP */
	{ONE(MSR_IA32_TSC_DEADLINE), BOTH, FUNCTION, WITH(TSC_DEADLINE), .read = tsc_deadline_read, .write = tsc_deadline_write},
	{MSR_X2APIC_BASE, MSR_X2APIC_LAST, BOTH, FUNCTION, .read = vlapic_msr_read, .write = vlapic_msr_write},

	/* Switched with the vCPU and so passed through; their handlers are for a back end that can't. */
	{ONE(MSR_FS_BASE), BOTH, CANONICAL, .offset = VMSR_FS_BASE, PASS},
	{ONE(MSR_GS_BASE), BOTH, CANONICAL, .offset = VMSR_GS_BASE, PASS},
	{ONE(MSR_KERNEL_GS_BASE), BOTH, CANONICAL, .offset = VMSR_KERNEL_GS_BASE, PASS},
	{ONE(MSR_STAR), BOTH, VENDOR, UINT64_MAX, VMSR_STAR, PASS},
	{ONE(MSR_LSTAR), BOTH, CANONICAL, .offset = VMSR_LSTAR, PASS},
	{ONE(MSR_CSTAR), BOTH, CANONICAL, .offset = VMSR_CSTAR, PASS},
	{ONE(MSR_SFMASK), BOTH, VENDOR, UINT32_MAX, VMSR_SFMASK, PASS},
	{ONE(MSR_IA32_SYSENTER_CS), BOTH, VENDOR, UINT64_MAX, VMSR_SYSENTER_CS, WITH(SYSENTER), PASS},
	{ONE(MSR_IA32_SYSENTER_ESP), BOTH, CANONICAL, .offset = VMSR_SYSENTER_ESP, WITH(SYSENTER), PASS},
	{ONE(MSR_IA32_SYSENTER_EIP), BOTH, CANONICAL, .offset = VMSR_SYSENTER_EIP, WITH(SYSENTER), PASS},
	/* The same. */
	{ONE(MSR_TSC_AUX), BOTH, FUNCTION, WITH(RDTSCP), PASS},
	{ONE(MSR_IA32_SPEC_CTRL), BOTH, FUNCTION, PASS, .host_bits = true, .read = spec_ctrl_read, .write = spec_ctrl_write,
	 .with = {FEATURE_SPEC_CTRL, FEATURE_STIBP, FEATURE_SSBD, FEATURE_AMD_IBRS, FEATURE_AMD_STIBP, FEATURE_AMD_SSBD}},
	{ONE(MSR_IA32_PRED_CMD), BOTH, FUNCTION, .pass = MSR_WRITE, .with = {FEATURE_SPEC_CTRL, FEATURE_AMD_IBPB}},

	{ONE(MSR_EFER), BOTH, FUNCTION, .read = efer_read, .write = efer_msr_write},

	{ONE(MSR_IA32_TSC), BOTH, FUNCTION, .read = tsc_read, .write = tsc_write},
	{ONE(MSR_KVM_SYSTEM_TIME), BOTH, STORED, WITH(KVMCLOCK), STATE(pvclock), .write = system_time_write},
	{ONE(MSR_KVM_WALL_CLOCK), BOTH, FUNCTION, WITH(KVMCLOCK), .write = wall_clock_write},
	{ONE(MSR_KVM_STEAL_TIME), BOTH, STORED, WITH(KVM_STEAL_TIME), STATE(steal_time), .write = steal_time_write},
	{ONE(MSR_KVM_PV_EOI), BOTH, STORED, WITH(KVM_PV_EOI), STATE(pv_eoi), .write = pv_eoi_msr_write},
	/* nobody polls at a HLT */
	{ONE(MSR_KVM_POLL_CONTROL), BOTH, STORED, KVM_POLL_ENABLE, STATE(poll_control), WITH(KVM_POLL_CONTROL)},
	{ONE(MSR_IA32_APIC_BASE), BOTH, STORED, .offset = offsetof(struct vcpu, lapic.base), .write = apic_base_write},
	{ONE(MSR_IA32_PAT), BOTH, FUNCTION, WITH(PAT), .read = pat_read, .write = pat_write},
	{ONE(MSR_IA32_MTRRCAP), BOTH, CONST, WITH(MTRR), .value = MTRRCAP_VALUE},
	{MSR_IA32_MTRR_PHYSBASE(0), MSR_IA32_MTRR_PHYSMASK(MSR_MTRR_VAR_COUNT - 1), BOTH, FUNCTION, WITH(MTRR),
	 .read = mtrr_var_read, .write = mtrr_var_write},
	{ONE(MSR_IA32_MTRR_FIX64K_00000), BOTH, FUNCTION, WITH(MTRR), .read = mtrr_fixed_read, .write = mtrr_fixed_write},
	{MSR_IA32_MTRR_FIX16K_80000, MSR_IA32_MTRR_FIX16K_A0000, BOTH, FUNCTION, WITH(MTRR),
	 .read = mtrr_fixed_read, .write = mtrr_fixed_write},
	{MSR_IA32_MTRR_FIX4K_C0000, MSR_IA32_MTRR_FIX4K_F8000, BOTH, FUNCTION, WITH(MTRR),
	 .read = mtrr_fixed_read, .write = mtrr_fixed_write},
	{ONE(MSR_IA32_MTRR_DEF_TYPE), BOTH, STORED, WITH(MTRR), STATE(mtrr_def_type), .write = mtrr_def_write},
	{ONE(MSR_IA32_MCG_CAP), BOTH, CONST, WITH(MCA), .value = MSR_MC_BANKS},
	{ONE(MSR_IA32_MCG_STATUS), BOTH, STORED, MCG_STATUS_RIPV | MCG_STATUS_EIPV | MCG_STATUS_MCIP,
	 STATE(mcg_status), WITH(MCA)},
	{MSR_IA32_MC_CTL(0), MSR_IA32_MC_MISC(MSR_MC_BANKS - 1), BOTH, FUNCTION, WITH(MCA), .read = mc_read, .write = mc_write},
	{MSR_IA32_P5_MC_ADDR, MSR_IA32_P5_MC_TYPE, BOTH, CONST, WITH(MCE), .value = 0},
	{ONE(MSR_IA32_DEBUGCTL), BOTH, FUNCTION, .read = debugctl_read, .write = debugctl_write},

	{ONE(MSR_IA32_TSC_ADJUST), BOTH, STORED, WITH(TSC_ADJUST), STATE(tsc_adjust), .write = tsc_adjust_write},
	{ONE(MSR_IA32_XSS), BOTH, STORED, WITH(XSAVES), STATE(xss)}, /* no supervisor component: 0 alone */
	{ONE(MSR_IA32_PLATFORM_ID), INTEL, CONST, .value = 0},
	{ONE(MSR_IA32_FEATURE_CONTROL), INTEL, CONST, .value = FEATURE_CONTROL_LOCK}, /* VMX is off for good */
	{ONE(MSR_IA32_BIOS_SIGN_ID), INTEL, IGNORED, .value = INTEL_MICROCODE}, /* 0 is written before each reading */
	{ONE(MSR_PLATFORM_INFO), INTEL, CONST, .value = 0},                     /* no CPUID faulting, no ratios */
	{ONE(MSR_IA32_MISC_ENABLE), INTEL, STORED, STATE(misc_enable), .write = misc_enable_write},

	{ONE(MSR_IA32_BIOS_SIGN_ID), AMD, CONST, .value = AMD_PATCH_LEVEL},
	{ONE(MSR_HWCR), AMD, STORED, HWCR_WRITABLE, STATE(hwcr)},
	{ONE(MSR_SYSCFG), AMD, CONST, .value = 0},
	{ONE(MSR_NB_CFG), AMD, IGNORED, .value = 0},      /* Linux enables extended configuration space in it */
	{ONE(MSR_INT_PENDING), AMD, CONST, .value = 0},   /* Linux looks for C1E */
	{ONE(MSR_VM_CR), AMD, CONST, .value = VM_CR_LOCK | VM_CR_SVMDIS},
	{ONE(MSR_OSVW_ID_LENGTH), AMD, CONST, WITH(OSVW), .value = OSVW_LENGTH},
	{ONE(MSR_OSVW_STATUS), AMD, FUNCTION, WITH(OSVW), .read = osvw_status_read},
	{ONE(MSR_DE_CFG), AMD, STORED, DE_CFG_LFENCE_SERIALIZE, STATE(de_cfg)},
};
/* clang-format on */

/* The ranges that have rows, and an index into `table` for each MSR of them: an exit looks up, and doesn't search. */
static const struct {
	uint32_t first, count;
} blocks[] = {
    {0, MSR_X2APIC_LAST + 1},   {MSR_HIGH_BASE, 0x200}, {MSR_AMD_BASE, 0x1200},
    {MSR_KVM_WALL_CLOCK, 0x10}, {MSR_IA32_XSS, 1},
};
#define INDEX_SIZE   (MSR_X2APIC_LAST + 1 + 0x200 + 0x1200 + 0x10 + 1)
#define VENDOR_COUNT (CPUID_VENDOR_OTHER + 1)

static uint8_t row_of[VENDOR_COUNT][INDEX_SIZE];

static_assert(ARRAY_SIZE(table) <= MSR_ROW_MAX);

/* Where msr is in an index; INDEX_SIZE: in no block. */
static inline uint32_t place_of(uint32_t msr)
{
	uint32_t before = 0;

#pragma GCC unroll 5
	for (size_t i = 0; i < ARRAY_SIZE(blocks); i++) {
		if (msr - blocks[i].first < blocks[i].count)
			return before + (msr - blocks[i].first);
		before += blocks[i].count;
	}
	return INDEX_SIZE;
}

static bool is_for(const struct row *r, enum cpuid_vendor vendor)
{
	return r->vendor == BOTH || (r->vendor == INTEL && vendor == CPUID_VENDOR_INTEL) ||
	       (r->vendor == AMD && vendor == CPUID_VENDOR_AMD);
}

static void index_row(uint8_t *index, uint8_t n)
{
	const struct row *r = &table[n];
	uint32_t first = place_of(r->first), last = place_of(r->last);

	CHECK(first < INDEX_SIZE && last < INDEX_SIZE && last - first == r->last - r->first);
	for (uint32_t i = first; i <= last; i++) {
		CHECK(!index[i]); /* two rows for one MSR */
		index[i] = n;
	}
}

void msr_init(void)
{
	memset(row_of, 0, sizeof(row_of));
	for (enum cpuid_vendor vendor = 0; vendor < VENDOR_COUNT; vendor++) {
		for (uint8_t n = 1; n < ARRAY_SIZE(table); n++) {
			if (is_for(&table[n], vendor))
				index_row(row_of[vendor], n);
		}
	}
}

static inline const struct row *find(struct vcpu *v, uint32_t msr)
{
	uint32_t place = place_of(msr);

	return &table[place < INDEX_SIZE ? v->vm->msr_rows[v->vm->msr_index[place]] : 0];
}

static bool is_there(const struct cpuid_policy *p, const struct row *r)
{
	if (!r->with[0].leaf)
		return true;
	for (size_t i = 0; i < WITH_MAX && r->with[i].leaf; i++) {
		if (cpuid_has(p, r->with[i]))
			return true;
	}
	return false;
}

void msr_choose(struct vm *vm)
{
	vm->msr_index = row_of[vm->cpuid.vendor];
	for (size_t n = 0; n < ARRAY_SIZE(table); n++)
		vm->msr_rows[n] = is_there(&vm->cpuid, &table[n]) ? (uint8_t)n : 0;
}

void msr_passthrough(const struct vm *vm, void *map, void (*allow)(void *map, uint32_t msr, uint8_t rights))
{
	for (size_t n = 1; n < ARRAY_SIZE(table); n++) {
		const struct row *r = &table[n];

		if (r->host_bits && speculation_spec_ctrl())
			continue;
		if (r->pass && is_for(r, vm->cpuid.vendor) && is_there(&vm->cpuid, r))
			allow(map, r->first, r->pass);
	}
}

static uint64_t *stored(struct vcpu *v, const struct row *r)
{
	return (uint64_t *)((uint8_t *)v + r->offset);
}

static bool row_read(struct vcpu *v, const struct row *r, uint32_t msr, uint64_t *value)
{
	switch (r->kind) {
	case CONST:
	case IGNORED:
		*value = r->value;
		return true;
	case STORED:
		*value = *stored(v, r);
		return true;
	case VENDOR:
	case CANONICAL:
		*value = ops->msr_get(v, (enum vmsr)r->offset);
		return true;
	case FUNCTION:
		return r->read && r->read(v, msr, value);
	}
	return false;
}

bool msr_read(struct vcpu *v, uint32_t msr, uint64_t *value)
{
	return row_read(v, find(v, msr), msr, value);
}

static bool is_canonical(const struct cpuid_policy *p, uint64_t a)
{
	unsigned shift = 64 - p->linear_bits;

	return (uint64_t)((int64_t)(a << shift) >> shift) == a;
}

bool msr_write(struct vcpu *v, uint32_t msr, uint64_t value)
{
	const struct row *r = find(v, msr);

	if (r->write)
		return r->write(v, msr, value);
	switch (r->kind) {
	case CONST:
	case FUNCTION:
		return false;
	case IGNORED:
		return true;
	case STORED:
		if (value & ~r->value)
			return false;
		*stored(v, r) = value;
		return true;
	case VENDOR:
		if (value & ~r->value)
			return false;
		ops->msr_set(v, (enum vmsr)r->offset, value);
		return true;
	case CANONICAL:
		if (!is_canonical(&v->vm->cpuid, value))
			return false;
		ops->msr_set(v, (enum vmsr)r->offset, value);
		return true;
	}
	return false;
}

void msr_reset(struct vcpu *v)
{
	struct msr_state *m = &v->msr;

	memset(m, 0, sizeof(*m));
	for (enum vmsr r = VMSR_KERNEL_GS_BASE; r <= VMSR_SYSENTER_EIP; r++)
		ops->msr_set(v, r, 0);
	ops->msr_set(v, VMSR_PAT, PAT_RESET);
	m->poll_control = KVM_POLL_ENABLE;
	m->misc_enable = MISC_ENABLE_INIT;
	m->hwcr = HWCR_TSCFREQSEL;
	m->de_cfg = DE_CFG_LFENCE_SERIALIZE;
	/* As firmware leaves it: RAM is write-back, VGA and the hole for devices uncached, ROM write-protected. */
	m->mtrr_def_type = MEMTYPE_WB | MTRR_DEF_TYPE_FE | MTRR_DEF_TYPE_E;
	for (unsigned i = 0; i < ARRAY_SIZE(m->mtrr_fixed); i++)
		m->mtrr_fixed[i] = i < 2 ? MTRR_FIXED_WB : i == 2 ? 0 : MTRR_FIXED_WP;
	m->mtrr_base[0] = GUEST_PCI_HOLE_BASE | MEMTYPE_UC;
	m->mtrr_mask[0] =
	    (BITS(v->vm->cpuid.phys_bits - 1, 0) & ~(GUEST_RAM_HIGH_BASE - GUEST_PCI_HOLE_BASE - 1)) |
	    MTRR_PHYSMASK_VALID;
}

static inline enum exit_action answer(struct vcpu *v, uint64_t value)
{
	v->gpr[RAX] = (uint32_t)value;
	v->gpr[RDX] = value >> 32;
	return ACT_ADVANCE;
}

/* Not inlined, so that the other way has no frame. */
[[gnu::noinline]] static enum exit_action read_any(struct vcpu *v, const struct row *r, uint32_t msr)
{
	uint64_t value;

	if (row_read(v, r, msr, &value))
		return answer(v, value);
	event_raise_error(v, EXC_GP, 0);
	return ACT_RESUME;
}

enum exit_action msr_read_handle(struct vcpu *v)
{
	uint32_t msr = (uint32_t)v->gpr[RCX];
	const struct row *r = find(v, msr);

	if (r->kind != STORED)
		return read_any(v, r, msr);
	return answer(v, *stored(v, r));
}

enum exit_action msr_write_handle(struct vcpu *v)
{
	uint64_t value = (uint32_t)v->gpr[RAX] | v->gpr[RDX] << 32;

	if (!msr_write(v, (uint32_t)v->gpr[RCX], value)) {
		event_raise_error(v, EXC_GP, 0);
		return ACT_RESUME;
	}
	return ACT_ADVANCE;
}
