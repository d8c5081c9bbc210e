/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmx_ops, and a vCPU's VMCS from its creation to its end: controls, the host's state, its loading onto a CPU and off it.
 * Entry and exit are vmx/run.c's.
 */
#include "hv/lib/panic.h"
#include "hv/lib/string.h"
#include "hv/trap.h"
#include "hv/vm.h"
#include "hv/x86/cr.h"
#include "hv/x86/insn.h"
#include "hv/x86/msr.h"
#include "mm/host_map.h"
#include "mm/page_alloc.h"
#include "vmx/insn.h"
#include "vmx/msr_bitmap.h"
#include "vmx/vmx.h"

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

#define MSR_MAP_ORDER          1 /* two pages: vmx/apic.c */

static bool has(enum vmx_ctl_word w, uint32_t bit)
{
	return vmx_caps_has(&vmx_caps, w, bit);
}

static void clear_vmcs(struct vmx_vcpu *x)
{
	CHECK(vmclear(host_pa(x->vmcs)));
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
		vmx_timer_restart();
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
static void set_host_state(const struct vm *vm)
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
	vmcs_write(VMCS_HOST_RIP, (uint64_t)(vm->cfg->balloon ? vmx_exit_keeping_cr2 : vmx_exit_entry));
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
	set_host_state(v->vm);
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

/* What belongs to the CPU that runs the VMCS. */
static void set_host_cpu(struct pcpu *p)
{
	vmcs_write(VMCS_HOST_CR0, read_cr0());
	vmcs_write(VMCS_HOST_CR4, read_cr4());
	vmcs_write(VMCS_HOST_TR_BASE, (uint64_t)&p->tss);
	vmcs_write(VMCS_HOST_GDTR_BASE, (uint64_t)p->gdt);
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
	vmcs_write(VMCS_EPT_POINTER, vmx_ept_pointer(x));
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
		vmx_host_irq_hold();
}

/* The host runs on with the VMCS current: most of the time the same vCPU comes back. */
static void ops_vcpu_put(struct vcpu *v)
{
	(void)v;
	if (vmx_caps.delivers_masked)
		vmx_host_irq_release();
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
    .vcpu_run = vmx_vcpu_run,
    .reg_get = vmx_reg_get,
    .reg_set = vmx_reg_set,
    .seg_get = vmx_seg_get,
    .seg_set = vmx_seg_set,
    .long_mode = vmx_long_mode,
    .cpl = vmx_cpl,
    .msr_get = vmx_msr_get,
    .msr_set = vmx_msr_set,
    .blocking = vmx_blocking,
    .insn_completed = vmx_insn_completed,
    .inject = vmx_inject,
    .interrupt_window = vmx_interrupt_window,
    .nmi_window = vmx_nmi_window,
    .lapic_changed = vmx_lapic_changed,
    .lapic_waits = vmx_lapic_waits,
    .tsc_offset = ops_tsc_offset,
    .tsc_multiplier = ops_tsc_multiplier,
    .npt_flush = ops_npt_flush,
    .describe_exit = vmx_describe_exit,
    .dump = vmx_dump,
};
