/* SPDX-License-Identifier: BSD-2-Clause */
/* Multiboot 2 kernels: the header's tags, what they are told, hostile headers. */
#include "fake_elf.h"

#define MAGIC  0xe85250d6
#define HEADER 0x408 /* in the file */

static uint8_t module_data[0x1001];
static unsigned tags_end;

static void tag(uint16_t type, uint16_t flags, unsigned n, const uint32_t *values)
{
	put(tags_end, type, 2);
	put(tags_end + 2, flags, 2);
	put(tags_end + 4, 8 + n * 4, 4);
	for (unsigned i = 0; i < n; i++)
		put(tags_end + 8 + i * 4, values[i], 4);
	tags_end += (unsigned)ALIGN_UP(8 + n * 4, 8);
}
#define TAG(type, flags, ...)                                                                                \
	tag(type, flags, sizeof((uint32_t[]){__VA_ARGS__}) / 4, (uint32_t[]){__VA_ARGS__})

static void end_tags(void)
{
	uint32_t length;

	tag(0, 0, 0, NULL);
	length = tags_end - HEADER;
	put(HEADER, MAGIC, 4);
	put(HEADER + 4, 0, 4);
	put(HEADER + 8, length, 4);
	put(HEADER + 12, -(MAGIC + length), 4);
}

static void begin(void)
{
	static const uint8_t rsdp[36] = "RSD PTR and so on";

	elf_begin(true, 0x80200010);
	elf_segment(1, 0x1000, 0x80200000, 0x200000, 0x1000, 0x2000);
	tags_end = HEADER + 16;
	fake_poke(FAKE_RSDP, rsdp, sizeof(rsdp));
}

static void good(void)
{
	begin();
	TAG(1, 0, 1, 3, 4, 6, 14, 15, 21);
	TAG(5, 1, 800, 600, 32);
	end_tags();
	fake_module("one", "its arguments", module_data, sizeof(module_data));
}

static void test_good(void **state)
{
	static const unsigned order[] = {1, 2, 3, 4, 6, 14, 15, 21, 0};
	uint64_t at, end, t;
	unsigned n = 0;

	good();
	fake_load_all();
	assert_ptr_equal(fake_load.format, &load_multiboot2);
	assert_int_equal(fake_vcpu.rip, 0x200010);
	assert_int_equal(fake_vcpu.gpr[RAX], 0x36d76289);
	at = fake_vcpu.gpr[RBX];
	assert_int_equal(at % 8, 0);
	end = at + fake_peek(at, 4);
	for (t = at + 8; t < end; t = ALIGN_UP(t + fake_peek(t + 4, 4), 8)) {
		assert_int_equal(fake_peek(t, 4), order[n++]);
		if (fake_peek(t, 4) == 1)
			assert_string_equal((char *)fake_vm.mem.base + t + 8, "console=ttyS0");
		if (fake_peek(t, 4) == 3) {
			assert_int_equal(fake_peek(t + 8, 4), 0x202000);
			assert_int_equal(fake_peek(t + 12, 4), 0x203001);
			assert_string_equal((char *)fake_vm.mem.base + t + 16, "its arguments");
		}
		if (fake_peek(t, 4) == 4)
			assert_int_equal(fake_peek(t + 12, 4), (FAKE_MEMORY >> 10) - 1024);
		if (fake_peek(t, 4) == 6) {
			assert_int_equal(fake_peek(t + 4, 4), 16 + 4 * 24);
			assert_int_equal(fake_peek(t + 8, 8), 24);
			assert_int_equal(fake_peek(t + 16 + 24 + 16, 4), 4);
		}
		if (fake_peek(t, 4) == 15)
			assert_memory_equal(fake_vm.mem.base + t + 8, fake_vm.mem.base + FAKE_RSDP, 36);
		if (fake_peek(t, 4) == 21)
			assert_int_equal(fake_peek(t + 8, 4), 0x200000);
	}
	assert_int_equal(n, sizeof(order) / sizeof(order[0]));
	assert_int_equal(t, end);
}

static void test_addresses(void **state)
{
	begin();
	TAG(2, 0, 0x100000 + HEADER, 0xffffffff, 0, 0x104000); /* from the begin of the file to its end */
	TAG(3, 0, 0x101000);
	end_tags();
	image[0] = 0;
	fake_load_all();
	assert_memory_equal(fake_vm.mem.base + 0x100000, image, sizeof(image));
	assert_int_equal(fake_vcpu.rip, 0x101000);
	begin();
	TAG(2, 0, 0x100008, 0x100000, 0x100100, 0);
	TAG(3, 0, 0x100100);
	end_tags();
	fake_refused("kernel", "entry point");
	begin();
	TAG(2, 0, 0x100008, 0x100000, 0x100100, 0);
	end_tags();
	fake_refused("kernel", "addresses, but no entry point");
	begin();
	TAG(2, 0, 4, 0xffffffff, 0, 0);
	TAG(3, 0, 4);
	end_tags();
	fake_refused("kernel", "");
}

