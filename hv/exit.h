/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One decoded exit, in the vendor-neutral words that hv/exit.c dispatches on. The back ends fill it from
 * hardware state and nothing else; what an exit kind does not use stays undefined.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/lib/types.h"

struct vcpu;
struct insn_known;

enum exit_kind {
	EXIT_NONE,      /* nothing for the core: the back end dealt with it */
	EXIT_INTERRUPT, /* a host interrupt is waiting (or, on VMX, was acknowledged: irq.vector) */
	EXIT_NMI, /* a host NMI, which is waiting, or was delivered to the host's handler: irq.acknowledged */
	EXIT_PREEMPT_TIMER,
	EXIT_INTR_WINDOW,
	EXIT_NMI_WINDOW,
	EXIT_CPUID,
	EXIT_HLT,
	EXIT_PAUSE,
	EXIT_IO, /* io */
	EXIT_RDMSR,
	EXIT_WRMSR,
	EXIT_CR, /* cr */
	EXIT_DR, /* dr */
	EXIT_XSETBV,
	EXIT_RDTSC,
	EXIT_RDTSCP,
	EXIT_RDPMC,
	EXIT_WBINVD, /* and INVD, WBNOINVD */
	EXIT_INVLPG,
	EXIT_MONITOR,        /* MONITOR, MWAIT */
	EXIT_HYPERCALL,      /* VMCALL, VMMCALL: call */
	EXIT_UNDEFINED_INSN, /* an instruction of a feature that guests don't have: #UD */
	EXIT_NPF,            /* npf */
	EXIT_EXCEPTION,      /* exc */
	EXIT_TASK_SWITCH,    /* task */
	EXIT_TRIPLE_FAULT,
	EXIT_INIT,         /* the physical CPU got an INIT */
	EXIT_ENTRY_FAILED, /* the hardware refused the guest state; the report says which field */
	EXIT_MACHINE_CHECK,
	/* Where the hardware knows local APICs; RIP is behind the instruction. */
	EXIT_TPR,        /* TPR no longer holds back what waits */
	EXIT_EOI,        /* apic.vector, a level's, has ended */
	EXIT_APIC_WRITE, /* the guest has written the register at apic.offset of its page */
	EXIT_UNKNOWN,
	EXIT_KIND_COUNT,
};

#define EXIT_IO_FORM    0x1f /* of io.word: last, in, string; all 0: one byte, OUT */
#define EXIT_GPR_DECODE 0xff /* the hardware doesn't tell the register: decode the instruction */

enum cr_access { CR_READ, CR_WRITE, CR_CLTS, CR_LMSW };

struct vm_exit {
	enum exit_kind kind;
	uint8_t insn_len; /* bytes of the instruction that caused it; 0: unknown, or next_rip tells */
	/*
	 * RIP behind the instruction, where it is known and to go there is all that completes it: no shadow of STI or
	 * MOV SS ends, RFLAGS.RF is 0, no single step is due. Else 0.
	 */
	uint64_t next_rip;
	/* As the hardware gave them, for the report; what it gave none of is undefined. */
	uint64_t reason, qual[3];
	uint64_t branch_to; /* a handler's, for ACT_BRANCH */
	union {
		struct {
			uint8_t vector;
			bool acknowledged;
		} irq;
		union {
			uint32_t word; /* as SDM Vol. 3C, "Exit Qualification for I/O Instructions" has it */
			struct {
				uint32_t last : 3; /* bytes, less one: 0, 1, 3 */
				uint32_t in : 1, string : 1, rep : 1, : 10;
				uint32_t port : 16;
			};
		} io;
		struct {
			uint8_t cpl;
			bool long_mode; /* 64-bit mode */
		} call;
		struct {
			uint8_t number; /* 0, 3, 4, 8 */
			uint8_t gpr;    /* 0-15 or EXIT_GPR_DECODE */
			enum cr_access access;
			uint16_t
			    lmsw; /* source operand, where access is CR_LMSW and gpr is not EXIT_GPR_DECODE */
		} cr;
		struct {
			uint8_t number, gpr;
			bool write;
		} dr;
		struct {
			gpa_t gpa;
			union {
				uint32_t word; /* the lower bits as in a page fault's error code */
				struct {
					uint32_t present : 1, write : 1, : 2, fetch : 1, : 26;
					uint32_t
					    table_walk : 1; /* the access was of the guest's own paging structures */
				};
			};
			/* The instruction, where the back end found it among the known and nothing is against
			 * next_rip; NULL: look for it. */
			struct insn_known *known;
		} npf;
		struct {
			uint8_t vector;
			uint16_t offset;
		} apic;
		struct {
			uint8_t vector;
			bool has_error;
			uint32_t error;
			uint64_t
			    payload; /* #PF: linear address; #DB: DR6 as VMX's exit qualification lays it out */
		} exc;
		struct {
			uint16_t selector;
			bool from_iret, from_jump, from_idt, has_error;
			uint32_t error;
		} task;
	};
};

/* Bytes of a port access: 1, 2 or 4. */
static inline unsigned exit_io_size(const struct vm_exit *e)
{
	return e->io.last + 1;
}

/* What the dispatcher does after a handler. */
enum exit_action {
	ACT_ADVANCE,      /* move RIP behind the instruction, then enter again */
	ACT_ADVANCE_HALT, /* the same, then halt until an event */
	ACT_BRANCH,       /* the instruction is done: RIP becomes branch_to */
	ACT_REPEAT,  /* repetitions of it are done, others are left: RIP stays, and the host gets a chance */
	ACT_YIELD,   /* as ACT_ADVANCE, then let another vCPU run: PAUSE in a loop */
	ACT_RESUME,  /* enter again; RIP is as it should be (a fault was queued, or a restart is wanted) */
	ACT_LEAVE,   /* leave the vCPU loop so that the host can take interrupts and reschedule */
	ACT_STOPPED, /* the VM's state was changed (vm_crash, vm_request): do not enter again */
	ACT_ADVANCE_LAST = ACT_YIELD,
};

/* Handles v->last_exit: accounts for it and calls the handler. */
enum exit_action exit_dispatch(struct vcpu *v);
/* Completes the instruction, then does what act asks for; returns what is left of it: ACT_RESUME, ACT_LEAVE or ACT_YIELD. */
enum exit_action exit_advance_and(struct vcpu *v, enum exit_action act);
/* The field's name for a kind, "CPUID", "I/O". */
const char *exit_kind_name(enum exit_kind k);
