/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's CPUID, from hosts made up for the purpose: one of each vendor with every bit set (nothing that
 * is hidden may come through), and small ones for topology, XSAVE sizes and the bits that follow the vCPU.
 */
#include "fake_vcpu.h"
#include "hv/cpuid.h"
#include "hv/x86/cpuid.h"

#define ALL_XCR0 0x602ffUL

static struct cpuid_policy policy;
static struct cpuid_choice choice; /* of the next build */
static bool host_amd;
static uint32_t host_1_ecx, host_max_basic;

uint64_t xstate_xcr0(struct vcpu *v)
{
	return v->xcr0;
}

/* Every feature bit set; leaves that hold numbers have sane ones. */
static void host(uint32_t leaf, uint32_t subleaf, struct cpuid_regs *r)
{
	static const struct cpuid_regs xsave[] = {
	    [2] = {256, 576, 0, 0},  [3] = {64, 960, 0, 0},    [4] = {64, 1024, 0, 0}, [5] = {40, 1088, 0, 0},
	    [6] = {512, 1152, 2, 0}, [7] = {1024, 1664, 2, 0}, [9] = {8, 2688, 0, 0},
	};

	*r = (struct cpuid_regs){~0u, ~0u, ~0u, ~0u};
	switch (leaf) {
	case 0:
		*r = host_amd ? (struct cpuid_regs){host_max_basic, CPUID_VENDOR_AMD_EBX,
						    CPUID_VENDOR_AMD_ECX, CPUID_VENDOR_AMD_EDX}
			      : (struct cpuid_regs){host_max_basic, CPUID_VENDOR_INTEL_EBX,
						    CPUID_VENDOR_INTEL_ECX, CPUID_VENDOR_INTEL_EDX};
		break;
	case 1:
		*r = (struct cpuid_regs){0x00050654, 0x12340800, host_1_ecx, ~0u};
		break;
	case 4:
	case 0x8000001d:
		*r = (struct cpuid_regs){0xffffc000 | 0x121 | subleaf << 5, 0x01c0003f, 63, 0};
		if (subleaf > 2)
			r->eax = 0;
		break;
	case 0xd:
		*r = subleaf < 10 ? xsave[subleaf] : (struct cpuid_regs){};
		if (subleaf == 1)
			r->eax = ~0u;
		break;
	case 0x80000000:
		*r = (struct cpuid_regs){0x80000040, 0, 0, 0};
		break;
	case 0x80000008:
		r->eax = 0x3934; /* 52 and 57 bits */
		break;
	}
}

static void build(bool amd, uint64_t xcr0, uint32_t vcpus)
{
	host_amd = amd;
	host_1_ecx = ~0u;
	host_max_basic = 0x20;
	fake_vcpu_new();
	assert_int_equal(cpuid_policy_build(&policy, host, xcr0, &choice, vcpus, 2345678901), OK);
	fake_vm.cpuid = policy;
	fake_vcpu.xcr0 = 1;
	fake_vcpu.lapic.base = 0xfee00000 | APIC_BASE_ENABLE;
}

static struct cpuid_regs ask(uint32_t leaf, uint32_t subleaf)
{
	return cpuid_query(&fake_vcpu, leaf, subleaf);
}

