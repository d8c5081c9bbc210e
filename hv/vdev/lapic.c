/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Local APIC: IRR, ISR and priorities, end of interrupt, errors, the local pins, reset and
 * IA32_APIC_BASE. Registers as the guest reaches them are in lapic_regs.c, messages in lapic_ipi.c.
 */
#include "hv/vdev/lapic_private.h"
#include "hv/vdev/ioapic.h"
#include "hv/vdev/platform.h"
#include "hv/event.h"
#include "hv/lib/util.h"

#define FIRST_VECTOR 16 /* 0-15 are illegal in fixed interrupts */

#define LVT_RESET    LAPIC_LVT_MASKED
#define SVR_RESET    0xffu

static void bit_set(uint64_t *map, unsigned n)
{
	map[n / 64] |= BIT(n % 64);
}

static void bit_clear(uint64_t *map, unsigned n)
{
	map[n / 64] &= ~BIT(n % 64);
}

/* Highest bit of a 256-bit map, or -1. */
static int top_bit(const uint64_t *map)
{
	for (int i = 3; i >= 0; i--) {
		uint64_t word = __atomic_load_n(&map[i], __ATOMIC_ACQUIRE);

		if (word)
			return i * 64 + 63 - __builtin_clzll(word);
	}
	return -1;
}

int vlapic_pending(const struct vcpu *v)
{
	const struct vlapic *l = &v->lapic;
	int vector = top_bit(l->irr);

	if (vector < 0 || !vlapic_enabled(l) || ((uint32_t)vector & 0xf0) <= (vlapic_ppr(l) & 0xf0))
		return -1;
	return vector;
}

void vlapic_accept(struct vcpu *v, uint8_t vector)
{
	struct vlapic *l = &v->lapic;

	__atomic_fetch_and(&l->irr[vector / 64], ~BIT(vector % 64), __ATOMIC_ACQ_REL);
	bit_set(l->isr, vector);
	/* It was above PPR, thus above everything in service. */
	l->isr_top = vector;
}

bool vlapic_eoi_is_local(const struct vcpu *v)
{
	const struct vlapic *l = &v->lapic;

	if (l->isr_top < 0 || top_bit(l->irr) >= 0)
		return false;
	return !(__atomic_load_n(&l->tmr[l->isr_top / 64], __ATOMIC_RELAXED) & BIT(l->isr_top % 64));
}

void vlapic_eoi(struct vcpu *v)
{
	struct vlapic *l = &v->lapic;
	int vector = l->isr_top;

	if (vector < 0)
		return;
	bit_clear(l->isr, (unsigned)vector);
	l->isr_top = top_bit(l->isr);
	if (__atomic_load_n(&l->tmr[vector / 64], __ATOMIC_RELAXED) & BIT(vector % 64))
		vioapic_eoi(v->vm, (uint8_t)vector);
	vlapic_unblocked(v);
}

void vlapic_unblocked(struct vcpu *v)
{
	if (vlapic_pending(v) >= 0)
		event_reconsider(v);
}

void vlapic_write_tpr(struct vcpu *v, uint32_t tpr)
{
	bool lower = tpr < v->lapic.tpr;

	v->lapic.tpr = tpr;
	if (lower)
		vlapic_unblocked(v);
}

bool vlapic_take(struct vcpu *v, uint8_t vector, bool level)
{
	struct vlapic *l = &v->lapic;
	uint64_t bit = BIT(vector % 64);

	if (vector < FIRST_VECTOR) {
		vlapic_error(v, LAPIC_ESR_RECV_VECTOR);
		return false;
	}
	if (!(l->svr & LAPIC_SVR_ENABLE))
		return false;
	if (level)
		__atomic_fetch_or(&l->tmr[vector / 64], bit, __ATOMIC_RELAXED);
	else if (l->tmr[vector / 64] & bit)
		__atomic_fetch_and(&l->tmr[vector / 64], ~bit, __ATOMIC_RELAXED);
	/* Who finds the bit set already leaves the request to the one who set it. */
	if (!(__atomic_fetch_or(&l->irr[vector / 64], bit, __ATOMIC_ACQ_REL) & bit))
		vcpu_request(v, VREQ_EVENT);
	return true;
}

void vlapic_error(struct vcpu *v, uint32_t esr_bit)
{
	struct vlapic *l = &v->lapic;
	uint32_t before = __atomic_fetch_or(&l->esr_next, esr_bit, __ATOMIC_RELAXED);
	uint32_t lvt = l->lvt[LVT_ERROR];

	/* A write of ESR re-arms the interrupt (SDM Vol. 3A, "Error Handling"). */
	if (before || (lvt & LAPIC_LVT_MASKED))
		return;
	if ((lvt & APIC_VECTOR) < FIRST_VECTOR)
		__atomic_fetch_or(&l->esr_next, LAPIC_ESR_RECV_VECTOR, __ATOMIC_RELAXED);
	else
		vlapic_take(v, lvt & APIC_VECTOR, false);
}

