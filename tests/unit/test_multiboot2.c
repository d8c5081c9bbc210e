/* SPDX-License-Identifier: BSD-2-Clause */
/* boot/multiboot2.c: a whole structure, and every way to break one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "boot/multiboot2.h"

#define IMAGE_PA   0x200000
#define IMAGE_SIZE 0x100000

static uint8_t mbi[65536];
static uint32_t used;
static struct boot_info info;

static void begin(void)
{
	memset(mbi, 0, sizeof(mbi));
	used = 8;
}

static void put(const void *bytes, uint32_t n)
{
	if (n > 0)
		memcpy(mbi + used, bytes, n);
	used += n;
}

/* A tag whose header claims `claim` bytes more or fewer than it has. */
static void tag(uint32_t type, const void *body, uint32_t n, int claim)
{
	uint32_t h[2] = {type, 8 + n + (uint32_t)claim};

	put(h, 8);
	put(body, n);
	used = (used + 7) & ~7u;
}

static void string_tag(uint32_t type, const char *s)
{
	tag(type, s, (uint32_t)strlen(s) + 1, 0);
}

static void module_tag(uint32_t start, uint32_t end, const char *s)
{
	struct {
		uint32_t start, end;
		char s[200];
	} b = {start, end, {0}};

	snprintf(b.s, sizeof(b.s), "%s", s);
	tag(3, &b, 8 + (uint32_t)strlen(b.s) + 1, 0);
}

struct entry {
	uint64_t base, len;
	uint32_t type, reserved;
};

static void mmap_tag(const struct entry *e, uint32_t n, uint32_t entry_size)
{
	uint8_t *b = calloc(1, 8 + n * sizeof(*e));

	memcpy(b, &(uint32_t[]){entry_size, 0}, 8);
	memcpy(b + 8, e, n * sizeof(*e));
	tag(6, b, 8 + n * (uint32_t)sizeof(*e), 0);
	free(b);
}

static void ram(void)
{
	mmap_tag(
	    (struct entry[]){{0, 0x9fc00, 1, 0}, {0x100000, 0x7f00000, 1, 0}, {0xfee00000, 0x1000, 2, 0}}, 3,
	    24);
}

/* Closes the structure and parses it from a block of exactly its size, so that ASan sees any byte too far. */
static void parse_total(uint32_t total)
{
	uint8_t *exact = malloc(total);

	memcpy(mbi, &total, 4);
	memcpy(exact, mbi, total);
	memset(&info, 0xee, sizeof(info));
	multiboot2_parse(&info, exact, total, IMAGE_PA, IMAGE_SIZE);
	free(exact);
}

static void parse(void)
{
	tag(0, NULL, 0, 0);
	parse_total(used);
}

static void test_whole(void **state)
{
	uint8_t v1[20] = "RSD PTR 1", v2[36] = "RSD PTR 2";
	struct {
		uint64_t pa;
		uint32_t pitch, width, height;
		uint8_t bpp, type;
		uint16_t reserved;
		uint8_t rgb[8];
	} fb = {0xfd000000, 4096, 1024, 768, 32, 1, 0, {16, 8, 8, 8, 0, 8, 0, 0}};

	begin();
	string_tag(1, "console=com2 log=debug");
	string_tag(2, "GRUB 2.06");
	tag(14, v1, sizeof(v1), 0);
	tag(15, v2, sizeof(v2), 0);
	tag(14, v1, sizeof(v1), 0);
	tag(8, &fb, 30, 0);
	module_tag(0x400000, 0x400123, "vmlinuz and arguments");
	module_tag(0x500000, 0x500000, "empty");
	tag(77, "unknown", 7, 0);
	ram();
	parse();
	assert_string_equal(info.error, "");
	assert_string_equal(info.cmdline, "console=com2 log=debug");
	assert_string_equal(info.loader, "GRUB 2.06");
	assert_memory_equal(info.rsdp, v2, 36);
	assert_int_equal(info.mem_count, 3);
	assert_int_equal(info.mem[1].base, 0x100000);
	assert_int_equal(info.mem[1].len, 0x7f00000);
	assert_int_equal(info.mem[2].type, BOOT_MEM_RESERVED);
	assert_int_equal(info.module_count, 2);
	assert_string_equal(info.module[0].name, "vmlinuz");
	assert_int_equal(info.module[0].pa, 0x400000);
	assert_int_equal(info.module[0].size, 0x123);
	assert_int_equal(info.module[1].size, 0);
	assert_int_equal(info.screen.pa, 0xfd000000);
	assert_int_equal(info.screen.red_pos, 16);
	assert_int_equal(info.screen.bpp, 32);
}

static void test_every_truncation(void **state)
{
	begin();
	string_tag(1, "x");
	module_tag(0x400000, 0x400123, "vmlinuz");
	ram();
	tag(0, NULL, 0, 0);
	for (uint32_t total = 8; total < used - 8; total++) {
		parse_total(total);
		assert_string_not_equal(info.error, "");
	}
	memset(&info, 0, sizeof(info));
	multiboot2_parse(&info, mbi, 7, 0, 0);
	assert_string_not_equal(info.error, "");
}

