/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's CPUID policy, computed from the host's CPUID and the tables of hv/cpuid_table.c: default deny. Fields that describe
 * the virtual machine (topology, XSAVE sizes) are computed here; those that follow a vCPU's state when it asks, in hv/cpuid.c.
 * Sources: SDM Vol. 2A, "CPUID"; APM Vol. 3, Appendix E.
 */
#include "hv/cpuid.h"

#include "hv/lib/panic.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/x86/cpuid.h"
#include "hv/x86/cr.h"
#include "hv/x86/msr.h"

#define XCR0_AVX512       (XCR0_OPMASK | XCR0_ZMM_HI256 | XCR0_HI16_ZMM)

#define MAX_BASIC_INTEL   0x16u
#define MAX_BASIC_AMD     0xdu
#define MAX_EXT_INTEL     0x80000008u
#define MAX_EXT_AMD       0x80000021u

#define EPT_ADDRESS_BITS  48 /* what a 4-level second stage reaches */
#define LINEAR_BITS       48
#define LINEAR_BITS_LA57  57
#define XSAVE_LEGACY_SIZE 576 /* x87 and SSE area, header */
#define XSAVE_FIRST_EXT   2
#define CACHE_TYPE        0x1fu
#define CACHE_LEVEL(eax)  ((eax) >> 5 & 7)
#define BUS_MHZ           100

/* Bits of leaf 1 EDX that AMD repeats in leaf 0x80000001 EDX. */
#define REPEATED_EDX                                                                                         \
	(CPUID_1_EDX_FPU | CPUID_1_EDX_VME | CPUID_1_EDX_DE | CPUID_1_EDX_PSE | CPUID_1_EDX_TSC |            \
	 CPUID_1_EDX_MSR | CPUID_1_EDX_PAE | CPUID_1_EDX_MCE | CPUID_1_EDX_CX8 | CPUID_1_EDX_APIC |          \
	 CPUID_1_EDX_MTRR | CPUID_1_EDX_PGE | CPUID_1_EDX_MCA | CPUID_1_EDX_CMOV | CPUID_1_EDX_PAT |         \
	 CPUID_1_EDX_PSE36 | CPUID_1_EDX_MMX | CPUID_1_EDX_FXSR)

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

	if (leaf == CPUID_KVM_BASE + 1)
		return &p->kvm_features;
	if (!l || subleaf >= l->count) {
		none = (struct cpuid_regs){};
		return &none;
	}
	return &p->entry[l->first + subleaf];
}

static uint32_t *reg_at(struct cpuid_regs *r, uint8_t reg)
{
	switch (reg) {
	case CPUID_EAX:
		return &r->eax;
	case CPUID_EBX:
		return &r->ebx;
	case CPUID_ECX:
		return &r->ecx;
	default:
		return &r->edx;
	}
}

bool cpuid_has(const struct cpuid_policy *p, struct cpuid_feature f)
{
	struct cpuid_regs r = cpuid_lookup(p, f.leaf, f.subleaf);

	return *reg_at(&r, f.reg) >> f.bit & 1;
}

static bool scope_applies(const struct cpuid_policy *p, enum cpuid_scope scope)
{
	return scope == CPUID_BOTH || (scope == CPUID_INTEL && p->vendor == CPUID_VENDOR_INTEL) ||
	       (scope == CPUID_AMD && p->vendor == CPUID_VENDOR_AMD);
}