/* Everything here must be hidden from any guest. */
static void check_hidden(void)
{
	struct cpuid_regs r = ask(1, 0);

	assert_int_equal(r.ecx &
			     (CPUID_1_ECX_VMX | CPUID_1_ECX_SMX | CPUID_1_ECX_MONITOR | CPUID_1_ECX_DTES64 |
			      CPUID_1_ECX_PDCM | CPUID_1_ECX_EIST | CPUID_1_ECX_TM2 | CPUID_1_ECX_OSXSAVE),
			 0);
	assert_int_equal(r.edx & (CPUID_1_EDX_DS | CPUID_1_EDX_ACPI | CPUID_1_EDX_TM | CPUID_1_EDX_PBE), 0);
	assert_true(r.ecx & CPUID_1_ECX_HYPERVISOR);
	r = ask(7, 0);
	assert_int_equal(r.ebx & (CPUID_7_EBX_HLE | CPUID_7_EBX_RTM | CPUID_7_EBX_PT | CPUID_7_EBX_SGX |
				  CPUID_7_EBX_MPX | CPUID_7_EBX_PQM | CPUID_7_EBX_PQE),
			 0);
	assert_int_equal(r.ecx & (CPUID_7_ECX_OSPKE | CPUID_7_ECX_CET_SS | CPUID_7_ECX_WAITPKG |
				  CPUID_7_ECX_ENQCMD | CPUID_7_ECX_KL | CPUID_7_ECX_PKS),
			 0);
	assert_int_equal(r.edx & (CPUID_7_EDX_AMX_BF16 | CPUID_7_EDX_AMX_TILE | CPUID_7_EDX_AMX_INT8 |
				  CPUID_7_EDX_ARCH_LBR | CPUID_7_EDX_CET_IBT | CPUID_7_EDX_UINTR |
				  CPUID_7_EDX_HYBRID | CPUID_7_EDX_ARCH_CAPABILITIES),
			 0);
	for (uint32_t leaf = 8; leaf < 0x20; leaf++) {
		bool kept = leaf == 0xb || leaf == 0xd || leaf == 0x16;

		for (uint32_t i = 0; i < 4 && !kept; i++) {
			r = cpuid_lookup(&policy, leaf, i);
			assert_int_equal(r.eax | r.ebx | r.ecx | r.edx, 0);
		}
	}
	r = ask(5, 0);
	assert_int_equal(r.eax | r.ebx | r.ecx | r.edx, 0);
	r = ask(0xd, 1);
	assert_int_equal(r.eax & ~0xfu, 0); /* no XFD */
	assert_int_equal(r.ecx | r.edx, 0);
	r = cpuid_lookup(&policy, 0x8000000a, 0);
	assert_int_equal(r.eax | r.ebx | r.ecx | r.edx, 0);
	r = ask(0x80000001, 0);
	assert_int_equal(r.ecx & (CPUID_80000001_ECX_SVM | CPUID_80000001_ECX_IBS | CPUID_80000001_ECX_LWP |
				  CPUID_80000001_ECX_PERFCTR_CORE | CPUID_80000001_ECX_MONITORX),
			 0);
}

static void test_hidden(void **state)
{
	build(false, ALL_XCR0, 1);
	check_hidden();
	build(true, ALL_XCR0, 1);
	check_hidden();
}

static void test_identity(void **state)
{
	struct cpuid_regs r;

	build(false, ALL_XCR0, 1);
	assert_int_equal(policy.vendor, CPUID_VENDOR_INTEL);
	assert_int_equal(policy.family, 6);
	assert_int_equal(policy.model, 0x55);
	r = ask(0, 0);
	assert_int_equal(r.eax, 0x16);
	assert_int_equal(r.ebx, CPUID_VENDOR_INTEL_EBX);
	r = ask(0x16, 0);
	assert_int_equal(r.eax, 2345);
	r = ask(0x40000000, 0);
	assert_memory_equal(&r.ebx, CPUID_SIGNATURE, 12);
	r = ask(0x80000008, 0);
	assert_int_equal(r.eax, 48 | 57 << 8);
	/* Leaves that aren't there. */
	r = ask(0x17, 0);
	assert_int_equal(r.eax, 2345);
	r = ask(CPUID_KVM_BASE, 0);
	assert_memory_equal(&r.ebx, "KVMKVMKVM\0\0\0", 12);
	assert_int_equal(ask(CPUID_KVM_BASE + 1, 0).eax, 0x01001aea);
	r = ask(0x40000001, 0);
	assert_int_equal(r.eax, 0);
	r = ask(0x80000021, 0);
	assert_int_equal(r.eax, 2345);
	build(true, ALL_XCR0, 1);
	r = ask(0x17, 0);
	assert_int_equal(r.eax, 0);
}

