/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's CPUID. `rules` says for each leaf which of the host's bits pass; a bit or leaf that is not there
 * reads as zero. Fields that describe the virtual machine (topology, XSAVE sizes, APIC IDs) are computed.
 * Sources: SDM Vol. 2A, "CPUID"; APM Vol. 3, Appendix E.
 *
 * Hidden on purpose: VMX, SVM, SMX (no nesting); performance counters, LBR, Processor Trace, IBS (host
 * state); TSX, MPX, SGX, AMX, CET, protection keys, UINTR, supervisor XSAVE states (not switched);
 * MONITOR/MWAIT (a guest must not put the CPU to sleep); thermal and power (the host's); x87 and segment
 * features nobody uses; IA32_ARCH_CAPABILITIES (guests then assume the worst, which is safe).
 */
#include "hv/cpuid.h"

#include "hv/lib/panic.h"
#include "hv/lib/util.h"
#include "hv/vm.h"
#include "hv/xstate.h"
#include "hv/x86/apic.h"
#include "hv/x86/cpuid.h"
#include "hv/x86/cr.h"
#include "hv/x86/kvm_para.h"
#include "hv/x86/msr.h"

#define ALL 0xffffffffu

enum rule_vendor { BOTH, INTEL, AMD };

/* Which bits of the host's leaf a guest sees. Rules for one leaf are in a row, subleaves ascending from 0. */
struct rule {
	uint32_t leaf, subleaf;
	enum rule_vendor vendor;
	uint32_t eax, ebx, ecx, edx;
	bool plain; /* the leaf has no subleaves: ECX doesn't matter */
};

/* Features that exist only with the AVX, or the AVX-512, state. */
#define AVX512_7_EBX                                                                                         \
	(CPUID_7_EBX_AVX512F | CPUID_7_EBX_AVX512DQ | CPUID_7_EBX_AVX512IFMA | CPUID_7_EBX_AVX512PF |        \
	 CPUID_7_EBX_AVX512ER | CPUID_7_EBX_AVX512CD | CPUID_7_EBX_AVX512BW | CPUID_7_EBX_AVX512VL)
#define AVX512_7_ECX                                                                                         \
	(CPUID_7_ECX_AVX512_VBMI | CPUID_7_ECX_AVX512_VBMI2 | CPUID_7_ECX_AVX512_VNNI |                      \
	 CPUID_7_ECX_AVX512_BITALG | CPUID_7_ECX_AVX512_VPOPCNTDQ)
#define AVX512_7_EDX                                                                                         \
	(CPUID_7_EDX_AVX512_4VNNIW | CPUID_7_EDX_AVX512_4FMAPS | CPUID_7_EDX_AVX512_VP2INTERSECT |           \
	 CPUID_7_EDX_AVX512_FP16)

/* Subleaf 1 of leaf 7. */
#define CPUID_71_EAX_AVX_VNNI                BIT(4)
#define CPUID_71_EAX_AVX512_BF16             BIT(5)
#define CPUID_71_EAX_FZRM                    BIT(10)
#define CPUID_71_EAX_FSRS                    BIT(11)
#define CPUID_71_EAX_FSRCS                   BIT(12)
#define CPUID_71_EAX_AVX_IFMA                BIT(23)

/* Leaf 0x80000021. */
#define CPUID_80000021_EAX_NO_NESTED_DATA_BP BIT(0)
#define CPUID_80000021_EAX_LFENCE_SERIAL     BIT(2)
#define CPUID_80000021_EAX_NULL_SEL_CLEARS   BIT(6)

#define LEAF1_EDX_COMMON                                                                                     \
	(CPUID_1_EDX_FPU | CPUID_1_EDX_VME | CPUID_1_EDX_DE | CPUID_1_EDX_PSE | CPUID_1_EDX_TSC |            \
	 CPUID_1_EDX_MSR | CPUID_1_EDX_PAE | CPUID_1_EDX_MCE | CPUID_1_EDX_CX8 | CPUID_1_EDX_APIC |          \
	 CPUID_1_EDX_MTRR | CPUID_1_EDX_PGE | CPUID_1_EDX_MCA | CPUID_1_EDX_CMOV | CPUID_1_EDX_PAT |         \
	 CPUID_1_EDX_PSE36 | CPUID_1_EDX_MMX | CPUID_1_EDX_FXSR)

/* clang-format off */
static const struct rule rules[] = {
	{0x0, 0, BOTH, 0, ALL, ALL, ALL, true},
	{0x1, 0, BOTH, .plain = true,
	 .eax = ALL,
	 .ebx = 0x0000ffff, /* brand index, CLFLUSH size */
	 .ecx = CPUID_1_ECX_SSE3 | CPUID_1_ECX_PCLMULQDQ | CPUID_1_ECX_SSSE3 | CPUID_1_ECX_FMA |
		CPUID_1_ECX_CMPXCHG16B | CPUID_1_ECX_PCID | CPUID_1_ECX_SSE41 | CPUID_1_ECX_SSE42 |
		CPUID_1_ECX_MOVBE | CPUID_1_ECX_POPCNT | CPUID_1_ECX_AES | CPUID_1_ECX_XSAVE | CPUID_1_ECX_AVX |
		CPUID_1_ECX_F16C | CPUID_1_ECX_RDRAND,
	 .edx = LEAF1_EDX_COMMON | CPUID_1_EDX_SEP | CPUID_1_EDX_CLFSH | CPUID_1_EDX_SSE | CPUID_1_EDX_SSE2 |
		CPUID_1_EDX_SS},
	{0x2, 0, INTEL, ALL, ALL, ALL, ALL, true}, /* TLB and cache descriptors */
	{0x4, 0, INTEL, 0x3fff, ALL, ALL, ALL, false}, /* caches; who shares them is computed */
	{0x4, 1, INTEL, 0x3fff, ALL, ALL, ALL, false},
	{0x4, 2, INTEL, 0x3fff, ALL, ALL, ALL, false},
	{0x4, 3, INTEL, 0x3fff, ALL, ALL, ALL, false},
	{0x6, 0, BOTH, 0, 0, 0, 0, true}, /* ARAT is set: the emulated LAPIC timer never stops */
	{0x7, 0, BOTH,
	 .eax = 1, /* highest subleaf */
	 .ebx = CPUID_7_EBX_FSGSBASE | CPUID_7_EBX_BMI1 | CPUID_7_EBX_AVX2 | CPUID_7_EBX_FDP_EXCPTN |
		CPUID_7_EBX_SMEP | CPUID_7_EBX_BMI2 | CPUID_7_EBX_ERMS | CPUID_7_EBX_INVPCID |
		CPUID_7_EBX_FCS_FDS | AVX512_7_EBX | CPUID_7_EBX_RDSEED | CPUID_7_EBX_ADX | CPUID_7_EBX_SMAP |
		CPUID_7_EBX_CLFLUSHOPT | CPUID_7_EBX_CLWB | CPUID_7_EBX_SHA,
	 .ecx = AVX512_7_ECX | CPUID_7_ECX_PREFETCHWT1 | CPUID_7_ECX_UMIP | CPUID_7_ECX_GFNI | CPUID_7_ECX_VAES |
		CPUID_7_ECX_VPCLMULQDQ | CPUID_7_ECX_RDPID | CPUID_7_ECX_CLDEMOTE | CPUID_7_ECX_MOVDIRI |
		CPUID_7_ECX_MOVDIR64B,
	 .edx = AVX512_7_EDX | CPUID_7_EDX_FSRM | CPUID_7_EDX_MD_CLEAR | CPUID_7_EDX_SERIALIZE |
		CPUID_7_EDX_SPEC_CTRL | CPUID_7_EDX_STIBP | CPUID_7_EDX_SSBD},
	{0x7, 1, BOTH,
	 .eax = CPUID_71_EAX_AVX_VNNI | CPUID_71_EAX_AVX512_BF16 | CPUID_71_EAX_FZRM | CPUID_71_EAX_FSRS |
		CPUID_71_EAX_FSRCS | CPUID_71_EAX_AVX_IFMA},
	{0xb, 0, BOTH, 0, 0, 0, 0, false}, /* topology: computed */
	{0xb, 1, BOTH, 0, 0, 0, 0, false},
	{0xd, 0, BOTH, 0, 0, 0, 0, false}, /* XSAVE: computed, but for the components' places */
	{0xd, 1, BOTH, .eax = CPUID_D1_EAX_XSAVEOPT | CPUID_D1_EAX_XSAVEC | CPUID_D1_EAX_XGETBV1},
	{0xd, 2, BOTH, ALL, ALL, 2, 0, false},
	{0xd, 3, BOTH, ALL, ALL, 2, 0, false},
	{0xd, 4, BOTH, ALL, ALL, 2, 0, false},
	{0xd, 5, BOTH, ALL, ALL, 2, 0, false},
	{0xd, 6, BOTH, ALL, ALL, 2, 0, false},
	{0xd, 7, BOTH, ALL, ALL, 2, 0, false},
	{0x16, 0, INTEL, 0, 0, 0, 0, true}, /* computed from the TSC as measured */
	{0x80000000, 0, BOTH, 0, ALL, ALL, ALL, true},
	{0x80000001, 0, INTEL, .plain = true,
	 .ecx = CPUID_80000001_ECX_LAHF64 | CPUID_80000001_ECX_ABM | CPUID_80000001_ECX_3DNOWPREFETCH,
	 .edx = CPUID_80000001_EDX_SYSCALL | CPUID_80000001_EDX_NX | CPUID_80000001_EDX_PAGE1GB |
		CPUID_80000001_EDX_RDTSCP | CPUID_80000001_EDX_LM},
	{0x80000001, 0, AMD, .plain = true,
	 .eax = ALL,
	 .ebx = ALL,
	 .ecx = CPUID_80000001_ECX_LAHF64 | CPUID_80000001_ECX_ABM | CPUID_80000001_ECX_SSE4A |
		CPUID_80000001_ECX_MISALIGNSSE | CPUID_80000001_ECX_3DNOWPREFETCH | CPUID_80000001_ECX_XOP |
		CPUID_80000001_ECX_FMA4 | CPUID_80000001_ECX_TBM | CPUID_80000001_ECX_TOPOEXT,
	 .edx = LEAF1_EDX_COMMON | CPUID_80000001_EDX_SYSCALL | CPUID_80000001_EDX_NX |
		CPUID_80000001_EDX_MMXEXT | CPUID_80000001_EDX_PAGE1GB | CPUID_80000001_EDX_RDTSCP |
		CPUID_80000001_EDX_LM | CPUID_80000001_EDX_3DNOWEXT | CPUID_80000001_EDX_3DNOW},
	{0x80000002, 0, BOTH, ALL, ALL, ALL, ALL, true}, /* the brand string */
	{0x80000003, 0, BOTH, ALL, ALL, ALL, ALL, true},
	{0x80000004, 0, BOTH, ALL, ALL, ALL, ALL, true},
	{0x80000005, 0, AMD, ALL, ALL, ALL, ALL, true}, /* L1 */
	{0x80000006, 0, BOTH, ALL, ALL, ALL, ALL, true}, /* L2, L3 */
	{0x80000007, 0, BOTH, 0, 0, 0, CPUID_80000007_EDX_INVARIANT_TSC, true},
	{0x80000008, 0, INTEL, 0xffff, 0, 0, 0, true},
	{0x80000008, 0, AMD, .plain = true,
	 .eax = 0xffff,
	 .ebx = CPUID_80000008_EBX_CLZERO | CPUID_80000008_EBX_XSAVEERPTR | CPUID_80000008_EBX_IBPB |
		CPUID_80000008_EBX_IBRS | CPUID_80000008_EBX_STIBP | CPUID_80000008_EBX_IBRS_ALWAYS |
		CPUID_80000008_EBX_STIBP_ALWAYS | CPUID_80000008_EBX_IBRS_SAME_MODE |
		CPUID_80000008_EBX_SSBD | CPUID_80000008_EBX_SSB_NO},
	{0x80000019, 0, AMD, ALL, ALL, 0, 0, true}, /* TLBs for 1G pages */
	{0x8000001a, 0, AMD, ALL, 0, 0, 0, true},   /* widths of execution units */
	{0x8000001d, 0, AMD, 0x3fff, ALL, ALL, ALL, false}, /* caches; who shares them is computed */
	{0x8000001d, 1, AMD, 0x3fff, ALL, ALL, ALL, false},
	{0x8000001d, 2, AMD, 0x3fff, ALL, ALL, ALL, false},
	{0x8000001d, 3, AMD, 0x3fff, ALL, ALL, ALL, false},
	{0x8000001e, 0, AMD, 0, 0, 0, 0, true}, /* topology: computed */
	{0x80000021, 0, AMD, .plain = true,
	 .eax = CPUID_80000021_EAX_NO_NESTED_DATA_BP | CPUID_80000021_EAX_LFENCE_SERIAL |
		CPUID_80000021_EAX_NULL_SEL_CLEARS},
};
/* clang-format on */

#define XCR0_AVX512       (XCR0_OPMASK | XCR0_ZMM_HI256 | XCR0_HI16_ZMM)
#define XCR0_GUEST        (XCR0_X87 | XCR0_SSE | XCR0_AVX | XCR0_AVX512)

#define MAX_BASIC_INTEL   0x16u
#define MAX_BASIC_AMD     0xdu
#define MAX_EXT_INTEL     0x80000008u
#define MAX_EXT_AMD       0x80000021u

#define EPT_ADDRESS_BITS  48  /* what a 4-level second stage reaches */
#define LINEAR_BITS       48  /* no 5-level paging */
#define XSAVE_LEGACY_SIZE 576 /* x87 and SSE area, header */
#define XSAVE_FIRST_EXT   2
#define XSAVE_EXT_MAX     8
#define XSAVE_ALIGN64     2u /* leaf 0xd, ECX of a component */
#define CACHE_TYPE        0x1fu
#define CACHE_LEVEL(eax)  ((eax) >> 5 & 7)
#define BUS_MHZ           100

static const struct cpuid_regs zero;

/* Four characters of a signature, as a register holds them. */
#define SIGNATURE(s)                                                                                         \
	((uint32_t)(s)[0] | (uint32_t)(s)[1] << 8 | (uint32_t)(s)[2] << 16 | (uint32_t)(s)[3] << 24)

static struct cpuid_leaf *leaf_slot(struct cpuid_policy *p, uint32_t leaf)
{
	if (leaf < CPUID_BASIC_MAX)
		return &p->basic[leaf];
	if (leaf - CPUID_EXT_BASE < CPUID_EXT_MAX)
		return &p->ext[leaf - CPUID_EXT_BASE];
	return NULL;
}

/* The entry of a leaf that the policy has, to change it; a dummy where it has none. */
static struct cpuid_regs *entry_of(struct cpuid_policy *p, uint32_t leaf, uint32_t subleaf)
{
	static struct cpuid_regs none;
	struct cpuid_leaf *l = leaf_slot(p, leaf);

	if (!l || subleaf >= l->count) {
		none = (struct cpuid_regs){};
		return &none;
	}
	return &p->entry[l->first + subleaf];
}

static uint32_t reg_of(const struct cpuid_regs *r, uint8_t reg)
{
	switch (reg) {
	case CPUID_EAX:
		return r->eax;
	case CPUID_EBX:
		return r->ebx;
	case CPUID_ECX:
		return r->ecx;
	default:
		return r->edx;
	}
}

bool cpuid_has(const struct cpuid_policy *p, struct cpuid_feature f)
{
	struct cpuid_regs r = cpuid_lookup(p, f.leaf, f.subleaf);

	return reg_of(&r, f.reg) >> f.bit & 1;
}

static bool rule_applies(const struct cpuid_policy *p, const struct rule *r)
{
	uint32_t max = r->leaf >= CPUID_EXT_BASE ? p->max_ext : p->max_basic;

	if (r->vendor == INTEL && p->vendor != CPUID_VENDOR_INTEL)
		return false;
	if (r->vendor == AMD && p->vendor != CPUID_VENDOR_AMD)
		return false;
	return r->leaf <= max;
}

static void apply_rules(struct cpuid_policy *p, cpuid_fn host)
{
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		const struct rule *r = &rules[i];
		struct cpuid_leaf *l = leaf_slot(p, r->leaf);
		struct cpuid_regs h;

		if (!rule_applies(p, r))
			continue;
		CHECK(p->count < CPUID_ENTRY_MAX && l->count == r->subleaf);
		if (l->count == 0)
			l->first = (uint8_t)p->count;
		l->count++;
		l->last_repeats = r->plain;
		host(r->leaf, r->subleaf, &h);
		p->entry[p->count++] =
		    (struct cpuid_regs){h.eax & r->eax, h.ebx & r->ebx, h.ecx & r->ecx, h.edx & r->edx};
	}
}

