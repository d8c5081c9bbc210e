/* SPDX-License-Identifier: BSD-2-Clause */
/* GUID partition tables: whole ones, and broken in every way that has a check. */
#include "support.h"

#include <stdlib.h>
#include <string.h>
#include "hv/io/gpt.h"
#include "hv/lib/crc32.h"
#include "hv/lib/util.h"

#define BLOCKS       256
#define ENTRIES      128
#define NAME_AT      56 /* in an entry */
#define FIRST_AT     32
#define LAST_AT      40

/* In a header. */
#define CRC_AT       16
#define MY_LBA_AT    24
#define FIRST_USABLE 40
#define LAST_USABLE  48
#define ENTRIES_LBA  72
#define COUNT_AT     80
#define SIZE_AT      84
#define ENTRIES_CRC  88

static uint8_t image[BLOCKS * 4096], block[4096];
static uint32_t block_size;
static uint64_t broken_block; /* can't be read */
static unsigned reads;
static struct gpt_disk disk;
static struct gpt gpt;
static struct gpt_partition part;

static enum status read_image(struct gpt_disk *d, uint64_t lba)
{
	assert_true(lba < d->blocks);
	reads++;
	if (lba == broken_block)
		return ERR_NOENT;
	memcpy(d->block, image + lba * d->block_size, d->block_size);
	return OK;
}

static void put(void *at, uint64_t value, size_t n)
{
	memcpy(at, &value, n);
}

static uint8_t *header(bool backup)
{
	return image + (backup ? BLOCKS - 1 : 1) * block_size;
}

static uint64_t entries_lba(bool backup)
{
	return backup ? BLOCKS - 1 - ENTRIES * 128 / block_size : 2;
}

static uint8_t *entry(bool backup, unsigned n)
{
	return image + entries_lba(backup) * block_size + n * 128;
}

/* Makes the sums right again. */
static void seal(bool backup)
{
	uint8_t *h = header(backup);

	put(h + ENTRIES_CRC, crc32(0, entry(backup, 0), ENTRIES * 128), 4);
	put(h + CRC_AT, 0, 4);
	put(h + CRC_AT, crc32(0, h, 92), 4);
}

static void put_entry(unsigned n, uint64_t first, uint64_t last, const char *name)
{
	for (unsigned backup = 0; backup < 2; backup++) {
		uint8_t *e = entry(backup, n);

		memset(e, 0, 128);
		memset(e, 0xaf, 16);
		memset(e + 16, (int)n + 1, 16);
		put(e + FIRST_AT, first, 8);
		put(e + LAST_AT, last, 8);
		for (unsigned i = 0; name[i]; i++)
			e[NAME_AT + 2 * i] = name[i];
		seal(backup);
	}
}

static void make(uint32_t size)
{
	block_size = size;
	broken_block = UINT64_MAX;
	reads = 0;
	memset(image, 0, sizeof(image));
	image[446 + 4] = 0xee;
	image[510] = 0x55;
	image[511] = 0xaa;
	for (unsigned backup = 0; backup < 2; backup++) {
		uint8_t *h = header(backup);

		memcpy(h, "EFI PART", 8);
		put(h + 8, 0x10000, 4);
		put(h + 12, 92, 4);
		put(h + MY_LBA_AT, backup ? BLOCKS - 1 : 1, 8);
		put(h + 32, backup ? 1 : BLOCKS - 1, 8);
		put(h + FIRST_USABLE, 40, 8);
		put(h + LAST_USABLE, 200, 8);
		put(h + ENTRIES_LBA, entries_lba(backup), 8);
		put(h + COUNT_AT, ENTRIES, 4);
		put(h + SIZE_AT, 128, 4);
		seal(backup);
	}
	put_entry(0, 40, 49, "boot");
	put_entry(2, 50, 99, "root");
	put_entry(3, 200, 200, "last");
	disk = (struct gpt_disk){.read = read_image, .blocks = BLOCKS, .block_size = size, .block = block};
}

static enum status by_name(const char *name)
{
	return gpt_find(&gpt, &(struct gpt_wanted){.name = name}, &part);
}

static enum status by_number(uint32_t n)
{
	return gpt_find(&gpt, &(struct gpt_wanted){.number = n}, &part);
}

