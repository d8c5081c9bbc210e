/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/vdev/lapic_ipi.c: who gets a message, and what becomes of it there; the local interrupt pins. */
#include "fake_lapic.h"

static void test_ipi_xapic(void **state)
{
	enable_all();
	wr(CPU(0), LAPIC_ICR2, 2u << 24);
	wr(CPU(0), LAPIC_ICR, 0x4031);
	assert_int_equal(pending_set(0x31), 1 << 2);
	assert_int_equal(rd(CPU(0), LAPIC_ICR), 0x4031);
	wr(CPU(0), LAPIC_ICR2, 0x0au << 24); /* flat logical 1 and 3 */
	wr(CPU(0), LAPIC_ICR, 0x4832);
	assert_int_equal(pending_set(0x32), 0xa);
	wr(CPU(1), LAPIC_ICR, 0x44033);
	assert_int_equal(pending_set(0x33), 1 << 1);
	wr(CPU(1), LAPIC_ICR, 0x84034);
	assert_int_equal(pending_set(0x34), 0xf);
	wr(CPU(1), LAPIC_ICR, 0xc4035);
	assert_int_equal(pending_set(0x35), 0xd);
	wr(CPU(1), LAPIC_ICR2, 0xffu << 24);
	wr(CPU(1), LAPIC_ICR, 0x4036);
	assert_int_equal(pending_set(0x36), 0xf);
	wr(CPU(1), LAPIC_ICR2, 9u << 24); /* nobody there */
	wr(CPU(1), LAPIC_ICR, 0x4037);
	assert_int_equal(pending_set(0x37), 0);
	wr(CPU(1), LAPIC_ICR, 0xc4400);
	assert_int_equal(fake_nmis[0] + fake_nmis[2] + fake_nmis[3], 3);
	assert_int_equal(fake_nmis[1], 0);
	wr(CPU(1), LAPIC_ICR, 0x44400);
	assert_int_equal(fake_nmis[1], 1);
	wr(CPU(1), LAPIC_ICR, 0x84138); /* lowest priority to all including self is no valid combination */
	assert_int_equal(pending_set(0x38), 0);
}

static void test_cluster(void **state)
{
	struct apic_message m = {.logical = true, .vector = 0x41};

	for (unsigned i = 0; i < FAKE_VCPUS; i++) {
		wr(CPU(i), LAPIC_SVR, 0x1ff);
		wr(CPU(i), LAPIC_DFR, 0x0fffffff);
		wr(CPU(i), LAPIC_LDR, ((i / 2) << 4 | 1u << (i % 2)) << 24); /* 2 clusters of 2 */
	}
	m.dest = 0x13;
	assert_int_equal(vlapic_deliver(&fake_vm, &m), 2);
	assert_int_equal(pending_set(0x41), 0xc);
	m.dest = 0x02;
	m.vector = 0x42;
	vlapic_deliver(&fake_vm, &m);
	assert_int_equal(pending_set(0x42), 0x2);
	m.dest = 0xf1; /* the first of every cluster */
	m.vector = 0x43;
	vlapic_deliver(&fake_vm, &m);
	assert_int_equal(pending_set(0x43), 0x5);
}

static void test_init_sipi(void **state)
{
	wr(CPU(0), LAPIC_ICR2, 1u << 24);
	wr(CPU(0), LAPIC_ICR, 0xc500); /* INIT, level, assert */
	assert_int_equal(fake_inits[1], 1);
	wr(CPU(0), LAPIC_ICR, 0x8500); /* level de-assert: nothing */
	assert_int_equal(fake_inits[1], 1);
	wr(CPU(0), LAPIC_ICR, 0x4699); /* an AP that was never enabled takes it */
	assert_int_equal(fake_sipi[1], 0x99);
	wr(CPU(0), LAPIC_ICR, 0xc4500);
	assert_int_equal(fake_inits[2], 1);
	assert_int_equal(fake_inits[3], 1);
	assert_int_equal(fake_inits[0], 0);
	wr(CPU(0), LAPIC_ICR, 0x44500); /* to self by shorthand: not valid */
	assert_int_equal(fake_inits[0], 0);
}

