/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Local APIC: IRR, ISR and priorities, end of interrupt, errors, the local pins, reset and
 * IA32_APIC_BASE. Registers as the guest reaches them are in lapic_regs.c, messages in lapic_ipi.c.
 */
#include "hv/vdev/lapic_private.h"
#include "hv/vdev/ioapic.h"
#include "hv/vdev/platform.h"
#include "hv/event.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/pv_eoi.h"

#define FIRST_VECTOR 16 /* 0-15 are illegal in fixed interrupts */
#define VECTOR_MAX   255

#define LVT_RESET    LAPIC_LVT_MASKED
#define SVR_RESET    0xffu
#define VERSION      (LAPIC_VERSION_INTEGRATED | (LVT_COUNT - 1) << LAPIC_VERSION_MAX_LVT_SHIFT)

static bool bit_test(const struct vlapic *l, uint32_t map, unsigned vector)
{
	return vlapic_reg(l, vlapic_nth(map, vector / 32)) & BIT(vector % 32);
}

static void bit_set(struct vlapic *l, uint32_t map, unsigned vector)
{
	l->page[vlapic_nth(map, vector / 32) / sizeof(uint32_t)] |= (uint32_t)BIT(vector % 32);
}

static void bit_clear(struct vlapic *l, uint32_t map, unsigned vector)
{
	l->page[vlapic_nth(map, vector / 32) / sizeof(uint32_t)] &= ~(uint32_t)BIT(vector % 32);
}

/* Highest bit in IRR or ISR, which has none above `vector`; or -1. */
static int top_bit(const struct vlapic *l, uint32_t map, unsigned vector)
{
	for (int n = (int)(vector / 32); n >= 0; n--) {
		uint32_t word = l->page[vlapic_nth(map, (unsigned)n) / sizeof(uint32_t)];

		if (word)
			return n * 32 + 31 - __builtin_clz(word);
	}
	return -1;
}

int vlapic_in_service(const struct vlapic *l)
{
	return top_bit(l, LAPIC_ISR, VECTOR_MAX);
}

/* Vectors `got` of word n of IRR have arrived, those in `level` as levels. */
static inline void arrive(struct vlapic *l, unsigned n, uint32_t got, uint32_t level)
{
	uint32_t *irr = &l->page[vlapic_nth(LAPIC_IRR, n) / sizeof(uint32_t)];
	uint32_t *tmr = &l->page[vlapic_nth(LAPIC_TMR, n) / sizeof(uint32_t)];
	int top = (int)(n * 32 + 31) - __builtin_clz(got);

	*irr |= got;
	if ((*tmr ^ level) & got) {
		*tmr ^= (*tmr ^ level) & got;
		l->tmr_changed = true;
	}
	if (top > l->irr_top)
		l->irr_top = top;
}

void vlapic_accept_posted(struct vlapic *l)
{
	uint32_t words = __atomic_exchange_n(&l->posted_words, 0, __ATOMIC_ACQ_REL);

	for (; words; words &= words - 1) {
		unsigned n = (unsigned)__builtin_ctz(words);
		uint32_t got = __atomic_exchange_n(&l->posted[n], 0, __ATOMIC_ACQ_REL);

		if (got)
			arrive(l, n, got, __atomic_load_n(&l->level[n], __ATOMIC_RELAXED));
	}
}

static inline int waiting(struct vlapic *l)
{
	vlapic_take_posted(l);
	if (l->delivers)
		l->irr_top = top_bit(l, LAPIC_IRR, VECTOR_MAX);
	return l->irr_top;
}

int vlapic_waiting(struct vcpu *v)
{
	return waiting(&v->lapic);
}

int vlapic_pending(struct vcpu *v)
{
	struct vlapic *l = &v->lapic;
	int vector = waiting(l);

	if (vector < 0 || !vlapic_enabled(l) || ((uint32_t)vector & 0xf0) <= (vlapic_ppr(l) & 0xf0))
		return -1;
	return vector;
}

/* Where the processor delivers: ISR or TPR was changed by software. It hears of that, and PPR follows. */
static void tell_processor(struct vcpu *v)
{
	struct vlapic *l = &v->lapic;
	uint32_t tpr = vlapic_tpr(l), in_service;

	if (!l->delivers)
		return;
	l->isr_top = vlapic_in_service(l);
	in_service = l->isr_top < 0 ? 0 : (uint32_t)l->isr_top & 0xf0;
	vlapic_set_reg(l, LAPIC_PPR, (tpr & 0xf0) >= in_service ? tpr : in_service);
	l->isr_changed = true;
	event_reconsider(v);
}

