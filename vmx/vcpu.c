/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmx_ops: a vCPU's VMCS from its creation on, its loading onto a CPU, entry and exit, injection. The registers
 * are vmx/regs.c's, the meaning of an exit vmx/exit.c's.
 */
#include "hv/insn_known.h"
#include "hv/lib/panic.h"
#include "hv/lib/string.h"
#include "hv/timer.h"
#include "hv/trap.h"
#include "hv/vm.h"
#include "hv/x86/cr.h"
#include "hv/x86/insn.h"
#include "hv/x86/msr.h"
#include "hv/x86/rflags.h"
#include "mm/host_map.h"
#include "mm/page_alloc.h"
#include "vmx/cache.h"
#include "vmx/exit.h"
#include "vmx/insn.h"
#include "vmx/msr_bitmap.h"
#include "vmx/vmx.h"

/*
 * The longest time in the guest without an exit: the backstop of every kick and of the host's interrupts, which on
 * Bochs don't end a guest that has IF 0. Against such a guest the host's UART lives on this: 16 bytes a tick.
 */
#define PREEMPTION_HZ          1000

/*
 * The timer counts guest time only: a vCPU that does little but exit leaves the loop when its exits have made up 256, so
 * every 16th of the dear ones, every 64th port access: under Bochs half a millisecond, 6 characters of the UART's 16.
 */
#define WEIGHT_FULL            16
#define WEIGHT_IO              4

/*
 * SDM Vol. 3C, "Pause-Loop Exiting": ticks between two PAUSEs of one loop, and of the whole loop. Longer than a
 * guest's short waits for its devices; what spins so long waits for a vCPU that does not run.
 */
#define PLE_GAP_TICKS          128
#define PLE_WINDOW_TICKS       65536

/*
 * #MC is the host's. #AC and #DB could be raised without end by their own delivery, which no interrupt would
 * break; as exits, each round comes by here.
 */
#define EXCEPTIONS_INTERCEPTED ((1u << EXC_MC) | (1u << EXC_AC) | (1u << EXC_DB))

#define PENDING_BREAKPOINT     BIT(12) /* of the pending debug exceptions: an enabled breakpoint was met */
#define MSR_MAP_ORDER          1       /* two pages: vmx/apic.c */

static bool has(enum vmx_ctl_word w, uint32_t bit)
{
	return vmx_caps_has(&vmx_caps, w, bit);
}

static void clear_vmcs(struct vmx_vcpu *x)
{
	CHECK(vmclear(host_pa(x->vmcs)));
	x->launched = false;
}

void vmx_borrow(struct vmx_vcpu *x)
{
	CHECK(vmptrld(host_pa(x->vmcs)));
	x->cached = 0;
}

void vmx_give_back(struct vmx_vcpu *x)
{
	struct vmx_cpu *c = vmx_this_cpu();

	clear_vmcs(x);
	if (c->loaded)
		CHECK(vmptrld(host_pa(c->loaded->vmcs)));
}

/* Instructions that are #UD for guests without their control; a guest that has the control and not the feature gets none. */
static const struct {
	uint32_t control;
	struct cpuid_feature feature;
} controlled[] = {
    {PROC2_RDTSCP, FEATURE_RDTSCP},
    {PROC2_INVPCID, FEATURE_INVPCID},
    {PROC2_XSAVES, FEATURE_XSAVES},
};

static void allow_msr(void *bitmap, uint32_t msr, uint8_t rights)
{
	CHECK(vmx_msr_bitmap_allow(bitmap, msr, rights & MSR_READ, rights & MSR_WRITE));
}

static void ops_vm_fini(struct vm *vm)
{
	vmx_apic_vm_fini(vm);
	page_free(vm->msr_map, MSR_MAP_ORDER);
	vm->msr_map = NULL;
}

static enum status ops_vm_init(struct vm *vm)
{
	enum status s;

	for (size_t i = 0; i < ARRAY_SIZE(controlled); i++) {
		if (!has(CTL_PROC2, controlled[i].control))
			cpuid_drop(&vm->cpuid, controlled[i].feature);
	}
	vm->msr_map = page_alloc(MSR_MAP_ORDER);
	if (!vm->msr_map)
		return ERR_NOMEM;
	memset(vm->msr_map, 0xff, PAGE_SIZE);
	msr_passthrough(vm, vm->msr_map, allow_msr);
	s = vmx_apic_vm_init(vm);
	if (s != OK)
		ops_vm_fini(vm);
	return s;
}

