/* SPDX-License-Identifier: BSD-2-Clause */
/* Mitigations by processor: what is decided, that it is said why, and where the actions fall due. */
#include "support.h"

#include <string.h>
#include "hv/pcpu.h"
#include "hv/speculation.h"
#include "hv/x86/cpuid.h"
#include "hv/x86/msr.h"
#include "mm/pagetable.h"

#define ON(m) (1u << MITIGATION_##m)

#define FIRMWARE_NEW                                                                                         \
	(CPUID_7_EDX_MD_CLEAR | CPUID_7_EDX_SPEC_CTRL | CPUID_7_EDX_L1D_FLUSH | CPUID_7_EDX_ARCH_CAPABILITIES)

static const struct {
	const char *name;
	struct mitigation_cpu cpu;
	unsigned on;
} cpus[] = {
    {"Skylake, microcode of 2017", {CPUID_VENDOR_INTEL, 6, 0x5e, 0, 0, 0, 0}, ON(SMALL_PAGES)},
    {"Skylake, microcode of 2019",
     {CPUID_VENDOR_INTEL, 6, 0x5e, FIRMWARE_NEW, 0, 0, 0},
     ON(L1D_FLUSH) | ON(CLEAR_BUFFERS) | ON(IBPB) | ON(SMALL_PAGES)},
    {"Cascade Lake",
     {CPUID_VENDOR_INTEL, 6, 0x55, FIRMWARE_NEW, 0, 0,
      ARCH_CAP_RDCL_NO | ARCH_CAP_IBRS_ALL | ARCH_CAP_MDS_NO},
     ON(IBPB) | ON(IBRS) | ON(SMALL_PAGES)},
    {"Ice Lake: stale data of devices",
     {CPUID_VENDOR_INTEL, 6, 0x6a, FIRMWARE_NEW, 0, 0,
      ARCH_CAP_RDCL_NO | ARCH_CAP_IBRS_ALL | ARCH_CAP_MDS_NO | ARCH_CAP_IF_PSCHANGE_MC_NO |
	  ARCH_CAP_FB_CLEAR},
     ON(CLEAR_BUFFERS) | ON(IBPB) | ON(IBRS)},
    {"Sapphire Rapids",
     {CPUID_VENDOR_INTEL, 6, 0x8f, FIRMWARE_NEW, 0, 0,
      ARCH_CAP_RDCL_NO | ARCH_CAP_IBRS_ALL | ARCH_CAP_MDS_NO | ARCH_CAP_IF_PSCHANGE_MC_NO},
     ON(IBPB) | ON(IBRS)},
    {"Goldmont", {CPUID_VENDOR_INTEL, 6, 0x5c, CPUID_7_EDX_SPEC_CTRL, 0, 0, 0}, ON(IBPB)},
    {"Silvermont", {CPUID_VENDOR_INTEL, 6, 0x37, CPUID_7_EDX_MD_CLEAR, 0, 0, 0}, ON(CLEAR_BUFFERS)},
    {"Zen", {CPUID_VENDOR_AMD, 0x17, 1, 0, CPUID_80000008_EBX_IBPB, 0, 0}, ON(IBPB)},
    {"Zen 3",
     {CPUID_VENDOR_AMD, 0x19, 1, 0,
      CPUID_80000008_EBX_IBPB | CPUID_80000008_EBX_IBRS | CPUID_80000008_EBX_IBRS_ALWAYS, 0, 0},
     ON(IBPB) | ON(IBRS)},
    {"Zen 4",
     {CPUID_VENDOR_AMD, 0x19, 0x61, 0,
      CPUID_80000008_EBX_IBPB | CPUID_80000008_EBX_IBRS | CPUID_80000008_EBX_IBRS_ALWAYS,
      CPUID_80000021_EAX_AUTO_IBRS, 0},
     ON(IBPB) | ON(AUTO_IBRS)},
    {"an emulator's", {CPUID_VENDOR_AMD, 0xf, 6, 0, 0, 0, 0}, 0},
};

static void test_decide(void **state)
{
	struct mitigation_state s[MITIGATION_COUNT];

	for (unsigned i = 0; i < ARRAY_SIZE(cpus); i++) {
		unsigned on = 0;

		mitigations_decide(&cpus[i].cpu, true, s);
		for (unsigned m = 0; m < MITIGATION_COUNT; m++) {
			on |= (unsigned)s[m].on << m;
			assert_non_null(s[m].why);
			assert_non_null(mitigation_name(m));
		}
		if (on != cpus[i].on)
			fail_msg("%s: on 0x%x, not 0x%x", cpus[i].name, on, cpus[i].on);
		mitigations_decide(&cpus[i].cpu, false, s);
		for (unsigned m = 0; m < MITIGATION_COUNT; m++) {
			assert_false(s[m].on);
			if (on >> m & 1)
				assert_string_equal(s[m].why, "mitigations = off");
		}
	}
	/* What the firmware's microcode lacks is named. */
	mitigations_decide(&cpus[0].cpu, true, s);
	assert_non_null(strstr(s[MITIGATION_L1D_FLUSH].why, "update the firmware"));
	assert_non_null(strstr(s[MITIGATION_CLEAR_BUFFERS].why, "update the firmware"));
}

static const char a, b; /* two VMs: compared, never followed */
#define VM(x) ((const struct vm *)&(x))

static void test_due(void **state)
{
	struct pcpu p = {};

	/* Skylake: the flush clears the buffers too, and is due whenever the host has worked. */
	speculation_decide(&cpus[1].cpu, true);
	assert_int_equal(speculation_due(&p, VM(a)), ON(L1D_FLUSH) | ON(IBPB));
	p.last_vm = VM(a);
	assert_int_equal(speculation_due(&p, VM(a)), ON(L1D_FLUSH));
	assert_int_equal(speculation_due(&p, VM(b)), ON(L1D_FLUSH) | ON(IBPB));
	speculation_decide(&cpus[3].cpu, true);
	assert_int_equal(speculation_due(&p, VM(a)), ON(CLEAR_BUFFERS));
	assert_int_equal(speculation_spec_ctrl(), SPEC_CTRL_IBRS);
	speculation_decide(&cpus[7].cpu, true);
	assert_int_equal(speculation_due(&p, VM(a)), 0);
	assert_int_equal(speculation_due(&p, VM(b)), ON(IBPB));
	assert_int_equal(speculation_spec_ctrl(), 0);
	speculation_decide(&cpus[1].cpu, false);
	assert_int_equal(speculation_due(&p, VM(b)), 0);
}

/* No large page, so none that could be executed. */
static void test_small_pages(void **state)
{
	pt_ept.max_leaf_level = 3;
	speculation_decide(&cpus[4].cpu, true);
	assert_int_equal(pt_ept.max_leaf_level, 3);
	speculation_decide(&cpus[2].cpu, false);
	assert_int_equal(pt_ept.max_leaf_level, 3);
	speculation_decide(&cpus[2].cpu, true);
	assert_int_equal(pt_ept.max_leaf_level, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_decide),
	    cmocka_unit_test(test_due),
	    cmocka_unit_test(test_small_pages),
	};

	return cmocka_run_group_tests_name("mitigations", tests, NULL, NULL);
}
