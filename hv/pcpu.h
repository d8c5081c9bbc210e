/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Physical CPUs. Each has one host stack; its pcpu pointer is kept at the top of every stack
 * (host, NMI, #DF, #MC), so that it is found without GS, which may still be the guest's.
 *
 * Host code runs with interrupts disabled everywhere but at three points: the wait for an interrupt (pcpu_wait), the
 * interrupt window after a guest was left, in hv/cpu_loop.c, and those that Bochs needs, in vmx/host_irq.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/lib/list.h"
#include "hv/lib/lock.h"
#include "hv/lib/status.h"
#include "hv/lib/types.h"
#include "hv/x86/desc.h"
#include "mm/host_map.h"

#define MAX_PCPUS       256
#define STACK_SLOT_SIZE 0x8000UL /* address space of one stack: guard page below, pcpu pointer on top */

/* IST entries of the TSS, by number: index in tss.ist plus 1. */
enum pcpu_ist { PCPU_IST_NMI = 1, PCPU_IST_DF = 2, PCPU_IST_MC = 3, PCPU_IST_COUNT = 3 };

struct vcpu;
struct vm;

struct pcpu {
	uint32_t id;      /* 0 is the boot CPU; dense */
	uint32_t apic_id; /* of the hardware */
	bool online;
	bool virt_on;              /* VMX or SVM is enabled here */
	const char *virt_refused;  /* why not, where it isn't; a text for the operator */
	uint64_t stack_top;        /* virtual address, points at the pcpu pointer */
	struct host_window window; /* hv/frame.c */
	struct vm *address_space;  /* whose host CR3 is loaded; NULL: the common one */
	struct pt_span
	    found; /* in it, by vm_frames, the last; like a TLB it is emptied when another is loaded */
	const struct vm *last_vm; /* whose guest code ran here last; compared, never followed */
	struct vcpu *current;     /* atomic: whose state (FPU, debug registers, MSRs) is in the hardware */

	/* Bits of enum pcpu_request, set by any CPU with pcpu_request, taken by the owner. */
	uint32_t requests;
	void (*deadline_set)(
	    uint64_t tsc); /* hears of each deadline that the timer is set to; NULL: nobody does */
	bool in_guest;     /* in hv/vcpu.c's loop: a request must be announced by an interrupt */
	bool idle;         /* waits for an interrupt, in pcpu_wait */
	bool ready;        /* has come to pcpu_main and tried to enable virtualization */

	struct spinlock sched_lock; /* guards what follows, and the state of the vCPUs bound here */
	struct list run_queue;      /* vCPUs that are ready, by vruntime */
	struct vcpu *running;
	struct vcpu *next; /* of run_queue, goes before all others; NULL: none does */
	uint64_t run_start_ns, min_vruntime;
	uint64_t slice_end_ns; /* of running; UINT64_MAX: it has no rival */
	uint32_t bound;        /* vCPUs that are bound here */

	/* The CPU's own descriptor tables; VMX puts their addresses into the VMCS host area. */
	uint64_t gdt[HOST_GDT_BYTES / sizeof(uint64_t)];
	struct tss64 tss __attribute__((aligned(128))); /* must not cross a page */

	uint64_t irq_count, nmi_count;
	uint64_t guest_ns, idle_ns; /* time spent in guests' vCPUs, and idle */
};

enum pcpu_request {
	PCPU_RESCHEDULE = 1 << 0,
	PCPU_WORK = 1 << 1,
	PCPU_STOP = 1 << 2,  /* leave virtualization and halt for ever: reboot */
	PCPU_TIMER = 1 << 3, /* timer_run_due(): another CPU armed one here that is due first */
};

extern struct pcpu *pcpus[MAX_PCPUS];
extern uint32_t pcpu_count;

static inline struct pcpu *this_pcpu(void)
{
	uint64_t sp = (uint64_t)__builtin_frame_address(0);

	return *(struct pcpu **)((sp | (STACK_SLOT_SIZE - 1)) - 7);
}

/*
 * Sets request bits of p and, if it may be in a guest or idle, kicks it. p takes the bits by an atomic exchange;
 * it sets in_guest or idle by pcpu_set_flag before its last look at them. bits may be 0: only the kick.
 */
void pcpu_request(struct pcpu *p, uint32_t bits);

/*
 * CPU p, the calling one, is idle until an interrupt has been handled, or an NMI; not at all where there are requests,
 * its own or at `others`.
 */
void pcpu_wait(struct pcpu *p, const uint32_t *others);

/* Interrupts (or GIF) are off: the guest that is entered next is left before its first instruction. */
void pcpu_kick_self(void);

/* Kick CPUs that are in a guest by NMI, not by VECTOR_KICK. The back end's probe may set it. */
extern bool pcpu_kick_by_nmi;

/* Stores before every later load: between "I am in the guest" and the last look at requests. */
static inline void pcpu_set_flag(bool *flag, bool value)
{
	__atomic_store_n(flag, value, __ATOMIC_SEQ_CST);
}

/*
 * Boot CPU, interrupts off, after host_map_init: gives pcpu 0 its guarded stacks and its TSS and goes on in
 * `next` on the host stack. trap_init_early came before.
 */
[[gnu::noreturn]] void pcpu_init_boot(void (*next)(void));
/* Allocates a further pcpu with stacks; not counted in pcpu_count yet. NULL: no memory. */
struct pcpu *pcpu_alloc(uint32_t id, uint32_t apic_id);
/* Loads p's GDT, TSS and the IDT with IST stacks on the calling CPU. Also repairs them after a guest (SVM). */
void pcpu_load_tables(struct pcpu *p);
/* "host", "NMI", "#DF" or "#MC" and the CPU, if va is in a stack's guard page; NULL otherwise. */
const char *pcpu_guard_page(uint64_t va, uint32_t *cpu);
/* True if va is in a mapped stack of a CPU, or in the boot stack, with at least `len` bytes up to its end. */
bool pcpu_stack_contains(uint64_t va, uint64_t len);

/* hv/cpu_loop.c: what a CPU does once it is up. Each application processor comes here from smp_start. */
[[gnu::noreturn]] void pcpu_main(struct pcpu *p);