static uint32_t proc2_controls(const struct vm *vm)
{
	uint32_t controls = vmx_caps.ctl[CTL_PROC2];

	for (size_t i = 0; i < ARRAY_SIZE(controlled); i++) {
		if (!cpuid_has(&vm->cpuid, controlled[i].feature))
			controls &= ~controlled[i].control;
	}
	if (vm->tsc.multiplier == TSC_MULTIPLIER_ONE)
		controls &= ~PROC2_TSC_SCALING;
	return controls;
}

/*
 * Where its value is saved at exits, it runs on over them: a guest that exits all the time, and whose interrupts
 * are off, must be left for the host's interrupts too (on an emulator that doesn't exit for those).
 */
static void set_timer(uint64_t tsc_ticks)
{
	vmcs_write(VMCS_PREEMPTION_TIMER_VALUE,
		   MIN(MAX(tsc_ticks >> vmx_caps.timer_shift, 1UL), (uint64_t)UINT32_MAX));
}

static void restart_timer(void)
{
	set_timer(tsc_hz() / PREEMPTION_HZ);
}

static void set_controls(struct vmx_vcpu *x)
{
	x->proc_controls = vmx_caps.ctl[CTL_PROC];
	x->entry_controls = vmx_caps.ctl[CTL_ENTRY];
	vmcs_write(VMCS_PIN_BASED_CONTROLS, vmx_caps.ctl[CTL_PIN]);
	vmcs_write(VMCS_PROC_BASED_CONTROLS, x->proc_controls);
	x->proc2_controls = proc2_controls(x->base.vm);
	vmcs_write(VMCS_EXIT_CONTROLS, vmx_caps.ctl[CTL_EXIT]);
	vmcs_write(VMCS_ENTRY_CONTROLS, x->entry_controls);
	vmcs_write(VMCS_EXCEPTION_BITMAP, EXCEPTIONS_INTERCEPTED);
	vmcs_write(VMCS_PF_ERROR_MASK, 0);
	vmcs_write(VMCS_PF_ERROR_MATCH, 0);
	vmcs_write(VMCS_CR3_TARGET_COUNT, 0);
	vmcs_write(VMCS_LINK_POINTER, UINT64_MAX);
	vmcs_write(VMCS_TSC_OFFSET, 0);
	if (has(CTL_PROC2, PROC2_TSC_SCALING))
		vmcs_write(VMCS_TSC_MULTIPLIER, x->base.vm->tsc.multiplier);
	if (has(CTL_PROC2, PROC2_XSAVES))
		vmcs_write(VMCS_XSS_EXITING_BITMAP, 0);
	if (has(CTL_PROC2, PROC2_PAUSE_LOOP_EXITING)) {
		vmcs_write(VMCS_PLE_GAP, PLE_GAP_TICKS);
		vmcs_write(VMCS_PLE_WINDOW, PLE_WINDOW_TICKS);
	}
	if (has(CTL_PIN, PIN_PREEMPTION_TIMER))
		restart_timer();
}

/* PAT and EFER change at entry and exit by controls, or else by the MSR areas. */
static void set_msr_areas(struct vmx_vcpu *x)
{
	bool pat = !has(CTL_ENTRY, VMENTRY_LOAD_PAT), efer = !has(CTL_ENTRY, VMENTRY_LOAD_EFER);
	uint32_t first = pat ? SLOT_PAT : SLOT_EFER, count = (uint32_t)pat + (uint32_t)efer;

	x->entry_area[SLOT_PAT].index = x->exit_area[SLOT_PAT].index = MSR_IA32_PAT;
	x->entry_area[SLOT_EFER].index = x->exit_area[SLOT_EFER].index = MSR_EFER;
	x->exit_area[SLOT_PAT].value = rdmsr(MSR_IA32_PAT);
	x->exit_area[SLOT_EFER].value = rdmsr(MSR_EFER);
	vmcs_write(VMCS_ENTRY_MSR_LOAD_COUNT, count);
	vmcs_write(VMCS_EXIT_MSR_LOAD_COUNT, count);
	vmcs_write(VMCS_EXIT_MSR_STORE_COUNT, 0);
	vmcs_write(VMCS_ENTRY_MSR_LOAD_ADDRESS, host_pa(&x->entry_area[first]).v);
	vmcs_write(VMCS_EXIT_MSR_LOAD_ADDRESS, host_pa(&x->exit_area[first]).v);
	if (!pat)
		vmcs_write(VMCS_HOST_PAT, x->exit_area[SLOT_PAT].value);
	if (!efer)
		vmcs_write(VMCS_HOST_EFER, x->exit_area[SLOT_EFER].value);
}

