/* SPDX-License-Identifier: BSD-2-Clause */
/* VMX on a physical CPU: probing, VMXON and VMXOFF, VPIDs and the flushes of cached translations. */
#include "hv/lib/panic.h"
#include "hv/trap.h"
#include "hv/vm.h"
#include "hv/x86/cpuid.h"
#include "hv/x86/cr.h"
#include "hv/x86/insn.h"
#include "hv/x86/msr.h"
#include "mm/host_map.h"
#include "mm/page_alloc.h"
#include "vmx/exit.h"
#include "vmx/insn.h"
#include "vmx/vmx.h"

#define VPID_LAST UINT16_MAX

struct vmx_caps vmx_caps;

static struct vmx_cpu vmx_cpus[MAX_PCPUS];

struct vmx_cpu *vmx_this_cpu(void)
{
	return &vmx_cpus[this_pcpu()->id];
}

void vmcs_access_failed(enum vmcs_field f, bool write)
{
	panic("%s of VMCS field 0x%x failed", write ? "VMWRITE" : "VMREAD", (unsigned)f);
}

static void capture(struct vmx_msrs *m)
{
	vmx_msrs_capture(m, cpuid(CPUID_LEAF_FEATURES, 0).ecx & CPUID_1_ECX_VMX, rdmsr);
}

enum status vmx_probe(const char **why)
{
	struct vmx_msrs m;
	enum status s;

	capture(&m);
	s = vmx_caps_decide(&m, &vmx_caps, why);
	if (s != OK)
		return s;
	pt_ept.max_leaf_level = vmx_caps.ept_leaf_level;
	vmx_exit_init();
	nmi_window_register(vmx_nmi_window_start, vmx_nmi_window_end, vmx_nmi_restart);
	/* On Bochs 2.7 a guest with IF 0 is not left for an external interrupt. And an NMI wants no EOI. */
	pcpu_kick_by_nmi = true;
	return OK;
}

/* SDM Vol. 3C, "Restrictions on VMX Operation" and "Enabling and Entering VMX Operation" */
static void set_fixed_bits(void)
{
	write_cr0((read_cr0() | vmx_caps.cr0_fixed0) & vmx_caps.cr0_fixed1);
	write_cr4((read_cr4() | CR4_VMXE | vmx_caps.cr4_fixed0) & vmx_caps.cr4_fixed1);
}

static void write_revision(void *region)
{
	*(uint32_t *)region = vmx_caps.revision;
}

/* Forgets all cached translations of this CPU, and with them every VPID that was given out. */
static void flush_all(struct vmx_cpu *c)
{
	if (vmx_caps.invept_all)
		CHECK(invept(INVEPT_ALL, 0));
	if (vmx_caps_has(&vmx_caps, CTL_PROC2, PROC2_VPID))
		CHECK(invvpid(INVVPID_ALL, 0));
	c->vpid_generation++;
	c->next_vpid = 1; /* 0 is the host's */
}

enum status vmx_cpu_enable(const char **why)
{
	struct vmx_cpu *c = vmx_this_cpu();
	struct vmx_msrs m;
	enum status s;

	capture(&m);
	s = vmx_caps_match(&m, &vmx_caps, why);
	if (s != OK)
		return s;
	if (!(m.feature_control & FEATURE_CONTROL_LOCK))
		wrmsr(MSR_IA32_FEATURE_CONTROL,
		      m.feature_control | FEATURE_CONTROL_VMX_OUT_SMX | FEATURE_CONTROL_LOCK);
	if (!c->region)
		c->region = page_alloc(0);
	if (!c->region) {
		*why = "no memory for the VMXON region";
		return ERR_NOMEM;
	}
	write_revision(c->region);
	set_fixed_bits();
	if (!vmxon(host_pa(c->region))) {
		write_cr4(read_cr4() & ~CR4_VMXE);
		*why = "VMXON failed although IA32_FEATURE_CONTROL allows it: is another hypervisor active?";
		return ERR_IO;
	}
	/* Whatever ran VMX before us may have left translations behind. */
	flush_all(c);
	c->on = true;
	return OK;
}

void vmx_cpu_disable(void)
{
	struct vmx_cpu *c = vmx_this_cpu();

	if (!c->on)
		return;
	c->on = false;
	c->loaded = NULL;
	vmxoff();
	write_cr4(read_cr4() & ~CR4_VMXE);
}

void vmx_vpid_assign(struct vmx_cpu *c, struct vmx_vcpu *x)
{
	if (c->next_vpid == VPID_LAST)
		flush_all(c);
	x->vpid = c->next_vpid++;
	x->vpid_generation = c->vpid_generation;
	vmcs_write(VMCS_VPID, x->vpid);
}

static void flush_vpid(uint16_t vpid)
{
	CHECK(invvpid(vmx_caps.invvpid_single ? INVVPID_SINGLE : INVVPID_ALL, vpid));
}

static void flush_ept(uint64_t eptp)
{
	CHECK(invept(vmx_caps.invept_single ? INVEPT_SINGLE : INVEPT_ALL, eptp));
}

uint64_t vmx_ept_pointer(const struct vmx_vcpu *x)
{
	return host_pa(x->base.vm->npt.root).v | EPTP_WALK_4 | EPTP_WRITE_BACK;
}

void vmx_flush(struct vmx_vcpu *x)
{
	if (x->flush_ept)
		flush_ept(vmx_ept_pointer(x));
	/* Without VPIDs every entry flushes. */
	if (x->flush_vpid && vmx_caps_has(&vmx_caps, CTL_PROC2, PROC2_VPID))
		flush_vpid(x->vpid);
	x->flush_ept = x->flush_vpid = false;
}
