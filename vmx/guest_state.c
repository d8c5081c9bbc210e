/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SDM Vol. 3C, "Checks on the Guest State Area", one line a check. Only for reports: the hardware has refused
 * already, without saying why.
 */
#include "vmx/guest_state.h"

#include <stdbool.h>
#include <stddef.h>
#include "hv/event.h"
#include "hv/x86/cr.h"
#include "hv/x86/msr.h"
#include "hv/x86/rflags.h"
#include "vmx/caps.h"

#define AR_TYPE(ar)     ((ar)&0xf)
#define AR_S            BIT(4)
#define AR_DPL(ar)      (((ar) >> 5) & 3)
#define AR_P            BIT(7)
#define AR_L            BIT(13)
#define AR_DB           BIT(14)
#define AR_G            BIT(15)
#define AR_UNUSABLE     BIT(16)
#define AR_RESERVED     (BITS(31, 17) | BITS(11, 8))
#define TYPE_ACCESSED   BIT(0)
#define TYPE_WRITE_READ BIT(1)
#define TYPE_CODE       BIT(3)

#define RPL(selector)   ((selector)&3)
#define SELECTOR_TI_BIT BIT(2)

/* The check's condition, if it holds, is the fault. */
#define REFUSE_IF(cond, text)                                                                                \
	do {                                                                                                 \
		if (cond)                                                                                    \
			return text;                                                                         \
	} while (0)

static bool is_canonical(uint64_t a)
{
	return (uint64_t)((int64_t)(a << 16) >> 16) == a;
}

static bool is_pat(uint64_t pat)
{
	for (unsigned i = 0; i < 8; i++) {
		uint8_t type = (uint8_t)(pat >> (i * 8));

		if (type > MEMTYPE_UC_MINUS || type == 2 || type == 3)
			return false;
	}
	return true;
}

static bool limit_disagrees(uint64_t limit, uint64_t ar)
{
	return ((limit & 0xfff) != 0xfff && (ar & AR_G)) || ((limit >> 20) && !(ar & AR_G));
}

static const char *check_control_registers(const struct vmx_guest_state *g)
{
	bool ia32e = g->entry_controls & VMENTRY_IA32E_GUEST;
	uint64_t fixed0 = g->cr0_fixed0 & ~(CR0_PE | CR0_PG);

	REFUSE_IF((~g->GUEST_CR0 & fixed0) || (g->GUEST_CR0 & ~g->cr0_fixed1),
		  "CR0 has a bit that VMX fixes the other way");
	REFUSE_IF((g->GUEST_CR0 & CR0_PG) && !(g->GUEST_CR0 & CR0_PE), "CR0.PG is 1 while CR0.PE is 0");
	REFUSE_IF((~g->GUEST_CR4 & g->cr4_fixed0) || (g->GUEST_CR4 & ~g->cr4_fixed1),
		  "CR4 has a bit that VMX fixes the other way");
	REFUSE_IF(g->GUEST_DEBUGCTL & ~0xffc3UL, "IA32_DEBUGCTL has a reserved bit set");
	REFUSE_IF(ia32e && !(g->GUEST_CR0 & CR0_PG), "the IA-32e mode guest control is 1 while CR0.PG is 0");
	REFUSE_IF(ia32e && !(g->GUEST_CR4 & CR4_PAE),
		  "the IA-32e mode guest control is 1 while CR4.PAE is 0");
	REFUSE_IF(!ia32e && (g->GUEST_CR4 & CR4_PCIDE), "CR4.PCIDE is 1 outside IA-32e mode");
	REFUSE_IF(g->GUEST_CR3 >> g->physical_bits, "CR3 has bits beyond the physical-address width");
	REFUSE_IF(g->GUEST_DR7 >> 32, "DR7 has a bit of 63:32 set");
	REFUSE_IF(!is_canonical(g->GUEST_SYSENTER_ESP), "IA32_SYSENTER_ESP is not canonical");
	REFUSE_IF(!is_canonical(g->GUEST_SYSENTER_EIP), "IA32_SYSENTER_EIP is not canonical");
	return NULL;
}

static const char *check_msrs(const struct vmx_guest_state *g)
{
	bool lma = g->GUEST_EFER & EFER_LMA, lme = g->GUEST_EFER & EFER_LME;

	if (g->entry_controls & VMENTRY_LOAD_PAT)
		REFUSE_IF(!is_pat(g->GUEST_PAT), "IA32_PAT holds a memory type that does not exist");
	if (!(g->entry_controls & VMENTRY_LOAD_EFER))
		return NULL;
	REFUSE_IF(g->GUEST_EFER & ~(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE),
		  "IA32_EFER has a reserved bit set");
	REFUSE_IF(lma != !!(g->entry_controls & VMENTRY_IA32E_GUEST),
		  "IA32_EFER.LMA differs from the IA-32e mode guest control");
	REFUSE_IF((g->GUEST_CR0 & CR0_PG) && lma != lme, "IA32_EFER.LMA differs from LME while CR0.PG is 1");
	return NULL;
}

