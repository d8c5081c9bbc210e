/* SPDX-License-Identifier: BSD-2-Clause */
/* svm/exit.c: captured VMCBs to decoded exits, and what is made of EXITINTINFO. */
#include "support.h"

#include <string.h>
#include "svm/exit.h"

#define RIP 0x1000

static struct vmcb b;
static struct vm_exit e;

static void decode(uint64_t code, uint64_t info1, uint64_t info2, bool nrips)
{
	b.exit_code = code;
	b.exit_info1 = info1;
	b.exit_info2 = info2;
	memset(&e, 0xa5, sizeof(e));
	svm_exit_decode(&b, nrips, &e);
	assert_int_equal(e.reason, code);
}

static int setup(void **state)
{
	memset(&b, 0, sizeof(b));
	b.rip = RIP;
	return 0;
}

static void test_cpuid(void **state)
{
	b.next_rip = RIP + 2;
	decode(VMEXIT_CPUID, 0, 0, false);
	assert_int_equal(e.kind, EXIT_CPUID);
	assert_int_equal(e.insn_len, 0); /* the field means nothing without NRIPS */
	decode(VMEXIT_CPUID, 0, 0, true);
	assert_int_equal(e.insn_len, 2);
	b.next_rip = 0; /* some CPUs leave it so */
	decode(VMEXIT_CPUID, 0, 0, true);
	assert_int_equal(e.insn_len, 0);
	b.next_rip = RIP + 16; /* longer than any instruction */
	decode(VMEXIT_CPUID, 0, 0, true);
	assert_int_equal(e.insn_len, 0);
}

static void test_io(void **state)
{
	/* REP INSW from 0x1f0: size bit 5. */
	decode(VMEXIT_IOIO, 0x01f0002d, RIP + 3, false);
	assert_int_equal(e.kind, EXIT_IO);
	assert_int_equal(e.io.port, 0x1f0);
	assert_int_equal(exit_io_size(&e), 2);
	assert_true(e.io.in && e.io.string && e.io.rep);
	assert_int_equal(e.insn_len, 3);
	/* OUT 0x80, AL. */
	decode(VMEXIT_IOIO, 0x00800010, RIP + 2, true);
	assert_int_equal(e.io.port, 0x80);
	assert_int_equal(exit_io_size(&e), 1);
	assert_false(e.io.in || e.io.string || e.io.rep);
	assert_int_equal(e.insn_len, 2);
	/* IN EAX, DX at port 0xffff. */
	decode(VMEXIT_IOIO, 0xffff0041, RIP + 1, false);
	assert_int_equal(e.io.port, 0xffff);
	assert_int_equal(exit_io_size(&e), 4);
	assert_true(e.io.in);
}

static void test_hypercall(void **state)
{
	b.cpl = 3;
	decode(VMEXIT_VMMCALL, 0, 0, false);
	assert_int_equal(e.kind, EXIT_HYPERCALL);
	assert_int_equal(e.call.cpl, 3);
	assert_false(e.call.long_mode);
	b.cpl = 0;
	b.efer = EFER_LMA;
	b.cs.attrib = VMCB_ATTR_L;
	decode(VMEXIT_VMMCALL, 0, 0, false);
	assert_int_equal(e.call.cpl, 0);
	assert_true(e.call.long_mode);
}

static void test_msr(void **state)
{
	decode(VMEXIT_MSR, 0, 0, false);
	assert_int_equal(e.kind, EXIT_RDMSR);
	decode(VMEXIT_MSR, 1, 0, false);
	assert_int_equal(e.kind, EXIT_WRMSR);
}

