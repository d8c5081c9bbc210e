/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of VMX controls that Ingot wants, and the decision over what a processor reports. Pure: it
 * executes no privileged instruction; vmx/cpu.c captures and enables.
 */
#include "vmx/caps.h"

#include <stddef.h>
#include "hv/lib/util.h"
#include "hv/x86/msr.h"

#define VMCS_SIZE(basic)    (((basic) >> VMX_BASIC_SIZE_SHIFT) & VMX_BASIC_SIZE_MASK)
#define VMCS_MEMTYPE(basic) (((basic) >> VMX_BASIC_MEMTYPE_SHIFT) & VMX_BASIC_MEMTYPE_MASK)

enum need {
	NEED_ON,      /* set; refuse without it */
	NEED_DYNAMIC, /* clear at first, set and cleared while the guest runs; refuse where it can't be set */
	WANT_ON,      /* set where it can be; there is a fallback */
	WANT_OFF, /* clear where it can be (the default setting is 1); an exit that it causes is handled */
};

struct control {
	enum vmx_ctl_word word;
	uint32_t bit;
	enum need need;
	const char *why; /* the refusal's text, for NEED_ */
};

#define CURE_OLD                 "use a processor that has it, or, inside a virtual machine, let its hypervisor pass it on"
#define LACKS(control, msr, bit) "VMX lacks the control '" control "' (" msr " bit " #bit "): " CURE_OLD

#define PIN_MSR                  "IA32_VMX_PINBASED_CTLS"
#define PROC_MSR                 "IA32_VMX_PROCBASED_CTLS"
#define PROC2_MSR                "IA32_VMX_PROCBASED_CTLS2"
#define EXIT_MSR                 "IA32_VMX_EXIT_CTLS"
#define ENTRY_MSR                "IA32_VMX_ENTRY_CTLS"

