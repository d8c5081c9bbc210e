/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The vendor interface: one table, chosen once at boot, every entry mandatory. Entries act on the
 * calling CPU, and on a vCPU that is loaded there or parked (ops->reg_* work in both cases).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/exit.h"
#include "hv/lib/status.h"
#include "mm/pagetable.h"

struct vcpu;
struct vm;
struct vm_exit;
struct guest_event;

/* Guest registers that live in the VMCS or VMCB. CRs are as the guest sees them. */
enum vreg {
	VREG_RSP,
	VREG_RFLAGS,
	VREG_CR0,
	VREG_CR2,
	VREG_CR3,
	VREG_CR4,
	VREG_EFER,
	VREG_DR6,
	VREG_DR7,
	VREG_PDPTE0, /* the four PAE entries: VMX keeps them, SVM reads memory, and writes do nothing */
	VREG_PDPTE1,
	VREG_PDPTE2,
	VREG_PDPTE3,
};

/* MSRs that live there too or are switched by the back end. */
enum vmsr {
	VMSR_FS_BASE,
	VMSR_GS_BASE,
	VMSR_KERNEL_GS_BASE,
	VMSR_STAR,
	VMSR_LSTAR,
	VMSR_CSTAR,
	VMSR_SFMASK,
	VMSR_SYSENTER_CS,
	VMSR_SYSENTER_ESP,
	VMSR_SYSENTER_EIP,
	VMSR_PAT,
	VMSR_DEBUGCTL,
	VMSR_COUNT,
};

enum vseg { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_LDTR, SEG_TR, SEG_GDTR, SEG_IDTR, SEG_COUNT };

/* attr as VMX's access rights: bits 0-7 the descriptor's byte 5, 12-15 its AVL, L, D, G; bit 16 unusable. */
struct vseg_desc {
	uint16_t selector;
	uint32_t limit; /* in bytes */
	uint32_t attr;
	uint64_t base;
};
#define SEG_ATTR_TYPE     0xfu
#define SEG_ATTR_S        (1u << 4)
#define SEG_ATTR_DPL(n)   ((uint32_t)(n) << 5)
#define SEG_ATTR_P        (1u << 7)
#define SEG_ATTR_L        (1u << 13)
#define SEG_ATTR_DB       (1u << 14)
#define SEG_ATTR_G        (1u << 15)
#define SEG_ATTR_UNUSABLE (1u << 16)

struct hv_ops {
	const char *name; /* "VMX", "SVM" */
	/* Bytes of the vendor's vcpu struct, struct vcpu first; the core allocates it zeroed, page-aligned. */
	uint32_t vcpu_size;
	const struct pt_format *npt_format;

	/* On the boot CPU: is it there, enabled, complete? Else a text that names the bit and the cure. */
	enum status (*probe)(const char **why);
	/* On each CPU: enable and verify; must match the boot CPU's capabilities. */
	enum status (*cpu_enable)(const char **why);
	/* VMXOFF, or EFER.SVME off. Safe when not enabled, and from NMI or panic context. */
	void (*cpu_disable)(void);

	enum status (*vm_init)(struct vm *vm);
	void (*vm_fini)(struct vm *vm);
	enum status (*vcpu_init)(struct vcpu *v);
	void (*vcpu_fini)(struct vcpu *v);
	/* The architecture's state after INIT (power-on adds nothing that the core doesn't set itself). */
	void (*vcpu_reset)(struct vcpu *v);
	/* Make v's state current on this CPU, and away from it again. Between them the SVM back end keeps GIF=0. */
	void (*vcpu_load)(struct vcpu *v);
	void (*vcpu_put)(struct vcpu *v);
	/* After vcpu_put, on that CPU: what was left in the hardware goes to memory, so that any CPU may touch v. */
	void (*vcpu_unload)(struct vcpu *v);
	/*
	 * One entry and one exit, decoded into v->last_exit; v->gpr and v->rip go in and out. Ends in exit_dispatch, whose
	 * answer it returns; or, where v is wanted (vcpu_is_wanted), does not enter it and returns ACT_RESUME. The world
	 * switch: it keeps no register but RSP and RBP, and is called as hv/vcpu.c's run_guest does it.
	 */
	enum exit_action (*vcpu_run)(struct vcpu *v);

	uint64_t (*reg_get)(struct vcpu *v, enum vreg r);
	void (*reg_set)(struct vcpu *v, enum vreg r, uint64_t value);
	void (*seg_get)(struct vcpu *v, enum vseg s, struct vseg_desc *d);
	void (*seg_set)(struct vcpu *v, enum vseg s, const struct vseg_desc *d);
	/* 64-bit mode (EFER.LMA and CS.L)? Asked at each exit whose length must be decoded. */
	bool (*long_mode)(struct vcpu *v);
	/* Current privilege level, 0-3. Asked at each emulated access. */
	unsigned (*cpl)(struct vcpu *v);
	uint64_t (*msr_get)(struct vcpu *v, enum vmsr m);
	void (*msr_set)(struct vcpu *v, enum vmsr m, uint64_t value);

	/* enum event_blocking bits. */
	uint32_t (*blocking)(struct vcpu *v);
	/*
	 * An instruction was completed in software: the STI/MOV-SS shadow ends, and RFLAGS.RF. True: RFLAGS.TF is 1,
	 * a single-step trap is due.
	 */
	bool (*insn_completed)(struct vcpu *v);
	/* Programs one event for the next entry. */
	void (*inject)(struct vcpu *v, const struct guest_event *ev);
	/* Ask for, or no longer ask for, an exit as soon as an interrupt (or NMI) could be taken. */
	void (*interrupt_window)(struct vcpu *v, bool on);
	void (*nmi_window)(struct vcpu *v, bool on);
	/* v's local APIC has another mode or base. */
	void (*lapic_changed)(struct vcpu *v);
	/* Before an entry: the highest vector in IRR of v's local APIC, or -1; whether it is held back, the TPR decides, or ISR. */
	void (*lapic_waits)(struct vcpu *v, int vector);
	void (*tsc_offset)(struct vcpu *v, int64_t offset);
	/* What the CPU makes of a multiplier other than 1 (hv/guest_tsc.h): the nearest below that it has; 0: it can't. */
	uint64_t (*tsc_multiplier)(uint64_t wanted);
	/*
	 * What this CPU has cached of v's translations, the guest's and the second stage's, is dropped before v's next entry. It
	 * is for the guest's own changes, and for second-stage mappings of its memory, which are cut while all its vCPUs are parked
	 * (hv/vm_absent.h).
	 */
	void (*npt_flush)(struct vcpu *v);

	/* Text for the crash report: the exit by its name in the manual, its qualification in words. */
	int (*describe_exit)(struct vcpu *v, const struct vm_exit *e, char *buf, size_t size);
	/* Text of the vendor's own state, line by line. */
	void (*dump)(struct vcpu *v, void (*line)(void *arg, const char *text), void *arg);
};

extern const struct hv_ops vmx_ops, svm_ops;
extern const struct hv_ops *ops; /* NULL where neither is usable */