static void test_xsave(void **state)
{
	struct cpuid_regs r;

	build(false, ALL_XCR0, 1);
	assert_int_equal(policy.xcr0_mask, 0x2e7);
	r = ask(0xd, 0);
	assert_int_equal(r.eax, 0x2e7);
	assert_int_equal(r.ebx, 576);
	assert_int_equal(r.ecx, 2688 + 8);
	fake_vcpu.xcr0 = 7;
	assert_int_equal(ask(0xd, 0).ebx, 832);
	fake_vcpu.xcr0 = 0xe7;
	assert_int_equal(ask(0xd, 0).ebx, 1664 + 1024);
	/* Compacted: behind the 40 bytes of component 5 comes one that is aligned to 64. */
	assert_int_equal(ask(0xd, 1).ebx, 576 + 256 + 40 + 24 + 512 + 1024);
	assert_int_equal(ask(0xd, 3).eax, 0);
	assert_int_equal(ask(0xd, 6).eax, 512);
	assert_int_equal(ask(0xd, 8).eax, 0);
	assert_int_equal(ask(0xd, 9).eax, 8);
	assert_int_equal(ask(0xd, 10).eax, 0);
	/* A host without the AVX-512 state, then without AVX, then without XSAVE. */
	build(false, 7, 1);
	assert_int_equal(ask(7, 0).ebx & CPUID_7_EBX_AVX512F, 0);
	assert_true(ask(7, 0).ebx & CPUID_7_EBX_AVX2);
	build(false, 3, 1);
	assert_int_equal(ask(7, 0).ebx & CPUID_7_EBX_AVX2, 0);
	assert_int_equal(ask(1, 0).ecx & (CPUID_1_ECX_AVX | CPUID_1_ECX_FMA | CPUID_1_ECX_F16C), 0);
	assert_true(ask(1, 0).ecx & CPUID_1_ECX_XSAVE);
	build(false, 0, 1);
	assert_int_equal(ask(1, 0).ecx & CPUID_1_ECX_XSAVE, 0);
	assert_int_equal(ask(0xd, 0).eax | ask(0xd, 1).eax, 0);
	assert_int_equal(policy.cr4_mask & CR4_OSXSAVE, 0);
}

static void test_dynamic(void **state)
{
	build(true, 7, 4);
	fake_vcpu.id = 3;
	assert_int_equal(ask(1, 0).ebx >> 24, 3);
	assert_true(ask(1, 0).edx & CPUID_1_EDX_APIC);
	fake_reg[VREG_CR4] = CR4_OSXSAVE;
	assert_true(ask(1, 0).ecx & CPUID_1_ECX_OSXSAVE);
	assert_false(ask(7, 0).ecx & CPUID_7_ECX_OSPKE);
	fake_reg[VREG_CR4] = CR4_PKE;
	assert_true(ask(7, 0).ecx & CPUID_7_ECX_OSPKE);
	assert_false(ask(7, 1).ecx & CPUID_7_ECX_OSPKE);
	fake_vcpu.lapic.base = 0xfee00000;
	assert_false(ask(1, 0).edx & CPUID_1_EDX_APIC);
	assert_false(ask(0x80000001, 0).edx & CPUID_1_EDX_APIC);
	assert_int_equal(ask(0xb, 0).edx, 3);
	assert_int_equal(ask(0xb, 7).edx, 3);
	assert_int_equal(ask(0xb, 7).ecx, 7);
	assert_int_equal(ask(0x8000001e, 0).eax, 3);
	/* The exit itself: registers are zero-extended. */
	memset(fake_vcpu.gpr, 0xff, sizeof(fake_vcpu.gpr));
	fake_vcpu.gpr[RAX] = 0xffffffff00000000;
	assert_int_equal(cpuid_handle(&fake_vcpu), ACT_ADVANCE);
	assert_int_equal(fake_vcpu.gpr[RAX], 0xd);
	assert_int_equal(fake_vcpu.gpr[RBX], CPUID_VENDOR_AMD_EBX);
}

