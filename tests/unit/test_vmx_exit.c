/* SPDX-License-Identifier: BSD-2-Clause */
/* The decoding of VM exits, their texts, and the checks on guest state that name a refused field. */
#include "support.h"

#include <string.h>
#include "hv/x86/cr.h"
#include "hv/x86/msr.h"
#include "vmx/caps.h"
#include "vmx/exit.h"
#include "vmx/guest_state.h"

static struct vm_exit e;
static struct vmx_fixup fix;

#define INFO(type, vector) (VMX_INTR_VALID | (uint32_t)(type) << VMX_INTR_TYPE_SHIFT | (vector))

static void decode(struct vmx_raw raw)
{
	memset(&e, 0xee, sizeof(e));
	memset(&fix, 0xee, sizeof(fix));
	vmx_exit_decode(&raw, &e, &fix);
}

static void test_plain(void **state)
{
	decode(
	    (struct vmx_raw){.reason = REASON_CPUID, .length = 2, .idt_info = INFO(EVENT_NMI, 2), .gpa = 7});
	assert_int_equal(e.kind, EXIT_CPUID);
	assert_int_equal(e.insn_len, 2);
	assert_false(fix.requeue.valid); /* the field is not defined for CPUID */
	decode((struct vmx_raw){.reason = REASON_HLT, .length = 1});
	assert_int_equal(e.kind, EXIT_HLT);
	decode((struct vmx_raw){.reason = REASON_PREEMPTION_TIMER, .length = 99});
	assert_int_equal(e.kind, EXIT_PREEMPT_TIMER);
	assert_int_equal(e.insn_len, 0);
	decode(
	    (struct vmx_raw){.reason = REASON_EXTERNAL_INTERRUPT, .intr_info = INFO(EVENT_INTERRUPT, 0xf1)});
	assert_int_equal(e.kind, EXIT_INTERRUPT);
	assert_int_equal(e.irq.vector, 0xf1);
	assert_true(e.irq.acknowledged);
}

static void test_hypercall(void **state)
{
	decode((struct vmx_raw){.reason = REASON_VMCALL, .length = 3, .cpl = 3, .long_mode = true});
	assert_int_equal(e.kind, EXIT_HYPERCALL);
	assert_int_equal(e.insn_len, 3);
	assert_int_equal(e.call.cpl, 3);
	assert_true(e.call.long_mode);
	decode((struct vmx_raw){.reason = REASON_VMCALL, .length = 3});
	assert_int_equal(e.call.cpl, 0);
	assert_false(e.call.long_mode);
}

/* The kinds of the short way: those reasons that have the instruction's length and nothing else. */
static void test_plain_kinds(void **state)
{
	vmx_exit_init();
	assert_true(vmx_exit_is_plain(REASON_CPUID));
	assert_int_equal(vmx_plain_kinds[REASON_CPUID], EXIT_CPUID);
	assert_false(vmx_exit_is_plain(REASON_IO));
	assert_false(vmx_exit_is_plain(REASON_VMCALL));
	assert_false(vmx_exit_is_plain(REASON_EXTERNAL_INTERRUPT));
	assert_false(vmx_exit_is_plain(REASON_COUNT));
	assert_false(vmx_exit_is_plain(VMX_REASON_ENTRY_FAILED | REASON_CPUID));
}

static void test_every_reason(void **state)
{
	char text[200];

	for (uint32_t r = 0; r < 0x10000; r++) {
		struct vmx_raw raw;

		memset(&raw, 0xff, sizeof(raw));
		raw.long_mode = true;
		raw.reason = r;
		decode(raw);
		assert_in_range(e.kind, EXIT_NONE, EXIT_UNKNOWN);
		assert_int_equal(e.reason, r);
		if (r >= REASON_COUNT)
			assert_int_equal(e.kind, EXIT_UNKNOWN);
		if (r < 100)
			assert_in_range(vmx_exit_describe(&e, text, sizeof(text)), 10, sizeof(text) - 1);
	}
	decode((struct vmx_raw){.reason = VMX_REASON_ENTRY_FAILED | REASON_CPUID});
	assert_int_equal(e.kind, EXIT_ENTRY_FAILED);
	decode((struct vmx_raw){.reason = VMX_REASON_ENTRY_FAILED | REASON_ENTRY_GUEST_STATE});
	assert_int_equal(e.kind, EXIT_ENTRY_FAILED);
	decode((struct vmx_raw){.reason = VMX_REASON_ENTRY_FAILED | REASON_ENTRY_MACHINE_CHECK});
	assert_int_equal(e.kind, EXIT_MACHINE_CHECK);
}

