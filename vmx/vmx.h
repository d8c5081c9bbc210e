/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of vmx/ share: the vCPU with its VMCS, a physical CPU's VMX state, the world switch. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/lib/status.h"
#include "hv/lib/util.h"
#include "hv/pcpu.h"
#include "hv/vcpu.h"
#include "vmx/caps.h"
#include "vmx/vmcs.h"

/* Registers that are read from the VMCS at most once an exit. */
enum vmx_cached { CACHED_RSP, CACHED_RFLAGS, CACHED_INTERRUPTIBILITY, CACHED_COUNT };

/* MSRs that SYSCALL and SWAPGS use: the host uses none of them, so they stay the guest's from load to put. */
enum vmx_live_msr { LIVE_KERNEL_GS_BASE, LIVE_STAR, LIVE_LSTAR, LIVE_CSTAR, LIVE_SFMASK, LIVE_COUNT };

/* Elements of the MSR areas, where the controls for PAT or EFER are missing. */
enum vmx_msr_slot { SLOT_PAT, SLOT_EFER, SLOT_COUNT };

#define NO_CPU UINT32_MAX

struct vmx_vcpu {
	struct vcpu base;
	void *vmcs;
	uint64_t host_rsp; /* as VMCS_HOST_RSP holds it */
	uint64_t hw_rip;   /* as VMCS_GUEST_RIP held it at the last exit */
	bool loaded; /* on the CPU that asks, since a vCPU is accessed where it is loaded or else parked */

	uint64_t cache[CACHED_COUNT];
	uint32_t cached; /* bit n: cache[n] is valid */

	uint32_t proc_controls, proc2_controls, entry_controls; /* as the VMCS holds them */
	uint8_t tpr_threshold;
	uint64_t cr0_shadow, cr4_shadow, efer, pat;
	uint64_t dr6, cr2;         /* while not loaded */
	uint64_t live[LIVE_COUNT]; /* while not loaded */

	struct guest_event injected; /* what VMCS_ENTRY_INTR_INFO has, while that is valid */
	bool nmi_delivered;          /* the guest may be between an NMI and its IRET */

	uint32_t last_cpu; /* where it was loaded last */
	uint16_t vpid;     /* of vpid_cpu's generation vpid_generation */
	uint64_t vpid_generation;
	bool flush_vpid, flush_ept; /* before the next entry */

	struct vmx_msr_entry entry_area[SLOT_COUNT] __attribute__((aligned(16)));
	struct vmx_msr_entry exit_area[SLOT_COUNT] __attribute__((aligned(16)));
};

static inline struct vmx_vcpu *to_vmx(struct vcpu *v)
{
	return container_of(v, struct vmx_vcpu, base);
}

struct vmx_cpu {
	void *region; /* VMXON region */
	bool on;
	struct vmx_vcpu *loaded; /* between vcpu_load and vcpu_unload */
	uint16_t next_vpid;
	uint64_t vpid_generation; /* VPIDs of an older one are void */
};

extern struct vmx_caps vmx_caps; /* of every CPU, as decided on the boot CPU */

/* vmx/cpu.c */
enum status vmx_probe(const char **why);
enum status vmx_cpu_enable(const char **why);
void vmx_cpu_disable(void);
struct vmx_cpu *vmx_this_cpu(void);
/* Gives x a VPID of this CPU if it has none that is valid here. */
void vmx_vpid_assign(struct vmx_cpu *c, struct vmx_vcpu *x);
/* The translations that x wants forgotten before its next entry, which is on this CPU. */
void vmx_flush(struct vmx_vcpu *x);
/* The VMCS field for the VM's tables. */
uint64_t vmx_ept_pointer(const struct vmx_vcpu *x);

/* vmx/vcpu.c: x's VMCS is current between the two, wherever x is loaded or parked. */
struct vmx_scope {
	struct vmx_vcpu *x;
	bool borrowed; /* x is parked: its VMCS was made current for the occasion */
};
void vmx_borrow(struct vmx_vcpu *x);
void vmx_give_back(struct vmx_vcpu *x);

static inline struct vmx_scope vmx_scope_enter(struct vmx_vcpu *x)
{
	struct vmx_scope s = {x, !x->loaded};

	if (s.borrowed)
		vmx_borrow(x);
	return s;
}

