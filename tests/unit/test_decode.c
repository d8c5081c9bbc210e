/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The instruction decoder against Zydis on random bytes in all three modes, plus cases picked by hand for the
 * fields. Whatever Zydis accepts must get the same length; truncated input must be told apart from bad input.
 */
#include "support.h"
#include <stdio.h>
#include <string.h>
#include <Zydis/Zydis.h>
#include "hv/decode.h"
#include "hv/ops.h"

/* In each mode; Zydis accepts more than half of them. */
#define ROUNDS      400000
#define ROUNDS_SOAK 10000000

static uint64_t rng = 0x9e3779b97f4a7c15;

static uint64_t rnd(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng;
}

/* Random bytes, biased to prefixes and escapes so that the rare maps are reached. */
static void random_insn(uint8_t b[INSN_MAX])
{
	static const uint8_t special[] = {0x66, 0x67, 0xf2, 0xf3, 0x48, 0x41, 0x4f, 0x2e, 0x64, 0xf0,
					  0x0f, 0x0f, 0x0f, 0xc4, 0xc5, 0x62, 0x8f, 0xf6, 0xf7, 0xc7};
	static const uint8_t second[] = {0x38, 0x3a, 0x0f, 0xe1, 0xe2, 0xe3, 0xf1, 0xf2,
					 0xf3, 0x78, 0x01, 0xae, 0xe8, 0xe9, 0xea};
	unsigned i = 0;

	for (unsigned k = 0; k < INSN_MAX; k++)
		b[k] = (uint8_t)(rnd() >> 24);
	while (i < 5 && rnd() % 2)
		b[i++] = special[rnd() % sizeof(special)];
	if (rnd() % 2)
		b[i++] = second[rnd() % sizeof(second)];
}

static void print_bytes(const char *what, const uint8_t *b, unsigned zydis, unsigned ours, enum status s)
{
	fprintf(stderr, "%s:", what);
	for (unsigned k = 0; k < INSN_MAX; k++)
		fprintf(stderr, " %02x", b[k]);
	fprintf(stderr, " zydis %u, ours %u, status %d\n", zydis, ours, s);
}

static void compare(const char *name, ZydisMachineMode zmode, ZydisStackWidth width, enum insn_mode mode)
{
	ZydisDecoder d;
	unsigned rounds = test_soak() ? ROUNDS_SOAK : ROUNDS, agreed = 0, bad = 0;

	assert_true(ZYAN_SUCCESS(ZydisDecoderInit(&d, zmode, width)));
	for (unsigned n = 0; n < rounds; n++) {
		ZydisDecodedInstruction z;
		struct insn i;
		uint8_t b[INSN_MAX];
		enum status s;

		random_insn(b);
		if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&d, NULL, b, sizeof(b), &z)))
			continue;
		/* Near jumps on mask registers, of Xeon Phi's first generation only. */
		if (z.mnemonic == ZYDIS_MNEMONIC_JKZD || z.mnemonic == ZYDIS_MNEMONIC_JKNZD)
			continue;
		s = insn_decode(&i, mode, b, sizeof(b));
		if (s != OK || i.len != z.length) {
			if (bad++ < 20)
				print_bytes(name, b, z.length, s == OK ? i.len : 0, s);
			continue;
		}
		agreed++;
		/* Any shorter input is truncated, not invalid; one byte more changes nothing. */
		for (unsigned cut = 0; cut < i.len; cut++) {
			struct insn t;

			assert_int_equal(insn_decode(&t, mode, b, cut), ERR_RANGE);
		}
		if (i.encoding == INSN_LEGACY && i.map == MAP_ONE) {
			assert_int_equal(i.opcode, z.opcode);
			assert_int_equal(i.addrsize * 8, z.address_width);
			if (i.has_modrm && i.disp_size)
				assert_int_equal(i.disp, z.raw.disp.value);
			if (i.imm_size && !z.raw.imm[0].is_relative && z.raw.imm[0].is_signed)
				assert_int_equal(i.imm, z.raw.imm[0].value.s);
		}
	}
	assert_int_equal(bad, 0);
	assert_true(agreed > rounds / 4);
	if (test_soak())
		printf("soak: decoder, %s bits: %u instructions of Zydis' lengths\n", name, agreed);
}

static void test_zydis_64(void **state)
{
	(void)state;
	compare("64", ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64, INSN_64);
}

static void test_zydis_32(void **state)
{
	(void)state;
	compare("32", ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32, INSN_32);
}

static void test_zydis_16(void **state)
{
	(void)state;
	compare("16", ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16, INSN_16);
}

