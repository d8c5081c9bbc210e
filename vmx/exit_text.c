/* SPDX-License-Identifier: BSD-2-Clause */
/* An exit in words. Pure. */
#include "hv/lib/fmt.h"
#include "vmx/exit.h"
#include "vmx/vmcs.h"

const char *vmx_instruction_error(uint32_t number)
{
	static const char *const text[] = {
	    [0] = "none (no current VMCS)",
	    [1] = "VMCALL executed in VMX root operation",
	    [2] = "VMCLEAR with invalid physical address",
	    [3] = "VMCLEAR with VMXON pointer",
	    [4] = "VMLAUNCH with non-clear VMCS",
	    [5] = "VMRESUME with non-launched VMCS",
	    [6] = "VMRESUME after VMXOFF",
	    [7] = "VM entry with invalid control fields",
	    [8] = "VM entry with invalid host-state fields",
	    [9] = "VMPTRLD with invalid physical address",
	    [10] = "VMPTRLD with VMXON pointer",
	    [11] = "VMPTRLD with incorrect VMCS revision identifier",
	    [12] = "VMREAD or VMWRITE of an unsupported VMCS component",
	    [13] = "VMWRITE to a read-only VMCS component",
	    [15] = "VMXON executed in VMX root operation",
	    [16] = "VM entry with invalid executive-VMCS pointer",
	    [17] = "VM entry with non-launched executive VMCS",
	    [18] = "VM entry with executive-VMCS pointer that is not the VMXON pointer",
	    [19] = "VMCALL with non-clear VMCS",
	    [20] = "VMCALL with invalid VM-exit control fields",
	    [22] = "VMCALL with incorrect MSEG revision identifier",
	    [23] = "VMXOFF under dual-monitor treatment",
	    [24] = "VMCALL with invalid SMM-monitor features",
	    [25] = "VM entry with invalid VM-execution control fields in executive VMCS",
	    [26] = "VM entry with events blocked by MOV SS",
	    [28] = "invalid operand to INVEPT or INVVPID",
	};

	return number < ARRAY_SIZE(text) && text[number] ? text[number] : "not defined";
}

static int describe_npf(const struct vm_exit *e, char *buf, size_t size)
{
	return fmt_snprintf(buf, size, ": %s of guest-physical 0x%lx, %s%s",
			    e->npf.write   ? "write"
			    : e->npf.fetch ? "fetch"
					   : "read",
			    (unsigned long)e->npf.gpa.v, e->npf.present ? "not allowed" : "not mapped",
			    e->npf.table_walk ? ", by a page-table walk" : "");
}

static int describe_io(const struct vm_exit *e, char *buf, size_t size)
{
	return fmt_snprintf(buf, size, ": %s%s port 0x%x, %u byte%s", e->io.rep ? "REP " : "",
			    e->io.in       ? e->io.string ? "INS" : "IN"
			    : e->io.string ? "OUTS"
					   : "OUT",
			    e->io.port, exit_io_size(e), e->io.last ? "s" : "");
}

static int describe_cr(const struct vm_exit *e, char *buf, size_t size)
{
	static const char *const access[] = {
	    [CR_READ] = "read", [CR_WRITE] = "write", [CR_CLTS] = "CLTS", [CR_LMSW] = "LMSW"};

	return fmt_snprintf(buf, size, ": CR%u %s, register %u", e->cr.number, access[e->cr.access],
			    e->cr.gpr);
}

static int describe_exception(const struct vm_exit *e, char *buf, size_t size)
{
	uint32_t info = (uint32_t)e->qual[2];

	return fmt_snprintf(buf, size, ": vector %u, type %u, qualification 0x%lx", VMX_INTR_VECTOR(info),
			    VMX_INTR_TYPE(info), (unsigned long)e->qual[0]);
}

static int describe_task(const struct vm_exit *e, char *buf, size_t size)
{
	return fmt_snprintf(buf, size, ": to selector 0x%x by %s", e->task.selector,
			    e->task.from_iret   ? "IRET"
			    : e->task.from_jump ? "JMP"
			    : e->task.from_idt  ? "a task gate in the IDT"
						: "CALL");
}

static int describe_detail(const struct vm_exit *e, char *buf, size_t size)
{
	switch (VMX_REASON_BASIC(e->reason)) {
	case REASON_EXCEPTION_NMI:
		return describe_exception(e, buf, size);
	case REASON_EPT_VIOLATION:
		return describe_npf(e, buf, size);
	case REASON_EPT_MISCONFIG:
		return fmt_snprintf(buf, size, ": guest-physical 0x%lx", (unsigned long)e->qual[1]);
	case REASON_IO:
		return describe_io(e, buf, size);
	case REASON_CR_ACCESS:
		return describe_cr(e, buf, size);
	case REASON_MOV_DR:
		return fmt_snprintf(buf, size, ": DR%u %s, register %u", e->dr.number,
				    e->dr.write ? "write" : "read", e->dr.gpr);
	case REASON_TASK_SWITCH:
		return describe_task(e, buf, size);
	case REASON_ENTRY_MSR_LOADING:
		return fmt_snprintf(buf, size, ": element %lu", (unsigned long)e->qual[0]);
	default:
		return vmx_reason_info((uint32_t)e->reason)->fields & FIELD_QUALIFICATION
			   ? fmt_snprintf(buf, size, ": qualification 0x%lx", (unsigned long)e->qual[0])
			   : 0;
	}
}

int vmx_exit_describe(const struct vm_exit *e, char *buf, size_t size)
{
	const char *name = vmx_reason_info((uint32_t)e->reason)->name;
	int n;

	if (e->reason == VMX_REASON_NONE)
		return fmt_snprintf(buf, size, "VM entry failed, VM-instruction error %u: %s",
				    (unsigned)e->qual[0], vmx_instruction_error((uint32_t)e->qual[0]));
	n = fmt_snprintf(buf, size, "exit reason %u%s, %s", (unsigned)VMX_REASON_BASIC(e->reason),
			 e->reason & VMX_REASON_ENTRY_FAILED ? " with bit 31" : "",
			 name ? name : "not defined");
	if (n < 0 || (size_t)n >= size)
		return n;
	return n + describe_detail(e, buf + n, size - (size_t)n);
}
