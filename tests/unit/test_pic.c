/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/vdev/pic.c: the 8259A's modes, the cascade, spurious interrupts, ELCR. */
#include "fake_ports.h"

#include "hv/vdev/lapic.h"

static unsigned lint0, unmasked;

void vlapic_lint(struct vcpu *v, enum lapic_lvt pin)
{
	assert_int_equal(pin, LVT_LINT0);
	lint0 += v->id == 0;
}

void vpit_unmasked(struct vm *vm)
{
	unmasked++;
}

static void irq(unsigned n, bool level)
{
	spin_lock(&fake_vm.irq_lock);
	vpic_set_line(&fake_vm, n, level);
	spin_unlock(&fake_vm.irq_lock);
}

/* As Linux does it: vectors 30h and 38h, all unmasked; `icw4` as given. */
static void program(uint8_t icw4)
{
	out(0x20, 0x11);
	out(0x21, 0x30);
	out(0x21, 0x04);
	out(0x21, icw4);
	out(0xa0, 0x11);
	out(0xa1, 0x38);
	out(0xa1, 0x02);
	out(0xa1, icw4);
	out(0x21, 0);
	out(0xa1, 0);
}

static int setup(void **state)
{
	fake_vm_new(2);
	assert_int_equal(vpic_init(&fake_vm), OK);
	vpic_reset(&fake_vm);
	lint0 = unmasked = 0;
	return 0;
}

static void test_masked_at_reset(void **state)
{
	for (unsigned n = 0; n < 16; n++)
		irq(n, true);
	assert_false(vpic_pending(&fake_vm));
	assert_int_equal(in(0x21), 0xff);
	assert_int_equal(in(0x20), 0xff & ~4);
	assert_true(vpic_masked(&fake_vm, 0));
	out(0x21, 0xfe);
	assert_false(vpic_masked(&fake_vm, 0));
	assert_true(vpic_masked(&fake_vm, 9));
	assert_int_equal(unmasked, 1);
	assert_int_equal(vpic_accept(&fake_vm), 0x08);
}

static void test_nested(void **state)
{
	program(0x01);
	irq(4, true);
	assert_int_equal(lint0, 1);
	assert_int_equal(vpic_accept(&fake_vm), 0x34);
	assert_false(vpic_pending(&fake_vm));
	irq(5, true);
	assert_false(vpic_pending(&fake_vm)); /* lower than what is in service */
	irq(1, true);
	assert_true(vpic_pending(&fake_vm));
	assert_int_equal(vpic_accept(&fake_vm), 0x31);
	out(0x20, 0x0b);
	assert_int_equal(in(0x20), 0x12);
	out(0x20, 0x0a);
	assert_int_equal(in(0x20), 0x20);
	out(0x20, 0x20); /* ends 1 */
	assert_false(vpic_pending(&fake_vm));
	out(0x20, 0x64); /* ends 4 by name */
	assert_int_equal(vpic_accept(&fake_vm), 0x35);
}

static void test_edge(void **state)
{
	program(0x01);
	irq(3, true);
	assert_int_equal(vpic_accept(&fake_vm), 0x33);
	out(0x20, 0x20);
	irq(3, true);
	assert_false(vpic_pending(&fake_vm)); /* no new edge */
	irq(3, false);
	irq(3, true);
	assert_true(vpic_pending(&fake_vm));
	out(0x21, 0x08);
	assert_false(vpic_pending(&fake_vm));
	out(0x21, 0x00);
	assert_true(vpic_pending(&fake_vm)); /* a masked request waits */
}

static void test_spurious(void **state)
{
	program(0x01);
	irq(3, true);
	irq(3, false); /* goes away before INTA */
	assert_false(vpic_pending(&fake_vm));
	assert_int_equal(vpic_accept(&fake_vm), 0x37);
	out(0x20, 0x0b);
	assert_int_equal(in(0x20), 0); /* no in-service bit */
	irq(10, true);
	out(0xa1, 0x04); /* masked at the slave before INTA: the master's request goes too */
	assert_int_equal(vpic_accept(&fake_vm), 0x37);
}

static void test_cascade(void **state)
{
	program(0x01);
	irq(12, true);
	irq(8, true);
	assert_int_equal(vpic_accept(&fake_vm), 0x38);
	assert_false(vpic_pending(&fake_vm));
	irq(3, true);
	assert_false(vpic_pending(&fake_vm)); /* behind the cascade */
	irq(1, true);
	assert_int_equal(vpic_accept(&fake_vm), 0x31);
	out(0x20, 0x61);
	out(0xa0, 0x20); /* ends 8: 12 waits behind the master's bit 2 */
	assert_false(vpic_pending(&fake_vm));
	out(0x20, 0x62);
	assert_int_equal(vpic_accept(&fake_vm), 0x3c);
	out(0xa0, 0x0b);
	assert_int_equal(in(0xa0), 0x10);
}

static void test_fully_nested(void **state)
{
	program(0x11);
	irq(12, true);
	assert_int_equal(vpic_accept(&fake_vm), 0x3c);
	irq(9, true); /* of higher priority at the slave: gets through */
	assert_true(vpic_pending(&fake_vm));
	assert_int_equal(vpic_accept(&fake_vm), 0x39);
}

