/* SPDX-License-Identifier: BSD-2-Clause */
/* A vendor's registers in arrays, for an ops table that begins with FAKE_REGS. */
#pragma once

#include "hv/vm.h"

static uint64_t fake_reg[VREG_PDPTE3 + 1], fake_msr[VMSR_COUNT];
static struct vseg_desc fake_seg[SEG_COUNT];

static inline uint64_t fake_reg_get(struct vcpu *v, enum vreg r)
{
	return fake_reg[r];
}

static inline void fake_reg_set(struct vcpu *v, enum vreg r, uint64_t value)
{
	fake_reg[r] = value;
}

static inline void fake_seg_get(struct vcpu *v, enum vseg s, struct vseg_desc *d)
{
	*d = fake_seg[s];
}

static inline void fake_seg_set(struct vcpu *v, enum vseg s, const struct vseg_desc *d)
{
	fake_seg[s] = *d;
}

static inline uint64_t fake_msr_get(struct vcpu *v, enum vmsr m)
{
	return fake_msr[m];
}

static inline void fake_msr_set(struct vcpu *v, enum vmsr m, uint64_t value)
{
	fake_msr[m] = value;
}

/* clang-format off */
#define FAKE_REGS \
	.reg_get = fake_reg_get, .reg_set = fake_reg_set, .seg_get = fake_seg_get, .seg_set = fake_seg_set, \
	.msr_get = fake_msr_get, .msr_set = fake_msr_set
/* clang-format on */
