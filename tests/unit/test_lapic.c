/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/vdev/lapic*.c: registers in both modes, priorities, messages, the timer, reset. */
#include "fake_vm.h"

#include "hv/pv_eoi.h"
#include "hv/vdev/lapic.h"
#include "hv/vdev/platform.h"
#include "hv/x86/msr.h"

#define PHYS_BITS 39
#define CPU(n)    (&fake_vcpu[n])
#define X2(reg)   (MSR_X2APIC_BASE + ((reg) >> 4))

static int last_eoi;

void vioapic_eoi(struct vm *vm, uint8_t vector)
{
	last_eoi = vector;
}

/* The guest has accepted the offer. */
void pv_eoi_collect(struct vcpu *v)
{
	v->lapic.eoi_offered = false;
	vlapic_eoi(v);
}

static unsigned changes;

static void fake_lapic_changed(struct vcpu *v)
{
	changes++;
}

static const struct hv_ops fake_ops = {.lapic_changed = fake_lapic_changed};
const struct hv_ops *ops = &fake_ops;

static uint32_t rd(struct vcpu *v, uint32_t reg)
{
	return (uint32_t)vlapic_mmio_read(v, reg, 4);
}

static void wr(struct vcpu *v, uint32_t reg, uint32_t value)
{
	vlapic_mmio_write(v, reg, 4, value);
}

static int setup(void **state)
{
	(void)state;
	fake_vm_new(FAKE_VCPUS);
	fake_place = VCPU_HERE;
	last_eoi = -1;
	for (unsigned i = 0; i < FAKE_VCPUS; i++) {
		vlapic_init(CPU(i));
		vlapic_resume(CPU(i));
	}
	return 0;
}

/* As an operating system sets it up: enabled, flat logical ID. */
static void enable_all(void)
{
	for (unsigned i = 0; i < FAKE_VCPUS; i++) {
		wr(CPU(i), LAPIC_SVR, 0x1ff);
		wr(CPU(i), LAPIC_LDR, 1u << (24 + i));
	}
}

static void enable_x2apic(void)
{
	for (unsigned i = 0; i < FAKE_VCPUS; i++) {
		assert_true(
		    vlapic_base_set(CPU(i), vlapic_base_get(&CPU(i)->lapic) | APIC_BASE_X2APIC, PHYS_BITS));
		assert_true(vlapic_msr_write(CPU(i), X2(LAPIC_SVR), 0x1ff));
	}
}

static void test_reset(void **state)
{
	assert_int_equal(rd(CPU(0), LAPIC_SVR), 0x1ff);
	assert_int_equal(rd(CPU(0), LAPIC_LVT_LINT0), 0x700);
	assert_int_equal(rd(CPU(0), LAPIC_LVT_LINT1), 0x400);
	assert_int_equal(rd(CPU(1), LAPIC_SVR), 0xff);
	assert_int_equal(rd(CPU(1), LAPIC_LVT_LINT0), 0x10000);
	assert_int_equal(rd(CPU(2), LAPIC_ID), 2u << 24);
	assert_int_equal(rd(CPU(0), LAPIC_VERSION), 0x50014);
	assert_int_equal(rd(CPU(0), LAPIC_DFR), 0xffffffff);
	assert_int_equal(vlapic_base_get(&CPU(0)->lapic), 0xfee00900);
	assert_int_equal(vlapic_base_get(&CPU(1)->lapic), 0xfee00800);
	assert_true(vlapic_accepts_extint(CPU(0)));
	assert_false(vlapic_accepts_extint(CPU(1)));
	assert_int_equal(vlapic_pending(CPU(0)), -1);
}

static void test_owns(void **state)
{
	struct vlapic *l = &CPU(0)->lapic;

	assert_true(vlapic_owns(l, 0xfee00000));
	assert_true(vlapic_owns(l, 0xfee00fff));
	assert_false(vlapic_owns(l, 0xfee01000));
	assert_false(vlapic_owns(l, 0x1fee00000));
	assert_true(vlapic_base_set(CPU(0), 0x7e000000 | APIC_BASE_ENABLE | APIC_BASE_BSP, PHYS_BITS));
	assert_false(vlapic_owns(l, 0xfee00000));
	assert_true(vlapic_owns(l, 0x7e000020));
	assert_true(vlapic_base_set(CPU(0), 0x7e000000, PHYS_BITS));
	assert_false(vlapic_owns(l, 0x7e000020));
}

