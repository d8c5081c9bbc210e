/* SPDX-License-Identifier: BSD-2-Clause */
/* Decodes exits; see svm/exit.h. Each kind reads the fields that it needs and no others. */
#include "svm/exit.h"
#include "hv/x86/cr.h"
#include "hv/x86/desc.h"

/* What isn't named is EXIT_NONE (0) and becomes EXIT_UNKNOWN. */
const uint8_t svm_exit_kinds[VMEXIT_LOW_COUNT] = {
    [VMEXIT_CR0_READ... VMEXIT_CR0_READ + 15] = EXIT_CR | EXIT_DETAILS,
    [VMEXIT_CR0_WRITE... VMEXIT_CR0_WRITE + 15] = EXIT_CR | EXIT_DETAILS,
    [VMEXIT_DR0_READ... VMEXIT_DR0_READ + 15] = EXIT_DR | EXIT_DETAILS,
    [VMEXIT_DR0_WRITE... VMEXIT_DR0_WRITE + 15] = EXIT_DR | EXIT_DETAILS,
    [VMEXIT_EXCP0... VMEXIT_EXCP0 + EXC_MC - 1] = EXIT_EXCEPTION | EXIT_DETAILS,
    [VMEXIT_EXCP0 + EXC_MC] = EXIT_MACHINE_CHECK,
    [VMEXIT_EXCP0 + EXC_MC + 1 ... VMEXIT_EXCP0 + EXC_COUNT - 1] = EXIT_EXCEPTION | EXIT_DETAILS,
    [VMEXIT_INTR] = EXIT_INTERRUPT | EXIT_DETAILS,
    [VMEXIT_NMI] = EXIT_NMI | EXIT_DETAILS,       /* taken when GIF is 1 again */
    [VMEXIT_SMI] = EXIT_INTERRUPT | EXIT_DETAILS, /* taken like one */
    [VMEXIT_INIT] = EXIT_INIT,
    [VMEXIT_VINTR] = EXIT_INTR_WINDOW,
    [VMEXIT_CR0_SEL_WRITE] = EXIT_CR | EXIT_DETAILS,
    [VMEXIT_RDTSC] = EXIT_RDTSC,
    [VMEXIT_RDPMC] = EXIT_RDPMC,
    [VMEXIT_CPUID] = EXIT_CPUID,
    [VMEXIT_INVD] = EXIT_WBINVD,
    [VMEXIT_PAUSE] = EXIT_PAUSE,
    [VMEXIT_HLT] = EXIT_HLT,
    [VMEXIT_INVLPG] = EXIT_INVLPG,
    [VMEXIT_INVLPGA] = EXIT_UNDEFINED_INSN,
    [VMEXIT_IOIO] = EXIT_IO | EXIT_DETAILS,
    [VMEXIT_MSR] = EXIT_RDMSR | EXIT_DETAILS, /* or EXIT_WRMSR: EXITINFO1 tells */
    [VMEXIT_SHUTDOWN] = EXIT_TRIPLE_FAULT,
    [VMEXIT_VMRUN] = EXIT_UNDEFINED_INSN,
    [VMEXIT_VMMCALL] = EXIT_HYPERCALL | EXIT_DETAILS,
    [VMEXIT_VMLOAD] = EXIT_UNDEFINED_INSN,
    [VMEXIT_VMSAVE] = EXIT_UNDEFINED_INSN,
    [VMEXIT_STGI] = EXIT_UNDEFINED_INSN,
    [VMEXIT_CLGI] = EXIT_UNDEFINED_INSN,
    [VMEXIT_SKINIT] = EXIT_UNDEFINED_INSN,
    [VMEXIT_RDTSCP] = EXIT_RDTSCP,
    [VMEXIT_WBINVD] = EXIT_WBINVD,
    [VMEXIT_MONITOR] = EXIT_MONITOR,
    [VMEXIT_MWAIT] = EXIT_MONITOR,
    [VMEXIT_MWAIT_CONDITIONAL] = EXIT_MONITOR,
    [VMEXIT_XSETBV] = EXIT_XSETBV,
    [VMEXIT_RDPRU] = EXIT_UNDEFINED_INSN,
    [VMEXIT_INVPCID] = EXIT_UNDEFINED_INSN,
};

/* DR6 bits that VMX's exit qualification has at the same places, and BT. */
#define DB_PAYLOAD (DR6_B0 | DR6_B1 | DR6_B2 | DR6_B3 | DR6_BD | DR6_BS | DR6_BT)

/*
 * Without decode assists the register isn't told, nor whether a write of CR0 was MOV or LMSW: with
 * EXIT_GPR_DECODE `access` says no more than read or write.
 */
