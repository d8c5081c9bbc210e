/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's registers in its VMCB: get, set, reset. Every write clears the clean bit of its group (APM
 * Vol. 2, "VMCB State Caching"). Segments and MSRs that VMLOAD loads are synchronised by vcpu.c.
 */
#include "svm/svm.h"

#include "hv/lib/panic.h"
#include "hv/lib/string.h"
#include "hv/vm.h"
#include "hv/x86/cr.h"
#include "hv/x86/desc.h"
#include "hv/x86/msr.h"
#include "hv/x86/rflags.h"

/* Bits whose change flushes the TLB when the guest itself writes them (SDM Vol. 3A, "Operations that
 * Invalidate TLBs and Paging-Structure Caches"). The guest's own MOV to CR3 never exits. */
#define CR0_FLUSH           (CR0_PG | CR0_WP | CR0_PE)
#define CR4_FLUSH           (CR4_PGE | CR4_PSE | CR4_PAE | CR4_PCIDE | CR4_SMEP | CR4_SMAP | CR4_PKE | CR4_LA57)
#define EFER_FLUSH          (EFER_LME | EFER_LMA | EFER_NXE)

/* intercept_cr_read, _write. CR4: policy; CR8: the local APIC must see it, while reads get V_TPR. */
#define CR0_INTERCEPT       BIT(0)
#define CR_INTERCEPT_ALWAYS (BIT(4) | BIT(8))

#define DR6_WRITABLE        (DR6_B0 | DR6_B1 | DR6_B2 | DR6_B3 | DR6_BD | DR6_BS | DR6_BT)
#define DR7_ENABLED         0xffUL /* L0 to G3 */

/* DR0-3, and DR7 with its alias DR5 for writes: the first use makes them live. */
#define DR_LAZY_READ        0x000f
#define DR_LAZY_WRITE       0x00af

#define SEG_ATTR_LOW        0x00ffu /* both formats have descriptor byte 5 in bits 7:0 */
#define SEG_ATTR_HIGH       0xf000u
#define VMCB_ATTR_SHIFT     4 /* AVL, L, DB, G: bits 15:12 there, 11:8 in the VMCB */
#define SEG_DPL(attr)       ((attr) >> 5 & 3u)

#define CODE_REAL           (SEG_ATTR_P | SEG_ATTR_S | DESC_TYPE_CODE | DESC_TYPE_READ | DESC_TYPE_ACCESSED)
#define DATA_REAL           (SEG_ATTR_P | SEG_ATTR_S | DESC_TYPE_WRITE | DESC_TYPE_ACCESSED)
#define LIMIT_64K           0xffffu
#define RESET_CS            0xf000
#define RESET_CS_BASE       0xffff0000UL
#define RESET_IP            0xfff0

#define PAUSE_FILTER        3000 /* PAUSEs in a row before an exit ... */
#define PAUSE_THRESHOLD     128  /* ... no further apart than so many cycles */

static void set_cr0(struct svm_vcpu *s, uint64_t value)
{
	struct vmcb *b = &s->vmcb;

	if ((b->cr0 ^ value) & CR0_FLUSH)
		s->pending |= PENDING_FLUSH;
	/* With CD in the hardware's CR0 this guest's hyperthread would slow down its sibling's too. */
	s->cr0_hidden = value & (CR0_CD | CR0_NW);
	b->cr0 = value & ~(CR0_CD | CR0_NW);
	/* While the copies differ every access exits: INTERCEPT_CR0_SEL compares with the hardware's. */
	b->intercept_cr_read = s->cr0_hidden ? CR0_INTERCEPT : 0;
	b->intercept_cr_write = CR_INTERCEPT_ALWAYS | (s->cr0_hidden ? CR0_INTERCEPT : 0);
	b->clean &= ~(CLEAN_CRX | CLEAN_INTERCEPTS);
}

/* With nested paging the CPU reads them from memory at each walk: APM Vol. 2, "Nested Paging: Legacy PAE Mode". */
static uint64_t pdpte(struct vcpu *v, unsigned number)
{
	uint64_t entry;
	gpa_t at = gpa((to_svm(v)->vmcb.cr3 & CR3_PDPT) + number * sizeof(entry));

	return gpa_read64(&v->vm->mem, at, &entry) == OK ? entry : 0;
}

