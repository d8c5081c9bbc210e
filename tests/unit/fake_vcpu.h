/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A vCPU without hardware for the tests of guest CPU policy and emulation: registers in arrays behind a fake
 * ops table, a few MiB of guest memory with the real map, and notes of what was raised or crashed.
 */
#pragma once

#include "support.h"
#include "fake_regs.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "hv/event.h"
#include "hv/guest_map.h"
#include "hv/vm.h"
#include "hv/x86/cr.h"
#include "hv/x86/msr.h"
#include "hv/x86/rflags.h"

#define FAKE_MEMORY MIB(4)

static enum cpu_mode fake_mode;
static unsigned fake_cpl, fake_flushes;
static struct vm_config fake_cfg = {.name = "fake"};
static struct vm fake_vm;
static struct vcpu fake_vcpu;

struct fake_event {
	int vector; /* -1: none */
	bool has_error;
	uint32_t error;
	uint64_t cr2;
};
static struct fake_event fake_raised;
static char fake_crash[512];

static bool fake_long_mode(struct vcpu *v)
{
	return fake_mode == MODE_LONG;
}

static void fake_flush(struct vcpu *v)
{
	fake_flushes++;
}

static void fake_tsc_offset(struct vcpu *v, int64_t offset)
{
}

static unsigned fake_cpl_get(struct vcpu *v)
{
	return fake_cpl;
}

static const struct hv_ops fake_ops = {
    .name = "fake",
    FAKE_REGS,
    .long_mode = fake_long_mode,
    .cpl = fake_cpl_get,
    .npt_flush = fake_flush,
    .tsc_offset = fake_tsc_offset,
};
const struct hv_ops *ops = &fake_ops;

enum cpu_mode vcpu_mode(struct vcpu *v)
{
	return fake_mode;
}

uint64_t vcpu_tsc(const struct vcpu *v)
{
	return tsc_scale(v->vm->tsc.multiplier, __builtin_ia32_rdtsc()) + (uint64_t)v->tsc_offset;
}

void event_raise(struct vcpu *v, uint8_t vector)
{
	fake_raised = (struct fake_event){.vector = vector};
}

void event_raise_error(struct vcpu *v, uint8_t vector, uint32_t error)
{
	fake_raised = (struct fake_event){vector, true, error, 0};
}

void event_raise_pf(struct vcpu *v, uint64_t cr2, uint32_t error)
{
	fake_raised = (struct fake_event){EXC_PF, true, error, cr2};
}

void vm_crash(struct vcpu *v, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(fake_crash, sizeof(fake_crash), fmt, ap);
	va_end(ap);
}

static inline void fake_forget(void)
{
	fake_raised = (struct fake_event){.vector = -1};
	fake_crash[0] = 0;
	fake_flushes = 0;
}

/* Guest memory, written behind the guest's back. */
static inline void fake_poke(uint64_t at, const void *data, size_t n)
{
	memcpy(fake_vm.mem.base + at, data, n);
}

static inline void fake_poke64(uint64_t at, uint64_t value)
{
	fake_poke(at, &value, sizeof(value));
}

static inline uint64_t fake_peek64(uint64_t at)
{
	uint64_t value;

	memcpy(&value, fake_vm.mem.base + at, sizeof(value));
	return value;
}

/* One vCPU in 64-bit mode at CPL 0, paging off; memory zero. */
static inline void fake_vcpu_new(void)
{
	uint8_t *base = fake_vm.mem.base;

	if (!base)
		base = aligned_alloc(PAGE_SIZE, FAKE_MEMORY);
	memset(base, 0, FAKE_MEMORY);
	memset(&fake_vm, 0, sizeof(fake_vm));
	memset(&fake_vcpu, 0, sizeof(fake_vcpu));
	memset(fake_reg, 0, sizeof(fake_reg));
	memset(fake_msr, 0, sizeof(fake_msr));
	memset(fake_seg, 0, sizeof(fake_seg));
	fake_vm.cfg = &fake_cfg;
	fake_vm.mem.base = base;
	assert_int_equal(guest_map_add_slots(&fake_vm.mem, FAKE_MEMORY), OK);
	fake_vm.vcpu[0] = &fake_vcpu;
	fake_vm.vcpu_count = 1;
	fake_vm.cpuid.phys_bits = 40;
	fake_vm.cpuid.linear_bits = 48;
	fake_vm.cpuid.page1g = true;
	fake_vcpu.vm = &fake_vm;
	fake_mode = MODE_LONG;
	fake_cpl = 0;
	fake_reg[VREG_RFLAGS] = RFLAGS_FIXED;
	fake_forget();
}
