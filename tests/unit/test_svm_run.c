/* SPDX-License-Identifier: BSD-2-Clause */
/* svm/vcpu.c's way of an exit: which are decoded at once, and which are looked at before. */
#include "support.h"

#include <string.h>
#include "hv/insn_known.h"
#include "hv/vm.h"
#include "hv/x86/rflags.h"
#include "svm/exit.h"
#include "svm/svm.h"

#define RIP 0xffffffff81000000UL
#define GPA 0xfe000010UL
#define CR3 0x1000

struct svm_caps svm_caps;
static struct svm_vcpu s;
static struct vm vm;
static uint8_t memory[PAGE_SIZE];
static unsigned requeued, reconsidered;

/* The handler is the test. */
enum exit_action exit_dispatch(struct vcpu *v)
{
	return ACT_RESUME;
}

void svm_requeue(struct svm_vcpu *of)
{
	requeued++;
}

void event_reconsider(struct vcpu *v)
{
	reconsidered++;
}

static const struct vm_exit *exit_with(uint64_t code, uint64_t info1, uint64_t info2)
{
	s.vmcb.exit_code = code;
	s.vmcb.exit_info1 = info1;
	s.vmcb.exit_info2 = info2;
	memset(&s.base.last_exit, 0xff, sizeof(s.base.last_exit));
	assert_int_equal(svm_exited(&s.base), ACT_RESUME);
	return &s.base.last_exit;
}

static const struct vm_exit *npf(void)
{
	return exit_with(VMEXIT_NPF, NPF_FINAL | PFERR_W | PFERR_U, GPA);
}

/* One instruction is known, by memory that is all zeros. */
static int setup(void **state)
{
	memset(&s, 0, sizeof(s));
	vm.mem.base = memory;
	s.base.vm = &vm;
	s.vmcb.rip = s.base.rip = RIP;
	s.vmcb.cr3 = CR3;
	s.vmcb.rflags = RFLAGS_FIXED;
	s.vmcb.efer = EFER_LMA;
	s.vmcb.cs.attrib = VMCB_ATTR_L;
	*insn_known_place(&s.base) = (struct insn_known){.rip = RIP, .cr3 = CR3, .next = RIP + 3, .len = 3};
	requeued = reconsidered = 0;
	return 0;
}

static void test_npf(void **state)
{
	const struct vm_exit *e = npf();

	assert_int_equal(e->kind, EXIT_NPF);
	assert_int_equal(e->reason, VMEXIT_NPF);
	assert_int_equal(e->insn_len | e->next_rip, 0);
	assert_int_equal(e->qual[0], NPF_FINAL | PFERR_W | PFERR_U);
	assert_int_equal(e->qual[1], GPA);
	assert_int_equal(e->npf.gpa.v, GPA);
	assert_int_equal(e->npf.word, PFERR_W);
	assert_ptr_equal(e->npf.known, insn_known_place(&s.base));
}

/* Outside 64-bit mode, in other tables, or where completing it is more than RIP, no instruction is known. */
static void test_not_known(void **state)
{
	s.vmcb.cr3 = CR3 + PAGE_SIZE;
	assert_null(npf()->npf.known);
	s.vmcb.cr3 = CR3;
	s.vmcb.cs.attrib = 0;
	assert_null(npf()->npf.known);
	s.vmcb.cs.attrib = VMCB_ATTR_L;
	s.vmcb.rflags |= RFLAGS_TF;
	assert_null(npf()->npf.known);
	s.vmcb.rflags = RFLAGS_FIXED | RFLAGS_RF;
	assert_null(npf()->npf.known);
	s.vmcb.rflags = RFLAGS_FIXED;
	s.vmcb.int_state = INT_STATE_SHADOW;
	assert_null(npf()->npf.known);
	assert_int_equal(exit_with(VMEXIT_CPUID, 0, 0)->next_rip, 0);
	s.vmcb.int_state = 0;
	assert_non_null(npf()->npf.known);
	assert_int_equal(exit_with(VMEXIT_CPUID, 0, 0)->next_rip, RIP + 3);
}

/* The delivery that was cut short is the core's again; and an NMI behind an event that went in is looked at. */
static void test_npf_of_event(void **state)
{
	const struct vm_exit *e;

	s.vmcb.exit_int_info = EVENT_VALID | 0x41;
	e = npf();
	assert_int_equal(requeued, 1);
	assert_int_equal(e->kind, EXIT_NPF);
	assert_int_equal(e->npf.gpa.v, GPA);
	assert_int_equal(e->next_rip, 0);
	s.vmcb.exit_int_info = 0;
	s.watch = WATCH_EVENT;
	assert_int_equal(npf()->kind, EXIT_NPF);
	assert_int_equal(requeued, 1);
	assert_int_equal(reconsidered, 1);
	assert_int_equal(s.watch, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_npf, setup),
	    cmocka_unit_test_setup(test_not_known, setup),
	    cmocka_unit_test_setup(test_npf_of_event, setup),
	};

	return cmocka_run_group_tests_name("svm_run", tests, NULL, NULL);
}
