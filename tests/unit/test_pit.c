/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hv/vdev/pit.c and pit_channel.c. The counters are compared with a counter that is clocked tick by tick, as
 * the data sheet describes it; then ports, latches, port 61h and channel 0's interrupt.
 */
#include "fake_ports.h"

#include "hv/vdev/pit.h"
#include "hv/vdev/pit_channel.h"

static unsigned edges;
static bool line, pic_masked, ioapic_masked;

void vm_irq_set_legacy(struct vm *vm, unsigned gsi, bool level)
{
	assert_int_equal(gsi, 2);
	edges += level && !line;
	line = level;
}

bool vpic_masked(const struct vm *vm, unsigned irq)
{
	assert_int_equal(irq, 0);
	return pic_masked;
}

bool vioapic_masked(const struct vm *vm, unsigned pin)
{
	assert_int_equal(pin, 2);
	return ioapic_masked;
}

/* The data sheet's counter: CR, CE, OUT, a CLK pulse at a time. Binary counts. */
struct clocked {
	unsigned mode;
	uint32_t cr, ce; /* 1-65536; 0-65535 */
	bool gate, out, load, counting, expired;
};

static void clocked_control(struct clocked *s, unsigned mode)
{
	s->mode = mode;
	s->out = mode != 0;
	s->load = s->counting = s->expired = false;
	s->cr = 0;
}

static void clocked_write(struct clocked *s, uint16_t n)
{
	s->cr = n ? n : 0x10000;
	if (s->mode == 1 || s->mode == 5)
		return;
	if (s->mode == 0)
		s->out = false;
	if ((s->mode == 2 || s->mode == 3) && s->counting)
		return;
	s->load = true;
}

static void clocked_gate(struct clocked *s, bool gate)
{
	bool rise = gate && !s->gate;

	s->gate = gate;
	if (!gate && (s->mode == 2 || s->mode == 3))
		s->out = true;
	if (rise && s->cr && s->mode != 0 && s->mode != 4 &&
	    (s->counting || s->load || s->mode == 1 || s->mode == 5))
		s->load = true;
}

static void clocked_reload(struct clocked *s)
{
	s->ce = s->mode == 3 ? s->cr & ~1u : s->cr;
	s->expired = false;
}

static void clocked_clk(struct clocked *s)
{
	bool ungated = s->mode == 1 || s->mode == 5;

	if (s->load) {
		clocked_reload(s);
		s->load = false;
		s->counting = true;
		s->out = s->mode != 0 && s->mode != 1;
		return;
	}
	if (!s->counting || (!s->gate && !ungated))
		return;
	switch (s->mode) {
	case 0:
	case 1:
		s->ce = (s->ce - 1) & 0xffff;
		if (s->ce == 0)
			s->out = true;
		break;
	case 2:
		if (s->ce == 1)
			clocked_reload(s);
		else
			s->ce--;
		s->out = s->ce != 1;
		break;
	case 3:
		if (s->ce)
			s->ce -= 2;
		if (s->ce == 0 && s->out && (s->cr & 1) && !s->expired) {
			s->expired = true; /* an odd count's high half takes one more pulse */
		} else if (s->ce == 0) {
			s->out = !s->out;
			clocked_reload(s);
		}
		break;
	default:
		s->ce = (s->ce - 1) & 0xffff;
		s->out = s->ce != 0;
	}
}

/*
 * A new count's parity matters from its reload on; the clocked model looks at CR. So in mode 3 random counts
 * keep their parity within a run.
 */
static void test_against_clocked(void **state)
{
	uint64_t seed = 8254;

	for (unsigned round = 0; round < 4000; round++) {
		struct clocked s = {.gate = true};
		struct vpit_channel c = {.gate = true};
		uint64_t now = test_random(&seed) % 100000;
		unsigned mode = test_random(&seed) % 6, parity = test_random(&seed) & 1;
		unsigned span = round % 8 ? 12 : 400;

		clocked_control(&s, mode);
		pit_set_control(&c,
				PIT_RW | (uint8_t)PIT_MODE(mode | (mode == 2 || mode == 3 ? round & 4 : 0)));
		for (unsigned n = 0; n < 300; n++) {
			uint64_t r = test_random(&seed);

			pit_settle(&c, now);
			if (r % 16 == 0 || n == 0) {
				uint16_t value = (uint16_t)(2 + (r >> 8) % span);

				if (mode == 3)
					value = (uint16_t)((value & ~1u) | parity) + (value < 2 ? 2 : 0);
				pit_load(&c, value, now);
				clocked_write(&s, value);
			} else if (r % 16 == 1) {
				pit_set_gate(&c, r >> 8 & 1, now);
				clocked_gate(&s, r >> 8 & 1);
			}
			clocked_clk(&s);
			now++;
			pit_settle(&c, now);
			if (s.counting && (s.gate || mode == 0 || mode == 4 || mode == 1 || mode == 5))
				assert_int_equal(pit_count(&c, now), s.ce);
			if (pit_out(&c, now) != s.out)
				fail_msg("mode %u round %u tick %u: output %d, clocked %d", mode, round, n,
					 pit_out(&c, now), s.out);
		}
	}
}

