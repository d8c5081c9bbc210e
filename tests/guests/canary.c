/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two of these share a CPU, with "pattern=1" and "pattern=2": each finds the state of a CPU that was just reset, fills
 * every register that is switched between guests with its own pattern, and looks again and again, over every kind of
 * exit, whether they still hold it.
 */
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/x86/rflags.h"
#include "tests/guests/lib/guest.h"

#define ROUNDS     100
#define SPIN_TICKS 20000000 /* of the TSC, so that time slices end in it */

static const uint32_t msrs[] = {MSR_STAR,
				MSR_LSTAR,
				MSR_CSTAR,
				MSR_SFMASK,
				MSR_KERNEL_GS_BASE,
				MSR_IA32_SYSENTER_CS,
				MSR_IA32_SYSENTER_ESP,
				MSR_IA32_SYSENTER_EIP,
				MSR_FS_BASE,
				MSR_GS_BASE,
				MSR_TSC_AUX};

extern uint64_t canary_pattern;
uint64_t canary_pattern;
static unsigned which; /* 1 or 2 */
static bool amd;

/* --- XSAVE --- */

static uint8_t pattern_area[8192] __attribute__((aligned(64))), area[8192] __attribute__((aligned(64)));
static uint64_t components;

static void state_enable(void)
{
	write_cr0((read_cr0() | CR0_MP) & ~(CR0_EM | CR0_TS));
	write_cr4(read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE);
	components = cpuid(0xd, 0).eax;
	xsetbv(0, components);
}

/* Calls fn for the bytes of area that hold registers: XMM, and each component beyond. */
static bool each_byte(bool (*fn)(unsigned at, unsigned size))
{
	bool good = fn(160, 256);

	for (unsigned i = 2; i < 10; i++) {
		struct cpuid_regs r = cpuid(0xd, i);

		if (components & BIT(i))
			good = good && fn(r.ebx, BIT(i) == XCR0_PKRU ? 4 : r.eax);
	}
	return good;
}

static bool is_clear(unsigned at, unsigned size)
{
	for (unsigned i = 0; i < size; i++) {
		if (area[at + i])
			return false;
	}
	return true;
}

static bool is_pattern(unsigned at, unsigned size)
{
	return !memcmp(area + at, pattern_area + at, size);
}

static bool make_pattern(unsigned at, unsigned size)
{
	memset(pattern_area + at, (int)(uint8_t)canary_pattern, size);
	return true;
}

static void state_save(void)
{
	memset(area, 0xaa, sizeof(area));
	memset(area + 512, 0, 64);
	xsave(area, components);
}

static void state_fill(void)
{
	state_save();
	memcpy(pattern_area, area, 576);
	each_byte(make_pattern);
	memcpy(pattern_area + 512, &components, sizeof(components));
	xrstor(pattern_area, components);
}

/* --- debug registers, MSRs, CR2, CR8 --- */

static uint64_t dr7_pattern(void)
{
	return which == 1 ? 0xdddd0400 : 0x55550400;
}

static uint64_t dr6_pattern(void)
{
	return which == 1 ? 0xffff0ff5 : 0xffff0ffa;
}

static uint64_t msr_pattern(uint32_t msr)
{
	uint64_t p = canary_pattern + msr;

	/* A selector (QEMU keeps 16 bits), 32 bits, or an address that is canonical. */
	if (msr == MSR_IA32_SYSENTER_CS)
		return (uint16_t)p;
	return msr == MSR_SFMASK || msr == MSR_TSC_AUX ? (uint32_t)p : p >> 18;
}

static bool special_is_reset(void)
{
	bool good = !read_dr0() && !read_dr1() && !read_dr2() && !read_dr3() && read_dr6() == 0xffff0ff0 &&
		    read_dr7() == 0x400 && !read_cr2();

	for (size_t i = 0; i < ARRAY_SIZE(msrs); i++) {
		if (msrs[i] != MSR_GS_BASE)
			good = good && !rdmsr(msrs[i]);
	}
	return good;
}

static void special_fill(void)
{
	write_dr0(canary_pattern >> 18);
	write_dr1(canary_pattern >> 19);
	write_dr2(canary_pattern >> 20);
	write_dr3(canary_pattern >> 21);
	write_dr6(dr6_pattern());
	write_dr7(dr7_pattern());
	write_cr2(canary_pattern);
	asm volatile("mov %0, %%cr8" ::"r"((uint64_t)which * 4));
	for (size_t i = 0; i < ARRAY_SIZE(msrs); i++)
		wrmsr(msrs[i], msr_pattern(msrs[i]));
}

static bool special_holds(void)
{
	uint64_t cr8;
	bool good = read_dr0() == canary_pattern >> 18 && read_dr1() == canary_pattern >> 19 &&
		    read_dr2() == canary_pattern >> 20 && read_dr3() == canary_pattern >> 21 &&
		    read_dr6() == dr6_pattern() && read_dr7() == dr7_pattern() &&
		    read_cr2() == canary_pattern;

	asm volatile("mov %%cr8, %0" : "=r"(cr8));
	good = good && cr8 == which * 4;
	for (size_t i = 0; i < ARRAY_SIZE(msrs); i++)
		good = good && rdmsr(msrs[i]) == msr_pattern(msrs[i]);
	return good;
}