uint64_t svm_reg_get(struct vcpu *v, enum vreg r)
{
	const struct svm_vcpu *s = to_svm(v);
	const struct vmcb *b = &s->vmcb;

	switch (r) {
	case VREG_RSP:
		return b->rsp;
	case VREG_RFLAGS:
		return b->rflags;
	case VREG_CR0:
		return b->cr0 | s->cr0_hidden;
	case VREG_CR2:
		return b->cr2;
	case VREG_CR3:
		return b->cr3;
	case VREG_CR4:
		return b->cr4;
	case VREG_EFER:
		return b->efer & ~EFER_SVME; /* VMRUN demands it; the guest has no SVM */
	case VREG_DR6:
		return b->dr6;
	case VREG_DR7:
		return b->dr7;
	case VREG_PDPTE0:
	case VREG_PDPTE1:
	case VREG_PDPTE2:
	case VREG_PDPTE3:
		return pdpte(v, r - VREG_PDPTE0);
	}
	return 0;
}

void svm_reg_set(struct vcpu *v, enum vreg r, uint64_t value)
{
	struct svm_vcpu *s = to_svm(v);
	struct vmcb *b = &s->vmcb;

	switch (r) {
	case VREG_RSP:
		b->rsp = value;
		break;
	case VREG_RFLAGS:
		b->rflags = value;
		break;
	case VREG_CR0:
		set_cr0(s, value);
		break;
	case VREG_CR2:
		b->cr2 = value;
		b->clean &= ~CLEAN_CR2;
		break;
	case VREG_CR3:
		s->pending |= PENDING_FLUSH;
		b->cr3 = value;
		b->clean &= ~CLEAN_CRX;
		break;
	case VREG_CR4:
		if ((b->cr4 ^ value) & CR4_FLUSH)
			s->pending |= PENDING_FLUSH;
		b->cr4 = value;
		b->clean &= ~CLEAN_CRX;
		break;
	case VREG_EFER:
		if ((b->efer ^ value) & EFER_FLUSH)
			s->pending |= PENDING_FLUSH;
		b->efer = value | EFER_SVME;
		b->clean &= ~CLEAN_CRX;
		break;
	case VREG_DR6:
		b->dr6 = (value & DR6_WRITABLE) | DR6_INIT;
		b->clean &= ~CLEAN_DRX;
		break;
	case VREG_DR7:
		b->dr7 = value | DR7_FIXED;
		b->clean &= ~CLEAN_DRX;
		if ((value & DR7_ENABLED) && !s->debug_live) {
			svm_debug_set_live(s, true);
			svm_debug_reload(s);
		}
		break;
	case VREG_PDPTE0:
	case VREG_PDPTE1:
	case VREG_PDPTE2:
	case VREG_PDPTE3:
		break;
	}
}

static struct vmcb_seg *seg_of(struct vmcb *b, enum vseg seg)
{
	static const uint16_t offset[SEG_COUNT] = {
	    [SEG_ES] = offsetof(struct vmcb, es),     [SEG_CS] = offsetof(struct vmcb, cs),
	    [SEG_SS] = offsetof(struct vmcb, ss),     [SEG_DS] = offsetof(struct vmcb, ds),
	    [SEG_FS] = offsetof(struct vmcb, fs),     [SEG_GS] = offsetof(struct vmcb, gs),
	    [SEG_LDTR] = offsetof(struct vmcb, ldtr), [SEG_TR] = offsetof(struct vmcb, tr),
	    [SEG_GDTR] = offsetof(struct vmcb, gdtr), [SEG_IDTR] = offsetof(struct vmcb, idtr),
	};

	CHECK((unsigned)seg < SEG_COUNT);
	return (struct vmcb_seg *)((char *)b + offset[seg]);
}

static bool loaded_by_vmload(enum vseg seg)
{
	return (1u << SEG_FS | 1u << SEG_GS | 1u << SEG_LDTR | 1u << SEG_TR) >> seg & 1;
}

static void seg_get(const struct vmcb *b, enum vseg seg, const struct vmcb_seg *from, struct vseg_desc *d)
{
	uint32_t attr =
	    (from->attrib & SEG_ATTR_LOW) | ((uint32_t)from->attrib << VMCB_ATTR_SHIFT & SEG_ATTR_HIGH);

	/* The CPL is a field of its own; SS.DPL need not follow it (APM Vol. 2, "Segment State in the VMCB"). */
	if (seg == SEG_SS)
		attr = (attr & ~SEG_ATTR_DPL(3)) | SEG_ATTR_DPL(b->cpl);
	if (!(attr & SEG_ATTR_P) && seg < SEG_GDTR)
		attr |= SEG_ATTR_UNUSABLE;
	d->selector = from->selector;
	d->base = from->base;
	d->limit = from->limit;
	d->attr = attr;
}