/* In the order of importance: the first that is missing is reported. */
static const struct control controls[] = {
    {CTL_PROC, PROC_SECONDARY, NEED_ON, LACKS("activate secondary controls", PROC_MSR, 63)},
    {CTL_PROC2, PROC2_EPT, NEED_ON,
     "no EPT (IA32_VMX_PROCBASED_CTLS2 bit 33, 'enable EPT', is 0): Ingot needs a processor with extended "
     "page "
     "tables, Intel's of 2010 and later"},
    {CTL_PROC2, PROC2_UNRESTRICTED_GUEST, NEED_ON,
     "no unrestricted guest (IA32_VMX_PROCBASED_CTLS2 bit 39 is 0): Ingot needs a processor that has it, "
     "Intel's "
     "of 2010 and later"},
    {CTL_PROC2, PROC2_RDTSCP, WANT_ON, NULL},             /* without: RDTSCP is #UD */
    {CTL_PROC2, PROC2_VPID, WANT_ON, NULL},               /* without: every entry and exit flushes the TLB */
    {CTL_PROC2, PROC2_INVPCID, WANT_ON, NULL},            /* without: INVPCID is #UD */
    {CTL_PROC2, PROC2_XSAVES, WANT_ON, NULL},             /* without: XSAVES and XRSTORS are #UD */
    {CTL_PROC2, PROC2_TSC_SCALING, WANT_ON, NULL},        /* without: guests have the host's frequency */
    {CTL_PROC2, PROC2_WBINVD_EXITING, WANT_ON, NULL},     /* without: the guest's WBINVD is executed */
    {CTL_PROC2, PROC2_PAUSE_LOOP_EXITING, WANT_ON, NULL}, /* without: a spinning vCPU uses up its slice */
    /* Local APICs; without: they are the software's, hv/vdev/lapic.c. Which of the first two is on depends on the mode. */
    {CTL_PROC2, PROC2_VIRTUALIZE_APIC_ACCESSES, WANT_ON, NULL},
    {CTL_PROC2, PROC2_VIRTUALIZE_X2APIC, WANT_ON, NULL},
    {CTL_PROC2, PROC2_APIC_REGISTERS, WANT_ON, NULL},
    {CTL_PROC2, PROC2_VIRTUAL_INTERRUPTS, WANT_ON, NULL},

    {CTL_PIN, PIN_EXTERNAL_INTERRUPT_EXITING, NEED_ON, LACKS("external-interrupt exiting", PIN_MSR, 32)},
    {CTL_PIN, PIN_NMI_EXITING, NEED_ON, LACKS("NMI exiting", PIN_MSR, 35)},
    {CTL_PIN, PIN_VIRTUAL_NMIS, NEED_ON, LACKS("virtual NMIs", PIN_MSR, 37)},
    {CTL_PIN, PIN_PREEMPTION_TIMER, WANT_ON, NULL}, /* without: a kick relies on the interrupt alone */

    {CTL_PROC, PROC_INTERRUPT_WINDOW, NEED_DYNAMIC, LACKS("interrupt-window exiting", PROC_MSR, 34)},
    {CTL_PROC, PROC_NMI_WINDOW, NEED_DYNAMIC, LACKS("NMI-window exiting", PROC_MSR, 54)},
    {CTL_PROC, PROC_TSC_OFFSETTING, NEED_ON, LACKS("use TSC offsetting", PROC_MSR, 35)},
    {CTL_PROC, PROC_HLT_EXITING, NEED_ON, LACKS("HLT exiting", PROC_MSR, 39)},
    {CTL_PROC, PROC_MWAIT_EXITING, NEED_ON, LACKS("MWAIT exiting", PROC_MSR, 42)},
    {CTL_PROC, PROC_MONITOR_EXITING, NEED_ON, LACKS("MONITOR exiting", PROC_MSR, 61)},
    {CTL_PROC, PROC_RDPMC_EXITING, NEED_ON, LACKS("RDPMC exiting", PROC_MSR, 43)},
    {CTL_PROC, PROC_TPR_SHADOW, WANT_ON, NULL}, /* without: accesses to CR8 exit */
    {CTL_PROC, PROC_CR8_LOAD_EXITING, NEED_ON, LACKS("CR8-load exiting", PROC_MSR, 51)},
    {CTL_PROC, PROC_CR8_STORE_EXITING, NEED_ON, LACKS("CR8-store exiting", PROC_MSR, 52)},
    {CTL_PROC, PROC_UNCONDITIONAL_IO, NEED_ON, LACKS("unconditional I/O exiting", PROC_MSR, 56)},
    {CTL_PROC, PROC_MSR_BITMAPS, NEED_ON, LACKS("use MSR bitmaps", PROC_MSR, 60)},
    {CTL_PROC, PROC_CR3_LOAD_EXITING, WANT_OFF, NULL},
    {CTL_PROC, PROC_CR3_STORE_EXITING, WANT_OFF, NULL},
    {CTL_PROC, PROC_INVLPG_EXITING, WANT_OFF, NULL},

    {CTL_EXIT, VMEXIT_HOST_64, NEED_ON, LACKS("host address-space size", EXIT_MSR, 41)},
    {CTL_EXIT, VMEXIT_ACK_INTERRUPT, NEED_ON, LACKS("acknowledge interrupt on exit", EXIT_MSR, 47)},
    {CTL_EXIT, VMEXIT_SAVE_DEBUG_CONTROLS, NEED_ON, LACKS("save debug controls", EXIT_MSR, 34)},
    {CTL_EXIT, VMEXIT_LOAD_PAT, WANT_ON, NULL},              /* without: by the MSR areas */
    {CTL_EXIT, VMEXIT_LOAD_EFER, WANT_ON, NULL},             /* without: by the MSR areas */
    {CTL_EXIT, VMEXIT_SAVE_PREEMPTION_TIMER, WANT_ON, NULL}, /* without: it starts anew at each entry */

    {CTL_ENTRY, VMENTRY_IA32E_GUEST, NEED_DYNAMIC, LACKS("IA-32e mode guest", ENTRY_MSR, 41)},
    {CTL_ENTRY, VMENTRY_LOAD_DEBUG_CONTROLS, NEED_ON, LACKS("load debug controls", ENTRY_MSR, 34)},
    {CTL_ENTRY, VMENTRY_LOAD_PAT, WANT_ON, NULL},
    {CTL_ENTRY, VMENTRY_LOAD_EFER, WANT_ON, NULL},
};

