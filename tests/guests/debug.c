/* SPDX-License-Identifier: BSD-2-Clause */
/* Debug registers: breakpoints on code, data and their status, DR7.GD, DR4 and DR5, single steps over exits. */
#include "hv/lib/util.h"
#include "tests/guests/lib/guest.h"

#define DB        1
#define UD        6
#define GP        13
#define DR6_CLEAR 0xffff0ff0
#define DR7_CLEAR 0x400

static volatile uint64_t watched;
static uint64_t dr6;

static void store(uint64_t value)
{
	watched = value;
}

static void load(uint64_t arg)
{
	(void)arg;
	(void)watched;
}

[[gnu::noinline]] static void target(uint64_t arg)
{
	asm volatile("" ::"r"(arg));
}

static void access_dr0(uint64_t arg)
{
	(void)arg;
	(void)read_dr0();
}

static void write_high_dr7(uint64_t value)
{
	write_dr7(value);
}

static void read_dr4(uint64_t arg)
{
	uint64_t v;

	(void)arg;
	asm volatile("mov %%db4, %0" : "=r"(v));
}

/* Runs fn with those debug registers; afterwards they are off, and dr6 has what it left. */
static int with(void (*fn)(uint64_t), uint64_t arg, uint64_t at, uint64_t dr7)
{
	int vector;

	write_dr0(at);
	write_dr6(DR6_CLEAR);
	write_dr7(dr7);
	vector = guest_catch(fn, arg);
	dr6 = read_dr6();
	write_dr7(DR7_CLEAR);
	return vector;
}

#define STEP(name, insn)                                                                                     \
	static void name(uint64_t arg)                                                                       \
	{                                                                                                    \
		(void)arg;                                                                                   \
		asm volatile("xor %%eax, %%eax\n\txor %%ecx, %%ecx\n\tmov $0x1b, %%cl\n\tpushf\n\t"          \
			     "orl $0x100, (%%rsp)\n\tpopf\n\t" insn "\n\t.byte 0x90" ::                      \
				 : "rax", "rbx", "rcx", "rdx", "memory", "cc");                              \
	}
STEP(step_cpuid, "cpuid")
STEP(step_rdmsr, "rdmsr")
STEP(step_in, "inb $0x80, %%al")
STEP(step_mmio, "movabsl 0xfee00030, %%eax")

static const struct {
	const char *name;
	void (*fn)(uint64_t arg);
} steps[] = {
    {"debug/step-cpuid", step_cpuid},
    {"debug/step-rdmsr", step_rdmsr},
    {"debug/step-in", step_in},
    {"debug/step-mmio", step_mmio},
};

void test_main(void)
{
	uint64_t cr4 = read_cr4();

	guest_expect_equal("debug/dr6-reset", read_dr6(), DR6_CLEAR);
	guest_expect_equal("debug/dr7-reset", read_dr7(), DR7_CLEAR);
	guest_expect_equal("debug/write", (uint64_t)with(store, 1, (uint64_t)&watched, 0xd0402), DB);
	guest_expect_equal("debug/write-status", dr6, DR6_CLEAR | 1);
	guest_expect_equal("debug/write-is-done", watched, 1);
	guest_expect_equal("debug/no-read", (uint64_t)with(load, 0, (uint64_t)&watched, 0xd0402),
			   (uint64_t)-1);
	guest_expect_equal("debug/read-write", (uint64_t)with(load, 0, (uint64_t)&watched, 0xf0402), DB);
	guest_expect_equal("debug/code", (uint64_t)with(target, 0, (uint64_t)target, 0x402), DB);
	guest_expect_equal("debug/code-at", guest_fault.rip, (uint64_t)target);
	if (cpuid(0, 0).ebx == 0x68747541) { /* "Auth" */
		guest_printf("SKIP debug/gd: QEMU's TCG has no DR7.GD\n");
	} else {
		guest_expect_equal("debug/gd", (uint64_t)with(access_dr0, 0, 0, DR7_CLEAR | 1 << 13), DB);
		EXPECT("debug/gd-status", dr6 & 1 << 13);
	}
	guest_expect_equal("debug/dr7-high", (uint64_t)guest_catch(write_high_dr7, BIT(40)), GP);
	write_cr4(cr4 | CR4_DE);
	guest_expect_equal("debug/dr4-with-de", (uint64_t)guest_catch(read_dr4, 0), UD);
	write_cr4(cr4 & ~CR4_DE);
	guest_expect_equal("debug/dr4-is-dr6", (uint64_t)guest_catch(read_dr4, 0), (uint64_t)-1);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		write_dr6(DR6_CLEAR);
		guest_expect_equal(steps[i].name, (uint64_t)guest_catch(steps[i].fn, 0), DB);
		EXPECT("debug/step-status", read_dr6() & 1 << 14);
		guest_expect_equal("debug/step-at", *(uint8_t *)guest_fault.rip, 0x90);
	}
}
