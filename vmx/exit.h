/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VM exits: which fields each reason has, and what they mean in the words of hv/exit.h. Pure functions of
 * captured values; vmx/run.c captures.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/event.h"
#include "hv/exit.h"
#include "hv/lib/util.h"

/* Basic exit reasons, SDM Vol. 3D, Appendix C, "VMX Basic Exit Reasons". */
enum vmx_reason {
	REASON_EXCEPTION_NMI = 0,
	REASON_EXTERNAL_INTERRUPT = 1,
	REASON_TRIPLE_FAULT = 2,
	REASON_INIT = 3,
	REASON_SIPI = 4,
	REASON_IO_SMI = 5,
	REASON_OTHER_SMI = 6,
	REASON_INTERRUPT_WINDOW = 7,
	REASON_NMI_WINDOW = 8,
	REASON_TASK_SWITCH = 9,
	REASON_CPUID = 10,
	REASON_GETSEC = 11,
	REASON_HLT = 12,
	REASON_INVD = 13,
	REASON_INVLPG = 14,
	REASON_RDPMC = 15,
	REASON_RDTSC = 16,
	REASON_RSM = 17,
	REASON_VMCALL = 18,
	REASON_VMCLEAR = 19,
	REASON_VMLAUNCH = 20,
	REASON_VMPTRLD = 21,
	REASON_VMPTRST = 22,
	REASON_VMREAD = 23,
	REASON_VMRESUME = 24,
	REASON_VMWRITE = 25,
	REASON_VMXOFF = 26,
	REASON_VMXON = 27,
	REASON_CR_ACCESS = 28,
	REASON_MOV_DR = 29,
	REASON_IO = 30,
	REASON_RDMSR = 31,
	REASON_WRMSR = 32,
	REASON_ENTRY_GUEST_STATE = 33,
	REASON_ENTRY_MSR_LOADING = 34,
	REASON_MWAIT = 36,
	REASON_MONITOR_TRAP = 37,
	REASON_MONITOR = 39,
	REASON_PAUSE = 40,
	REASON_ENTRY_MACHINE_CHECK = 41,
	REASON_TPR_BELOW_THRESHOLD = 43,
	REASON_APIC_ACCESS = 44,
	REASON_VIRTUALIZED_EOI = 45,
	REASON_GDTR_IDTR = 46,
	REASON_LDTR_TR = 47,
	REASON_EPT_VIOLATION = 48,
	REASON_EPT_MISCONFIG = 49,
	REASON_INVEPT = 50,
	REASON_RDTSCP = 51,
	REASON_PREEMPTION_TIMER = 52,
	REASON_INVVPID = 53,
	REASON_WBINVD = 54,
	REASON_XSETBV = 55,
	REASON_APIC_WRITE = 56,
	REASON_RDRAND = 57,
	REASON_INVPCID = 58,
	REASON_VMFUNC = 59,
	REASON_ENCLS = 60,
	REASON_RDSEED = 61,
	REASON_PML_FULL = 62,
	REASON_XSAVES = 63,
	REASON_XRSTORS = 64,
	REASON_UMWAIT = 67,
	REASON_TPAUSE = 68,
	REASON_COUNT = 69,
};

/* Fields beside reason and RIP that a reason has; the capture reads these and nothing else. */
enum vmx_exit_field {
	FIELD_LENGTH = 1 << 0, /* exit instruction length */
	FIELD_QUALIFICATION = 1 << 1,
	FIELD_INTR = 1 << 2,   /* exit interruption information, and error code where valid */
	FIELD_GPA = 1 << 3,    /* guest-physical address */
	FIELD_IDT = 1 << 4,    /* IDT-vectoring information; error code and length where valid */
	FIELD_CALLER = 1 << 5, /* CPL and mode */
};

struct vmx_reason_info {
	const char *name; /* as the manual calls it; NULL: not defined */
	enum exit_kind kind;
	uint32_t fields; /* enum vmx_exit_field */
};

/* The last one, without a name, stands for every reason that is not defined. */
extern const struct vmx_reason_info vmx_reasons[REASON_COUNT + 1];

static inline const struct vmx_reason_info *vmx_reason_info(uint32_t reason)
{
	uint32_t basic = reason & 0xffff;

	return &vmx_reasons[basic < REASON_COUNT ? basic : REASON_COUNT];
}

/* What the hardware reported; fields that the reason does not have are undefined. */
struct vmx_raw {
	uint32_t reason, length;
	uint32_t intr_info, intr_error;
	uint32_t idt_info, idt_error;
	uint64_t qualification, gpa;
	uint8_t cpl;
	bool long_mode;
};

/* What the back end has to put right before the next entry. */
struct vmx_fixup {
	struct guest_event requeue; /* valid: its delivery was cut short */
	bool block_nmi;             /* a faulting IRET had unblocked NMIs: block them again */
	bool unblock_nmi;           /* an NMI whose delivery was cut short is injected again */
};

void vmx_exit_decode(const struct vmx_raw *raw, struct vm_exit *e, struct vmx_fixup *fix);

/* Most exits by an instruction have nothing but its length: their kinds; EXIT_NONE: the reason is none of them. */
extern uint8_t vmx_plain_kinds[REASON_COUNT];
/* Fills it from vmx_reasons. Once, before the first VM. */
void vmx_exit_init(void);

/* With the bit for a failed entry, reason is none. */
static inline bool vmx_exit_is_plain(uint64_t reason)
{
	return reason < REASON_COUNT && vmx_plain_kinds[reason] != EXIT_NONE;
}

/* "Exit Qualification for EPT Violations" */
#define EPT_QUAL_WRITE          BIT(1)
#define EPT_QUAL_FETCH          BIT(2)
#define EPT_QUAL_PRESENT        (BIT(3) | BIT(4) | BIT(5)) /* readable, writable, executable */
#define EPT_QUAL_LINEAR_VALID   BIT(7)
#define EPT_QUAL_FINAL          BIT(8) /* the translation's result was accessed, not a paging structure */
#define EPT_QUAL_NMI_UNBLOCKING BIT(12)

static inline void vmx_exit_decode_npf(uint64_t q, uint64_t at, struct vm_exit *e)
{
	e->npf.gpa = gpa(at);
	e->npf.word = 0;
	e->npf.write = (q & EPT_QUAL_WRITE) != 0;
	e->npf.fetch = (q & EPT_QUAL_FETCH) != 0;
	e->npf.present = (q & EPT_QUAL_PRESENT) != 0;
	e->npf.table_walk = (q & EPT_QUAL_LINEAR_VALID) && !(q & EPT_QUAL_FINAL);
	e->npf.known = NULL;
}

/* SDM Vol. 3C, "Exit Qualification for I/O Instructions" */
static inline void vmx_exit_decode_io(uint64_t q, struct vm_exit *e)
{
	e->io.word = (uint32_t)q;
}

/* The vendor's part of a crash report: exit name, qualification in words. Returns as fmt_snprintf. */
int vmx_exit_describe(const struct vm_exit *e, char *buf, size_t size);
/* SDM Vol. 3C, "VM Instruction Error Numbers". */
const char *vmx_instruction_error(uint32_t number);
