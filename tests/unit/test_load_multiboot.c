/* SPDX-License-Identifier: BSD-2-Clause */
/* Multiboot 1 kernels: with address fields, and as ELF; what they are told; hostile headers. */
#include "fake_elf.h"

#define MAGIC  0x1badb002
#define HEADER 0x404 /* in the file */

static uint8_t module_data[0x1001];

static void flags(unsigned at, uint32_t value)
{
	put(at, MAGIC, 4);
	put(at + 4, value, 4);
	put(at + 8, -(MAGIC + value), 4);
}

/* From offset 0x400 on, to 1 MiB, with bss. */
static void good_fields(void)
{
	elf_begin(true, 0);
	memset(image, 0, 16);
	flags(HEADER, 0x10003);
	put(HEADER + 12, 0x100004, 4);
	put(HEADER + 16, 0x100000, 4);
	put(HEADER + 20, 0x101000, 4);
	put(HEADER + 24, 0x103000, 4);
	put(HEADER + 28, 0x100020, 4);
	fake_module("one", "its arguments", module_data, sizeof(module_data));
	fake_module("two", "", module_data, 1);
}

static void good_elf(bool is64)
{
	elf_begin(is64, 0x80200010);
	elf_segment(1, 0x1000, 0x80200000, 0x200000, 0x1000, 0x2000);
	flags(HEADER, 3);
}

static void test_fields(void **state)
{
	uint64_t at, list, map;

	good_fields();
	memset(fake_vm.mem.base + 0x100000, 0xee, 0x8000);
	fake_load_all();
	assert_ptr_equal(fake_load.format, &load_multiboot);
	assert_memory_equal(fake_vm.mem.base + 0x100000, image + 0x400, 0x1000);
	for (unsigned i = 0x1000; i < 0x3000; i++)
		assert_int_equal(fake_vm.mem.base[0x100000 + i], 0);
	assert_int_equal(fake_vcpu.rip, 0x100020);
	assert_int_equal(fake_vcpu.gpr[RAX], 0x2badb002);
	assert_int_equal(fake_seg[SEG_CS].attr, 0xc09b);
	at = fake_vcpu.gpr[RBX];
	assert_int_equal(fake_peek(at, 4), 0x24d);
	assert_int_equal(fake_peek(at + 4, 4), 636);
	assert_int_equal(fake_peek(at + 8, 4), (FAKE_MEMORY >> 10) - 1024);
	assert_string_equal((char *)fake_vm.mem.base + fake_peek(at + 16, 4), "console=ttyS0");
	assert_int_equal(fake_peek(at + 20, 4), 2);
	list = fake_peek(at + 24, 4);
	assert_int_equal(fake_peek(list, 4), 0x103000);
	assert_int_equal(fake_peek(list + 4, 4), 0x104001);
	assert_string_equal((char *)fake_vm.mem.base + fake_peek(list + 8, 4), "its arguments");
	assert_int_equal(fake_peek(list + 16, 4), 0x105000);
	map = fake_peek(at + 48, 4);
	assert_int_equal(fake_peek(at + 44, 4), 4 * 24);
	assert_int_equal(fake_peek(map, 4), 20);
	assert_int_equal(fake_peek(map + 12, 8), 0x9f000);
	assert_int_equal(fake_peek(map + 72 + 4, 8), 0x100000);
	assert_int_equal(fake_peek(map + 72 + 20, 4), 1);
	assert_string_equal((char *)fake_vm.mem.base + fake_peek(at + 64, 4), "Ingot");
}

/* Without an end: all of the file; without bss: nothing behind it. */
static void test_open_ends(void **state)
{
	good_fields();
	put(HEADER + 20, 0, 4);
	put(HEADER + 24, 0, 4);
	assert_int_equal(fake_plan(), OK);
	assert_int_equal(fake_load.part[0].data_size, sizeof(image) - 0x400);
	assert_int_equal(fake_load.part[0].size, sizeof(image) - 0x400);
	put(HEADER + 24, 0x103000, 4);
	assert_int_equal(fake_plan(), OK);
	assert_int_equal(fake_load.part[0].size, 0x3000);
}