static void test_topology(void **state)
{
	struct cpuid_regs r;

	build(false, 7, 6);
	r = ask(1, 0);
	assert_int_equal(r.ebx >> 16 & 0xff, 8);
	assert_true(r.edx & CPUID_1_EDX_HTT);
	r = ask(4, 0);
	assert_int_equal(r.eax >> 14 & 0xfff, 0); /* L1 is a core's own */
	assert_int_equal(r.eax >> 26, 7);
	r = ask(4, 2);
	assert_int_equal(r.eax >> 14 & 0xfff, 7); /* L3 is everybody's */
	assert_int_equal(ask(4, 3).eax, 0);
	r = ask(0xb, 0);
	assert_int_equal(r.eax, 0);
	assert_int_equal(r.ebx, 1);
	assert_int_equal(r.ecx, 0x100);
	r = ask(0xb, 1);
	assert_int_equal(r.eax, 3);
	assert_int_equal(r.ebx, 6);
	assert_int_equal(r.ecx, 0x201);
	build(true, 7, 6);
	r = ask(0x80000008, 0);
	assert_int_equal(r.ecx, 5 | 3 << 12);
	assert_true(ask(0x80000001, 0).ecx & CPUID_80000001_ECX_CMP_LEGACY);
	assert_int_equal(ask(0x8000001d, 2).eax >> 14 & 0xfff, 7);
	build(false, 7, 1);
	assert_false(ask(1, 0).edx & CPUID_1_EDX_HTT);
	assert_int_equal(ask(0xb, 1).ebx, 1);
}

static void test_drop(void **state)
{
	build(false, 7, 1);
	assert_true(cpuid_has(&policy, FEATURE_PCID));
	assert_true(policy.cr4_mask & CR4_PCIDE);
	cpuid_drop(&policy, FEATURE_PCID);
	assert_false(cpuid_has(&policy, FEATURE_PCID));
	assert_int_equal(policy.cr4_mask & CR4_PCIDE, 0);
	assert_true(policy.efer_mask & EFER_NXE);
	cpuid_drop(&policy, FEATURE_NX);
	assert_false(policy.efer_mask & EFER_NXE);
	/* An old host: leaves that it lacks read as zero. */
	host_max_basic = 2;
	assert_int_equal(cpuid_policy_build(&policy, host, 0, &choice, 1, 0), OK);
	assert_int_equal(cpuid_lookup(&policy, 7, 0).ebx, 0);
	assert_int_equal(policy.cr4_mask & CR4_SMEP, 0);
}

/* What holds for every row of the table of features. */
static void test_table(void **state)
{
	for (size_t i = 0; i < cpuid_feature_row_count; i++) {
		const struct cpuid_feature_row *f = &cpuid_feature_rows[i];
		bool needed = !f->needs;

		for (size_t k = 0; k < i; k++) {
			const struct cpuid_feature_row *g = &cpuid_feature_rows[k];

			assert_string_not_equal(f->name, g->name);
			assert_false(f->leaf == g->leaf && f->subleaf == g->subleaf && f->reg == g->reg &&
				     f->bit == g->bit);
			if (f->needs && !strcmp(f->needs, g->name))
				needed = true;
		}
		assert_true(needed); /* a feature that it needs stands above */
		if (f->rule == CPUID_HIDDEN || f->rule == CPUID_ALWAYS)
			assert_non_null(f->why);
	}
	for (size_t i = 0; i < cpuid_leaf_row_count; i++)
		assert_non_null(cpuid_leaf_rows[i].why);
}

static void choose(const char *text)
{
	char why[200] = "";

	if (!cpuid_choice_parse(&choice, text, why, sizeof(why)))
		fail_msg("'%s': %s", text, why);
}

