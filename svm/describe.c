/* SPDX-License-Identifier: BSD-2-Clause */
/* Exits and the VMCB in words, for crash reports and the console. Nothing here is on a fast path. */
#include "svm/svm.h"

#include "hv/lib/fmt.h"
#include "hv/lib/util.h"
#include "hv/x86/cr.h"
#include "hv/x86/desc.h"
#include "hv/x86/msr.h"
#include "svm/check.h"

#define LINE_SIZE 120

static const char *const exit_names[VMEXIT_LOW_COUNT] = {
    [VMEXIT_INTR] = "VMEXIT_INTR",
    [VMEXIT_NMI] = "VMEXIT_NMI",
    [VMEXIT_SMI] = "VMEXIT_SMI",
    [VMEXIT_INIT] = "VMEXIT_INIT",
    [VMEXIT_VINTR] = "VMEXIT_VINTR",
    [VMEXIT_CR0_SEL_WRITE] = "VMEXIT_CR0_SEL_WRITE",
    [VMEXIT_IDTR_READ] = "VMEXIT_IDTR_READ",
    [VMEXIT_GDTR_READ] = "VMEXIT_GDTR_READ",
    [VMEXIT_LDTR_READ] = "VMEXIT_LDTR_READ",
    [VMEXIT_TR_READ] = "VMEXIT_TR_READ",
    [VMEXIT_IDTR_WRITE] = "VMEXIT_IDTR_WRITE",
    [VMEXIT_GDTR_WRITE] = "VMEXIT_GDTR_WRITE",
    [VMEXIT_LDTR_WRITE] = "VMEXIT_LDTR_WRITE",
    [VMEXIT_TR_WRITE] = "VMEXIT_TR_WRITE",
    [VMEXIT_RDTSC] = "VMEXIT_RDTSC",
    [VMEXIT_RDPMC] = "VMEXIT_RDPMC",
    [VMEXIT_PUSHF] = "VMEXIT_PUSHF",
    [VMEXIT_POPF] = "VMEXIT_POPF",
    [VMEXIT_CPUID] = "VMEXIT_CPUID",
    [VMEXIT_RSM] = "VMEXIT_RSM",
    [VMEXIT_IRET] = "VMEXIT_IRET",
    [VMEXIT_SWINT] = "VMEXIT_SWINT",
    [VMEXIT_INVD] = "VMEXIT_INVD",
    [VMEXIT_PAUSE] = "VMEXIT_PAUSE",
    [VMEXIT_HLT] = "VMEXIT_HLT",
    [VMEXIT_INVLPG] = "VMEXIT_INVLPG",
    [VMEXIT_INVLPGA] = "VMEXIT_INVLPGA",
    [VMEXIT_IOIO] = "VMEXIT_IOIO",
    [VMEXIT_MSR] = "VMEXIT_MSR",
    [VMEXIT_TASK_SWITCH] = "VMEXIT_TASK_SWITCH",
    [VMEXIT_FERR_FREEZE] = "VMEXIT_FERR_FREEZE",
    [VMEXIT_SHUTDOWN] = "VMEXIT_SHUTDOWN",
    [VMEXIT_VMRUN] = "VMEXIT_VMRUN",
    [VMEXIT_VMMCALL] = "VMEXIT_VMMCALL",
    [VMEXIT_VMLOAD] = "VMEXIT_VMLOAD",
    [VMEXIT_VMSAVE] = "VMEXIT_VMSAVE",
    [VMEXIT_STGI] = "VMEXIT_STGI",
    [VMEXIT_CLGI] = "VMEXIT_CLGI",
    [VMEXIT_SKINIT] = "VMEXIT_SKINIT",
    [VMEXIT_RDTSCP] = "VMEXIT_RDTSCP",
    [VMEXIT_ICEBP] = "VMEXIT_ICEBP",
    [VMEXIT_WBINVD] = "VMEXIT_WBINVD",
    [VMEXIT_MONITOR] = "VMEXIT_MONITOR",
    [VMEXIT_MWAIT] = "VMEXIT_MWAIT",
    [VMEXIT_MWAIT_CONDITIONAL] = "VMEXIT_MWAIT_CONDITIONAL",
    [VMEXIT_XSETBV] = "VMEXIT_XSETBV",
    [VMEXIT_RDPRU] = "VMEXIT_RDPRU",
    [VMEXIT_EFER_WRITE_TRAP] = "VMEXIT_EFER_WRITE_TRAP",
    [VMEXIT_INVLPGB] = "VMEXIT_INVLPGB",
    [VMEXIT_INVLPGB_ILLEGAL] = "VMEXIT_INVLPGB_ILLEGAL",
    [VMEXIT_INVPCID] = "VMEXIT_INVPCID",
    [VMEXIT_MCOMMIT] = "VMEXIT_MCOMMIT",
    [VMEXIT_TLBSYNC] = "VMEXIT_TLBSYNC",
    [VMEXIT_BUSLOCK] = "VMEXIT_BUSLOCK",
    [VMEXIT_IDLE_HLT] = "VMEXIT_IDLE_HLT",
};