static enum cpuid_vendor vendor_of(const struct cpuid_regs *r)
{
	if (r->ebx == CPUID_VENDOR_INTEL_EBX && r->ecx == CPUID_VENDOR_INTEL_ECX &&
	    r->edx == CPUID_VENDOR_INTEL_EDX)
		return CPUID_VENDOR_INTEL;
	if (r->ebx == CPUID_VENDOR_AMD_EBX && r->ecx == CPUID_VENDOR_AMD_ECX &&
	    r->edx == CPUID_VENDOR_AMD_EDX)
		return CPUID_VENDOR_AMD;
	return CPUID_VENDOR_OTHER;
}

/* Bits of APIC ID that number the CPUs of the package. */
static uint32_t core_bits(const struct cpuid_policy *p)
{
	return p->vcpus > 1 ? 32 - (uint32_t)__builtin_clz(p->vcpus - 1) : 0;
}

/* One package; each vCPU is a core of one thread; the last level of cache is everybody's. */
static void set_topology(struct cpuid_policy *p)
{
	uint32_t ids = 1u << core_bits(p);
	struct cpuid_regs *r = entry_of(p, CPUID_LEAF_FEATURES, 0);

	r->ebx |= MIN(ids, 255u) << CPUID_1_EBX_COUNT_SHIFT;
	if (p->vcpus > 1)
		r->edx |= CPUID_1_EDX_HTT;
	for (unsigned i = 0; i < 4; i++) {
		r = entry_of(p, p->vendor == CPUID_VENDOR_AMD ? CPUID_LEAF_AMD_CACHE : CPUID_LEAF_CACHE, i);
		if (!(r->eax & CACHE_TYPE))
			continue;
		if (CACHE_LEVEL(r->eax) >= 3)
			r->eax |= (ids - 1) << 14;
		if (p->vendor == CPUID_VENDOR_INTEL)
			r->eax |= (MIN(ids, 64u) - 1) << 26;
	}
	*entry_of(p, CPUID_LEAF_TOPOLOGY, 0) =
	    (struct cpuid_regs){0, 1, CPUID_B_TYPE_SMT << CPUID_B_ECX_TYPE_SHIFT, 0};
	*entry_of(p, CPUID_LEAF_TOPOLOGY, 1) =
	    (struct cpuid_regs){core_bits(p), p->vcpus, CPUID_B_TYPE_CORE << CPUID_B_ECX_TYPE_SHIFT | 1, 0};
	if (p->vendor == CPUID_VENDOR_AMD) {
		if (p->vcpus > 1)
			entry_of(p, CPUID_LEAF_EXT_FEATURES, 0)->ecx |= CPUID_80000001_ECX_CMP_LEGACY;
		entry_of(p, CPUID_LEAF_SIZES, 0)->ecx = (p->vcpus - 1) | core_bits(p) << 12;
	}
}

