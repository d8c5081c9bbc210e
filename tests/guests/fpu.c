/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two of these share a CPU: each fills the vector and x87 registers with its own pattern ("pattern=N") and looks
 * again and again whether they still hold it, with and without exits between.
 */
#include "hv/lib/string.h"
#include "tests/guests/lib/guest.h"

#define ROUNDS     400
#define SPIN_TICKS 20000000 /* of the TSC, so that time slices end in it */

static bool has_avx;

static void enable(void)
{
	write_cr0((read_cr0() | CR0_MP) & ~(CR0_EM | CR0_TS));
	write_cr4(read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT);
	has_avx = (cpuid(1, 0).ecx & (CPUID_1_ECX_XSAVE | CPUID_1_ECX_AVX)) ==
		  (CPUID_1_ECX_XSAVE | CPUID_1_ECX_AVX);
	if (has_avx) {
		write_cr4(read_cr4() | CR4_OSXSAVE);
		xsetbv(0, XCR0_X87 | XCR0_SSE | XCR0_AVX);
	}
}

/* Whatever another guest left must not be seen in a vCPU that has just been reset. */
static bool registers_are_clear(void)
{
	uint8_t area[512] __attribute__((aligned(16)));

	asm volatile("fxsave64 (%0)" ::"r"(area) : "memory");
	for (unsigned i = 160; i < 416; i++) {
		if (area[i])
			return false;
	}
	return true;
}

#define FOR_16(op)                                                                                           \
	op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9) op(10) op(11) op(12) op(13) op(14) op(15)
#define LOAD_XMM(n)  "movdqu (%0), %%xmm" #n "\n\t"
#define STORE_XMM(n) "movdqu %%xmm" #n ", " #n "*16(%0)\n\t"
#define LOAD_YMM(n)  "vmovdqu (%0), %%ymm" #n "\n\t"
#define STORE_YMM(n) "vmovdqu %%ymm" #n ", " #n "*32(%0)\n\t"

static void fill(const uint8_t *pattern)
{
	if (has_avx)
		asm volatile(FOR_16(LOAD_YMM)::"r"(pattern) : "memory");
	else
		asm volatile(FOR_16(LOAD_XMM)::"r"(pattern) : "memory");
	asm volatile("fninit\n\tfldl (%0)\n\tfldl (%0)" ::"r"(pattern) : "memory");
}

static bool holds(const uint8_t *pattern)
{
	static uint8_t seen[16 * 32];
	unsigned size = has_avx ? 32 : 16;

	if (has_avx)
		asm volatile(FOR_16(STORE_YMM)::"r"(seen) : "memory");
	else
		asm volatile(FOR_16(STORE_XMM)::"r"(seen) : "memory");
	for (unsigned i = 0; i < 16; i++) {
		if (memcmp(seen + i * size, pattern, size))
			return false;
	}
	return true;
}

void test_main(void)
{
	static uint8_t pattern[32];
	bool good = true;

	enable();
	EXPECT("fpu/clear-at-start", registers_are_clear());
	memset(pattern, guest_cmdline_has("pattern=2") ? 0x3d : 0x3e, sizeof(pattern));
	fill(pattern);
	for (unsigned i = 0; i < ROUNDS && good; i++) {
		uint64_t end = rdtsc() + SPIN_TICKS / ROUNDS;

		if (i % 4 == 0)
			cpuid(0, 0);
		while (rdtsc() < end)
			;
		good = holds(pattern);
	}
	EXPECT("fpu/own-pattern", good);
}
