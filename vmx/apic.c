/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the processor does of a guest's local APIC by itself, each part where it has it: the TPR shadow, accesses to
 * registers (a page that it takes for the xAPIC's, or the x2APIC's MSRs), virtual-interrupt delivery. All work on
 * v->lapic.page; what is left is hv/vdev/lapic.c's. SDM Vol. 3C, "APIC Virtualization and Virtual Interrupts".
 */
#include "hv/lib/panic.h"
#include "hv/lib/string.h"
#include "hv/vdev/platform.h"
#include "hv/vm.h"
#include "mm/host_map.h"
#include "mm/page_alloc.h"
#include "vmx/insn.h"
#include "vmx/msr_bitmap.h"
#include "vmx/vmx.h"

static bool has(uint32_t proc2_bit)
{
	return vmx_caps_has(&vmx_caps, CTL_PROC2, proc2_bit);
}

static bool has_tpr_shadow(void)
{
	return vmx_caps_has(&vmx_caps, CTL_PROC, PROC_TPR_SHADOW);
}

enum apic_mode { APIC_SOFTWARE, APIC_XAPIC, APIC_X2APIC };

/* Which accesses of v's could be the processor's. An xAPIC that was moved is the software's. */
static enum apic_mode mode_of(const struct vcpu *v)
{
	uint64_t base = vlapic_base_get(&v->lapic);

	switch (base & (APIC_BASE_ENABLE | APIC_BASE_X2APIC)) {
	case APIC_BASE_ENABLE | APIC_BASE_X2APIC:
		return APIC_X2APIC;
	case APIC_BASE_ENABLE:
		return (base & APIC_BASE_ADDR) == PLATFORM_LAPIC_BASE ? APIC_XAPIC : APIC_SOFTWARE;
	default:
		return APIC_SOFTWARE;
	}
}

static enum status map_page(struct vm *vm)
{
	enum status s = pt_map(&vm->npt, PLATFORM_LAPIC_BASE, host_pa(vm->apic_page).v, PAGE_SIZE,
			       PT_READ | PT_WRITE, PT_WB);

	vm->apic_page_mapped = s == OK;
	return s;
}

static void allow_msr(void *bitmap, uint32_t msr, uint8_t rights)
{
	CHECK(vmx_msr_bitmap_allow(bitmap, msr, rights & MSR_READ, rights & MSR_WRITE));
}

/* The MSRs that an x2APIC's vCPU accesses without an exit, beside those of every vCPU. */
static void *x2apic_bitmap(struct vm *vm)
{
	return (uint8_t *)vm->msr_map + PAGE_SIZE;
}

enum status vmx_apic_vm_init(struct vm *vm)
{
	enum status s = OK;

	memcpy(x2apic_bitmap(vm), vm->msr_map, PAGE_SIZE);
	if (has(PROC2_VIRTUALIZE_X2APIC))
		vlapic_msrs_in_page(has(PROC2_APIC_REGISTERS), has(PROC2_VIRTUAL_INTERRUPTS), allow_msr,
				    x2apic_bitmap(vm));
	/* The hint would only save what is no exit any more. */
	if (has(PROC2_VIRTUAL_INTERRUPTS))
		cpuid_drop(&vm->cpuid, FEATURE_KVM_PV_EOI);
	if (!has(PROC2_VIRTUALIZE_APIC_ACCESSES))
		return OK;
	vm->apic_page = page_alloc(0);
	if (!vm->apic_page)
		return ERR_NOMEM;
	s = map_page(vm);
	if (s != OK)
		vmx_apic_vm_fini(vm);
	return s;
}

void vmx_apic_vm_fini(struct vm *vm)
{
	if (!vm->apic_page)
		return;
	CHECK(pt_unmap(&vm->npt, PLATFORM_LAPIC_BASE, PAGE_SIZE) == OK);
	vm->apic_page_mapped = false;
	page_free(vm->apic_page, 0);
	vm->apic_page = NULL;
}

void vmx_apic_vcpu_init(struct vmx_vcpu *x)
{
	struct vm *vm = x->base.vm;

	x->base.lapic.delivers = has(PROC2_VIRTUAL_INTERRUPTS);
	x->base.lapic.watched = has_tpr_shadow();
	if (!has_tpr_shadow())
		return;
	vmcs_write(VMCS_VIRTUAL_APIC_ADDRESS, host_pa(x->base.lapic.page).v);
	vmcs_write(VMCS_TPR_THRESHOLD, 0);
	if (vm->apic_page)
		vmcs_write(VMCS_APIC_ACCESS_ADDRESS, host_pa(vm->apic_page).v);
}

