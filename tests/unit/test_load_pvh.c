/* SPDX-License-Identifier: BSD-2-Clause */
/* PVH kernels, and with them ELF files of every kind: hv/load_pvh.c, hv/load_elf.c. */
#include "fake_elf.h"

#define NOTES 0x800 /* in the file */
#define ENTRY 0x200010

static uint8_t module_data[100];

/* Text at 2 MiB, data with bss behind it, the note. */
static void good(bool is64)
{
	elf_begin(is64, 0xdead);
	elf_segment(1, 0x1000, 0x80200000, 0x200000, 0x1000, 0x1000);
	elf_segment(1, 0x2000, 0x80201000, 0x201000, 0x800, 0x5000);
	elf_segment(4, NOTES, 0, 0, 20 + 20, 0);
	elf_note_at(NOTES, "GNU", 18, 0x1111, 4);
	elf_note_at(NOTES + 20, "Xen", 18, ENTRY, 4);
	fake_module("initrd", "an argument", module_data, sizeof(module_data));
}

static void test_good(void **state)
{
	for (unsigned is64 = 0; is64 < 2; is64++) {
		uint64_t at, list, map;

		good(is64);
		memset(fake_vm.mem.base + 0x200000, 0xee, 0x10000);
		fake_load_all();
		assert_ptr_equal(fake_load.format, &load_pvh);
		assert_memory_equal(fake_vm.mem.base + 0x200000, image + 0x1000, 0x1800);
		for (unsigned i = 0x1800; i < 0x6000; i++)
			assert_int_equal(fake_vm.mem.base[0x200000 + i], 0);
		assert_int_equal(fake_vcpu.rip, ENTRY);
		at = fake_vcpu.gpr[RBX];
		assert_int_equal(fake_peek(at, 4), 0x336ec578);
		assert_int_equal(fake_peek(at + 4, 8), 1);
		assert_int_equal(fake_peek(at + 12, 4), 1);
		list = fake_peek(at + 16, 8);
		assert_string_equal((char *)fake_vm.mem.base + fake_peek(at + 24, 8), "console=ttyS0");
		assert_int_equal(fake_peek(at + 32, 8), FAKE_RSDP);
		assert_int_equal(fake_peek(list, 8), 0x206000);
		assert_int_equal(fake_peek(list + 8, 8), sizeof(module_data));
		assert_string_equal((char *)fake_vm.mem.base + fake_peek(list + 16, 8), "an argument");
		map = fake_peek(at + 40, 8);
		assert_int_equal(fake_peek(at + 48, 4), 4);
		assert_int_equal(fake_peek(map, 8), 0);
		assert_int_equal(fake_peek(map + 8, 8), 0x9f000);
		assert_int_equal(fake_peek(map + 16, 8), 1);
		assert_int_equal(fake_peek(map + 24 + 16, 4), 4);
		assert_int_equal(fake_peek(map + 72 + 8, 8), FAKE_MEMORY - 0x100000);
	}
}

static void test_state(void **state)
{
	good(true);
	fake_load_all();
	assert_int_equal(fake_reg[VREG_CR0], CR0_PE | CR0_ET);
	assert_int_equal(fake_reg[VREG_RFLAGS], RFLAGS_FIXED);
	assert_int_equal(fake_seg[SEG_CS].attr, 0xc09b);
	for (unsigned s = SEG_SS; s <= SEG_GS; s++)
		assert_int_equal(fake_seg[s].attr, 0xc093);
	assert_int_equal(fake_seg[SEG_TR].attr, 0x8b);
	assert_int_equal(fake_seg[SEG_TR].limit, 0x67);
	assert_int_equal(fake_seg[SEG_CS].limit, 0xffffffff);
}

static void test_note(void **state)
{
	/* Of 8 bytes, as Linux has it; of another size: none. */
	good(true);
	elf_note_at(NOTES + 20, "Xen", 18, ENTRY, 8);
	put(elf_phdr(2) + 32, 20 + 24, 8);
	fake_load_all();
	assert_int_equal(fake_vcpu.rip, ENTRY);
	put(NOTES + 24, 3, 4);
	fake_refused("kernel", "no kind");
	/* Owner, type, cut off. */
	good(true);
	image[NOTES + 20 + 12] = 'x';
	fake_refused("kernel", "no kind");
	good(true);
	put(NOTES + 28, 17, 4);
	fake_refused("kernel", "no kind");
	for (unsigned n = 0; n < 40; n++) {
		good(true);
		put(elf_phdr(2) + 32, n, 8);
		fake_refused("kernel", "no kind");
	}
	/* Lengths that reach around. */
	good(true);
	put(NOTES, 0xffffffff, 4);
	fake_refused("kernel", "no kind");
	good(true);
	put(NOTES + 4, 0xfffffffd, 4);
	fake_refused("kernel", "no kind");
	good(true);
	put(elf_phdr(2) + 8, ~0UL - 7, 8);
	fake_refused("kernel", "no kind");
	/* An entry point outside of what is loaded: behind the end, above 4 GiB. */
	good(true);
	put(NOTES + 36, 0x206000, 4);
	fake_refused("kernel", "entry point 0x206000");
}