static void test_priorities(void **state)
{
	struct apic_message m = {.dest = 0, .vector = 0x41};

	assert_int_equal(vlapic_deliver(&fake_vm, &m), 1);
	assert_int_equal(fake_requests[0], 1);
	m.vector = 0x52;
	assert_int_equal(vlapic_deliver(&fake_vm, &m), 1);
	assert_int_equal(vlapic_pending(CPU(0)), 0x52);
	vlapic_set_tpr(CPU(0), 5);
	assert_int_equal(vlapic_pending(CPU(0)), -1);
	assert_int_equal(rd(CPU(0), LAPIC_TPR), 0x50);
	vlapic_set_tpr(CPU(0), 4);
	assert_int_equal(vlapic_get_tpr(CPU(0)), 4);
	assert_int_equal(vlapic_pending(CPU(0)), 0x52);
	vlapic_accept(CPU(0), 0x52);
	assert_int_equal(rd(CPU(0), LAPIC_PPR), 0x50);
	assert_int_equal(rd(CPU(0), LAPIC_ISR + 0x20), 1u << 18);
	assert_int_equal(rd(CPU(0), LAPIC_IRR + 0x20), 1u << 1);
	wr(CPU(0), LAPIC_TPR, 0);
	assert_int_equal(vlapic_pending(CPU(0)), -1); /* 0x41 waits for 0x52's EOI */
	m.vector = 0xe1;
	vlapic_deliver(&fake_vm, &m);
	assert_int_equal(vlapic_pending(CPU(0)), 0xe1);
	vlapic_accept(CPU(0), 0xe1);
	wr(CPU(0), LAPIC_EOI, 0); /* ends the highest */
	assert_int_equal(rd(CPU(0), LAPIC_PPR), 0x50);
	assert_int_equal(vlapic_pending(CPU(0)), -1);
	wr(CPU(0), LAPIC_EOI, 0);
	assert_int_equal(rd(CPU(0), LAPIC_PPR), 0);
	assert_int_equal(vlapic_pending(CPU(0)), 0x41);
	wr(CPU(0), LAPIC_EOI, 0); /* nothing in service: no effect */
	assert_int_equal(vlapic_pending(CPU(0)), 0x41);
	assert_int_equal(last_eoi, -1);
}

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
	page[LAPIC_LVT_ERROR / 4] = 0xffffffff;
	vlapic_page_written(v, LAPIC_LVT_ERROR);
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

/* The core is told when something that waited can be delivered. */
static void test_reconsider(void **state)
{
	struct apic_message m = {.dest = 0, .vector = 0x41};

	wr(CPU(0), LAPIC_TPR, 0x50);
	vlapic_deliver(&fake_vm, &m);
	wr(CPU(0), LAPIC_TPR, 0x60);
	assert_int_equal(fake_reconsidered, 0);
	wr(CPU(0), LAPIC_TPR, 0x30);
	assert_int_equal(fake_reconsidered, 1);
	vlapic_set_tpr(CPU(0), 5);
	vlapic_set_tpr(CPU(0), 0);
	assert_int_equal(fake_reconsidered, 2);
	vlapic_accept(CPU(0), 0x41);
	m.vector = 0x45;
	vlapic_deliver(&fake_vm, &m);
	wr(CPU(0), LAPIC_EOI, 0);
	assert_int_equal(fake_reconsidered, 3);
	vlapic_accept(CPU(0), 0x45);
	wr(CPU(0), LAPIC_EOI, 0);
	assert_int_equal(fake_reconsidered, 3);
	wr(CPU(0), LAPIC_LVT_LINT0, 0x10700);
	assert_int_equal(fake_reconsidered, 4);
}

static void test_level_eoi(void **state)
{
	struct apic_message m = {.dest = 0, .vector = 0x61, .level = true};

	vlapic_deliver(&fake_vm, &m);
	assert_int_equal(rd(CPU(0), LAPIC_TMR + 0x30), 2);
	vlapic_accept(CPU(0), 0x61);
	wr(CPU(0), LAPIC_EOI, 0);
	assert_int_equal(last_eoi, 0x61);
	last_eoi = -1;
	m.level = false; /* the same vector, now by an edge */
	vlapic_deliver(&fake_vm, &m);
	assert_int_equal(rd(CPU(0), LAPIC_TMR + 0x30), 0);
	vlapic_accept(CPU(0), 0x61);
	wr(CPU(0), LAPIC_EOI, 0);
	assert_int_equal(last_eoi, -1);
}