void svm_seg_get(struct vcpu *v, enum vseg seg, struct vseg_desc *d)
{
	struct svm_vcpu *s = to_svm(v);

	if (loaded_by_vmload(seg))
		svm_state_sync(s);
	seg_get(&s->vmcb, seg, seg_of(&s->vmcb, seg), d);
}

bool svm_long_mode(struct vcpu *v)
{
	return vmcb_long_mode(&to_svm(v)->vmcb);
}

unsigned svm_cpl(struct vcpu *v)
{
	return to_svm(v)->vmcb.cpl;
}

void svm_seg_set(struct vcpu *v, enum vseg seg, const struct vseg_desc *d)
{
	struct svm_vcpu *s = to_svm(v);
	struct vmcb *b = &s->vmcb;
	struct vmcb_seg *to = seg_of(b, seg);

	if (loaded_by_vmload(seg))
		svm_state_sync(s);
	to->selector = d->selector;
	to->base = d->base;
	to->limit = d->limit;
	to->attrib = (d->attr & SEG_ATTR_LOW) | (d->attr & SEG_ATTR_HIGH) >> VMCB_ATTR_SHIFT;
	if (d->attr & SEG_ATTR_UNUSABLE)
		to->attrib &= ~SEG_ATTR_P;
	if (seg == SEG_SS)
		b->cpl = SEG_DPL(d->attr);
	b->clean &= ~(seg == SEG_GDTR || seg == SEG_IDTR ? CLEAN_DT : CLEAN_SEG);
	if (loaded_by_vmload(seg))
		svm_state_reload(s);
}

static uint64_t *msr_of(struct vmcb *b, enum vmsr m)
{
	switch (m) {
	case VMSR_FS_BASE:
		return &b->fs.base;
	case VMSR_GS_BASE:
		return &b->gs.base;
	case VMSR_KERNEL_GS_BASE:
		return &b->kernel_gs_base;
	case VMSR_STAR:
		return &b->star;
	case VMSR_LSTAR:
		return &b->lstar;
	case VMSR_CSTAR:
		return &b->cstar;
	case VMSR_SFMASK:
		return &b->sfmask;
	case VMSR_SYSENTER_CS:
		return &b->sysenter_cs;
	case VMSR_SYSENTER_ESP:
		return &b->sysenter_esp;
	case VMSR_SYSENTER_EIP:
		return &b->sysenter_eip;
	case VMSR_PAT:
		return &b->g_pat;
	case VMSR_DEBUGCTL:
		return &b->dbgctl;
	case VMSR_COUNT:
		break;
	}
	panic("MSR %d", m);
}

uint64_t svm_msr_get(struct vcpu *v, enum vmsr m)
{
	struct svm_vcpu *s = to_svm(v);

	svm_state_sync(s);
	return *msr_of(&s->vmcb, m);
}

void svm_msr_set(struct vcpu *v, enum vmsr m, uint64_t value)
{
	struct svm_vcpu *s = to_svm(v);
	struct vmcb *b = &s->vmcb;

	svm_state_sync(s);
	*msr_of(b, m) = value;
	/* DBGCTL is the guest's own only with LBR virtualization; else it is a mere value here. */
	if (m == VMSR_DEBUGCTL && svm_caps.lbrv)
		b->lbr_control = value ? LBR_ENABLE : 0;
	b->clean &= ~(CLEAN_NP | CLEAN_LBR);
	svm_state_reload(s);
}

void svm_tsc_offset(struct vcpu *v, int64_t offset)
{
	struct vmcb *b = &to_svm(v)->vmcb;

	b->tsc_offset = (uint64_t)offset;
	b->clean &= ~CLEAN_INTERCEPTS;
}

/*
 * APM Vol. 2, "TSC Ratio MSR": 8 bits before the point and 32 behind it, for every vCPU on the CPU. Not tested: no emulator
 * has it.
 */
#define TSC_RATIO_SHIFT (TSC_FRACTION_BITS - 32)
#define TSC_RATIO_BITS  40

uint64_t svm_tsc_multiplier(uint64_t wanted)
{
	if (!svm_caps.tsc_rate || wanted >> (TSC_RATIO_SHIFT + TSC_RATIO_BITS))
		return 0;
	return wanted & ~BITS(TSC_RATIO_SHIFT - 1, 0);
}

