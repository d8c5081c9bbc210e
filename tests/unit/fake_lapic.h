/* SPDX-License-Identifier: BSD-2-Clause */
/* The local APICs of fake_vm's vCPUs, in tests of hv/vdev/lapic*.c. */
#pragma once

#include "fake_vm.h"

#include "hv/pv_eoi.h"
#include "hv/vdev/lapic.h"
#include "hv/vdev/platform.h"
#include "hv/x86/msr.h"

#define PHYS_BITS 39
#define CPU(n)    (&fake_vcpu[n])
#define X2(reg)   (MSR_X2APIC_BASE + ((reg) >> 4))

static int last_eoi;
static unsigned collected; /* offers */

void vioapic_eoi(struct vm *vm, uint8_t vector)
{
	last_eoi = vector;
}

/* The guest has accepted the offer. */
void pv_eoi_collect(struct vcpu *v)
{
	v->lapic.eoi_offered = false;
	collected++;
	vlapic_eoi(v);
}

static unsigned changes; /* that the back end has heard of */

static void fake_lapic_changed(struct vcpu *v)
{
	changes++;
}

static const struct hv_ops fake_ops = {.lapic_changed = fake_lapic_changed};
const struct hv_ops *ops = &fake_ops;

static inline uint32_t rd(struct vcpu *v, uint32_t reg)
{
	return (uint32_t)vlapic_mmio_read(v, reg, 4);
}

static inline void wr(struct vcpu *v, uint32_t reg, uint32_t value)
{
	vlapic_mmio_write(v, reg, 4, value);
}

static inline int setup(void **state)
{
	(void)state;
	fake_vm_new(FAKE_VCPUS);
	fake_place = VCPU_HERE;
	last_eoi = -1;
	collected = 0;
	for (unsigned i = 0; i < FAKE_VCPUS; i++) {
		vlapic_init(CPU(i));
		vlapic_resume(CPU(i));
	}
	return 0;
}

/* As an operating system sets it up: enabled, flat logical ID. */
static inline void enable_all(void)
{
	for (unsigned i = 0; i < FAKE_VCPUS; i++) {
		wr(CPU(i), LAPIC_SVR, 0x1ff);
		wr(CPU(i), LAPIC_LDR, 1u << (24 + i));
	}
}

static inline void enable_x2apic(void)
{
	for (unsigned i = 0; i < FAKE_VCPUS; i++) {
		assert_true(
		    vlapic_base_set(CPU(i), vlapic_base_get(&CPU(i)->lapic) | APIC_BASE_X2APIC, PHYS_BITS));
		assert_true(vlapic_msr_write(CPU(i), X2(LAPIC_SVR), 0x1ff));
	}
}

/* In whichever mode it is. */
static inline uint32_t rd_any(struct vcpu *v, uint32_t reg)
{
	uint64_t value;

	return vlapic_msr_read(v, X2(reg), &value) ? (uint32_t)value : rd(v, reg);
}

static inline unsigned pending_set(unsigned vector)
{
	unsigned set = 0;

	for (unsigned i = 0; i < FAKE_VCPUS; i++)
		if (rd_any(CPU(i), LAPIC_IRR + vector / 32 * 0x10) >> (vector % 32) & 1)
			set |= 1u << i;
	return set;
}
