/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Instructions that exit, met again at the same address after the page tables lead to other code, or the code itself
 * was changed: a length remembered from before would leave RIP in the middle of the next instruction.
 */
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "tests/guests/lib/guest.h"

#define WHERE   (1UL << 39) /* PML4 entry 1 is free */
#define PTE_PW  3UL
#define ENTRIES 512

typedef uint64_t table[ENTRIES];

static table pdpt[2] __attribute__((aligned(PAGE_SIZE)));
static table pd[2] __attribute__((aligned(PAGE_SIZE)));
static table pt[2] __attribute__((aligned(PAGE_SIZE)));
static uint8_t code[2][PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));

/* CPUID; RET, and the same with a prefix that does nothing: one byte longer. */
static const uint8_t plain[] = {0x0f, 0xa2, 0xc3};
static const uint8_t prefixed[] = {0x66, 0x0f, 0xa2, 0xc3};

static uint64_t *pml4(void)
{
	return (uint64_t *)(read_cr3() & ~(PAGE_SIZE - 1));
}

/* Way n: leads from WHERE to code[n]. */
static void make_way(unsigned n)
{
	pdpt[n][0] = (uint64_t)pd[n] | PTE_PW;
	pd[n][0] = (uint64_t)pt[n] | PTE_PW;
	pt[n][0] = (uint64_t)code[n] | PTE_PW;
}

static void flush(void)
{
	write_cr3(read_cr3());
}

/* Calls WHERE a few times: returns the highest leaf that CPUID gave, or 0 where it differed. */
static uint32_t call(void)
{
	uint32_t first = 0;

	for (unsigned i = 0; i < 4; i++) {
		uint32_t a = 0, b, c = 0, d;

		asm volatile("call *%4" : "+a"(a), "=b"(b), "+c"(c), "=d"(d) : "r"(WHERE) : "memory");
		if (i && a != first)
			return 0;
		first = a;
	}
	return first;
}

static void check_entry(const char *name, uint64_t *entry, uint64_t other, uint32_t want)
{
	uint64_t before = *entry;

	flush();
	guest_expect_equal(name, call(), want);
	*entry = other;
	flush();
	guest_expect_equal(name, call(), want);
	*entry = before;
	flush();
	guest_expect_equal(name, call(), want);
}

void test_main(void)
{
	uint32_t want = cpuid(0, 0).eax;

	make_way(0);
	make_way(1);
	memcpy(code[0], plain, sizeof(plain));
	memcpy(code[1], prefixed, sizeof(prefixed));
	pml4()[1] = (uint64_t)pdpt[0] | PTE_PW;

	check_entry("insn/pt-entry", &pt[0][0], pt[1][0], want);
	check_entry("insn/pd-entry", &pd[0][0], pd[1][0], want);
	check_entry("insn/pdpt-entry", &pdpt[0][0], pdpt[1][0], want);
	check_entry("insn/pml4-entry", &pml4()[1], (uint64_t)pdpt[1] | PTE_PW, want);

	memcpy(code[0], prefixed, sizeof(prefixed));
	guest_expect_equal("insn/changed-code", call(), want);
	memcpy(code[0], plain, sizeof(plain));
	guest_expect_equal("insn/changed-back", call(), want);
}
