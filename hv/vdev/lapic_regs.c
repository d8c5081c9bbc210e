/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local APIC's registers as the guest reaches them: the xAPIC page and the x2APIC MSRs. Register n is
 * at offset n << 4 of the page and at MSR 800h + n (SDM Vol. 3A, "Local APIC Register Address Map",
 * "x2APIC Register Address Space").
 */
#include "hv/vdev/lapic_private.h"
#include "hv/event.h"
#include "hv/lib/util.h"
#include "hv/pv_eoi.h"
#include "hv/vm.h"
#include "hv/x86/msr.h"

#define REG(offset)   BIT((offset) >> 4)
#define REG8(offset)  (0xffULL << ((offset) >> 4))
#define REG_COUNT     0x40
#define REG_LVT_FIRST (LAPIC_LVT_TIMER >> 4)

#define REGS_LVT                                                                                             \
	(REG(LAPIC_LVT_TIMER) | REG(LAPIC_LVT_THERMAL) | REG(LAPIC_LVT_PERF) | REG(LAPIC_LVT_LINT0) |        \
	 REG(LAPIC_LVT_LINT1) | REG(LAPIC_LVT_ERROR))
#define REGS_BOTH                                                                                            \
	(REG(LAPIC_ID) | REG(LAPIC_VERSION) | REG(LAPIC_TPR) | REG(LAPIC_PPR) | REG(LAPIC_LDR) |             \
	 REG(LAPIC_SVR) | REG8(LAPIC_ISR) | REG8(LAPIC_TMR) | REG8(LAPIC_IRR) | REG(LAPIC_ESR) |             \
	 REG(LAPIC_ICR) | REGS_LVT | REG(LAPIC_TIMER_INITIAL) | REG(LAPIC_TIMER_CURRENT) |                   \
	 REG(LAPIC_TIMER_DIVIDE))

/* What exists in the page (any access to another sets ESR), and what the MSRs allow. */
static const uint64_t xapic_regs =
    REGS_BOTH | REG(LAPIC_APR) | REG(LAPIC_EOI) | REG(LAPIC_RRD) | REG(LAPIC_DFR) | REG(LAPIC_ICR2);
static const uint64_t x2apic_readable = REGS_BOTH;
static const uint64_t x2apic_writable = REG(LAPIC_TPR) | REG(LAPIC_EOI) | REG(LAPIC_SVR) | REG(LAPIC_ESR) |
					REG(LAPIC_ICR) | REGS_LVT | REG(LAPIC_TIMER_INITIAL) |
					REG(LAPIC_TIMER_DIVIDE) | REG(LAPIC_SELF_IPI);

#define VERSION     (LAPIC_VERSION_INTEGRATED | (LVT_COUNT - 1) << LAPIC_VERSION_MAX_LVT_SHIFT)
#define TPR_BITS    0xffu
#define SVR_BITS    (APIC_VECTOR | LAPIC_SVR_ENABLE | LAPIC_SVR_FOCUS_OFF)
#define DFR_ONES    0x0fffffffu
#define DIVIDE_BITS 0xbu
#define ICR_LOW_BITS                                                                                         \
	(APIC_VECTOR | APIC_DELIVERY_MASK | APIC_DEST_LOGICAL | LAPIC_ICR_ASSERT | LAPIC_ICR_LEVEL |         \
	 LAPIC_ICR_SHORTHAND_MASK)
#define LVT_LINT_BITS                                                                                        \
	(APIC_VECTOR | APIC_DELIVERY_MASK | LAPIC_LVT_ACTIVE_LOW | LAPIC_LVT_LEVEL | LAPIC_LVT_MASKED)

static const uint32_t lvt_writable[LVT_COUNT] = {
    [LVT_TIMER] = APIC_VECTOR | LAPIC_LVT_MASKED | LAPIC_LVT_TIMER_MODE,
    [LVT_THERMAL] = APIC_VECTOR | APIC_DELIVERY_MASK | LAPIC_LVT_MASKED,
    [LVT_PERF] = APIC_VECTOR | APIC_DELIVERY_MASK | LAPIC_LVT_MASKED,
    [LVT_LINT0] = LVT_LINT_BITS,
    [LVT_LINT1] = LVT_LINT_BITS,
    [LVT_ERROR] = APIC_VECTOR | LAPIC_LVT_MASKED,
};

