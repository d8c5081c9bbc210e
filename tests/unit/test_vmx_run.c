/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmx/run.c's way of an exit, with a VMCS in memory that counts its accesses: an outer hypervisor may trap each of
 * them.
 */
#include "support.h"

#include <string.h>
#include "hv/cpuid.h"
#include "hv/exit_advance.h"
#include "hv/vm.h"
#include "hv/x86/rflags.h"
#include "vmx/exit.h"
#include "vmx/vmx.h"

#define RIP         0xffffffff81000000UL
#define CPUID_BYTES 2

static uint64_t field[1 << 15]; /* by encoding */
static unsigned accesses;
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

/* The handler is the test. */
enum exit_action exit_dispatch(struct vcpu *v)
{
	return ACT_RESUME;
}

static int setup(void **state)
{
	memset(field, 0, sizeof(field));
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
	(void)vmx_vcpu_run(&x.base);
	assert_in_range(accesses, 1, 8);
	assert_int_equal(e->kind, EXIT_NPF);
	assert_int_equal(e->npf.gpa.v, 0xfe000010);
	assert_true(e->npf.write && !e->npf.fetch && !e->npf.present && !e->npf.table_walk && !e->npf.known);
	assert_int_equal(e->insn_len | e->next_rip, 0);
	field[VMCS_EXIT_QUALIFICATION] = EPT_QUAL_LINEAR_VALID;
	(void)vmx_vcpu_run(&x.base);
	assert_true(!e->npf.write && e->npf.table_walk);
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
	    cmocka_unit_test_setup(test_cpuid, setup),
	    cmocka_unit_test_setup(test_odd, setup),
	    cmocka_unit_test_setup(test_npf, setup),
	};

	return cmocka_run_group_tests_name("vmx_run", tests, NULL, NULL);
}