static void test_auto_eoi(void **state)
{
	program(0x03);
	irq(5, true);
	assert_int_equal(vpic_accept(&fake_vm), 0x35);
	out(0x20, 0x0b);
	assert_int_equal(in(0x20), 0);
	out(0x20, 0x80); /* rotate in AEOI mode */
	irq(5, false);
	irq(5, true);
	assert_int_equal(vpic_accept(&fake_vm), 0x35);
	irq(6, true);
	irq(1, true);
	assert_int_equal(vpic_accept(&fake_vm), 0x36); /* 5 is lowest now, 6 highest */
	out(0x20, 0x00);
	assert_int_equal(vpic_accept(&fake_vm), 0x31);
}

static void test_rotate(void **state)
{
	program(0x01);
	out(0x20, 0xc3); /* 3 is lowest: 4 is highest */
	irq(3, true);
	irq(4, true);
	irq(0, true);
	assert_int_equal(vpic_accept(&fake_vm), 0x34);
	out(0x20, 0xa0); /* rotate on non-specific EOI: 5 is highest */
	assert_int_equal(vpic_accept(&fake_vm), 0x30);
	out(0x20, 0xe0); /* rotate on specific EOI of 0 */
	assert_int_equal(vpic_accept(&fake_vm), 0x33);
}

static void test_special_mask(void **state)
{
	program(0x01);
	irq(2 + 1, true);
	assert_int_equal(vpic_accept(&fake_vm), 0x33);
	irq(6, true);
	assert_false(vpic_pending(&fake_vm));
	out(0x21, 0x08);
	assert_false(vpic_pending(&fake_vm));
	out(0x20, 0x68); /* special mask mode: masked 3 holds nobody back */
	assert_true(vpic_pending(&fake_vm));
	assert_int_equal(vpic_accept(&fake_vm), 0x36);
	out(0x20, 0x20); /* ends 6, not the masked 3 */
	out(0x20, 0x0b);
	assert_int_equal(in(0x20), 0x08);
	out(0x20, 0x48);
	irq(7, true);
	assert_false(vpic_pending(&fake_vm));
}

static void test_poll(void **state)
{
	program(0x01);
	out(0x20, 0x0c);
	assert_int_equal(in(0x20), 0);
	assert_int_equal(in(0x20), 0); /* IRR again */
	irq(6, true);
	out(0x20, 0x0c);
	assert_int_equal(in(0x21), 0x86); /* at either address */
	out(0x20, 0x0b);
	assert_int_equal(in(0x20), 0x40);
	irq(9, true);
	out(0x20, 0x66);
	out(0xa0, 0x0c);
	assert_int_equal(in(0xa0), 0x81);
}

static void test_level(void **state)
{
	program(0x01);
	out(0x4d0, 0xff);
	out(0x4d1, 0xff);
	assert_int_equal(in(0x4d0), 0xf8);
	assert_int_equal(in(0x4d1), 0xde);
	assert_int_equal(io_bus_read(&fake_vm.ports, NULL, 0x4d0, 2), 0xdef8);
	irq(5, true);
	assert_int_equal(vpic_accept(&fake_vm), 0x35);
	out(0x20, 0x20);
	assert_int_equal(vpic_accept(&fake_vm), 0x35); /* still asserted */
	irq(5, false);
	out(0x20, 0x20);
	assert_false(vpic_pending(&fake_vm));
	irq(4, true);
	vpic_accept(&fake_vm);
	out(0x20, 0x20);
	out(0x4d0, 0); /* back to edges: the level no longer requests */
	irq(4, false);
	assert_false(vpic_pending(&fake_vm));
}

static void test_init_clears(void **state)
{
	program(0x01);
	irq(1, true);
	vpic_accept(&fake_vm);
	irq(5, true);
	out(0x20, 0x68);
	out(0x20, 0x11);
	assert_int_equal(in(0x20), 0); /* the edge is forgotten; reads give IRR */
	assert_false(vpic_pending(&fake_vm));
	out(0x21, 0x40);
	out(0x21, 0x04);
	out(0x21, 0x01);
	assert_int_equal(in(0x21), 0);
	irq(5, false);
	irq(5, true);
	assert_int_equal(vpic_accept(&fake_vm), 0x45);
}

static void test_random_ports(void **state)
{
	static const uint16_t ports[] = {0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1, 0x20, 0xa0};
	uint64_t seed = 8259;

	for (unsigned n = 0; n < 200000; n++) {
		uint64_t r = test_random(&seed);

		if (r & 1)
			irq(r >> 8 & 15, r >> 16 & 1);
		else if (r & 2)
			out(ports[r >> 8 & 7], (uint8_t)(r >> 16));
		else if (r & 4)
			in(ports[r >> 8 & 7]);
		else
			vpic_accept(&fake_vm);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_masked_at_reset, setup),
	    cmocka_unit_test_setup(test_nested, setup),
	    cmocka_unit_test_setup(test_edge, setup),
	    cmocka_unit_test_setup(test_spurious, setup),
	    cmocka_unit_test_setup(test_cascade, setup),
	    cmocka_unit_test_setup(test_fully_nested, setup),
	    cmocka_unit_test_setup(test_auto_eoi, setup),
	    cmocka_unit_test_setup(test_rotate, setup),
	    cmocka_unit_test_setup(test_special_mask, setup),
	    cmocka_unit_test_setup(test_poll, setup),
	    cmocka_unit_test_setup(test_level, setup),
	    cmocka_unit_test_setup(test_init_clears, setup),
	    cmocka_unit_test_setup(test_random_ports, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