static void test_choice(void **state)
{
	choose("-avx,-mtrr,-tsc-deadline,-xsaveopt,-hypervisor");
	build(true, ALL_XCR0, 1);
	assert_int_equal(ask(1, 0).ecx & (CPUID_1_ECX_AVX | CPUID_1_ECX_FMA | CPUID_1_ECX_F16C), 0);
	assert_int_equal(ask(7, 0).ebx & (CPUID_7_EBX_AVX2 | CPUID_7_EBX_AVX512F | CPUID_7_EBX_AVX512VL), 0);
	assert_int_equal(policy.xcr0_mask, XCR0_X87 | XCR0_SSE | XCR0_PKRU);
	assert_int_equal(ask(0xd, 2).eax, 0);
	assert_int_equal(ask(0xd, 1).eax & CPUID_D1_EAX_XSAVEOPT, 0);
	assert_int_equal(ask(1, 0).edx & CPUID_1_EDX_MTRR, 0);
	assert_int_equal(ask(0x80000001, 0).edx & CPUID_1_EDX_MTRR, 0); /* AMD repeats it */
	assert_int_equal(ask(1, 0).ecx & (CPUID_1_ECX_TSC_DEADLINE | CPUID_1_ECX_HYPERVISOR), 0);
	assert_int_equal(ask(0x40000000, 0).ebx, 0);
	assert_int_equal(ask(CPUID_KVM_BASE, 0).ebx, 0);
	choose("-kvmclock");
	build(false, ALL_XCR0, 1);
	assert_int_equal(ask(CPUID_KVM_BASE + 1, 0).eax, 0x1ae2);
	/* What is wanted must be there in the end. */
	choose("host,+avx512f,+x2apic");
	build(false, ALL_XCR0, 1);
	assert_null(cpuid_missing(&policy, &choice));
	build(false, 7, 1);
	assert_string_equal(cpuid_missing(&policy, &choice), "avx512f");
	choose("host");
}

static void assert_refused(const char *text, const char *expected)
{
	struct cpuid_choice c = {.drop = {5}}, before = c;
	char why[200];

	assert_false(cpuid_choice_parse(&c, text, why, sizeof(why)));
	if (!strstr(why, expected))
		fail_msg("'%s': %s", text, why);
	assert_memory_equal(&c, &before, sizeof(c));
}

static void test_choice_text(void **state)
{
	char text[100];

	assert_refused("avx512f", "no + or -");
	assert_refused("host,avx=0", "no + or -");
	assert_refused("-avx512g", "did you mean 'avx512f'?");
	assert_refused("-sse4_1", "did you mean 'sse4.1'?");
	assert_refused("-quantum", "no CPU feature is called 'quantum'");
	assert_refused("-averylongnamethatnofeaturewillevergetinthisworld", "no CPU feature is called");
	assert_refused("+vmx", "no nested virtualization");
	assert_refused("+rtm", "'rtm' can't be given: transactions");
	assert_refused("-lm", "can't be taken away");
	assert_refused("+osxsave", "follows");
	assert_refused("-avx,+avx", "given twice");
	choose("+x2apic , -avx512f");
	cpuid_choice_print(&choice, text, sizeof(text));
	assert_string_equal(text, "+x2apic,-avx512f");
	choose("host");
	cpuid_choice_print(&choice, text, sizeof(text));
	assert_string_equal(text, "host");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_hidden),      cmocka_unit_test(test_identity),
	    cmocka_unit_test(test_xsave),       cmocka_unit_test(test_dynamic),
	    cmocka_unit_test(test_topology),    cmocka_unit_test(test_drop),
	    cmocka_unit_test(test_table),       cmocka_unit_test(test_choice),
	    cmocka_unit_test(test_choice_text),
	};

	return cmocka_run_group_tests_name("cpuid", tests, NULL, NULL);
}