/* Takes away whatever needs an XSAVE component that the guest can't enable. */
static void cut_vector_features(struct cpuid_policy *p)
{
	struct cpuid_regs *one = entry_of(p, CPUID_LEAF_FEATURES, 0);
	struct cpuid_regs *seven = entry_of(p, CPUID_LEAF_STRUCTURED, 0);
	struct cpuid_regs *seven1 = entry_of(p, CPUID_LEAF_STRUCTURED, 1);
	struct cpuid_regs *ext = entry_of(p, CPUID_LEAF_EXT_FEATURES, 0);

	if (!p->xcr0_mask)
		one->ecx &= ~CPUID_1_ECX_XSAVE;
	if (!(p->xcr0_mask & XCR0_AVX)) {
		one->ecx &= ~(CPUID_1_ECX_AVX | CPUID_1_ECX_FMA | CPUID_1_ECX_F16C);
		seven->ebx &= ~CPUID_7_EBX_AVX2;
		seven->ecx &= ~(CPUID_7_ECX_VAES | CPUID_7_ECX_VPCLMULQDQ);
		seven1->eax &= ~(uint32_t)(CPUID_71_EAX_AVX_VNNI | CPUID_71_EAX_AVX_IFMA);
		ext->ecx &= ~(CPUID_80000001_ECX_XOP | CPUID_80000001_ECX_FMA4);
	}
	if (!(p->xcr0_mask & XCR0_HI16_ZMM)) {
		seven->ebx &= ~AVX512_7_EBX;
		seven->ecx &= ~AVX512_7_ECX;
		seven->edx &= ~AVX512_7_EDX;
		seven1->eax &= ~(uint32_t)CPUID_71_EAX_AVX512_BF16;
	}
}

