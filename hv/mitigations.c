/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See hv/mitigations.h. Sources: Intel, "Affected Processors: Guidance for Security Issues", "Deep Dive: Intel
 * Analysis of L1 Terminal Fault", "... of Microarchitectural Data Sampling", "Machine Check Error Avoidance on Page
 * Size Change", SDM Vol. 4, IA32_ARCH_CAPABILITIES; AMD, "Software Techniques for Managing Speculation on AMD
 * Processors".
 */
#include "hv/mitigations.h"

#include <stddef.h>
#include "hv/lib/util.h"
#include "hv/x86/cpuid.h"
#include "hv/x86/msr.h"

#define INTEL_FAMILY 6

enum flaw {
	L1TF = 1 << 0,
	MDS = 1 << 1,      /* and its like: stale data in fill buffers and ports */
	MULTIHIT = 1 << 2, /* a page that changes its size while it is executed stops the machine */
	ALL_FLAWS = L1TF | MDS | MULTIHIT,
};

/*
 * Intel's processors of family 6 that lack some of the flaws without saying so in IA32_ARCH_CAPABILITIES. One that
 * is not listed has what it does not deny there.
 */
static const struct {
	uint8_t model;
	uint8_t has;
	const char *name;
} intel_models[] = {
    {0x1c, 0, "Atom Bonnell"},      {0x26, 0, "Atom Bonnell"},       {0x27, 0, "Atom Saltwell"},
    {0x35, 0, "Atom Saltwell"},     {0x36, 0, "Atom Saltwell"},      {0x37, MDS, "Atom Silvermont"},
    {0x4a, MDS, "Atom Silvermont"}, {0x4d, MDS, "Atom Silvermont"},  {0x5a, MDS, "Atom Silvermont"},
    {0x4c, MDS, "Atom Airmont"},    {0x75, MDS, "Atom Airmont"},     {0x5c, 0, "Atom Goldmont"},
    {0x5f, 0, "Atom Goldmont"},     {0x7a, 0, "Atom Goldmont Plus"}, {0x86, 0, "Atom Tremont"},
    {0x57, MDS, "Xeon Phi"},        {0x85, MDS, "Xeon Phi"},
};

static const char *const names[MITIGATION_COUNT] = {
    [MITIGATION_L1D_FLUSH] = "l1d-flush", [MITIGATION_CLEAR_BUFFERS] = "clear-buffers",
    [MITIGATION_IBPB] = "ibpb",           [MITIGATION_IBRS] = "ibrs",
    [MITIGATION_AUTO_IBRS] = "auto-ibrs", [MITIGATION_SMALL_PAGES] = "small-pages",
};

const char *mitigation_name(enum mitigation m)
{
	return names[m];
}

/* The flaws of a processor. */
static unsigned flaws_of(const struct mitigation_cpu *cpu)
{
	unsigned flaws = ALL_FLAWS;

	if (cpu->vendor != CPUID_VENDOR_INTEL || cpu->family != INTEL_FAMILY)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(intel_models); i++) {
		if (intel_models[i].model == cpu->model)
			flaws = intel_models[i].has;
	}
	if (cpu->arch_capabilities & ARCH_CAP_RDCL_NO)
		flaws &= ~(unsigned)L1TF;
	if (cpu->arch_capabilities & ARCH_CAP_IF_PSCHANGE_MC_NO)
		flaws &= ~(unsigned)MULTIHIT;
	/* Without MDS there may still be stale data from device memory, where microcode says that VERW clears it. */
	if ((cpu->arch_capabilities & ARCH_CAP_MDS_NO) && !(cpu->arch_capabilities & ARCH_CAP_FB_CLEAR))
		flaws &= ~(unsigned)MDS;
	return flaws;
}

