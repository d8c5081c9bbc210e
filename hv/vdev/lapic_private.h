/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the local APIC share among themselves: lapic.c, lapic_regs.c, lapic_ipi.c, lapic_timer.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/vcpu.h"
#include "hv/vdev/lapic.h"

static inline bool vlapic_enabled(const struct vlapic *l)
{
	return l->base & APIC_BASE_ENABLE;
}

static inline bool vlapic_x2apic(const struct vlapic *l)
{
	return (l->base & (APIC_BASE_ENABLE | APIC_BASE_X2APIC)) == (APIC_BASE_ENABLE | APIC_BASE_X2APIC);
}

/* A register of the page; other CPUs read some, and the guest may write it meanwhile. */
static inline uint32_t vlapic_reg(const struct vlapic *l, uint32_t offset)
{
	return __atomic_load_n(&l->page[offset / sizeof(uint32_t)], __ATOMIC_RELAXED);
}

static inline void vlapic_set_reg(struct vlapic *l, uint32_t offset, uint32_t value)
{
	__atomic_store_n(&l->page[offset / sizeof(uint32_t)], value, __ATOMIC_RELAXED);
}

/* Register n of those that lie 10h apart: the words of ISR, TMR and IRR; the LVT. */
static inline uint32_t vlapic_nth(uint32_t first, unsigned n)
{
	return first + n * 0x10;
}

/* Processor-priority register (SDM Vol. 3A, "Task and Processor Priorities"). Any CPU. */
static inline uint32_t vlapic_ppr(const struct vlapic *l)
{
	uint32_t in_service = l->isr_top < 0 ? 0 : (uint32_t)l->isr_top & 0xf0, tpr = vlapic_tpr(l);

	if (l->delivers)
		return vlapic_reg(l, LAPIC_PPR); /* the processor writes it */
	return (tpr & 0xf0) >= in_service ? tpr : in_service;
}

/* lapic.c. */
void vlapic_accept_posted(struct vlapic *l);
/* What has been posted goes into IRR and TMR. v's CPU only. */
static inline void vlapic_take_posted(struct vlapic *l)
{
	if (__atomic_load_n(&l->posted_words, __ATOMIC_RELAXED))
		vlapic_accept_posted(l);
}
/* A fixed interrupt arrives; false: it was not accepted. Any CPU. */
bool vlapic_take(struct vcpu *v, uint8_t vector, bool level);
/* The same for an edge on the CPU that runs v. */
void vlapic_take_own(struct vcpu *v, uint8_t vector);
/* Logs an error bit of ESR and raises the error interrupt. Any CPU. */
void vlapic_error(struct vcpu *v, uint32_t esr_bit);
void vlapic_write_tpr(struct vcpu *v, uint32_t tpr);
/* PPR may have fallen: what waits may be deliverable now. v's CPU only. */
void vlapic_unblocked(struct vcpu *v);

/* lapic_ipi.c */
void vlapic_send(struct vcpu *v, uint64_t icr);
void vlapic_self_ipi(struct vcpu *v, uint8_t vector);

/* lapic_timer.c. The state behind the registers; vlapic_timer_run first does what is due. */
void vlapic_timer_init(struct vcpu *v);
void vlapic_timer_reset(struct vcpu *v);
void vlapic_timer_run(struct vcpu *v);
void vlapic_timer_arm(struct vcpu *v);
void vlapic_timer_set_lvt(struct vcpu *v, uint32_t lvt);
void vlapic_timer_set_initial(struct vcpu *v, uint32_t count);
void vlapic_timer_set_divide(struct vcpu *v, uint32_t divide);
uint32_t vlapic_timer_current(const struct vcpu *v);
