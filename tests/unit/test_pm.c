/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/vdev/pm.c and pci.c: PM1, the PM timer, every way to reset, configuration space. */
#include "fake_vm.h"

#define S 1000000000ULL

static bool sci;
static int end_how;
static unsigned ends, looks;

void vm_irq_set(struct vm *vm, unsigned gsi, bool level)
{
	assert_int_equal(gsi, 9);
	sci = level;
}

void vm_msi(struct vm *vm, uint64_t address, uint32_t data)
{
	fail();
}

void virtio_look_last(struct vm *vm)
{
	looks++;
}

/* The guest ends by itself: what it has given to its devices is looked for before. */
void vm_end(struct vm *vm, enum vm_end how, int status)
{
	assert_int_equal(looks, ends + 1);
	end_how = (int)how;
	ends++;
}

static void out(uint16_t port, unsigned size, uint32_t value)
{
	io_bus_write(&fake_vm.ports, NULL, port, size, value);
}

static uint32_t in(uint16_t port, unsigned size)
{
	return (uint32_t)io_bus_read(&fake_vm.ports, NULL, port, size);
}

static int setup(void **state)
{
	fake_vm_new(1);
	assert_int_equal(vpm_init(&fake_vm), OK);
	assert_int_equal(vpci_init(&fake_vm), OK);
	vpm_reset(&fake_vm);
	vpci_reset(&fake_vm);
	vpm_resume(&fake_vm);
	sci = false;
	ends = looks = 0;
	return 0;
}

static void test_button(void **state)
{
	assert_int_equal(in(0x604, 2), 1); /* SCI_EN */
	vpm_power_button(&fake_vm);
	assert_false(sci);
	assert_int_equal(in(0x600, 2), 0x0100);
	out(0x602, 2, 0xffff);
	assert_int_equal(in(0x602, 2), 0x0721);
	assert_true(sci);
	out(0x600, 2, 0x0001);
	assert_true(sci);
	out(0x601, 1, 0x01); /* by bytes */
	assert_false(sci);
	assert_int_equal(in(0x600, 4), 0x07210000);
	out(0x600, 4, 0x01000100);
	assert_int_equal(in(0x602, 2), 0x0100);
	vpm_power_button(&fake_vm);
	assert_true(sci);
	out(0x603, 1, 0);
	assert_false(sci);
	assert_int_equal(in(0x600, 2), 0x0100);
}

static void test_power_off(void **state)
{
	out(0x604, 2, 0x3400 & ~0x2000); /* the type alone */
	assert_int_equal(in(0x604, 2), 0x1401);
	assert_int_equal(ends, 0);
	out(0x604, 2, 0x2c00); /* another sleep state */
	assert_int_equal(ends, 0);
	out(0x604, 2, 0x3400);
	assert_int_equal(ends, 1);
	assert_int_equal(end_how, VM_END_POWEROFF);
	assert_int_equal(in(0x604, 2), 0x1401); /* SLP_EN reads 0 */
	out(0x605, 1, 0x34);                    /* the high byte is enough */
	assert_int_equal(ends, 2);
}

static void test_timer(void **state)
{
	assert_int_equal(in(0x608, 4), 0);
	fake_run(S);
	assert_int_equal(in(0x608, 4), 3579545);
	assert_int_equal(in(0x609, 1), 3579545 >> 8 & 0xff);
	out(0x608, 4, 0);
	assert_int_equal(in(0x608, 4), 3579545);
	fake_run(1199 * S);
	assert_int_equal(in(0x608, 4), (uint32_t)(1200 * 3579545ULL));
	assert_int_equal(in(0x600, 2), 0x0001); /* the top bit has changed */
	assert_int_equal(fake_fired, 0);
	out(0x600, 2, 1);
	assert_int_equal(in(0x600, 2), 0);
	out(0x602, 2, 1);
	assert_false(sci);
	fake_run(600 * S);
	assert_true(sci);
	assert_int_equal(fake_fired, 1);
	out(0x600, 2, 1);
	assert_false(sci);
	vpm_pause(&fake_vm);
	fake_run(700 * S);
	assert_int_equal(fake_fired, 1);
	vpm_resume(&fake_vm);
	assert_true(sci);
}

static void test_resets(void **state)
{
	out(0xcf9, 1, 0x02);
	assert_int_equal(ends, 0);
	assert_int_equal(in(0xcf9, 1), 0x02);
	out(0xcf9, 1, 0x06);
	assert_int_equal(ends, 1);
	assert_int_equal(end_how, VM_END_REBOOT);
	out(0xcf9, 1, 0x06); /* no rising edge */
	assert_int_equal(ends, 1);
	assert_int_equal(in(0x64, 1), 0xff);
	assert_int_equal(in(0x60, 1), 0xff);
	out(0x64, 1, 0xd1);
	out(0x60, 1, 0xfe);
	out(0x64, 1, 0xff); /* pulses nothing */
	assert_int_equal(ends, 1);
	out(0x64, 1, 0xfe);
	assert_int_equal(ends, 2);
	assert_int_equal(in(0x92, 1), 0x02);
	out(0x92, 1, 0x00); /* A20 stays */
	assert_int_equal(in(0x92, 1), 0x02);
	out(0x92, 1, 0x03);
	assert_int_equal(ends, 3);
	out(0x92, 1, 0x03);
	assert_int_equal(ends, 3);
}

static uint32_t config(uint32_t address)
{
	out(0xcf8, 4, address);
	return in(0xcfc, 4);
}

static void test_pci(void **state)
{
	out(0xcfb, 1, 0x01); /* as Linux checks for mechanism #1 */
	out(0xcf8, 4, 0x80000000);
	assert_int_equal(in(0xcf8, 4), 0x80000000);
	assert_int_equal(config(0x80000000), 0x00081b36);
	assert_int_equal(in(0xcfe, 2), 0x0008);
	assert_int_equal(in(0xcfd, 1), 0x1b);
	assert_int_equal(config(0x80000008), 0x06000000);
	assert_int_equal(in(0xcfe, 2), 0x0600);
	assert_int_equal(config(0x8000000c), 0);
	assert_int_equal(config(0x80000010), 0);
	assert_int_equal(config(0x800000fc), 0);
	assert_int_equal(config(0x00000000), 0xffffffff);
	assert_int_equal(config(0x80000800), 0xffffffff);
	assert_int_equal(config(0x80000100), 0xffffffff);
	assert_int_equal(config(0x80010000), 0xffffffff);
	assert_int_equal(config(0xff000003), 0x00081b36); /* reserved bits are not kept */
	assert_int_equal(in(0xcf8, 4), 0x80000000);
	out(0xcfc, 4, 0);
	assert_int_equal(in(0xcfc, 4), 0x00081b36);
	assert_int_equal(in(0xcfe, 4), 0xffff0008); /* leaves the register */
	out(0xcf8, 2, 0x1234);
	out(0xcf9, 2, 0xffff);
	assert_int_equal(in(0xcf8, 4), 0x80000000);
	assert_int_equal(in(0xcf8, 2), 0xffff);
	assert_int_equal(ends, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_button, setup), cmocka_unit_test_setup(test_power_off, setup),
	    cmocka_unit_test_setup(test_timer, setup),  cmocka_unit_test_setup(test_resets, setup),
	    cmocka_unit_test_setup(test_pci, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
