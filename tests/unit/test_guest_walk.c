/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest page walk and the instruction fetch: modes, rights, error codes, accessed and dirty bits, page ends. */
#include "fake_vcpu.h"
#include "hv/guest_walk.h"
#include "hv/insn.h"

#define ROOT  0x1000UL
#define TABLE 0x2000UL /* and up, one for each level */
#define PAGE  0x10000UL
#define P     1UL
#define W     2UL
#define U     4UL
#define A     0x20UL
#define D     0x40UL
#define PS    0x80UL
#define NX    (1UL << 63)
#define VA    0x40201000UL /* index 1 on every level but the top */

static struct guest_paging paging;

bool cpuid_has(const struct cpuid_policy *p, struct cpuid_feature f)
{
	return true;
}

static void long_mode(void)
{
	fake_vcpu_new();
	fake_reg[VREG_CR0] = CR0_PG | CR0_PE | CR0_WP;
	fake_reg[VREG_CR3] = ROOT;
	fake_reg[VREG_CR4] = CR4_PAE;
	fake_reg[VREG_EFER] = EFER_LME | EFER_LMA | EFER_NXE;
	fake_poke64(ROOT, TABLE | P | W | U);
	fake_poke64(TABLE + 8, (TABLE + 0x1000) | P | W | U);
	fake_poke64(TABLE + 0x1008, (TABLE + 0x2000) | P | W | U);
	fake_poke64(TABLE + 0x2008, PAGE | P | W | U);
}

static void leaf(uint64_t entry)
{
	fake_poke64(TABLE + 0x2008, entry);
}

/* Translates a; returns the gpa, or ~error for a #PF. */
static uint64_t walk(uint64_t a, uint32_t access)
{
	uint32_t error = 0;
	gpa_t out = {};
	enum status s;

	guest_paging_get(&fake_vcpu, &paging);
	s = guest_walk(&paging, gva(a), access, &out, &error);
	if (s == ERR_FAULT)
		return ~(uint64_t)error;
	assert_int_equal(s, OK);
	return out.v;
}

#define FAULT(error) (~(uint64_t)(error))

static void test_4level(void **state)
{
	long_mode();
	assert_int_equal(walk(VA + 0x123, 0), PAGE + 0x123);
	assert_true(fake_peek64(ROOT) & A);
	assert_true(fake_peek64(TABLE + 0x2008) & A);
	assert_false(fake_peek64(TABLE + 0x2008) & D);
	assert_int_equal(walk(VA, WALK_WRITE), PAGE);
	assert_true(fake_peek64(TABLE + 0x2008) & D);
	assert_false(fake_peek64(ROOT) & D);
	/* 2 MiB and 1 GiB */
	fake_poke64(TABLE + 0x1008, 0x600000 | P | W | PS);
	assert_int_equal(walk(VA + 0x123, 0), 0x601123);
	fake_poke64(TABLE + 8, 0x80000000 | P | W | PS);
	assert_int_equal(walk(VA + 0x123, 0), 0x80201123);
	/* not present */
	assert_int_equal(walk(VA + 0x80000000, 0), FAULT(0));
	assert_int_equal(walk(VA + 0x80000000, WALK_WRITE | WALK_USER), FAULT(PFERR_W | PFERR_U));
}

