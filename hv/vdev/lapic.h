/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local APIC of a vCPU: xAPIC page and x2APIC MSRs over one set of registers. It belongs to the CPU that
 * runs the vCPU; other CPUs only post interrupts, atomically, and read what addresses it.
 * Model: SDM Vol. 3A, "Advanced Programmable Interrupt Controller (APIC)". The bus clock is 1 GHz.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/timer.h"
#include "hv/x86/apic.h"

struct vcpu;
struct vm;

#define LAPIC_BUS_HZ 1000000000ULL

enum lapic_lvt { LVT_TIMER, LVT_THERMAL, LVT_PERF, LVT_LINT0, LVT_LINT1, LVT_ERROR, LVT_COUNT };

/* Delivery modes of ICR, LVT, IOAPIC and MSI. */
enum apic_delivery {
	APIC_FIXED = 0,
	APIC_LOWEST = 1,
	APIC_SMI = 2,
	APIC_NMI = 4,
	APIC_INIT = 5,
	APIC_SIPI = 6,
	APIC_EXTINT = 7,
};

struct vlapic {
	uint64_t base; /* IA32_APIC_BASE */
	/*
	 * Atomic: fixed interrupts that have come and are not yet in IRR; whether each vector came last as a level; and
	 * which words of `posted` to look at.
	 */
	uint32_t posted[LAPIC_MAP_WORDS], level[LAPIC_MAP_WORDS], posted_words;
	int32_t irr_top, isr_top; /* highest bits of IRR and ISR, or -1 */
	/*
	 * The back end's choice: the processor delivers what is in IRR and ends it by itself, while the guest runs. Then
	 * irr_top and isr_top are old, and what software changes in ISR and TMR is noted, for the back end to tell it.
	 */
	bool delivers, isr_changed, tmr_changed;
	bool watched;      /* the back end wants ops->lapic_waits */
	uint32_t esr_next; /* atomic: errors since the last write of ESR */
	/* What the timer runs by; the registers follow it. */
	uint32_t timer_lvt, timer_divide, timer_initial;
	uint64_t timer_start_ns; /* guest time at which the count began */
	uint64_t timer_next_ns;  /* guest time of the next expiry; UINT64_MAX: none */
	uint64_t tsc_deadline;   /* guest TSC; 0: none */
	bool timer_stopped;      /* the VM is paused: arm nothing */
	bool eoi_offered; /* isr_top may have ended already: pv_eoi_collect comes before its next use */
	bool timer_look;  /* before v is entered, look at the timer: vlapic_timer_follow */
	struct timer timer;
	/*
	 * The registers, where the guest finds them in xAPIC mode (enum lapic_reg), and a processor that virtualizes
	 * APICs: SDM Vol. 3C, "Virtual-APIC Page". In x2APIC mode the upper half of a register is 4 bytes behind it.
	 */
	uint32_t page[LAPIC_MMIO_SIZE / sizeof(uint32_t)] __attribute__((aligned(LAPIC_MMIO_SIZE)));
};

/* An interrupt message, as it travels from a LAPIC, an IOAPIC or a device to the LAPICs. */
struct apic_message {
	uint32_t dest;
	bool wide;    /* dest has 32 bits (sent in x2APIC mode), not 8 */
	bool logical; /* destination mode */
	bool level;   /* trigger mode */
	uint8_t mode; /* enum apic_delivery */
	uint8_t vector;
};

/* Once, when the vCPU is made. */
void vlapic_init(struct vcpu *v);
/* Before the vCPU is freed; its timer is disarmed. */
void vlapic_fini(struct vcpu *v);
/* Power-on; on vCPU 0 then virtual wire mode, as firmware leaves it: enabled, LINT0 ExtINT, LINT1 NMI. */
void vlapic_reset(struct vcpu *v);
/* The state after an INIT: IA32_APIC_BASE and the ID stay. */
void vlapic_init_signal(struct vcpu *v);

/* Asked before the two below, where the processor does not deliver: may they find anything? v's CPU only. */
static inline bool vlapic_may_wait(const struct vlapic *l)
{
	return l->irr_top >= 0 || __atomic_load_n(&l->posted_words, __ATOMIC_RELAXED);
}