static void set_xsave(struct cpuid_policy *p, cpuid_fn host, uint64_t host_xcr0)
{
	struct cpuid_regs h;

	p->xcr0_mask = cpuid_has(p, FEATURE_XSAVE) ? host_xcr0 & XCR0_GUEST : 0;
	if ((p->xcr0_mask & (XCR0_AVX512 | XCR0_AVX)) != (XCR0_AVX512 | XCR0_AVX))
		p->xcr0_mask &= ~XCR0_AVX512;
	cut_vector_features(p);
	for (unsigned i = XSAVE_FIRST_EXT; i < XSAVE_EXT_MAX; i++) {
		struct cpuid_regs *r = entry_of(p, CPUID_LEAF_XSTATE, i);

		if (!(p->xcr0_mask & BIT(i))) {
			*r = (struct cpuid_regs){};
			continue;
		}
		host(CPUID_LEAF_XSTATE, i, &h);
		p->xsave_size[i] = (uint16_t)h.eax;
		p->xsave_offset[i] = (uint16_t)h.ebx;
		p->xsave_align[i] = h.ecx & XSAVE_ALIGN64;
	}
	if (!p->xcr0_mask) {
		*entry_of(p, CPUID_LEAF_XSTATE, 1) = (struct cpuid_regs){};
		return;
	}
	*entry_of(p, CPUID_LEAF_XSTATE, 0) = (struct cpuid_regs){
	    .eax = (uint32_t)p->xcr0_mask,
	    .ecx = cpuid_xsave_size(p, p->xcr0_mask, false),
	    .edx = (uint32_t)(p->xcr0_mask >> 32),
	};
}