static void test_crc(void **state)
{
	assert_int_equal(crc32(0, "", 0), 0);
	assert_int_equal(crc32(0, "123456789", 9), 0xcbf43926);
	assert_int_equal(crc32(crc32(0, "1234", 4), "56789", 5), 0xcbf43926);
}

static void test_whole(void **state)
{
	for (uint32_t size = 512; size <= 4096; size *= 2) {
		uint8_t guid[16];
		uint32_t at = 0;

		make(size);
		assert_int_equal(gpt_open(&gpt, &disk), OK);
		assert_false(gpt.backup);
		assert_int_equal(by_name("root"), OK);
		assert_int_equal(part.number, 3);
		assert_int_equal(part.first, 50);
		assert_int_equal(part.last, 99);
		assert_int_equal(by_number(1), OK);
		assert_string_equal(part.name, "boot");
		memset(guid, 4, sizeof(guid));
		assert_int_equal(gpt_find(&gpt, &(struct gpt_wanted){.guid = guid}, &part), OK);
		assert_string_equal(part.name, "last");
		assert_int_equal(by_name("Root"), ERR_NOENT);
		assert_int_equal(by_number(2), ERR_NOENT);
		assert_int_equal(by_number(129), ERR_NOENT);
		for (unsigned n = 0; n < 3; n++)
			assert_int_equal(gpt_next(&gpt, &at, &part), OK);
		assert_int_equal(gpt_next(&gpt, &at, &part), ERR_NOENT);
	}
}

static void test_none(void **state)
{
	make(512);
	image[446 + 4] = 0x83;
	assert_int_equal(gpt_open(&gpt, &disk), ERR_NOENT);
	image[446 + 3 * 16 + 4] = 0xee;
	assert_int_equal(gpt_open(&gpt, &disk), OK);
	image[510] = 0;
	assert_int_equal(gpt_open(&gpt, &disk), ERR_NOENT);
	make(512);
	memset(header(false), 0, 8);
	memset(header(true), 0, 8);
	assert_int_equal(gpt_open(&gpt, &disk), ERR_NOENT);
	disk.blocks = 2;
	assert_int_equal(gpt_open(&gpt, &disk), ERR_NOENT);
}

/* Each field of the header, wrong with right sums: the backup is taken, and where that is wrong too, none. */
static void test_fields(void **state)
{
	static const struct {
		unsigned at, n;
		uint64_t value;
	} wrong[] = {
	    {8, 4, 0x20000},
	    {12, 4, 91},
	    {12, 4, 4097},
	    {MY_LBA_AT, 8, 7},
	    {FIRST_USABLE, 8, 1},
	    {FIRST_USABLE, 8, 201},
	    {FIRST_USABLE, 8, 3},
	    {LAST_USABLE, 8, BLOCKS},
	    {LAST_USABLE, 8, BLOCKS - 1},
	    {LAST_USABLE, 8, UINT64_MAX},
	    {ENTRIES_LBA, 8, 0},
	    {ENTRIES_LBA, 8, 1},
	    {ENTRIES_LBA, 8, 60},
	    {ENTRIES_LBA, 8, BLOCKS},
	    {ENTRIES_LBA, 8, BLOCKS - 1},
	    {ENTRIES_LBA, 8, UINT64_MAX},
	    {ENTRIES_LBA, 8, UINT64_MAX - 31},
	    {COUNT_AT, 4, 0},
	    {COUNT_AT, 4, 129},
	    {COUNT_AT, 4, UINT32_MAX},
	    {COUNT_AT, 4, 1 << 25},
	    {SIZE_AT, 4, 0},
	    {SIZE_AT, 4, 64},
	    {SIZE_AT, 4, 192},
	    {SIZE_AT, 4, 1024},
	    {SIZE_AT, 4, 0x80000000},
	};

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		make(512);
		put(header(false) + wrong[i].at, wrong[i].value, wrong[i].n);
		seal(false);
		assert_int_equal(gpt_open(&gpt, &disk), OK);
		assert_true(gpt.backup);
		assert_int_equal(by_name("root"), OK);
		assert_int_equal(part.first, 50);
		memset(header(true), 0, 8);
		assert_int_equal(gpt_open(&gpt, &disk), ERR_INVAL);
		assert_in_range(reads, 1, 1000);
	}
}

