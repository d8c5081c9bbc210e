/* SPDX-License-Identifier: BSD-2-Clause */
/* From a VMCB after #VMEXIT to the core's words. Pure functions of captured state. */
#pragma once

#include <stdbool.h>
#include "hv/decode.h"
#include "hv/event.h"
#include "hv/exit.h"
#include "hv/x86/cr.h"
#include "svm/vmcb.h"

#define EXIT_DETAILS 0x80u /* there is more to an exit than its kind */
static_assert(EXIT_KIND_COUNT < EXIT_DETAILS);

/* Kinds of the low exit codes, with EXIT_DETAILS or without. */
extern const uint8_t svm_exit_kinds[VMEXIT_LOW_COUNT];

/* next, if the instruction at RIP can end there; else 0. */
static inline uint64_t svm_exit_next(const struct vmcb *b, uint64_t next)
{
	return next - b->rip - 1 < INSN_MAX ? next : 0;
}

/* The parts of the decoder that are in line for the short way. They leave next_rip to the caller. */
static inline bool svm_exit_is_plain(uint64_t code)
{
	/* Neither EXIT_NONE nor with the uppermost bit. */
	return code < VMEXIT_LOW_COUNT && (int8_t)svm_exit_kinds[code] > 0;
}

static inline void svm_exit_decode_plain(const struct vmcb *b, struct vm_exit *e)
{
	e->kind = svm_exit_kinds[b->exit_code];
	e->reason = b->exit_code;
	e->insn_len = 0;
}

static inline void svm_exit_decode_io(const struct vmcb *b, struct vm_exit *e)
{
	uint64_t info = b->exit_info1;

	e->kind = EXIT_IO;
	e->reason = VMEXIT_IOIO;
	e->insn_len = 0;
	/* The bits are the same, at other places: hv/exit.h. One of three bits says the size. */
	e->io.word = (uint32_t)(info & IOIO_PORT) | (info & IOIO_IN) << 3 |
		     (info & (IOIO_STRING | IOIO_REP)) << 2 | (((info >> IOIO_SIZE_SHIFT) - 1) & IOIO_SIZE);
}

static inline void svm_exit_decode_msr(const struct vmcb *b, struct vm_exit *e)
{
	e->kind = b->exit_info1 & MSR_INFO_WRITE ? EXIT_WRMSR : EXIT_RDMSR;
	e->reason = VMEXIT_MSR;
	e->insn_len = 0;
	e->qual[0] = b->exit_info1;
}

static inline void svm_exit_decode_call(const struct vmcb *b, struct vm_exit *e)
{
	e->kind = EXIT_HYPERCALL;
	e->reason = VMEXIT_VMMCALL;
	e->insn_len = 0;
	e->call.cpl = b->cpl;
	e->call.long_mode = vmcb_long_mode(b);
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
	e->npf.word = (uint32_t)info & (PFERR_P | PFERR_W | PFERR_I);
	e->npf.table_walk = info / NPF_TABLE_WALK;
	e->npf.known = NULL;
}

/*
 * Fills e from b. nrips: the CPU saves the next RIP; without it the length of an instruction is known for
 * port accesses only.
 */
void svm_exit_decode(const struct vmcb *b, bool nrips, struct vm_exit *e);
/*
 * EXITINTINFO or EVENTINJ: true if there is an event whose delivery is (still, or again) to be made; ev is that event.
 * False for INT n, INT3 and INTO: RIP is still at the instruction, which will run again.
 */
bool svm_event_decode(uint64_t info, struct guest_event *ev);