static void test_access_width(void **state)
{
	wr(CPU(0), LAPIC_TPR, 0x12345678);
	assert_int_equal(rd(CPU(0), LAPIC_TPR), 0x78);
	assert_int_equal(vlapic_mmio_read(CPU(0), LAPIC_VERSION + 2, 1), 0x05);
	assert_int_equal(vlapic_mmio_read(CPU(0), LAPIC_VERSION, 2), 0x14);
	assert_int_equal(vlapic_mmio_read(CPU(0), LAPIC_VERSION, 8), 0x50014);
	assert_int_equal(vlapic_mmio_read(CPU(0), LAPIC_VERSION + 4, 4), 0);
	vlapic_mmio_write(CPU(0), LAPIC_TPR, 1, 0x11);
	vlapic_mmio_write(CPU(0), LAPIC_TPR + 4, 4, 0x11);
	vlapic_mmio_write(CPU(0), LAPIC_TPR, 8, 0x11);
	assert_int_equal(rd(CPU(0), LAPIC_TPR), 0x78);
	wr(CPU(0), LAPIC_ID, 0x07000000);
	wr(CPU(0), LAPIC_VERSION, 0);
	wr(CPU(0), LAPIC_PPR, 0xff);
	wr(CPU(0), LAPIC_IRR, ~0u);
	wr(CPU(0), LAPIC_TIMER_CURRENT, 5);
	assert_int_equal(rd(CPU(0), LAPIC_ID), 0);
	assert_int_equal(rd(CPU(0), LAPIC_IRR), 0);
	wr(CPU(0), LAPIC_ESR, 0);
	assert_int_equal(rd(CPU(0), LAPIC_ESR), 0);
}

static void test_reserved_bits(void **state)
{
	static const struct {
		uint32_t reg, ones;
	} t[] = {
	    {LAPIC_SVR, 0x3ff},         {LAPIC_LDR, 0xff000000},      {LAPIC_DFR, 0xffffffff},
	    {LAPIC_LVT_TIMER, 0x700ff}, {LAPIC_LVT_THERMAL, 0x107ff}, {LAPIC_LVT_PERF, 0x107ff},
	    {LAPIC_LVT_LINT0, 0x1a7ff}, {LAPIC_LVT_LINT1, 0x1a7ff},   {LAPIC_LVT_ERROR, 0x100ff},
	    {LAPIC_TIMER_DIVIDE, 0xb},  {LAPIC_ICR2, 0xff000000},
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		wr(CPU(0), t[i].reg, ~0u);
		assert_int_equal(rd(CPU(0), t[i].reg), t[i].ones);
	}
	wr(CPU(0), LAPIC_DFR, 0);
	assert_int_equal(rd(CPU(0), LAPIC_DFR), 0x0fffffff);
}

static void test_software_disable(void **state)
{
	struct apic_message m = {.dest = 0, .vector = 0x41};

	vlapic_deliver(&fake_vm, &m);
	wr(CPU(0), LAPIC_LVT_ERROR, 0x40);
	wr(CPU(0), LAPIC_SVR, 0xff);
	for (uint32_t r = LAPIC_LVT_TIMER; r <= LAPIC_LVT_ERROR; r += 0x10)
		assert_true(rd(CPU(0), r) & LAPIC_LVT_MASKED);
	wr(CPU(0), LAPIC_LVT_ERROR, 0x40); /* the mask can't be taken off */
	assert_int_equal(rd(CPU(0), LAPIC_LVT_ERROR), 0x10040);
	assert_false(vlapic_accepts_extint(CPU(0)));
	m.vector = 0x51;
	assert_int_equal(vlapic_deliver(&fake_vm, &m), 0);
	assert_int_equal(vlapic_pending(CPU(0)), 0x41); /* what was accepted stays */
	m.mode = APIC_NMI;
	assert_int_equal(vlapic_deliver(&fake_vm, &m), 1);
	assert_int_equal(fake_nmis[0], 1);
}

static void test_errors(void **state)
{
	struct apic_message m = {.dest = 0, .vector = 3};

	wr(CPU(0), LAPIC_LVT_ERROR, 0xfe);
	assert_int_equal(rd(CPU(0), 0x400), 0);
	assert_int_equal(rd(CPU(0), LAPIC_ESR), 0); /* not before a write */
	assert_int_equal(vlapic_pending(CPU(0)), 0xfe);
	vlapic_accept(CPU(0), 0xfe);
	vlapic_deliver(&fake_vm, &m); /* no second interrupt before ESR is written */
	assert_int_equal(rd(CPU(0), LAPIC_IRR + 0x70), 0);
	wr(CPU(0), LAPIC_ESR, 0);
	assert_int_equal(rd(CPU(0), LAPIC_ESR), LAPIC_ESR_REGISTER | LAPIC_ESR_RECV_VECTOR);
	wr(CPU(0), 0x2f0, 0); /* no CMCI entry */
	assert_int_equal(rd(CPU(0), LAPIC_IRR + 0x70), 1u << 30);
	wr(CPU(0), LAPIC_ESR, 0);
	assert_int_equal(rd(CPU(0), LAPIC_ESR), LAPIC_ESR_REGISTER);
	wr(CPU(0), LAPIC_ICR, 0x0000000f); /* an illegal vector, to itself */
	wr(CPU(0), LAPIC_ESR, 0);
	assert_int_equal(rd(CPU(0), LAPIC_ESR), LAPIC_ESR_SEND_VECTOR);
	wr(CPU(0), LAPIC_ESR, 0);
	assert_int_equal(rd(CPU(0), LAPIC_ESR), 0);
	wr(CPU(0), LAPIC_LVT_ERROR, 0x0f); /* an illegal vector for the error interrupt itself */
	rd(CPU(0), 0x10);
	wr(CPU(0), LAPIC_ESR, 0);
	assert_int_equal(rd(CPU(0), LAPIC_ESR), LAPIC_ESR_REGISTER | LAPIC_ESR_RECV_VECTOR);
}

