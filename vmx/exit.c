/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of exit reasons and the decoder. Reads no hardware and changes no vCPU. */
#include "vmx/exit.h"

#include "hv/x86/apic.h"
#include "hv/x86/cr.h"
#include "vmx/vmcs.h"

#define LEN    FIELD_LENGTH
#define QUAL   FIELD_QUALIFICATION
#define INTR   FIELD_INTR
#define GPA    FIELD_GPA
#define IDT    FIELD_IDT
#define CALLER FIELD_CALLER

/*
 * IDT-vectoring information is valid only where an exit can happen while an event is delivered: SDM Vol. 3C,
 * "Information for VM Exits During Event Delivery". An instruction's exit never does.
 */
const struct vmx_reason_info vmx_reasons[REASON_COUNT + 1] = {
    [REASON_EXCEPTION_NMI] = {"exception or NMI", EXIT_EXCEPTION, INTR | QUAL | IDT},
    [REASON_EXTERNAL_INTERRUPT] = {"external interrupt", EXIT_INTERRUPT, INTR},
    [REASON_TRIPLE_FAULT] = {"triple fault", EXIT_TRIPLE_FAULT, 0},
    [REASON_INIT] = {"INIT signal", EXIT_INIT, 0},
    [REASON_SIPI] = {"start-up IPI", EXIT_UNKNOWN, QUAL},
    [REASON_IO_SMI] = {"I/O SMI", EXIT_UNKNOWN, QUAL},
    [REASON_OTHER_SMI] = {"other SMI", EXIT_UNKNOWN, QUAL},
    [REASON_INTERRUPT_WINDOW] = {"interrupt window", EXIT_INTR_WINDOW, 0},
    [REASON_NMI_WINDOW] = {"NMI window", EXIT_NMI_WINDOW, 0},
    [REASON_TASK_SWITCH] = {"task switch", EXIT_TASK_SWITCH, QUAL | LEN | IDT},
    [REASON_CPUID] = {"CPUID", EXIT_CPUID, LEN},
    [REASON_GETSEC] = {"GETSEC", EXIT_UNDEFINED_INSN, LEN},
    [REASON_HLT] = {"HLT", EXIT_HLT, LEN},
    [REASON_INVD] = {"INVD", EXIT_WBINVD, LEN},
    [REASON_INVLPG] = {"INVLPG", EXIT_INVLPG, LEN | QUAL},
    [REASON_RDPMC] = {"RDPMC", EXIT_RDPMC, LEN},
    [REASON_RDTSC] = {"RDTSC", EXIT_RDTSC, LEN},
    [REASON_RSM] = {"RSM", EXIT_UNDEFINED_INSN, LEN},
    [REASON_VMCALL] = {"VMCALL", EXIT_HYPERCALL, LEN | CALLER},
    [REASON_VMCLEAR] = {"VMCLEAR", EXIT_UNDEFINED_INSN, LEN},
    [REASON_VMLAUNCH] = {"VMLAUNCH", EXIT_UNDEFINED_INSN, LEN},
    [REASON_VMPTRLD] = {"VMPTRLD", EXIT_UNDEFINED_INSN, LEN},
    [REASON_VMPTRST] = {"VMPTRST", EXIT_UNDEFINED_INSN, LEN},
    [REASON_VMREAD] = {"VMREAD", EXIT_UNDEFINED_INSN, LEN},
    [REASON_VMRESUME] = {"VMRESUME", EXIT_UNDEFINED_INSN, LEN},
    [REASON_VMWRITE] = {"VMWRITE", EXIT_UNDEFINED_INSN, LEN},
    [REASON_VMXOFF] = {"VMXOFF", EXIT_UNDEFINED_INSN, LEN},
    [REASON_VMXON] = {"VMXON", EXIT_UNDEFINED_INSN, LEN},
    [REASON_CR_ACCESS] = {"control-register access", EXIT_CR, LEN | QUAL},
    [REASON_MOV_DR] = {"MOV DR", EXIT_DR, LEN | QUAL},
    [REASON_IO] = {"I/O instruction", EXIT_IO, LEN | QUAL},
    [REASON_RDMSR] = {"RDMSR", EXIT_RDMSR, LEN},
    [REASON_WRMSR] = {"WRMSR", EXIT_WRMSR, LEN},
    [REASON_ENTRY_GUEST_STATE] = {"entry failure, invalid guest state", EXIT_ENTRY_FAILED, QUAL},
    [REASON_ENTRY_MSR_LOADING] = {"entry failure, MSR loading", EXIT_ENTRY_FAILED, QUAL},
    [REASON_MWAIT] = {"MWAIT", EXIT_MONITOR, LEN},
    [REASON_MONITOR_TRAP] = {"monitor trap flag", EXIT_UNKNOWN, 0},
    [REASON_MONITOR] = {"MONITOR", EXIT_MONITOR, LEN},
    [REASON_PAUSE] = {"PAUSE", EXIT_PAUSE, LEN},
    [REASON_ENTRY_MACHINE_CHECK] = {"entry failure, machine check", EXIT_MACHINE_CHECK, 0},
    [REASON_TPR_BELOW_THRESHOLD] = {"TPR below threshold", EXIT_TPR, 0},
    [REASON_APIC_ACCESS] = {"APIC access", EXIT_NPF, QUAL | IDT},
    [REASON_VIRTUALIZED_EOI] = {"virtualized EOI", EXIT_EOI, QUAL},
    [REASON_GDTR_IDTR] = {"access to GDTR or IDTR", EXIT_UNKNOWN, LEN | QUAL},
    [REASON_LDTR_TR] = {"access to LDTR or TR", EXIT_UNKNOWN, LEN | QUAL},
    [REASON_EPT_VIOLATION] = {"EPT violation", EXIT_NPF, QUAL | GPA | IDT},
    [REASON_EPT_MISCONFIG] = {"EPT misconfiguration", EXIT_UNKNOWN, GPA | IDT},
    [REASON_INVEPT] = {"INVEPT", EXIT_UNDEFINED_INSN, LEN},
    [REASON_RDTSCP] = {"RDTSCP", EXIT_RDTSCP, LEN},
    [REASON_PREEMPTION_TIMER] = {"preemption timer", EXIT_PREEMPT_TIMER, 0},
    [REASON_INVVPID] = {"INVVPID", EXIT_UNDEFINED_INSN, LEN},
    [REASON_WBINVD] = {"WBINVD", EXIT_WBINVD, LEN},
    [REASON_XSETBV] = {"XSETBV", EXIT_XSETBV, LEN},
    [REASON_APIC_WRITE] = {"APIC write", EXIT_APIC_WRITE, QUAL},
    [REASON_RDRAND] = {"RDRAND", EXIT_UNKNOWN, LEN},
    [REASON_INVPCID] = {"INVPCID", EXIT_UNDEFINED_INSN, LEN},
    [REASON_VMFUNC] = {"VMFUNC", EXIT_UNDEFINED_INSN, LEN},
    [REASON_ENCLS] = {"ENCLS", EXIT_UNDEFINED_INSN, LEN},
    [REASON_RDSEED] = {"RDSEED", EXIT_UNKNOWN, LEN},
    [REASON_PML_FULL] = {"page-modification log full", EXIT_UNKNOWN, QUAL | IDT},
    [REASON_XSAVES] = {"XSAVES", EXIT_UNKNOWN, LEN},
    [REASON_XRSTORS] = {"XRSTORS", EXIT_UNKNOWN, LEN},
    [REASON_UMWAIT] = {"UMWAIT", EXIT_UNDEFINED_INSN, LEN},
    [REASON_TPAUSE] = {"TPAUSE", EXIT_UNDEFINED_INSN, LEN},
    [REASON_COUNT] = {NULL, EXIT_UNKNOWN, 0},
};

