/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmx/run.c's way of an exit, with a VMCS in memory that counts its accesses: an outer hypervisor may trap each of
 * them.
 */
#include "support.h"

#include <string.h>
#include "hv/cpuid.h"
#include "hv/exit_advance.h"
#include "hv/insn_known.h"
#include "hv/vm.h"
#include "hv/x86/desc.h"
#include "hv/x86/rflags.h"
#include "vmx/exit.h"
#include "vmx/vmx.h"

#define RIP         0xffffffff81000000UL
#define CPUID_BYTES 2

static uint64_t field[1 << 15]; /* by encoding */
static unsigned accesses, windows, blocked;
static bool long_mode;
static uint8_t memory[PAGE_SIZE];
static struct vmx_vcpu x;
static struct vm vm;
static struct pcpu cpu;

uint64_t vmcs_read(enum vmcs_field f)
{
	accesses++;
	return field[f];
}

void vmcs_write(enum vmcs_field f, uint64_t value)
{
	accesses++;
	field[f] = value;
}

/* The guest exits at once. */
enum exit_action vmx_enter(struct vmx_vcpu *v, struct pcpu *p)
{
	assert_ptr_equal(p, &cpu);
	return vmx_exited(v);
}

void vmx_host_irq_window(void)
{
	windows++;
}

void vmx_change_interruptibility(struct vmx_vcpu *of, uint64_t set, uint64_t clear)
{
	assert_int_equal(set, VMX_BLOCKING_NMI);
	blocked++;
}

void event_requeue(struct vcpu *v, const struct guest_event *ev)
{
	v->events.requeued = *ev;
}

bool vmx_long_mode(struct vcpu *v)
{
	return long_mode;
}

/* The handler is the test. */
enum exit_action exit_dispatch(struct vcpu *v)
{
	return ACT_RESUME;
}

static int setup(void **state)
{
	memset(field, 0, sizeof(field));
	windows = blocked = 0;
	long_mode = true;
	vm.mem.base = memory;
	vmx_exit_init();
	x = (struct vmx_vcpu){.base = {.vm = &vm, .cpu = &cpu}};
	field[VMCS_GUEST_RIP] = RIP;
	field[VMCS_GUEST_RFLAGS] = RFLAGS_FIXED;
	field[VMCS_EXIT_REASON] = REASON_CPUID;
	field[VMCS_EXIT_INSN_LENGTH] = CPUID_BYTES;
	(void)vmx_vcpu_run(&x.base);
	return 0;
}

/* From one exit to the next. */
static void test_cpuid(void **state)
{
	assert_int_equal(x.base.last_exit.kind, EXIT_CPUID);
	accesses = 0;
	assert_int_equal(cpuid_handle(&x.base), ACT_ADVANCE);
	assert_true(exit_advance_quick(&x.base));
	(void)vmx_vcpu_run(&x.base);
	assert_int_equal(field[VMCS_GUEST_RIP], RIP + CPUID_BYTES);
	assert_in_range(accesses, 1, 6);
}

/* An access to a device: the decoder's words, and few of the VMCS's. */
static void test_npf(void **state)
{
	const struct vm_exit *e = &x.base.last_exit;

	field[VMCS_EXIT_REASON] = REASON_EPT_VIOLATION;
	field[VMCS_GUEST_RFLAGS] = RFLAGS_FIXED | RFLAGS_TF; /* its instruction is not looked for */
	x.base.exits[EXIT_NPF] = 1;                          /* nor host interrupts */
	field[VMCS_GUEST_PHYSICAL_ADDRESS] = 0xfe000010;
	field[VMCS_EXIT_QUALIFICATION] = EPT_QUAL_WRITE | EPT_QUAL_LINEAR_VALID | EPT_QUAL_FINAL;
	accesses = 0;
	memset(&x.base.last_exit, 0xff, sizeof(*e));
	(void)vmx_vcpu_run(&x.base);
	assert_in_range(accesses, 1, 8);
	assert_int_equal(e->kind, EXIT_NPF);
	assert_int_equal(e->reason, REASON_EPT_VIOLATION);
	assert_int_equal(e->qual[0], field[VMCS_EXIT_QUALIFICATION]);
	assert_int_equal(e->qual[1], 0xfe000010);
	assert_int_equal(e->qual[2], 0);
	assert_int_equal(windows, 0);
	assert_int_equal(e->npf.gpa.v, 0xfe000010);
	assert_int_equal(e->npf.word, PFERR_W);
	assert_true(e->npf.write && !e->npf.fetch && !e->npf.present && !e->npf.table_walk && !e->npf.known);
	assert_int_equal(e->insn_len | e->next_rip, 0);
	field[VMCS_EXIT_QUALIFICATION] = EPT_QUAL_LINEAR_VALID;
	(void)vmx_vcpu_run(&x.base);
	assert_true(!e->npf.write && e->npf.table_walk);
	/* A guest that does nothing else leaves the host its interrupts. */
	x.base.exits[EXIT_NPF] = 32;
	(void)vmx_vcpu_run(&x.base);
	assert_int_equal(windows, 1);
}