/* pit_next_rise finds the edges that pit_out makes. */
static void test_next_rise(void **state)
{
	for (unsigned mode = 0; mode < 6; mode++) {
		for (unsigned n = 2; n < 9; n++) {
			struct vpit_channel c = {.gate = true};
			uint64_t expect;

			pit_set_control(&c, PIT_RW | (uint8_t)PIT_MODE(mode));
			pit_load(&c, (uint16_t)n, 100);
			pit_set_gate(&c, false, 100);
			pit_set_gate(&c, true, 100); /* the trigger of modes 1 and 5 */
			expect = pit_next_rise(&c, 101);
			for (uint64_t t = 102; t < 140; t++) {
				if (pit_out(&c, t) && !pit_out(&c, t - 1)) {
					assert_int_equal(expect, t);
					expect = pit_next_rise(&c, t);
				}
				assert_true(expect > t);
			}
		}
	}
}

static uint16_t in_pair(uint16_t port)
{
	uint16_t low = in(port);

	return (uint16_t)(low | in(port) << 8);
}

/* Moves to the middle of the nth tick from now on. */
static void ticks(uint64_t n)
{
	uint64_t now = vdev_scale(vm_time_ns(&fake_vm), PIT_HZ, NS_PER_S);

	fake_run_to(FAKE_BASE_NS + vdev_scale(now + n, NS_PER_S, PIT_HZ) + 400);
}

static int setup(void **state)
{
	fake_vm_new(1);
	line = false;
	pic_masked = ioapic_masked = true;
	assert_int_equal(vpit_init(&fake_vm), OK);
	vpit_reset(&fake_vm);
	vpit_resume(&fake_vm);
	ticks(1);
	edges = 0;
	return 0;
}

static void test_reset(void **state)
{
	out(0x43, 0xe2); /* status of counter 0 */
	assert_int_equal(in(0x40) & 0x3f, 0x36);
	assert_int_equal(in(0x43), 0xff);
	fake_run(1000000000);
	assert_int_equal(fake_fired, 0); /* masked: nothing runs */
}

static void test_read_write(void **state)
{
	out(0x43, 0x30);
	out(0x40, 0x34);
	out(0x40, 0x12);
	ticks(5);
	assert_int_equal(in_pair(0x40), 0x1230);
	out(0x43, 0x00); /* latch */
	ticks(0x20);
	out(0x43, 0x00); /* a second one is ignored */
	assert_int_equal(in(0x40), 0x30);
	assert_int_equal(in(0x40), 0x12);
	assert_int_equal(in_pair(0x40), 0x1210);
	out(0x43, 0x10); /* low byte only */
	out(0x40, 0x80);
	ticks(2);
	assert_int_equal(in(0x40), 0x7f);
	assert_int_equal(in(0x40), 0x7f);
	out(0x43, 0x20); /* high byte only */
	out(0x40, 0x80);
	ticks(2);
	assert_int_equal(in(0x40), 0x7f);
	out(0x43, 0x31); /* BCD */
	out(0x40, 0x00);
	out(0x40, 0x10);
	ticks(2);
	assert_int_equal(in_pair(0x40), 0x0999);
	out(0x43, 0x31);
	out(0x40, 0x00);
	out(0x40, 0x00);
	ticks(2);
	assert_int_equal(in_pair(0x40), 0x9999);
}

static void test_read_back(void **state)
{
	out(0x43, 0x30);
	out(0x43, 0xe2);
	assert_int_equal(in(0x40), 0x70); /* OUT low, null count */
	out(0x40, 10);
	out(0x40, 0);
	ticks(3);
	out(0x43, 0xc2); /* status and count */
	ticks(20);
	out(0x43, 0xc2); /* both are latched already */
	assert_int_equal(in(0x40), 0x30);
	assert_int_equal(in_pair(0x40), 8);
	out(0x43, 0xe2);
	assert_int_equal(in(0x40), 0xb0); /* terminal count */
	out(0x43, 0xb4);
	out(0x42, 0x34);
	out(0x42, 0x12);
	out(0x43, 0xd8); /* counts of 1... not selected, of 2 */
	assert_int_equal(in_pair(0x42), 0x1234);
}

static void test_port61(void **state)
{
	uint8_t seen = 0;

	out(0x61, 0xff);
	assert_int_equal(in(0x61) & ~0x30, 0x0f);
	out(0x61, 0x00);
	for (unsigned i = 0; i < 8; i++) {
		fake_run(8000);
		seen |= (uint8_t)(1 << (in(0x61) >> 4 & 1));
	}
	assert_int_equal(seen, 3); /* the refresh bit toggles */
	/* As Linux calibrates: mode 0, gate up, wait for OUT2. */
	out(0x61, 0x01);
	out(0x43, 0xb0);
	out(0x42, 0xff);
	out(0x42, 0x0f);
	assert_false(in(0x61) & 0x20);
	ticks(0xfff);
	assert_false(in(0x61) & 0x20);
	ticks(1);
	assert_true(in(0x61) & 0x20);
	/* The gate holds the count. */
	out(0x42, 100);
	out(0x42, 0);
	ticks(50);
	out(0x61, 0x00);
	ticks(1000);
	assert_false(in(0x61) & 0x20);
	out(0x61, 0x01);
	ticks(50);
	assert_false(in(0x61) & 0x20);
	ticks(2);
	assert_true(in(0x61) & 0x20);
}

