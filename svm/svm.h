/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of svm/ share: the vCPU, the physical CPU, what the CPU can do. Nobody outside includes it;
 * svm_ops is the way in.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "hv/vcpu.h"
#include "svm/asid.h"
#include "svm/vmcb.h"

/* What the boot CPU has; every other CPU must have it too. */
struct svm_caps {
	uint32_t asids; /* the host's included */
	bool nrips, flush_by_asid, pause_filter, lbrv, tsc_rate;
	bool repeats_eventinj; /* QEMU's TCG: see svm_inject */
};
extern struct svm_caps svm_caps;

/* The I/O permission map, the same for every VM: all ports exit. */
extern uint64_t svm_iopm_pa;

/* Of each physical CPU that has SVM enabled. */
struct svm_cpu {
	_Alignas(PAGE_SIZE) struct vmcb host; /* the host's part of what VMLOAD loads */
	uint8_t host_save[PAGE_SIZE];         /* VM_HSAVE_PA: the CPU's own */
	uint64_t host_pa;
	struct asid_pool asids;
	uint64_t tsc_ratio;      /* in its MSR_TSC_RATIO, if it has that */
	struct svm_vcpu *loaded; /* between vcpu_load and vcpu_put; then GIF is 0 */
};

/* Why a vCPU's next entry is not a plain one. */
enum svm_pending {
	PENDING_ASID = 1 << 0,      /* its ASID may be old, or this CPU owes a flush */
	PENDING_FLUSH = 1 << 1,     /* its translations are stale */
	PENDING_KEEP = 1 << 3,      /* the last entry had a flush; this one has none */
	PENDING_STEP = 1 << 2,      /* stop it after one instruction, for the NMI window */
	PENDING_INTERRUPT = 1 << 4, /* the interrupt svm_vcpu.interrupt is to go in */
};

/* What the exit from this entry has to be looked at for. */
enum svm_watch {
	WATCH_STEP = 1 << 0,      /* TF was set for the NMI window */
	WATCH_INTERRUPT = 1 << 1, /* V_IRQ is an interrupt that goes in */
	WATCH_EVENT = 1 << 2,     /* after an event went in there is an NMI to look at */
};

/* The end of NMI blocking, which the hardware does not report. */
enum svm_nmi {
	NMI_OPEN,
	NMI_BLOCKED, /* an NMI was injected; IRET is intercepted */
	NMI_IRET,    /* IRET at iret_rip was intercepted and is to be executed next */
};

struct svm_vcpu {
	struct vcpu base;
	uint64_t vmcb_pa;
	uint32_t pending;      /* enum svm_pending */
	uint64_t watch;        /* enum svm_watch */
	uint32_t tpr;          /* the local APIC's, as int_ctl has it */
	struct svm_cpu *cpu;   /* where it is loaded; NULL: nowhere */
	struct svm_cpu *clean; /* the CPU that may have parts of the VMCB cached */
	struct asid asid;
	uint64_t cr0_hidden; /* CD and NW as the guest wrote them; the hardware's copy has neither */
	bool debug_live;     /* DR0-3 are switched with the vCPU and not intercepted */

	enum svm_nmi nmi;
	bool nmi_window;
	uint64_t iret_rip;
	uint64_t step_tf, step_dr6; /* RFLAGS.TF and DR6 as the guest has them */
	uint64_t interrupt_rip;     /* where the interrupt goes in */
	uint8_t interrupt;          /* and its vector */

	_Alignas(PAGE_SIZE) struct vmcb vmcb;
};

static inline struct svm_vcpu *to_svm(struct vcpu *v)
{
	return container_of(v, struct svm_vcpu, base);
}

/* entry.asm; ends in svm_exited. */
enum exit_action svm_enter(struct vcpu *v);
enum exit_action svm_exited(struct vcpu *v);

/* vcpu.c: what VMLOAD loads, brought into the VMCB of a loaded vCPU; and back after a change of it. */
void svm_state_sync(struct svm_vcpu *s);
void svm_state_reload(struct svm_vcpu *s);
/* DR0-3 of a loaded vCPU, into the hardware. */
void svm_debug_reload(struct svm_vcpu *s);

/* state.c: registers, in the VMCB. */
uint64_t svm_reg_get(struct vcpu *v, enum vreg r);
void svm_reg_set(struct vcpu *v, enum vreg r, uint64_t value);
void svm_seg_get(struct vcpu *v, enum vseg seg, struct vseg_desc *d);
bool svm_long_mode(struct vcpu *v);
unsigned svm_cpl(struct vcpu *v);
void svm_seg_set(struct vcpu *v, enum vseg seg, const struct vseg_desc *d);
uint64_t svm_msr_get(struct vcpu *v, enum vmsr m);
void svm_msr_set(struct vcpu *v, enum vmsr m, uint64_t value);
void svm_tsc_offset(struct vcpu *v, int64_t offset);
uint64_t svm_tsc_multiplier(uint64_t wanted);
/* MSR_TSC_RATIO for a multiplier that svm_tsc_multiplier gave, or for 1. */
uint64_t svm_tsc_ratio(uint64_t multiplier);
void svm_debug_set_live(struct svm_vcpu *s, bool live);
/* Everything but the addresses of the maps and of the nested page table. */
void svm_state_reset(struct svm_vcpu *s);

/* inject.c: events. */
uint32_t svm_blocking(struct vcpu *v);
bool svm_insn_completed(struct vcpu *v);
void svm_inject(struct vcpu *v, const struct guest_event *ev);
void svm_interrupt_window(struct vcpu *v, bool on);
void svm_nmi_window(struct vcpu *v, bool on);
/* Local APICs are the software's alone. */
void svm_lapic_changed(struct vcpu *v);
void svm_lapic_waits(struct vcpu *v, int vector);
/* Before an entry with PENDING_INTERRUPT, and after it. */
void svm_interrupt_begin(struct svm_vcpu *s);
void svm_interrupt_end(struct svm_vcpu *s);
/* Before an entry with PENDING_STEP, and after it. */
void svm_step_begin(struct svm_vcpu *s);
void svm_step_end(struct svm_vcpu *s, struct vm_exit *e);
/* VMEXIT_IRET. */
void svm_iret_intercepted(struct svm_vcpu *s);
/* The exit came during an event's delivery: hands it back to the core. */
void svm_requeue(struct svm_vcpu *s);
/* The guest is not entered: what was injected goes back to the core. */
void svm_take_back(struct svm_vcpu *s);

/* describe.c. */
int svm_describe_exit(struct vcpu *v, const struct vm_exit *e, char *buf, size_t size);
void svm_dump(struct vcpu *v, void (*line)(void *arg, const char *text), void *arg);

/* vcpu.c. */
enum status svm_vcpu_init(struct vcpu *v);
void svm_vcpu_fini(struct vcpu *v);
void svm_vcpu_reset(struct vcpu *v);
void svm_vcpu_load(struct vcpu *v);
void svm_vcpu_put(struct vcpu *v);
void svm_vcpu_unload(struct vcpu *v);
enum exit_action svm_vcpu_run(struct vcpu *v);
void svm_npt_flush(struct vcpu *v);

/* svm.c: the calling CPU's; NULL where SVM is off. */
struct svm_cpu *svm_this_cpu(void);
