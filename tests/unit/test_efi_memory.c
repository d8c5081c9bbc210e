/* SPDX-License-Identifier: BSD-2-Clause */
/* boot/efi/memory.c: the firmware's map as boot_info has it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "boot/efi/memory.h"

struct descriptor {
	uint32_t type, padding;
	uint64_t pa, va, pages, attribute;
	uint64_t newer_field; /* firmware's descriptors may be longer than ours */
};

#define RUNTIME (1ull << 63)

static struct boot_info info;

static bool convert(const struct descriptor *d, size_t n)
{
	memset(&info, 0, sizeof(info));
	return efi_memory_convert(&info, d, n * sizeof(*d), sizeof(*d));
}

static void expect(uint32_t i, uint64_t base, uint64_t len, enum boot_mem_type type)
{
	assert_true(i < info.mem_count);
	assert_int_equal(info.mem[i].base, base);
	assert_int_equal(info.mem[i].len, len);
	assert_int_equal(info.mem[i].type, type);
}

static void test_types(void **state)
{
	static const struct {
		uint32_t efi;
		enum boot_mem_type type;
	} map[] = {
	    {0, BOOT_MEM_RESERVED},  {1, BOOT_MEM_RAM},
	    {2, BOOT_MEM_RAM},       {3, BOOT_MEM_RAM},
	    {4, BOOT_MEM_RAM},       {5, BOOT_MEM_RUNTIME},
	    {6, BOOT_MEM_RUNTIME},   {7, BOOT_MEM_RAM},
	    {8, BOOT_MEM_BAD},       {9, BOOT_MEM_ACPI_RECLAIM},
	    {10, BOOT_MEM_NVS},      {11, BOOT_MEM_RESERVED},
	    {12, BOOT_MEM_RESERVED}, {13, BOOT_MEM_RESERVED},
	    {14, BOOT_MEM_RESERVED}, {0x80000001, BOOT_MEM_RESERVED},
	};

	for (size_t i = 0; i < sizeof(map) / sizeof(*map); i++) {
		struct descriptor d = {.type = map[i].efi, .pa = 0x1000, .pages = 3};

		assert_true(convert(&d, 1));
		expect(0, 0x1000, 0x3000, map[i].type);
	}
}

static void test_runtime_attribute(void **state)
{
	struct descriptor d = {.type = 4, .pa = 0x1000, .pages = 1, .attribute = RUNTIME};

	assert_true(convert(&d, 1));
	expect(0, 0x1000, 0x1000, BOOT_MEM_RUNTIME);
}

static void test_merges(void **state)
{
	static const struct descriptor d[] = {
	    {.type = 7, .pa = 0, .pages = 1},      {.type = 4, .pa = 0x1000, .pages = 2},
	    {.type = 9, .pa = 0x3000, .pages = 1}, {.type = 7, .pa = 0x4000, .pages = 0},
	    {.type = 7, .pa = 0x4000, .pages = 1}, {.type = 7, .pa = 0x6000, .pages = 1},
	};

	assert_true(convert(d, 6));
	assert_int_equal(info.mem_count, 4);
	expect(0, 0, 0x3000, BOOT_MEM_RAM);
	expect(1, 0x3000, 0x1000, BOOT_MEM_ACPI_RECLAIM);
	expect(2, 0x4000, 0x1000, BOOT_MEM_RAM);
	expect(3, 0x6000, 0x1000, BOOT_MEM_RAM);
}

static void test_broken(void **state)
{
	static struct descriptor many[BOOT_MEM_MAX + 1];
	struct descriptor wraps[] = {{.type = 7, .pa = 0x1000, .pages = UINT64_MAX / 4096},
				     {.type = 7, .pa = 0x2000, .pages = 1}};

	assert_false(convert(wraps, 2));
	assert_string_not_equal(info.error, "");
	assert_int_equal(info.mem_count, 1);

	for (uint32_t i = 0; i <= BOOT_MEM_MAX; i++)
		many[i] = (struct descriptor){.type = 7, .pa = i * 0x2000ull, .pages = 1};
	assert_true(convert(many, BOOT_MEM_MAX));
	assert_false(convert(many, BOOT_MEM_MAX + 1));
	assert_int_equal(info.mem_count, BOOT_MEM_MAX);
	assert_string_not_equal(info.error, "");

	memset(&info, 0, sizeof(info));
	assert_false(efi_memory_convert(&info, many, 320, 32));
	assert_int_equal(info.mem_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_types),
	    cmocka_unit_test(test_runtime_attribute),
	    cmocka_unit_test(test_merges),
	    cmocka_unit_test(test_broken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