static uint32_t may_be_1(const struct vmx_msrs *m, enum vmx_ctl_word w)
{
	return (uint32_t)(m->ctl[w] >> 32);
}

static uint32_t must_be_1(const struct vmx_msrs *m, enum vmx_ctl_word w)
{
	return (uint32_t)m->ctl[w];
}

void vmx_msrs_capture(struct vmx_msrs *m, bool cpuid_vmx, uint64_t (*read)(uint32_t msr))
{
	bool true_ctls;

	*m = (struct vmx_msrs){.cpuid_vmx = cpuid_vmx};
	if (!cpuid_vmx)
		return;
	m->feature_control = read(MSR_IA32_FEATURE_CONTROL);
	m->basic = read(MSR_IA32_VMX_BASIC);
	true_ctls = m->basic & VMX_BASIC_TRUE_CTLS;
	m->ctl[CTL_PIN] = read(true_ctls ? MSR_IA32_VMX_TRUE_PINBASED_CTLS : MSR_IA32_VMX_PINBASED_CTLS);
	m->ctl[CTL_PROC] = read(true_ctls ? MSR_IA32_VMX_TRUE_PROCBASED_CTLS : MSR_IA32_VMX_PROCBASED_CTLS);
	m->ctl[CTL_EXIT] = read(true_ctls ? MSR_IA32_VMX_TRUE_EXIT_CTLS : MSR_IA32_VMX_EXIT_CTLS);
	m->ctl[CTL_ENTRY] = read(true_ctls ? MSR_IA32_VMX_TRUE_ENTRY_CTLS : MSR_IA32_VMX_ENTRY_CTLS);
	m->misc = read(MSR_IA32_VMX_MISC);
	m->cr0_fixed0 = read(MSR_IA32_VMX_CR0_FIXED0);
	m->cr0_fixed1 = read(MSR_IA32_VMX_CR0_FIXED1);
	m->cr4_fixed0 = read(MSR_IA32_VMX_CR4_FIXED0);
	m->cr4_fixed1 = read(MSR_IA32_VMX_CR4_FIXED1);
	if (may_be_1(m, CTL_PROC) & PROC_SECONDARY)
		m->ctl[CTL_PROC2] = read(MSR_IA32_VMX_PROCBASED_CTLS2);
	if (may_be_1(m, CTL_PROC2) & (PROC2_EPT | PROC2_VPID))
		m->ept_vpid = read(MSR_IA32_VMX_EPT_VPID_CAP);
}

static const char *check_presence(const struct vmx_msrs *m)
{
	if (!m->cpuid_vmx)
		return "no VMX (CPUID.1:ECX bit 5 is 0): the processor lacks it, or the firmware or an outer "
		       "hypervisor hides it; look for 'Intel Virtualization Technology' in the firmware "
		       "setup";
	if ((m->feature_control & FEATURE_CONTROL_LOCK) &&
	    !(m->feature_control & FEATURE_CONTROL_VMX_OUT_SMX))
		return "VMX is disabled by the firmware (IA32_FEATURE_CONTROL is locked with bit 2, VMXON "
		       "outside SMX, "
		       "0): enable 'Intel Virtualization Technology (VT-x)' in the firmware setup, then "
		       "power the "
		       "machine off and on";
	if (VMCS_SIZE(m->basic) > PAGE_SIZE || VMCS_SIZE(m->basic) == 0)
		return "IA32_VMX_BASIC reports a VMCS that is not 1 to 4096 bytes: update the firmware or "
		       "outer "
		       "hypervisor";
	if (m->basic & VMX_BASIC_PA32)
		return "IA32_VMX_BASIC bit 48 limits VMX structures to 32-bit addresses, which no processor "
		       "with "
		       "long mode does: update the outer hypervisor";
	if (VMCS_MEMTYPE(m->basic) != MEMTYPE_WB)
		return "IA32_VMX_BASIC bits 53:50 do not allow write-back VMX structures: update the "
		       "firmware";
	return NULL;
}

