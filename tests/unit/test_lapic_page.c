/* SPDX-License-Identifier: BSD-2-Clause */
/* The page of a local APIC's registers, and a processor that reads and writes it by itself. */
#include "fake_lapic.h"

/* The registers lie where a processor that virtualizes APICs looks for them. */
static void test_page(void **state)
{
	const uint32_t *page = CPU(2)->lapic.page;
	struct apic_message m = {.dest = 2, .vector = 0x41, .level = true};

	assert_int_equal((uintptr_t)page % PAGE_SIZE, 0);
	enable_all();
	assert_int_equal(page[LAPIC_ID / 4], 2u << 24);
	assert_int_equal(page[LAPIC_VERSION / 4], 0x50014);
	wr(CPU(2), LAPIC_TPR, 0x20);
	wr(CPU(2), LAPIC_ICR2, 0x03123456);
	wr(CPU(2), LAPIC_TIMER_INITIAL, 77);
	wr(CPU(2), LAPIC_TIMER_DIVIDE, 0xff);
	wr(CPU(2), LAPIC_LVT_TIMER, 0xffffffff);
	assert_int_equal(page[LAPIC_TPR / 4], 0x20);
	assert_int_equal(page[LAPIC_ICR2 / 4], 0x03000000);
	assert_int_equal(page[LAPIC_TIMER_INITIAL / 4], 77);
	assert_int_equal(page[LAPIC_TIMER_DIVIDE / 4], 0xb);
	assert_int_equal(page[LAPIC_LVT_TIMER / 4], 0x700ff);
	vlapic_deliver(&fake_vm, &m);
	assert_int_equal(page[(LAPIC_IRR + 0x20) / 4], 0); /* the vCPU's own CPU puts it there */
	assert_int_equal(vlapic_pending(CPU(2)), 0x41);
	assert_int_equal(page[(LAPIC_IRR + 0x20) / 4], 2);
	assert_int_equal(page[(LAPIC_TMR + 0x20) / 4], 2);
	m.level = false;
	vlapic_deliver(&fake_vm, &m);
	vlapic_accept(CPU(2), 0x41);
	assert_int_equal(page[(LAPIC_ISR + 0x20) / 4], 2);
	assert_int_equal(rd(CPU(2), LAPIC_TMR + 0x20), 0);
	assert_int_equal(page[(LAPIC_IRR + 0x20) / 4], 2);
	/* In x2APIC mode ICR is one register. */
	enable_x2apic();
	assert_int_equal(page[LAPIC_ID / 4], 2);
	assert_int_equal(page[LAPIC_ICR_HIGH_X2 / 4], 0x03000000);
	assert_int_equal(page[LAPIC_ICR2 / 4], 0);
}

/* A write that the processor has made in the page is taken like any other: what it must not hold is gone. */
static void test_page_written(void **state)
{
	struct vcpu *v = CPU(1);
	uint32_t *page = v->lapic.page;

	enable_all();
	v->lapic.eoi_offered = true;
	page[LAPIC_LVT_ERROR / 4] = 0xffffffff;
	vlapic_page_written(v, LAPIC_LVT_ERROR);
	assert_false(v->lapic.eoi_offered);
	assert_int_equal(rd(v, LAPIC_LVT_ERROR), 0x100ff);
	page[LAPIC_ID / 4] = 0x12345678;
	vlapic_page_written(v, LAPIC_ID);
	assert_int_equal(rd(v, LAPIC_ID), 1u << 24);
	page[LAPIC_ESR / 4] = 0xff;
	vlapic_page_written(v, LAPIC_ESR);
	assert_int_equal(rd(v, LAPIC_ESR), 0);
	page[LAPIC_EOI / 4] = 5;
	vlapic_page_written(v, LAPIC_EOI);
	assert_int_equal(rd(v, LAPIC_EOI), 0);
	page[LAPIC_LDR / 4] = 0x04ffffff;
	vlapic_page_written(v, LAPIC_LDR + 1);
	assert_int_equal(rd(v, LAPIC_LDR), 0x04000000);
	page[LAPIC_DFR / 4] = 0;
	vlapic_page_written(v, LAPIC_DFR);
	assert_int_equal(rd(v, LAPIC_DFR), 0x0fffffff);
	/* The timer goes by what was, until it hears of it. */
	wr(v, LAPIC_LVT_TIMER, 0x41);
	wr(v, LAPIC_TIMER_DIVIDE, 0xb);
	wr(v, LAPIC_TIMER_INITIAL, 1000);
	fake_run(100);
	page[LAPIC_TIMER_INITIAL / 4] = 5000;
	assert_int_equal(rd(v, LAPIC_TIMER_CURRENT), 900);
	vlapic_page_written(v, LAPIC_TIMER_INITIAL);
	assert_int_equal(rd(v, LAPIC_TIMER_CURRENT), 5000);
	page[LAPIC_TIMER_DIVIDE / 4] = 0xff;
	vlapic_page_written(v, LAPIC_TIMER_DIVIDE);
	assert_int_equal(rd(v, LAPIC_TIMER_DIVIDE), 0xb);
	page[LAPIC_ICR2 / 4] = 2u << 24;
	page[LAPIC_ICR / 4] = 0xffff4051 & ~LAPIC_ICR_SHORTHAND_MASK;
	vlapic_page_written(v, LAPIC_ICR);
	assert_int_equal(vlapic_pending(CPU(2)), 0x51);
	assert_int_equal(rd(v, LAPIC_ICR), 0x4051);
	page[LAPIC_SVR / 4] = 0;
	vlapic_page_written(v, LAPIC_SVR);
	assert_int_equal(rd(v, LAPIC_LVT_TIMER), 0x10041);
	for (uint32_t offset = 0; offset < PAGE_SIZE; offset++)
		vlapic_page_written(v, offset);
}

