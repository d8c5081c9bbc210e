/* SPDX-License-Identifier: BSD-2-Clause */
/* A vCPU's entry and exit: what is read of an exit, and what could not wait. Its meaning is vmx/exit.c's. */
#include "hv/insn_known.h"
#include "hv/trap.h"
#include "hv/x86/cr.h"
#include "hv/x86/rflags.h"
#include "vmx/cache.h"
#include "vmx/exit.h"
#include "vmx/insn.h"
#include "vmx/vmx.h"

/*
 * The preemption timer counts guest time only: a vCPU that does little but exit lets the host's interrupts in at every
 * 64th port access, and at every 16th of a dearer kind: under Bochs half a millisecond, 6 characters of the UART's 16.
 */
#define IO_PER_WINDOW      64
#define EXITS_PER_WINDOW   16

#define PENDING_BREAKPOINT BIT(12) /* of the pending debug exceptions: an enabled breakpoint was met */

/* Reads what this exit has: SDM Vol. 3C, "VM-Exit Information Fields". */
static void capture(struct vmx_raw *raw, uint32_t fields)
{
	if (fields & FIELD_LENGTH)
		raw->length = (uint32_t)vmcs_read(VMCS_EXIT_INSN_LENGTH);
	if (fields & FIELD_QUALIFICATION)
		raw->qualification = vmcs_read(VMCS_EXIT_QUALIFICATION);
	if (fields & FIELD_GPA)
		raw->gpa = vmcs_read(VMCS_GUEST_PHYSICAL_ADDRESS);
	if (fields & FIELD_INTR) {
		raw->intr_info = (uint32_t)vmcs_read(VMCS_EXIT_INTR_INFO);
		if (raw->intr_info & VMX_INTR_ERROR_VALID)
			raw->intr_error = (uint32_t)vmcs_read(VMCS_EXIT_INTR_ERROR);
	}
	if (fields & FIELD_IDT) {
		raw->idt_info = (uint32_t)vmcs_read(VMCS_IDT_VECTORING_INFO);
		if (!(raw->idt_info & VMX_INTR_VALID))
			return;
		if (raw->idt_info & VMX_INTR_ERROR_VALID)
			raw->idt_error = (uint32_t)vmcs_read(VMCS_IDT_VECTORING_ERROR);
		raw->length = (uint32_t)vmcs_read(VMCS_EXIT_INSN_LENGTH);
	}
}

/* What could not wait, or would be lost, before the core looks at the exit. */
static void settle(struct vmx_vcpu *x, const struct vm_exit *e, const struct vmx_fixup *fix)
{
	if (e->kind == EXIT_NMI) {
		nmi_from_guest();
		/*
		 * Bochs 2.7 sets the guest's blocking by NMI here, although the NMI was not the guest's. Keep it
		 * only where the guest may be in its own handler; then its IRET clears it.
		 */
		if (!x->nmi_delivered)
			vmx_change_interruptibility(x, 0, VMX_BLOCKING_NMI);
	} else if (e->kind == EXIT_MACHINE_CHECK) {
		asm volatile("int %0" : : "i"(EXC_MC) : "memory");
	}
	if (fix->block_nmi)
		vmx_change_interruptibility(x, VMX_BLOCKING_NMI, 0);
	if (fix->unblock_nmi)
		vmx_change_interruptibility(x, 0, VMX_BLOCKING_NMI);
	if (fix->requeue.valid)
		event_requeue(&x->base, &fix->requeue);
}

/* The guest did not run: what was programmed for it goes back to the queue. */
static void entry_not_made(struct vmx_vcpu *x)
{
	/* Every exit clears the bit: SDM Vol. 3C, "Information for VM Exits Due to Vectored Events". */
	if (!(vmcs_read(VMCS_ENTRY_INTR_INFO) & VMX_INTR_VALID))
		return;
	vmcs_write(VMCS_ENTRY_INTR_INFO, 0);
	event_take_back(&x->base, &x->injected);
}

[[gnu::cold]] static void entry_failed(struct vm_exit *e)
{
	*e = (struct vm_exit){.kind = EXIT_ENTRY_FAILED,
			      .reason = VMX_REASON_NONE,
			      .qual = {vmcs_read(VMCS_VM_INSTRUCTION_ERROR)}};
}

/* At every n-th exit of x of this kind. All of the host's state is loaded, as where an interrupt makes the exit. */
static inline void window_after(const struct vmx_vcpu *x, enum exit_kind kind, unsigned n)
{
	if (x->base.exits[kind] % n == 0)
		vmx_host_irq_window();
}

/* Whether there is more to completing the instruction than RIP. */
static inline bool completion_is_odd(struct vmx_vcpu *x)
{
	uint64_t state = vmcs_read(VMCS_GUEST_INTERRUPTIBILITY), flags = vmcs_read(VMCS_GUEST_RFLAGS);

	x->cache[CACHED_INTERRUPTIBILITY] = state;
	x->cache[CACHED_RFLAGS] = flags;
	x->cached = 1u << CACHED_INTERRUPTIBILITY | 1u << CACHED_RFLAGS;
	return (state & (VMX_BLOCKING_STI | VMX_BLOCKING_MOV_SS)) | (flags & (RFLAGS_TF | RFLAGS_RF));
}

/* The instruction of an EPT violation, if it is one of the last few. */
static void find_known(struct vmx_vcpu *x, struct vm_exit *e)
{
	if (!completion_is_odd(x) && vmx_long_mode(&x->base))
		e->npf.known = insn_known_find(&x->base, vmcs_read(VMCS_GUEST_CR3));
}

/*
 * A single step that such an exit came behind of: left to VM entry it would be lost to an event that is injected (SDM Vol. 3C,
 * "Delivery of Pending Debug Exceptions after VM Entry").
 */