static void test_io(void **state)
{
	decode((struct vmx_raw){.reason = REASON_IO, .qualification = 0x03f80000, .length = 1});
	assert_int_equal(e.kind, EXIT_IO);
	assert_int_equal(e.io.port, 0x3f8);
	assert_int_equal(exit_io_size(&e), 1);
	assert_false(e.io.in || e.io.string || e.io.rep);
	decode((struct vmx_raw){.reason = REASON_IO, .qualification = 0xffff003b, .length = 2});
	assert_int_equal(e.io.port, 0xffff);
	assert_int_equal(exit_io_size(&e), 4);
	assert_true(e.io.in && e.io.string && e.io.rep);
}

static void test_registers(void **state)
{
	decode((struct vmx_raw){.reason = REASON_CR_ACCESS, .qualification = 0xf00, .length = 3});
	assert_int_equal(e.cr.number, 0);
	assert_int_equal(e.cr.access, CR_WRITE);
	assert_int_equal(e.cr.gpr, 15);
	decode((struct vmx_raw){.reason = REASON_CR_ACCESS, .qualification = 0x318});
	assert_int_equal(e.cr.number, 8);
	assert_int_equal(e.cr.access, CR_READ);
	assert_int_equal(e.cr.gpr, 3);
	decode((struct vmx_raw){.reason = REASON_CR_ACCESS, .qualification = 0x20});
	assert_int_equal(e.cr.access, CR_CLTS);
	decode((struct vmx_raw){.reason = REASON_CR_ACCESS, .qualification = 0x12340070});
	assert_int_equal(e.cr.access, CR_LMSW);
	assert_int_equal(e.cr.lmsw, 0x1234);
	assert_int_not_equal(e.cr.gpr, EXIT_GPR_DECODE);
	decode((struct vmx_raw){.reason = REASON_MOV_DR, .qualification = 0x917});
	assert_int_equal(e.kind, EXIT_DR);
	assert_int_equal(e.dr.number, 7);
	assert_false(e.dr.write);
	assert_int_equal(e.dr.gpr, 9);
}

static void test_npf(void **state)
{
	decode((struct vmx_raw){.reason = REASON_EPT_VIOLATION, .qualification = 0x182, .gpa = 0xfee00000});
	assert_int_equal(e.kind, EXIT_NPF);
	assert_int_equal(e.npf.gpa.v, 0xfee00000);
	assert_true(e.npf.write);
	assert_false(e.npf.fetch || e.npf.present || e.npf.table_walk || fix.block_nmi);
	assert_int_equal(e.insn_len, 0);
	decode((struct vmx_raw){.reason = REASON_EPT_VIOLATION, .qualification = 0x10a4});
	assert_true(e.npf.fetch && e.npf.present && e.npf.table_walk && fix.block_nmi);
	/* Without a linear address it is no walk. */
	decode((struct vmx_raw){.reason = REASON_EPT_VIOLATION, .qualification = 0x1});
	assert_false(e.npf.table_walk || e.npf.write);
}

