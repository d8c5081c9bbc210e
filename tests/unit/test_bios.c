/* SPDX-License-Identifier: BSD-2-Clause */
/* A flat image's call to a BIOS service, or an exception that it has no handler for: the report names it. */
#include "fake_vcpu.h"
#include "hv/vdev/bios.h"
#include "hv/vdev/platform.h"

const struct load_format load_flat;

void vdev_init(struct vdev *d, struct vm *vm, const char *name)
{
	d->vm = vm;
}

bool cpuid_has(const struct cpuid_policy *p, struct cpuid_feature f)
{
	return true;
}

static int setup(void **state)
{
	fake_vcpu_new();
	fake_mode = MODE_REAL;
	fake_vm.load.format = &load_flat;
	assert_int_equal(vbios_init(&fake_vm), OK);
	fake_seg[SEG_CS].base = 0xf0000;
	fake_seg[SEG_SS].base = 0x20000;
	fake_reg[VREG_RSP] = 0xffff0100;
	return 0;
}

/* The guest at 1234:0010 has come to the stub of `vector`; insn is what lies before its return address. */
static void arrive(unsigned vector, uint16_t insn)
{
	static const uint16_t frame[] = {0x0010, 0x1234, 0x0202};

	fake_poke(0x20100, frame, sizeof(frame));
	fake_poke(0x1234e, &insn, sizeof(insn));
	fake_vcpu.rip = 0xe000 + vector * 2;
	io_bus_write(&fake_vm.ports, &fake_vcpu, PLATFORM_BIOS_PORT, 1, 0x55);
}

static void test_service(void **state)
{
	fake_vcpu.gpr[RAX] = 0x1e41;
	arrive(0x10, 0x10cd);
	assert_string_equal(fake_crash,
			    "calls the BIOS at 1234:000e: INT 10h (video), AH=1Eh; there is none");
	arrive(0xff, 0xffcd);
	assert_non_null(strstr(fake_crash, "INT FFh (unknown)"));
}

static void test_exception(void **state)
{
	arrive(0, 0x10cd);
	assert_string_equal(fake_crash, "got vector 0 at 1234:0010 in real mode, and has no handler for it");
	arrive(0x10, 0x1090);
	assert_non_null(strstr(fake_crash, "vector 16"));
}

/* The port is nobody's for code elsewhere; a stack outside of memory does no harm. */
static void test_hostile(void **state)
{
	assert_int_equal(io_bus_read(&fake_vm.ports, &fake_vcpu, PLATFORM_BIOS_PORT, 1), 0xff);
	fake_vcpu.rip = 0xdfff;
	io_bus_write(&fake_vm.ports, &fake_vcpu, PLATFORM_BIOS_PORT, 1, 0);
	fake_vcpu.rip = 0xf000;
	io_bus_write(&fake_vm.ports, &fake_vcpu, PLATFORM_BIOS_PORT, 1, 0);
	fake_seg[SEG_CS].base = 0;
	fake_vcpu.rip = 0xe020;
	io_bus_write(&fake_vm.ports, &fake_vcpu, PLATFORM_BIOS_PORT, 1, 0);
	assert_int_equal(fake_crash[0], 0);
	fake_seg[SEG_CS].base = 0xf0000;
	fake_seg[SEG_SS].base = 0xfffffff0;
	io_bus_write(&fake_vm.ports, &fake_vcpu, PLATFORM_BIOS_PORT, 1, 0);
	assert_non_null(strstr(fake_crash, "vector 16 at 0000:0000"));
}

static void test_others(void **state)
{
	io_bus_clear(&fake_vm.ports);
	fake_vm.load.format = NULL;
	assert_int_equal(vbios_init(&fake_vm), OK);
	arrive(0x10, 0x10cd);
	assert_int_equal(fake_crash[0], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_service, setup),
	    cmocka_unit_test_setup(test_exception, setup),
	    cmocka_unit_test_setup(test_hostile, setup),
	    cmocka_unit_test_setup(test_others, setup),
	};

	return cmocka_run_group_tests_name("bios", tests, NULL, NULL);
}