uint32_t cpuid_xsave_size(const struct cpuid_policy *p, uint64_t xcr0, bool compact)
{
	uint32_t size = XSAVE_LEGACY_SIZE;

	for (unsigned i = XSAVE_FIRST_EXT; i < XSAVE_EXT_MAX; i++) {
		if (!(xcr0 & p->xcr0_mask & BIT(i)))
			continue;
		if (!compact)
			size = MAX(size, (uint32_t)p->xsave_offset[i] + p->xsave_size[i]);
		else
			size = (p->xsave_align[i] ? ALIGN_UP(size, 64) : size) + p->xsave_size[i];
	}
	return size;
}

/* The bits of CR4 and EFER that a guest may set follow from its features. */
static void set_register_masks(struct cpuid_policy *p)
{
	static const struct {
		struct cpuid_feature feature;
		uint64_t cr4;
	} map[] = {
	    {{1, 0, CPUID_EDX, 1}, CR4_VME | CR4_PVI},
	    {{1, 0, CPUID_EDX, 4}, CR4_TSD},
	    {{1, 0, CPUID_EDX, 2}, CR4_DE},
	    {{1, 0, CPUID_EDX, 3}, CR4_PSE},
	    {{1, 0, CPUID_EDX, 6}, CR4_PAE},
	    {{1, 0, CPUID_EDX, 7}, CR4_MCE},
	    {{1, 0, CPUID_EDX, 13}, CR4_PGE},
	    {{1, 0, CPUID_EDX, 24}, CR4_OSFXSR | CR4_OSXMMEXCPT},
	    {{1, 0, CPUID_ECX, 17}, CR4_PCIDE},
	    {{1, 0, CPUID_ECX, 26}, CR4_OSXSAVE},
	    {{7, 0, CPUID_EBX, 0}, CR4_FSGSBASE},
	    {{7, 0, CPUID_EBX, 7}, CR4_SMEP},
	    {{7, 0, CPUID_EBX, 20}, CR4_SMAP},
	    {{7, 0, CPUID_ECX, 2}, CR4_UMIP},
	};

	p->cr4_mask = CR4_PCE; /* has no feature bit; RDPMC itself faults */
	for (size_t i = 0; i < ARRAY_SIZE(map); i++) {
		if (cpuid_has(p, map[i].feature))
			p->cr4_mask |= map[i].cr4;
	}
	p->page1g = cpuid_has(p, FEATURE_PAGE1G);
	p->efer_mask = EFER_SCE | EFER_LME | EFER_LMA;
	if (cpuid_has(p, FEATURE_NX))
		p->efer_mask |= EFER_NXE;
}

