/* SPDX-License-Identifier: BSD-2-Clause */
/* From a VMCB after #VMEXIT to the core's words. Pure functions of captured state. */
#pragma once

#include <stdbool.h>
#include "hv/decode.h"
#include "hv/event.h"
#include "hv/exit.h"
#include "svm/vmcb.h"

#define EXIT_PLAIN 0x80u /* the kind says it all */
static_assert(EXIT_KIND_COUNT < EXIT_PLAIN);

/* Kinds of the low exit codes, with EXIT_PLAIN or without. */
extern const uint8_t svm_exit_kinds[VMEXIT_LOW_COUNT];

/* Bytes between RIP and next, 0 where that can't be one instruction. */
static inline uint8_t svm_exit_length(const struct vmcb *b, uint64_t next)
{
	uint64_t len = next - b->rip;

	return len <= INSN_MAX ? (uint8_t)len : 0;
}

/* The short way, in line: fills e and returns true where there is nothing but a kind. */
static inline bool svm_exit_decode_plain(const struct vmcb *b, bool nrips, struct vm_exit *e)
{
	uint64_t code = b->exit_code;

	if (code >= VMEXIT_LOW_COUNT || !(svm_exit_kinds[code] & EXIT_PLAIN))
		return false;
	e->reason = code;
	e->kind = svm_exit_kinds[code] & ~EXIT_PLAIN;
	e->insn_len = nrips ? svm_exit_length(b, b->next_rip) : 0;
	return true;
}

/*
 * Fills e from b. nrips: the CPU saves the next RIP; without it the length of an instruction is known for
 * port accesses only.
 */
void svm_exit_decode(const struct vmcb *b, bool nrips, struct vm_exit *e);
/*
 * True if the exit came in the middle of an event's delivery that must be made again; ev is that event.
 * False for INT n, INT3 and INTO: RIP is still at the instruction, which will run again.
 */
bool svm_exit_interrupted(const struct vmcb *b, struct guest_event *ev);