static void test_rights(void **state)
{
	long_mode();
	leaf(PAGE | P);
	assert_int_equal(walk(VA, WALK_USER), FAULT(PFERR_P | PFERR_U));
	assert_int_equal(walk(VA, WALK_WRITE), FAULT(PFERR_P | PFERR_W));
	assert_false(fake_peek64(TABLE + 0x2008) & A);
	fake_reg[VREG_CR0] &= ~CR0_WP;
	assert_int_equal(walk(VA, WALK_WRITE), PAGE);
	/* A user's write needs W also without CR0.WP. */
	leaf(PAGE | P | U);
	assert_int_equal(walk(VA, WALK_WRITE | WALK_USER), FAULT(PFERR_P | PFERR_W | PFERR_U));
	leaf(PAGE | P | W | U | NX);
	assert_int_equal(walk(VA, WALK_FETCH), FAULT(PFERR_P | PFERR_I));
	assert_int_equal(walk(VA, WALK_USER | WALK_WRITE), PAGE);
	leaf(PAGE | P | W | U);
	assert_int_equal(walk(VA, WALK_FETCH), PAGE);
	fake_reg[VREG_CR4] |= CR4_SMEP;
	assert_int_equal(walk(VA, WALK_FETCH), FAULT(PFERR_P | PFERR_I));
	assert_int_equal(walk(VA, WALK_FETCH | WALK_USER), PAGE);
	fake_reg[VREG_CR4] |= CR4_SMAP;
	assert_int_equal(walk(VA, 0), FAULT(PFERR_P));
	fake_reg[VREG_RFLAGS] |= RFLAGS_AC;
	assert_int_equal(walk(VA, 0), PAGE);
	assert_int_equal(walk(VA, WALK_IMPLICIT), FAULT(PFERR_P));
	/* Rights of the upper levels count too. */
	fake_poke64(TABLE + 8, (TABLE + 0x1000) | P | U);
	assert_int_equal(walk(VA, WALK_WRITE | WALK_USER), FAULT(PFERR_P | PFERR_W | PFERR_U));
}

static void test_reserved(void **state)
{
	long_mode();
	leaf(PAGE | P | 1UL << 40);
	assert_int_equal(walk(VA, 0), FAULT(PFERR_P | PFERR_RSVD));
	leaf(PAGE | P | NX);
	assert_int_equal(walk(VA, 0), PAGE);
	fake_reg[VREG_EFER] &= ~EFER_NXE;
	assert_int_equal(walk(VA, 0), FAULT(PFERR_P | PFERR_RSVD));
	leaf(PAGE | P);
	fake_poke64(TABLE + 0x1008, 0x602000 | P | PS); /* bit 13 of a 2 MiB entry */
	assert_int_equal(walk(VA, 0), FAULT(PFERR_P | PFERR_RSVD));
	fake_poke64(TABLE + 0x1008, (TABLE + 0x2000) | P);
	assert_int_equal(walk(VA, 0), PAGE);
	fake_poke64(ROOT, TABLE | P | PS); /* no such page size */
	assert_int_equal(walk(VA, 0), FAULT(PFERR_P | PFERR_RSVD));
}

static void test_other_modes(void **state)
{
	uint32_t e;

	fake_vcpu_new();
	assert_int_equal(walk(0x123456, 0), 0x123456);
	/* 32-bit: 4 KiB, then 4 MiB with PSE-36 */
	fake_reg[VREG_CR0] = CR0_PG | CR0_PE;
	fake_reg[VREG_CR3] = ROOT;
	e = TABLE | P | W;
	fake_poke(ROOT + 4, &e, 4);
	e = PAGE | P | W;
	fake_poke(TABLE + 4, &e, 4);
	assert_int_equal(walk(0x401234, WALK_WRITE), PAGE + 0x234);
	assert_int_equal(fake_peek64(TABLE + 4), PAGE | P | W | A | D);
	e = 0x00800000 | 1 << 13 | P | PS;
	fake_poke(ROOT + 4, &e, 4);
	fake_reg[VREG_CR4] = CR4_PSE;
	assert_int_equal(walk(0x401234, 0), 0x100801234);
	e = 0x00800000 | 1 << 21 | P | PS;
	fake_poke(ROOT + 4, &e, 4);
	assert_int_equal(walk(0x401234, 0), FAULT(PFERR_P | PFERR_RSVD));
	/* PAE: the entries of CR3 come from the registers */
	fake_reg[VREG_CR4] = CR4_PAE;
	fake_reg[VREG_PDPTE0 + 1] = TABLE | P;
	fake_poke64(TABLE + 8, (TABLE + 0x1000) | P | W);
	fake_poke64(TABLE + 0x1008, PAGE | P | W);
	assert_int_equal(walk(VA, WALK_WRITE), PAGE);
	assert_int_equal(walk(VA + 0x40000000, 0), FAULT(0));
}

