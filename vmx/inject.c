/* SPDX-License-Identifier: BSD-2-Clause */
/* Events: whether the guest can take one, its injection, and the windows in which it will be able to. */
#include "hv/x86/cr.h"
#include "hv/x86/rflags.h"
#include "vmx/cache.h"
#include "vmx/insn.h"
#include "vmx/vmx.h"

void vmx_change_interruptibility(struct vmx_vcpu *x, uint64_t set, uint64_t clear)
{
	uint64_t old = vmx_cached_read(x, CACHED_INTERRUPTIBILITY), new = (old & ~clear) | set;

	if (new != old)
		vmx_cached_write(x, CACHED_INTERRUPTIBILITY, new);
}

uint32_t vmx_blocking(struct vcpu *v)
{
	struct vmx_scope s = vmx_scope_enter(to_vmx(v));
	uint64_t state = vmx_cached_read(s.x, CACHED_INTERRUPTIBILITY);
	uint32_t blocking = 0;

	if (!(vmx_cached_read(s.x, CACHED_RFLAGS) & RFLAGS_IF))
		blocking |= BLOCK_IF;
	if (state & (VMX_BLOCKING_STI | VMX_BLOCKING_MOV_SS))
		blocking |= BLOCK_SHADOW;
	if (state & VMX_BLOCKING_NMI)
		blocking |= BLOCK_NMI;
	else
		s.x->nmi_delivered = false;
	vmx_scope_leave(s);
	return blocking;
}

bool vmx_insn_completed(struct vcpu *v)
{
	struct vmx_vcpu *x = to_vmx(v);

	vmx_change_interruptibility(x, 0, VMX_BLOCKING_STI | VMX_BLOCKING_MOV_SS);
	if (vmx_cached_read(x, CACHED_RFLAGS) & RFLAGS_RF)
		vmx_cached_write(x, CACHED_RFLAGS, vmx_cached_read(x, CACHED_RFLAGS) & ~RFLAGS_RF);
	return vmx_cached_read(x, CACHED_RFLAGS) & RFLAGS_TF;
}

/*
 * Within a shadow and with TF, an entry wants a single step to be pending: "Checks on Guest Non-Register State".
 * The exit for #DB took it away, and its injection discards it again.
 */
static void agree_on_single_step(struct vmx_vcpu *x)
{
	if (!(vmx_cached_read(x, CACHED_INTERRUPTIBILITY) & (VMX_BLOCKING_STI | VMX_BLOCKING_MOV_SS)))
		return;
	if (vmx_cached_read(x, CACHED_RFLAGS) & RFLAGS_TF)
		vmcs_write(VMCS_GUEST_PENDING_DEBUG, vmcs_read(VMCS_GUEST_PENDING_DEBUG) | DR6_BS);
}

void vmx_inject(struct vcpu *v, const struct guest_event *ev)
{
	struct vmx_vcpu *x = to_vmx(v);
	uint32_t info = VMX_INTR_VALID | ((uint32_t)ev->type << VMX_INTR_TYPE_SHIFT) | ev->vector;

	/* Real mode pushes no error codes, and VM entry refuses to: "VM-Entry Controls for Event Injection". */
	if (ev->has_error && (x->cr0_shadow & CR0_PE)) {
		info |= VMX_INTR_ERROR_VALID;
		vmcs_write(VMCS_ENTRY_ERROR_CODE, ev->error);
	}
	if (ev->type >= EVENT_SOFT_INTERRUPT)
		vmcs_write(VMCS_ENTRY_INSN_LENGTH, ev->insn_len);
	if (ev->type == EVENT_NMI)
		x->nmi_delivered = true;
	if (ev->type == EVENT_EXCEPTION && ev->vector == EXC_DB)
		agree_on_single_step(x);
	vmcs_write(VMCS_ENTRY_INTR_INFO, info);
	x->injected = *ev;
}

static void set_proc_control(struct vcpu *v, uint32_t bit, bool on)
{
	struct vmx_scope s = vmx_scope_enter(to_vmx(v));
	uint32_t controls = on ? s.x->proc_controls | bit : s.x->proc_controls & ~bit;

	if (controls != s.x->proc_controls) {
		vmcs_write(VMCS_PROC_BASED_CONTROLS, controls);
		s.x->proc_controls = controls;
	}
	vmx_scope_leave(s);
}

void vmx_interrupt_window(struct vcpu *v, bool on)
{
	set_proc_control(v, PROC_INTERRUPT_WINDOW, on);
}

void vmx_nmi_window(struct vcpu *v, bool on)
{
	set_proc_control(v, PROC_NMI_WINDOW, on);
}