#define DECODE(mode, ...)                                                                                    \
	({                                                                                                   \
		static const uint8_t bytes[] = {__VA_ARGS__};                                                \
		struct insn out;                                                                             \
		assert_int_equal(insn_decode(&out, mode, bytes, sizeof(bytes)), OK);                         \
		assert_int_equal(out.len, sizeof(bytes));                                                    \
		out;                                                                                         \
	})

static void test_fields(void **state)
{
	struct insn i;

	(void)state;
	/* mov [r9+rcx*8-0x10], r10 */
	i = DECODE(INSN_64, 0x4d, 0x89, 0x54, 0xc9, 0xf0);
	assert_int_equal(i.opcode, 0x89);
	assert_int_equal(i.opsize, 8);
	assert_int_equal(i.reg, 10);
	assert_true(i.has_base && i.has_index && !i.rip_relative);
	assert_int_equal(i.base, 9);
	assert_int_equal(i.index, 1);
	assert_int_equal(i.scale, 3);
	assert_int_equal(i.disp, -16);
	/* mov eax, [rip+0x1234] */
	i = DECODE(INSN_64, 0x8b, 0x05, 0x34, 0x12, 0x00, 0x00);
	assert_true(i.rip_relative && !i.has_base && !i.has_index);
	assert_int_equal(i.disp, 0x1234);
	/* mov dword gs:[0xfee000b0], 0 */
	i = DECODE(INSN_64, 0x65, 0xc7, 0x04, 0x25, 0xb0, 0x00, 0xe0, 0xfe, 0, 0, 0, 0);
	assert_int_equal(i.seg, SEG_GS);
	assert_true(!i.has_base && !i.has_index && !i.rip_relative);
	assert_int_equal(i.disp, (int64_t)(int32_t)0xfee000b0);
	/* A REX prefix before another prefix doesn't count. */
	i = DECODE(INSN_64, 0x48, 0x66, 0x89, 0xc8);
	assert_int_equal(i.opsize, 2);
	/* mov cr0, rax with mod 0 takes no memory operand */
	i = DECODE(INSN_64, 0x0f, 0x22, 0x04);
	assert_int_equal(i.mod, 3);
	assert_int_equal(i.rm, 4);
	/* mov [bp+di+0x1234], al */
	i = DECODE(INSN_16, 0x88, 0x83, 0x34, 0x12);
	assert_int_equal(i.addrsize, 2);
	assert_int_equal(i.base, 5);
	assert_int_equal(i.index, 7);
	assert_int_equal(i.disp, 0x1234);
	/* movabs al, [...] */
	i = DECODE(INSN_64, 0xa0, 1, 2, 3, 4, 5, 6, 7, 8);
	assert_int_equal(i.disp, 0x0807060504030201);
	/* enter 0x1234, 5; ljmp 0x1234:0x56789abc */
	i = DECODE(INSN_32, 0xc8, 0x34, 0x12, 5);
	assert_int_equal(i.imm, 0x1234);
	assert_int_equal(i.imm2, 5);
	i = DECODE(INSN_32, 0xea, 0xbc, 0x9a, 0x78, 0x56, 0x34, 0x12);
	assert_int_equal(i.imm, 0x56789abc);
	assert_int_equal(i.imm2, 0x1234);
	/* vmovdqu ymm8, [r9] */
	i = DECODE(INSN_64, 0xc4, 0x41, 0x7e, 0x6f, 0x01);
	assert_int_equal(i.encoding, INSN_VEX);
	assert_int_equal(i.reg, 8);
	assert_int_equal(i.base, 9);
}

static void test_bad(void **state)
{
	static const uint8_t prefixes[INSN_MAX] = {0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
						   0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66};
	static const uint8_t too_long[INSN_MAX] = {0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
						   0x66, 0x66, 0x66, 0x66, 0x81, 0x00, 0x00};
	static const uint8_t pusha[] = {0x60};
	static const uint8_t rex_vex[] = {0x48, 0xc5, 0xf8, 0x77};
	struct insn i;

	(void)state;
	assert_int_equal(insn_decode(&i, INSN_64, prefixes, sizeof(prefixes)), ERR_INVAL);
	assert_int_equal(insn_decode(&i, INSN_64, too_long, sizeof(too_long)), ERR_INVAL);
	assert_int_equal(insn_decode(&i, INSN_64, pusha, sizeof(pusha)), ERR_INVAL);
	assert_int_equal(insn_decode(&i, INSN_32, pusha, sizeof(pusha)), OK);
	assert_int_equal(insn_decode(&i, INSN_64, rex_vex, sizeof(rex_vex)), ERR_INVAL);
	assert_int_equal(insn_decode(&i, INSN_64, pusha, 0), ERR_RANGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_zydis_64), cmocka_unit_test(test_zydis_32), cmocka_unit_test(test_zydis_16),
	    cmocka_unit_test(test_fields),   cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