/* In whichever mode it is. */
static uint32_t rd_any(struct vcpu *v, uint32_t reg)
{
	uint64_t value;

	return vlapic_msr_read(v, X2(reg), &value) ? (uint32_t)value : rd(v, reg);
}

static unsigned pending_set(unsigned vector)
{
	unsigned set = 0;

	for (unsigned i = 0; i < FAKE_VCPUS; i++)
		if (rd_any(CPU(i), LAPIC_IRR + vector / 32 * 0x10) >> (vector % 32) & 1)
			set |= 1u << i;
	return set;
}

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

static void test_x2apic(void **state)
{
	uint64_t value;

	assert_false(vlapic_msr_read(CPU(0), X2(LAPIC_ID), &value)); /* not in xAPIC mode */
	enable_x2apic();
	assert_false(vlapic_owns(&CPU(0)->lapic, 0xfee00000));
	assert_true(vlapic_msr_read(CPU(3), X2(LAPIC_ID), &value));
	assert_int_equal(value, 3);
	assert_true(vlapic_msr_read(CPU(3), X2(LAPIC_LDR), &value));
	assert_int_equal(value, 8);
	assert_false(vlapic_msr_write(CPU(3), X2(LAPIC_LDR), 1));
	assert_false(vlapic_msr_read(CPU(0), X2(LAPIC_DFR), &value));
	assert_false(vlapic_msr_read(CPU(0), X2(LAPIC_ICR2), &value));
	assert_false(vlapic_msr_read(CPU(0), X2(LAPIC_EOI), &value));
	assert_false(vlapic_msr_read(CPU(0), X2(LAPIC_SELF_IPI), &value));
	assert_false(vlapic_msr_read(CPU(0), X2(LAPIC_APR), &value));
	assert_false(vlapic_msr_read(CPU(0), X2(LAPIC_LVT_CMCI), &value));
	assert_false(vlapic_msr_read(CPU(0), 0x840, &value));
	assert_false(vlapic_msr_read(CPU(0), 0x8ff, &value));
	assert_false(vlapic_msr_write(CPU(0), X2(LAPIC_EOI), 1));
	assert_true(vlapic_msr_write(CPU(0), X2(LAPIC_EOI), 0));
	assert_false(vlapic_msr_write(CPU(0), X2(LAPIC_ESR), 1));
	assert_false(vlapic_msr_write(CPU(0), X2(LAPIC_TPR), 0x100));
	assert_false(vlapic_msr_write(CPU(0), X2(LAPIC_SVR), 0x1000));
	assert_false(vlapic_msr_write(CPU(0), X2(LAPIC_LVT_TIMER), 0x100));
	assert_false(vlapic_msr_write(CPU(0), X2(LAPIC_TIMER_INITIAL), 1ULL << 32));
	assert_false(vlapic_msr_write(CPU(0), X2(LAPIC_TIMER_DIVIDE), 4));
	assert_false(vlapic_msr_write(CPU(0), X2(LAPIC_ICR), 0x1000));
	assert_false(vlapic_msr_write(CPU(0), X2(LAPIC_TIMER_CURRENT), 0));

	assert_true(vlapic_msr_write(CPU(0), X2(LAPIC_ICR), 0x0000000200000031));
	assert_int_equal(pending_set(0x31), 1 << 2);
	assert_true(vlapic_msr_read(CPU(0), X2(LAPIC_ICR), &value));
	assert_int_equal(value, 0x0000000200000031);
	assert_true(vlapic_msr_write(CPU(0), X2(LAPIC_ICR), 0x0000000a00000832));
	assert_int_equal(pending_set(0x32), 0xa);
	assert_true(vlapic_msr_write(CPU(0), X2(LAPIC_ICR), 0x0001000a00000833)); /* cluster 1: nobody */
	assert_int_equal(pending_set(0x33), 0);
	assert_true(vlapic_msr_write(CPU(0), X2(LAPIC_ICR), 0xffffffff00000034));
	assert_int_equal(pending_set(0x34), 0xf);
	assert_true(vlapic_msr_write(CPU(0), X2(LAPIC_ICR), 0x000000ff00000035)); /* here 0xff is an ID */
	assert_int_equal(pending_set(0x35), 0);
	assert_true(vlapic_msr_write(CPU(1), X2(LAPIC_SELF_IPI), 0x36));
	assert_int_equal(pending_set(0x36), 1 << 1);
}