static void test_lowest(void **state)
{
	struct apic_message m = {.dest = 0x0f, .logical = true, .mode = APIC_LOWEST, .vector = 0x40};
	unsigned all = 0;

	enable_all();
	for (unsigned i = 0; i < FAKE_VCPUS; i++)
		wr(CPU(i), LAPIC_TPR, i == 2 ? 0x10 : 0x20);
	assert_int_equal(vlapic_deliver(&fake_vm, &m), 1);
	assert_int_equal(pending_set(0x40), 1 << 2);
	wr(CPU(2), LAPIC_TPR, 0x20);
	for (m.vector = 0x50; m.vector < 0x54; m.vector++) {
		assert_int_equal(vlapic_deliver(&fake_vm, &m), 1);
		all |= pending_set(m.vector);
	}
	assert_int_equal(all, 0xf); /* equals take turns by vector */
	for (unsigned i = 0; i < FAKE_VCPUS; i++)
		wr(CPU(i), LAPIC_SVR, 0xff);
	assert_int_equal(vlapic_deliver(&fake_vm, &m), 0);
}

static void test_deliver_set(void **state)
{
	struct apic_message m = {.mode = APIC_FIXED, .vector = 0x41};

	enable_all();
	assert_int_equal(vlapic_deliver_set(&fake_vm, 5, &m), 2);
	assert_int_equal(vlapic_pending(CPU(0)), 0x41);
	assert_int_equal(vlapic_pending(CPU(1)), -1);
	assert_int_equal(vlapic_pending(CPU(2)), 0x41);
	assert_true(vlapic_base_set(CPU(3), PLATFORM_LAPIC_BASE, PHYS_BITS)); /* its APIC is off */
	assert_int_equal(vlapic_deliver_set(&fake_vm, ~0UL << 1, &m), 2);
}

static void test_disabled_takes_nothing(void **state)
{
	struct apic_message m = {.dest = 1, .mode = APIC_NMI};

	enable_all();
	assert_true(vlapic_base_set(CPU(1), 0xfee00000, PHYS_BITS));
	assert_int_equal(vlapic_deliver(&fake_vm, &m), 0);
	m.dest = 0xff;
	assert_int_equal(vlapic_deliver(&fake_vm, &m), 3);
	wr(CPU(0), LAPIC_ICR, 0xc4035);
	assert_int_equal(pending_set(0x35), 0xc);
}

static void test_lint(void **state)
{
	vlapic_lint(CPU(0), LVT_LINT0);
	assert_int_equal(fake_requests[0], 1);
	vlapic_lint(CPU(0), LVT_LINT1);
	assert_int_equal(fake_nmis[0], 1);
	wr(CPU(0), LAPIC_LVT_LINT0, 0x0031);
	vlapic_lint(CPU(0), LVT_LINT0);
	assert_int_equal(vlapic_pending(CPU(0)), 0x31);
	wr(CPU(0), LAPIC_LVT_LINT0, 0x10400);
	vlapic_lint(CPU(0), LVT_LINT0);
	assert_int_equal(fake_nmis[0], 1);
	wr(CPU(0), LAPIC_LVT_LINT0, 0x400);
	vlapic_lint(CPU(0), LVT_LINT0);
	assert_int_equal(fake_nmis[0], 2);
	assert_false(vlapic_accepts_extint(CPU(0)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_ipi_xapic, setup),
	    cmocka_unit_test_setup(test_cluster, setup),
	    cmocka_unit_test_setup(test_init_sipi, setup),
	    cmocka_unit_test_setup(test_lowest, setup),
	    cmocka_unit_test_setup(test_deliver_set, setup),
	    cmocka_unit_test_setup(test_disabled_takes_nothing, setup),
	    cmocka_unit_test_setup(test_lint, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