static const char *check_ept(const struct vmx_msrs *m)
{
	if (!(m->ept_vpid & EPT_CAP_WALK_4))
		return "EPT without page-walk length 4 (IA32_VMX_EPT_VPID_CAP bit 6 is 0): " CURE_OLD;
	if (!(m->ept_vpid & EPT_CAP_WB))
		return "EPT structures cannot be write-back (IA32_VMX_EPT_VPID_CAP bit 14 is 0): " CURE_OLD;
	if (!(m->ept_vpid & EPT_CAP_INVEPT) || !(m->ept_vpid & (EPT_CAP_INVEPT_SINGLE | EPT_CAP_INVEPT_ALL)))
		return "no INVEPT (IA32_VMX_EPT_VPID_CAP bit 20, or both bits 25 and 26, are 0): " CURE_OLD;
	return NULL;
}

static const char *choose_controls(const struct vmx_msrs *m, struct vmx_caps *c)
{
	for (unsigned w = 0; w < CTL_WORDS; w++)
		c->ctl[w] = must_be_1(m, w);
	for (size_t i = 0; i < ARRAY_SIZE(controls); i++) {
		const struct control *k = &controls[i];
		bool can = may_be_1(m, k->word) & k->bit;

		if (k->need == WANT_OFF || (k->need == WANT_ON && !can))
			continue;
		if (!can)
			return k->why;
		if (k->need == NEED_DYNAMIC && (must_be_1(m, k->word) & k->bit))
			return k->why;
		if (k->need != NEED_DYNAMIC)
			c->ctl[k->word] |= k->bit;
	}
	return NULL;
}

/* SDM Vol. 3C, "VM-Execution Control Fields": what virtualizes APICs works on the page of the TPR shadow, and CR8 is there. */
static void drop_apic(struct vmx_caps *c)
{
	if (vmx_caps_has(c, CTL_PROC, PROC_TPR_SHADOW))
		c->ctl[CTL_PROC] &= ~(PROC_CR8_LOAD_EXITING | PROC_CR8_STORE_EXITING);
	else
		c->ctl[CTL_PROC2] &= ~PROC2_APIC;
}

/* A control that is of no use without another one, or without the instructions to go with it. */
static void drop_incomplete(const struct vmx_msrs *m, struct vmx_caps *c)
{
	if (!(m->ept_vpid & VPID_CAP_INVVPID) || !(m->ept_vpid & VPID_CAP_ALL))
		c->ctl[CTL_PROC2] &= ~PROC2_VPID;
	drop_apic(c);
	if (!vmx_caps_has(c, CTL_PIN, PIN_PREEMPTION_TIMER))
		c->ctl[CTL_EXIT] &= ~VMEXIT_SAVE_PREEMPTION_TIMER;
	if (!vmx_caps_has(c, CTL_EXIT, VMEXIT_LOAD_PAT) || !vmx_caps_has(c, CTL_ENTRY, VMENTRY_LOAD_PAT)) {
		c->ctl[CTL_EXIT] &= ~VMEXIT_LOAD_PAT;
		c->ctl[CTL_ENTRY] &= ~VMENTRY_LOAD_PAT;
	}
	if (!vmx_caps_has(c, CTL_EXIT, VMEXIT_LOAD_EFER) || !vmx_caps_has(c, CTL_ENTRY, VMENTRY_LOAD_EFER)) {
		c->ctl[CTL_EXIT] &= ~VMEXIT_LOAD_EFER;
		c->ctl[CTL_ENTRY] &= ~VMENTRY_LOAD_EFER;
	}
}

enum status vmx_caps_decide(const struct vmx_msrs *m, struct vmx_caps *c, const char **why)
{
	*c = (struct vmx_caps){0};
	*why = check_presence(m);
	if (!*why)
		*why = choose_controls(m, c);
	if (!*why)
		*why = check_ept(m);
	if (*why)
		return ERR_UNSUPPORTED;

