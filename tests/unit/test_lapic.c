/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/vdev/lapic.c and lapic_regs.c: registers in both modes, priorities, ends of interrupts, reset. */
#include "fake_lapic.h"

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
	assert_false(v->lapic.eoi_offered);
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

/* What another vCPU has just sent waits too; and with the APIC's state the offer goes. */
static void test_eoi_offer_void(void **state)
{
	struct vcpu *v = CPU(0);
	const uint64_t base = vlapic_base_get(&v->lapic);

	enable_all();
	wr(v, LAPIC_ICR, 0x41 | LAPIC_ICR_SELF);
	assert_int_equal(vlapic_pending(v), 0x41);
	vlapic_accept(v, 0x41);
	assert_true(vlapic_eoi_is_local(v));
	vlapic_deliver(&fake_vm, &(struct apic_message){.dest = 0, .vector = 0x31});
	assert_false(vlapic_eoi_is_local(v));
	/* Disabled: the guest's word is taken back first. */
	v->lapic.eoi_offered = true;
	assert_true(vlapic_base_set(v, base & ~(uint64_t)APIC_BASE_ENABLE, PHYS_BITS));
	assert_int_equal(collected, 1);
	assert_false(v->lapic.eoi_offered);
	v->lapic.eoi_offered = true;
	vlapic_init_signal(v);
	assert_false(v->lapic.eoi_offered);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_eoi_offer, setup),
	    cmocka_unit_test_setup(test_eoi_offer_void, setup),
	    cmocka_unit_test_setup(test_reset, setup),
	    cmocka_unit_test_setup(test_owns, setup),
	    cmocka_unit_test_setup(test_priorities, setup),
	    cmocka_unit_test_setup(test_level_eoi, setup),
	    cmocka_unit_test_setup(test_reconsider, setup),
	    cmocka_unit_test_setup(test_access_width, setup),
	    cmocka_unit_test_setup(test_reserved_bits, setup),
	    cmocka_unit_test_setup(test_software_disable, setup),
	    cmocka_unit_test_setup(test_errors, setup),
	    cmocka_unit_test_setup(test_x2apic, setup),
	    cmocka_unit_test_setup(test_base_transitions, setup),
	    cmocka_unit_test_setup(test_random_access, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
