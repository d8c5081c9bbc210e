/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The checks of VMRUN (APM Vol. 2, "Canonicalization and Consistency Checks"), made again in software so
 * that a refused entry can be reported with the field's name. Bits that are reserved on some CPUs only are
 * not judged.
 */
#include "svm/check.h"

#include <stdbool.h>
#include "hv/x86/cr.h"
#include "hv/x86/desc.h"
#include "hv/x86/msr.h"

#define HIGH_HALF BITS(63, 32)
#define CR3_MBZ   BITS(63, 52)
#define EFER_KNOWN                                                                                           \
	(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE | EFER_SVME | EFER_LMSLE | EFER_FFXSR | EFER_TCE |        \
	 BIT(17) | BIT(18) | BIT(20) | EFER_AUTOIBRS)
#define ATTR_DB (1u << 10)

static bool long_mode(const struct vmcb *b)
{
	return (b->efer & EFER_LME) && (b->cr0 & CR0_PG);
}

static bool event_is_bad(const struct vmcb *b)
{
	uint32_t type = b->event_inj >> EVENT_TYPE_SHIFT & EVENT_TYPE;
	uint8_t vector = b->event_inj & EVENT_VECTOR;

	if (!(b->event_inj & EVENT_VALID))
		return false;
	if (type == 1 || type > 4)
		return true;
	return type == 3 && (vector == EXC_NMI || vector >= EXC_COUNT);
}

const char *svm_check_guest(const struct vmcb *b)
{
	if (!(b->efer & EFER_SVME))
		return "EFER.SVME is 0";
	if (b->efer & ~EFER_KNOWN)
		return "EFER has a reserved bit set";
	if ((b->cr0 & (CR0_CD | CR0_NW)) == CR0_NW)
		return "CR0.NW is set without CR0.CD";
	if (b->cr0 & HIGH_HALF)
		return "CR0[63:32] are not zero";
	if (long_mode(b) && (b->cr3 & CR3_MBZ))
		return "CR3 has a reserved bit set";
	if (b->cr4 & HIGH_HALF)
		return "CR4[63:32] are not zero";
	if (b->dr6 & HIGH_HALF)
		return "DR6[63:32] are not zero";
	if (b->dr7 & HIGH_HALF)
		return "DR7[63:32] are not zero";
	if (long_mode(b) && !(b->cr4 & CR4_PAE))
		return "EFER.LME and CR0.PG are set without CR4.PAE";
	if (long_mode(b) && !(b->cr0 & CR0_PE))
		return "EFER.LME and CR0.PG are set without CR0.PE";
	if (long_mode(b) && (b->cr4 & CR4_PAE) && (b->cs.attrib & VMCB_ATTR_L) && (b->cs.attrib & ATTR_DB))
		return "CS.L and CS.D are both set in long mode";
	if (!(b->intercept_misc2 & INTERCEPT_VMRUN))
		return "VMRUN is not intercepted";
	if (!b->asid)
		return "the ASID is 0, the host's";
	if (event_is_bad(b))
		return "EVENTINJ has a type or vector that can't be injected";
	return NULL;
}