static void test_base_transitions(void **state)
{
	const uint64_t at = 0xfee00000, en = APIC_BASE_ENABLE, x2 = APIC_BASE_X2APIC, bsp = APIC_BASE_BSP;
	struct vcpu *v = CPU(0);

	assert_false(vlapic_base_set(v, at | bsp | x2, PHYS_BITS));
	assert_false(vlapic_base_set(v, at | bsp | en | 1, PHYS_BITS));
	assert_false(vlapic_base_set(v, at | bsp | en | 1ULL << PHYS_BITS, PHYS_BITS));
	assert_true(vlapic_base_set(v, at | bsp | en | x2, PHYS_BITS));
	assert_false(vlapic_base_set(v, at | bsp | en, PHYS_BITS)); /* x2APIC to xAPIC */
	assert_true(vlapic_base_set(v, at | bsp, PHYS_BITS));
	assert_int_equal(vlapic_pending(v), -1);
	assert_true(vlapic_accepts_extint(v));                           /* LINT0 is INTR */
	assert_false(vlapic_base_set(v, at | bsp | en | x2, PHYS_BITS)); /* disabled to x2APIC */
	assert_true(vlapic_base_set(v, at | bsp | en, PHYS_BITS));
	assert_int_equal(rd(v, LAPIC_SVR), 0xff);
	assert_int_equal(rd(v, LAPIC_LVT_LINT0), 0x10000);
	assert_true(vlapic_base_set(v, at | bsp | en | x2, PHYS_BITS));
	vlapic_init_signal(v); /* INIT leaves the mode */
	assert_int_equal(vlapic_base_get(&v->lapic), at | bsp | en | x2);
	assert_int_equal(v->lapic.page[LAPIC_LDR / 4], 1);
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

/* Counts and takes an interrupt of `vector`. */
static bool took(struct vcpu *v, int vector)
{
	if (vlapic_pending(v) != vector)
		return false;
	vlapic_accept(v, (uint8_t)vector);
	wr(v, LAPIC_EOI, 0);
	return true;
}

static void test_timer_oneshot(void **state)
{
	static const struct {
		uint32_t code, divisor;
	} t[] = {{0, 2}, {1, 4}, {2, 8}, {3, 16}, {8, 32}, {9, 64}, {0xa, 128}, {0xb, 1}};
	struct vcpu *v = CPU(0);

	wr(v, LAPIC_LVT_TIMER, 0x40);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		wr(v, LAPIC_TIMER_DIVIDE, t[i].code);
		wr(v, LAPIC_TIMER_INITIAL, 1000);
		assert_int_equal(rd(v, LAPIC_TIMER_CURRENT), 1000);
		fake_run(300 * t[i].divisor);
		assert_int_equal(rd(v, LAPIC_TIMER_CURRENT), 700);
		fake_run(700 * t[i].divisor - 1);
		assert_false(took(v, 0x40));
		assert_int_equal(rd(v, LAPIC_TIMER_CURRENT), 1);
		fake_run(1);
		assert_true(took(v, 0x40));
		assert_int_equal(rd(v, LAPIC_TIMER_CURRENT), 0);
		assert_int_equal(rd(v, LAPIC_TIMER_INITIAL), 1000);
		fake_run(1000000);
		assert_false(took(v, 0x40));
	}
	assert_int_equal(fake_fired, ARRAY_SIZE(t));
}

static void test_timer_periodic(void **state)
{
	struct vcpu *v = CPU(0);

	wr(v, LAPIC_TIMER_DIVIDE, 0xb);
	wr(v, LAPIC_LVT_TIMER, 0x20040);
	wr(v, LAPIC_TIMER_INITIAL, 1000000);
	for (unsigned i = 0; i < 10; i++) {
		fake_run(999999);
		assert_false(took(v, 0x40));
		assert_int_equal(rd(v, LAPIC_TIMER_CURRENT), 1);
		fake_run(1);
		assert_true(took(v, 0x40));
		assert_int_equal(rd(v, LAPIC_TIMER_CURRENT), 1000000);
	}
	fake_now += 3500000; /* the host was late: one interrupt, and the edges stay where they were */
	fake_run(0);
	assert_true(took(v, 0x40));
	assert_false(took(v, 0x40));
	fake_run(499999);
	assert_false(took(v, 0x40));
	fake_run(1);
	assert_true(took(v, 0x40));
	wr(v, LAPIC_TIMER_INITIAL, 0);
	assert_int_equal(rd(v, LAPIC_TIMER_CURRENT), 0);
	fake_run(5000000);
	assert_false(took(v, 0x40));
}

