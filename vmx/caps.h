/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What this processor's VMX can do, and which controls Ingot therefore uses. The decision is a pure function
 * of captured CPUID and MSR values.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/lib/status.h"

enum vmx_ctl_word { CTL_PIN, CTL_PROC, CTL_PROC2, CTL_EXIT, CTL_ENTRY, CTL_WORDS };

/* SDM Vol. 3C, "Pin-Based VM-Execution Controls" */
#define PIN_EXTERNAL_INTERRUPT_EXITING (1u << 0)
#define PIN_NMI_EXITING                (1u << 3)
#define PIN_VIRTUAL_NMIS               (1u << 5)
#define PIN_PREEMPTION_TIMER           (1u << 6)
#define PIN_POSTED_INTERRUPTS          (1u << 7)
/* "Processor-Based VM-Execution Controls" */
#define PROC_INTERRUPT_WINDOW          (1u << 2)
#define PROC_TSC_OFFSETTING            (1u << 3)
#define PROC_HLT_EXITING               (1u << 7)
#define PROC_INVLPG_EXITING            (1u << 9)
#define PROC_MWAIT_EXITING             (1u << 10)
#define PROC_RDPMC_EXITING             (1u << 11)
#define PROC_RDTSC_EXITING             (1u << 12)
#define PROC_CR3_LOAD_EXITING          (1u << 15)
#define PROC_CR3_STORE_EXITING         (1u << 16)
#define PROC_CR8_LOAD_EXITING          (1u << 19)
#define PROC_CR8_STORE_EXITING         (1u << 20)
#define PROC_TPR_SHADOW                (1u << 21)
#define PROC_NMI_WINDOW                (1u << 22)
#define PROC_UNCONDITIONAL_IO          (1u << 24)
#define PROC_MSR_BITMAPS               (1u << 28)
#define PROC_MONITOR_EXITING           (1u << 29)
#define PROC_SECONDARY                 (1u << 31)
/* "Secondary Processor-Based VM-Execution Controls" */
#define PROC2_VIRTUALIZE_APIC_ACCESSES (1u << 0)
#define PROC2_EPT                      (1u << 1)
#define PROC2_RDTSCP                   (1u << 3)
#define PROC2_VIRTUALIZE_X2APIC        (1u << 4)
#define PROC2_VPID                     (1u << 5)
#define PROC2_WBINVD_EXITING           (1u << 6)
#define PROC2_UNRESTRICTED_GUEST       (1u << 7)
#define PROC2_APIC_REGISTERS           (1u << 8)
#define PROC2_VIRTUAL_INTERRUPTS       (1u << 9)
#define PROC2_PAUSE_LOOP_EXITING       (1u << 10)
#define PROC2_INVPCID                  (1u << 12)
#define PROC2_XSAVES                   (1u << 20)
#define PROC2_TSC_SCALING              (1u << 25)
#define PROC2_APIC                                                                                           \
	(PROC2_VIRTUALIZE_APIC_ACCESSES | PROC2_VIRTUALIZE_X2APIC | PROC2_APIC_REGISTERS |                   \
	 PROC2_VIRTUAL_INTERRUPTS)
/* "VM-Exit Controls" */
#define VMEXIT_SAVE_DEBUG_CONTROLS   (1u << 2)
#define VMEXIT_HOST_64               (1u << 9)
#define VMEXIT_ACK_INTERRUPT         (1u << 15)
#define VMEXIT_LOAD_PAT              (1u << 19)
#define VMEXIT_LOAD_EFER             (1u << 21)
#define VMEXIT_SAVE_PREEMPTION_TIMER (1u << 22)
/* "VM-Entry Controls" */
#define VMENTRY_LOAD_DEBUG_CONTROLS  (1u << 2)
#define VMENTRY_IA32E_GUEST          (1u << 9)
#define VMENTRY_LOAD_PAT             (1u << 14)
#define VMENTRY_LOAD_EFER            (1u << 15)

/* As the processor reports them; what it doesn't have reads as 0 here. */
struct vmx_msrs {
	bool cpuid_vmx; /* CPUID.1:ECX.VMX */
	uint64_t feature_control;
	uint64_t basic;
	uint64_t ctl[CTL_WORDS]; /* low half: bits that must be 1; high half: bits that may be 1 */
	uint64_t misc;
	uint64_t cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
	uint64_t ept_vpid;
};

struct vmx_caps {
	uint32_t revision;        /* first word of every VMXON region and VMCS */
	uint32_t ctl[CTL_WORDS];  /* values for a new VMCS */
	bool set_feature_control; /* IA32_FEATURE_CONTROL is unlocked: set it */
	uint8_t timer_shift;      /* the preemption timer counts TSC >> this */
	uint8_t ept_leaf_level;   /* 1: 4K, 2: 2M, 3: 1G */
	bool invept_single, invept_all, invvpid_single;
	/*
	 * Bochs 2.7, the only one that has virtual-interrupt delivery without posted interrupts: a host interrupt makes it
	 * deliver though the guest's RFLAGS.IF is 0. So host interrupts are held back while guests run; the preemption
	 * timer stands in for them.
	 */
	bool delivers_masked;
	uint64_t cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
};

/*
 * Reads what there is, through read, and nothing that the processor does not have (such a read faults):
 * SDM Vol. 3D, Appendix A, "VMX Capability Reporting Facility".
 */
void vmx_msrs_capture(struct vmx_msrs *m, bool cpuid_vmx, uint64_t (*read)(uint32_t msr));

/* ERR_UNSUPPORTED with a text that names the bit and the cure, or OK with *c filled in. */
enum status vmx_caps_decide(const struct vmx_msrs *m, struct vmx_caps *c, const char **why);

/* Can a processor with m run what was decided for the boot processor? Else a text that names the difference. */
enum status vmx_caps_match(const struct vmx_msrs *m, const struct vmx_caps *boot, const char **why);

static inline bool vmx_caps_has(const struct vmx_caps *c, enum vmx_ctl_word w, uint32_t bit)
{
	return (c->ctl[w] & bit) != 0;
}