static void set_identity(struct cpuid_policy *p, uint64_t tsc_hz)
{
	struct cpuid_regs *one = entry_of(p, CPUID_LEAF_FEATURES, 0);
	struct cpuid_regs *sizes = entry_of(p, CPUID_LEAF_SIZES, 0);
	uint32_t family = one->eax >> 8 & 0xf, mhz = (uint32_t)(tsc_hz / 1000000);

	p->family = family == 0xf ? family + (one->eax >> 20 & 0xff) : family;
	p->model = (one->eax >> 4 & 0xf) | ((family == 0xf || family == 6) ? one->eax >> 12 & 0xf0 : 0);
	entry_of(p, 0, 0)->eax = p->max_basic;
	entry_of(p, CPUID_EXT_BASE, 0)->eax = p->max_ext;
	p->phys_bits = (uint8_t)MIN(sizes->eax ? sizes->eax & 0xff : 36u, (uint32_t)EPT_ADDRESS_BITS);
	p->linear_bits = LINEAR_BITS;
	sizes->eax = p->phys_bits | LINEAR_BITS << 8;

	/* The core emulates these itself, whatever the host has. */
	one->ecx |= CPUID_1_ECX_HYPERVISOR | CPUID_1_ECX_X2APIC | CPUID_1_ECX_TSC_DEADLINE;
	one->edx |= CPUID_1_EDX_APIC | CPUID_1_EDX_MTRR | CPUID_1_EDX_MCE | CPUID_1_EDX_MCA;
	entry_of(p, CPUID_LEAF_THERMAL, 0)->eax |= CPUID_6_EAX_ARAT;
	if (p->vendor == CPUID_VENDOR_INTEL)
		entry_of(p, CPUID_LEAF_STRUCTURED, 0)->ebx |= CPUID_7_EBX_TSC_ADJUST;
	*entry_of(p, CPUID_LEAF_FREQUENCY, 0) = (struct cpuid_regs){mhz, mhz, BUS_MHZ, 0};
}

