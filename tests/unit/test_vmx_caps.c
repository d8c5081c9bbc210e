/* SPDX-License-Identifier: BSD-2-Clause */
/* The decision over VMX capabilities: complete and incomplete processors, and that no absent MSR is read. */
#include "support.h"

#include <string.h>
#include "hv/lib/util.h"
#include "hv/x86/msr.h"
#include "vmx/caps.h"
#include "vmx/msr_bitmap.h"

/* A processor with everything: default settings (the bits that legacy controls force) in the low halves. */
static struct vmx_msrs full(void)
{
	return (struct vmx_msrs){
	    .cpuid_vmx = true,
	    .feature_control = FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX_OUT_SMX,
	    .basic =
		4 | 0x1000ULL << 32 | (uint64_t)MEMTYPE_WB << VMX_BASIC_MEMTYPE_SHIFT | VMX_BASIC_TRUE_CTLS,
	    .ctl =
		{
		    [CTL_PIN] = 0x000000ff00000016,
		    [CTL_PROC] = 0xfff9fffe04006172,
		    [CTL_PROC2] = 0x0fffffff00000000,
		    [CTL_EXIT] = 0x00ffffff00036dfb,
		    [CTL_ENTRY] = 0x0003ffff000011fb,
		},
	    .misc = 5,
	    .cr0_fixed0 = 0x80000021,
	    .cr0_fixed1 = 0xffffffff,
	    .cr4_fixed0 = 0x2000,
	    .cr4_fixed1 = 0x3767ff,
	    .ept_vpid = EPT_CAP_WALK_4 | EPT_CAP_WB | EPT_CAP_2M | EPT_CAP_1G | EPT_CAP_INVEPT |
			EPT_CAP_INVEPT_SINGLE | EPT_CAP_INVEPT_ALL | VPID_CAP_INVVPID | VPID_CAP_SINGLE |
			VPID_CAP_ALL,
	};
}

static void take_away(struct vmx_msrs *m, enum vmx_ctl_word w, uint32_t bit)
{
	m->ctl[w] &= ~((uint64_t)bit << 32 | bit);
}

static void assert_refused(const struct vmx_msrs *m, const char *part)
{
	struct vmx_caps c;
	const char *why = NULL;

	assert_int_equal(vmx_caps_decide(m, &c, &why), ERR_UNSUPPORTED);
	assert_non_null(why);
	if (!strstr(why, part))
		fail_msg("'%s' does not say '%s'", why, part);
}

static struct vmx_caps accepted(const struct vmx_msrs *m)
{
	struct vmx_caps c;
	const char *why = "unset";

	assert_int_equal(vmx_caps_decide(m, &c, &why), OK);
	assert_null(why);
	return c;
}

static void test_full(void **state)
{
	struct vmx_msrs m = full();
	struct vmx_caps c = accepted(&m);

	assert_int_equal(c.revision, 4);
	assert_int_equal(c.timer_shift, 5);
	assert_int_equal(c.ept_leaf_level, 3);
	assert_true(c.invept_single && c.invept_all && c.invvpid_single);
	assert_false(c.set_feature_control);
	assert_int_equal(c.ctl[CTL_PIN] & 0x69, 0x69);
	/* Windows are opened later; CR3 accesses and INVLPG do not exit. */
	assert_int_equal(c.ctl[CTL_PROC] & (PROC_INTERRUPT_WINDOW | PROC_NMI_WINDOW | PROC_CR3_LOAD_EXITING |
					    PROC_CR3_STORE_EXITING | PROC_INVLPG_EXITING),
			 0);
	assert_int_equal(c.ctl[CTL_ENTRY] & VMENTRY_IA32E_GUEST, 0);
	for (unsigned w = 0; w < CTL_WORDS; w++) {
		assert_int_equal(c.ctl[w] & ~(uint32_t)(m.ctl[w] >> 32), 0);
		assert_int_equal((uint32_t)m.ctl[w] & ~c.ctl[w], 0);
	}
}