uint8_t vmx_plain_kinds[REASON_COUNT];

void vmx_exit_init(void)
{
	for (unsigned r = 0; r < REASON_COUNT; r++)
		vmx_plain_kinds[r] =
		    vmx_reasons[r].fields == FIELD_LENGTH ? (uint8_t)vmx_reasons[r].kind : EXIT_NONE;
}

/* SDM Vol. 3C, "Exit Qualification for Control-Register Accesses" */
static void decode_cr(uint64_t q, struct vm_exit *e)
{
	static const enum cr_access access[] = {CR_WRITE, CR_READ, CR_CLTS, CR_LMSW};

	e->cr.number = q & 0xf;
	e->cr.access = access[(q >> 4) & 3];
	e->cr.gpr = (q >> 8) & 0xf;
	e->cr.lmsw = (uint16_t)(q >> 16);
}

/* "Exit Qualification for MOV DR" */
static void decode_dr(uint64_t q, struct vm_exit *e)
{
	e->dr.number = q & 7;
	e->dr.write = !(q & BIT(4));
	e->dr.gpr = (q >> 8) & 0xf;
}

static void decode_npf(const struct vmx_raw *raw, struct vm_exit *e, struct vmx_fixup *fix)
{
	vmx_exit_decode_npf(raw->qualification, raw->gpa, e);
	/* The bit is undefined where an event's delivery was cut short. */
	fix->block_nmi = (raw->qualification & EPT_QUAL_NMI_UNBLOCKING) && !(raw->idt_info & VMX_INTR_VALID);
}