/* --- general registers --- */

/* All but RSP and RAX hold the pattern over `insn`, which may change RAX. */
#define SURVIVES(name, insn)                                                                                 \
	static bool name(void)                                                                               \
	{                                                                                                    \
		uint64_t wrong;                                                                              \
                                                                                                             \
		asm volatile("push %%rbp\n\t"                                                                \
			     "mov canary_pattern, %%rcx\n\t"                                                 \
			     "mov %%rcx, %%rdx\n\tmov %%rcx, %%rbx\n\tmov %%rcx, %%rbp\n\t"                  \
			     "mov %%rcx, %%rsi\n\tmov %%rcx, %%rdi\n\tmov %%rcx, %%r8\n\t"                   \
			     "mov %%rcx, %%r9\n\tmov %%rcx, %%r10\n\tmov %%rcx, %%r11\n\t"                   \
			     "mov %%rcx, %%r12\n\tmov %%rcx, %%r13\n\tmov %%rcx, %%r14\n\t"                  \
			     "mov %%rcx, %%r15\n\t"                                                          \
			     "mov $-1, %%rax\n\t" insn "\n\t"                                                \
			     "mov canary_pattern, %%rax\n\t"                                                 \
			     "xor %%rax, %%rcx\n\txor %%rax, %%rdx\n\txor %%rax, %%rbx\n\t"                  \
			     "xor %%rax, %%rbp\n\txor %%rax, %%rsi\n\txor %%rax, %%rdi\n\t"                  \
			     "xor %%rax, %%r8\n\txor %%rax, %%r9\n\txor %%rax, %%r10\n\t"                    \
			     "xor %%rax, %%r11\n\txor %%rax, %%r12\n\txor %%rax, %%r13\n\t"                  \
			     "xor %%rax, %%r14\n\txor %%rax, %%r15\n\t"                                      \
			     "mov %%rcx, %%rax\n\tor %%rdx, %%rax\n\tor %%rbx, %%rax\n\t"                    \
			     "or %%rbp, %%rax\n\tor %%rsi, %%rax\n\tor %%rdi, %%rax\n\t"                     \
			     "or %%r8, %%rax\n\tor %%r9, %%rax\n\tor %%r10, %%rax\n\t"                       \
			     "or %%r11, %%rax\n\tor %%r12, %%rax\n\tor %%r13, %%rax\n\t"                     \
			     "or %%r14, %%rax\n\tor %%r15, %%rax\n\t"                                        \
			     "pop %%rbp"                                                                     \
			     : "=a"(wrong)                                                                   \
			     :                                                                               \
			     : "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13",    \
			       "r14", "r15", "memory", "cc");                                                \
		return !wrong;                                                                               \
	}
SURVIVES(over_in, "inb $0x80, %%al")
SURVIVES(over_out, "outb %%al, $0x80")
SURVIVES(over_vmcall, "vmcall")
SURVIVES(over_vmmcall, "vmmcall")
SURVIVES(over_mmio, "movabsl 0xfee00030, %%eax")
SURVIVES(over_wbinvd, "wbinvd")
SURVIVES(over_cr0, "mov %%cr0, %%rax\n\tmov %%rax, %%cr0")
SURVIVES(over_cr4, "mov %%cr4, %%rax\n\tmov %%rax, %%cr4")
SURVIVES(over_dr7, "mov %%dr7, %%rax")
SURVIVES(over_pause, "pause")

static bool registers_survive(void)
{
	return over_in() && over_out() && (amd ? over_vmmcall() : over_vmcall()) && over_mmio() &&
	       over_wbinvd() && over_cr0() && over_cr4() && over_dr7() && over_pause();
}

void test_main(void)
{
	bool registers = true, state = true, special = true;

	amd = cpuid(0, 0).ebx == 0x68747541; /* "Auth" */
	which = guest_cmdline_has("pattern=2") ? 2 : 1;
	canary_pattern = which == 1 ? 0x1111111111111111 : 0x2222222222222222;
	EXPECT("canary/reset-special", special_is_reset());
	state_enable();
	state_save();
	EXPECT("canary/reset-state", each_byte(is_clear));
	special_fill();
	state_fill();
	for (unsigned i = 0; i < ROUNDS && registers && state && special; i++) {
		uint64_t end = rdtsc() + SPIN_TICKS / ROUNDS;

		registers = registers_survive();
		while (rdtsc() < end)
			;
		state_save();
		state = each_byte(is_pattern);
		special = special_holds();
	}
	EXPECT("canary/registers", registers);
	EXPECT("canary/state", state);
	EXPECT("canary/special", special);
	guest_printf("components 0x%lx\n", components);
	write_dr7(0x400);
}