/* What has been posted goes into IRR; the highest vector in it, or -1. v's CPU only. */
int vlapic_waiting(struct vcpu *v);
/* The same; the highest vector that could be delivered now (above PPR), or -1. v's CPU only. */
int vlapic_pending(struct vcpu *v);
/* The highest vector in ISR, or -1. */
int vlapic_in_service(const struct vlapic *l);
/* The CPU takes `vector`, which vlapic_pending returned: IRR to ISR. */
void vlapic_accept(struct vcpu *v, uint8_t vector);
/* Ends the highest interrupt in service, if there is one. v's CPU only. */
void vlapic_eoi(struct vcpu *v);
/* True: one is in service, whose end nobody but v's local APIC has to know, and no other waits for it. */
bool vlapic_eoi_is_local(struct vcpu *v);
/* True: the PIC's INTR reaches this CPU (hv/vdev/pic.h). */
bool vlapic_accepts_extint(const struct vcpu *v);
static inline uint32_t vlapic_tpr(const struct vlapic *l)
{
	return l->page[LAPIC_TPR / sizeof(uint32_t)];
}

/* CR8: bits 7:4 of TPR, 0-15. set: value above 15 is the caller's #GP. */
uint64_t vlapic_get_tpr(const struct vcpu *v);
void vlapic_set_tpr(struct vcpu *v, uint64_t cr8);

/* True: v's xAPIC page holds guest-physical address a. Asked before vm->mmio. */
static inline bool vlapic_owns(const struct vlapic *l, uint64_t a)
{
	return (l->base & (APIC_BASE_ENABLE | APIC_BASE_X2APIC)) == APIC_BASE_ENABLE &&
	       ((l->base ^ a) & ~(LAPIC_MMIO_SIZE - 1)) == 0;
}

/* One access at offset 0-4095 of the page; size 1, 2, 4 or 8 bytes. */
uint64_t vlapic_mmio_read(struct vcpu *v, uint32_t offset, unsigned size);
void vlapic_mmio_write(struct vcpu *v, uint32_t offset, unsigned size, uint64_t value);
/* The guest has written the register at this offset of v's page, in the page: does what a write of it does. */
void vlapic_page_written(struct vcpu *v, uint32_t offset);
/* MSRs 800h-8FFh. False: #GP(0). */
bool vlapic_msr_read(struct vcpu *v, uint32_t msr, uint64_t *value);
bool vlapic_msr_write(struct vcpu *v, uint32_t msr, uint64_t value);
/* Calls allow(arg, msr, rights) for the MSRs that a processor may access in the page by itself: enum msr_rights. */
void vlapic_msrs_in_page(bool all_reads, bool delivers,
			 void (*allow)(void *arg, uint32_t msr, uint8_t rights), void *arg);
/* IA32_APIC_BASE; phys_bits: the guest's physical address width. False: #GP(0). */
static inline uint64_t vlapic_base_get(const struct vlapic *l)
{
	return l->base;
}
bool vlapic_base_set(struct vcpu *v, uint64_t value, unsigned phys_bits);
/* IA32_TSC_DEADLINE. */
uint64_t vlapic_tsc_deadline_get(const struct vcpu *v);
void vlapic_tsc_deadline_set(struct vcpu *v, uint64_t value);
/* v's TSC was written or its offset changed: the deadline moves in host time. */
void vlapic_tsc_changed(struct vcpu *v);

/* Delivers a message to every LAPIC that it addresses; returns how many took it. Any CPU. */
unsigned vlapic_deliver(struct vm *vm, const struct apic_message *m);
/* The same to each vCPU of the set (bit n is vm->vcpu[n]); m's destination doesn't matter. */
unsigned vlapic_deliver_set(struct vm *vm, uint64_t set, const struct apic_message *m);
/* A local interrupt pin (LVT_LINT0, LVT_LINT1) had a rising edge. Any CPU. */
void vlapic_lint(struct vcpu *v, enum lapic_lvt pin);

/* v comes onto this CPU, having moved, or after an expiry that found it waiting for the CPU: its timer goes on here. */
void vlapic_timer_follow(struct vcpu *v);
void vlapic_pause(struct vcpu *v);
void vlapic_resume(struct vcpu *v);
