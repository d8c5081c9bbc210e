/* SPDX-License-Identifier: BSD-2-Clause */
/* Exceptions of the guest's own making arrive with the right vector, error code and CR2. */
#include "tests/guests/lib/guest.h"

#define UNMAPPED 0x200000000UL /* beyond the identity map of 4 GiB */

static void divide(uint64_t by)
{
	uint64_t low = 1, high = 0;

	asm volatile("divq %2" : "+a"(low), "+d"(high) : "r"(by));
}

static void undefined(uint64_t arg)
{
	(void)arg;
	asm volatile("ud2");
}

static void breakpoint(uint64_t arg)
{
	(void)arg;
	asm volatile("int3");
}

static void load(uint64_t a)
{
	(void)*(volatile uint8_t *)a;
}

static void store(uint64_t a)
{
	*(volatile uint8_t *)a = 1;
}

static void bad_selector(uint64_t selector)
{
	asm volatile("mov %w0, %%fs" ::"r"(selector));
}

static void vmcall(uint64_t arg)
{
	(void)arg;
	asm volatile("vmxon (%0)" ::"r"(UNMAPPED - 8) : "memory");
}

static void vmrun(uint64_t arg)
{
	(void)arg;
	asm volatile("vmrun" ::"a"(0));
}

static void rdpmc(uint64_t n)
{
	uint32_t low, high;

	asm volatile("rdpmc" : "=a"(low), "=d"(high) : "c"((uint32_t)n));
}

static void single_step(uint64_t arg)
{
	(void)arg;
	asm volatile("pushf\n\torl $0x100, (%%rsp)\n\tpopf\n\tnop\n\tnop" ::: "memory", "cc");
}

/* The trap after an instruction that the hypervisor completed must not be lost. */
static void step_over_cpuid(uint64_t arg)
{
	(void)arg;
	asm volatile("pushf\n\torl $0x100, (%%rsp)\n\txor %%eax, %%eax\n\tpopf\n\tcpuid\n\tnop" ::
			 : "rax", "rbx", "rcx", "rdx", "memory", "cc");
}

void test_main(void)
{
	guest_expect_equal("exc/de", (uint64_t)guest_catch(divide, 0), 0);
	guest_expect_equal("exc/ud", (uint64_t)guest_catch(undefined, 0), 6);
	guest_expect_equal("exc/bp", (uint64_t)guest_catch(breakpoint, 0), 3);
	guest_expect_equal("exc/pf-read", (uint64_t)guest_catch(load, UNMAPPED), 14);
	guest_expect_equal("exc/pf-read-error", guest_fault.error, 0);
	guest_expect_equal("exc/pf-read-cr2", guest_fault_cr2, UNMAPPED);
	guest_expect_equal("exc/pf-write", (uint64_t)guest_catch(store, UNMAPPED + 8), 14);
	guest_expect_equal("exc/pf-write-error", guest_fault.error, 2);
	guest_expect_equal("exc/pf-write-cr2", guest_fault_cr2, UNMAPPED + 8);
	guest_expect_equal("exc/gp-noncanonical", (uint64_t)guest_catch(load, 0x8000000000000000), 13);
	guest_expect_equal("exc/gp-selector", (uint64_t)guest_catch(bad_selector, 0x1230), 13);
	guest_expect_equal("exc/gp-selector-error", guest_fault.error, 0x1230);
	guest_expect_equal("exc/vmx-is-ud", (uint64_t)guest_catch(vmcall, 0), 6);
	guest_expect_equal("exc/svm-is-ud", (uint64_t)guest_catch(vmrun, 0), 6);
	guest_expect_equal("exc/rdpmc-is-gp", (uint64_t)guest_catch(rdpmc, 0), 13);
	guest_expect_equal("exc/single-step", (uint64_t)guest_catch(single_step, 0), 1);
	guest_expect_equal("exc/single-step-cpuid", (uint64_t)guest_catch(step_over_cpuid, 0), 1);
	guest_expect_equal("exc/single-step-cpuid-at", *(uint8_t *)guest_fault.rip, 0x90);
}