enum status cpuid_policy_build(struct cpuid_policy *p, cpuid_fn host, uint64_t host_xcr0, uint32_t vcpus,
			       uint64_t tsc_hz)
{
	struct cpuid_regs r;

	*p = (struct cpuid_policy){.vcpus = vcpus};
	host(0, 0, &r);
	p->vendor = vendor_of(&r);
	p->max_basic = MIN(r.eax, p->vendor == CPUID_VENDOR_AMD ? MAX_BASIC_AMD : MAX_BASIC_INTEL);
	host(CPUID_EXT_BASE, 0, &r);
	p->max_ext = MIN(r.eax, p->vendor == CPUID_VENDOR_AMD ? MAX_EXT_AMD : MAX_EXT_INTEL);
	if (p->max_basic < CPUID_LEAF_FEATURES || p->max_ext < CPUID_LEAF_EXT_FEATURES)
		return ERR_UNSUPPORTED;
	apply_rules(p, host);
	if (!cpuid_has(p, FEATURE_LM))
		return ERR_UNSUPPORTED;
	set_identity(p, tsc_hz);
	set_xsave(p, host, host_xcr0);
	set_topology(p);
	set_register_masks(p);
	return OK;
}

void cpuid_drop(struct cpuid_policy *p, struct cpuid_feature f)
{
	struct cpuid_regs *r = entry_of(p, f.leaf, f.subleaf);
	uint32_t keep = ~(1u << f.bit);

	switch (f.reg) {
	case CPUID_EAX:
		r->eax &= keep;
		break;
	case CPUID_EBX:
		r->ebx &= keep;
		break;
	case CPUID_ECX:
		r->ecx &= keep;
		break;
	default:
		r->edx &= keep;
		break;
	}
	set_register_masks(p);
}