/* "Exit Qualification for APIC-Access VM Exits", and those behind an access. */
static void test_apic(void **state)
{
	decode((struct vmx_raw){.reason = REASON_APIC_ACCESS, .qualification = 0x390, .gpa = 7});
	assert_int_equal(e.kind, EXIT_NPF);
	assert_int_equal(e.npf.gpa.v, 0xfee00390);
	assert_false(e.npf.write || e.npf.fetch || e.npf.table_walk || e.npf.present || fix.requeue.valid);
	decode((struct vmx_raw){.reason = REASON_APIC_ACCESS, .qualification = 0x1300});
	assert_true(e.npf.write);
	decode((struct vmx_raw){.reason = REASON_APIC_ACCESS, .qualification = 0x2000});
	assert_true(e.npf.fetch && !e.npf.write);
	decode((struct vmx_raw){
	    .reason = REASON_APIC_ACCESS, .qualification = 0x3ff8, .idt_info = INFO(EVENT_INTERRUPT, 0x41)});
	assert_true(fix.requeue.valid && !e.npf.table_walk);
	assert_int_equal(e.npf.gpa.v, 0xfee00ff8);
	decode((struct vmx_raw){.reason = REASON_APIC_ACCESS, .qualification = 0xf000});
	assert_true(e.npf.table_walk);
	decode((struct vmx_raw){.reason = REASON_APIC_WRITE, .qualification = 0xfffff300});
	assert_int_equal(e.kind, EXIT_APIC_WRITE);
	assert_int_equal(e.apic.offset, 0x300);
	decode((struct vmx_raw){.reason = REASON_VIRTUALIZED_EOI, .qualification = 0x41});
	assert_int_equal(e.kind, EXIT_EOI);
	assert_int_equal(e.apic.vector, 0x41);
	decode((struct vmx_raw){.reason = REASON_TPR_BELOW_THRESHOLD});
	assert_int_equal(e.kind, EXIT_TPR);
	assert_int_equal(e.insn_len, 0); /* the instruction is done */
}

static void test_requeue(void **state)
{
	struct vmx_raw raw = {.reason = REASON_EPT_VIOLATION,
			      .qualification = 0x1081,
			      .idt_info = INFO(EVENT_EXCEPTION, EXC_PF) | VMX_INTR_ERROR_VALID,
			      .idt_error = 6,
			      .length = 9};

	decode(raw);
	assert_true(fix.requeue.valid && fix.requeue.has_error);
	assert_int_equal(fix.requeue.vector, EXC_PF);
	assert_int_equal(fix.requeue.type, EVENT_EXCEPTION);
	assert_int_equal(fix.requeue.error, 6);
	assert_int_equal(fix.requeue.insn_len, 0);
	assert_false(fix.block_nmi); /* undefined during delivery */
	assert_int_equal(e.insn_len, 0);

	raw.idt_info = INFO(EVENT_SOFT_INTERRUPT, 0x80);
	raw.length = 2;
	decode(raw);
	assert_int_equal(fix.requeue.type, EVENT_SOFT_INTERRUPT);
	assert_int_equal(fix.requeue.insn_len, 2);
	assert_false(fix.requeue.has_error || fix.unblock_nmi);

	raw.idt_info = INFO(EVENT_NMI, 2);
	decode(raw);
	assert_true(fix.requeue.valid && fix.unblock_nmi);

	raw.idt_info &= ~VMX_INTR_VALID;
	decode(raw);
	assert_false(fix.requeue.valid || fix.unblock_nmi);
}

static void test_exception(void **state)
{
	struct vmx_raw raw = {.reason = REASON_EXCEPTION_NMI,
			      .intr_info = INFO(EVENT_EXCEPTION, EXC_AC) | VMX_INTR_ERROR_VALID,
			      .qualification = 0x4000};

	decode(raw);
	assert_int_equal(e.kind, EXIT_EXCEPTION);
	assert_int_equal(e.exc.vector, EXC_AC);
	assert_true(e.exc.has_error);
	assert_int_equal(e.exc.error, 0);

	raw.intr_info = INFO(EVENT_EXCEPTION, EXC_DB) | VMX_INTR_NMI_UNBLOCKING;
	decode(raw);
	assert_int_equal(e.exc.payload, 0x4000);
	assert_false(e.exc.has_error);
	assert_true(fix.block_nmi);

	raw.intr_info = INFO(EVENT_NMI, 2);
	decode(raw);
	assert_int_equal(e.kind, EXIT_NMI);
	assert_true(e.irq.acknowledged);
	assert_false(fix.requeue.valid);

	raw.intr_info = INFO(EVENT_EXCEPTION, EXC_MC);
	decode(raw);
	assert_int_equal(e.kind, EXIT_MACHINE_CHECK);

	raw.intr_info = INFO(EVENT_PRIV_SOFT_EXCEPTION, EXC_DB);
	decode(raw);
	assert_int_equal(e.kind, EXIT_NONE);
	assert_true(fix.requeue.valid);
	assert_int_equal(fix.requeue.type, EVENT_PRIV_SOFT_EXCEPTION);
	assert_int_equal(fix.requeue.insn_len, 1);
}