static void test_timer_mask(void **state)
{
	struct vcpu *v = CPU(0);

	wr(v, LAPIC_TIMER_DIVIDE, 0xb);
	wr(v, LAPIC_LVT_TIMER, 0x30040);
	wr(v, LAPIC_TIMER_INITIAL, 100000);
	fake_run(250000);
	assert_int_equal(fake_fired, 0); /* nobody would notice */
	assert_int_equal(rd(v, LAPIC_TIMER_CURRENT), 50000);
	wr(v, LAPIC_LVT_TIMER, 0x20040);
	assert_false(took(v, 0x40)); /* what passed under the mask is lost */
	fake_run(50000);
	assert_true(took(v, 0x40));
}

static void test_timer_mode_change(void **state)
{
	struct vcpu *v = CPU(0);

	wr(v, LAPIC_TIMER_DIVIDE, 0xb);
	wr(v, LAPIC_LVT_TIMER, 0x20040);
	wr(v, LAPIC_TIMER_INITIAL, 100000);
	fake_run(130000);
	assert_true(took(v, 0x40));
	wr(v, LAPIC_LVT_TIMER, 0x40); /* periodic to one-shot: this count is the last */
	assert_int_equal(rd(v, LAPIC_TIMER_CURRENT), 70000);
	fake_run(70000);
	assert_true(took(v, 0x40));
	fake_run(200000);
	assert_false(took(v, 0x40));
	wr(v, LAPIC_TIMER_INITIAL, 1000000);
	fake_run(500000);
	wr(v, LAPIC_TIMER_DIVIDE, 0xa); /* half is left, now 128 times slower */
	assert_int_equal(rd(v, LAPIC_TIMER_CURRENT), 500000);
	fake_run(500000 * 128 - 1);
	assert_false(took(v, 0x40));
	fake_run(1);
	assert_true(took(v, 0x40));
}

static void test_timer_storm(void **state)
{
	struct vcpu *v = CPU(0);

	wr(v, LAPIC_TIMER_DIVIDE, 0xb);
	wr(v, LAPIC_LVT_TIMER, 0x20040);
	wr(v, LAPIC_TIMER_INITIAL, 1);
	fake_run(1000000);
	assert_in_range(fake_fired, 8, 12); /* at most one in 100 microseconds */
	assert_true(took(v, 0x40));
}

/* While it waits for the CPU its timer fires once; what else was due comes with its turn, as one. */
static void test_timer_while_waiting(void **state)
{
	enable_all();
	wr(CPU(0), LAPIC_TIMER_DIVIDE, LAPIC_TIMER_DIVIDE_BY_1);
	wr(CPU(0), LAPIC_LVT_TIMER, 0x41 | LAPIC_LVT_TIMER_PERIODIC);
	wr(CPU(0), LAPIC_TIMER_INITIAL, 100000);
	fake_place = VCPU_WAITING;
	fake_fired = 0;
	fake_run(10000000);
	assert_int_equal(fake_fired, 1);
	assert_int_equal(vlapic_pending(CPU(0)), 0x41);
	vlapic_accept(CPU(0), 0x41);
	wr(CPU(0), LAPIC_EOI, 0);
	fake_place = VCPU_HERE;
	assert_true(CPU(0)->lapic.timer_look);
	vlapic_timer_follow(CPU(0));
	assert_false(CPU(0)->lapic.timer_look);
	assert_int_equal(vlapic_pending(CPU(0)), 0x41);
	fake_run(1000000);
	assert_int_equal(fake_fired, 11);
}

/* Moved: the old CPU's timer, late, leaves it alone. */
static void test_timer_after_move(void **state)
{
	enable_all();
	wr(CPU(0), LAPIC_TIMER_DIVIDE, LAPIC_TIMER_DIVIDE_BY_1);
	wr(CPU(0), LAPIC_LVT_TIMER, 0x41);
	wr(CPU(0), LAPIC_TIMER_INITIAL, 100000);
	fake_place = VCPU_ELSEWHERE;
	fake_run(200000);
	assert_int_equal(vlapic_pending(CPU(0)), -1);
	fake_place = VCPU_HERE;
	vlapic_timer_follow(CPU(0));
	assert_int_equal(vlapic_pending(CPU(0)), 0x41);
}

