/* SPDX-License-Identifier: BSD-2-Clause */
/* drivers/ata_identify.c: what disks say of themselves, and what none may say. */
#include "support.h"

#include <string.h>
#include "drivers/ata_identify.h"

static uint16_t word[ATA_IDENTIFY_WORDS];
static struct ata_identity id;

static int setup(void **state)
{
	memset(word, 0, sizeof(word));
	word[49] = 3 << 8;
	word[60] = 0x5678;
	word[61] = 0x0123;
	word[63] = 0x0107;
	word[83] = 0x7400;
	word[84] = 0x4040;
	word[85] = 0x20;
	word[87] = 0x4000;
	word[100] = 0x5678;
	word[101] = 0x1234;
	word[102] = 2;
	return 0;
}

static void seal(void)
{
	uint8_t sum = 0;

	word[255] = 0xa5;
	for (unsigned i = 0; i < ATA_IDENTIFY_WORDS; i++)
		sum = (uint8_t)(sum + word[i] + (word[i] >> 8));
	word[255] |= (uint16_t)((uint8_t)-sum << 8);
}

static enum status parse(void)
{
	return ata_identify_parse(word, &id);
}

static void test_disk(void **state)
{
	assert_int_equal(parse(), OK);
	assert_true(id.lba48 && id.flush && id.write_cache && id.fua && id.dma_selected);
	assert_int_equal(id.sectors, 0x212345678);
	assert_int_equal(id.logical_size, 512);
	assert_int_equal(id.physical_size, 512);
	assert_int_equal(id.multiword_dma, 7);
	assert_string_equal(id.model, "");
	seal();
	assert_int_equal(parse(), OK);
	word[100]++;
	assert_int_equal(parse(), ERR_IO);
}

static void test_lba28(void **state)
{
	word[83] = 0x5000;
	assert_int_equal(parse(), OK);
	assert_true(!id.lba48 && !id.fua && id.flush);
	assert_int_equal(id.sectors, 0x1235678);
	word[61] = 0x1000;
	assert_int_equal(parse(), ERR_IO);
	/* What the words that have to be valid don't say, is not there. */
	word[61] = 1;
	word[83] = 0x3400;
	assert_int_equal(parse(), OK);
	assert_true(!id.lba48 && !id.flush && id.write_cache);
	word[85] = 0;
	assert_int_equal(parse(), OK);
	assert_false(id.write_cache);
	word[87] = 0xc000;
	assert_int_equal(parse(), OK);
	assert_true(id.write_cache);
}

static void test_no_disk(void **state)
{
	word[0] = 0x8580;
	assert_int_equal(parse(), ERR_UNSUPPORTED);
	word[0] = 0;
	word[49] = 1 << 8;
	assert_int_equal(parse(), ERR_UNSUPPORTED);
	word[49] = 1 << 9;
	assert_int_equal(parse(), ERR_UNSUPPORTED);
	memset(word, 0xff, sizeof(word));
	assert_int_equal(parse(), ERR_UNSUPPORTED);
}

static void test_sizes(void **state)
{
	static const struct {
		uint16_t size, logical[2];
		uint32_t want_logical, want_physical; /* 0: refused */
	} cases[] = {
	    {0x6003, {0, 0}, 512, 4096},      {0x5000, {2048, 0}, 4096, 4096},
	    {0x7001, {1024, 0}, 2048, 4096},  {0x600f, {0, 0}, 512, 512 << 15},
	    {0x5000, {128, 0}, 0, 0},         {0x5000, {300, 0}, 0, 0},
	    {0x5000, {4096, 0}, 0, 0},        {0x5000, {0, 0x8000}, 0, 0},
	    {0x5000, {0, 0}, 0, 0},           {0x9000, {2048, 0}, 512, 512},
	    {0x5000, {0xffff, 0xffff}, 0, 0},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		word[106] = cases[i].size;
		memcpy(word + 117, cases[i].logical, 4);
		if (!cases[i].want_logical) {
			assert_int_equal(parse(), ERR_UNSUPPORTED);
			continue;
		}
		assert_int_equal(parse(), OK);
		assert_int_equal(id.logical_size, cases[i].want_logical);
		assert_int_equal(id.physical_size, cases[i].want_physical);
		assert_int_equal(id.sectors, 0x212345678 * (id.logical_size / 512));
	}
}

static void test_counts(void **state)
{
	memset(word + 100, 0, 8);
	assert_int_equal(parse(), ERR_IO);
	memset(word + 100, 0xff, 6);
	assert_int_equal(parse(), OK);
	assert_int_equal(id.sectors, 0xffffffffffff);
	word[103] = 1;
	assert_int_equal(parse(), ERR_IO);
}

static void test_texts(void **state)
{
	static const char model[] = "  QEMU HARDDISK  1\x01\xff                      ", serial[] = "QM00001";

	for (unsigned i = 0; i < 40; i++)
		word[27 + i / 2] |= (uint16_t)((uint8_t)model[i] << (i % 2 ? 0 : 8));
	for (unsigned i = 0; i < 8; i++)
		word[10 + i / 2] |= (uint16_t)((uint8_t)serial[i] << (i % 2 ? 0 : 8));
	assert_int_equal(parse(), OK);
	assert_string_equal(id.model, "QEMU HARDDISK  1??");
	assert_string_equal(id.serial, "QM00001");
	/* As long as they may be, with no end. */
	memset(word + 27, 'x', 40);
	assert_int_equal(parse(), OK);
	assert_int_equal(strlen(id.model), 40);
}

/* Whatever the bytes are: what is said is within its bounds. */
static void test_anything(void **state)
{
	uint64_t seed = 4711;

	for (unsigned i = 0; i < 20000; i++) {
		for (unsigned k = 0; k < ATA_IDENTIFY_WORDS; k++)
			word[k] = (uint16_t)test_random(&seed);
		word[0] &= 0x7fff;
		word[49] |= 3 << 8;
		word[83] = (word[83] & 0x3fff) | 0x4000;
		word[103] &= (uint16_t) - (i % 2);
		word[106] &= (uint16_t)(i % 3 ? 0xe00f : 0xffff);
		if (i % 5)
			seal();
		if (parse() != OK)
			continue;
		assert_in_range(id.sectors, 1, 0xffffffffffff * 8);
		assert_in_range(id.logical_size, 512, 4096);
		assert_true(strlen(id.model) <= 40 && strlen(id.serial) <= 20);
	}
}

#define CASE(fn) cmocka_unit_test_setup(fn, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(test_disk),   CASE(test_lba28), CASE(test_no_disk),  CASE(test_sizes),
	    CASE(test_counts), CASE(test_texts), CASE(test_anything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
