/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The dispatcher: every exit of every guest comes through exit_dispatch, which calls one handler for its
 * kind and, alone, moves RIP. Handlers live with what they handle.
 */
#include "hv/exit.h"

#include "hv/cpuid.h"
#include "hv/cr.h"
#include "hv/decode.h"
#include "hv/emulate.h"
#include "hv/exit_advance.h"
#include "hv/hypercall.h"
#include "hv/insn.h"
#include "hv/irq.h"
#include "hv/lib/panic.h"
#include "hv/lib/status.h"
#include "hv/lib/util.h"
#include "hv/msr.h"
#include "hv/panic.h"
#include "hv/pcpu.h"
#include "hv/task_switch.h"
#include "hv/vcpu.h"
#include "hv/vdev/ioapic.h"
#include "hv/vm.h"
#include "hv/vm_absent.h"
#include "hv/x86/cr.h"
#include "hv/x86/rflags.h"

static const char *const kind_names[EXIT_KIND_COUNT] = {
    [EXIT_NONE] = "none",
    [EXIT_INTERRUPT] = "interrupt",
    [EXIT_NMI] = "NMI",
    [EXIT_PREEMPT_TIMER] = "preemption timer",
    [EXIT_INTR_WINDOW] = "interrupt window",
    [EXIT_NMI_WINDOW] = "NMI window",
    [EXIT_CPUID] = "CPUID",
    [EXIT_HLT] = "HLT",
    [EXIT_PAUSE] = "PAUSE",
    [EXIT_IO] = "I/O",
    [EXIT_RDMSR] = "RDMSR",
    [EXIT_WRMSR] = "WRMSR",
    [EXIT_CR] = "CR access",
    [EXIT_DR] = "DR access",
    [EXIT_XSETBV] = "XSETBV",
    [EXIT_RDTSC] = "RDTSC",
    [EXIT_RDTSCP] = "RDTSCP",
    [EXIT_RDPMC] = "RDPMC",
    [EXIT_WBINVD] = "WBINVD",
    [EXIT_INVLPG] = "INVLPG",
    [EXIT_MONITOR] = "MONITOR/MWAIT",
    [EXIT_HYPERCALL] = "hypercall",
    [EXIT_UNDEFINED_INSN] = "undefined instruction",
    [EXIT_NPF] = "memory access",
    [EXIT_EXCEPTION] = "exception",
    [EXIT_TASK_SWITCH] = "task switch",
    [EXIT_TRIPLE_FAULT] = "triple fault",
    [EXIT_INIT] = "INIT",
    [EXIT_ENTRY_FAILED] = "entry failed",
    [EXIT_MACHINE_CHECK] = "machine check",
    [EXIT_TPR] = "TPR threshold",
    [EXIT_EOI] = "virtual EOI",
    [EXIT_APIC_WRITE] = "APIC write",
    [EXIT_UNKNOWN] = "unknown",
};

static_assert(sizeof((struct vm_exit){}.io) == sizeof(uint32_t));

const char *exit_kind_name(enum exit_kind k)
{
	return k < EXIT_KIND_COUNT && kind_names[k] ? kind_names[k] : "?";
}

/* Each is called last in exit_dispatch, which so needs no frame of its own. */
#define HANDLER [[gnu::noinline]] static enum exit_action

HANDLER handle_fault(struct vcpu *v, uint8_t vector)
{
	event_raise(v, vector);
	return ACT_RESUME;
}

HANDLER handle_gp(struct vcpu *v)
{
	event_raise_error(v, EXC_GP, 0);
	return ACT_RESUME;
}

/* A host interrupt. VMX has acknowledged it already; SVM leaves it for the window outside the loop. */
HANDLER handle_interrupt(const struct vm_exit *e)
{
	if (!e->irq.acknowledged)
		return ACT_LEAVE;
	irq_dispatch(e->irq.vector);
	return ACT_RESUME;
}

/* What it has given to its devices without telling them is now for them to take. */
HANDLER handle_hlt(struct vcpu *v)
{
	if (v->vm->virtio_watched)
		virtio_look(v->vm);
	return ACT_ADVANCE_HALT;
}

HANDLER handle_window(struct vcpu *v)
{
	event_reconsider(v);
	return ACT_RESUME;
}

HANDLER handle_in(struct vcpu *v, const struct vm_exit *e)
{
	unsigned size = exit_io_size(e);
	const struct io_range *r = io_bus_look_up(&v->vm->ports, &v->vm->port_index, e->io.port);
	uint64_t value = io_range_holds(r, e->io.port, size)
			     ? r->read(r->dev, v, e->io.port, size)
			     : io_bus_read(&v->vm->ports, v, e->io.port, size);

	if (size == 1)
		v->gpr[RAX] = (v->gpr[RAX] & ~0xffUL) | (uint8_t)value;
	else if (size == 2)
		v->gpr[RAX] = (v->gpr[RAX] & ~0xffffUL) | (uint16_t)value;
	else /* clears the upper half, as every 32-bit result does */
		v->gpr[RAX] = (uint32_t)value;
	return ACT_ADVANCE;
}

