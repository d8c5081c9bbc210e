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

/* Bits that are there, but never set here, and not the guest's to write. */
static const uint32_t lvt_readonly[LVT_COUNT] = {
    [LVT_TIMER] = LAPIC_LVT_PENDING,
    [LVT_THERMAL] = LAPIC_LVT_PENDING,
    [LVT_PERF] = LAPIC_LVT_PENDING,
    [LVT_LINT0] = LAPIC_LVT_PENDING | LAPIC_LVT_REMOTE_IRR,
    [LVT_LINT1] = LAPIC_LVT_PENDING | LAPIC_LVT_REMOTE_IRR,
    [LVT_ERROR] = LAPIC_LVT_PENDING,
};

static uint32_t reg_read(struct vcpu *v, uint32_t offset)
{
	struct vlapic *l = &v->lapic;

	switch (offset) {
	case LAPIC_PPR:
		return vlapic_ppr(l);
	case LAPIC_TMR ... LAPIC_IRR + 0x70:
		vlapic_take_posted(l);
		return vlapic_reg(l, offset);
	case LAPIC_TIMER_CURRENT:
		return vlapic_timer_current(v);
	default: /* APR, RRD and EOI, which hold nothing, too */
		return vlapic_reg(l, offset);
	}
}

static void write_svr(struct vcpu *v, uint32_t value)
{
	struct vlapic *l = &v->lapic;

	vlapic_set_reg(l, LAPIC_SVR, value & SVR_BITS);
	if (value & LAPIC_SVR_ENABLE)
		return;
	/* SDM Vol. 3A, "Local APIC State After It Has Been Software Disabled": every LVT entry is masked. */
	for (unsigned i = 0; i < LVT_COUNT; i++)
		if (i != LVT_TIMER)
			l->page[vlapic_nth(LAPIC_LVT_TIMER, i) / sizeof(uint32_t)] |= LAPIC_LVT_MASKED;
	vlapic_timer_set_lvt(v, l->timer_lvt | LAPIC_LVT_MASKED);
}

static void write_lvt(struct vcpu *v, enum lapic_lvt n, uint32_t value)
{
	struct vlapic *l = &v->lapic;

	value &= lvt_writable[n];
	if (!(vlapic_reg(l, LAPIC_SVR) & LAPIC_SVR_ENABLE))
		value |= LAPIC_LVT_MASKED;
	if (n == LVT_TIMER)
		vlapic_timer_set_lvt(v, value);
	else
		vlapic_set_reg(l, vlapic_nth(LAPIC_LVT_TIMER, n), value);
	if (n == LVT_LINT0)
		event_reconsider(v); /* the PIC may reach this CPU now */
}

