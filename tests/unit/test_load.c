/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/load.c: which format a file is, where parts may lie, and copying in steps. */
#include "fake_load.h"

static uint8_t image[0x4000], module_data[0x1800];

/* The heads of the formats, by hand. */
static void put(unsigned at, uint64_t value, unsigned size)
{
	memcpy(image + at, &value, size);
}

static void boot_sector(void)
{
	put(510, 0xaa55, 2);
}

static void multiboot_at(unsigned at)
{
	put(at, 0x1badb002, 4);
	put(at + 4, 0x10000, 4);
	put(at + 8, -(0x1badb002 + 0x10000), 4);
	put(at + 12, 0x100000 + at, 4);
	put(at + 16, 0x100000, 4);
	put(at + 28, 0x100000, 4);
}

static void multiboot2_at(unsigned at)
{
	put(at, 0xe85250d6, 4);
	put(at + 8, 64, 4);
	put(at + 12, -(0xe85250d6 + 64), 4);
	put(at + 16, 24UL << 32 | 2, 8);
	put(at + 24, 0x100000 + at, 4);
	put(at + 28, 0x100000, 4);
	put(at + 40, 12UL << 32 | 3, 8);
	put(at + 48, 0x100000, 4);
	put(at + 56, 8UL << 32, 8);
}

static int setup(void **state)
{
	memset(image, 0, sizeof(image));
	memset(module_data, 0x66, sizeof(module_data));
	fake_load_new(image, sizeof(image));
	return 0;
}

static void test_detect(void **state)
{
	fake_refused("kernel", "no kind of kernel");
	boot_sector();
	assert_int_equal(fake_plan(), OK);
	assert_ptr_equal(fake_load.format, &load_flat);
	multiboot_at(0x1ffc - 28); /* whole within 8 KiB */
	assert_int_equal(fake_plan(), OK);
	assert_ptr_equal(fake_load.format, &load_multiboot);
	multiboot2_at(0x2008);
	assert_int_equal(fake_plan(), OK);
	assert_ptr_equal(fake_load.format, &load_multiboot2);
	/* The words of the configuration. */
	fake_cfg.boot = BOOT_MULTIBOOT;
	assert_int_equal(fake_plan(), OK);
	assert_ptr_equal(fake_load.format, &load_multiboot);
	fake_cfg.boot = BOOT_FLAT;
	assert_int_equal(fake_plan(), OK);
	assert_ptr_equal(fake_load.format, &load_flat);
}

static void test_wrong_word(void **state)
{
	fake_cfg.boot = BOOT_PVH;
	fake_refused("kernel", "it is not an ELF kernel with a PVH note: boot = pvh is wrong");
	boot_sector();
	fake_cfg.boot = BOOT_LINUX;
	fake_refused("kernel", "it is a boot sector, not a Linux bzImage: boot = linux is wrong");
	fake_cfg.boot = BOOT_MULTIBOOT2;
	fake_refused("kernel", "it is a boot sector, not a Multiboot 2 kernel: boot = multiboot2 is wrong");
	fake_cfg.boot = BOOT_FLAT;
	image[511] = 0; /* any file is a flat image, if it is said so */
	assert_int_equal(fake_plan(), OK);
}

static void test_missing_files(void **state)
{
	boot_sector();
	strcpy(fake_cfg.kernel, "nothere");
	assert_int_equal(fake_plan(), ERR_NOENT);
	assert_string_equal(fake_why, "file nothere was not loaded by the boot loader");
	strcpy(fake_cfg.kernel, "kernel");
	strcpy(fake_cfg.initrd, "initrd.img");
	assert_int_equal(fake_plan(), ERR_NOENT);
	assert_non_null(strstr(fake_why, "initrd.img"));
}

/* Parts, planned as a format does. */
static enum status part(uint64_t at, uint64_t data_size, uint64_t size)
{
	return load_add_part(&fake_load, &fake_files[0], at, 0, data_size, size);
}

static void test_where_parts_may_lie(void **state)
{
	static const struct {
		uint64_t at, size;
		bool ok;
	} cases[] = {
	    {0, 0x1000, true},
	    {0x9e000, 0x1000, true},
	    {0x9e001, 0x1000, false}, /* reaches into the FACS's page */
	    {0x9f000, 1, false},
	    {0x9ffff, 1, false},
	    {0xa0000, 1, false}, /* VGA */
	    {0xc0000, 1, false}, /* ROM */
	    {0xfffff, 2, false},
	    {0x100000, FAKE_MEMORY - 0x100000, true},
	    {0x100000, FAKE_MEMORY - 0x100000 + 1, false},
	    {FAKE_MEMORY - 1, 1, true},
	    {FAKE_MEMORY, 1, false},
	    {0x100000, ~0UL, false},
	    {0x100000, ~0UL - 0xfffff, false},
	    {~0UL, 1, false},
	    {~0UL - 1, 0x200000, false},
	};

	boot_sector();
	assert_int_equal(fake_plan(), OK);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fake_load.part_count = 0;
		assert_int_equal(part(cases[i].at, 0, cases[i].size), cases[i].ok ? OK : ERR_NOMEM);
		assert_int_equal(load_is_ram(&fake_vm.mem, cases[i].at, cases[i].size), cases[i].ok);
	}
}