static void test_tables_outside(void **state)
{
	uint32_t error;
	gpa_t out;

	long_mode();
	fake_poke64(TABLE + 8, 0x30000000 | P | W);
	guest_paging_get(&fake_vcpu, &paging);
	assert_int_equal(guest_walk(&paging, gva(VA), 0, &out, &error), ERR_RANGE);
}

static void test_copy(void **state)
{
	uint8_t buf[8] = {1, 2, 3, 4, 5, 6, 7, 8}, back[8];

	long_mode();
	/* The second page lies elsewhere. */
	fake_poke64(TABLE + 0x2010, (PAGE + 0x5000) | P | W);
	assert_int_equal(guest_write(&fake_vcpu, gva(VA + 0xffd), buf, 8, 0), OK);
	assert_int_equal(fake_vm.mem.base[PAGE + 0xffd], 1);
	assert_int_equal(fake_vm.mem.base[PAGE + 0x5004], 8);
	assert_int_equal(guest_read(&fake_vcpu, gva(VA + 0xffd), back, 8, 0), OK);
	assert_memory_equal(buf, back, 8);
	/* The second page faults: nothing is written, CR2 is the second page. */
	fake_poke64(TABLE + 0x2010, 0);
	memset(buf, 0xee, 8);
	assert_int_equal(guest_write(&fake_vcpu, gva(VA + 0xffd), buf, 8, 0), ERR_FAULT);
	assert_int_equal(fake_raised.vector, EXC_PF);
	assert_int_equal(fake_raised.cr2, VA + 0x1000);
	assert_int_equal(fake_raised.error, PFERR_W);
	assert_int_equal(fake_vm.mem.base[PAGE + 0xffd], 1);
	/* ROM can be read and not written. */
	leaf(0xe0000 | P | W);
	assert_int_equal(guest_read(&fake_vcpu, gva(VA), back, 8, 0), OK);
	assert_int_equal(guest_write(&fake_vcpu, gva(VA), buf, 8, 0), ERR_RANGE);
}

static uint8_t length(const char *bytes, size_t n, uint64_t at)
{
	uint8_t len = 0;

	fake_poke(PAGE + at, bytes, n);
	fake_vcpu.rip = VA + at;
	assert_int_equal(insn_length(&fake_vcpu, &len), OK);
	return len;
}

static void test_length(void **state)
{
	long_mode();
	fake_poke64(TABLE + 0x2010, (PAGE + 0x1000) | P | W);
	assert_int_equal(length("\x0f\xa2", 2, 0), 2);
	assert_int_equal(length("\xf4", 1, 0), 1);
	assert_int_equal(length("\xe6\x80", 2, 0), 2);
	assert_int_equal(length("\x0f\x01\xd9", 3, 0), 3);
	assert_int_equal(length("\xf3\x90", 2, 0), 2);
	assert_int_equal(length("\xf3\x6c", 2, 0), 2);
	assert_int_equal(length("\x48\x0f\xa2", 3, 0), 3);
	assert_int_equal(length("\x66\x0f\x30", 3, 0), 3);
	assert_int_equal(length("\x0f\x01\x38", 3, 0), 3); /* INVLPG [rax] */
	assert_int_equal(length("\x0f\x01\x78\x10", 4, 0), 4);
	assert_int_equal(length("\x0f\xa2", 2, 0xfff), 2);
	assert_int_equal(length("\x48\xc7\x80\x11\x22\x33\x44\x55\x66\x77\x08", 11, 0xffa), 11);
}