static void test_task_switch(void **state)
{
	struct vmx_raw raw = {.reason = REASON_TASK_SWITCH, .qualification = 0x40000028, .length = 1};

	decode(raw);
	assert_int_equal(e.kind, EXIT_TASK_SWITCH);
	assert_int_equal(e.task.selector, 0x28);
	assert_true(e.task.from_iret);
	assert_int_equal(e.insn_len, 1);
	raw.qualification = 0xc0000030;
	raw.idt_info = INFO(EVENT_EXCEPTION, EXC_DF) | VMX_INTR_ERROR_VALID;
	raw.idt_error = 0x55;
	decode(raw);
	assert_true(e.task.from_idt && e.task.has_error);
	assert_int_equal(e.task.error, 0x55);
	assert_int_equal(e.insn_len, 0);
	assert_false(fix.requeue.valid); /* the switch is the delivery */
	raw.idt_info = INFO(EVENT_SOFT_INTERRUPT, 0x40);
	raw.length = 2;
	decode(raw);
	assert_int_equal(e.insn_len, 2);
	assert_false(fix.requeue.valid);
}

static void assert_text(const char *want)
{
	char text[200];

	assert_in_range(vmx_exit_describe(&e, text, sizeof(text)), 1, sizeof(text) - 1);
	assert_string_equal(text, want);
}

static void test_text(void **state)
{
	char small[12];

	decode((struct vmx_raw){.reason = REASON_EPT_VIOLATION, .qualification = 0x82, .gpa = 0x1000});
	assert_text("exit reason 48, EPT violation: write of guest-physical 0x1000, not mapped, by a "
		    "page-table walk");
	assert_true(vmx_exit_describe(&e, small, sizeof(small)) >= (int)sizeof(small));
	assert_int_equal(strlen(small), sizeof(small) - 1);
	decode((struct vmx_raw){.reason = REASON_IO, .qualification = 0x00e90000});
	assert_text("exit reason 30, I/O instruction: OUT port 0xe9, 1 byte");
	decode((struct vmx_raw){.reason = 35});
	assert_text("exit reason 35, not defined");
	decode((struct vmx_raw){.reason = VMX_REASON_ENTRY_FAILED | REASON_ENTRY_GUEST_STATE});
	assert_text("exit reason 33 with bit 31, entry failure, invalid guest state: qualification 0x0");
	e = (struct vm_exit){.kind = EXIT_ENTRY_FAILED, .reason = VMX_REASON_NONE, .qual = {7}};
	assert_text("VM entry failed, VM-instruction error 7: VM entry with invalid control fields");
	e.qual[0] = 0xffffffff;
	assert_text("VM entry failed, VM-instruction error 4294967295: not defined");
}