	drop_incomplete(m, c);
	c->revision = (uint32_t)(m->basic & VMX_BASIC_REVISION);
	c->set_feature_control = !(m->feature_control & FEATURE_CONTROL_LOCK);
	c->delivers_masked = !(m->ctl[CTL_PIN] >> 32 & PIN_POSTED_INTERRUPTS) &&
			     vmx_caps_has(c, CTL_PROC2, PROC2_VIRTUAL_INTERRUPTS) &&
			     vmx_caps_has(c, CTL_PIN, PIN_PREEMPTION_TIMER);
	c->timer_shift = (uint8_t)(m->misc & VMX_MISC_TIMER_SHIFT);
	c->ept_leaf_level = !(m->ept_vpid & EPT_CAP_2M) ? 1 : !(m->ept_vpid & EPT_CAP_1G) ? 2 : 3;
	c->invept_single = m->ept_vpid & EPT_CAP_INVEPT_SINGLE;
	c->invept_all = m->ept_vpid & EPT_CAP_INVEPT_ALL;
	c->invvpid_single = m->ept_vpid & VPID_CAP_SINGLE; /* else: all */
	c->cr0_fixed0 = m->cr0_fixed0;
	c->cr0_fixed1 = m->cr0_fixed1;
	c->cr4_fixed0 = m->cr4_fixed0;
	c->cr4_fixed1 = m->cr4_fixed1;
	return OK;
}

/* VMCSs are made once, from the boot processor's capabilities, and run on every processor. */
static const char *find_difference(const struct vmx_msrs *m, const struct vmx_caps *mine,
				   const struct vmx_caps *boot)
{
	static const char *const word_text[CTL_WORDS] = {
	    [CTL_PIN] = "VMX differs from the boot processor's (IA32_VMX_PINBASED_CTLS)",
	    [CTL_PROC] = "VMX differs from the boot processor's (IA32_VMX_PROCBASED_CTLS)",
	    [CTL_PROC2] = "VMX differs from the boot processor's (IA32_VMX_PROCBASED_CTLS2)",
	    [CTL_EXIT] = "VMX differs from the boot processor's (IA32_VMX_EXIT_CTLS)",
	    [CTL_ENTRY] = "VMX differs from the boot processor's (IA32_VMX_ENTRY_CTLS)",
	};

	if (mine->revision != boot->revision)
		return "VMX differs from the boot processor's (IA32_VMX_BASIC, VMCS revision)";
	for (unsigned w = 0; w < CTL_WORDS; w++) {
		if ((boot->ctl[w] & ~may_be_1(m, w)) || (must_be_1(m, w) & ~boot->ctl[w]))
			return word_text[w];
	}
	if (mine->ept_leaf_level < boot->ept_leaf_level || mine->invept_single < boot->invept_single ||
	    mine->invept_all < boot->invept_all || mine->invvpid_single < boot->invvpid_single)
		return "VMX differs from the boot processor's (IA32_VMX_EPT_VPID_CAP)";
	if ((mine->cr0_fixed0 & ~boot->cr0_fixed0) || (boot->cr0_fixed1 & ~mine->cr0_fixed1))
		return "VMX differs from the boot processor's (IA32_VMX_CR0_FIXED0 or FIXED1)";
	if ((mine->cr4_fixed0 & ~boot->cr4_fixed0) || (boot->cr4_fixed1 & ~mine->cr4_fixed1))
		return "VMX differs from the boot processor's (IA32_VMX_CR4_FIXED0 or FIXED1)";
	return NULL;
}

enum status vmx_caps_match(const struct vmx_msrs *m, const struct vmx_caps *boot, const char **why)
{
	struct vmx_caps mine;
	enum status s = vmx_caps_decide(m, &mine, why);

	if (s != OK)
		return s;
	*why = find_difference(m, &mine, boot);
	return *why ? ERR_UNSUPPORTED : OK;
}