/* Any single byte may be anything: nothing crashes, whatever is kept is in bounds. */
static void test_every_byte(void **state)
{
	uint32_t end;

	begin();
	string_tag(1, "x");
	module_tag(0x400000, 0x400123, "vmlinuz");
	ram();
	tag(0, NULL, 0, 0);
	end = used;
	for (uint32_t at = 8; at < end; at++) {
		uint8_t was = mbi[at];

		for (int v = 0; v < 256; v += 5) {
			mbi[at] = (uint8_t)v;
			parse_total(end);
			for (uint32_t i = 0; i < info.mem_count; i++)
				assert_true(info.mem[i].base + info.mem[i].len >= info.mem[i].base);
		}
		mbi[at] = was;
	}
}

static void expect_error(const char *text)
{
	parse();
	if (strstr(info.error, text) == NULL)
		fail_msg("'%s' is not in '%s'", text, info.error);
}

static void test_broken(void **state)
{
	char longer[1200];

	begin();
	tag(1, "abc", 3, 0);
	ram();
	expect_error("the command line is not terminated");

	memset(longer, 'a', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	begin();
	string_tag(1, longer);
	ram();
	expect_error("command line is longer than 1023 bytes");
	assert_int_equal(strlen(info.cmdline), 1023);

	begin();
	tag(1, "abc", 4, 5000);
	expect_error("tag 1 at offset 8 has 5012 bytes");

	begin();
	tag(1, "abc", 4, -5);
	expect_error("tag 1 at offset 8 has 7 bytes");

	begin();
	expect_error("no memory map");

	begin();
	mmap_tag((struct entry[]){{0x100000, 0x100000, 1, 0}}, 1, 20);
	expect_error("entries of the memory map have 20 bytes");

	begin();
	mmap_tag((struct entry[]){{0x100000, 0x100000, 1, 0}}, 1, 0);
	expect_error("entries of the memory map have 0 bytes");

	begin();
	mmap_tag((struct entry[]){{0x100000, 0x100000, 1, 0}, {0, 0, 0, 0}}, 2, 32);
	expect_error("ends within an entry");

	begin();
	mmap_tag((struct entry[]){{0x100000, UINT64_MAX, 1, 0}, {0xfff0000000000000, 0x10000000000000, 2, 0}},
		 2, 24);
	expect_error("wraps");
	assert_int_equal(info.mem_count, 1);
	assert_true(info.mem[0].len == UINT64_MAX - 0xfff0000000000000);

	begin();
	mmap_tag((struct entry[]){{UINT64_MAX, 5, 2, 0}, {0x1000, 0, 1, 0}}, 2, 24);
	expect_error("no memory map");

	begin();
	tag(15, "short", 6, 0);
	ram();
	expect_error("the RSDP tag has 14 bytes");

	begin();
	tag(8, "short", 6, 0);
	ram();
	expect_error("the framebuffer tag has 14 bytes");
}

static void test_modules(void **state)
{
	begin();
	ram();
	module_tag(0x400000, 0x3fffff, "back");
	expect_error("module 'back' ends (0x3fffff) before it starts (0x400000)");
	assert_int_equal(info.module_count, 0);

	begin();
	ram();
	module_tag(0x7fff000, 0x8000001, "out");
	module_tag(0x400000, 0x400001, "in");
	expect_error("module 'out' at 0x7fff000+0x1001 is not in RAM");
	assert_int_equal(info.module_count, 1);
	assert_string_equal(info.module[0].name, "in");

	begin();
	ram();
	module_tag(0x2ff000, 0x300001, "over");
	expect_error("lies over the image");
	assert_int_equal(info.module_count, 0);

	begin();
	ram();
	module_tag(0x400000, 0x400001, "");
	expect_error("has no name");

	begin();
	ram();
	module_tag(0x400000, 0x400001, "a");
	module_tag(0x500000, 0x500001, "a");
	expect_error("two modules are called 'a'");
	assert_int_equal(info.module_count, 1);
	assert_int_equal(info.module[0].pa, 0x400000);

	begin();
	ram();
	for (int i = 0; i < 65; i++) {
		char name[16];

		snprintf(name, sizeof(name), "m%d", i);
		module_tag(0x400000, 0x400001, name);
	}
	expect_error("more than 64 modules: 'm64' and all behind it are left out");
	assert_int_equal(info.module_count, 64);
}

static void test_module_over_two_ranges(void **state)
{
	begin();
	mmap_tag((struct entry[]){{0x500000, 0x100000, 1, 0}, {0x400000, 0x100000, 1, 0}}, 2, 24);
	module_tag(0x480000, 0x580000, "both");
	parse();
	assert_string_equal(info.error, "");
	assert_int_equal(info.module_count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_whole),      cmocka_unit_test(test_every_truncation),
	    cmocka_unit_test(test_every_byte), cmocka_unit_test(test_broken),
	    cmocka_unit_test(test_modules),    cmocka_unit_test(test_module_over_two_ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