HANDLER handle_out(struct vcpu *v, const struct vm_exit *e)
{
	io_bus_write(&v->vm->ports, v, e->io.port, exit_io_size(e), v->gpr[RAX]);
	return ACT_ADVANCE;
}

HANDLER handle_io(struct vcpu *v, struct vm_exit *e)
{
	/* Many are only made for the time that they take: one byte, to nobody. */
	if (!(e->io.word & EXIT_IO_FORM) && !io_bus_look_up(&v->vm->ports, &v->vm->port_index, e->io.port))
		return ACT_ADVANCE;
	if (e->io.string)
		return emulate_string_io(v, e);
	return e->io.in ? handle_in(v, e) : handle_out(v, e);
}

HANDLER handle_rdtsc(struct vcpu *v, bool rdtscp)
{
	uint64_t tsc = vcpu_tsc(v);

	v->gpr[RAX] = (uint32_t)tsc;
	v->gpr[RDX] = tsc >> 32;
	if (rdtscp) {
		if (!cpuid_has(&v->vm->cpuid, FEATURE_RDTSCP))
			return handle_fault(v, EXC_UD);
		v->gpr[RCX] = (uint32_t)v->msrs.tsc_aux;
	}
	return ACT_ADVANCE;
}

/* What is not RAM: a device's, or nobody's. */
HANDLER handle_no_memory(struct vcpu *v, struct vm_exit *e)
{
	if (e->npf.fetch) {
		vm_crash(v, "runs code at 0x%lx, which is not memory", e->npf.gpa.v);
		return ACT_STOPPED;
	}
	if (e->npf.table_walk) {
		vm_crash(v, "its page tables lie at 0x%lx, which is not memory", e->npf.gpa.v);
		return ACT_STOPPED;
	}
	if (v->events.requeued.valid) { /* the access was the delivery's, not an instruction's */
		vm_crash(v, "vector %u can't be delivered: its IDT, GDT, TSS or stack at 0x%lx is not memory",
			 v->events.requeued.vector, e->npf.gpa.v);
		return ACT_STOPPED;
	}
	return emulate_mmio(v, e);
}

/* Of a VM with a balloon: RAM without a frame gets one, and the access is made again. What has one lacked it when it was made. */
HANDLER handle_perhaps_absent(struct vcpu *v, struct vm_exit *e)
{
	const struct gmem_slot *slot = gmem_find(&v->vm->mem, e->npf.gpa);

	if (!slot || slot->readonly)
		return handle_no_memory(v, e);
	if (vm_absent_supply(v->vm, e->npf.gpa) == OK)
		return ACT_RESUME;
	vm_crash(v, "%s", VM_STARVED);
	return ACT_STOPPED;
}

static enum exit_action handle_npf(struct vcpu *v, struct vm_exit *e)
{
	return v->vm->spare ? handle_perhaps_absent(v, e) : handle_no_memory(v, e);
}

/* What the CPU does to DR6 and DR7 for a #DB that is not intercepted: SDM Vol. 3B, "Debug Registers". */
static void set_debug_status(struct vcpu *v, uint64_t payload)
{
	uint64_t dr6 = vcpu_reg_get(v, VREG_DR6) & ~(DR6_B0 | DR6_B1 | DR6_B2 | DR6_B3);

	vcpu_reg_set(v, VREG_DR6, dr6 | payload);
	if (payload & DR6_BD)
		vcpu_reg_set(v, VREG_DR7, vcpu_reg_get(v, VREG_DR7) & ~DR7_GD);
}

/*
 * An intercepted exception is one of those that could repeat for ever in its own delivery (#DB, #AC): the
 * guest gets it as an event, so that each round is an exit and the host stays in control.
 */
HANDLER handle_exception(struct vcpu *v, const struct vm_exit *e)
{
	if (e->exc.vector == EXC_DB)
		set_debug_status(v, e->exc.payload);
	if (e->exc.has_error)
		event_raise_error(v, e->exc.vector, e->exc.error);
	else
		event_raise(v, e->exc.vector);
	return ACT_RESUME;
}

HANDLER handle_triple_fault(struct vcpu *v)
{
	vm_triple_fault(v);
	return ACT_STOPPED;
}

HANDLER handle_eoi(struct vcpu *v, const struct vm_exit *e)
{
	vioapic_eoi(v->vm, e->apic.vector);
	return ACT_RESUME;
}

HANDLER handle_apic_write(struct vcpu *v, const struct vm_exit *e)
{
	vlapic_page_written(v, e->apic.offset);
	return ACT_RESUME;
}

HANDLER handle_machine_check(struct vcpu *v)
{
	mce_log();
	panic("machine check while %s ran", v->vm->cfg->name);
}

