/* SPDX-License-Identifier: BSD-2-Clause */
/* MSRs: what every kernel relies on works, what is unknown faults, what would harm is refused. */
#include "tests/guests/lib/guest.h"

static uint64_t value;

static void read(uint64_t msr)
{
	value = rdmsr((uint32_t)msr);
}

static void write(uint64_t msr)
{
	wrmsr((uint32_t)msr, value);
}

static void expect_gp_read(const char *name, uint32_t msr)
{
	guest_expect_equal(name, (uint64_t)guest_catch(read, msr), 13);
}

static void expect_gp_write(const char *name, uint32_t msr, uint64_t v)
{
	value = v;
	guest_expect_equal(name, (uint64_t)guest_catch(write, msr), 13);
}

static void expect_keeps(const char *name, uint32_t msr, uint64_t v)
{
	uint64_t before = 0;

	if (guest_catch(read, msr) != -1) {
		guest_expect(name, false, "RDMSR faults");
		return;
	}
	before = value;
	value = v;
	if (guest_catch(write, msr) != -1) {
		guest_expect(name, false, "WRMSR faults");
		return;
	}
	read(msr);
	guest_expect_equal(name, value, v);
	value = before;
	write(msr);
}

void test_main(void)
{
	uint64_t efer = rdmsr(MSR_EFER);

	guest_expect_equal("msr/efer", efer & (EFER_LME | EFER_LMA | EFER_SVME), EFER_LME | EFER_LMA);
	expect_gp_write("msr/efer-reserved", MSR_EFER, efer | 1UL << 63);
	expect_gp_write("msr/efer-lme-while-paging", MSR_EFER, efer & ~EFER_LME);
	expect_keeps("msr/lstar", MSR_LSTAR, 0xffffffff81000000);
	if (cpuid(0, 0).ebx == 0x68747541) /* "Auth": QEMU's TCG lets a guest write anything there */
		guest_printf("SKIP msr/lstar-noncanonical: QEMU doesn't check it\n");
	else
		expect_gp_write("msr/lstar-noncanonical", MSR_LSTAR, 0x8000000000000000);
	expect_keeps("msr/star", MSR_STAR, 0x0023001000000000);
	expect_keeps("msr/kernel-gs", MSR_KERNEL_GS_BASE, 0xffff888000000000);
	expect_keeps("msr/sysenter-eip", MSR_IA32_SYSENTER_EIP, 0xffffffff81001000);
	expect_keeps("msr/pat", MSR_IA32_PAT, 0x0407050600070106);
	expect_gp_write("msr/pat-reserved-type", MSR_IA32_PAT, 2);
	expect_keeps("msr/mtrr-def-type", MSR_IA32_MTRR_DEF_TYPE, 0xc06);
	expect_gp_write("msr/apic-base-reserved", MSR_IA32_APIC_BASE, 1UL << 63);
	expect_gp_read("msr/unknown-low", 0x1fff);
	expect_gp_read("msr/unknown-high", 0xc0001fff);
	expect_gp_read("msr/unknown-far", 0x12345678);
	expect_gp_write("msr/unknown-write", 0x12345678, 0);
	expect_gp_read("msr/no-vmx-basic", MSR_IA32_VMX_BASIC);
	expect_gp_read("msr/no-perf-global", 0x38f);
	EXPECT("msr/tsc-counts", rdmsr(MSR_IA32_TSC) < rdmsr(MSR_IA32_TSC));
}