/* The processor moves vectors on by itself: what it has done is seen, and it hears of what software does. */
static void test_processor_delivers(void **state)
{
	struct vcpu *v = CPU(0);
	struct vlapic *l = &v->lapic;
	uint32_t *page = l->page;
	struct apic_message m = {.dest = 0, .vector = 0x41, .level = true};

	enable_all();
	l->delivers = true;
	l->isr_changed = l->tmr_changed = false;
	vlapic_deliver(&fake_vm, &m);
	assert_int_equal(vlapic_waiting(v), 0x41);
	assert_int_equal(vlapic_pending(v), 0x41);
	assert_true(l->tmr_changed && !l->isr_changed);
	/* It takes it. */
	page[(LAPIC_IRR + 0x20) / 4] = 0;
	page[(LAPIC_ISR + 0x20) / 4] = 2;
	page[LAPIC_PPR / 4] = 0x40;
	assert_int_equal(vlapic_waiting(v), -1);
	assert_int_equal(vlapic_in_service(l), 0x41);
	assert_int_equal(rd(v, LAPIC_PPR), 0x40);
	m.vector = 0x42;
	m.level = false;
	vlapic_deliver(&fake_vm, &m);
	assert_int_equal(vlapic_waiting(v), 0x42);
	assert_int_equal(vlapic_pending(v), -1);
	/* An end that was emulated, not the processor's. */
	wr(v, LAPIC_EOI, 0);
	assert_int_equal(last_eoi, 0x41);
	assert_true(l->isr_changed);
	assert_int_equal(page[(LAPIC_ISR + 0x20) / 4], 0);
	assert_int_equal(page[LAPIC_PPR / 4], 0);
	assert_int_equal(vlapic_pending(v), 0x42);
	wr(v, LAPIC_TPR, 0x55);
	assert_int_equal(page[LAPIC_PPR / 4], 0x55);
	assert_int_equal(vlapic_pending(v), -1);
	changes = 0;
	enable_x2apic();
	assert_int_equal(changes, FAKE_VCPUS);
	assert_int_equal(vlapic_pending(v), -1);
}

static uint8_t rights[0x40];

static void note_rights(void *arg, uint32_t msr, uint8_t r)
{
	assert_in_range(msr, MSR_X2APIC_BASE, MSR_X2APIC_BASE + 0x3f);
	rights[msr - MSR_X2APIC_BASE] = r;
}

/* What the processor may answer from the page: no more than what a read or a write gives otherwise. */
static void test_msrs_in_page(void **state)
{
	vlapic_msrs_in_page(true, true, note_rights, NULL);
	enable_x2apic();
	for (uint32_t n = 0; n < 0x40; n++) {
		uint64_t value;

		if (rights[n] & MSR_READ)
			assert_true(vlapic_msr_read(CPU(0), MSR_X2APIC_BASE + n, &value));
		if (rights[n] & MSR_WRITE)
			assert_true(n == LAPIC_TPR >> 4 || n == LAPIC_EOI >> 4 || n == LAPIC_SELF_IPI >> 4);
	}
	assert_int_equal(rights[LAPIC_TIMER_CURRENT >> 4], 0);
	assert_int_equal(rights[LAPIC_PPR >> 4], MSR_READ);
	assert_int_equal(rights[LAPIC_TPR >> 4], MSR_READ | MSR_WRITE);
	vlapic_msrs_in_page(true, false, note_rights, NULL);
	assert_int_equal(rights[LAPIC_PPR >> 4] | rights[LAPIC_EOI >> 4] | rights[LAPIC_SELF_IPI >> 4], 0);
	vlapic_msrs_in_page(false, false, note_rights, NULL);
	for (uint32_t n = 0; n < 0x40; n++)
		assert_int_equal(rights[n], n == LAPIC_TPR >> 4 ? MSR_READ | MSR_WRITE : 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_page, setup),
	    cmocka_unit_test_setup(test_page_written, setup),
	    cmocka_unit_test_setup(test_processor_delivers, setup),
	    cmocka_unit_test_setup(test_msrs_in_page, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