static void test_damage(void **state)
{
	make(512);
	header(false)[60] ^= 1; /* the disk's GUID: by the sum alone */
	assert_int_equal(gpt_open(&gpt, &disk), OK);
	assert_true(gpt.backup);
	make(512);
	entry(false, 127)[127] ^= 1;
	assert_int_equal(gpt_open(&gpt, &disk), OK);
	assert_true(gpt.backup);
	entry(true, 0)[0] ^= 1;
	assert_int_equal(gpt_open(&gpt, &disk), ERR_INVAL);
	make(512);
	memset(header(false), 0, 512);
	entry(true, 0)[0] ^= 1;
	assert_int_equal(gpt_open(&gpt, &disk), ERR_INVAL);
}

static void test_io_errors(void **state)
{
	make(512);
	broken_block = 0;
	assert_int_equal(gpt_open(&gpt, &disk), ERR_IO);
	for (broken_block = 1; broken_block < 2 + ENTRIES / 4; broken_block++) {
		assert_int_equal(gpt_open(&gpt, &disk), OK);
		assert_true(gpt.backup);
	}
	broken_block = 1;
	memset(header(true), 0, 512);
	assert_int_equal(gpt_open(&gpt, &disk), ERR_IO);
	make(512);
	assert_int_equal(gpt_open(&gpt, &disk), OK);
	broken_block = 2 + ENTRIES / 4 - 1;
	assert_int_equal(by_name("root"), ERR_IO);
	assert_int_equal(by_name("none"), ERR_IO);
}

static void test_places(void **state)
{
	static const struct {
		uint64_t first, last;
		enum status status;
	} places[] = {
	    {100, 199, OK},        {100, 200, ERR_INVAL}, {99, 120, ERR_INVAL},         {39, 39, ERR_INVAL},
	    {201, 201, ERR_INVAL}, {120, 119, ERR_INVAL}, {0, UINT64_MAX, ERR_INVAL},   {60, 70, ERR_INVAL},
	    {45, 60, ERR_INVAL},   {100, 100, OK},        {150, UINT64_MAX, ERR_INVAL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		make(512);
		put_entry(7, places[i].first, places[i].last, "new");
		assert_int_equal(gpt_open(&gpt, &disk), OK);
		assert_int_equal(by_name("new"), places[i].status);
		assert_int_equal(by_number(8), places[i].status);
	}
	make(512);
	put_entry(7, 100, 120, "root");
	assert_int_equal(gpt_open(&gpt, &disk), OK);
	assert_int_equal(by_name("root"), ERR_EXIST);
	assert_int_equal(by_number(8), OK);
}

static void check_name(const uint16_t units[static 36], const char *want)
{
	make(512);
	memcpy(entry(false, 0) + NAME_AT, units, 72);
	seal(false);
	assert_int_equal(gpt_open(&gpt, &disk), OK);
	assert_int_equal(by_number(1), OK);
	assert_string_equal(part.name, want);
	assert_int_equal(by_name(want), OK);
}

static void test_names(void **state)
{
	uint16_t full[36];
	char want[109] = "";

	check_name((uint16_t[36]){'a', 0xe4, 0x20ac, 0xd83d, 0xde00, 0, 'x'}, "a\u00e4\u20ac\U0001F600");
	check_name((uint16_t[36]){0xd83d, 'b', 0xde00, 0x1b, 0x7f, 0x9b, ' '},
		   "\ufffdb\ufffd\ufffd\ufffd\ufffd ");
	check_name((uint16_t[36]){0}, "");
	for (unsigned i = 0; i < 36; i++) {
		full[i] = 0xffff;
		strcat(want, "\uffff");
	}
	check_name(full, want);
	full[35] = 0xd83d;
	strcpy(want + 105, "\ufffd");
	check_name(full, want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_crc),    cmocka_unit_test(test_whole),  cmocka_unit_test(test_none),
	    cmocka_unit_test(test_fields), cmocka_unit_test(test_damage), cmocka_unit_test(test_io_errors),
	    cmocka_unit_test(test_places), cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