/* The part of the host's state that is the same on every CPU. */
static void set_host_state(void)
{
	vmcs_write(VMCS_HOST_CS_SELECTOR, HOST_CS);
	vmcs_write(VMCS_HOST_SS_SELECTOR, HOST_DS);
	vmcs_write(VMCS_HOST_DS_SELECTOR, HOST_DS);
	vmcs_write(VMCS_HOST_ES_SELECTOR, HOST_DS);
	vmcs_write(VMCS_HOST_FS_SELECTOR, 0);
	vmcs_write(VMCS_HOST_GS_SELECTOR, 0);
	vmcs_write(VMCS_HOST_TR_SELECTOR, HOST_TR);
	vmcs_write(VMCS_HOST_FS_BASE, 0);
	vmcs_write(VMCS_HOST_GS_BASE, 0);
	vmcs_write(VMCS_HOST_SYSENTER_CS, 0);
	vmcs_write(VMCS_HOST_SYSENTER_ESP, 0);
	vmcs_write(VMCS_HOST_SYSENTER_EIP, 0);
	vmcs_write(VMCS_HOST_IDTR_BASE, trap_idt.base);
	vmcs_write(VMCS_HOST_RIP, (uint64_t)vmx_exit_entry);
}

static enum status ops_vcpu_init(struct vcpu *v)
{
	struct vmx_vcpu *x = to_vmx(v);
	struct vmx_scope s;

	x->vmcs = page_alloc(0);
	if (!x->vmcs)
		return ERR_NOMEM;
	*(uint32_t *)x->vmcs = vmx_caps.revision;
	x->last_cpu = NO_CPU;
	x->hw_rip = UINT64_MAX; /* the field holds nothing yet */
	clear_vmcs(x);
	s = vmx_scope_enter(x);
	set_controls(x);
	set_msr_areas(x);
	set_host_state();
	vmx_apic_vcpu_init(x);
	vmx_regs_init(x);
	vmx_scope_leave(s);
	return OK;
}

static void ops_vcpu_fini(struct vcpu *v)
{
	struct vmx_vcpu *x = to_vmx(v);

	clear_vmcs(x);
	page_free(x->vmcs, 0);
	x->vmcs = NULL;
}

static void ops_vcpu_reset(struct vcpu *v)
{
	struct vmx_scope s = vmx_scope_enter(to_vmx(v));

	vmx_regs_reset(s.x);
	vmx_scope_leave(s);
}

static uint64_t ept_pointer(const struct vmx_vcpu *x)
{
	return host_pa(x->base.vm->npt.root).v | EPTP_WALK_4 | EPTP_WRITE_BACK;
}

/* What belongs to the CPU that runs the VMCS. */
static void set_host_cpu(struct pcpu *p)
{
	vmcs_write(VMCS_HOST_CR0, read_cr0());
	vmcs_write(VMCS_HOST_CR4, read_cr4());
	vmcs_write(VMCS_HOST_TR_BASE, (uint64_t)&p->tss);
	vmcs_write(VMCS_HOST_GDTR_BASE, (uint64_t)p->gdt);
}

/* The host's timer can't end the guest: the preemption timer does, when it would. */
static void follow_deadline(uint64_t tsc)
{
	uint64_t now = rdtsc();

	set_timer(tsc < now ? 0 : MIN(tsc - now, tsc_hz() / PREEMPTION_HZ));
}

/*
 * Host interrupts wait from now on: see vmx_caps.delivers_masked. One that has been signalled is not taken back in Bochs by a
 * higher CR8: so it is taken before.
 */
static void close_cr8(void)
{
	asm volatile("sti\n\tnop\n\tmov %0, %%cr8\n\tnop\n\tcli" ::"r"((uint64_t)CR8_MAX) : "memory");
}

/* From load to put. The VMCS is current. */
static void hold_host_interrupts(struct pcpu *p)
{
	uint64_t ns;

	close_cr8();
	ns = timer_next_deadline();
	follow_deadline(ns == UINT64_MAX ? UINT64_MAX : time_ns_to_tsc_deadline(ns) + 1);
	p->deadline_set = follow_deadline;
}

static void load(struct vcpu *v)
{
	struct vmx_vcpu *x = to_vmx(v);
	struct vmx_cpu *c = vmx_this_cpu();
	struct pcpu *p = this_pcpu();
	bool moved = x->last_cpu != p->id;

	if (x->loaded)
		return;
	CHECK(!c->loaded);
	CHECK(vmptrld(host_pa(x->vmcs)));
	c->loaded = x;
	x->loaded = true;
	x->cached = 0;
	vmcs_write(VMCS_HOST_CR3, host_pa(v->vm->view.root).v);
	vmcs_write(VMCS_EPT_POINTER, ept_pointer(x));
	if (moved) {
		set_host_cpu(p);
		/* This CPU may hold translations from a time when x, or another VM's tables, were here. */
		x->flush_ept = true;
		x->last_cpu = p->id;
	}
	if (has(CTL_PROC2, PROC2_VPID) && (moved || x->vpid_generation != c->vpid_generation)) {
		vmx_vpid_assign(c, x);
		x->flush_vpid = false;
	}
	vmx_live_load(x);
}