static void periodic(uint16_t n, uint8_t control)
{
	out(0x43, control);
	out(0x40, (uint8_t)n);
	out(0x40, (uint8_t)(n >> 8));
}

static void test_irq_periodic(void **state)
{
	ioapic_masked = false;
	for (unsigned control = 0x34; control <= 0x36; control += 2) {
		periodic(11932, (uint8_t)control); /* 100 Hz */
		edges = fake_fired = 0;
		fake_run(1000000000);
		assert_in_range(edges, 99, 101);
		assert_in_range(fake_fired, 99, 102);
	}
	periodic(0, 0x34);
	edges = 0;
	fake_run(1000000000);
	assert_in_range(edges, 18, 19);
	periodic(2, 0x34); /* 600 kHz: merged */
	edges = fake_fired = 0;
	fake_run(10000000);
	assert_in_range(edges, 300, 500);
	periodic(1, 0x34); /* not legal: no edges */
	edges = 0;
	fake_run(10000000);
	assert_int_equal(edges, 0);
}

static void test_irq_oneshot(void **state)
{
	pic_masked = false;
	periodic(1000, 0x30);
	edges = 0;
	assert_false(line);
	ticks(1000);
	assert_int_equal(edges, 0);
	ticks(1);
	assert_int_equal(edges, 1);
	assert_true(line);
	fake_run(100000000);
	assert_int_equal(edges, 1);
	periodic(1000, 0x38); /* mode 4 */
	edges = 0;
	ticks(1001);
	assert_int_equal(edges, 0);
	ticks(1);
	assert_int_equal(edges, 1);
	fake_run(100000000);
	assert_int_equal(edges, 1);
}

static void test_irq_masked(void **state)
{
	periodic(1193, 0x34);
	edges = fake_fired = 0;
	fake_run(50000000);
	assert_int_equal(fake_fired, 0);
	pic_masked = false;
	vpit_unmasked(&fake_vm);
	assert_int_equal(edges, 1); /* the request has waited in the PIC */
	fake_run(10000000);
	assert_in_range(edges, 10, 12);
	pic_masked = true;
	fake_run(10000000);
	fake_fired = edges = 0;
	fake_run(10000000);
	assert_int_equal(fake_fired, 0);
	ioapic_masked = false;
	vpit_unmasked(&fake_vm);
	assert_int_equal(edges, 0); /* the IOAPIC drops them */
	fake_run(10000000);
	assert_in_range(edges, 9, 11);
}

static void test_irq_new_count(void **state)
{
	ioapic_masked = false;
	periodic(50000, 0x34);
	ticks(1000);
	edges = 0;
	out(0x40, 0xe8); /* 1000, from the next period on */
	out(0x40, 0x03);
	ticks(48990);
	assert_int_equal(edges, 0);
	ticks(20);
	assert_int_equal(edges, 1);
	ticks(10000);
	assert_int_equal(edges, 11);
}

static void test_pause(void **state)
{
	ioapic_masked = false;
	periodic(1193, 0x34);
	vpit_pause(&fake_vm);
	fake_fired = 0;
	fake_run(10000000);
	assert_int_equal(fake_fired, 0);
	edges = 0;
	vpit_resume(&fake_vm);
	fake_run(10000000);
	assert_in_range(edges, 10, 12);
}

static void test_random_ports(void **state)
{
	uint64_t seed = 61;

	ioapic_masked = false;
	for (unsigned n = 0; n < 100000; n++) {
		uint64_t r = test_random(&seed);

		if (r & 1)
			out(r & 2 ? 0x61 : (uint16_t)(0x40 + (r >> 8 & 3)), (uint8_t)(r >> 16));
		else
			in(r & 2 ? 0x61 : (uint16_t)(0x40 + (r >> 8 & 3)));
		fake_run(r >> 40 & 0xffff);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_against_clocked),
	    cmocka_unit_test(test_next_rise),
	    cmocka_unit_test_setup(test_reset, setup),
	    cmocka_unit_test_setup(test_read_write, setup),
	    cmocka_unit_test_setup(test_read_back, setup),
	    cmocka_unit_test_setup(test_port61, setup),
	    cmocka_unit_test_setup(test_irq_periodic, setup),
	    cmocka_unit_test_setup(test_irq_oneshot, setup),
	    cmocka_unit_test_setup(test_irq_masked, setup),
	    cmocka_unit_test_setup(test_irq_new_count, setup),
	    cmocka_unit_test_setup(test_pause, setup),
	    cmocka_unit_test_setup(test_random_ports, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