/* Ours, then KVM's: its asynchronous page faults have no use here, as no guest memory is ever swapped. */
static const struct cpuid_regs *hypervisor_leaf(uint32_t leaf)
{
	static const struct cpuid_regs own = {CPUID_HV_BASE, SIGNATURE("Ingo"), SIGNATURE("tIng"),
					      SIGNATURE("otHV")};
	static const struct cpuid_regs kvm = {CPUID_KVM_BASE + 1, SIGNATURE("KVMK"), SIGNATURE("VMKV"),
					      SIGNATURE("M\0\0\0")};
	static const struct cpuid_regs kvm_features = {
	    .eax = KVM_FEATURE_NOP_IO_DELAY | KVM_FEATURE_CLOCKSOURCE2 | KVM_FEATURE_STEAL_TIME |
		   KVM_FEATURE_PV_EOI | KVM_FEATURE_PV_UNHALT | KVM_FEATURE_PV_TLB_FLUSH |
		   KVM_FEATURE_PV_SEND_IPI | KVM_FEATURE_POLL_CONTROL | KVM_FEATURE_CLOCKSOURCE_STABLE};

	switch (leaf) {
	case CPUID_HV_BASE:
		return &own;
	case CPUID_KVM_BASE:
		return &kvm;
	case CPUID_KVM_BASE + 1:
		return &kvm_features;
	default:
		return &zero;
	}
}

static const struct cpuid_regs *find(const struct cpuid_policy *p, uint32_t leaf, uint32_t subleaf)
{
	const struct cpuid_leaf *l;

	if (leaf < CPUID_BASIC_MAX)
		l = &p->basic[leaf];
	else if (leaf - CPUID_EXT_BASE < CPUID_EXT_MAX)
		l = &p->ext[leaf - CPUID_EXT_BASE];
	else
		return leaf >> 28 == CPUID_HV_BASE >> 28 ? hypervisor_leaf(leaf) : &zero;
	if (subleaf >= l->count) {
		if (!l->last_repeats)
			return &zero;
		subleaf = 0;
	}
	return &p->entry[l->first + subleaf];
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

/* Basic leaves that patch() changes. */
#define PATCHED (BIT(CPUID_LEAF_FEATURES) | BIT(CPUID_LEAF_TOPOLOGY) | BIT(CPUID_LEAF_XSTATE))

static void answer(struct vcpu *v, const struct cpuid_regs *r)
{
	v->gpr[RAX] = r->eax;
	v->gpr[RBX] = r->ebx;
	v->gpr[RCX] = r->ecx;
	v->gpr[RDX] = r->edx;
}

enum exit_action cpuid_handle(struct vcpu *v)
{
	const struct cpuid_policy *p = &v->vm->cpuid;
	uint32_t leaf = (uint32_t)v->gpr[RAX], subleaf = (uint32_t)v->gpr[RCX];

	if (leaf <= p->max_basic && !(PATCHED >> leaf & 1)) {
		answer(v, find(p, leaf, subleaf));
	} else {
		struct cpuid_regs r = cpuid_query(v, leaf, subleaf);

		answer(v, &r);
	}
	return ACT_ADVANCE;
}