void vlapic_accept(struct vcpu *v, uint8_t vector)
{
	struct vlapic *l = &v->lapic;

	bit_clear(l, LAPIC_IRR, vector);
	l->irr_top = top_bit(l, LAPIC_IRR, vector);
	bit_set(l, LAPIC_ISR, vector);
	/* It was above PPR, thus above everything in service. */
	l->isr_top = vector;
}

bool vlapic_eoi_is_local(struct vcpu *v)
{
	struct vlapic *l = &v->lapic;

	vlapic_take_posted(l);
	return l->isr_top >= 0 && l->irr_top < 0 && !bit_test(l, LAPIC_TMR, (unsigned)l->isr_top);
}

[[gnu::noinline]] static void end_interrupt(struct vcpu *v, unsigned vector)
{
	struct vlapic *l = &v->lapic;

	bit_clear(l, LAPIC_ISR, vector);
	l->isr_top = top_bit(l, LAPIC_ISR, vector);
	tell_processor(v);
	if (bit_test(l, LAPIC_TMR, vector))
		vioapic_eoi(v->vm, (uint8_t)vector);
	vlapic_unblocked(v);
}

void vlapic_eoi(struct vcpu *v)
{
	const struct vlapic *l = &v->lapic;
	int vector = l->delivers ? vlapic_in_service(l) : l->isr_top;

	if (vector >= 0)
		end_interrupt(v, (unsigned)vector);
}

void vlapic_unblocked(struct vcpu *v)
{
	/* Where software delivers, event_inject_next finds out whether it can. */
	if ((v->lapic.delivers ? vlapic_pending(v) : vlapic_waiting(v)) >= 0)
		event_reconsider(v);
}

void vlapic_write_tpr(struct vcpu *v, uint32_t tpr)
{
	bool lower = tpr < vlapic_tpr(&v->lapic);

	vlapic_set_reg(&v->lapic, LAPIC_TPR, tpr);
	tell_processor(v);
	/* The hardware may have to hear of it (ops->lapic_waits), even where ISR still holds everything back. */
	if (lower && vlapic_waiting(v) >= 0)
		event_reconsider(v);
}

bool vlapic_take(struct vcpu *v, uint8_t vector, bool level)
{
	struct vlapic *l = &v->lapic;
	unsigned n = vector / 32;
	uint32_t bit = (uint32_t)BIT(vector % 32);

	if (vector < FIRST_VECTOR) {
		vlapic_error(v, LAPIC_ESR_RECV_VECTOR);
		return false;
	}
	if (!(vlapic_reg(l, LAPIC_SVR) & LAPIC_SVR_ENABLE))
		return false;
	if (level)
		__atomic_fetch_or(&l->level[n], bit, __ATOMIC_RELAXED);
	else if (__atomic_load_n(&l->level[n], __ATOMIC_RELAXED) & bit)
		__atomic_fetch_and(&l->level[n], ~bit, __ATOMIC_RELAXED);
	/* Who finds the bit set already leaves the rest to the one who set it. */
	if (!(__atomic_fetch_or(&l->posted[n], bit, __ATOMIC_ACQ_REL) & bit)) {
		__atomic_fetch_or(&l->posted_words, 1u << n, __ATOMIC_RELEASE);
		vcpu_request(v, VREQ_EVENT);
	}
	return true;
}

void vlapic_take_own(struct vcpu *v, uint8_t vector)
{
	struct vlapic *l = &v->lapic;

	if (vector < FIRST_VECTOR) {
		vlapic_error(v, LAPIC_ESR_RECV_VECTOR);
		return;
	}
	if (!(vlapic_reg(l, LAPIC_SVR) & LAPIC_SVR_ENABLE))
		return;
	arrive(l, vector / 32, (uint32_t)BIT(vector % 32), 0);
	event_reconsider(v);
}