/* Bits that are there, but are not the guest's to write. */
static const uint32_t lvt_readonly[LVT_COUNT] = {
    [LVT_TIMER] = LAPIC_LVT_PENDING,
    [LVT_THERMAL] = LAPIC_LVT_PENDING,
    [LVT_PERF] = LAPIC_LVT_PENDING,
    [LVT_LINT0] = LAPIC_LVT_PENDING | LAPIC_LVT_REMOTE_IRR,
    [LVT_LINT1] = LAPIC_LVT_PENDING | LAPIC_LVT_REMOTE_IRR,
    [LVT_ERROR] = LAPIC_LVT_PENDING,
};

static uint32_t map_word(const uint64_t *map, uint32_t offset)
{
	unsigned n = (offset >> 4) & 7;

	return (uint32_t)(__atomic_load_n(&map[n / 2], __ATOMIC_RELAXED) >> (n % 2 * 32));
}

static uint32_t reg_read(const struct vcpu *v, uint32_t offset)
{
	const struct vlapic *l = &v->lapic;

	switch (offset) {
	case LAPIC_ID:
		return vlapic_x2apic(l) ? v->id : v->id << LAPIC_ID_SHIFT;
	case LAPIC_VERSION:
		return VERSION;
	case LAPIC_TPR:
		return l->tpr;
	case LAPIC_PPR:
		return vlapic_ppr(l);
	case LAPIC_LDR:
		return l->ldr;
	case LAPIC_DFR:
		return l->dfr;
	case LAPIC_SVR:
		return l->svr;
	case LAPIC_ISR ... LAPIC_ISR + 0x70:
		return map_word(l->isr, offset);
	case LAPIC_TMR ... LAPIC_TMR + 0x70:
		return map_word(l->tmr, offset);
	case LAPIC_IRR ... LAPIC_IRR + 0x70:
		return map_word(l->irr, offset);
	case LAPIC_ESR:
		return l->esr;
	case LAPIC_ICR:
		return (uint32_t)l->icr;
	case LAPIC_ICR2:
		return (uint32_t)(l->icr >> 32);
	case LAPIC_LVT_TIMER ... LAPIC_LVT_ERROR:
		return l->lvt[(offset >> 4) - REG_LVT_FIRST];
	case LAPIC_TIMER_INITIAL:
		return l->initial_count;
	case LAPIC_TIMER_CURRENT:
		return vlapic_timer_current(v);
	case LAPIC_TIMER_DIVIDE:
		return l->divide;
	default: /* APR and RRD, which no current processor implements, and EOI, which is write-only */
		return 0;
	}
}

static void write_svr(struct vcpu *v, uint32_t value)
{
	struct vlapic *l = &v->lapic;

	l->svr = value & SVR_BITS;
	if (l->svr & LAPIC_SVR_ENABLE)
		return;
	/* SDM Vol. 3A, "Local APIC State After It Has Been Software Disabled": every LVT entry is masked. */
	for (unsigned i = 0; i < LVT_COUNT; i++)
		if (i != LVT_TIMER)
			l->lvt[i] |= LAPIC_LVT_MASKED;
	vlapic_timer_set_lvt(v, l->lvt[LVT_TIMER] | LAPIC_LVT_MASKED);
}

static void write_lvt(struct vcpu *v, enum lapic_lvt n, uint32_t value)
{
	struct vlapic *l = &v->lapic;

	value = (value & lvt_writable[n]) | (l->lvt[n] & lvt_readonly[n]);
	if (!(l->svr & LAPIC_SVR_ENABLE))
		value |= LAPIC_LVT_MASKED;
	if (n == LVT_TIMER)
		vlapic_timer_set_lvt(v, value);
	else
		l->lvt[n] = value;
	if (n == LVT_LINT0)
		event_reconsider(v); /* the PIC may reach this CPU now */
}

static void reg_write(struct vcpu *v, uint32_t offset, uint32_t value)
{
	struct vlapic *l = &v->lapic;

	switch (offset) {
	case LAPIC_TPR:
		vlapic_write_tpr(v, value & TPR_BITS);
		break;
	case LAPIC_EOI:
		vlapic_eoi(v);
		break;
	case LAPIC_LDR: /* not writable in x2APIC mode */
		l->ldr = value & 0xffu << LAPIC_ID_SHIFT;
		break;
	case LAPIC_DFR:
		l->dfr = value | DFR_ONES;
		break;
	case LAPIC_SVR:
		write_svr(v, value);
		break;
	case LAPIC_ESR:
		l->esr = __atomic_exchange_n(&l->esr_next, 0, __ATOMIC_RELAXED);
		break;
	case LAPIC_ICR:
		l->icr = (l->icr & ~0xffffffffULL) | (value & ICR_LOW_BITS);
		vlapic_send(v, l->icr);
		break;
	case LAPIC_ICR2:
		l->icr = (l->icr & 0xffffffffULL) | (uint64_t)(value & 0xffu << LAPIC_ID_SHIFT) << 32;
		break;
	case LAPIC_LVT_TIMER ... LAPIC_LVT_ERROR:
		write_lvt(v, (offset >> 4) - REG_LVT_FIRST, value);
		break;
	case LAPIC_TIMER_INITIAL:
		vlapic_timer_set_initial(v, value);
		break;
	case LAPIC_TIMER_DIVIDE:
		vlapic_timer_set_divide(v, value & DIVIDE_BITS);
		break;
	default: /* read-only registers: no effect */
		break;
	}
}

