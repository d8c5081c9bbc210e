/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/vdev/ioapic.c and hv/vm_irq.c: registers, edges, levels and their end, routing, MSI. */
#include "fake_vm.h"

#include "hv/vdev/lapic.h"

static struct apic_message last;
static unsigned sent, targets, unmasked;
static int pic_line;
static bool pic_level;

unsigned vlapic_deliver(struct vm *vm, const struct apic_message *m)
{
	last = *m;
	sent++;
	return targets;
}

void vpic_set_line(struct vm *vm, unsigned irq, bool level)
{
	pic_line = (int)irq;
	pic_level = level;
}

void vpit_unmasked(struct vm *vm)
{
	unmasked++;
}

static void wr(uint32_t reg, uint32_t value)
{
	io_bus_write(&fake_vm.mmio, NULL, 0xfec00000, 4, reg);
	io_bus_write(&fake_vm.mmio, NULL, 0xfec00010, 4, value);
}

static uint32_t rd(uint32_t reg)
{
	io_bus_write(&fake_vm.mmio, NULL, 0xfec00000, 4, reg);
	return (uint32_t)io_bus_read(&fake_vm.mmio, NULL, 0xfec00010, 4);
}

static int setup(void **state)
{
	fake_vm_new(2);
	assert_int_equal(vioapic_init(&fake_vm), OK);
	vioapic_reset(&fake_vm);
	memset(&last, 0, sizeof(last));
	sent = unmasked = 0;
	targets = 1;
	pic_line = -1;
	return 0;
}

static void test_registers(void **state)
{
	assert_int_equal(rd(0), 0);
	assert_int_equal(rd(1), 0x00170011);
	wr(0, ~0u);
	assert_int_equal(rd(0), 0x0f000000);
	assert_int_equal(rd(2), 0x0f000000);
	wr(1, 0);
	assert_int_equal(rd(1), 0x00170011);
	for (uint32_t pin = 0; pin < 24; pin++) {
		assert_int_equal(rd(0x10 + 2 * pin), 0x10000);
		wr(0x10 + 2 * pin, ~0u);
		wr(0x11 + 2 * pin, ~0u);
		assert_int_equal(rd(0x10 + 2 * pin), 0x1afff);
		assert_int_equal(rd(0x11 + 2 * pin), 0xff000000);
	}
	assert_int_equal(rd(0x40), 0xffffffff);
	assert_int_equal(rd(0x0f), 0xffffffff);
	wr(0x40, 0);
	wr(0xff, 0);
	assert_int_equal(io_bus_read(&fake_vm.mmio, NULL, 0xfec00000, 4), 0xff);
	io_bus_write(&fake_vm.mmio, NULL, 0xfec00000, 1, 0); /* too narrow */
	assert_int_equal(io_bus_read(&fake_vm.mmio, NULL, 0xfec00000, 4), 0xff);
	assert_int_equal(io_bus_read(&fake_vm.mmio, NULL, 0xfec00020, 4), 0);
}

static void test_edge(void **state)
{
	vm_irq_set(&fake_vm, 4, true);
	assert_int_equal(sent, 0);
	wr(0x18, 0x0034);
	assert_int_equal(sent, 0); /* an edge under the mask is lost */
	vm_irq_set(&fake_vm, 4, true);
	assert_int_equal(sent, 0);
	vm_irq_set(&fake_vm, 4, false);
	vm_irq_set(&fake_vm, 4, true);
	assert_int_equal(sent, 1);
	assert_int_equal(last.vector, 0x34);
	assert_false(last.level);
	assert_int_equal(rd(0x18), 0x0034);
	wr(0x19, 0x0a000000);
	wr(0x18, 0x0934);
	vm_irq_set(&fake_vm, 4, false);
	vm_irq_set(&fake_vm, 4, true);
	assert_int_equal(last.dest, 0x0a);
	assert_true(last.logical);
	assert_int_equal(last.mode, APIC_LOWEST);
	assert_int_equal(sent, 2);
}

