/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A vCPU's registers, segments and MSRs: which of them are in the VMCS, which in the CPU while it is loaded,
 * which in memory. What a guest may write is hv/cr.c's and hv/msr_table.c's matter.
 */
#include "hv/lib/panic.h"
#include "hv/x86/cr.h"
#include "hv/x86/insn.h"
#include "hv/x86/msr.h"
#include "hv/x86/rflags.h"
#include "vmx/cache.h"
#include "vmx/insn.h"
#include "vmx/vmx.h"

/*
 * Bits that the guest changes without an exit: no mode depends on them, and every guest has them. All others
 * are the host's: reads show the shadow, a MOV that would change one exits.
 */
#define CR0_GUEST_OWNED (CR0_MP | CR0_EM | CR0_TS | CR0_AM | CR0_WP)
#define CR4_GUEST_OWNED                                                                                      \
	(CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PGE | CR4_PCE | CR4_OSFXSR | CR4_OSXMMEXCPT)

/* Fixed bits that unrestricted guest sets free: SDM Vol. 3C, "Checks on Guest Control Registers". */
#define CR0_UNRESTRICTED (CR0_PE | CR0_PG)

/* Caching stays the host's; VM entry does not load these two from the VMCS anyway. */
#define CR0_NEVER        (CR0_CD | CR0_NW)

#define CR0_AFTER_INIT   (CR0_ET | CR0_NW | CR0_CD)

static uint64_t guest_cr0(const struct vmx_vcpu *x)
{
	return (vmcs_read(VMCS_GUEST_CR0) & CR0_GUEST_OWNED) | (x->cr0_shadow & ~CR0_GUEST_OWNED);
}

static uint64_t guest_cr4(const struct vmx_vcpu *x)
{
	return (vmcs_read(VMCS_GUEST_CR4) & CR4_GUEST_OWNED) | (x->cr4_shadow & ~CR4_GUEST_OWNED);
}

/* MOV to CR0 or CR4 drops cached translations where paging changes; an entry under a VPID drops none. */
static void set_cr0(struct vmx_vcpu *x, uint64_t value)
{
	uint64_t must = vmx_caps.cr0_fixed0 & ~CR0_UNRESTRICTED;

	x->cr0_shadow = value;
	vmcs_write(VMCS_CR0_SHADOW, value);
	vmcs_write(VMCS_GUEST_CR0, ((value & ~CR0_NEVER) | must) & vmx_caps.cr0_fixed1);
	x->flush_vpid = true;
}

static void set_cr4(struct vmx_vcpu *x, uint64_t value)
{
	x->cr4_shadow = value;
	vmcs_write(VMCS_CR4_SHADOW, value);
	vmcs_write(VMCS_GUEST_CR4, (value | vmx_caps.cr4_fixed0) & vmx_caps.cr4_fixed1);
	x->flush_vpid = true;
}

/* The entry control must agree with LMA: SDM Vol. 3C, "Checks on Guest Control Registers". */
static void set_efer(struct vmx_vcpu *x, uint64_t value)
{
	uint32_t controls = x->entry_controls & ~VMENTRY_IA32E_GUEST;

	if (value & EFER_LMA)
		controls |= VMENTRY_IA32E_GUEST;
	if (controls != x->entry_controls) {
		x->entry_controls = controls;
		vmcs_write(VMCS_ENTRY_CONTROLS, controls);
	}
	x->efer = value;
	if (vmx_caps_has(&vmx_caps, CTL_ENTRY, VMENTRY_LOAD_EFER))
		vmcs_write(VMCS_GUEST_EFER, value);
	else
		x->entry_area[SLOT_EFER].value = value;
	x->flush_vpid = true;
}

static void set_pat(struct vmx_vcpu *x, uint64_t value)
{
	x->pat = value;
	if (vmx_caps_has(&vmx_caps, CTL_ENTRY, VMENTRY_LOAD_PAT))
		vmcs_write(VMCS_GUEST_PAT, value);
	else
		x->entry_area[SLOT_PAT].value = value;
}