static const char *check_v86_segment(uint64_t selector, uint64_t base, uint64_t limit, uint64_t ar,
				     const char *text)
{
	return base != selector << 4 || limit != 0xffff || ar != 0xf3 ? text : NULL;
}

static const char *check_v86(const struct vmx_guest_state *g)
{
	const char *bad = NULL;

#define V86(name)                                                                                            \
	do {                                                                                                 \
		if (!bad)                                                                                    \
			bad = check_v86_segment(g->GUEST_##name##_SELECTOR, g->GUEST_##name##_BASE,          \
						g->GUEST_##name##_LIMIT, g->GUEST_##name##_ACCESS_RIGHTS,    \
						#name " is not as virtual-8086 mode has it");                \
	} while (0)
	V86(CS);
	V86(SS);
	V86(DS);
	V86(ES);
	V86(FS);
	V86(GS);
#undef V86
	return bad;
}

static const char *check_cs(const struct vmx_guest_state *g)
{
	uint64_t ar = g->GUEST_CS_ACCESS_RIGHTS, ss = g->GUEST_SS_ACCESS_RIGHTS, type = AR_TYPE(ar);
	bool ia32e = g->entry_controls & VMENTRY_IA32E_GUEST;

	REFUSE_IF(g->GUEST_CS_BASE >> 32, "CS base is above 4 GiB");
	REFUSE_IF(type != 3 && type != 9 && type != 11 && type != 13 && type != 15,
		  "CS type is not accessed code");
	REFUSE_IF(!(ar & AR_S), "CS is a system segment");
	REFUSE_IF(type == 3 && AR_DPL(ar), "CS DPL is not 0 although its type is data");
	REFUSE_IF((type == 9 || type == 11) && AR_DPL(ar) != AR_DPL(ss), "CS DPL differs from SS DPL");
	REFUSE_IF((type == 13 || type == 15) && AR_DPL(ar) > AR_DPL(ss), "CS DPL is above SS DPL");
	REFUSE_IF(!(ar & AR_P), "CS is not present");
	REFUSE_IF(ar & AR_RESERVED, "CS access rights have a reserved bit set");
	REFUSE_IF(ia32e && (ar & AR_L) && (ar & AR_DB), "CS has both L and D set");
	REFUSE_IF(limit_disagrees(g->GUEST_CS_LIMIT, ar), "CS limit disagrees with its granularity");
	return NULL;
}

static const char *check_ss(const struct vmx_guest_state *g)
{
	uint64_t ar = g->GUEST_SS_ACCESS_RIGHTS, cs_type = AR_TYPE(g->GUEST_CS_ACCESS_RIGHTS);

	REFUSE_IF((cs_type == 3 || !(g->GUEST_CR0 & CR0_PE)) && AR_DPL(ar), "SS DPL is not 0 in real mode");
	if (ar & AR_UNUSABLE)
		return NULL;
	REFUSE_IF(g->GUEST_SS_BASE >> 32, "SS base is above 4 GiB");
	REFUSE_IF(AR_TYPE(ar) != 3 && AR_TYPE(ar) != 7, "SS type is not accessed read-write data");
	REFUSE_IF(!(ar & AR_S), "SS is a system segment");
	REFUSE_IF(!(ar & AR_P), "SS is not present");
	REFUSE_IF(ar & AR_RESERVED, "SS access rights have a reserved bit set");
	REFUSE_IF(limit_disagrees(g->GUEST_SS_LIMIT, ar), "SS limit disagrees with its granularity");
	return NULL;
}

/* DS, ES, FS, GS; texts: type, system, present, reserved, limit. */
static const char *check_data(uint64_t limit, uint64_t ar, const char *const text[5])
{
	uint64_t type = AR_TYPE(ar);

	if (ar & AR_UNUSABLE)
		return NULL;
	REFUSE_IF(!(type & TYPE_ACCESSED) || ((type & TYPE_CODE) && !(type & TYPE_WRITE_READ)), text[0]);
	REFUSE_IF(!(ar & AR_S), text[1]);
	REFUSE_IF(!(ar & AR_P), text[2]);
	REFUSE_IF(ar & AR_RESERVED, text[3]);
	REFUSE_IF(limit_disagrees(limit, ar), text[4]);
	return NULL;
}

static const char *check_data_segments(const struct vmx_guest_state *g)
{
	const char *bad = NULL;

#define DATA(name)                                                                                           \
	do {                                                                                                 \
		static const char *const text[5] = {#name " type is not accessed and readable",              \
						    #name " is a system segment", #name " is not present",   \
						    #name " access rights have a reserved bit set",          \
						    #name " limit disagrees with its granularity"};          \
		if (!bad)                                                                                    \
			bad = check_data(g->GUEST_##name##_LIMIT, g->GUEST_##name##_ACCESS_RIGHTS, text);    \
	} while (0)
	DATA(DS);
	DATA(ES);
	DATA(FS);
	DATA(GS);
#undef DATA
	if (bad)
		return bad;
	REFUSE_IF(!is_canonical(g->GUEST_FS_BASE), "FS base is not canonical");
	REFUSE_IF(!is_canonical(g->GUEST_GS_BASE), "GS base is not canonical");
	return NULL;
}

static const char *check_tr(const struct vmx_guest_state *g)
{
	uint64_t ar = g->GUEST_TR_ACCESS_RIGHTS;
	bool ia32e = g->entry_controls & VMENTRY_IA32E_GUEST;

	REFUSE_IF(g->GUEST_TR_SELECTOR & SELECTOR_TI_BIT, "TR selector has TI set");
	REFUSE_IF(!is_canonical(g->GUEST_TR_BASE), "TR base is not canonical");
	REFUSE_IF(AR_TYPE(ar) != 11 && (ia32e || AR_TYPE(ar) != 3), "TR type is not a busy TSS");
	REFUSE_IF(ar & AR_S, "TR is not a system segment");
	REFUSE_IF(!(ar & AR_P), "TR is not present");
	REFUSE_IF(ar & AR_RESERVED, "TR access rights have a reserved bit set");
	REFUSE_IF(limit_disagrees(g->GUEST_TR_LIMIT, ar), "TR limit disagrees with its granularity");
	REFUSE_IF(ar & AR_UNUSABLE, "TR is unusable");
	return NULL;
}

static const char *check_ldtr(const struct vmx_guest_state *g)
{
	uint64_t ar = g->GUEST_LDTR_ACCESS_RIGHTS;

	if (ar & AR_UNUSABLE)
		return NULL;
	REFUSE_IF(g->GUEST_LDTR_SELECTOR & SELECTOR_TI_BIT, "LDTR selector has TI set");
	REFUSE_IF(!is_canonical(g->GUEST_LDTR_BASE), "LDTR base is not canonical");
	REFUSE_IF(AR_TYPE(ar) != 2, "LDTR type is not an LDT");
	REFUSE_IF(ar & AR_S, "LDTR is not a system segment");
	REFUSE_IF(!(ar & AR_P), "LDTR is not present");
	REFUSE_IF(ar & AR_RESERVED, "LDTR access rights have a reserved bit set");
	REFUSE_IF(limit_disagrees(g->GUEST_LDTR_LIMIT, ar), "LDTR limit disagrees with its granularity");
	return NULL;
}

static const char *check_tables_and_rip(const struct vmx_guest_state *g)
{
	bool long_code = (g->entry_controls & VMENTRY_IA32E_GUEST) && (g->GUEST_CS_ACCESS_RIGHTS & AR_L);

	REFUSE_IF(!is_canonical(g->GUEST_GDTR_BASE), "GDTR base is not canonical");
	REFUSE_IF(!is_canonical(g->GUEST_IDTR_BASE), "IDTR base is not canonical");
	REFUSE_IF(g->GUEST_GDTR_LIMIT >> 16, "GDTR limit is above 65535");
	REFUSE_IF(g->GUEST_IDTR_LIMIT >> 16, "IDTR limit is above 65535");
	REFUSE_IF(!long_code && g->GUEST_RIP >> 32, "RIP is above 4 GiB outside 64-bit mode");
	REFUSE_IF(long_code && !is_canonical(g->GUEST_RIP), "RIP is not canonical");
	return NULL;
}

static const char *check_rflags(const struct vmx_guest_state *g)
{
	uint64_t f = g->GUEST_RFLAGS;
	bool injects_interrupt =
	    (g->entry_intr_info & VMX_INTR_VALID) && VMX_INTR_TYPE(g->entry_intr_info) == EVENT_INTERRUPT;

	REFUSE_IF((f & RFLAGS_RESERVED) || !(f & RFLAGS_FIXED),
		  "RFLAGS has a reserved bit set, or bit 1 clear");
	REFUSE_IF((f & RFLAGS_VM) && ((g->entry_controls & VMENTRY_IA32E_GUEST) || !(g->GUEST_CR0 & CR0_PE)),
		  "RFLAGS.VM is 1 in IA-32e mode or in real mode");
	REFUSE_IF(injects_interrupt && !(f & RFLAGS_IF), "an interrupt is injected while RFLAGS.IF is 0");
	return NULL;
}

static const char *check_non_register(const struct vmx_guest_state *g)
{
	uint64_t s = g->GUEST_INTERRUPTIBILITY, d = g->GUEST_PENDING_DEBUG;
	bool sti = s & VMX_BLOCKING_STI, mov_ss = s & VMX_BLOCKING_MOV_SS;
	bool injects = g->entry_intr_info & VMX_INTR_VALID;
	uint32_t type = VMX_INTR_TYPE(g->entry_intr_info);

	REFUSE_IF(g->GUEST_ACTIVITY_STATE > VMX_WAIT_FOR_SIPI, "activity state is not defined");
	REFUSE_IF(g->GUEST_ACTIVITY_STATE == VMX_HLT && AR_DPL(g->GUEST_SS_ACCESS_RIGHTS),
		  "activity state is HLT although CPL is not 0");
	REFUSE_IF(g->GUEST_ACTIVITY_STATE != VMX_ACTIVE && (sti || mov_ss),
		  "activity state is not active while STI or MOV SS blocks");
	REFUSE_IF(s & ~(uint64_t)VMX_BLOCKING_KNOWN, "interruptibility state has a reserved bit set");
	REFUSE_IF(sti && mov_ss, "interruptibility state has both STI and MOV SS set");
	REFUSE_IF(sti && !(g->GUEST_RFLAGS & RFLAGS_IF),
		  "interruptibility state has STI set while RFLAGS.IF is 0");
	REFUSE_IF(injects && type == EVENT_INTERRUPT && (sti || mov_ss),
		  "an interrupt is injected in the shadow of STI or MOV SS");
	REFUSE_IF(injects && type == EVENT_NMI && mov_ss, "an NMI is injected in the shadow of MOV SS");
	REFUSE_IF(injects && type == EVENT_NMI && (g->pin_controls & PIN_VIRTUAL_NMIS) &&
		      (s & VMX_BLOCKING_NMI),
		  "an NMI is injected while NMIs are blocked");
	REFUSE_IF(d & ~(DR6_B0 | DR6_B1 | DR6_B2 | DR6_B3 | DR6_BS | BIT(12) | BIT(16)),
		  "pending debug exceptions have a reserved bit set");
	REFUSE_IF((sti || mov_ss) && (g->GUEST_RFLAGS & RFLAGS_TF) && !(g->GUEST_DEBUGCTL & DEBUGCTL_BTF) &&
		      !(d & DR6_BS),
		  "pending debug exceptions lack BS although RFLAGS.TF is 1");
	REFUSE_IF(g->LINK_POINTER != UINT64_MAX, "the VMCS link pointer is in use");
	return NULL;
}

static const char *check_pdptes(const struct vmx_guest_state *g)
{
	const uint64_t pdpte[] = {g->GUEST_PDPTE0, g->GUEST_PDPTE1, g->GUEST_PDPTE2, g->GUEST_PDPTE3};
	uint64_t reserved = BITS(8, 5) | BITS(2, 1) | ~BITS(g->physical_bits - 1, 0);

	if (!(g->GUEST_CR0 & CR0_PG) || !(g->GUEST_CR4 & CR4_PAE) ||
	    (g->entry_controls & VMENTRY_IA32E_GUEST))
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(pdpte); i++)
		REFUSE_IF((pdpte[i] & 1) && (pdpte[i] & reserved), "a PDPTE has a reserved bit set");
	return NULL;
}

static const char *check_segments(const struct vmx_guest_state *g)
{
	const char *bad = check_tr(g);

	if (!bad)
		bad = check_ldtr(g);
	if (bad)
		return bad;
	if (g->GUEST_RFLAGS & RFLAGS_VM)
		return check_v86(g);
	bad = check_cs(g);
	if (!bad)
		bad = check_ss(g);
	if (!bad)
		bad = check_data_segments(g);
	return bad;
}

const char *vmx_guest_state_check(const struct vmx_guest_state *g)
{
	static const char *(*const checks[])(const struct vmx_guest_state *) = {
	    check_control_registers, check_msrs,   check_segments, check_tables_and_rip, check_rflags,
	    check_non_register,      check_pdptes,
	};

	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		const char *bad = checks[i](g);

		if (bad)
			return bad;
	}
	return NULL;
}