HANDLER handle_report(struct vcpu *v, const char *what)
{
	vm_crash(v, "%s", what);
	return ACT_STOPPED;
}

enum exit_action exit_dispatch(struct vcpu *v)
{
	struct vm_exit *e = &v->last_exit;

	v->exits[e->kind]++;
	switch (e->kind) {
	case EXIT_NONE:
		return ACT_RESUME;
	case EXIT_NMI: /* what a kick came to tell is in the requests */
		return e->irq.acknowledged ? ACT_RESUME : ACT_LEAVE;
	case EXIT_INTERRUPT:
		return handle_interrupt(e);
	case EXIT_INIT:
	case EXIT_PREEMPT_TIMER: /* the backstop where an interrupt does not end the guest: take it now */
		return ACT_LEAVE;
	case EXIT_INTR_WINDOW:
	case EXIT_NMI_WINDOW:
	case EXIT_TPR:
		return handle_window(v);
	case EXIT_CPUID:
		return cpuid_handle(v);
	case EXIT_HLT:
		return handle_hlt(v);
	case EXIT_PAUSE:
		return ACT_YIELD;
	case EXIT_IO:
		return handle_io(v, e);
	case EXIT_RDMSR:
		return msr_read_handle(v);
	case EXIT_WRMSR:
		return msr_write_handle(v);
	case EXIT_CR:
		return cr_handle(v, e);
	case EXIT_DR:
		return dr_handle(v, e);
	case EXIT_XSETBV:
		return xsetbv_handle(v);
	case EXIT_RDTSC:
		return handle_rdtsc(v, false);
	case EXIT_RDTSCP:
		return handle_rdtsc(v, true);
	case EXIT_RDPMC:
		return handle_gp(v); /* guests have no performance counters */
	case EXIT_WBINVD:
	case EXIT_INVLPG:
		return ACT_ADVANCE; /* memory is coherent without passed-through devices */
	case EXIT_MONITOR:
	case EXIT_UNDEFINED_INSN:
		return handle_fault(v, EXC_UD);
	case EXIT_HYPERCALL:
		return hypercall_handle(v);
	case EXIT_NPF:
		return handle_npf(v, e);
	case EXIT_EXCEPTION:
		return handle_exception(v, e);
	case EXIT_TASK_SWITCH:
		return task_switch_handle(v, e);
	case EXIT_TRIPLE_FAULT:
		return handle_triple_fault(v);
	case EXIT_ENTRY_FAILED:
		return handle_report(v, "the CPU refused to enter the guest's state");
	case EXIT_MACHINE_CHECK:
		return handle_machine_check(v);
	case EXIT_EOI:
		return handle_eoi(v, e);
	case EXIT_APIC_WRITE:
		return handle_apic_write(v, e);
	case EXIT_UNKNOWN:
	case EXIT_KIND_COUNT:
		return handle_report(v, "an exit that nobody knows");
	}
	return handle_report(v, "an exit that nobody knows");
}

/*
 * Moves RIP and ends what lasts for one instruction: the STI and MOV-SS shadow, RFLAGS.RF, and the single step, whose
 * trap the hardware would have raised.
 */
static void complete(struct vcpu *v, uint64_t rip)
{
	v->rip = rip;
	if (ops->insn_completed(v)) {
		vcpu_reg_set(v, VREG_DR6, vcpu_reg_get(v, VREG_DR6) | DR6_BS);
		event_raise(v, EXC_DB);
	}
}

/* Finds v->last_exit.insn_len, where the hardware didn't tell it. False: a fault was raised, or v's VM was ended. */
static bool find_length(struct vcpu *v)
{
	enum status s = insn_length(v, &v->last_exit.insn_len);

	if (s != OK && s != ERR_FAULT)
		vm_crash(v, "the instruction at RIP can't be read: %s", status_str(s));
	return s == OK;
}

/* RIP goes behind the instruction of v->last_exit. False: a fault was raised instead. */
static bool advance(struct vcpu *v)
{
	uint64_t rip;

	if (exit_advance_quick(v))
		return true;
	if (!v->last_exit.insn_len && !find_length(v))
		return false;
	rip = v->rip + v->last_exit.insn_len;
	if ((uint32_t)rip < v->last_exit.insn_len && vcpu_mode(v) != MODE_LONG)
		rip = (uint32_t)rip;
	complete(v, rip);
	return true;
}

enum exit_action exit_advance_and(struct vcpu *v, enum exit_action act)
{
	if (act == ACT_BRANCH) {
		complete(v, v->last_exit.branch_to);
		return ACT_RESUME;
	}
	if (act == ACT_REPEAT) {
		complete(v, v->rip);
		return ACT_LEAVE;
	}
	if (!advance(v))
		return ACT_RESUME;
	if (act == ACT_YIELD)
		return ACT_YIELD;
	if (act == ACT_ADVANCE)
		return ACT_RESUME;
	v->halted = true;
	event_reconsider(v);
	return ACT_RESUME;
}