static void test_level(void **state)
{
	wr(0x22, 0x8039); /* pin 9 */
	vm_irq_set(&fake_vm, 9, true);
	assert_int_equal(sent, 1);
	assert_true(last.level);
	assert_int_equal(rd(0x22), 0xc039); /* remote IRR */
	vm_irq_set(&fake_vm, 9, false);
	vm_irq_set(&fake_vm, 9, true);
	assert_int_equal(sent, 1); /* not again before EOI */
	vioapic_eoi(&fake_vm, 0x38);
	assert_int_equal(sent, 1);
	vioapic_eoi(&fake_vm, 0x39);
	assert_int_equal(sent, 2); /* still asserted */
	vm_irq_set(&fake_vm, 9, false);
	vioapic_eoi(&fake_vm, 0x39);
	assert_int_equal(sent, 2);
	assert_int_equal(rd(0x22), 0x8039);
}

static void test_level_mask(void **state)
{
	wr(0x22, 0x18039);
	vm_irq_set(&fake_vm, 9, true);
	assert_int_equal(sent, 0);
	wr(0x22, 0x8039); /* the level is still there */
	assert_int_equal(sent, 1);
	wr(0x22, 0x18039);
	vioapic_eoi(&fake_vm, 0x39);
	assert_int_equal(sent, 1);
	assert_int_equal(rd(0x22), 0x18039);
	wr(0x22, 0x8039);
	assert_int_equal(sent, 2);
	wr(0x22, 0x0039); /* to edge and back: clears remote IRR, as an OS does without EOI register */
	assert_int_equal(rd(0x22), 0x0039);
	wr(0x22, 0x8039);
	assert_int_equal(sent, 3);
}

static void test_nobody_takes(void **state)
{
	targets = 0;
	wr(0x22, 0x8039);
	vm_irq_set(&fake_vm, 9, true);
	assert_int_equal(sent, 1);
	assert_int_equal(rd(0x22), 0x8039); /* no remote IRR */
	wr(0x24, 0x8405);                   /* NMI has no EOI */
	targets = 1;
	vm_irq_set(&fake_vm, 10, true);
	assert_int_equal(rd(0x24), 0x8405);
}

static void test_routing(void **state)
{
	vm_irq_set(&fake_vm, 2, true);
	assert_int_equal(pic_line, 0); /* the timer */
	assert_true(pic_level);
	assert_int_equal(fake_vm.ioapic.line, 1 << 2);
	vm_irq_set(&fake_vm, 4, true);
	assert_int_equal(pic_line, 4);
	vm_irq_set(&fake_vm, 15, false);
	assert_int_equal(pic_line, 15);
	vm_irq_set(&fake_vm, 16, true);
	vm_irq_set(&fake_vm, 23, true);
	vm_irq_set(&fake_vm, 0, true);
	assert_int_equal(pic_line, 15);
	assert_panics(vm_irq_set(&fake_vm, 24, true));
}

static void test_timer_unmask(void **state)
{
	assert_true(vioapic_masked(&fake_vm, 2));
	wr(0x12, 0x0);
	assert_int_equal(unmasked, 0);
	wr(0x14, 0x30);
	assert_int_equal(unmasked, 1);
	assert_false(vioapic_masked(&fake_vm, 2));
	wr(0x14, 0x31);
	assert_int_equal(unmasked, 1);
}

static void test_msi(void **state)
{
	vm_msi(&fake_vm, 0xfee03000, 0x4041);
	assert_int_equal(sent, 1);
	assert_int_equal(last.dest, 3);
	assert_int_equal(last.vector, 0x41);
	assert_false(last.logical || last.level || last.wide);
	vm_msi(&fake_vm, 0xfeeff00c, 0x0141);
	assert_int_equal(last.dest, 0xff);
	assert_true(last.logical);
	assert_int_equal(last.mode, APIC_LOWEST);
	vm_msi(&fake_vm, 0xfee00000, 0xc041);
	assert_true(last.level);
	assert_int_equal(sent, 3);
	vm_msi(&fake_vm, 0xfee00000, 0x8041); /* de-assert */
	vm_msi(&fake_vm, 0xfed00000, 0x41);
	vm_msi(&fake_vm, 0x1fee00000, 0x41);
	assert_int_equal(sent, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_registers, setup),    cmocka_unit_test_setup(test_edge, setup),
	    cmocka_unit_test_setup(test_level, setup),        cmocka_unit_test_setup(test_level_mask, setup),
	    cmocka_unit_test_setup(test_nobody_takes, setup), cmocka_unit_test_setup(test_routing, setup),
	    cmocka_unit_test_setup(test_timer_unmask, setup), cmocka_unit_test_setup(test_msi, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