/* "Exit Qualification for APIC-Access VM Exits": the page is mapped at one address alone (vmx/apic.c). */
static void decode_apic_access(uint64_t q, struct vm_exit *e)
{
	enum { LINEAR_WRITE = 1, LINEAR_FETCH = 2, PHYSICAL_DELIVERY = 10, PHYSICAL = 15 };
	unsigned type = q >> 12 & 0xf;

	e->npf.gpa = gpa(LAPIC_DEFAULT_BASE + (q & (PAGE_SIZE - 1)));
	e->npf.write = type == LINEAR_WRITE;
	e->npf.fetch = type == LINEAR_FETCH;
	e->npf.present = false;
	/* Physical ones are of the paging structures. */
	e->npf.table_walk = type == PHYSICAL_DELIVERY || type == PHYSICAL;
}

/* "Exit Qualification for Task Switches" */
static void decode_task(const struct vmx_raw *raw, struct vm_exit *e)
{
	enum { TASK_CALL, TASK_IRET, TASK_JUMP, TASK_IDT } source = (raw->qualification >> 30) & 3;

	e->task.selector = (uint16_t)raw->qualification;
	e->task.from_iret = source == TASK_IRET;
	e->task.from_jump = source == TASK_JUMP;
	e->task.from_idt = source == TASK_IDT;
	e->task.has_error =
	    source == TASK_IDT && (raw->idt_info & VMX_INTR_VALID) && (raw->idt_info & VMX_INTR_ERROR_VALID);
	e->task.error = e->task.has_error ? raw->idt_error : 0;
	/* The length counts only where an instruction made the switch, not an exception or interrupt. */
	if (e->task.from_idt && VMX_INTR_TYPE(raw->idt_info) < EVENT_SOFT_INTERRUPT)
		e->insn_len = 0;
}

/* Of "Exit Qualification for Debug Exceptions", what a guest without RTM and bus-lock detection can see in DR6. */
#define DB_PAYLOAD (DR6_B0 | DR6_B1 | DR6_B2 | DR6_B3 | DR6_BD | DR6_BS)

static void decode_exception(const struct vmx_raw *raw, struct vm_exit *e, struct vmx_fixup *fix)
{
	uint32_t info = raw->intr_info;
	uint8_t vector = VMX_INTR_VECTOR(info);

	if (VMX_INTR_TYPE(info) == EVENT_NMI) {
		e->kind = EXIT_NMI;
		e->irq.acknowledged = true;
		return;
	}
	if (vector == EXC_MC) {
		e->kind = EXIT_MACHINE_CHECK;
		return;
	}
	if (VMX_INTR_TYPE(info) == EVENT_PRIV_SOFT_EXCEPTION) {
		/* INT1: a #DB that changes no debug register; it goes on as it came. */
		e->kind = EXIT_NONE;
		fix->requeue = (struct guest_event){
		    .valid = true, .type = EVENT_PRIV_SOFT_EXCEPTION, .vector = vector, .insn_len = 1};
		return;
	}
	e->exc.vector = vector;
	e->exc.has_error = info & VMX_INTR_ERROR_VALID;
	e->exc.error = e->exc.has_error ? raw->intr_error : 0;
	e->exc.payload = vector == EXC_DB ? raw->qualification & DB_PAYLOAD : raw->qualification;
	/* "Information for VM Exits Due to Vectored Events": undefined for #DF and during event delivery. */
	fix->block_nmi =
	    (info & VMX_INTR_NMI_UNBLOCKING) && vector != EXC_DF && !(raw->idt_info & VMX_INTR_VALID);
}

