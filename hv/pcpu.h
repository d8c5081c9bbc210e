/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Physical CPUs. Each has one host stack; its pcpu pointer is kept at the top of every stack
 * (host, NMI, #DF, #MC), so that it is found without GS, which may still be the guest's.
 *
 * Host code runs with interrupts disabled everywhere but at two points, both in hv/sched.c: the idle
 * wait (sti; hlt) and the interrupt window after a guest was left because of an interrupt.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/lib/list.h"
#include "hv/lib/lock.h"
#include "hv/lib/status.h"
#include "hv/lib/types.h"

#define MAX_PCPUS       256
#define STACK_SLOT_SIZE 0x8000UL /* address space of one stack: guard page below, pcpu pointer on top */

struct vcpu;
struct vm;

struct pcpu {
	uint32_t id;      /* 0 is the boot CPU; dense */
	uint32_t apic_id; /* of the hardware */
	bool online;
	bool virt_on;             /* VMX or SVM is enabled here */
	const char *virt_refused; /* why not, where it isn't; a text for the operator */
	uint64_t stack_top;       /* virtual address, points at the pcpu pointer */
	struct vm *address_space; /* whose host CR3 is loaded; NULL: the common one */
	struct vcpu *current;     /* whose state (FPU, debug registers, MSRs) is in the hardware */

	/* Bits of enum pcpu_request, set by any CPU with pcpu_request, taken by the owner. */
	uint32_t requests;
	bool in_guest; /* in hv/vcpu.c's loop: a request must be announced by an interrupt */
	bool idle;
	bool does_work; /* one of [host] cpuset: runs host work */

	struct spinlock sched_lock; /* guards what follows, and the state of the vCPUs bound here */
	struct list run_queue;      /* vCPUs that are ready, by vruntime */
	struct vcpu *running;
	uint64_t run_start_ns, min_vruntime;
	uint32_t bound; /* vCPUs that are bound here */

	uint64_t irq_count, nmi_count;
	uint64_t guest_ns, idle_ns; /* time spent in guests' vCPUs, and idle */
};

enum pcpu_request {
	PCPU_RESCHEDULE = 1 << 0,
	PCPU_WORK = 1 << 1,
	PCPU_STOP = 1 << 2, /* leave virtualization and halt for ever: reboot, panic */
};

extern struct pcpu *pcpus[MAX_PCPUS];
extern uint32_t pcpu_count;

static inline struct pcpu *this_pcpu(void)
{
	uint64_t sp = (uint64_t)__builtin_frame_address(0);

	return *(struct pcpu **)((sp | (STACK_SLOT_SIZE - 1)) - 7);
}

/* Sets request bits of p and, if it may be in a guest or idle, sends it VECTOR_KICK. */
void pcpu_request(struct pcpu *p, uint32_t bits);