static uint64_t reg_get(struct vmx_vcpu *x, enum vreg r)
{
	switch (r) {
	case VREG_RSP:
		return vmx_cached_read(x, CACHED_RSP);
	case VREG_RFLAGS:
		return vmx_cached_read(x, CACHED_RFLAGS);
	case VREG_CR0:
		return guest_cr0(x);
	case VREG_CR2:
		return x->loaded ? read_cr2() : x->cr2;
	case VREG_CR3:
		return vmcs_read(VMCS_GUEST_CR3);
	case VREG_CR4:
		return guest_cr4(x);
	case VREG_EFER:
		return x->efer;
	case VREG_DR6:
		return x->loaded ? read_dr6() : x->dr6;
	case VREG_DR7:
		return vmcs_read(VMCS_GUEST_DR7);
	case VREG_PDPTE0:
	case VREG_PDPTE1:
	case VREG_PDPTE2:
	case VREG_PDPTE3:
		return vmcs_read(VMCS_GUEST_PDPTE0 + 2 * (r - VREG_PDPTE0));
	}
	panic("register %d", (int)r);
}

static void reg_set(struct vmx_vcpu *x, enum vreg r, uint64_t value)
{
	switch (r) {
	case VREG_RSP:
		vmx_cached_write(x, CACHED_RSP, value);
		return;
	case VREG_RFLAGS:
		vmx_cached_write(x, CACHED_RFLAGS, (value & ~RFLAGS_RESERVED) | RFLAGS_FIXED);
		return;
	case VREG_CR0:
		set_cr0(x, value);
		return;
	case VREG_CR2:
		if (x->loaded)
			write_cr2(x->base.cr2_kept = value);
		else
			x->cr2 = value;
		return;
	case VREG_CR3:
		vmcs_write(VMCS_GUEST_CR3, value);
		x->flush_vpid = true;
		return;
	case VREG_CR4:
		set_cr4(x, value);
		return;
	case VREG_EFER:
		set_efer(x, value);
		return;
	case VREG_DR6:
		if (x->loaded)
			write_dr6((uint32_t)value);
		else
			x->dr6 = (uint32_t)value;
		return;
	case VREG_DR7:
		vmcs_write(VMCS_GUEST_DR7, (uint32_t)value | DR7_FIXED);
		return;
	case VREG_PDPTE0:
	case VREG_PDPTE1:
	case VREG_PDPTE2:
	case VREG_PDPTE3:
		vmcs_write(VMCS_GUEST_PDPTE0 + 2 * (r - VREG_PDPTE0), value);
		return;
	}
	panic("register %d", (int)r);
}

/* Not inlined, so that the other way has no frame. */
[[gnu::noinline]] static uint64_t reg_get_anywhere(struct vmx_vcpu *x, enum vreg r)
{
	struct vmx_scope s = vmx_scope_enter(x);
	uint64_t value = reg_get(x, r);

	vmx_scope_leave(s);
	return value;
}

uint64_t vmx_reg_get(struct vcpu *v, enum vreg r)
{
	struct vmx_vcpu *x = to_vmx(v);

	/* Asked for at every instruction that was completed in software. */
	if (r == VREG_RFLAGS && x->loaded)
		return vmx_cached_read(x, CACHED_RFLAGS);
	return reg_get_anywhere(x, r);
}

void vmx_reg_set(struct vcpu *v, enum vreg r, uint64_t value)
{
	struct vmx_scope s = vmx_scope_enter(to_vmx(v));

	reg_set(s.x, r, value);
	vmx_scope_leave(s);
}

void vmx_seg_get(struct vcpu *v, enum vseg s, struct vseg_desc *d)
{
	struct vmx_scope scope = vmx_scope_enter(to_vmx(v));

	*d = (struct vseg_desc){0};
	switch (s) {
	case SEG_GDTR:
		d->base = vmcs_read(VMCS_GUEST_GDTR_BASE);
		d->limit = (uint32_t)vmcs_read(VMCS_GUEST_GDTR_LIMIT);
		break;
	case SEG_IDTR:
		d->base = vmcs_read(VMCS_GUEST_IDTR_BASE);
		d->limit = (uint32_t)vmcs_read(VMCS_GUEST_IDTR_LIMIT);
		break;
	default:
		d->selector = (uint16_t)vmcs_read(VMCS_SEG_SELECTOR(s));
		d->base = vmcs_read(VMCS_SEG_BASE(s));
		d->limit = (uint32_t)vmcs_read(VMCS_SEG_LIMIT(s));
		d->attr = (uint32_t)vmcs_read(VMCS_SEG_ACCESS_RIGHTS(s));
		break;
	}
	vmx_scope_leave(scope);
}

bool vmx_long_mode(struct vcpu *v)
{
	struct vmx_scope scope;
	bool l;

	if (!(vmx_reg_get(v, VREG_EFER) & EFER_LMA))
		return false;
	scope = vmx_scope_enter(to_vmx(v));
	l = vmcs_read(VMCS_SEG_ACCESS_RIGHTS(SEG_CS)) & SEG_ATTR_L;
	vmx_scope_leave(scope);
	return l;
}