/*
 * A vCPU without these controls would find the page as memory: so it is there only while every vCPU has them. One that
 * still knows it where it was goes on as before, since it is no memory to that one. The rest is emulated (EPT
 * violations).
 */
static void choose_mapping(struct vm *vm)
{
	bool all = true;

	spin_lock(&vm->npt_lock);
	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		all = all && mode_of(vm->vcpu[i]) == APIC_XAPIC;
	if (all && !vm->apic_page_mapped) {
		CHECK(map_page(vm) == OK);
	} else if (!all && vm->apic_page_mapped) {
		CHECK(pt_unmap(&vm->npt, PLATFORM_LAPIC_BASE, PAGE_SIZE) == OK);
		vm->apic_page_mapped = false;
	}
	spin_unlock(&vm->npt_lock);
}

static void set_controls(struct vmx_vcpu *x, enum apic_mode mode)
{
	uint32_t controls = x->proc2_controls & ~(PROC2_VIRTUALIZE_APIC_ACCESSES | PROC2_VIRTUALIZE_X2APIC);
	const struct vm *vm = x->base.vm;

	if (mode == APIC_XAPIC)
		controls |= vmx_caps.ctl[CTL_PROC2] & PROC2_VIRTUALIZE_APIC_ACCESSES;
	else if (mode == APIC_X2APIC)
		controls |= vmx_caps.ctl[CTL_PROC2] & PROC2_VIRTUALIZE_X2APIC;
	x->proc2_controls = controls;
	vmcs_write(VMCS_PROC_BASED_CONTROLS2, controls);
	vmcs_write(VMCS_MSR_BITMAP,
		   host_pa(controls & PROC2_VIRTUALIZE_X2APIC ? x2apic_bitmap(x->base.vm) : vm->msr_map).v);
	/* What is cached of the page was meant for the old mode: "Memory Accesses ... and TLBs". */
	x->flush_ept = true;
}

void vmx_lapic_changed(struct vcpu *v)
{
	struct vmx_scope s = vmx_scope_enter(to_vmx(v));

	set_controls(s.x, mode_of(v));
	vmx_scope_leave(s);
	if (v->vm->apic_page)
		choose_mapping(v->vm);
}

/* 64 bits of the TMR each: those vectors' ends are exits, for the I/O APIC to hear of. */
static void set_eoi_exits(const struct vlapic *l)
{
	for (unsigned i = 0; i < 4; i++) {
		const uint32_t *tmr = &l->page[(LAPIC_TMR + i * 0x20) / sizeof(uint32_t)];

		vmcs_write(VMCS_EOI_EXIT_BITMAP0 + 2 * i, tmr[0] | (uint64_t)tmr[4] << 32);
	}
}

static void set_interrupt_status(struct vlapic *l, int vector)
{
	uint16_t old = (uint16_t)vmcs_read(VMCS_GUEST_INTERRUPT_STATUS), status;
	int in_service = VMX_STATUS_SVI(old);

	if (l->isr_changed)
		in_service = vlapic_in_service(l);
	status = VMX_STATUS(MAX(vector, 0), MAX(in_service, 0));
	if (status != old)
		vmcs_write(VMCS_GUEST_INTERRUPT_STATUS, status);
	l->isr_changed = false;
}

/* The exit for a TPR that lets `vector` through, where it does not do so already. */
static void set_tpr_threshold(struct vmx_vcpu *x, int vector)
{
	uint8_t class = vector < 0 ? 0 : (uint8_t)(vector >> 4);

	if (class > vlapic_tpr(&x->base.lapic) >> 4)
		class = 0;
	if (x->tpr_threshold == class)
		return;
	x->tpr_threshold = class;
	vmcs_write(VMCS_TPR_THRESHOLD, class);
}

void vmx_lapic_waits(struct vcpu *v, int vector)
{
	struct vmx_vcpu *x = to_vmx(v);

	if (v->lapic.delivers) {
		set_interrupt_status(&v->lapic, vector);
		if (v->lapic.tmr_changed)
			set_eoi_exits(&v->lapic);
		v->lapic.tmr_changed = false;
	} else {
		set_tpr_threshold(x, vector);
	}
}