static void test_fetch_faults(void **state)
{
	uint8_t bytes[INSN_MAX], len;

	long_mode();
	/* An instruction that ends in its page doesn't touch the next. */
	assert_int_equal(length("\x0f\xa2", 2, 0xffe), 2);
	assert_int_equal(insn_peek(&fake_vcpu, bytes), 2);
	assert_int_equal(fake_raised.vector, -1);
	/* One that reaches over faults there. */
	fake_poke(PAGE + 0xfff, "\x0f", 1);
	fake_vcpu.rip = VA + 0xfff;
	assert_int_equal(insn_length(&fake_vcpu, &len), ERR_FAULT);
	assert_int_equal(fake_raised.vector, EXC_PF);
	assert_int_equal(fake_raised.cr2, VA + 0x1000);
	/* Real mode: CS's base and limit. */
	fake_vcpu_new();
	fake_mode = MODE_REAL;
	fake_seg[SEG_CS] = (struct vseg_desc){0x1000, 0xffff, 0, 0x10000};
	fake_poke(0x10000 + 0xfffe, "\x0f\xa2", 2);
	fake_vcpu.rip = 0xfffe;
	assert_int_equal(insn_length(&fake_vcpu, &len), OK);
	assert_int_equal(len, 2);
	fake_poke(0x10000 + 0xffff, "\x0f", 1);
	fake_vcpu.rip = 0xffff;
	assert_int_equal(insn_length(&fake_vcpu, &len), ERR_FAULT);
	assert_int_equal(fake_raised.vector, EXC_GP);
}

/* Keys are of user pages and data accesses; the walk is that of a paging state made up, as RDPKRU needs a guest. */
static uint64_t walk_with_keys(uint32_t pkru, uint32_t access)
{
	uint32_t error = 0;
	gpa_t out = {};

	guest_paging_get(&fake_vcpu, &paging);
	paging.cr4 |= CR4_PKE;
	paging.pkru = pkru;
	return guest_walk(&paging, gva(VA), access, &out, &error) == OK ? out.v : FAULT(error);
}

static void test_keys(void **state)
{
	const uint32_t no_access = PKRU_AD << 2 * 5, no_write = PKRU_WD << 2 * 5;

	long_mode();
	leaf(PAGE | P | W | U | 5UL << 59);
	assert_int_equal(walk_with_keys(0, WALK_USER | WALK_WRITE), PAGE);
	assert_int_equal(walk_with_keys(~(3u << 2 * 5), WALK_USER | WALK_WRITE), PAGE);
	assert_int_equal(walk_with_keys(no_access, WALK_USER), FAULT(PFERR_P | PFERR_U | PFERR_PK));
	assert_int_equal(walk_with_keys(no_access, 0), FAULT(PFERR_P | PFERR_PK));
	assert_int_equal(walk_with_keys(no_access, WALK_FETCH), PAGE);
	assert_int_equal(walk_with_keys(no_write, WALK_USER), PAGE);
	assert_int_equal(walk_with_keys(no_write, WALK_WRITE), FAULT(PFERR_P | PFERR_W | PFERR_PK));
	fake_reg[VREG_CR0] &= ~CR0_WP;
	assert_int_equal(walk_with_keys(no_write, WALK_WRITE), PAGE);
	assert_int_equal(walk_with_keys(no_write, WALK_USER | WALK_WRITE),
			 FAULT(PFERR_P | PFERR_U | PFERR_W | PFERR_PK));
	leaf(PAGE | P | W | 5UL << 59);
	assert_int_equal(walk_with_keys(no_access, 0), PAGE);
}

static void test_five_levels(void **state)
{
	long_mode();
	fake_reg[VREG_CR4] |= CR4_LA57;
	fake_reg[VREG_CR3] = 0x8000;
	fake_poke64(0x8000 + 8, ROOT | P | W | U); /* index 1 */
	assert_int_equal(walk(1UL << 48 | VA, 0), PAGE);
	assert_int_equal(walk(VA, 0), FAULT(0));
	fake_poke64(0x8000 + 8, ROOT | P | W | U | PS);
	assert_int_equal(walk(1UL << 48 | VA, 0), FAULT(PFERR_P | PFERR_RSVD));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_keys),           cmocka_unit_test(test_five_levels),
	    cmocka_unit_test(test_4level),         cmocka_unit_test(test_rights),
	    cmocka_unit_test(test_reserved),       cmocka_unit_test(test_other_modes),
	    cmocka_unit_test(test_tables_outside), cmocka_unit_test(test_copy),
	    cmocka_unit_test(test_length),         cmocka_unit_test(test_fetch_faults),
	};

	return cmocka_run_group_tests_name("guest_walk", tests, NULL, NULL);
}
