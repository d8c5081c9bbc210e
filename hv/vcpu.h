/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtual CPU: the vendor-neutral part. vmx/ and svm/ embed it first in their own struct. While it
 * runs, its state belongs to its physical CPU; others set a request bit and kick.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/event.h"
#include "hv/exit.h"
#include "hv/insn.h"
#include "hv/lib/list.h"
#include "hv/msr.h"
#include "hv/ops.h"
#include "hv/pcpu.h"
#include "hv/pv_steal.h"
#include "hv/timer.h"
#include "hv/vdev/lapic.h"

struct vm;

/* Numbers of the general registers, as ModRM counts them. */
enum gpr { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15, GPR_COUNT };

enum vcpu_state {
	VCPU_OFF,       /* the VM isn't running */
	VCPU_WAIT_SIPI, /* an application processor before its SIPI */
	VCPU_READY,     /* in a run queue, or running; also in HLT, as long as nobody else wants its CPU */
	VCPU_HALTED,    /* HLT, off its CPU; an event makes it ready */
	VCPU_CAPPED,    /* it would be ready, but its VM has used up its time (hv/sched_cap.h) */
	VCPU_PARKED,    /* the VM is paused or has stopped; state is complete in memory */
};

enum vcpu_request {
	VREQ_EVENT = 1 << 0, /* what may be injected has changed */
	VREQ_PARK = 1 << 1,  /* the VM is to pause or stop */
	VREQ_INIT = 1 << 2,  /* an INIT has come */
	VREQ_SIPI = 1 << 3,  /* a SIPI has come: vcpu->sipi_vector */
	VREQ_FLUSH = 1 << 4, /* what is cached of the second-stage tables is out of date */
};

/* Why vcpu_execute came back. */
enum vcpu_leave {
	LEAVE_READY,  /* the CPU is wanted for something else */
	LEAVE_YIELD,  /* it spins, waiting for another vCPU of its VM */
	LEAVE_ASLEEP, /* halted, or waiting for a SIPI */
	LEAVE_PARKED,
};

/* The guest's values of what the hardware does not switch, while hv/xstate.c has not loaded them. */
struct vcpu_msrs {
	uint64_t tsc_aux, spec_ctrl;
};

struct vcpu {
	uint64_t gpr[GPR_COUNT]; /* the guest's, while it is out; RSP isn't here: vcpu_gpr() */
	uint64_t rip;            /* valid from an exit to the next entry; written by the dispatcher only */
	uint64_t dr[4];          /* DR0-3; DR6 and DR7: ops->reg_get */

	struct vm *vm;
	uint32_t id;      /* in the VM, and its APIC ID */
	struct pcpu *cpu; /* atomic: where it runs or will run; changes while it doesn't, in hv/sched.c */

	struct list run_link;
	enum vcpu_state state;  /* guarded by cpu->sched_lock, as are vruntime and run_link */
	uint64_t vruntime;      /* CPU time had, in ns times CPU_WEIGHT_DEFAULT / weight */
	uint32_t requests;      /* enum vcpu_request, atomic */
	bool halted, wait_sipi; /* its own CPU's: which kind of sleep it is in */
	uint8_t sipi_vector;    /* of the first SIPI since the last INIT */
	bool unhalted;          /* atomic: vcpu_unhalt came; it ends this HLT or the next one */

	struct vcpu_events events;
	struct vcpu_msrs msrs;
	/* The guest's CR2, should a page fault of the host take its place: hv/vm_absent.h. */
	uint64_t cr2_kept;
	struct msr_state msr; /* values of emulated MSRs */
	uint32_t *pv_eoi; /* the word that msr.pv_eoi enables, in the VM's host address space; NULL: none */
	uint64_t xcr0;
	void *xsave;        /* 64-byte aligned area of xsave_size() bytes */
	int64_t tsc_offset; /* guest TSC = tsc_scale(vm->tsc.multiplier, host TSC) + tsc_offset */

	struct insn_known known[INSN_KNOWN_COUNT];
	uint64_t
	    unexplained_exit; /* hv/emulate.c: number of the last exit that its instruction didn't explain */
	unsigned unexplained; /* and how many in a row */
	struct vm_exit last_exit;
	uint64_t exits[EXIT_KIND_COUNT];
	uint64_t guest_ns;  /* time it had a CPU */
	uint64_t ready_ns;  /* host clock when it became ready */
	uint64_t waited_ns; /* since power-on, the time that it was ready and had no CPU */
	struct pv_steal steal;
	struct vlapic lapic; /* last, for its page's alignment */
};

static inline uint64_t vcpu_reg_get(struct vcpu *v, enum vreg r)
{
	return ops->reg_get(v, r);
}

static inline void vcpu_reg_set(struct vcpu *v, enum vreg r, uint64_t value)
{
	ops->reg_set(v, r, value);
}

/* General register n (0-15), RSP included. */
static inline uint64_t vcpu_gpr(struct vcpu *v, unsigned n)
{
	return n == RSP ? ops->reg_get(v, VREG_RSP) : v->gpr[n];
}

static inline void vcpu_gpr_set(struct vcpu *v, unsigned n, uint64_t value)
{
	if (n == RSP)
		ops->reg_set(v, VREG_RSP, value);
	else
		v->gpr[n] = value;
}

/* Allocates and initialises v's back end state and XSAVE area; the VM's address space exists. */
enum status vcpu_create(struct vm *vm, uint32_t id, struct vcpu **out);
void vcpu_destroy(struct vcpu *v);
/* The state after power-on: vCPU 0 ready, the others waiting for a SIPI. v is not running. */
void vcpu_reset(struct vcpu *v);
/* Runs v on this CPU until the CPU is wanted otherwise, v sleeps or is parked. */
enum vcpu_leave vcpu_execute(struct vcpu *v);

/* From the local APICs: INIT and start-up interrupts for v. Any CPU. */
void vcpu_init_signal(struct vcpu *v);
void vcpu_sipi(struct vcpu *v, uint8_t vector);

/* Ends v's HLT, or its next one, without an event, whatever its RFLAGS.IF. Any CPU. */
void vcpu_unhalt(struct vcpu *v);

/* Does somebody want something of v, or of the CPU that it has? v's CPU only. */
static inline bool vcpu_is_wanted(const struct vcpu *v)
{
	volatile const uint32_t *of_cpu = &v->cpu->requests, *own = &v->requests;

	return *of_cpu | *own;
}

/* Sets request bits and makes v notice: wakes it if halted, kicks its CPU if it is in the guest. Any CPU. */
void vcpu_request(struct vcpu *v, uint32_t bits);
/* Seen from this CPU: is it elsewhere, waiting here for its turn, or here, running or asleep? */
enum vcpu_place { VCPU_ELSEWHERE, VCPU_WAITING, VCPU_HERE };
enum vcpu_place vcpu_place(const struct vcpu *v);
/* The guest's TSC now. */
uint64_t vcpu_tsc(const struct vcpu *v);

/* CPU modes as the decoder needs them. */
enum cpu_mode { MODE_REAL, MODE_V86, MODE_PROT16, MODE_PROT32, MODE_COMPAT16, MODE_COMPAT32, MODE_LONG };
enum cpu_mode vcpu_mode(struct vcpu *v);
/* Current privilege level, 0-3. */
static inline unsigned vcpu_cpl(struct vcpu *v)
{
	return ops->cpl(v);
}