static void test_tsc_deadline(void **state)
{
	struct vcpu *v = CPU(0);

	vlapic_tsc_deadline_set(v, 1000); /* no effect in one-shot mode */
	assert_int_equal(vlapic_tsc_deadline_get(v), 0);
	wr(v, LAPIC_LVT_TIMER, 0x40040);
	fake_run(5000);
	vlapic_tsc_deadline_set(v, 9000);
	assert_int_equal(vlapic_tsc_deadline_get(v), 9000);
	wr(v, LAPIC_TIMER_INITIAL, 77);
	assert_int_equal(rd(v, LAPIC_TIMER_INITIAL), 0);
	assert_int_equal(rd(v, LAPIC_TIMER_CURRENT), 0);
	fake_run(3999);
	assert_false(took(v, 0x40));
	fake_run(2);
	assert_true(took(v, 0x40));
	assert_int_equal(vlapic_tsc_deadline_get(v), 0);
	vlapic_tsc_deadline_set(v, 1); /* in the past: at once */
	assert_true(took(v, 0x40));
	vlapic_tsc_deadline_set(v, UINT64_MAX); /* never */
	vlapic_tsc_deadline_set(v, 20000);
	vlapic_tsc_deadline_set(v, 0); /* disarmed */
	fake_run(100000);
	assert_false(took(v, 0x40));
	vlapic_tsc_deadline_set(v, 200000);
	wr(v, LAPIC_LVT_TIMER, 0x40); /* leaving the mode disarms */
	wr(v, LAPIC_LVT_TIMER, 0x40040);
	assert_int_equal(vlapic_tsc_deadline_get(v), 0);
	fake_run(200000);
	assert_false(took(v, 0x40));
}

/* The deadline is in the guest's ticks, whatever their rate. */
static void test_tsc_deadline_scaled(void **state)
{
	struct vcpu *v = CPU(0);

	fake_vm.tsc = (struct guest_tsc){.hz = 3 * NS_PER_S, .to_ns = clock_ratio(3 * NS_PER_S, NS_PER_S)};
	wr(v, LAPIC_LVT_TIMER, 0x40040);
	vlapic_tsc_deadline_set(v, 30000);
	fake_run(9999);
	assert_false(took(v, 0x40));
	fake_run(3);
	assert_true(took(v, 0x40));
}

static void test_timer_pause(void **state)
{
	struct vcpu *v = CPU(0);

	wr(v, LAPIC_TIMER_DIVIDE, 0xb);
	wr(v, LAPIC_LVT_TIMER, 0x40);
	wr(v, LAPIC_TIMER_INITIAL, 100000);
	vlapic_pause(v);
	fake_run(50000);
	assert_int_equal(fake_fired, 0);
	vlapic_resume(v);
	fake_run(50000);
	assert_true(took(v, 0x40));
	vlapic_reset(v);
	wr(v, LAPIC_LVT_TIMER, 0x40);
	wr(v, LAPIC_TIMER_INITIAL, 100000);
	vlapic_reset(v); /* a timer that was armed does no harm */
	fake_run(1000000);
	assert_int_equal(vlapic_pending(v), -1);
}

/* Random accesses: nothing but the sanitizers and the invariants watch. */
static void test_random_access(void **state)
{
	uint64_t seed = 27;

	for (unsigned n = 0; n < 200000; n++) {
		uint64_t r = test_random(&seed), value = test_random(&seed);
		struct vcpu *v = CPU(r % FAKE_VCPUS);
		uint32_t reg = (r >> 8) % 0x480;

		if (r >> 60 == 0)
			value &= 0xffff;
		switch (r >> 32 & 7) {
		case 0:
			vlapic_msr_write(v, 0x800 + reg / 16, value);
			break;
		case 1:
			vlapic_msr_read(v, 0x800 + reg / 16, &value);
			break;
		case 2:
			if (r >> 56 == 0)
				vlapic_base_set(v, (value & 0xd00) | 0xfee00000, PHYS_BITS);
			break;
		case 3:
			vlapic_mmio_read(v, reg, 1u << (r >> 48 & 3));
			break;
		case 4:
			if (vlapic_pending(v) >= 0)
				vlapic_accept(v, (uint8_t)vlapic_pending(v));
			break;
		case 5:
			fake_run(value & 0xfff);
			break;
		default:
			vlapic_mmio_write(v, reg & ~0xfu, 4, value);
		}
		assert_true(vlapic_pending(v) < 0 ||
			    (vlapic_pending(v) & 0xf0) > (int)(rd(v, LAPIC_PPR) & 0xf0));
	}
}

