/* SPDX-License-Identifier: BSD-2-Clause */
/* What the configuration takes away is gone: the bit in CPUID, and what instructions, registers and MSRs go with it. */
#include "tests/guests/lib/guest.h"

#define APIC_BASE_EXTD (1UL << 10)

static uint64_t value;

static void rdtscp(uint64_t arg)
{
	uint32_t low, high, aux;

	(void)arg;
	asm volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(aux));
}

static void invpcid(uint64_t type)
{
	struct {
		uint64_t pcid, address;
	} descriptor = {};

	asm volatile("invpcid (%0), %1" ::"r"(&descriptor), "r"(type) : "memory");
}

static void cr4_set(uint64_t bits)
{
	write_cr4(read_cr4() | bits);
}

static void xcr0_set(uint64_t bits)
{
	xsetbv(0, bits);
}

static void read(uint64_t msr)
{
	(void)rdmsr((uint32_t)msr);
}

static void write(uint64_t msr)
{
	wrmsr((uint32_t)msr, value);
}

static int write_of(uint32_t msr, uint64_t v)
{
	value = v;
	return guest_catch(write, msr);
}

/* Run with cpuid = -rdtscp,-invpcid,-avx,-smep,-x2apic,-nx,-mtrr,-mca,-tsc-deadline,-hypervisor. */
void test_main(void)
{
	struct cpuid_regs one = cpuid(1, 0);
	bool qemu = cpuid(0, 0).ebx == 0x68747541; /* "Auth" */

	EXPECT("without/rdtscp-bit", !(cpuid(0x80000001, 0).edx & CPUID_80000001_EDX_RDTSCP));
	if (qemu) {
		guest_printf(
		    "SKIP without/rdtscp, invpcid, avx: QEMU's TCG does not make these intercepts\n");
	} else {
		guest_expect_equal("without/rdtscp", (uint64_t)guest_catch(rdtscp, 0), 6);
		guest_expect_equal("without/invpcid", (uint64_t)guest_catch(invpcid, 2), 6);
		write_cr4(read_cr4() | CR4_OSXSAVE);
		guest_expect_equal("without/avx", (uint64_t)guest_catch(xcr0_set, 7), 13);
	}
	EXPECT("without/avx-bits", !(one.ecx & (CPUID_1_ECX_AVX | CPUID_1_ECX_FMA | CPUID_1_ECX_F16C)) &&
				       !(cpuid(7, 0).ebx & (CPUID_7_EBX_AVX2 | CPUID_7_EBX_AVX512F)));
	guest_expect_equal("without/smep", (uint64_t)guest_catch(cr4_set, CR4_SMEP), 13);
	EXPECT("without/x2apic-bit", !(one.ecx & CPUID_1_ECX_X2APIC));
	guest_expect_equal("without/x2apic",
			   (uint64_t)write_of(MSR_IA32_APIC_BASE, rdmsr(MSR_IA32_APIC_BASE) | APIC_BASE_EXTD),
			   13);
	guest_expect_equal("without/nx", (uint64_t)write_of(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE), 13);
	guest_expect_equal("without/mtrr", (uint64_t)guest_catch(read, MSR_IA32_MTRRCAP), 13);
	guest_expect_equal("without/mca", (uint64_t)guest_catch(read, MSR_IA32_MCG_CAP), 13);
	guest_expect_equal("without/tsc-deadline", (uint64_t)guest_catch(read, MSR_IA32_TSC_DEADLINE), 13);
	EXPECT("without/hypervisor",
	       !(one.ecx & CPUID_1_ECX_HYPERVISOR) && cpuid(0x40000000, 0).ebx != 0x6f676e49);
	guest_expect_equal("without/kvmclock", (uint64_t)guest_catch(read, 0x4b564d01), 13);
}