/* A vCPU after INIT, as vmx/regs.c makes it. */
static struct vmx_guest_state real_mode(void)
{
	return (struct vmx_guest_state){
	    .GUEST_CR0 = CR0_ET | CR0_NE,
	    .GUEST_CR4 = CR4_VMXE,
	    .GUEST_RIP = 0xfff0,
	    .GUEST_RFLAGS = 2,
	    .GUEST_DR7 = DR7_INIT,
	    .GUEST_CS_SELECTOR = 0xf000,
	    .GUEST_CS_BASE = 0xffff0000,
	    .GUEST_CS_LIMIT = 0xffff,
	    .GUEST_CS_ACCESS_RIGHTS = 0x9b,
	    .GUEST_SS_LIMIT = 0xffff,
	    .GUEST_SS_ACCESS_RIGHTS = 0x93,
	    .GUEST_DS_LIMIT = 0xffff,
	    .GUEST_DS_ACCESS_RIGHTS = 0x93,
	    .GUEST_ES_LIMIT = 0xffff,
	    .GUEST_ES_ACCESS_RIGHTS = 0x93,
	    .GUEST_FS_LIMIT = 0xffff,
	    .GUEST_FS_ACCESS_RIGHTS = 0x93,
	    .GUEST_GS_LIMIT = 0xffff,
	    .GUEST_GS_ACCESS_RIGHTS = 0x93,
	    .GUEST_LDTR_LIMIT = 0xffff,
	    .GUEST_LDTR_ACCESS_RIGHTS = 0x82,
	    .GUEST_TR_LIMIT = 0xffff,
	    .GUEST_TR_ACCESS_RIGHTS = 0x8b,
	    .LINK_POINTER = UINT64_MAX,
	    .GUEST_PAT = PAT_RESET,
	    .entry_controls = VMENTRY_LOAD_PAT | VMENTRY_LOAD_EFER,
	    .pin_controls = PIN_VIRTUAL_NMIS,
	    .cr0_fixed0 = CR0_PE | CR0_NE | CR0_PG,
	    .cr0_fixed1 = 0xffffffff,
	    .cr4_fixed0 = CR4_VMXE,
	    .cr4_fixed1 = 0x3767ff,
	    .physical_bits = 40,
	};
}

static struct vmx_guest_state long_mode(void)
{
	struct vmx_guest_state g = real_mode();

	g.GUEST_CR0 |= CR0_PE | CR0_PG;
	g.GUEST_CR4 |= CR4_PAE;
	g.GUEST_EFER = EFER_LME | EFER_LMA;
	g.entry_controls |= VMENTRY_IA32E_GUEST;
	g.GUEST_CS_BASE = 0;
	g.GUEST_CS_LIMIT = 0xffffffff;
	g.GUEST_CS_ACCESS_RIGHTS = 0xa09b;
	return g;
}

static void test_state_good(void **state)
{
	struct vmx_guest_state g = real_mode();

	assert_null(vmx_guest_state_check(&g));
	g = long_mode();
	assert_null(vmx_guest_state_check(&g));
}