static void test_cr(void **state)
{
	decode(VMEXIT_CR0_READ, 0, 0, false);
	assert_int_equal(e.kind, EXIT_CR);
	assert_int_equal(e.cr.number, 0);
	assert_int_equal(e.cr.access, CR_READ);
	assert_int_equal(e.cr.gpr, EXIT_GPR_DECODE);
	decode(VMEXIT_CR0_WRITE + 8, CR_INFO_MOV | 13, 0, true);
	assert_int_equal(e.cr.number, 8);
	assert_int_equal(e.cr.access, CR_WRITE);
	assert_int_equal(e.cr.gpr, 13);
	decode(VMEXIT_CR0_SEL_WRITE, 0, 0, false);
	assert_int_equal(e.kind, EXIT_CR);
	assert_int_equal(e.cr.number, 0);
	assert_int_equal(e.cr.access, CR_WRITE);
}

static void test_exceptions(void **state)
{
	b.dr6 = 0xffff4ff1; /* BS and B0 */
	decode(VMEXIT_EXCP0 + EXC_DB, 0, 0, true);
	assert_int_equal(e.kind, EXIT_EXCEPTION);
	assert_int_equal(e.exc.vector, EXC_DB);
	assert_false(e.exc.has_error);
	assert_int_equal(e.exc.payload, 0x4001);
	decode(VMEXIT_EXCP0 + EXC_AC, 0, 0, false);
	assert_int_equal(e.exc.vector, EXC_AC);
	assert_true(e.exc.has_error);
	decode(VMEXIT_EXCP0 + EXC_PF, 7, 0xdeadb000, false);
	assert_int_equal(e.exc.error, 7);
	assert_int_equal(e.exc.payload, 0xdeadb000);
	decode(VMEXIT_EXCP0 + EXC_UD, 0x55, 0, false);
	assert_false(e.exc.has_error);
	assert_int_equal(e.exc.error, 0);
	decode(VMEXIT_EXCP0 + EXC_MC, 0, 0, false);
	assert_int_equal(e.kind, EXIT_MACHINE_CHECK);
}

static void test_npf(void **state)
{
	decode(VMEXIT_NPF, NPF_FINAL | PFERR_W | PFERR_U, 0xfee00300, false);
	assert_int_equal(e.kind, EXIT_NPF);
	assert_int_equal(e.insn_len, 0);
	assert_int_equal(e.npf.gpa.v, 0xfee00300);
	assert_true(e.npf.write);
	assert_false(e.npf.present || e.npf.fetch || e.npf.table_walk);
	decode(VMEXIT_NPF, NPF_TABLE_WALK | PFERR_P | PFERR_I, 0x1000, true);
	assert_true(e.npf.present && e.npf.fetch && e.npf.table_walk);
	assert_false(e.npf.write);
}

static void test_plain_kinds(void **state)
{
	static const struct {
		uint16_t code;
		enum exit_kind kind;
	} cases[] = {
	    {VMEXIT_INTR, EXIT_INTERRUPT},
	    {VMEXIT_SMI, EXIT_INTERRUPT},
	    {VMEXIT_NMI, EXIT_NMI},
	    {VMEXIT_INIT, EXIT_INIT},
	    {VMEXIT_VINTR, EXIT_INTR_WINDOW},
	    {VMEXIT_HLT, EXIT_HLT},
	    {VMEXIT_PAUSE, EXIT_PAUSE},
	    {VMEXIT_RDTSC, EXIT_RDTSC},
	    {VMEXIT_RDTSCP, EXIT_RDTSCP},
	    {VMEXIT_RDPMC, EXIT_RDPMC},
	    {VMEXIT_WBINVD, EXIT_WBINVD},
	    {VMEXIT_INVD, EXIT_WBINVD},
	    {VMEXIT_MONITOR, EXIT_MONITOR},
	    {VMEXIT_MWAIT, EXIT_MONITOR},
	    {VMEXIT_VMMCALL, EXIT_HYPERCALL},
	    {VMEXIT_VMRUN, EXIT_UNDEFINED_INSN},
	    {VMEXIT_STGI, EXIT_UNDEFINED_INSN},
	    {VMEXIT_INVLPGA, EXIT_UNDEFINED_INSN},
	    {VMEXIT_SKINIT, EXIT_UNDEFINED_INSN},
	    {VMEXIT_RDPRU, EXIT_UNDEFINED_INSN},
	    {VMEXIT_INVPCID, EXIT_UNDEFINED_INSN},
	    {VMEXIT_XSETBV, EXIT_XSETBV},
	    {VMEXIT_SHUTDOWN, EXIT_TRIPLE_FAULT},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		decode(cases[i].code, 0, 0, false);
		assert_int_equal(e.kind, cases[i].kind);
		assert_int_equal(e.insn_len, 0);
	}
	decode(VMEXIT_INTR, 0, 0, false);
	assert_false(e.irq.acknowledged);
	decode(VMEXIT_NMI, 0, 0, false);
	assert_false(e.irq.acknowledged);
}