static void ops_vcpu_load(struct vcpu *v)
{
	load(v);
	if (vmx_caps.delivers_masked)
		hold_host_interrupts(this_pcpu());
}

/* The host runs on with the VMCS current: most of the time the same vCPU comes back. */
static void ops_vcpu_put(struct vcpu *v)
{
	(void)v;
	if (!vmx_caps.delivers_masked)
		return;
	this_pcpu()->deadline_set = NULL;
	write_cr8(0);
}

static void ops_vcpu_unload(struct vcpu *v)
{
	struct vmx_vcpu *x = to_vmx(v);
	struct vmx_cpu *c = vmx_this_cpu();

	CHECK(c->loaded == x);
	vmx_live_save(x);
	clear_vmcs(x);
	c->loaded = NULL;
	x->loaded = false;
}

[[gnu::noinline]] static void flush(struct vmx_vcpu *x)
{
	if (x->flush_ept)
		vmx_flush_ept(ept_pointer(x));
	/* Without VPIDs every entry flushes. */
	if (x->flush_vpid && has(CTL_PROC2, PROC2_VPID))
		vmx_flush_vpid(x->vpid);
	x->flush_ept = x->flush_vpid = false;
}

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

static void change_interruptibility(struct vmx_vcpu *x, uint64_t set, uint64_t clear)
{
	uint64_t old = vmx_cached_read(x, CACHED_INTERRUPTIBILITY), new = (old & ~clear) | set;

	if (new != old)
		vmx_cached_write(x, CACHED_INTERRUPTIBILITY, new);
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
			change_interruptibility(x, 0, VMX_BLOCKING_NMI);
	} else if (e->kind == EXIT_MACHINE_CHECK) {
		asm volatile("int %0" : : "i"(EXC_MC) : "memory");
	}
	if (fix->block_nmi)
		change_interruptibility(x, VMX_BLOCKING_NMI, 0);
	if (fix->unblock_nmi)
		change_interruptibility(x, 0, VMX_BLOCKING_NMI);
	if (fix->requeue.valid)
		event_requeue(&x->base, &fix->requeue);
}

/* The guest did not run: what was programmed for it goes back to the queue. */
[[gnu::cold]] static void entry_not_made(struct vmx_vcpu *x, struct vm_exit *e)
{
	*e = (struct vm_exit){.kind = EXIT_NONE};
	/* Every exit clears the bit: SDM Vol. 3C, "Information for VM Exits Due to Vectored Events". */
	if (!(vmcs_read(VMCS_ENTRY_INTR_INFO) & VMX_INTR_VALID))
		return;
	vmcs_write(VMCS_ENTRY_INTR_INFO, 0);
	event_requeue(&x->base, &x->injected);
}

[[gnu::cold]] static void entry_failed(struct vm_exit *e)
{
	*e = (struct vm_exit){.kind = EXIT_ENTRY_FAILED,
			      .reason = VMX_REASON_NONE,
			      .qual = {vmcs_read(VMCS_VM_INSTRUCTION_ERROR)}};
}

/* Out of the loop, to its interrupt window. */
static inline void count_exit(struct vmx_vcpu *x, uint8_t weight)
{
	x->weighed_exits += weight;
	if (x->weighed_exits < weight)
		__atomic_fetch_or(&x->base.cpu->requests, PCPU_TIMER, __ATOMIC_RELAXED);
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
[[gnu::noinline]] static void take_full_exit(struct vmx_vcpu *x, uint32_t reason)
{
	struct vm_exit *e = &x->base.last_exit;
	struct vmx_raw raw;
	struct vmx_fixup fix;

	raw.reason = reason;
	capture(&raw, vmx_reason_info(reason)->fields);
	vmx_exit_decode(&raw, e, &fix);
	settle(x, e, &fix);
	if (e->kind == EXIT_PREEMPT_TIMER)
		restart_timer();
	else if (e->kind == EXIT_NPF)
		find_known(x, e);
	else if (e->kind == EXIT_APIC_WRITE || e->kind == EXIT_EOI || e->kind == EXIT_TPR)
		take_pending_debug(x);
	count_exit(x, WEIGHT_FULL);
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

[[gnu::noinline]] static void take_hypercall(struct vmx_vcpu *x)
{
	struct vm_exit *e = &x->base.last_exit;

	e->call.cpl = (uint8_t)vmx_cpl(&x->base);
	e->call.long_mode = vmx_long_mode(&x->base);
	e->kind = EXIT_HYPERCALL;
	e->reason = REASON_VMCALL;
	take_length(x, x->base.rip);
}

void vmx_exited(struct vmx_vcpu *x)
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
		count_exit(x, WEIGHT_IO);
	} else if (reason == REASON_VMCALL) {
		take_hypercall(x);
	} else {
		x->cached = 0;
		take_full_exit(x, (uint32_t)reason);
	}
}

