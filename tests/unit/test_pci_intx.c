/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/vdev/pci_intx.c: what reaches the I/O APIC from a pin, and from pins that share an input. */
#include "fake_function.h"

#define SHARING 8 /* functions, from the slot of this number on */
#define ROUNDS  100000

static struct pci_function sharing[SHARING];
static bool line[PLATFORM_IOAPIC_PINS];

void vm_msi(struct vm *vm, uint64_t address, uint32_t data)
{
	fail();
}

void vm_irq_set(struct vm *vm, unsigned gsi, bool level)
{
	assert_in_range(gsi, 16, 19);
	line[gsi] = level;
}

static int setup(void **state)
{
	const struct pci_identity id = {.vendor = 1, .device = 2};

	fake_vm_new(1);
	assert_int_equal(vpci_init(&fake_vm), OK);
	vpci_function_init(&f, &id);
	vpci_msix_define(&f, 1, 1);
	vpci_intx_define(&f, PCI_INTA);
	assert_int_equal(vpci_add(&fake_vm, SLOT, &f), OK);
	for (unsigned i = 0; i < SHARING; i++) {
		vpci_function_init(&sharing[i], &id);
		vpci_intx_define(&sharing[i], (enum pci_pin)(PCI_INTA + i % 4));
		assert_int_equal(vpci_add(&fake_vm, SHARING + i, &sharing[i]), OK);
	}
	memset(line, 0, sizeof(line));
	vpci_reset(&fake_vm);
	return 0;
}

static void test_pin(void **state)
{
	assert_int_equal(rd(ECAM(SLOT, PCI_INTERRUPT_LINE), 2), 0x0100);
	vpci_intx_set(&f, true);
	assert_true(line[18]); /* slot 6, INTA */
	assert_int_equal(rd(ECAM(SLOT, PCI_STATUS), 2), 0x18);
	command(PCI_COMMAND_INTX_DISABLE);
	assert_false(line[18]);
	assert_int_equal(rd(ECAM(SLOT, PCI_STATUS), 2), 0x18);
	command(0);
	assert_true(line[18]);
	control(ON);
	assert_false(line[18]);
	control(0);
	assert_true(line[18]);
	vpci_reset(&fake_vm);
	assert_false(line[18]);
	assert_int_equal(rd(ECAM(SLOT, PCI_STATUS), 2), 0x10);
}

/* Eight functions on four inputs: an input is up as long as one of its own is. */
static void test_shared(void **state)
{
	bool level[SHARING] = {}, off[SHARING] = {};

	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned n = below(SHARING);
		bool expected[4] = {};

		if (below(4)) {
			level[n] = below(2);
			vpci_intx_set(&sharing[n], level[n]);
		} else {
			off[n] = below(2);
			wr(ECAM(SHARING + n, PCI_COMMAND), 2, off[n] ? PCI_COMMAND_INTX_DISABLE : 0);
		}
		for (unsigned k = 0; k < SHARING; k++)
			expected[(SHARING + k + k % 4) % 4] |= level[k] && !off[k];
		for (unsigned k = 0; k < 4; k++)
			assert_int_equal(line[16 + k], expected[k]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_pin, setup),
	    cmocka_unit_test_setup(test_shared, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