void vlapic_error(struct vcpu *v, uint32_t esr_bit)
{
	struct vlapic *l = &v->lapic;
	uint32_t before = __atomic_fetch_or(&l->esr_next, esr_bit, __ATOMIC_RELAXED);
	uint32_t lvt = vlapic_reg(l, LAPIC_LVT_ERROR);

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
	return (vlapic_reg(l, LAPIC_LVT_LINT0) & (LAPIC_LVT_MASKED | APIC_DELIVERY_MASK)) ==
	       (APIC_EXTINT << APIC_DELIVERY_SHIFT);
}

void vlapic_lint(struct vcpu *v, enum lapic_lvt pin)
{
	struct vlapic *l = &v->lapic;
	uint32_t lvt = vlapic_reg(l, vlapic_nth(LAPIC_LVT_TIMER, pin));

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
	return vlapic_tpr(&v->lapic) >> 4;
}

void vlapic_set_tpr(struct vcpu *v, uint64_t cr8)
{
	vlapic_write_tpr(v, (uint32_t)(cr8 & 0xf) << 4);
}

static uint32_t x2apic_ldr(uint32_t id)
{
	return (id >> 4) << 16 | 1u << (id & 0xf);
}

/* What lies or looks different in the two modes: ID, LDR, and the upper half of ICR. */
static void set_mode_registers(struct vcpu *v)
{
	struct vlapic *l = &v->lapic;
	bool x2 = vlapic_x2apic(l);

	vlapic_set_reg(l, LAPIC_ID, x2 ? v->id : v->id << LAPIC_ID_SHIFT);
	if (!x2)
		return;
	vlapic_set_reg(l, LAPIC_LDR, x2apic_ldr(v->id));
	vlapic_set_reg(l, LAPIC_ICR_HIGH_X2, vlapic_reg(l, LAPIC_ICR2));
	vlapic_set_reg(l, LAPIC_ICR2, 0);
}

/* SDM Vol. 3A, "Local APIC State After Power-Up or Reset". The caller's CPU owns v, or v does not run. */
static void reset_registers(struct vcpu *v)
{
	struct vlapic *l = &v->lapic;

	memset(l->page, 0, sizeof(l->page));
	__atomic_store_n(&l->posted_words, 0, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < LAPIC_MAP_WORDS; i++) {
		__atomic_store_n(&l->posted[i], 0, __ATOMIC_RELAXED);
		__atomic_store_n(&l->level[i], 0, __ATOMIC_RELAXED);
	}
	l->irr_top = l->isr_top = -1;
	l->isr_changed = l->tmr_changed = true;
	l->eoi_offered = false;
	l->esr_next = 0;
	set_mode_registers(v);
	vlapic_set_reg(l, LAPIC_VERSION, VERSION);
	vlapic_set_reg(l, LAPIC_DFR, LAPIC_DFR_FLAT);
	vlapic_set_reg(l, LAPIC_SVR, SVR_RESET);
	for (unsigned i = 0; i < LVT_COUNT; i++)
		vlapic_set_reg(l, vlapic_nth(LAPIC_LVT_TIMER, i), LVT_RESET);
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
	ops->lapic_changed(v);
	if (v->id != 0)
		return;
	/* Virtual wire mode (MultiProcessor Specification, "Virtual Wire Mode"). */
	vlapic_set_reg(l, LAPIC_SVR, SVR_RESET | LAPIC_SVR_ENABLE);
	vlapic_set_reg(l, LAPIC_LVT_LINT0, APIC_EXTINT << APIC_DELIVERY_SHIFT);
	vlapic_set_reg(l, LAPIC_LVT_LINT1, APIC_NMI << APIC_DELIVERY_SHIFT);
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
	uint64_t before = l->base, from = before & mode, to = value & mode;

	if (value & ~allowed)
		return false;
	/* The legal changes: SDM Vol. 3A, "x2APIC State Transitions". */
	if (to == APIC_BASE_X2APIC)
		return false;
	if (from == mode && to == APIC_BASE_ENABLE)
		return false;
	if (from == 0 && to == mode)
		return false;
	if (l->eoi_offered)
		pv_eoi_collect(v);
	l->base = value;
	if (to == 0 && from != 0)
		reset_registers(v);
	else if (to == mode && from != mode)
		set_mode_registers(v);
	if (to != from || ((l->base ^ before) & APIC_BASE_ADDR))
		ops->lapic_changed(v);
	event_reconsider(v); /* the PIC may reach this CPU now */
	return true;
}
