/* SPDX-License-Identifier: BSD-2-Clause */
/* Flat images: at 7C00h in real mode, with every interrupt vector leading to a stub. */
#include "fake_load.h"
#include "hv/vdev/platform.h"

static uint8_t image[0x100000];

static void new_flat(size_t size)
{
	for (size_t i = 0; i < sizeof(image); i++)
		image[i] = (uint8_t)(i * 31 + i / 251);
	fake_load_new(image, size);
	fake_cfg.boot = BOOT_FLAT;
	for (unsigned s = SEG_ES; s <= SEG_GS; s++)
		fake_seg[s] =
		    (struct vseg_desc){.selector = 0xf000, .base = 0xffff0000, .limit = 0xffff, .attr = 0x93};
}

static void test_good(void **state)
{
	new_flat(5000);
	memset(fake_vm.mem.base, 0xee, 0x1000);
	fake_load_all();
	assert_memory_equal(fake_vm.mem.base + 0x7c00, image, 5000);
	assert_int_equal(fake_vcpu.rip, 0x7c00);
	assert_int_equal(fake_vcpu.gpr[RDX], 0x80);
	assert_int_equal(fake_reg[VREG_RSP], 0x7c00);
	assert_int_equal(fake_reg[VREG_CR0], CR0_ET);
	assert_int_equal(fake_reg[VREG_RFLAGS], RFLAGS_FIXED | RFLAGS_IF);
	for (unsigned s = SEG_ES; s <= SEG_GS; s++) {
		assert_int_equal(fake_seg[s].selector, 0);
		assert_int_equal(fake_seg[s].base, 0);
		assert_int_equal(fake_seg[s].limit, 0xffff);
	}
	for (unsigned i = 0; i < 256; i++) {
		uint64_t at = fake_peek(i * 4, 2) + fake_peek(i * 4 + 2, 2) * 16;

		assert_int_equal(at, GUEST_BIOS_BASE + i * 2);
		assert_int_equal(fake_peek(at, 2), 0xe6 | PLATFORM_BIOS_PORT << 8);
	}
	/* The BIOS data area */
	assert_int_equal(fake_peek(0x400, 4), 0x3f8);
	assert_int_equal(fake_peek(0x413, 2), 636);
	assert_int_equal(fake_peek(0x4f0, 8), 0);
}

static void test_sizes(void **state)
{
	new_flat(0);
	fake_refused("kernel", "this one 0");
	new_flat(0x9f000 - 0x7c00);
	fake_load_all();
	new_flat(0x9f000 - 0x7c00 + 1);
	fake_refused("kernel", "a flat image has 1 to 619520 bytes");
	new_flat(1);
	fake_load_all();
	fake_module("module", "", image, 1);
	fake_refused("kernel", "no module");
}

static void test_probe(void **state)
{
	new_flat(512);
	fake_cfg.boot = BOOT_AUTO;
	fake_refused("kernel", "no kind");
	image[510] = 0x55;
	image[511] = 0xaa;
	assert_int_equal(fake_try(image, 512), OK);
	assert_int_not_equal(fake_try(image, 511), OK);
	assert_int_not_equal(fake_try(image, 0), OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good),
	    cmocka_unit_test(test_sizes),
	    cmocka_unit_test(test_probe),
	};

	return cmocka_run_group_tests_name("load_flat", tests, NULL, NULL);
}