/* Every code that hardware could make up gets a kind, and what isn't listed is unknown. */
static void test_every_code(void **state)
{
	for (uint64_t code = 0; code < 0x800; code++) {
		decode(code, ~0ULL, ~0ULL, code & 1);
		assert_true(e.kind > EXIT_NONE && e.kind < EXIT_KIND_COUNT);
		if (code > VMEXIT_RDPRU && code != VMEXIT_INVPCID && code != VMEXIT_NPF)
			assert_int_equal(e.kind, EXIT_UNKNOWN);
	}
	decode(~0ULL, 0, 0, false);
	assert_int_equal(e.kind, EXIT_ENTRY_FAILED);
	decode(VMEXIT_INVALID32, 0, 0, false);
	assert_int_equal(e.kind, EXIT_ENTRY_FAILED);
	decode(~1ULL, 0, 0, false);
	assert_int_equal(e.kind, EXIT_UNKNOWN);
}

static bool interrupted(uint32_t info, uint32_t error, struct guest_event *ev)
{
	b.exit_int_info = (uint64_t)error << EVENT_ERROR_SHIFT | info;
	*ev = (struct guest_event){};
	return svm_event_decode(b.exit_int_info, ev);
}

static void test_interrupted(void **state)
{
	struct guest_event ev;

	/* QEMU copies EVENTINJ, whose V bit it has cleared, at every exit. */
	assert_false(interrupted(0x30, 0, &ev));
	assert_true(interrupted(EVENT_VALID | 0x30, 0, &ev));
	assert_true(ev.valid);
	assert_int_equal(ev.type, EVENT_INTERRUPT);
	assert_int_equal(ev.vector, 0x30);
	assert_false(ev.has_error);
	assert_true(interrupted(EVENT_VALID | EVENT_ERROR_VALID | EVENT_EXCEPTION << 8 | EXC_PF, 6, &ev));
	assert_int_equal(ev.type, EVENT_EXCEPTION);
	assert_true(ev.has_error);
	assert_int_equal(ev.error, 6);
	assert_true(interrupted(EVENT_VALID | EVENT_NMI << 8 | EXC_NMI, 0, &ev));
	assert_int_equal(ev.type, EVENT_NMI);
	/* INT n, INT3, INTO are made again by their instruction. */
	assert_false(interrupted(EVENT_VALID | EVENT_SOFT_INTERRUPT << 8 | 0x80, 0, &ev));
	assert_false(interrupted(EVENT_VALID | 1 << 8 | 0x80, 0, &ev));
	assert_false(interrupted(EVENT_VALID | 7 << 8 | 0x80, 0, &ev));
	assert_false(interrupted(EVENT_VALID | EVENT_EXCEPTION << 8 | EXC_BP, 0, &ev));
	assert_false(interrupted(EVENT_VALID | EVENT_EXCEPTION << 8 | EXC_OF, 0, &ev));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_cpuid, setup),      cmocka_unit_test_setup(test_io, setup),
	    cmocka_unit_test_setup(test_hypercall, setup),  cmocka_unit_test_setup(test_msr, setup),
	    cmocka_unit_test_setup(test_cr, setup),         cmocka_unit_test_setup(test_exceptions, setup),
	    cmocka_unit_test_setup(test_npf, setup),        cmocka_unit_test_setup(test_plain_kinds, setup),
	    cmocka_unit_test_setup(test_every_code, setup), cmocka_unit_test_setup(test_interrupted, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
