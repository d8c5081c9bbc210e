/* SPDX-License-Identifier: BSD-2-Clause */
/* The switch of extended CPU state: see xstate.h. SDM Vol. 1, ch. 13, "Managing State Using the XSAVE Feature Set". */
#include "hv/xstate.h"

#include "hv/lib/log.h"
#include "hv/lib/panic.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/pcpu.h"
#include "hv/speculation.h"
#include "hv/vcpu.h"
#include "hv/x86/cpuid.h"
#include "hv/x86/cr.h"
#include "hv/x86/insn.h"
#include "hv/x86/msr.h"
#include "hv/xstate_compact.h"

/* AMX (bits 17, 18) is hidden from guests whole; MPX (3, 4) is gone from the architecture. */
#define XCR0_GUEST_MASK                                                                                      \
	(XCR0_X87 | XCR0_SSE | XCR0_AVX | XCR0_OPMASK | XCR0_ZMM_HI256 | XCR0_HI16_ZMM | XCR0_PKRU)

#define FCW_AFTER_RESET   0x40
#define FTW_AFTER_RESET   0xff /* abridged tag word: all valid, as FXSAVE writes the tag word 5555H */
#define MXCSR_AFTER_RESET 0x1f80

struct fxsave_head {
	uint16_t fcw, fsw;
	uint8_t ftw, reserved;
	uint16_t fop;
	uint64_t fip, fdp;
	uint32_t mxcsr, mxcsr_mask;
};
static_assert(sizeof(struct fxsave_head) == 32);

static uint64_t supported;
static uint32_t area_size = XSAVE_LEGACY_SIZE;
static bool has_xsave, has_xsavec, has_xsaves, has_tsc_aux, has_spec_ctrl, compacts;

/* IA32_SPEC_CTRL exists where one of its bits does; the two vendors report them in places of their own. */
static bool spec_ctrl_exists(void)
{
	uint32_t max_ext = cpuid(CPUID_LEAF_EXT_MAX, 0).eax;

	if (cpuid(0, 0).eax >= CPUID_LEAF_STRUCTURED &&
	    (cpuid(CPUID_LEAF_STRUCTURED, 0).edx &
	     (CPUID_7_EDX_SPEC_CTRL | CPUID_7_EDX_STIBP | CPUID_7_EDX_SSBD)))
		return true;
	return max_ext >= CPUID_LEAF_SIZES &&
	       (cpuid(CPUID_LEAF_SIZES, 0).ebx &
		(CPUID_80000008_EBX_IBRS | CPUID_80000008_EBX_STIBP | CPUID_80000008_EBX_SSBD));
}

void xstate_init(void)
{
	struct cpuid_regs r = cpuid(1, 0);

	has_spec_ctrl = spec_ctrl_exists();
	has_xsave = r.ecx & CPUID_1_ECX_XSAVE;
	r = cpuid(0x80000000, 0);
	if (r.eax >= 0x80000001)
		has_tsc_aux = cpuid(0x80000001, 0).edx & CPUID_80000001_EDX_RDTSCP;
	if (!has_xsave) {
		supported = XCR0_X87 | XCR0_SSE;
		return;
	}
	r = cpuid(CPUID_LEAF_XSTATE, 1);
	has_xsavec = r.eax & CPUID_D1_EAX_XSAVEC;
	has_xsaves = r.eax & CPUID_D1_EAX_XSAVES;
	r = cpuid(CPUID_LEAF_XSTATE, 0);
	supported = (((uint64_t)r.edx << 32) | r.eax) & XCR0_GUEST_MASK;
}

void xstate_enable(void)
{
	uint64_t cr4 = read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT;

	if (has_xsave)
		cr4 |= CR4_OSXSAVE;
	if (supported & XCR0_PKRU)
		cr4 |= CR4_PKE; /* for RDPKRU: the host has no user pages */
	write_cr4(cr4);
	write_cr0((read_cr0() | CR0_MP | CR0_NE) & ~(CR0_EM | CR0_TS));
	if (!has_xsave)
		return;
	xsetbv(0, supported);
	/* Guests may execute XSAVES: no supervisor state that firmware left on is theirs. */
	if (has_xsaves)
		(void)wrmsr_safe(MSR_IA32_XSS, 0);
	area_size = ALIGN_UP(cpuid(CPUID_LEAF_XSTATE, 0).ebx, 64U); /* for the bits in XCR0 now */
	if (this_pcpu()->id != 0)
		return;
	compacts = has_xsavec && xstate_compact_works(supported, area_size);
	if (has_xsavec && !compacts)
		log_warn("XSAVEC does not work here: guests get neither it nor XSAVES");
}

uint64_t xstate_supported(void)
{
	return supported;
}

bool xstate_compacts(void)
{
	return compacts;
}

uint32_t xstate_size(void)
{
	return area_size;
}

void xstate_reset(void *area)
{
	struct fxsave_head *head = area;

	memset(area, 0, area_size);
	head->fcw = FCW_AFTER_RESET;
	head->ftw = FTW_AFTER_RESET;
	head->mxcsr = MXCSR_AFTER_RESET;
	if (has_xsave)
		*(uint64_t *)((uint8_t *)area + XSAVE_BV) =
		    XCR0_X87 | XCR0_SSE; /* these two come from the area */
}

/*
 * XSETBV is intercepted, but QEMU's TCG (7.2) does not do it: there the guest's XCR0 changes unseen, and only the
 * register knows.
 */
uint64_t xstate_xcr0(struct vcpu *v)
{
	if (has_xsave && this_pcpu()->current == v)
		v->xcr0 = xgetbv(0);
	return v->xcr0;
}

void xstate_save(struct vcpu *v)
{
	if (has_tsc_aux)
		v->msrs.tsc_aux = rdmsr(MSR_TSC_AUX);
	if (has_spec_ctrl && !speculation_spec_ctrl()) /* else its accesses exit */
		v->msrs.spec_ctrl = rdmsr(MSR_IA32_SPEC_CTRL);
	if (!has_xsave) {
		fxsave(v->xsave);
		return;
	}
	if (xstate_xcr0(v) != supported)
		xsetbv(0, supported);
	xsave(v->xsave, supported);
}

void xstate_load(struct vcpu *v)
{
	if (has_tsc_aux)
		wrmsr(MSR_TSC_AUX, v->msrs.tsc_aux);
	if (has_spec_ctrl)
		wrmsr(MSR_IA32_SPEC_CTRL, v->msrs.spec_ctrl | speculation_spec_ctrl());
	if (!has_xsave) {
		fxrstor(v->xsave);
		return;
	}
	xsetbv(0, supported);
	xrstor(v->xsave, supported);
	if (v->xcr0 != supported)
		xsetbv(0, v->xcr0);
}