static void test_presence(void **state)
{
	struct vmx_msrs m = full();

	m.cpuid_vmx = false;
	assert_refused(&m, "CPUID.1:ECX bit 5");
	m = full();
	m.feature_control = FEATURE_CONTROL_LOCK;
	assert_refused(&m, "firmware setup");
	m.feature_control = FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX_IN_SMX;
	assert_refused(&m, "IA32_FEATURE_CONTROL");
	m.feature_control = 0;
	assert_true(accepted(&m).set_feature_control);
	m = full();
	m.basic |= 0x1001ULL << 32;
	assert_refused(&m, "4096");
	m = full();
	m.basic |= VMX_BASIC_PA32;
	assert_refused(&m, "bit 48");
	m = full();
	m.basic &= ~(VMX_BASIC_MEMTYPE_MASK << VMX_BASIC_MEMTYPE_SHIFT);
	assert_refused(&m, "53:50");
}

static void test_required(void **state)
{
	static const struct {
		enum vmx_ctl_word word;
		uint32_t bit;
		const char *part;
	} required[] = {
	    {CTL_PROC, PROC_SECONDARY, "bit 63"},
	    {CTL_PROC2, PROC2_EPT, "no EPT (IA32_VMX_PROCBASED_CTLS2 bit 33"},
	    {CTL_PROC2, PROC2_UNRESTRICTED_GUEST, "no unrestricted guest (IA32_VMX_PROCBASED_CTLS2 bit 39"},
	    {CTL_PIN, PIN_EXTERNAL_INTERRUPT_EXITING, "bit 32"},
	    {CTL_PIN, PIN_NMI_EXITING, "bit 35"},
	    {CTL_PIN, PIN_VIRTUAL_NMIS, "bit 37"},
	    {CTL_PROC, PROC_INTERRUPT_WINDOW, "bit 34"},
	    {CTL_PROC, PROC_NMI_WINDOW, "bit 54"},
	    {CTL_PROC, PROC_HLT_EXITING, "bit 39"},
	    {CTL_PROC, PROC_CR8_LOAD_EXITING, "bit 51"},
	    {CTL_PROC, PROC_UNCONDITIONAL_IO, "bit 56"},
	    {CTL_PROC, PROC_MSR_BITMAPS, "bit 60"},
	    {CTL_EXIT, VMEXIT_HOST_64, "bit 41"},
	    {CTL_EXIT, VMEXIT_ACK_INTERRUPT, "bit 47"},
	    {CTL_ENTRY, VMENTRY_IA32E_GUEST, "IA32_VMX_ENTRY_CTLS"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(required); i++) {
		struct vmx_msrs m = full();

		take_away(&m, required[i].word, required[i].bit);
		assert_refused(&m, required[i].part);
	}
}

static void test_dynamic_must_clear(void **state)
{
	struct vmx_msrs m = full();

	m.ctl[CTL_PROC] |= PROC_NMI_WINDOW;
	assert_refused(&m, "NMI-window");
}

static void test_ept_capabilities(void **state)
{
	static const struct {
		uint64_t bits;
		const char *part;
	} required[] = {{EPT_CAP_WALK_4, "length 4"},
			{EPT_CAP_WB, "bit 14"},
			{EPT_CAP_INVEPT, "INVEPT"},
			{EPT_CAP_INVEPT_SINGLE | EPT_CAP_INVEPT_ALL, "INVEPT"}};
	struct vmx_msrs m;

	for (size_t i = 0; i < ARRAY_SIZE(required); i++) {
		m = full();
		m.ept_vpid &= ~required[i].bits;
		assert_refused(&m, required[i].part);
	}
	m = full();
	m.ept_vpid &= ~EPT_CAP_1G;
	assert_int_equal(accepted(&m).ept_leaf_level, 2);
	m.ept_vpid &= ~EPT_CAP_2M;
	assert_int_equal(accepted(&m).ept_leaf_level, 1);
}

static void test_fallbacks(void **state)
{
	struct vmx_msrs m = full();
	struct vmx_caps c;

	m.ctl[CTL_PROC2] = (uint64_t)(PROC2_EPT | PROC2_UNRESTRICTED_GUEST) << 32;
	take_away(&m, CTL_PIN, PIN_PREEMPTION_TIMER);
	take_away(&m, CTL_EXIT, VMEXIT_LOAD_PAT);
	take_away(&m, CTL_ENTRY, VMENTRY_LOAD_EFER);
	c = accepted(&m);
	assert_int_equal(c.ctl[CTL_PROC2], PROC2_EPT | PROC2_UNRESTRICTED_GUEST);
	assert_false(vmx_caps_has(&c, CTL_PIN, PIN_PREEMPTION_TIMER));
	assert_false(vmx_caps_has(&c, CTL_EXIT, VMEXIT_SAVE_PREEMPTION_TIMER)); /* an entry would fail */
	/* Half a pair is of no use. */
	assert_false(vmx_caps_has(&c, CTL_ENTRY, VMENTRY_LOAD_PAT));
	assert_false(vmx_caps_has(&c, CTL_EXIT, VMEXIT_LOAD_EFER));

	m = full();
	m.ept_vpid &= ~VPID_CAP_INVVPID;
	c = accepted(&m);
	assert_false(vmx_caps_has(&c, CTL_PROC2, PROC2_VPID));
	/* Without TRUE controls CR3 accesses must exit. */
	m = full();
	m.ctl[CTL_PROC] |= PROC_CR3_LOAD_EXITING;
	c = accepted(&m);
	assert_true(vmx_caps_has(&c, CTL_PROC, PROC_CR3_LOAD_EXITING));
}

static void test_apic(void **state)
{
	struct vmx_msrs m = full();
	struct vmx_caps c = accepted(&m);
	const uint32_t cr8 = PROC_CR8_LOAD_EXITING | PROC_CR8_STORE_EXITING;

	assert_int_equal(c.ctl[CTL_PROC2] & PROC2_APIC, PROC2_APIC);
	assert_int_equal(c.ctl[CTL_PROC] & (PROC_TPR_SHADOW | cr8), PROC_TPR_SHADOW);
	assert_false(c.delivers_masked);
	/* The shadow alone. */
	take_away(&m, CTL_PROC2, PROC2_APIC);
	c = accepted(&m);
	assert_int_equal(c.ctl[CTL_PROC2] & PROC2_APIC, 0);
	assert_int_equal(c.ctl[CTL_PROC] & (PROC_TPR_SHADOW | cr8), PROC_TPR_SHADOW);
	/* Without it the rest is of no use, and CR8 must exit. */
	m = full();
	take_away(&m, CTL_PROC, PROC_TPR_SHADOW);
	c = accepted(&m);
	assert_int_equal(c.ctl[CTL_PROC2] & PROC2_APIC, 0);
	assert_int_equal(c.ctl[CTL_PROC] & (PROC_TPR_SHADOW | cr8), cr8);
	/* Bochs, whose delivery looks past RFLAGS.IF. */
	m = full();
	take_away(&m, CTL_PIN, PIN_POSTED_INTERRUPTS);
	assert_true(accepted(&m).delivers_masked);
	take_away(&m, CTL_PROC2, PROC2_VIRTUAL_INTERRUPTS);
	assert_false(accepted(&m).delivers_masked);
}

static void test_match(void **state)
{
	struct vmx_msrs m = full();
	struct vmx_caps boot = accepted(&m);
	const char *why;

	assert_int_equal(vmx_caps_match(&m, &boot, &why), OK);
	/* More than the boot processor has does no harm. */
	m.ctl[CTL_PROC2] |= 1ULL << 60;
	assert_int_equal(vmx_caps_match(&m, &boot, &why), OK);
	take_away(&m, CTL_PROC2, PROC2_VPID);
	assert_int_equal(vmx_caps_match(&m, &boot, &why), ERR_UNSUPPORTED);
	assert_non_null(strstr(why, "PROCBASED_CTLS2"));
	m = full();
	m.basic++;
	assert_int_equal(vmx_caps_match(&m, &boot, &why), ERR_UNSUPPORTED);
	assert_non_null(strstr(why, "revision"));
	m = full();
	m.ept_vpid &= ~EPT_CAP_1G;
	assert_int_equal(vmx_caps_match(&m, &boot, &why), ERR_UNSUPPORTED);
	m = full();
	m.cr4_fixed1 &= ~(1UL << 20);
	assert_int_equal(vmx_caps_match(&m, &boot, &why), ERR_UNSUPPORTED);
	m = full();
	m.feature_control = FEATURE_CONTROL_LOCK;
	assert_int_equal(vmx_caps_match(&m, &boot, &why), ERR_UNSUPPORTED);
	assert_non_null(strstr(why, "FEATURE_CONTROL"));
}

/* What the faked processor has; a read of anything else is the fault that hardware would raise. */
static bool has_true, has_proc2, has_ept;

static uint64_t fake_read(uint32_t msr)
{
	switch (msr) {
	case MSR_IA32_FEATURE_CONTROL:
		return 5;
	case MSR_IA32_VMX_BASIC:
		return has_true ? VMX_BASIC_TRUE_CTLS : 0;
	case MSR_IA32_VMX_PROCBASED_CTLS:
	case MSR_IA32_VMX_PINBASED_CTLS:
	case MSR_IA32_VMX_EXIT_CTLS:
	case MSR_IA32_VMX_ENTRY_CTLS:
		assert_false(has_true);
		return has_proc2 ? (uint64_t)PROC_SECONDARY << 32 : 0;
	case MSR_IA32_VMX_TRUE_PROCBASED_CTLS:
	case MSR_IA32_VMX_TRUE_PINBASED_CTLS:
	case MSR_IA32_VMX_TRUE_EXIT_CTLS:
	case MSR_IA32_VMX_TRUE_ENTRY_CTLS:
		assert_true(has_true);
		return has_proc2 ? (uint64_t)PROC_SECONDARY << 32 : 0;
	case MSR_IA32_VMX_PROCBASED_CTLS2:
		assert_true(has_proc2);
		return has_ept ? (uint64_t)PROC2_EPT << 32 : 0;
	case MSR_IA32_VMX_EPT_VPID_CAP:
		assert_true(has_ept);
		return 0x1234;
	case MSR_IA32_VMX_MISC:
	case MSR_IA32_VMX_CR0_FIXED0:
	case MSR_IA32_VMX_CR0_FIXED1:
	case MSR_IA32_VMX_CR4_FIXED0:
	case MSR_IA32_VMX_CR4_FIXED1:
		return msr;
	default:
		fail_msg("read of MSR %#x", msr);
		return 0;
	}
}

static uint64_t no_read(uint32_t msr)
{
	fail_msg("read of MSR %#x without VMX", msr);
	return 0;
}

static void test_capture(void **state)
{
	struct vmx_msrs m;

	vmx_msrs_capture(&m, false, no_read);
	assert_false(m.cpuid_vmx);
	for (unsigned i = 0; i < 8; i++) {
		has_true = i & 1;
		has_proc2 = i & 2;
		has_ept = has_proc2 && (i & 4);
		vmx_msrs_capture(&m, true, fake_read);
		assert_int_equal(m.ept_vpid, has_ept ? 0x1234 : 0);
		assert_int_equal(m.cr4_fixed1, MSR_IA32_VMX_CR4_FIXED1);
	}
}

static bool exits(const uint8_t *page, unsigned offset, uint32_t n)
{
	return page[offset + n / 8] >> (n % 8) & 1;
}

static void test_msr_bitmap(void **state)
{
	uint8_t page[4096];
	unsigned clear = 0;

	memset(page, 0xff, sizeof(page));
	assert_true(vmx_msr_bitmap_allow(page, MSR_IA32_SYSENTER_CS, true, true));
	assert_true(vmx_msr_bitmap_allow(page, MSR_GS_BASE, true, false));
	assert_true(vmx_msr_bitmap_allow(page, 0x1fff, false, true));
	assert_false(exits(page, 0, MSR_IA32_SYSENTER_CS));
	assert_false(exits(page, 0x800, MSR_IA32_SYSENTER_CS));
	assert_false(exits(page, 0x400, MSR_GS_BASE & 0x1fff));
	assert_true(exits(page, 0xc00, MSR_GS_BASE & 0x1fff));
	assert_false(exits(page, 0x800, 0x1fff));
	for (unsigned i = 0; i < sizeof(page) * 8; i++)
		clear += !exits(page, 0, i);
	assert_int_equal(clear, 4);
	assert_false(vmx_msr_bitmap_allow(page, 0x2000, true, true));
	assert_false(vmx_msr_bitmap_allow(page, 0xc0002000, true, true));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_full),
	    cmocka_unit_test(test_presence),
	    cmocka_unit_test(test_required),
	    cmocka_unit_test(test_dynamic_must_clear),
	    cmocka_unit_test(test_fallbacks),
	    cmocka_unit_test(test_apic),
	    cmocka_unit_test(test_ept_capabilities),
	    cmocka_unit_test(test_match),
	    cmocka_unit_test(test_capture),
	    cmocka_unit_test(test_msr_bitmap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