static void take_pending_debug(struct vmx_vcpu *x)
{
	uint64_t pending = vmcs_read(VMCS_GUEST_PENDING_DEBUG);

	if (!(pending & (DR6_BS | PENDING_BREAKPOINT)))
		return;
	vmcs_write(VMCS_GUEST_PENDING_DEBUG, 0);
	vcpu_reg_set(&x->base, VREG_DR6, vcpu_reg_get(&x->base, VREG_DR6) | (pending & ~PENDING_BREAKPOINT));
	event_raise(&x->base, EXC_DB);
}

/* Not inlined, so that plain exits don't pay for its frame. */
[[gnu::noinline]] static enum exit_action take_full_exit(struct vmx_vcpu *x, uint32_t reason)
{
	struct vm_exit *e = &x->base.last_exit;
	struct vmx_raw raw;
	struct vmx_fixup fix;

	raw.reason = reason;
	capture(&raw, vmx_reason_info(reason)->fields);
	vmx_exit_decode(&raw, e, &fix);
	settle(x, e, &fix);
	if (e->kind == EXIT_PREEMPT_TIMER)
		vmx_timer_restart();
	else if (e->kind == EXIT_NPF)
		find_known(x, e);
	else if (e->kind == EXIT_APIC_WRITE || e->kind == EXIT_EOI || e->kind == EXIT_TPR)
		take_pending_debug(x);
	window_after(x, e->kind, EXITS_PER_WINDOW);
	return exit_dispatch(&x->base);
}

/* An exit by an instruction, decoded but for its length. Outside 64-bit mode RIP might wrap: the core knows how. */
static inline void take_length(struct vmx_vcpu *x, uint64_t rip)
{
	struct vm_exit *e = &x->base.last_exit;
	uint64_t length = vmcs_read(VMCS_EXIT_INSN_LENGTH), next = rip + length;

	if (completion_is_odd(x) || (uint32_t)next < length) {
		e->insn_len = (uint8_t)length;
		next = 0;
	}
	e->next_rip = next;
}

[[gnu::noinline]] static enum exit_action take_hypercall(struct vmx_vcpu *x)
{
	struct vm_exit *e = &x->base.last_exit;

	e->call.cpl = (uint8_t)vmx_cpl(&x->base);
	e->call.long_mode = vmx_long_mode(&x->base);
	e->kind = EXIT_HYPERCALL;
	e->reason = REASON_VMCALL;
	take_length(x, x->base.rip);
	return exit_dispatch(&x->base);
}

/* An EPT violation that an instruction made, and that has nothing to put right. Not inlined, as above. */
[[gnu::noinline]] static enum exit_action take_npf(struct vmx_vcpu *x, uint64_t qualification)
{
	struct vm_exit *e = &x->base.last_exit;
	uint64_t at = vmcs_read(VMCS_GUEST_PHYSICAL_ADDRESS);

	e->next_rip = 0;
	e->kind = EXIT_NPF;
	e->reason = REASON_EPT_VIOLATION;
	e->insn_len = 0;
	e->qual[0] = qualification;
	e->qual[1] = at;
	e->qual[2] = 0;
	vmx_exit_decode_npf(qualification, at, e);
	find_known(x, e);
	window_after(x, EXIT_NPF, EXITS_PER_WINDOW);
	return exit_dispatch(&x->base);
}

enum exit_action vmx_exited(struct vmx_vcpu *x)
{
	struct vm_exit *e = &x->base.last_exit;
	uint64_t rip = vmcs_read(VMCS_GUEST_RIP), reason = vmcs_read(VMCS_EXIT_REASON);

	x->base.rip = x->hw_rip = rip;
	if (vmx_exit_is_plain(reason)) {
		e->kind = vmx_plain_kinds[reason];
		e->reason = reason;
		take_length(x, rip);
	} else if (reason == REASON_IO) {
		e->kind = EXIT_IO;
		e->reason = reason;
		vmx_exit_decode_io(vmcs_read(VMCS_EXIT_QUALIFICATION), e);
		take_length(x, rip);
		window_after(x, EXIT_IO, IO_PER_WINDOW);
	} else if (reason == REASON_VMCALL) {
		return take_hypercall(x);
	} else {
		x->cached = 0;
		if (reason == REASON_EPT_VIOLATION &&
		    !(vmcs_read(VMCS_IDT_VECTORING_INFO) & VMX_INTR_VALID)) {
			uint64_t qualification = vmcs_read(VMCS_EXIT_QUALIFICATION);

			if (!(qualification & EPT_QUAL_NMI_UNBLOCKING))
				return take_npf(x, qualification);
		}
		return take_full_exit(x, (uint32_t)reason);
	}
	return exit_dispatch(&x->base);
}

enum exit_action vmx_not_entered(struct vmx_vcpu *x, enum vmx_no_entry why)
{
	x->hw_rip = x->base.rip;
	if (why == VMX_ENTRY_REQUESTED) {
		entry_not_made(x);
		return ACT_RESUME;
	}
	entry_failed(&x->base.last_exit);
	return exit_dispatch(&x->base);
}

[[gnu::noinline]] static enum exit_action flush_and_run(struct vmx_vcpu *x)
{
	vmx_flush(x);
	return vmx_enter(x, x->base.cpu);
}

/* Ends in entry.asm, which saves the registers, and that in vmx_exited: neither has a frame. */
enum exit_action vmx_vcpu_run(struct vcpu *v)
{
	struct vmx_vcpu *x = to_vmx(v);

	if (v->rip != x->hw_rip)
		vmcs_write(VMCS_GUEST_RIP, v->rip);
	if (x->flush_ept || x->flush_vpid)
		return flush_and_run(x);
	return vmx_enter(x, v->cpu);
}