static void demands(const char *text)
{
	end_tags();
	if (text)
		fake_refused("kernel", text);
	else
		assert_int_equal(fake_plan(), OK);
}

static void test_demands(void **state)
{
	static const struct {
		uint16_t type;
		uint32_t value;
		const char *text;
	} cases[] = {
	    {1, 8, "information of type 8"},
	    {1, 64, "information of type 64"},
	    {1, 0xffffffff, "information of type"},
	    {4, 1, "a console of the PC"},
	    {4, 2, NULL}, /* it can use one, but needs none */
	    {6, 0, NULL},
	    {7, 0, NULL},
	    {8, 0, NULL},
	    {9, 0, NULL},
	    {11, 0, "tag 11 of its header"},
	    {0xffff, 0, "tag 65535 of its header"},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin();
		TAG(cases[i].type, 0, cases[i].value);
		demands(cases[i].text);
		begin();
		TAG(cases[i].type, 1, cases[i].value); /* optional */
		demands(NULL);
	}
	begin();
	TAG(5, 0, 800, 600, 32);
	demands("demands a framebuffer");
	/* It may be moved: it stays where it is, if that is allowed. */
	begin();
	TAG(10, 0, 0x200000, 0x300000, 0x1000, 0);
	demands(NULL);
	begin();
	TAG(10, 0, 0x201000, 0x300000, 0x1000, 0);
	demands("is linked to 0x200000, but wants to be between 0x201000 and 0x300000");
	begin();
	TAG(3, 0, 0x200100);
	demands(NULL);
	assert_int_equal(fake_load.entry, 0x200100);
}

static void test_hostile(void **state)
{
	/* Sizes of tags: too small, too large, too short for what the type has. */
	static const uint32_t sizes[] = {0, 7, 0x100, 0xffffffff, 0xfffffff9};

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		good();
		put(HEADER + 16 + 4, sizes[i], 4);
		fake_refused("kernel", "broken header: tag 1 has");
	}
	begin();
	TAG(10, 0, 0x200000);
	demands("tag 10 has 12 bytes");
	begin();
	TAG(2, 1, 0x200000);
	demands("tag 2 has 12 bytes");
	/* No end */
	good();
	put(tags_end - 8, 6, 4);
	fake_refused("kernel", "no end tag");
	/* The header's own length, its architecture, its place */
	good();
	put(HEADER + 8, 0x10000, 4);
	put(HEADER + 12, -(MAGIC + 0x10000), 4);
	fake_refused("kernel", "no kind");
	good();
	put(HEADER + 4, 4, 4);
	put(HEADER + 12, -(MAGIC + 4 + tags_end - HEADER), 4);
	fake_refused("kernel", "no kind");
	good();
	memmove(image + HEADER + 4, image + HEADER, 0x100);
	fake_refused("kernel", "no kind");
}

static void test_damage(void **state)
{
	good();
	for (size_t n = 0; n < 0x2000; n += n < HEADER + 128 ? 1 : 61)
		assert_int_not_equal(fake_try(image, n), OK);
	assert_int_equal(fake_try(image, 0x2000), OK);
	for (unsigned n = 0; n < 1000; n++) {
		uint64_t seed = n * 0x9e3779b97f4a7c15 + 1;

		begin();
		TAG(2, 0, 0x100000 + HEADER, 0x100000, 0x102000, 0x104000);
		TAG(3, 0, 0x101000);
		TAG(10, 0, 0x100000, 0x300000, 0x1000, 0);
		end_tags();
		for (unsigned k = 0; k < 2; k++)
			put(HEADER + 16 + test_random(&seed) % 16 * 4, fake_nasty(&seed), 4);
		(void)!fake_try(image, sizeof(image));
	}
	good();
	fake_damage(image, sizeof(image), 0x100, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good),    cmocka_unit_test(test_addresses), cmocka_unit_test(test_demands),
	    cmocka_unit_test(test_hostile), cmocka_unit_test(test_damage),
	};

	return cmocka_run_group_tests_name("load_multiboot2", tests, NULL, NULL);
}
