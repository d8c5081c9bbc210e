/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The end of an instruction that a handler has dealt with, the short way, in line in the vCPU's loop. This and
 * exit_advance_and (hv/exit.c) are the only places that move RIP.
 */
#pragma once

#include "hv/vcpu.h"

/* False: exit_advance_and must do it. */
static inline bool exit_advance_quick(struct vcpu *v)
{
	uint64_t next = v->last_exit.next_rip;

	if (!next)
		return false;
	v->rip = next;
	return true;
}