/* The name of an exit code; `buf` is for those that carry a number. */
static const char *exit_name(uint64_t code, char *buf, size_t size)
{
	if (code < VMEXIT_CR0_WRITE)
		fmt_snprintf(buf, size, "VMEXIT_CR%lu_READ", code - VMEXIT_CR0_READ);
	else if (code < VMEXIT_DR0_READ)
		fmt_snprintf(buf, size, "VMEXIT_CR%lu_WRITE", code - VMEXIT_CR0_WRITE);
	else if (code < VMEXIT_DR0_WRITE)
		fmt_snprintf(buf, size, "VMEXIT_DR%lu_READ", code - VMEXIT_DR0_READ);
	else if (code < VMEXIT_EXCP0)
		fmt_snprintf(buf, size, "VMEXIT_DR%lu_WRITE", code - VMEXIT_DR0_WRITE);
	else if (code < VMEXIT_INTR)
		fmt_snprintf(buf, size, "VMEXIT_EXCP%lu", code - VMEXIT_EXCP0);
	else if (code == VMEXIT_NPF)
		return "VMEXIT_NPF";
	else if ((uint32_t)code == VMEXIT_INVALID32)
		return "VMEXIT_INVALID";
	else if (code < VMEXIT_LOW_COUNT && exit_names[code])
		return exit_names[code];
	else
		return "an exit code that no manual lists";
	return buf;
}

int svm_describe_exit(struct vcpu *v, const struct vm_exit *e, char *buf, size_t size)
{
	const char *why = NULL;
	char name[24];
	const char *n = exit_name(e->reason, name, sizeof(name));

	switch (e->kind) {
	case EXIT_IO:
		return fmt_snprintf(buf, size, "%s (0x%lx): %s%s port 0x%x, %u bytes%s", n, e->reason,
				    e->io.rep ? "REP " : "", e->io.in ? "IN from" : "OUT to", e->io.port,
				    exit_io_size(e), e->io.string ? ", string" : "");
	case EXIT_RDMSR:
	case EXIT_WRMSR:
		return fmt_snprintf(buf, size, "%s (0x%lx): %s of MSR 0x%x", n, e->reason,
				    e->kind == EXIT_WRMSR ? "write" : "read", (uint32_t)v->gpr[RCX]);
	case EXIT_NPF:
		return fmt_snprintf(
		    buf, size, "%s (0x%lx): %s of guest-physical 0x%lx, %s%s, error code 0x%lx", n, e->reason,
		    e->npf.fetch   ? "fetch"
		    : e->npf.write ? "write"
				   : "read",
		    e->npf.gpa.v, e->npf.present ? "not permitted" : "not mapped",
		    e->npf.table_walk ? ", by a walk of the guest's page tables" : "", e->qual[0]);
	case EXIT_EXCEPTION:
		return fmt_snprintf(buf, size, "%s (0x%lx): error code 0x%lx, EXITINFO2 0x%lx", n, e->reason,
				    e->qual[0], e->qual[1]);
	case EXIT_ENTRY_FAILED:
		why = svm_check_guest(&to_svm(v)->vmcb);
		return fmt_snprintf(buf, size, "%s (0x%lx): %s", n, e->reason,
				    why ? why : "no field is found that VMRUN's checks refuse");
	case EXIT_UNKNOWN:
		return fmt_snprintf(buf, size, "%s (0x%lx): EXITINFO1 0x%lx, EXITINFO2 0x%lx", n, e->reason,
				    e->qual[0], e->qual[1]);
	default:
		return fmt_snprintf(buf, size, "%s (0x%lx)", n, e->reason);
	}
}

void svm_dump(struct vcpu *v, void (*line)(void *arg, const char *text), void *arg)
{
	static const char *const nmi[] = {"open", "blocked", "at IRET"};
	const struct svm_vcpu *s = to_svm(v);
	const struct vmcb *b = &s->vmcb;
	char text[LINE_SIZE];

	fmt_snprintf(text, sizeof(text), "vmcb %lx ncr3 %lx asid %u tlb %u clean %x", s->vmcb_pa, b->n_cr3,
		     b->asid, b->tlb_control, b->clean);
	line(arg, text);
	fmt_snprintf(text, sizeof(text), "exit %lx info1 %lx info2 %lx intinfo %lx nrip %lx", b->exit_code,
		     b->exit_info1, b->exit_info2, b->exit_int_info, b->next_rip);
	line(arg, text);
	fmt_snprintf(text, sizeof(text), "intercepts cr %04x/%04x dr %04x/%04x exc %08x misc %08x %08x",
		     b->intercept_cr_read, b->intercept_cr_write, b->intercept_dr_read, b->intercept_dr_write,
		     b->intercept_exceptions, b->intercept_misc1, b->intercept_misc2);
	line(arg, text);
	fmt_snprintf(text, sizeof(text), "int_ctl %08x int_state %lx eventinj %lx nmi %s%s%s", b->int_ctl,
		     b->int_state, b->event_inj, nmi[s->nmi], s->nmi_window ? ", window asked" : "",
		     s->pending & PENDING_STEP ? ", stepping" : "");
	line(arg, text);
	fmt_snprintf(text, sizeof(text), "hardware cr0 %lx efer %lx cpl %u dr6 %lx dr7 %lx g_pat %lx", b->cr0,
		     b->efer, b->cpl, b->dr6, b->dr7, b->g_pat);
	line(arg, text);
}