static void test_overlap(void **state)
{
	boot_sector();
	assert_int_equal(fake_plan(), OK);
	fake_load.part_count = 0;
	assert_int_equal(part(0x200000, 16, 0x1000), OK);
	assert_int_equal(part(0x1ff000, 16, 0x1000), OK);
	assert_int_equal(part(0x201000, 16, 0x1000), OK);
	assert_int_equal(part(0x200fff, 1, 1), ERR_INVAL);
	assert_string_equal(fake_why, "kernel: its parts at 0x200000 and 0x200fff overlap");
	assert_int_equal(part(0x1fefff, 1, 2), ERR_INVAL);
	assert_int_equal(part(0x1fe000, 1, 0x10000), ERR_INVAL);
	assert_int_equal(fake_load.part_count, 3);
	for (unsigned i = 3; i < sizeof(fake_load.part) / sizeof(fake_load.part[0]); i++)
		assert_int_equal(part(0x300000 + i * 16, 1, 1), OK);
	assert_int_equal(part(0x380000, 1, 1), ERR_INVAL);
}

/* Data and zeros, in steps, over memory that the last run has left dirty. */
static void test_copy(void **state)
{
	const uint64_t at = 0x100123, data = 0x3001, size = 0x123456;
	unsigned steps = 0;

	boot_sector();
	memset(image + 512, 0x77, sizeof(image) - 512);
	assert_int_equal(fake_plan(), OK);
	memset(fake_vm.mem.base, 0xdd, FAKE_MEMORY);
	fake_load.part_count = 0;
	assert_int_equal(part(at, data, size), OK);
	while (load_step(&fake_load) == ERR_AGAIN)
		assert_true(++steps < 100);
	assert_true(steps >= size / KIB(256));
	assert_memory_equal(fake_vm.mem.base + at, image, data);
	for (uint64_t i = data; i < size; i++)
		assert_int_equal(fake_vm.mem.base[at + i], 0);
	assert_int_equal(fake_vm.mem.base[at - 1], 0xdd);
	assert_int_equal(fake_vm.mem.base[at + size], 0xdd);
}

static void test_modules(void **state)
{
	multiboot_at(0);
	strcpy(fake_cfg.initrd, "initrd.img");
	fake_file("initrd.img", module_data, 0);
	fake_module("a", "one", module_data, sizeof(module_data));
	fake_module("b", "", module_data, 1);
	fake_load_all();
	/* The kernel ends at 0x104000. An empty module takes no room. */
	assert_int_equal(fake_load.module[0].gpa, 0x104000);
	assert_int_equal(fake_load.module[1].gpa, 0x104000);
	assert_int_equal(fake_load.module[2].gpa, 0x106000);
	assert_int_equal(fake_load.info, 0x1000);
	assert_memory_equal(fake_vm.mem.base + 0x104000, module_data, sizeof(module_data));
	/* One that does not fit. */
	fake_files[2].size = FAKE_MEMORY - 0x100000;
	fake_refused("a", "do not fit in memory behind kernel");
	fake_files[2].size = FAKE_MEMORY - 0x104000; /* the last byte; then there is no room for the next */
	fake_refused("b", "do not fit");
	fake_cfg.module_count = 1;
	assert_int_equal(fake_plan(), OK);
}

/* What the kernel is told lies where the kernel is not. */
static void test_info_place(void **state)
{
	multiboot_at(0);
	put(12, 0x2000, 4);
	put(16, 0x2000, 4);
	put(24, 0x9f000, 4); /* bss: all of the low memory */
	put(28, 0x2000, 4);
	fake_load_all();
	assert_int_equal(fake_load.info, 0x100000);
	put(24, 0x8000, 4);
	fake_load_all();
	assert_int_equal(fake_load.info, 0x8000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_detect, setup),
	    cmocka_unit_test_setup(test_wrong_word, setup),
	    cmocka_unit_test_setup(test_missing_files, setup),
	    cmocka_unit_test_setup(test_where_parts_may_lie, setup),
	    cmocka_unit_test_setup(test_overlap, setup),
	    cmocka_unit_test_setup(test_copy, setup),
	    cmocka_unit_test_setup(test_modules, setup),
	    cmocka_unit_test_setup(test_info_place, setup),
	};

	return cmocka_run_group_tests_name("load", tests, NULL, NULL);
}
