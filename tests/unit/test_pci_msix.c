/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/vdev/pci_msix.c: what is sent, and what stays pending under which mask. */
#include "fake_function.h"

#define VECTORS 70
#define TABLE   0xc0000000UL
#define PBA     (TABLE + 0x800)
#define ROUNDS  100000
#define MASKED  0x4000u

static struct {
	uint64_t address;
	uint32_t data;
} sent[VECTORS];
static unsigned messages;

void vm_msi(struct vm *vm, uint64_t address, uint32_t data)
{
	assert_true(messages < VECTORS);
	sent[messages].address = address;
	sent[messages++].data = data;
}

void vm_irq_set(struct vm *vm, unsigned gsi, bool level)
{
	fail();
}

static void mask(unsigned vector, bool on)
{
	wr(TABLE + 16 * vector + 12, 4, on);
}

/* Message n is n at 0xfee00000 + 4096 * n, unmasked. */
static void fill(void)
{
	for (unsigned n = 0; n < VECTORS; n++) {
		wr(TABLE + 16 * n, 8, 0xfee00000 + 4096 * n);
		wr(TABLE + 16 * n + 8, 8, n);
	}
}

static int setup(void **state)
{
	const struct pci_identity id = {.vendor = 1, .device = 2};

	fake_vm_new(1);
	assert_int_equal(vpci_init(&fake_vm), OK);
	vpci_function_init(&f, &id);
	vpci_msix_define(&f, 1, VECTORS);
	assert_int_equal(vpci_add(&fake_vm, SLOT, &f), OK);
	vpci_reset(&fake_vm);
	wr(ECAM(SLOT, 0x14), 4, TABLE);
	command(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	messages = 0;
	return 0;
}

static void test_capability(void **state)
{
	assert_int_equal(rd(ECAM(SLOT, PCI_STATUS), 2), 0x10);
	assert_int_equal(rd(ECAM(SLOT, PCI_CAPABILITIES), 1), MSIX);
	assert_int_equal(rd(ECAM(SLOT, MSIX), 4), (VECTORS - 1) << 16 | 0x11);
	assert_int_equal(rd(ECAM(SLOT, MSIX + 4), 8), 0x0000080100000001);
	for (unsigned n = 0; n < VECTORS; n++) {
		assert_int_equal(rd(TABLE + 16 * n, 8), 0);
		assert_int_equal(rd(TABLE + 16 * n + 8, 8), 1ULL << 32);
	}
}

/* The table keeps what it has bits for, in the sizes that the specification allows; behind it there is nothing. */
static void test_table(void **state)
{
	wr(TABLE, 8, ~0ULL);
	assert_int_equal(rd(TABLE, 8), ~3ULL);
	wr(TABLE + 8, 8, ~0ULL);
	assert_int_equal(rd(TABLE + 8, 8), 0x1ffffffff);
	wr(TABLE + 8, 2, 0x1234);
	wr(TABLE + 9, 1, 0x12);
	wr(TABLE + 6, 4, 0);
	wr(TABLE + 4, 8, 0);
	assert_int_equal(rd(TABLE, 8), ~3ULL);
	assert_int_equal(rd(TABLE + 8, 8), 0x1ffffffff);
	assert_int_equal(rd(TABLE + 5, 2), 0xffff);
	wr(TABLE + 16 * VECTORS, 8, ~0ULL);
	wr(PBA, 8, ~0ULL);
	wr(TABLE + 0xff8, 8, ~0ULL);
	assert_int_equal(rd(TABLE + 16 * VECTORS, 8), 0);
	assert_int_equal(rd(PBA, 8), 0);
	assert_int_equal(rd(TABLE + 0xff8, 8), 0);
}

static void test_masks(void **state)
{
	fill();
	assert_false(vpci_msix_send(&f, 1)); /* off: nothing is sent, nothing kept */
	control(ON | MASKED);
	assert_true(vpci_msix_send(&f, 1));
	assert_true(vpci_msix_send(&f, 65));
	assert_true(vpci_msix_send(&f, 65));
	assert_int_equal(messages, 0);
	assert_int_equal(rd(PBA, 8), 2);
	assert_int_equal(rd(PBA + 8, 8), 2);
	mask(65, true);
	control(ON);
	assert_int_equal(messages, 1);
	assert_int_equal(sent[0].data, 1);
	assert_int_equal(sent[0].address, 0xfee01000);
	assert_int_equal(rd(PBA, 8), 0);
	assert_int_equal(rd(PBA + 8, 4), 2);
	mask(65, false);
	assert_int_equal(messages, 2);
	assert_int_equal(sent[1].data, 65);
	assert_int_equal(rd(PBA + 8, 8), 0);
	assert_true(vpci_msix_send(&f, VECTORS));
	assert_true(vpci_msix_send(&f, UINT32_MAX));
	assert_int_equal(messages, 2);
}

static void test_master(void **state)
{
	fill();
	control(ON);
	command(PCI_COMMAND_MEMORY);
	assert_true(vpci_msix_send(&f, 3));
	assert_int_equal(messages, 0);
	assert_int_equal(rd(PBA, 8), 8);
	command(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_int_equal(messages, 1);
	assert_int_equal(rd(PBA, 8), 0);
}

/* What was pending is gone with MSI-X off, and with a reset. */
static void test_off(void **state)
{
	fill();
	control(ON | MASKED);
	assert_true(vpci_msix_send(&f, 5));
	control(0);
	control(ON);
	assert_int_equal(messages, 0);
	control(ON | MASKED);
	assert_true(vpci_msix_send(&f, 5));
	vpci_reset(&fake_vm);
	wr(ECAM(SLOT, 0x14), 4, TABLE);
	command(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_int_equal(rd(PBA, 8), 0);
	control(ON);
	mask(5, false);
	assert_int_equal(messages, 0);
}

/* Random masks and sends: each send comes exactly once, or is one of those that the pending bit stands for. */
static void test_random_masks(void **state)
{
	bool vector_masked[VECTORS] = {}, pending[VECTORS] = {};
	bool on = false, masked = false, master = true;

	fill();
	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned n = below(VECTORS), expected = 0;
		int sends = -1;

		messages = 0;
		switch (below(8)) {
		case 0:
			on = below(8);
			masked = below(2);
			control((on ? ON : 0) | (masked ? MASKED : 0));
			break;
		case 1:
			master = below(4);
			command(PCI_COMMAND_MEMORY | (master ? PCI_COMMAND_MASTER : 0));
			break;
		case 2:
		case 3:
			vector_masked[n] = below(2);
			mask(n, vector_masked[n]);
			break;
		default:
			sends = (int)n;
			pending[n] = true;
			assert_int_equal(vpci_msix_send(&f, n), on);
		}
		for (unsigned k = 0; k < VECTORS; k++) {
			bool goes = pending[k] && on && !masked && master && !vector_masked[k];

			if (goes) {
				assert_int_equal(sent[expected].data, k);
				assert_int_equal(sent[expected].address, 0xfee00000 + 4096 * k);
				expected++;
			}
			if (goes || !on)
				pending[k] = false;
			assert_int_equal(rd(PBA + k / 64 * 8, 8) >> k % 64 & 1, pending[k]);
		}
		assert_int_equal(messages, expected);
		assert_true(sends < 0 || expected <= 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_capability, setup), cmocka_unit_test_setup(test_table, setup),
	    cmocka_unit_test_setup(test_masks, setup),      cmocka_unit_test_setup(test_master, setup),
	    cmocka_unit_test_setup(test_off, setup),        cmocka_unit_test_setup(test_random_masks, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