/* The DPL of SS in every mode, 0 in real mode: SDM Vol. 3C, "Checks on Guest Segment Registers". */
unsigned vmx_cpl(struct vcpu *v)
{
	struct vmx_scope scope = vmx_scope_enter(to_vmx(v));
	uint64_t rights = vmcs_read(VMCS_SEG_ACCESS_RIGHTS(SEG_SS));

	vmx_scope_leave(scope);
	return rights >> 5 & 3;
}

/* SDM Vol. 3C, "Guest Register State": format of access rights; bits 11:8 and 31:17 are reserved. */
#define ACCESS_RIGHTS_DEFINED 0x1f0ffu

void vmx_seg_set(struct vcpu *v, enum vseg s, const struct vseg_desc *d)
{
	struct vmx_scope scope = vmx_scope_enter(to_vmx(v));

	switch (s) {
	case SEG_GDTR:
		vmcs_write(VMCS_GUEST_GDTR_BASE, d->base);
		vmcs_write(VMCS_GUEST_GDTR_LIMIT, d->limit);
		break;
	case SEG_IDTR:
		vmcs_write(VMCS_GUEST_IDTR_BASE, d->base);
		vmcs_write(VMCS_GUEST_IDTR_LIMIT, d->limit);
		break;
	default:
		vmcs_write(VMCS_SEG_SELECTOR(s), d->selector);
		vmcs_write(VMCS_SEG_BASE(s), d->base);
		vmcs_write(VMCS_SEG_LIMIT(s), d->limit);
		vmcs_write(VMCS_SEG_ACCESS_RIGHTS(s), d->attr & ACCESS_RIGHTS_DEFINED);
		break;
	}
	vmx_scope_leave(scope);
}

static const uint32_t live_msr[LIVE_COUNT] = {
    [LIVE_KERNEL_GS_BASE] = MSR_KERNEL_GS_BASE,
    [LIVE_STAR] = MSR_STAR,
    [LIVE_LSTAR] = MSR_LSTAR,
    [LIVE_CSTAR] = MSR_CSTAR,
    [LIVE_SFMASK] = MSR_SFMASK,
};

void vmx_live_load(struct vmx_vcpu *x)
{
	for (unsigned i = 0; i < LIVE_COUNT; i++)
		wrmsr(live_msr[i], x->live[i]);
	write_dr0(x->base.dr[0]);
	write_dr1(x->base.dr[1]);
	write_dr2(x->base.dr[2]);
	write_dr3(x->base.dr[3]);
	write_dr6(x->dr6);
	write_cr2(x->base.cr2_kept = x->cr2);
}

void vmx_live_save(struct vmx_vcpu *x)
{
	for (unsigned i = 0; i < LIVE_COUNT; i++)
		x->live[i] = rdmsr(live_msr[i]);
	x->base.dr[0] = read_dr0();
	x->base.dr[1] = read_dr1();
	x->base.dr[2] = read_dr2();
	x->base.dr[3] = read_dr3();
	x->dr6 = read_dr6();
	x->cr2 = read_cr2();
}

/* Where an MSR of enum vmsr lives. */
struct msr_place {
	enum { IN_VMCS, IN_LIVE, IN_PAT } kind;
	uint32_t where; /* enum vmcs_field or enum vmx_live_msr */
};

static const struct msr_place msr_places[VMSR_COUNT] = {
    [VMSR_FS_BASE] = {IN_VMCS, VMCS_GUEST_FS_BASE},
    [VMSR_GS_BASE] = {IN_VMCS, VMCS_GUEST_GS_BASE},
    [VMSR_KERNEL_GS_BASE] = {IN_LIVE, LIVE_KERNEL_GS_BASE},
    [VMSR_STAR] = {IN_LIVE, LIVE_STAR},
    [VMSR_LSTAR] = {IN_LIVE, LIVE_LSTAR},
    [VMSR_CSTAR] = {IN_LIVE, LIVE_CSTAR},
    [VMSR_SFMASK] = {IN_LIVE, LIVE_SFMASK},
    [VMSR_SYSENTER_CS] = {IN_VMCS, VMCS_GUEST_SYSENTER_CS},
    [VMSR_SYSENTER_ESP] = {IN_VMCS, VMCS_GUEST_SYSENTER_ESP},
    [VMSR_SYSENTER_EIP] = {IN_VMCS, VMCS_GUEST_SYSENTER_EIP},
    [VMSR_PAT] = {IN_PAT, 0},
    [VMSR_DEBUGCTL] = {IN_VMCS, VMCS_GUEST_DEBUGCTL},
};