/* The leaves, with the host's numbers. */
static void take_leaves(struct cpuid_policy *p, cpuid_fn host)
{
	for (size_t i = 0; i < cpuid_leaf_row_count; i++) {
		const struct cpuid_leaf_row *r = &cpuid_leaf_rows[i];
		struct cpuid_leaf *l = leaf_slot(p, r->leaf);
		struct cpuid_regs h;

		if (!scope_applies(p, r->scope) ||
		    r->leaf > (r->leaf >= CPUID_EXT_BASE ? p->max_ext : p->max_basic))
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

static struct cpuid_feature feature_of(const struct cpuid_feature_row *f)
{
	return (struct cpuid_feature){f->leaf, f->subleaf, f->reg, f->bit};
}

/* The row that f needs; it stands above, and mostly near. */
static const struct cpuid_feature_row *needed(const struct cpuid_feature_row *f)
{
	for (const struct cpuid_feature_row *r = f; r > cpuid_feature_rows;) {
		if (!strcmp((--r)->name, f->needs))
			return r;
	}
	panic("no row '%s' above '%s' in the table of CPU features", f->needs, f->name);
}

/* Does the host keep the state of that feature in an XSAVE component that is not enabled? */
static bool lacks_state(const struct cpuid_feature_row *f, uint64_t host_xcr0)
{
	static const struct {
		const char *name;
		uint64_t xcr0;
	} states[] = {
	    {"xsave", XCR0_X87 | XCR0_SSE},
	    {"avx", XCR0_AVX},
	    {"avx512f", XCR0_AVX512},
	    {"pku", XCR0_PKRU},
	};

	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		if (!strcmp(f->name, states[i].name))
			return (host_xcr0 & states[i].xcr0) != states[i].xcr0;
	}
	return false;
}

static void take_features(struct cpuid_policy *p, cpuid_fn host, uint64_t host_xcr0,
			  const struct cpuid_choice *choice)
{
	for (size_t i = 0; i < cpuid_feature_row_count; i++) {
		const struct cpuid_feature_row *f = &cpuid_feature_rows[i];
		struct cpuid_regs h = {};

		if (!scope_applies(p, f->scope) || f->rule == CPUID_HIDDEN || f->rule == CPUID_DYNAMIC ||
		    cpuid_choice_has(choice->drop, i))
			continue;
		if (f->rule == CPUID_EMULATED)
			*reg_at(&h, f->reg) = ~0u;
		else
			host(f->leaf, f->subleaf, &h);
		if (!(*reg_at(&h, f->reg) >> f->bit & 1) || lacks_state(f, host_xcr0) ||
		    (f->needs && !cpuid_has(p, feature_of(needed(f)))))
			continue;
		*reg_at(entry_of(p, f->leaf, f->subleaf), f->reg) |= 1u << f->bit;
	}
}

const char *cpuid_missing(const struct cpuid_policy *p, const struct cpuid_choice *choice)
{
	for (size_t i = 0; i < cpuid_feature_row_count; i++) {
		if (cpuid_choice_has(choice->want, i) && !cpuid_has(p, feature_of(&cpuid_feature_rows[i])))
			return cpuid_feature_rows[i].name;
	}
	return NULL;
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

/* The components that the guest's features need. */
static uint64_t xcr0_of_features(const struct cpuid_policy *p)
{
	uint64_t xcr0 = 0;

	if (cpuid_has(p, FEATURE_XSAVE))
		xcr0 |= XCR0_X87 | XCR0_SSE;
	if (cpuid_has(p, FEATURE_AVX))
		xcr0 |= XCR0_AVX;
	if (cpuid_has(p, FEATURE_AVX512F))
		xcr0 |= XCR0_AVX512;
	if (cpuid_has(p, FEATURE_PKU))
		xcr0 |= XCR0_PKRU;
	return xcr0;
}

static void set_xsave(struct cpuid_policy *p, cpuid_fn host)
{
	struct cpuid_regs h;

	p->xcr0_mask = xcr0_of_features(p);
	for (unsigned i = XSAVE_FIRST_EXT; i < CPUID_XSAVE_COMPONENTS; i++) {
		struct cpuid_regs *r = entry_of(p, CPUID_LEAF_XSTATE, i);

		if (!(p->xcr0_mask & BIT(i))) {
			*r = (struct cpuid_regs){};
			continue;
		}
		host(CPUID_LEAF_XSTATE, i, &h);
		p->xsave_size[i] = (uint16_t)h.eax;
		p->xsave_offset[i] = (uint16_t)h.ebx;
		p->xsave_align[i] = h.ecx & CPUID_D_ECX_ALIGN64;
	}
	if (!p->xcr0_mask)
		return;
	*entry_of(p, CPUID_LEAF_XSTATE, 0) = (struct cpuid_regs){
	    .eax = (uint32_t)p->xcr0_mask,
	    .ecx = cpuid_xsave_size(p, p->xcr0_mask, false),
	    .edx = (uint32_t)(p->xcr0_mask >> 32),
	};
}

uint32_t cpuid_xsave_size(const struct cpuid_policy *p, uint64_t xcr0, bool compact)
{
	uint32_t size = XSAVE_LEGACY_SIZE;

	for (unsigned i = XSAVE_FIRST_EXT; i < CPUID_XSAVE_COMPONENTS; i++) {
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
	    {{7, 0, CPUID_ECX, 3}, CR4_PKE},
	    {{7, 0, CPUID_ECX, 16}, CR4_LA57},
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
	p->linear_bits = cpuid_has(p, FEATURE_LA57) ? LINEAR_BITS_LA57 : LINEAR_BITS;
	sizes->eax = p->phys_bits | (uint32_t)p->linear_bits << 8;
	if (p->vendor == CPUID_VENDOR_AMD)
		entry_of(p, CPUID_LEAF_EXT_FEATURES, 0)->edx |= one->edx & REPEATED_EDX;
	*entry_of(p, CPUID_LEAF_FREQUENCY, 0) = (struct cpuid_regs){mhz, mhz, BUS_MHZ, 0};
}

/* Basic leaves that patch() changes, below. */
#define PATCHED                                                                                              \
	(BIT(CPUID_LEAF_FEATURES) | BIT(CPUID_LEAF_STRUCTURED) | BIT(CPUID_LEAF_TOPOLOGY) |                  \
	 BIT(CPUID_LEAF_XSTATE))

static void set_constant(struct cpuid_policy *p)
{
	for (uint32_t leaf = 0; leaf < CPUID_BASIC_MAX; leaf++) {
		const struct cpuid_leaf *l = &p->basic[leaf];
		bool constant = l->count == 1 && l->last_repeats && !(PATCHED >> leaf & 1);

		p->constant[leaf] = constant ? l->first : CPUID_VARIES;
	}
}

enum status cpuid_policy_build(struct cpuid_policy *p, cpuid_fn host, uint64_t host_xcr0,
			       const struct cpuid_choice *choice, uint32_t vcpus, uint64_t tsc_hz)
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
	take_leaves(p, host);
	take_features(p, host, host_xcr0, choice);
	if (!cpuid_has(p, FEATURE_LM))
		return ERR_UNSUPPORTED;
	set_identity(p, tsc_hz);
	set_xsave(p, host);
	set_topology(p);
	set_register_masks(p);
	set_constant(p);
	return OK;
}

void cpuid_drop(struct cpuid_policy *p, struct cpuid_feature f)
{
	*reg_at(entry_of(p, f.leaf, f.subleaf), f.reg) &= ~(1u << f.bit);
	set_register_masks(p);
}