static void reg_write(struct vcpu *v, uint32_t offset, uint32_t value)
{
	struct vlapic *l = &v->lapic;

	switch (offset) {
	case LAPIC_ID: /* not writable; but the page may have been written */
		vlapic_set_reg(l, offset, v->id << LAPIC_ID_SHIFT);
		break;
	case LAPIC_TPR:
		vlapic_write_tpr(v, value & TPR_BITS);
		break;
	case LAPIC_EOI:
		vlapic_eoi(v);
		break;
	case LAPIC_LDR: /* not writable in x2APIC mode */
		vlapic_set_reg(l, offset, value & 0xffu << LAPIC_ID_SHIFT);
		break;
	case LAPIC_DFR:
		vlapic_set_reg(l, offset, value | DFR_ONES);
		break;
	case LAPIC_SVR:
		write_svr(v, value);
		break;
	case LAPIC_ESR:
		vlapic_set_reg(l, offset, __atomic_exchange_n(&l->esr_next, 0, __ATOMIC_RELAXED));
		break;
	case LAPIC_ICR:
		vlapic_set_reg(l, offset, value & ICR_LOW_BITS);
		vlapic_send(v, (value & ICR_LOW_BITS) | (uint64_t)vlapic_reg(l, LAPIC_ICR2) << 32);
		break;
	case LAPIC_ICR2:
		vlapic_set_reg(l, offset, value & 0xffu << LAPIC_ID_SHIFT);
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

/* Apart, so that accesses without an offer have no frame for it. */
[[gnu::noinline]] static uint64_t settle_and_read(struct vcpu *v, uint32_t offset, unsigned size)
{
	pv_eoi_collect(v);
	return vlapic_mmio_read(v, offset, size);
}

[[gnu::noinline]] static void settle_and_write(struct vcpu *v, uint32_t offset, unsigned size, uint64_t value)
{
	pv_eoi_collect(v);
	vlapic_mmio_write(v, offset, size, value);
}

uint64_t vlapic_mmio_read(struct vcpu *v, uint32_t offset, unsigned size)
{
	uint32_t in_reg = offset & 0xf;
	uint64_t value;

	if (v->lapic.eoi_offered)
		return settle_and_read(v, offset, size);
	if (!in_page(v, offset))
		return 0;
	if (in_reg >= sizeof(uint32_t))
		return 0; /* the rest of each 16 bytes is not used */
	value = (uint64_t)reg_read(v, offset & ~0xfu) >> (8 * in_reg);
	return size < sizeof(uint32_t) ? value & BITS(8 * size - 1, 0) : value;
}

void vlapic_mmio_write(struct vcpu *v, uint32_t offset, unsigned size, uint64_t value)
{
	if (v->lapic.eoi_offered) {
		settle_and_write(v, offset, size, value);
		return;
	}
	/* "Local APIC Register Address Map": registers are accessed by aligned 32-bit stores. */
	if (size != sizeof(uint32_t) || (offset & 0xf))
		return;
	if (offset == LAPIC_EOI)
		vlapic_eoi(v);
	else if (in_page(v, offset))
		reg_write(v, offset, (uint32_t)value);
}

void vlapic_page_written(struct vcpu *v, uint32_t offset)
{
	struct vlapic *l = &v->lapic;
	uint32_t reg = offset & ~0xfu;

	settle_eoi(v);
	if (reg == LAPIC_SELF_IPI)
		vlapic_self_ipi(v, (uint8_t)vlapic_reg(l, reg));
	else if (reg >> 4 < REG_COUNT && (xapic_regs & REG(reg)))
		reg_write(v, reg, vlapic_reg(l, reg));
	if (reg == LAPIC_EOI) /* which holds nothing */
		vlapic_set_reg(l, reg, 0);
}

void vlapic_msrs_in_page(bool all_reads, bool delivers,
			 void (*allow)(void *arg, uint32_t msr, uint8_t rights), void *arg)
{
	/* The count is computed; PPR is in the page only where the processor writes it. */
	uint64_t computed = REG(LAPIC_TIMER_CURRENT) | (delivers ? 0 : REG(LAPIC_PPR));
	uint64_t reads = all_reads ? x2apic_readable & ~computed : REG(LAPIC_TPR);
	uint64_t writes = REG(LAPIC_TPR) | (delivers ? REG(LAPIC_EOI) | REG(LAPIC_SELF_IPI) : 0);

	for (uint32_t n = 0; n < REG_COUNT; n++)
		allow(arg, MSR_X2APIC_BASE + n,
		      (reads & BIT(n) ? MSR_READ : 0) | (writes & BIT(n) ? MSR_WRITE : 0));
}

bool vlapic_msr_read(struct vcpu *v, uint32_t msr, uint64_t *value)
{
	uint32_t n = msr - MSR_X2APIC_BASE;

	settle_eoi(v);
	if (!vlapic_x2apic(&v->lapic) || n >= REG_COUNT || !(x2apic_readable & BIT(n)))
		return false;
	*value = reg_read(v, n << 4);
	if (n == LAPIC_ICR >> 4)
		*value |= (uint64_t)vlapic_reg(&v->lapic, LAPIC_ICR_HIGH_X2) << 32;
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
		vlapic_set_reg(&v->lapic, LAPIC_ICR, (uint32_t)value);
		vlapic_set_reg(&v->lapic, LAPIC_ICR_HIGH_X2, (uint32_t)(value >> 32));
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