/* One field at a boundary value each: the text names it. */
static void test_state_bad(void **state)
{
#define BAD(from, field, value, part)                                                                        \
	do {                                                                                                 \
		struct vmx_guest_state g = from();                                                           \
		const char *why;                                                                             \
		g.field = (value);                                                                           \
		why = vmx_guest_state_check(&g);                                                             \
		if (!why || !strstr(why, part))                                                              \
			fail_msg(#field ": '%s' does not say '%s'", why ? why : "(good)", part);             \
	} while (0)

	BAD(real_mode, GUEST_CR0, CR0_ET, "CR0");
	BAD(real_mode, GUEST_CR0, CR0_NE | CR0_PG, "CR0.PG");
	BAD(real_mode, GUEST_CR4, 0, "CR4");
	BAD(real_mode, GUEST_CR4, CR4_VMXE | CR4_PCIDE, "PCIDE");
	BAD(real_mode, GUEST_CR3, 1UL << 40, "CR3");
	BAD(real_mode, GUEST_DR7, 1UL << 32, "DR7");
	BAD(real_mode, GUEST_DEBUGCTL, 4, "DEBUGCTL");
	BAD(real_mode, GUEST_SYSENTER_EIP, 1UL << 47, "SYSENTER_EIP");
	BAD(real_mode, GUEST_PAT, 2, "PAT");
	BAD(real_mode, GUEST_EFER, 2, "EFER");
	BAD(real_mode, GUEST_EFER, EFER_LMA, "LMA");
	BAD(long_mode, GUEST_EFER, EFER_LMA, "LME");
	BAD(long_mode, GUEST_CR4, CR4_VMXE, "PAE");
	BAD(long_mode, GUEST_CR0, CR0_NE | CR0_PE, "CR0.PG");
	BAD(real_mode, GUEST_CS_ACCESS_RIGHTS, 0x92, "CS type");
	BAD(real_mode, GUEST_CS_ACCESS_RIGHTS, 0x1b, "CS is not present");
	BAD(real_mode, GUEST_CS_ACCESS_RIGHTS, 0xbb, "CS DPL");
	BAD(real_mode, GUEST_CS_BASE, 1UL << 32, "CS base");
	BAD(real_mode, GUEST_CS_LIMIT, 0x100000, "CS limit");
	BAD(long_mode, GUEST_CS_ACCESS_RIGHTS, 0xe09b, "L and D");
	BAD(real_mode, GUEST_SS_ACCESS_RIGHTS, 0xb3, "DPL");
	BAD(real_mode, GUEST_SS_ACCESS_RIGHTS, 0x91, "SS type");
	BAD(real_mode, GUEST_DS_ACCESS_RIGHTS, 0x92, "DS type");
	BAD(real_mode, GUEST_ES_ACCESS_RIGHTS, 0x1093 | 1 << 8, "ES access rights");
	BAD(real_mode, GUEST_FS_BASE, 1UL << 63, "FS base");
	BAD(real_mode, GUEST_GS_LIMIT, 0x100000, "GS limit");
	BAD(real_mode, GUEST_TR_ACCESS_RIGHTS, 0x89, "TR type");
	BAD(long_mode, GUEST_TR_ACCESS_RIGHTS, 0x83, "TR type");
	BAD(real_mode, GUEST_TR_ACCESS_RIGHTS, 0x1008b, "TR is unusable");
	BAD(real_mode, GUEST_LDTR_ACCESS_RIGHTS, 0x83, "LDTR type");
	BAD(real_mode, GUEST_GDTR_LIMIT, 0x10000, "GDTR limit");
	BAD(real_mode, GUEST_IDTR_BASE, 1UL << 48, "IDTR base");
	BAD(real_mode, GUEST_RIP, 1UL << 32, "RIP");
	BAD(long_mode, GUEST_RIP, 1UL << 47, "RIP");
	BAD(real_mode, GUEST_RFLAGS, 0, "RFLAGS");
	BAD(real_mode, GUEST_RFLAGS, 2 | 1UL << 22, "RFLAGS");
	BAD(real_mode, GUEST_RFLAGS, 2 | 1UL << 17, "virtual-8086");
	BAD(real_mode, entry_intr_info, INFO(EVENT_INTERRUPT, 0x20), "RFLAGS.IF");
	BAD(real_mode, GUEST_ACTIVITY_STATE, 4, "activity");
	BAD(real_mode, GUEST_INTERRUPTIBILITY, 0x20, "interruptibility");
	BAD(real_mode, GUEST_INTERRUPTIBILITY, VMX_BLOCKING_STI, "STI");
	BAD(real_mode, GUEST_PENDING_DEBUG, 1UL << 13, "pending debug");
	BAD(real_mode, LINK_POINTER, 0, "link pointer");
#undef BAD
	struct vmx_guest_state g = real_mode();

	g.entry_intr_info = INFO(EVENT_NMI, 2);
	g.GUEST_INTERRUPTIBILITY = VMX_BLOCKING_NMI;
	assert_non_null(strstr(vmx_guest_state_check(&g), "NMI is injected"));
	g = long_mode();
	g.entry_controls &= ~VMENTRY_IA32E_GUEST;
	g.GUEST_EFER = 0;
	g.GUEST_CS_ACCESS_RIGHTS = 0xc09b;
	assert_null(vmx_guest_state_check(&g));
	g.GUEST_PDPTE2 = 0x1003;
	assert_non_null(strstr(vmx_guest_state_check(&g), "PDPTE"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_plain),       cmocka_unit_test(test_hypercall),
	    cmocka_unit_test(test_plain_kinds), cmocka_unit_test(test_every_reason),
	    cmocka_unit_test(test_io),          cmocka_unit_test(test_registers),
	    cmocka_unit_test(test_npf),         cmocka_unit_test(test_apic),
	    cmocka_unit_test(test_requeue),     cmocka_unit_test(test_exception),
	    cmocka_unit_test(test_task_switch), cmocka_unit_test(test_text),
	    cmocka_unit_test(test_state_good),  cmocka_unit_test(test_state_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
