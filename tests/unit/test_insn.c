/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hv/insn.c's short way: the length of an instruction that was met before, after each of the things that it depends on
 * has changed.
 */
#include "fake_vcpu.h"
#include "hv/insn_known.h"

#define CODE    0x10000UL  /* CPUID: two bytes */
#define OTHER   0x11000UL  /* the same with a prefix: three */
#define TABLES  0x30000UL  /* PML4, PDPT, PD, PT, one page each */
#define SPARE   0x40000UL  /* the same again, and its PT leads to OTHER */
#define LARGE   0x200000UL /* code in a large page */
#define PRESENT 7UL
#define RIP     0xffff800000400123UL

bool cpuid_has(const struct cpuid_policy *p, struct cpuid_feature f)
{
	return true;
}

static unsigned index_at(unsigned level)
{
	return RIP >> (12 + 9 * level) & 511;
}

static uint64_t table(uint64_t set, unsigned level)
{
	return set + (3 - level) * PAGE_SIZE;
}

static uint64_t entry_at(uint64_t set, unsigned level)
{
	return table(set, level) + index_at(level) * 8;
}

static void make_tables(uint64_t set, uint64_t code)
{
	for (unsigned level = 3; level > 0; level--)
		fake_poke64(entry_at(set, level), table(set, level - 1) | PRESENT);
	fake_poke64(entry_at(set, 0), code | PRESENT);
}

static int setup(void **state)
{
	fake_vcpu_new();
	fake_reg[VREG_CR0] = CR0_PE | CR0_PG;
	fake_reg[VREG_CR4] = CR4_PAE;
	fake_reg[VREG_EFER] = EFER_LME | EFER_LMA;
	fake_reg[VREG_CR3] = TABLES;
	fake_vcpu.rip = RIP;
	make_tables(TABLES, CODE);
	make_tables(SPARE, OTHER);
	fake_poke(CODE + 0x123, "\x0f\xa2", 2);
	fake_poke(OTHER + 0x123, "\x66\x0f\xa2", 3);
	fake_poke(LARGE + (RIP & 0x1fffff), "\xf4", 1);
	return 0;
}

/* By what is known alone, as a back end asks; 0 where the core has to look. */
static uint8_t known(void)
{
	const struct insn_known *k = insn_known_find(&fake_vcpu, fake_reg[VREG_CR3]);

	if (!k)
		return 0;
	assert_int_equal(k->next, fake_vcpu.rip + k->len);
	return k->len;
}

static uint8_t length(void)
{
	uint8_t len = 0;

	assert_int_equal(insn_length(&fake_vcpu, &len), OK);
	return len;
}

static void test_same(void **state)
{
	assert_int_equal(known(), 0);
	assert_int_equal(length(), 2);
	assert_int_equal(known(), 2);
	fake_vcpu.rip++;
	assert_int_equal(known(), 0);
}

/* An entry at any level leads elsewhere. */
static void test_entry(void **state)
{
	for (unsigned level = 0; level < 4; level++) {
		uint64_t before = fake_peek64(entry_at(TABLES, level));

		assert_int_equal(length(), 2);
		assert_int_equal(known(), 2);
		fake_poke64(entry_at(TABLES, level),
			    level ? table(SPARE, level - 1) | PRESENT : OTHER | PRESENT);
		assert_int_equal(known(), 0);
		assert_int_equal(length(), 3);
		fake_poke64(entry_at(TABLES, level), before);
		assert_int_equal(known(), 0);
	}
}

static void test_cr3(void **state)
{
	assert_int_equal(length(), 2);
	fake_reg[VREG_CR3] = SPARE;
	assert_int_equal(known(), 0);
	assert_int_equal(length(), 3);
}

static void test_bytes(void **state)
{
	assert_int_equal(length(), 2);
	fake_poke(CODE + 0x123, "\x66\x0f\xa2", 3);
	assert_int_equal(known(), 0);
	assert_int_equal(length(), 3);
	fake_poke(CODE + 0x123, "\xf4", 1);
	assert_int_equal(length(), 1);
	assert_int_equal(known(), 1);
}

/* Large pages end the walk early. */
static void test_large(void **state)
{
	fake_poke64(entry_at(TABLES, 1), LARGE | 1UL << 7 | PRESENT);
	assert_int_equal(length(), 1);
	assert_int_equal(known(), 1);
	fake_poke64(entry_at(TABLES, 2), 0 | 1UL << 7 | PRESENT);
	assert_int_equal(known(), 0);
	fake_poke(RIP & 0x3fffffff & ~0x400000UL, "\x0f\xa2", 2);
	fake_vcpu.rip = RIP & ~0x400000UL; /* inside the 4 MiB that the guest has */
	fake_poke64(table(TABLES, 2) + (fake_vcpu.rip >> 30 & 511) * 8, 0 | 1UL << 7 | PRESENT);
	assert_int_equal(length(), 2);
	assert_int_equal(known(), 2);
}

/* The same place among the known, and the same lower half of RIP: another instruction nevertheless. */
static void test_far(void **state)
{
	const uint64_t far = RIP ^ 1UL << 39;

	fake_poke64(table(TABLES, 3) + (far >> 39 & 511) * 8, table(SPARE, 2) | PRESENT);
	assert_int_equal(length(), 2);
	assert_int_equal(known(), 2);
	fake_vcpu.rip = far;
	assert_int_equal(known(), 0);
	assert_int_equal(length(), 3);
	fake_vcpu.rip = RIP;
	assert_int_equal(known(), 0);
	assert_int_equal(length(), 2);
}

/* What can't be read by the short way is left to the long one, and nothing is remembered. */
static void test_none(void **state)
{
	uint8_t len;

	fake_poke64(entry_at(TABLES, 2), 0);
	assert_int_equal(insn_length(&fake_vcpu, &len), ERR_FAULT);
	assert_int_equal(fake_raised.vector, EXC_PF);
	assert_int_equal(known(), 0);
	fake_poke64(entry_at(TABLES, 2), 0x80000000UL | PRESENT); /* no memory there */
	assert_int_equal(insn_length(&fake_vcpu, &len), ERR_RANGE);
	assert_int_equal(known(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_same, setup),  cmocka_unit_test_setup(test_entry, setup),
	    cmocka_unit_test_setup(test_cr3, setup),   cmocka_unit_test_setup(test_bytes, setup),
	    cmocka_unit_test_setup(test_large, setup), cmocka_unit_test_setup(test_none, setup),
	    cmocka_unit_test_setup(test_far, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
