/* SPDX-License-Identifier: BSD-2-Clause */
/* The vendor's part of a crash report: exits in the manual's words, and the VMCS. Changes nothing. */
#include "hv/lib/fmt.h"
#include "hv/x86/cpuid.h"
#include "hv/x86/insn.h"
#include "vmx/exit.h"
#include "vmx/guest_state.h"
#include "vmx/insn.h"
#include "vmx/vmx.h"

static uint8_t physical_bits(void)
{
	return cpuid(CPUID_LEAF_SIZES, 0).eax & CPUID_80000008_EAX_PA_BITS;
}

static void capture(struct vmx_guest_state *g)
{
	*g = (struct vmx_guest_state){
#define X(name, encoding) .name = vmcs_read(VMCS_##name),
	    VMCS_GUEST_FIELDS(X)
#undef X
		.entry_controls = (uint32_t)vmcs_read(VMCS_ENTRY_CONTROLS),
	    .pin_controls = (uint32_t)vmcs_read(VMCS_PIN_BASED_CONTROLS),
	    .entry_intr_info = (uint32_t)vmcs_read(VMCS_ENTRY_INTR_INFO),
	    .cr0_fixed0 = vmx_caps.cr0_fixed0,
	    .cr0_fixed1 = vmx_caps.cr0_fixed1,
	    .cr4_fixed0 = vmx_caps.cr4_fixed0,
	    .cr4_fixed1 = vmx_caps.cr4_fixed1,
	    .physical_bits = physical_bits(),
	};
	if (g->entry_controls & VMENTRY_LOAD_PAT)
		g->GUEST_PAT = vmcs_read(VMCS_GUEST_PAT);
	if (g->entry_controls & VMENTRY_LOAD_EFER)
		g->GUEST_EFER = vmcs_read(VMCS_GUEST_EFER);
}

int vmx_describe_exit(struct vcpu *v, const struct vm_exit *e, char *buf, size_t size)
{
	struct vmx_scope s;
	struct vmx_guest_state g;
	const char *bad;
	int n = vmx_exit_describe(e, buf, size);

	if (VMX_REASON_BASIC(e->reason) != REASON_ENTRY_GUEST_STATE || n < 0 || (size_t)n >= size)
		return n;
	s = vmx_scope_enter(to_vmx(v));
	capture(&g);
	vmx_scope_leave(s);
	bad = vmx_guest_state_check(&g);
	return n + fmt_snprintf(buf + n, size - (size_t)n, ": %s",
				bad ? bad : "no check that is known here fails");
}

struct named_field {
	const char *name;
	enum vmcs_field field;
};

static const struct named_field dump_fields[] = {
#define X(name, encoding) {#name, VMCS_##name},
    VMCS_GUEST_FIELDS(X) VMCS_CONTROL_FIELDS(X)
#undef X
};

#define DUMP_PER_LINE 3

void vmx_dump(struct vcpu *v, void (*line)(void *arg, const char *text), void *arg)
{
	struct vmx_scope s = vmx_scope_enter(to_vmx(v));
	char text[128];
	int n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(dump_fields); i++) {
		n += fmt_snprintf(text + n, sizeof(text) - (size_t)n, "%s%s %lx", n ? "  " : "",
				  dump_fields[i].name, (unsigned long)vmcs_read(dump_fields[i].field));
		if (i % DUMP_PER_LINE != DUMP_PER_LINE - 1 && i != ARRAY_SIZE(dump_fields) - 1)
			continue;
		line(arg, text);
		n = 0;
	}
	vmx_scope_leave(s);
}