static void decode_cr(const struct vmcb *b, struct vm_exit *e)
{
	uint64_t info = b->exit_info1;
	uint64_t code = b->exit_code;

	e->qual[0] = info;
	e->cr.number = code == VMEXIT_CR0_SEL_WRITE ? 0 : code & 0xf;
	e->cr.access = code >= VMEXIT_CR0_WRITE ? CR_WRITE : CR_READ;
	e->cr.gpr = info & CR_INFO_MOV ? info & CR_INFO_GPR : EXIT_GPR_DECODE;
}

static void decode_dr(const struct vmcb *b, struct vm_exit *e)
{
	e->dr.number = b->exit_code & 0xf;
	e->dr.write = b->exit_code >= VMEXIT_DR0_WRITE;
	e->dr.gpr = EXIT_GPR_DECODE;
}

static void decode_exception(const struct vmcb *b, struct vm_exit *e)
{
	uint8_t vector = (uint8_t)(b->exit_code - VMEXIT_EXCP0);

	e->qual[0] = b->exit_info1;
	e->qual[1] = b->exit_info2;
	e->exc.vector = vector;
	e->exc.has_error = EXC_WITH_ERROR >> vector & 1;
	e->exc.error = e->exc.has_error ? (uint32_t)b->exit_info1 : 0;
	e->exc.payload = 0;
	if (vector == EXC_PF)
		e->exc.payload = b->exit_info2;
	else if (vector == EXC_DB)
		e->exc.payload = b->dr6 & DB_PAYLOAD;
}

static void decode_other(const struct vmcb *b, struct vm_exit *e)
{
	e->reason = b->exit_code;
	e->insn_len = 0;
	e->qual[0] = b->exit_info1;
	e->qual[1] = b->exit_info2;
	e->kind = (uint32_t)b->exit_code == VMEXIT_INVALID32 ? EXIT_ENTRY_FAILED : EXIT_UNKNOWN;
}

static void decode_details(const struct vmcb *b, struct vm_exit *e)
{
	switch (e->kind) {
	case EXIT_INTERRUPT:
	case EXIT_NMI:
		e->irq.acknowledged = false;
		break;
	case EXIT_IO:
		svm_exit_decode_io(b, e);
		break;
	case EXIT_RDMSR:
		svm_exit_decode_msr(b, e);
		break;
	case EXIT_HYPERCALL:
		svm_exit_decode_call(b, e);
		break;
	case EXIT_CR:
		decode_cr(b, e);
		break;
	case EXIT_DR:
		decode_dr(b, e);
		break;
	default:
		decode_exception(b, e);
		break;
	}
}

/* IOIO's EXITINFO2 is the next RIP, NRIPS or not. What is an event and no instruction has none. */
static uint8_t length(const struct vmcb *b, bool nrips, const struct vm_exit *e)
{
	uint64_t next = 0;

	if (e->kind == EXIT_IO)
		next = svm_exit_next(b, b->exit_info2);
	else if (nrips && e->kind != EXIT_EXCEPTION)
		next = svm_exit_next(b, b->next_rip);
	return next ? (uint8_t)(next - b->rip) : 0;
}

void svm_exit_decode(const struct vmcb *b, bool nrips, struct vm_exit *e)
{
	uint64_t code = b->exit_code;

	e->next_rip = 0;
	if (code == VMEXIT_NPF) {
		svm_exit_decode_npf(b, e);
		return;
	}
	if (code >= VMEXIT_LOW_COUNT || svm_exit_kinds[code] == EXIT_NONE) {
		decode_other(b, e);
		return;
	}
	svm_exit_decode_plain(b, e);
	if (!svm_exit_is_plain(code)) {
		e->kind = svm_exit_kinds[code] & ~EXIT_DETAILS;
		decode_details(b, e);
	}
	e->insn_len = length(b, nrips, e);
}

bool svm_event_decode(uint64_t info, struct guest_event *ev)
{
	uint8_t vector = info & EVENT_VECTOR;
	uint8_t type = info >> EVENT_TYPE_SHIFT & EVENT_TYPE;

	if (!(info & EVENT_VALID))
		return false;
	/* EVENT_SOFT_INTERRUPT, and types that no manual lists. */
	if (type != EVENT_INTERRUPT && type != EVENT_NMI && type != EVENT_EXCEPTION)
		return false;
	/* INT3 and INTO have the type of exceptions. */
	if (type == EVENT_EXCEPTION && (vector == EXC_BP || vector == EXC_OF))
		return false;
	*ev = (struct guest_event){
	    .valid = true,
	    .type = type,
	    .vector = vector,
	    .has_error = info & EVENT_ERROR_VALID,
	    .error = (uint32_t)(info >> EVENT_ERROR_SHIFT),
	};
	return true;
}