/* What was read of the guest's state at one exit is not believed at the next. */
static void test_cache(void **state)
{
	assert_int_not_equal(x.cached, 0);
	field[VMCS_EXIT_REASON] = REASON_EXTERNAL_INTERRUPT;
	(void)vmx_vcpu_run(&x.base);
	assert_int_equal(x.cached, 0);
}

/* One that cut an event's delivery short, or an IRET that has unblocked NMIs, is put right before anything else. */
static void test_npf_of_event(void **state)
{
	field[VMCS_EXIT_REASON] = REASON_EPT_VIOLATION;
	field[VMCS_EXIT_QUALIFICATION] = EPT_QUAL_LINEAR_VALID | EPT_QUAL_FINAL;
	field[VMCS_IDT_VECTORING_INFO] = VMX_INTR_VALID | 0x41;
	x.base.exits[EXIT_NPF] = 1;
	(void)vmx_vcpu_run(&x.base);
	assert_true(x.base.events.requeued.valid);
	assert_int_equal(x.base.events.requeued.vector, 0x41);
	assert_int_equal(x.base.last_exit.kind, EXIT_NPF);
	field[VMCS_IDT_VECTORING_INFO] = 0;
	field[VMCS_EXIT_QUALIFICATION] |= EPT_QUAL_NMI_UNBLOCKING;
	(void)vmx_vcpu_run(&x.base);
	assert_int_equal(blocked, 1);
}

/* An instruction that was met before is told with the exit, unless its completion is more than RIP. */
static void test_npf_known(void **state)
{
	struct insn_known *k = insn_known_place(&x.base);
	const struct vm_exit *e = &x.base.last_exit;

	*k = (struct insn_known){.rip = RIP, .cr3 = 0x1000, .next = RIP + 3, .len = 3};
	field[VMCS_EXIT_REASON] = REASON_EPT_VIOLATION;
	field[VMCS_EXIT_QUALIFICATION] = EPT_QUAL_LINEAR_VALID | EPT_QUAL_FINAL;
	field[VMCS_GUEST_CR3] = 0x1000;
	x.base.exits[EXIT_NPF] = 1;
	(void)vmx_vcpu_run(&x.base);
	assert_ptr_equal(e->npf.known, k);
	field[VMCS_GUEST_CR3] = 0x2000;
	(void)vmx_vcpu_run(&x.base);
	assert_null(e->npf.known);
	field[VMCS_GUEST_CR3] = 0x1000;
	long_mode = false;
	(void)vmx_vcpu_run(&x.base);
	assert_null(e->npf.known);
	long_mode = true;
	field[VMCS_GUEST_INTERRUPTIBILITY] = VMX_BLOCKING_MOV_SS;
	(void)vmx_vcpu_run(&x.base);
	assert_null(e->npf.known);
	/* What the guest has set since the last exit is not overlooked. */
	field[VMCS_GUEST_INTERRUPTIBILITY] = 0;
	(void)vmx_vcpu_run(&x.base);
	assert_ptr_equal(e->npf.known, k);
}

/* What more there is to the completion of an instruction is not forgotten. */
static void test_odd(void **state)
{
	assert_int_equal(x.base.last_exit.next_rip, RIP + CPUID_BYTES);
	field[VMCS_GUEST_RFLAGS] = RFLAGS_FIXED | RFLAGS_TF;
	(void)vmx_vcpu_run(&x.base);
	assert_false(exit_advance_quick(&x.base));
	assert_int_equal(x.base.last_exit.insn_len, CPUID_BYTES);
	field[VMCS_GUEST_RFLAGS] = RFLAGS_FIXED | RFLAGS_RF;
	(void)vmx_vcpu_run(&x.base);
	assert_false(exit_advance_quick(&x.base));
	field[VMCS_GUEST_RFLAGS] = RFLAGS_FIXED;
	field[VMCS_GUEST_INTERRUPTIBILITY] = VMX_BLOCKING_STI;
	(void)vmx_vcpu_run(&x.base);
	assert_false(exit_advance_quick(&x.base));
	field[VMCS_GUEST_INTERRUPTIBILITY] = 0;
	field[VMCS_GUEST_RIP] = 0xffffffff; /* may wrap */
	(void)vmx_vcpu_run(&x.base);
	assert_false(exit_advance_quick(&x.base));
	field[VMCS_GUEST_RIP] = RIP;
	(void)vmx_vcpu_run(&x.base);
	assert_true(exit_advance_quick(&x.base));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_cpuid, setup),        cmocka_unit_test_setup(test_odd, setup),
	    cmocka_unit_test_setup(test_npf, setup),          cmocka_unit_test_setup(test_cache, setup),
	    cmocka_unit_test_setup(test_npf_of_event, setup), cmocka_unit_test_setup(test_npf_known, setup),
	};

	return cmocka_run_group_tests_name("vmx_run", tests, NULL, NULL);
}