void vmx_not_entered(struct vmx_vcpu *x, enum vmx_no_entry why)
{
	x->hw_rip = x->base.rip;
	if (why == VMX_ENTRY_REQUESTED)
		entry_not_made(x, &x->base.last_exit);
	else
		entry_failed(&x->base.last_exit);
}

[[gnu::noinline]] static void flush_and_run(struct vmx_vcpu *x)
{
	flush(x);
	vmx_enter(x, x->base.cpu);
}

/* Ends in entry.asm, which saves the registers, and that in vmx_exited: neither has a frame. */
static void ops_vcpu_run(struct vcpu *v)
{
	struct vmx_vcpu *x = to_vmx(v);

	if (v->rip != x->hw_rip)
		vmcs_write(VMCS_GUEST_RIP, v->rip);
	if (x->flush_ept || x->flush_vpid)
		flush_and_run(x);
	else
		vmx_enter(x, v->cpu);
}

static uint32_t ops_blocking(struct vcpu *v)
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

static bool ops_insn_completed(struct vcpu *v)
{
	struct vmx_vcpu *x = to_vmx(v);

	change_interruptibility(x, 0, VMX_BLOCKING_STI | VMX_BLOCKING_MOV_SS);
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

static void ops_inject(struct vcpu *v, const struct guest_event *ev)
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

static void ops_interrupt_window(struct vcpu *v, bool on)
{
	set_proc_control(v, PROC_INTERRUPT_WINDOW, on);
}

static void ops_nmi_window(struct vcpu *v, bool on)
{
	set_proc_control(v, PROC_NMI_WINDOW, on);
}

static void ops_tsc_offset(struct vcpu *v, int64_t offset)
{
	struct vmx_scope s = vmx_scope_enter(to_vmx(v));

	vmcs_write(VMCS_TSC_OFFSET, (uint64_t)offset);
	vmx_scope_leave(s);
}

static uint64_t ops_tsc_multiplier(uint64_t wanted)
{
	return has(CTL_PROC2, PROC2_TSC_SCALING) ? wanted : 0;
}

static void ops_npt_flush(struct vcpu *v)
{
	to_vmx(v)->flush_ept = true;
}

const struct hv_ops vmx_ops = {
    .name = "VMX",
    .vcpu_size = sizeof(struct vmx_vcpu),
    .npt_format = &pt_ept,
    .probe = vmx_probe,
    .cpu_enable = vmx_cpu_enable,
    .cpu_disable = vmx_cpu_disable,
    .vm_init = ops_vm_init,
    .vm_fini = ops_vm_fini,
    .vcpu_init = ops_vcpu_init,
    .vcpu_fini = ops_vcpu_fini,
    .vcpu_reset = ops_vcpu_reset,
    .vcpu_load = ops_vcpu_load,
    .vcpu_put = ops_vcpu_put,
    .vcpu_unload = ops_vcpu_unload,
    .vcpu_run = ops_vcpu_run,
    .reg_get = vmx_reg_get,
    .reg_set = vmx_reg_set,
    .seg_get = vmx_seg_get,
    .seg_set = vmx_seg_set,
    .long_mode = vmx_long_mode,
    .cpl = vmx_cpl,
    .msr_get = vmx_msr_get,
    .msr_set = vmx_msr_set,
    .blocking = ops_blocking,
    .insn_completed = ops_insn_completed,
    .inject = ops_inject,
    .interrupt_window = ops_interrupt_window,
    .nmi_window = ops_nmi_window,
    .lapic_changed = vmx_lapic_changed,
    .lapic_waits = vmx_lapic_waits,
    .tsc_offset = ops_tsc_offset,
    .tsc_multiplier = ops_tsc_multiplier,
    .npt_flush = ops_npt_flush,
    .describe_exit = vmx_describe_exit,
    .dump = vmx_dump,
};