static inline void vmx_scope_leave(struct vmx_scope s)
{
	if (s.borrowed)
		vmx_give_back(s.x);
}

/* vmx/inject.c: bits of VMCS_GUEST_INTERRUPTIBILITY, where x's VMCS is current; the others: see hv/ops.h. */
void vmx_change_interruptibility(struct vmx_vcpu *x, uint64_t set, uint64_t clear);
uint32_t vmx_blocking(struct vcpu *v);
bool vmx_insn_completed(struct vcpu *v);
void vmx_inject(struct vcpu *v, const struct guest_event *ev);
void vmx_interrupt_window(struct vcpu *v, bool on);
void vmx_nmi_window(struct vcpu *v, bool on);

/* vmx/host_irq.c; a VMCS is current. */
/* A whole period is left; only where the processor has the timer. */
void vmx_timer_restart(void);
/* Between the two the host's interrupts wait: for vmx_caps.delivers_masked. */
void vmx_host_irq_hold(void);
void vmx_host_irq_release(void);
/* Between the two: takes those that wait. */
void vmx_host_irq_window(void);

/* vmx/apic.c; vm->msr_map has two pages, of which the first is filled in. */
enum status vmx_apic_vm_init(struct vm *vm);
void vmx_apic_vm_fini(struct vm *vm);
/* x's VMCS is current, its controls are set. */
void vmx_apic_vcpu_init(struct vmx_vcpu *x);
void vmx_lapic_changed(struct vcpu *v);
void vmx_lapic_waits(struct vcpu *v, int vector);

/* vmx/regs.c */
uint64_t vmx_reg_get(struct vcpu *v, enum vreg r);
void vmx_reg_set(struct vcpu *v, enum vreg r, uint64_t value);
void vmx_seg_get(struct vcpu *v, enum vseg s, struct vseg_desc *d);
bool vmx_long_mode(struct vcpu *v);
unsigned vmx_cpl(struct vcpu *v);
void vmx_seg_set(struct vcpu *v, enum vseg s, const struct vseg_desc *d);
uint64_t vmx_msr_get(struct vcpu *v, enum vmsr m);
void vmx_msr_set(struct vcpu *v, enum vmsr m, uint64_t value);
/* Moves the live registers between x and the CPU that it is being loaded on or put from. */
void vmx_live_load(struct vmx_vcpu *x);
void vmx_live_save(struct vmx_vcpu *x);
void vmx_regs_init(struct vmx_vcpu *x);
void vmx_regs_reset(struct vmx_vcpu *x);

/* vmx/describe.c */
int vmx_describe_exit(struct vcpu *v, const struct vm_exit *e, char *buf, size_t size);
void vmx_dump(struct vcpu *v, void (*line)(void *arg, const char *text), void *arg);

/* vmx/run.c; ends in vmx_enter. */
enum exit_action vmx_vcpu_run(struct vcpu *v);

/* vmx/entry.asm */
/* SDM Vol. 3C, "VM Instruction Error Numbers": VMRESUME with a VMCS that was cleared. */
#define VMX_ERROR_NOT_LAUNCHED 5
enum vmx_no_entry {
	VMX_ENTRY_REQUESTED, /* a request was waiting, or an NMI came */
	VMX_ENTRY_FAILED,    /* VMLAUNCH or VMRESUME failed: VMCS_VM_INSTRUCTION_ERROR */
};
/* Runs x on this CPU, p, until it exits, and goes on in vmx_exited; or in vmx_not_entered, if it did not run. */
enum exit_action vmx_enter(struct vmx_vcpu *x, struct pcpu *p);
enum exit_action vmx_exited(struct vmx_vcpu *x);
enum exit_action vmx_not_entered(struct vmx_vcpu *x, enum vmx_no_entry why);
/* The window in which an NMI means that the entry is not to be made, and where its handler returns to then. */
extern char vmx_nmi_window_start[], vmx_nmi_window_end[], vmx_nmi_restart[];
/* VMCS_HOST_RIP; the second where the host may have page faults (hv/vm_absent.h), which overwrite CR2. */
extern char vmx_exit_entry[], vmx_exit_keeping_cr2[];
