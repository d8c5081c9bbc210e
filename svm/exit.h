/* SPDX-License-Identifier: BSD-2-Clause */
/* From a VMCB after #VMEXIT to the core's words. Pure functions of captured state. */
#pragma once

#include <stdbool.h>
#include "hv/decode.h"
#include "hv/event.h"
#include "hv/exit.h"
#include "hv/x86/cr.h"
#include "svm/vmcb.h"

#define EXIT_QUICK 0x80u /* decoded by svm_exit_decode_quick */
static_assert(EXIT_KIND_COUNT < EXIT_QUICK);

/* Kinds of the low exit codes, with EXIT_QUICK or without. */
extern const uint8_t svm_exit_kinds[VMEXIT_LOW_COUNT];

/* Bytes between RIP and next, 0 where that can't be one instruction. */
static inline uint8_t svm_exit_length(const struct vmcb *b, uint64_t next)
{
	uint64_t len = next - b->rip;

	return len <= INSN_MAX ? (uint8_t)len : 0;
}

static inline void svm_exit_decode_io(const struct vmcb *b, struct vm_exit *e)
{
	uint64_t info = b->exit_info1;

	e->qual[0] = info;
	e->qual[1] = b->exit_info2;
	/* EXITINFO2 is the next RIP, NRIPS or not. */
	e->insn_len = svm_exit_length(b, b->exit_info2);
	e->io.port = (uint16_t)(info >> IOIO_PORT_SHIFT);
	e->io.size = (info >> IOIO_SIZE_SHIFT) & IOIO_SIZE;
	e->io.in = info & IOIO_IN;
	e->io.string = info & IOIO_STRING;
	e->io.rep = info & IOIO_REP;
}

static inline void svm_exit_decode_npf(const struct vmcb *b, struct vm_exit *e)
{
	uint64_t info = b->exit_info1;

	e->kind = EXIT_NPF;
	e->reason = VMEXIT_NPF;
	e->insn_len = 0;
	e->qual[0] = info;
	e->qual[1] = b->exit_info2;
	e->npf.gpa = gpa(b->exit_info2);
	e->npf.present = info & PFERR_P;
	e->npf.write = info & PFERR_W;
	e->npf.fetch = info & PFERR_I;
	e->npf.table_walk = info & NPF_TABLE_WALK;
}

/* The short way, in line: fills e and returns true for port and MSR accesses, and where there is nothing but a kind. */
static inline bool svm_exit_decode_quick(const struct vmcb *b, bool nrips, struct vm_exit *e)
{
	uint64_t code = b->exit_code;

	if (code >= VMEXIT_LOW_COUNT || !(svm_exit_kinds[code] & EXIT_QUICK))
		return false;
	e->reason = code;
	e->kind = svm_exit_kinds[code] & ~EXIT_QUICK;
	if (e->kind == EXIT_IO) {
		svm_exit_decode_io(b, e);
		return true;
	}
	e->insn_len = nrips ? svm_exit_length(b, b->next_rip) : 0;
	if (e->kind == EXIT_RDMSR) {
		e->qual[0] = b->exit_info1;
		if (b->exit_info1 & MSR_INFO_WRITE)
			e->kind = EXIT_WRMSR;
	}
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