/* "Information for VM Exits During Event Delivery" */
static void decode_idt_vectoring(const struct vmx_raw *raw, struct vmx_fixup *fix)
{
	uint32_t info = raw->idt_info, type = VMX_INTR_TYPE(info);

	if (!(info & VMX_INTR_VALID))
		return;
	fix->requeue = (struct guest_event){
	    .valid = true,
	    .type = (uint8_t)type,
	    .vector = VMX_INTR_VECTOR(info),
	    .has_error = info & VMX_INTR_ERROR_VALID,
	    .error = info & VMX_INTR_ERROR_VALID ? raw->idt_error : 0,
	    .insn_len = type >= EVENT_SOFT_INTERRUPT ? (uint8_t)raw->length : 0,
	};
	fix->unblock_nmi = type == EVENT_NMI;
}

void vmx_exit_decode(const struct vmx_raw *raw, struct vm_exit *e, struct vmx_fixup *fix)
{
	const struct vmx_reason_info *r = vmx_reason_info(raw->reason);

	*fix = (struct vmx_fixup){0};
	e->next_rip = 0;
	e->kind = r->kind;
	e->reason = raw->reason;
	e->insn_len = r->fields & FIELD_LENGTH ? (uint8_t)raw->length : 0;
	e->qual[0] = r->fields & FIELD_QUALIFICATION ? raw->qualification : 0;
	e->qual[1] = r->fields & FIELD_GPA ? raw->gpa : 0;
	e->qual[2] = r->fields & FIELD_INTR ? raw->intr_info : 0;
	if (raw->reason & VMX_REASON_ENTRY_FAILED) {
		e->kind = VMX_REASON_BASIC(raw->reason) == REASON_ENTRY_MACHINE_CHECK ? EXIT_MACHINE_CHECK
										      : EXIT_ENTRY_FAILED;
		return;
	}
	if (r->fields & FIELD_IDT)
		decode_idt_vectoring(raw, fix);

	switch (VMX_REASON_BASIC(raw->reason)) {
	case REASON_EXCEPTION_NMI:
		decode_exception(raw, e, fix);
		break;
	case REASON_EXTERNAL_INTERRUPT:
		e->irq.vector = VMX_INTR_VECTOR(raw->intr_info);
		e->irq.acknowledged = raw->intr_info & VMX_INTR_VALID;
		break;
	case REASON_TASK_SWITCH:
		decode_task(raw, e);
		/* A switch through a task gate is the event's delivery: there is nothing to repeat. */
		if (e->task.from_idt)
			*fix = (struct vmx_fixup){0};
		break;
	case REASON_CR_ACCESS:
		decode_cr(raw->qualification, e);
		break;
	case REASON_MOV_DR:
		decode_dr(raw->qualification, e);
		break;
	case REASON_IO:
		vmx_exit_decode_io(raw->qualification, e);
		break;
	case REASON_VMCALL:
		e->call.cpl = raw->cpl;
		e->call.long_mode = raw->long_mode;
		break;
	case REASON_EPT_VIOLATION:
		decode_npf(raw, e, fix);
		break;
	case REASON_APIC_ACCESS:
		decode_apic_access(raw->qualification, e);
		break;
	case REASON_VIRTUALIZED_EOI:
		e->apic.vector = (uint8_t)raw->qualification;
		break;
	case REASON_APIC_WRITE:
		e->apic.offset = raw->qualification & (PAGE_SIZE - 1);
		break;
	default: /* the reason says it all, or nobody knows it: EXIT_UNKNOWN */
		break;
	}
}
