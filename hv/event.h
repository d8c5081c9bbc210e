/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is to be injected into a vCPU, and in which order. No other code writes event fields of the
 * hardware: it asks here, and event_inject_next, called before each entry, decides.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/x86/desc.h" /* exception vectors */

struct vcpu;

/* Values are VMX's interruption types and SVM's EVENTINJ types where those agree. */
enum event_type {
	EVENT_INTERRUPT = 0,
	EVENT_NMI = 2,
	EVENT_EXCEPTION = 3,           /* hardware exception */
	EVENT_SOFT_INTERRUPT = 4,      /* INT n */
	EVENT_PRIV_SOFT_EXCEPTION = 5, /* INT1 (VMX only) */
	EVENT_SOFT_EXCEPTION = 6,      /* INT3, INTO */
};

struct guest_event {
	bool valid;
	uint8_t type; /* enum event_type */
	uint8_t vector;
	bool has_error;
	uint8_t insn_len; /* for the soft ones: the length of the instruction, to move RIP by at delivery */
	uint32_t error;
};

struct vcpu_events {
	struct guest_event requeued;  /* its delivery was interrupted by an exit: goes first */
	struct guest_event exception; /* raised by a handler */
	bool nmi_pending;
	bool interrupt_window, nmi_window; /* asked of the hardware at present */
};

/* Guest state that holds events back, as ops->blocking reports it. */
enum event_blocking {
	BLOCK_IF = 1 << 0,     /* RFLAGS.IF is 0 */
	BLOCK_SHADOW = 1 << 1, /* STI or MOV SS just before */
	BLOCK_NMI = 1 << 2,    /* between an NMI and its IRET */
};

/*
 * Raises a fault in v for its current instruction: RIP is not moved. Merges with an exception whose
 * delivery was interrupted as SDM Vol. 3A, "Interrupt 8-Double Fault Exception" says; a third fault
 * ends the VM as a triple fault.
 */
void event_raise(struct vcpu *v, uint8_t vector);
void event_raise_error(struct vcpu *v, uint8_t vector, uint32_t error);
/* A page fault at linear address cr2. */
void event_raise_pf(struct vcpu *v, uint64_t cr2, uint32_t error);
/* Called by a back end: the delivery of ev was cut short by the exit that is being decoded. */
void event_requeue(struct vcpu *v, const struct guest_event *ev);
/* Called by a back end: ev was injected, but the guest not entered. It goes back to where it came from. */
void event_take_back(struct vcpu *v, const struct guest_event *ev);
/* What v can take may have changed (a window opened): decide anew before the next entry. On v's CPU. */
void event_reconsider(struct vcpu *v);
/* Makes an NMI pending; any CPU. At most one is kept beside the one that is being handled. */
void event_nmi(struct vcpu *v);
/* Decides what v gets at the next entry and programs the hardware. On v's CPU, before each entry. */
void event_inject_next(struct vcpu *v);
/* True if v has something that would end a HLT. On v's CPU. */
bool event_pending(struct vcpu *v);