uint64_t svm_tsc_ratio(uint64_t multiplier)
{
	return multiplier >> TSC_RATIO_SHIFT;
}

void svm_debug_set_live(struct svm_vcpu *s, bool live)
{
	struct vmcb *b = &s->vmcb;

	s->debug_live = live;
	b->intercept_dr_read = live ? 0 : DR_LAZY_READ;
	b->intercept_dr_write = live ? 0 : DR_LAZY_WRITE;
	b->clean &= ~CLEAN_INTERCEPTS;
}

static void reset_intercepts(struct vmcb *b, const struct cpuid_policy *cpuid)
{
	/* #DB and #AC can raise themselves in their own delivery for ever; #MC is the host's. */
	b->intercept_exceptions = BIT(EXC_DB) | BIT(EXC_AC) | BIT(EXC_MC);
	b->intercept_misc1 = INTERCEPT_INTR | INTERCEPT_NMI | INTERCEPT_SMI | INTERCEPT_INIT |
			     INTERCEPT_CR0_SEL | INTERCEPT_RDPMC | INTERCEPT_CPUID | INTERCEPT_INVD |
			     INTERCEPT_HLT | INTERCEPT_INVLPGA | INTERCEPT_IOIO_PROT | INTERCEPT_MSR_PROT |
			     INTERCEPT_SHUTDOWN;
	b->intercept_misc2 = INTERCEPT_VMRUN | INTERCEPT_VMMCALL | INTERCEPT_VMLOAD | INTERCEPT_VMSAVE |
			     INTERCEPT_STGI | INTERCEPT_CLGI | INTERCEPT_SKINIT | INTERCEPT_WBINVD |
			     INTERCEPT_MONITOR | INTERCEPT_MWAIT | INTERCEPT_MWAIT_ARMED | INTERCEPT_XSETBV |
			     INTERCEPT_RDPRU;
	b->intercept_misc3 = 0;
	if (!cpuid_has(cpuid, FEATURE_RDTSCP))
		b->intercept_misc2 |= INTERCEPT_RDTSCP;
	if (!cpuid_has(cpuid, FEATURE_INVPCID))
		b->intercept_misc3 |= INTERCEPT_INVPCID;
	if (svm_caps.pause_filter) {
		b->intercept_misc1 |= INTERCEPT_PAUSE;
		b->pause_filter_count = PAUSE_FILTER;
		b->pause_filter_threshold = PAUSE_THRESHOLD;
	}
}

static void reset_segments(struct vmcb *b)
{
	struct vmcb_seg data = {.attrib = DATA_REAL, .limit = LIMIT_64K};

	b->es = b->ss = b->ds = b->fs = b->gs = data;
	b->cs = (struct vmcb_seg){
	    .selector = RESET_CS, .base = RESET_CS_BASE, .limit = LIMIT_64K, .attrib = CODE_REAL};
	b->ldtr = (struct vmcb_seg){.attrib = SEG_ATTR_P | DESC_TYPE_LDT, .limit = LIMIT_64K};
	b->tr = (struct vmcb_seg){.attrib = SEG_ATTR_P | DESC_TYPE_TSS_BUSY, .limit = LIMIT_64K};
	b->gdtr = b->idtr = (struct vmcb_seg){.limit = LIMIT_64K};
	b->cpl = 0;
}

/* APM Vol. 2, "Initial Processor State". */
void svm_state_reset(struct svm_vcpu *s)
{
	struct vmcb *b = &s->vmcb;

	reset_intercepts(b, &s->base.vm->cpuid);
	reset_segments(b);
	set_cr0(s, CR0_ET | CR0_CD | CR0_NW);
	b->cr2 = 0;
	b->cr3 = 0;
	b->cr4 = 0;
	b->efer = EFER_SVME;
	b->dr6 = DR6_INIT;
	b->dr7 = DR7_INIT;
	b->rflags = RFLAGS_FIXED;
	b->rsp = 0;
	b->int_ctl = INT_CTL_V_INTR_MASKING;
	s->tpr = 0;
	b->int_state = 0;
	b->event_inj = 0;
	b->exit_int_info = 0;
	b->dbgctl = 0;
	b->lbr_control = 0;
	b->np_control = NP_ENABLE;
	b->clean = 0;
	svm_debug_set_live(s, false);
	s->nmi = NMI_OPEN;
	s->nmi_window = false;
	s->watch = 0;
	s->pending = PENDING_ASID | PENDING_FLUSH;
	s->base.rip = RESET_IP;
}
