/* SPDX-License-Identifier: BSD-2-Clause */
/* The end of an instruction that a handler has dealt with: the only place that moves RIP. In line in the vCPU's loop. */
#pragma once

#include "hv/event.h"
#include "hv/vcpu.h"
#include "hv/x86/cr.h"

/*
 * Moves RIP and ends what lasts for one instruction: the STI and MOV-SS shadow, RFLAGS.RF, and the single step, whose
 * trap the hardware would have raised.
 */
static inline void exit_complete(struct vcpu *v, uint64_t rip)
{
	v->rip = rip;
	if (v->last_exit.odd && ops->insn_completed(v)) {
		vcpu_reg_set(v, VREG_DR6, vcpu_reg_get(v, VREG_DR6) | DR6_BS);
		event_raise(v, EXC_DB);
	}
}

/* Completes the instruction of v->last_exit: RIP goes behind it. False: a fault was raised instead. */
static inline bool exit_advance(struct vcpu *v)
{
	uint64_t rip;

	if (!v->last_exit.insn_len && !exit_find_length(v))
		return false;
	rip = v->rip + v->last_exit.insn_len;
	if ((uint32_t)rip < v->last_exit.insn_len && vcpu_mode(v) != MODE_LONG)
		rip = (uint32_t)rip;
	exit_complete(v, rip);
	return true;
}