/* The registers show, and are changed as after, an end of interrupt that the guest has given without an exit. */
static inline void settle_eoi(struct vcpu *v)
{
	if (v->lapic.eoi_offered)
		pv_eoi_collect(v);
}

static bool in_page(struct vcpu *v, uint32_t offset)
{
	if (offset >> 4 < REG_COUNT && (xapic_regs & REG(offset)))
		return true;
	vlapic_error(v, LAPIC_ESR_REGISTER);
	return false;
}

uint64_t vlapic_mmio_read(struct vcpu *v, uint32_t offset, unsigned size)
{
	uint32_t in_reg = offset & 0xf;
	uint64_t value;

	settle_eoi(v);
	if (!in_page(v, offset))
		return 0;
	if (in_reg >= sizeof(uint32_t))
		return 0; /* the rest of each 16 bytes is not used */
	value = (uint64_t)reg_read(v, offset & ~0xfu) >> (8 * in_reg);
	return size < sizeof(uint32_t) ? value & BITS(8 * size - 1, 0) : value;
}

void vlapic_mmio_write(struct vcpu *v, uint32_t offset, unsigned size, uint64_t value)
{
	settle_eoi(v);
	/* "Local APIC Register Address Map": registers are accessed by aligned 32-bit stores. */
	if (size != sizeof(uint32_t) || (offset & 0xf))
		return;
	if (offset == LAPIC_EOI)
		vlapic_eoi(v);
	else if (in_page(v, offset))
		reg_write(v, offset, (uint32_t)value);
}

bool vlapic_msr_read(struct vcpu *v, uint32_t msr, uint64_t *value)
{
	uint32_t n = msr - MSR_X2APIC_BASE;

	settle_eoi(v);
	if (!vlapic_x2apic(&v->lapic) || n >= REG_COUNT || !(x2apic_readable & BIT(n)))
		return false;
	*value = n == LAPIC_ICR >> 4 ? v->lapic.icr : reg_read(v, n << 4);
	return true;
}

/* Bits that a write may hold; a reserved one is a general-protection fault. */
static uint64_t x2apic_bits(uint32_t offset)
{
	switch (offset) {
	case LAPIC_TPR:
	case LAPIC_SELF_IPI:
		return TPR_BITS;
	case LAPIC_SVR:
		return SVR_BITS;
	case LAPIC_ICR:
		return ICR_LOW_BITS | 0xffffffffULL << LAPIC_ICR_DEST_SHIFT_X2;
	case LAPIC_LVT_TIMER ... LAPIC_LVT_ERROR:
		return lvt_writable[(offset >> 4) - REG_LVT_FIRST] |
		       lvt_readonly[(offset >> 4) - REG_LVT_FIRST];
	case LAPIC_TIMER_INITIAL:
		return 0xffffffff;
	case LAPIC_TIMER_DIVIDE:
		return DIVIDE_BITS;
	default: /* EOI and ESR take nothing but 0 */
		return 0;
	}
}

bool vlapic_msr_write(struct vcpu *v, uint32_t msr, uint64_t value)
{
	uint32_t n = msr - MSR_X2APIC_BASE;

	settle_eoi(v);
	if (!vlapic_x2apic(&v->lapic) || n >= REG_COUNT || !(x2apic_writable & BIT(n)) ||
	    (value & ~x2apic_bits(n << 4)))
		return false;
	switch (n << 4) {
	case LAPIC_EOI:
		vlapic_eoi(v);
		break;
	case LAPIC_ICR:
		v->lapic.icr = value;
		vlapic_send(v, value);
		break;
	case LAPIC_SELF_IPI:
		vlapic_self_ipi(v, (uint8_t)value);
		break;
	default:
		reg_write(v, n << 4, (uint32_t)value);
	}
	return true;
}