static struct mitigation_state l1d_flush(const struct mitigation_cpu *cpu, unsigned flaws)
{
	if (!(flaws & L1TF))
		return (struct mitigation_state){false, "not affected by L1TF"};
	if (!(cpu->leaf7_edx & CPUID_7_EDX_L1D_FLUSH))
		return (struct mitigation_state){
		    false, "affected by L1TF, but the microcode has no IA32_FLUSH_CMD: update the firmware"};
	return (struct mitigation_state){true, "affected by L1TF: IA32_FLUSH_CMD before a guest goes on"};
}

static struct mitigation_state clear_buffers(const struct mitigation_cpu *cpu, unsigned flaws)
{
	if (!(flaws & MDS))
		return (struct mitigation_state){false, "not affected by MDS"};
	if (!(cpu->leaf7_edx & CPUID_7_EDX_MD_CLEAR) && !(cpu->arch_capabilities & ARCH_CAP_FB_CLEAR))
		return (struct mitigation_state){
		    false,
		    "affected by MDS, but the microcode's VERW clears no buffers: update the firmware"};
	return (struct mitigation_state){true, "affected by MDS: VERW before a guest goes on"};
}

/* Intel reports it with IBRS, AMD by itself. */
static struct mitigation_state ibpb(const struct mitigation_cpu *cpu)
{
	if (!(cpu->leaf7_edx & CPUID_7_EDX_SPEC_CTRL) && !(cpu->sizes_ebx & CPUID_80000008_EBX_IBPB))
		return (struct mitigation_state){false, "the processor has no IBPB: update the firmware"};
	return (struct mitigation_state){true, "branch predictors are shared: IA32_PRED_CMD between two VMs"};
}

static struct mitigation_state ibrs(const struct mitigation_cpu *cpu)
{
	if (cpu->ext2_eax & CPUID_80000021_EAX_AUTO_IBRS)
		return (struct mitigation_state){false, "automatic IBRS does it"};
	if ((cpu->leaf7_edx & CPUID_7_EDX_SPEC_CTRL) && (cpu->arch_capabilities & ARCH_CAP_IBRS_ALL))
		return (struct mitigation_state){true, "enhanced IBRS: SPEC_CTRL.IBRS stays set"};
	if ((cpu->sizes_ebx & CPUID_80000008_EBX_IBRS) && (cpu->sizes_ebx & CPUID_80000008_EBX_IBRS_ALWAYS))
		return (struct mitigation_state){true, "the processor wants it: SPEC_CTRL.IBRS stays set"};
	return (struct mitigation_state){false, "the processor has no IBRS that can stay set"};
}

static struct mitigation_state auto_ibrs(const struct mitigation_cpu *cpu)
{
	if (!(cpu->ext2_eax & CPUID_80000021_EAX_AUTO_IBRS))
		return (struct mitigation_state){false, "the processor does not have it"};
	return (struct mitigation_state){true, "the host's EFER.AIBRSE is set"};
}

static struct mitigation_state small_pages(unsigned flaws)
{
	if (!(flaws & MULTIHIT))
		return (struct mitigation_state){false, "not affected by iTLB multihit"};
	return (struct mitigation_state){true,
					 "affected by iTLB multihit: guests' memory is mapped by 4K pages"};
}

void mitigations_decide(const struct mitigation_cpu *cpu, bool automatic,
			struct mitigation_state out[MITIGATION_COUNT])
{
	unsigned flaws = flaws_of(cpu);

	out[MITIGATION_L1D_FLUSH] = l1d_flush(cpu, flaws);
	out[MITIGATION_CLEAR_BUFFERS] = clear_buffers(cpu, flaws);
	out[MITIGATION_IBPB] = ibpb(cpu);
	out[MITIGATION_IBRS] = ibrs(cpu);
	out[MITIGATION_AUTO_IBRS] = auto_ibrs(cpu);
	out[MITIGATION_SMALL_PAGES] = small_pages(flaws);
	for (unsigned m = 0; m < MITIGATION_COUNT && !automatic; m++) {
		if (out[m].on)
			out[m] = (struct mitigation_state){false, "mitigations = off"};
	}
}