bool vlapic_accepts_extint(const struct vcpu *v)
{
	const struct vlapic *l = &v->lapic;

	/* With the APIC disabled LINT0 is the INTR pin, which a board connects at the boot processor. */
	if (!vlapic_enabled(l))
		return l->base & APIC_BASE_BSP;
	return (l->lvt[LVT_LINT0] & (LAPIC_LVT_MASKED | APIC_DELIVERY_MASK)) ==
	       (APIC_EXTINT << APIC_DELIVERY_SHIFT);
}

void vlapic_lint(struct vcpu *v, enum lapic_lvt pin)
{
	struct vlapic *l = &v->lapic;
	uint32_t lvt = l->lvt[pin];

	if (!vlapic_enabled(l)) {
		if (pin == LVT_LINT1)
			event_nmi(v);
		else if (vlapic_accepts_extint(v))
			vcpu_request(v, VREQ_EVENT);
		return;
	}
	if (lvt & LAPIC_LVT_MASKED)
		return;
	switch ((lvt & APIC_DELIVERY_MASK) >> APIC_DELIVERY_SHIFT) {
	case APIC_FIXED:
		vlapic_take(v, lvt & APIC_VECTOR, false);
		break;
	case APIC_NMI:
		event_nmi(v);
		break;
	case APIC_INIT:
		vcpu_init_signal(v);
		break;
	case APIC_EXTINT:
		vcpu_request(v, VREQ_EVENT);
		break;
	default: /* SMI: no system management mode; the rest is reserved */
		break;
	}
}

uint64_t vlapic_get_tpr(const struct vcpu *v)
{
	return v->lapic.tpr >> 4;
}

void vlapic_set_tpr(struct vcpu *v, uint64_t cr8)
{
	vlapic_write_tpr(v, (uint32_t)(cr8 & 0xf) << 4);
}

static uint32_t x2apic_ldr(uint32_t id)
{
	return (id >> 4) << 16 | 1u << (id & 0xf);
}

/* SDM Vol. 3A, "Local APIC State After Power-Up or Reset". The caller's CPU owns v, or v does not run. */
static void reset_registers(struct vcpu *v)
{
	struct vlapic *l = &v->lapic;

	for (unsigned i = 0; i < 4; i++) {
		__atomic_store_n(&l->irr[i], 0, __ATOMIC_RELAXED);
		__atomic_store_n(&l->tmr[i], 0, __ATOMIC_RELAXED);
		l->isr[i] = 0;
	}
	l->isr_top = -1;
	l->eoi_offered = false;
	l->tpr = 0;
	l->ldr = vlapic_x2apic(l) ? x2apic_ldr(v->id) : 0;
	l->dfr = LAPIC_DFR_FLAT;
	l->svr = SVR_RESET;
	l->esr = l->esr_next = 0;
	l->icr = 0;
	for (unsigned i = 0; i < LVT_COUNT; i++)
		l->lvt[i] = LVT_RESET;
	vlapic_timer_reset(v);
}

void vlapic_init(struct vcpu *v)
{
	v->lapic.timer_stopped = true;
	vlapic_timer_init(v);
	vlapic_reset(v);
}

void vlapic_reset(struct vcpu *v)
{
	struct vlapic *l = &v->lapic;

	l->base = PLATFORM_LAPIC_BASE | APIC_BASE_ENABLE | (v->id == 0 ? APIC_BASE_BSP : 0);
	reset_registers(v);
	if (v->id != 0)
		return;
	/* Virtual wire mode (MultiProcessor Specification, "Virtual Wire Mode"). */
	l->svr = SVR_RESET | LAPIC_SVR_ENABLE;
	l->lvt[LVT_LINT0] = APIC_EXTINT << APIC_DELIVERY_SHIFT;
	l->lvt[LVT_LINT1] = APIC_NMI << APIC_DELIVERY_SHIFT;
}

void vlapic_init_signal(struct vcpu *v)
{
	reset_registers(v);
}

bool vlapic_base_set(struct vcpu *v, uint64_t value, unsigned phys_bits)
{
	struct vlapic *l = &v->lapic;
	const uint64_t mode = APIC_BASE_ENABLE | APIC_BASE_X2APIC;
	uint64_t allowed = (BITS(phys_bits - 1, PAGE_SHIFT)) | mode | APIC_BASE_BSP;
	uint64_t from = l->base & mode, to = value & mode;

	if (value & ~allowed)
		return false;
	/* The legal changes: SDM Vol. 3A, "x2APIC State Transitions". */
	if (to == APIC_BASE_X2APIC)
		return false;
	if (from == mode && to == APIC_BASE_ENABLE)
		return false;
	if (from == 0 && to == mode)
		return false;
	l->base = value;
	if (to == 0 && from != 0)
		reset_registers(v);
	else if (to == mode && from != mode)
		l->ldr = x2apic_ldr(v->id);
	event_reconsider(v); /* the PIC may reach this CPU now */
	return true;
}