static void test_header(void **state)
{
	static const struct {
		unsigned at, size;
		uint64_t value;
	} bad[] = {
	    {0, 4, 0x464c457e}, {4, 1, 3},   {5, 1, 2},  {16, 2, 1},      {18, 2, 3},      {32, 8, ~0UL},
	    {32, 8, 0x2fe0},    {54, 2, 55}, {56, 2, 0}, {56, 2, 0xffff}, {54, 2, 0xffff},
	};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		good(true);
		put(bad[i].at, bad[i].value, bad[i].size);
		fake_refused("kernel", "no kind");
	}
}

static void test_segments(void **state)
{
	static const struct {
		unsigned field; /* of segment 1, in units of 8 bytes */
		uint64_t value;
		const char *text;
	} bad[] = {
	    {1, 0x2801, "broken or truncated: segment 1"},
	    {1, ~0UL, "broken or truncated"},
	    {4, 0x5001, "broken or truncated"},
	    {5, 0x7ff, "broken or truncated"}, /* more file than memory */
	    {4, ~0UL, "broken or truncated"},
	    {3, 0x200fff, "overlap"},
	    {3, 0x1fb001, "overlap"},
	    {3, 0x9c000, "not all RAM"},
	    {3, 0xe0000, "not all RAM"},
	    {3, FAKE_MEMORY - 0x4fff, "not all RAM"},
	    {3, 1UL << 40, "not all RAM"},
	    {5, ~0UL, "not all RAM"},
	    {5, ~0UL - 0x201000, "not all RAM"},
	};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		good(true);
		put(elf_phdr(1) + bad[i].field * 8, bad[i].value, 8);
		fake_refused("kernel", bad[i].text);
	}
	good(true);
	for (unsigned i = 0; i < LOAD_SEGMENT_MAX - 1; i++)
		elf_segment(1, 0, 0, 0x300000 + i * 16, 1, 1);
	fake_refused("kernel", "more than 16 segments");
	/* Segments without memory do not count. */
	good(true);
	for (unsigned i = 0; i < LOAD_SEGMENT_MAX; i++)
		elf_segment(1, ~0UL, 0, 0, 0, 0);
	assert_int_equal(fake_plan(), OK);
	good(true);
	put(elf_phdr(0), 6, 4);
	put(elf_phdr(1), 6, 4);
	fake_refused("kernel", "no segment");
}

/* Where a 32-bit entry point can't be, although there is RAM. */
static void test_above_4g(void **state)
{
	struct gmem *m = &fake_vm.mem;

	good(true);
	m->count = 0;
	assert_int_equal(guest_map_add_slots(m, GIB(5)), OK);
	put(elf_phdr(1) + 24, GIB(4), 8);
	fake_cfg.module_count = 0;
	assert_int_equal(fake_plan(), OK);
	elf_note_at(NOTES + 20, "Xen", 18, GIB(4), 8);
	put(elf_phdr(2) + 32, 20 + 24, 8);
	fake_refused("kernel", "entry point 0x100000000 lies outside of it or above 4 GiB");
}

static void test_damage(void **state)
{
	for (unsigned is64 = 0; is64 < 2; is64++) {
		good(is64);
		for (size_t n = 0; n < sizeof(image); n += n < NOTES + 64 ? 1 : 61)
			assert_int_not_equal(fake_try(image, n < 0x2800 ? n : 0x27ff), OK);
		assert_int_equal(fake_try(image, 0x2800), OK);
		fake_damage(image, sizeof(image), NOTES + 64, 1000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good),   cmocka_unit_test(test_state),    cmocka_unit_test(test_note),
	    cmocka_unit_test(test_header), cmocka_unit_test(test_segments), cmocka_unit_test(test_above_4g),
	    cmocka_unit_test(test_damage),
	};

	return cmocka_run_group_tests_name("load_pvh", tests, NULL, NULL);
}
