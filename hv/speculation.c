/* SPDX-License-Identifier: BSD-2-Clause */
/* See hv/speculation.h. Source: SDM Vol. 4, IA32_PRED_CMD, IA32_FLUSH_CMD, IA32_SPEC_CTRL; APM Vol. 2, "EFER". */
#include "hv/speculation.h"

#include "hv/lib/util.h"
#include "hv/pcpu.h"
#include "hv/x86/cpuid.h"
#include "hv/x86/desc.h"
#include "hv/x86/insn.h"
#include "hv/x86/msr.h"
#include "mm/pagetable.h"

#define EACH_ENTRY (BIT(MITIGATION_L1D_FLUSH) | BIT(MITIGATION_CLEAR_BUFFERS))

static struct mitigation_state states[MITIGATION_COUNT];
static uint32_t on; /* BIT(enum mitigation) */

static enum cpuid_vendor vendor_of(uint32_t ebx)
{
	return ebx == CPUID_VENDOR_INTEL_EBX ? CPUID_VENDOR_INTEL
	       : ebx == CPUID_VENDOR_AMD_EBX ? CPUID_VENDOR_AMD
					     : CPUID_VENDOR_OTHER;
}

static void capture(struct mitigation_cpu *c)
{
	uint32_t version = cpuid(CPUID_LEAF_FEATURES, 0).eax, family = version >> 8 & 0xf;
	uint32_t max = cpuid(0, 0).eax, max_ext = cpuid(CPUID_LEAF_EXT_MAX, 0).eax;

	*c = (struct mitigation_cpu){
	    .vendor = vendor_of(cpuid(0, 0).ebx),
	    .family = family == 0xf ? family + (version >> 20 & 0xff) : family,
	    .model = (version >> 4 & 0xf) | (version >> 12 & 0xf0),
	};
	if (max >= CPUID_LEAF_STRUCTURED)
		c->leaf7_edx = cpuid(CPUID_LEAF_STRUCTURED, 0).edx;
	if (max_ext >= CPUID_LEAF_SIZES)
		c->sizes_ebx = cpuid(CPUID_LEAF_SIZES, 0).ebx;
	if (max_ext >= CPUID_LEAF_EXT2)
		c->ext2_eax = cpuid(CPUID_LEAF_EXT2, 0).eax;
	if (c->leaf7_edx & CPUID_7_EDX_ARCH_CAPABILITIES)
		c->arch_capabilities = rdmsr(MSR_IA32_ARCH_CAPABILITIES);
}

void speculation_init(bool automatic)
{
	struct mitigation_cpu c;

	capture(&c);
	speculation_decide(&c, automatic);
}

void speculation_decide(const struct mitigation_cpu *c, bool automatic)
{
	mitigations_decide(c, automatic, states);
	on = 0;
	for (unsigned m = 0; m < MITIGATION_COUNT; m++) {
		if (states[m].on)
			on |= BIT(m);
	}
	if (speculation_on(MITIGATION_SMALL_PAGES))
		pt_ept.max_leaf_level = 1;
}

void speculation_enable(void)
{
	if (speculation_on(MITIGATION_AUTO_IBRS))
		wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_AUTOIBRS);
}

bool speculation_on(enum mitigation m)
{
	return on >> m & 1;
}

const char *speculation_why(enum mitigation m)
{
	return states[m].why;
}

uint32_t speculation_due(const struct pcpu *p, const struct vm *vm)
{
	uint32_t due = on & EACH_ENTRY;

	if (p->last_vm != vm)
		due |= on & BIT(MITIGATION_IBPB);
	/* Intel, "Deep Dive: ... Microarchitectural Data Sampling": the flush of L1D clears the buffers too. */
	if (due & BIT(MITIGATION_L1D_FLUSH))
		due &= ~(uint32_t)BIT(MITIGATION_CLEAR_BUFFERS);
	return due;
}

static void clear_buffers(void)
{
	static const uint16_t selector = HOST_DS;

	asm volatile("verw %0" : : "m"(selector) : "cc");
}

void speculation_guest_enters(struct pcpu *p, const struct vm *vm)
{
	uint32_t due = speculation_due(p, vm);

	p->last_vm = vm;
	if (!due)
		return;
	if (due & BIT(MITIGATION_IBPB))
		wrmsr(MSR_IA32_PRED_CMD, PRED_CMD_IBPB);
	if (due & BIT(MITIGATION_L1D_FLUSH))
		wrmsr(MSR_IA32_FLUSH_CMD, FLUSH_CMD_L1D);
	if (due & BIT(MITIGATION_CLEAR_BUFFERS))
		clear_buffers();
}

uint64_t speculation_spec_ctrl(void)
{
	return speculation_on(MITIGATION_IBRS) ? SPEC_CTRL_IBRS : 0;
}