uint64_t vmx_msr_get(struct vcpu *v, enum vmsr m)
{
	struct vmx_scope s = vmx_scope_enter(to_vmx(v));
	const struct msr_place *p = &msr_places[m];
	uint64_t value = 0;

	switch (p->kind) {
	case IN_VMCS:
		value = vmcs_read(p->where);
		break;
	case IN_LIVE:
		value = s.x->loaded ? rdmsr(live_msr[p->where]) : s.x->live[p->where];
		break;
	case IN_PAT:
		value = s.x->pat;
		break;
	}
	vmx_scope_leave(s);
	return value;
}

void vmx_msr_set(struct vcpu *v, enum vmsr m, uint64_t value)
{
	struct vmx_scope s = vmx_scope_enter(to_vmx(v));
	const struct msr_place *p = &msr_places[m];

	switch (p->kind) {
	case IN_VMCS:
		vmcs_write(p->where, value);
		break;
	case IN_LIVE:
		if (s.x->loaded)
			wrmsr(live_msr[p->where], value);
		else
			s.x->live[p->where] = value;
		break;
	case IN_PAT:
		set_pat(s.x, value);
		break;
	}
	vmx_scope_leave(s);
}

void vmx_regs_init(struct vmx_vcpu *x)
{
	x->pat = PAT_RESET;
	set_pat(x, PAT_RESET);
	vmcs_write(VMCS_GUEST_SYSENTER_CS, 0);
	vmcs_write(VMCS_GUEST_SYSENTER_ESP, 0);
	vmcs_write(VMCS_GUEST_SYSENTER_EIP, 0);
	vmcs_write(VMCS_CR0_MASK, ~CR0_GUEST_OWNED);
	vmcs_write(VMCS_CR4_MASK, ~CR4_GUEST_OWNED);
}

#define ATTR_CODE_16 (SEG_ATTR_P | SEG_ATTR_S | 0xb) /* read/execute, accessed */
#define ATTR_DATA_16 (SEG_ATTR_P | SEG_ATTR_S | 0x3) /* read/write, accessed */
#define ATTR_LDT     (SEG_ATTR_P | 0x2)
#define ATTR_TSS     (SEG_ATTR_P | 0xb) /* VM entry wants a busy TSS, which RESET does not leave */

/* SDM Vol. 3A, "Processor State After Reset", table of register values following INIT; MSRs stay. */
void vmx_regs_reset(struct vmx_vcpu *x)
{
	struct vcpu *v = &x->base;
	static const struct vseg_desc data = {0, 0xffff, ATTR_DATA_16, 0}, table = {0, 0xffff, 0, 0};
	static const enum vmcs_field zero[] = {
	    VMCS_GUEST_DEBUGCTL, VMCS_GUEST_PENDING_DEBUG, VMCS_GUEST_ACTIVITY_STATE, VMCS_GUEST_PDPTE0,
	    VMCS_GUEST_PDPTE1,   VMCS_GUEST_PDPTE2,        VMCS_GUEST_PDPTE3,         VMCS_ENTRY_INTR_INFO,
	};

	for (size_t i = 0; i < ARRAY_SIZE(zero); i++)
		vmcs_write(zero[i], 0);
	vmx_cached_write(x, CACHED_INTERRUPTIBILITY, 0);
	reg_set(x, VREG_RSP, 0);
	reg_set(x, VREG_RFLAGS, RFLAGS_FIXED);
	set_cr0(x, CR0_AFTER_INIT);
	reg_set(x, VREG_CR2, 0);
	reg_set(x, VREG_CR3, 0);
	set_cr4(x, 0);
	set_efer(x, 0);
	reg_set(x, VREG_DR6, DR6_INIT);
	reg_set(x, VREG_DR7, DR7_INIT);
	for (enum vseg s = SEG_ES; s <= SEG_GS; s++)
		vmx_seg_set(v, s, &data);
	vmx_seg_set(v, SEG_CS, &(struct vseg_desc){0xf000, 0xffff, ATTR_CODE_16, 0xffff0000});
	vmx_seg_set(v, SEG_LDTR, &(struct vseg_desc){0, 0xffff, ATTR_LDT, 0});
	vmx_seg_set(v, SEG_TR, &(struct vseg_desc){0, 0xffff, ATTR_TSS, 0});
	vmx_seg_set(v, SEG_GDTR, &table);
	vmx_seg_set(v, SEG_IDTR, &table);
	v->rip = 0xfff0;
	x->nmi_delivered = false;
}