static void test_elf(void **state)
{
	for (unsigned is64 = 0; is64 < 2; is64++) {
		good_elf(is64);
		fake_load_all();
		assert_ptr_equal(fake_load.format, &load_multiboot);
		assert_int_equal(fake_vcpu.rip, 0x200010); /* the virtual entry point, as a physical one */
		assert_memory_equal(fake_vm.mem.base + 0x200000, image + 0x1000, 0x1000);
	}
	/* Physical already */
	good_elf(true);
	put(24, 0x200030, 8);
	fake_load_all();
	assert_int_equal(fake_vcpu.rip, 0x200030);
	put(24, 0x202000, 8);
	fake_refused("kernel", "entry point 0x202000");
	image[0] = 0;
	fake_refused("kernel", "no addresses, but it is not an ELF file");
}

static void test_demands(void **state)
{
	good_fields();
	flags(HEADER, 0x10007);
	fake_refused("kernel", "demands a video mode");
	flags(HEADER, 0x1000b);
	fake_refused("kernel", "demands what nobody knows");
	flags(HEADER, 0x18003);
	fake_refused("kernel", "demands what nobody knows");
	flags(HEADER, 0xffff0003); /* the upper half is offers */
	assert_int_equal(fake_plan(), OK);
}

static void test_hostile(void **state)
{
	static const struct {
		unsigned at;
		uint32_t value;
		const char *text;
	} bad[] = {
	    {12, 0xfffff, "before the file's begin"},
	    {12, 0x100405, "before the file's begin"},
	    {16, 0x100005, "before the file's begin"},
	    {16, 0, "before the file's begin"},
	    {20, 0xfffff, "load_end_addr"},
	    {20, 0x102c01, "truncated"},
	    {20, 0xffffffff, "truncated"},
	    {24, 0x100fff, "bss_end_addr"},
	    {24, 0xfffff, "bss_end_addr"},
	    {24, 0xffffffff, "not all RAM"},
	    {28, 0xfffff, "entry point"},
	    {28, 0x103000, "entry point"},
	};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		good_fields();
		put(HEADER + bad[i].at, bad[i].value, 4);
		fake_refused("kernel", bad[i].text);
	}
	/* Beyond the first 8 KiB, without its right checksum, cut off. */
	good_fields();
	put(HEADER, 0, 4);
	flags(8192 - 8, 3);
	fake_refused("kernel", "no kind");
	good_fields();
	put(HEADER + 8, 0, 4);
	fake_refused("kernel", "no kind");
	good_fields();
	fake_files[0].size = HEADER + 28;
	fake_refused("kernel", "no kind");
}

static void test_damage(void **state)
{
	good_fields();
	for (size_t n = 0; n < 0x1400; n += n < HEADER + 64 ? 1 : 61)
		assert_int_not_equal(fake_try(image, n), OK);
	assert_int_equal(fake_try(image, 0x1400), OK);
	for (unsigned n = 0; n < 1000; n++) {
		uint64_t seed = n * 0x9e3779b97f4a7c15 + 1;

		good_fields();
		for (unsigned k = 0; k < 2; k++)
			put(HEADER + 12 + test_random(&seed) % 5 * 4, fake_nasty(&seed), 4);
		(void)!fake_try(image, sizeof(image));
	}
	good_elf(false);
	fake_damage(image, sizeof(image), 0x100, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_fields),  cmocka_unit_test(test_open_ends), cmocka_unit_test(test_elf),
	    cmocka_unit_test(test_demands), cmocka_unit_test(test_hostile),   cmocka_unit_test(test_damage),
	};

	return cmocka_run_group_tests_name("load_multiboot", tests, NULL, NULL);
}