/* The end of an interrupt without an exit: when it may be offered, and that every register shows it. */
static void test_eoi_offer(void **state)
{
	struct vcpu *v = CPU(0);
	uint64_t value;

	enable_all();
	assert_false(vlapic_eoi_is_local(v)); /* nothing is in service */
	wr(v, LAPIC_ICR, 0x41 | LAPIC_ICR_SELF);
	assert_int_equal(vlapic_pending(v), 0x41);
	vlapic_accept(v, 0x41);
	assert_true(vlapic_eoi_is_local(v));
	wr(v, LAPIC_ICR, 0x31 | LAPIC_ICR_SELF); /* waits for it, below its priority */
	assert_false(vlapic_eoi_is_local(v));
	v->lapic.eoi_offered = true;
	assert_int_equal(rd(v, LAPIC_ISR + 0x20), 0);
	assert_int_equal(vlapic_pending(v), 0x31);
	vlapic_accept(v, 0x31);
	v->lapic.eoi_offered = true;
	wr(v, LAPIC_EOI, 0);
	assert_int_equal(rd(v, LAPIC_ISR + 0x10), 0);
	/* Level-triggered: the I/O APIC has to know. */
	vlapic_deliver(&fake_vm, &(struct apic_message){.dest = 0, .level = true, .vector = 0x51});
	assert_int_equal(vlapic_pending(v), 0x51);
	vlapic_accept(v, 0x51);
	assert_false(vlapic_eoi_is_local(v));
	wr(v, LAPIC_EOI, 0);
	enable_x2apic();
	assert_true(vlapic_msr_write(v, X2(LAPIC_SELF_IPI), 0x41));
	assert_int_equal(vlapic_pending(v), 0x41);
	vlapic_accept(v, 0x41);
	v->lapic.eoi_offered = true;
	assert_true(vlapic_msr_read(v, X2(LAPIC_ISR + 0x20), &value));
	assert_int_equal(value, 0);
	assert_true(vlapic_msr_write(v, X2(LAPIC_SELF_IPI), 0x41));
	assert_int_equal(vlapic_pending(v), 0x41);
	vlapic_accept(v, 0x41);
	v->lapic.eoi_offered = true;
	assert_true(vlapic_msr_write(v, X2(LAPIC_TPR), 0));
	assert_false(v->lapic.eoi_offered);
	assert_false(vlapic_eoi_is_local(v));
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_eoi_offer, setup),
	    cmocka_unit_test_setup(test_deliver_set, setup),
	    cmocka_unit_test_setup(test_reset, setup),
	    cmocka_unit_test_setup(test_owns, setup),
	    cmocka_unit_test_setup(test_priorities, setup),
	    cmocka_unit_test_setup(test_level_eoi, setup),
	    cmocka_unit_test_setup(test_page, setup),
	    cmocka_unit_test_setup(test_page_written, setup),
	    cmocka_unit_test_setup(test_processor_delivers, setup),
	    cmocka_unit_test_setup(test_msrs_in_page, setup),
	    cmocka_unit_test_setup(test_reconsider, setup),
	    cmocka_unit_test_setup(test_access_width, setup),
	    cmocka_unit_test_setup(test_reserved_bits, setup),
	    cmocka_unit_test_setup(test_software_disable, setup),
	    cmocka_unit_test_setup(test_errors, setup),
	    cmocka_unit_test_setup(test_ipi_xapic, setup),
	    cmocka_unit_test_setup(test_cluster, setup),
	    cmocka_unit_test_setup(test_init_sipi, setup),
	    cmocka_unit_test_setup(test_lowest, setup),
	    cmocka_unit_test_setup(test_x2apic, setup),
	    cmocka_unit_test_setup(test_base_transitions, setup),
	    cmocka_unit_test_setup(test_disabled_takes_nothing, setup),
	    cmocka_unit_test_setup(test_lint, setup),
	    cmocka_unit_test_setup(test_timer_oneshot, setup),
	    cmocka_unit_test_setup(test_timer_periodic, setup),
	    cmocka_unit_test_setup(test_timer_mask, setup),
	    cmocka_unit_test_setup(test_timer_mode_change, setup),
	    cmocka_unit_test_setup(test_timer_storm, setup),
	    cmocka_unit_test_setup(test_timer_while_waiting, setup),
	    cmocka_unit_test_setup(test_timer_after_move, setup),
	    cmocka_unit_test_setup(test_tsc_deadline, setup),
	    cmocka_unit_test_setup(test_tsc_deadline_scaled, setup),
	    cmocka_unit_test_setup(test_timer_pause, setup),
	    cmocka_unit_test_setup(test_random_access, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
