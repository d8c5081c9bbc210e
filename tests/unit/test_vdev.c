/* SPDX-License-Identifier: BSD-2-Clause */
/* The devices of a VM together: hv/vdev/vdev.c's list, and interrupts all the way from a device to a vector. */
#include "fake_ports.h"
#include "fake_net.h"
#include "fake_disks.h"

#include <stdio.h>
#include "hv/config.h"
#include "hv/guest_map.h"
#include "hv/mgmt/console.h"
#include "hv/pv_eoi.h"
#include "hv/vdev/lapic.h"
#include "hv/vdev/vdev.h"

#define MS         1000000ULL
#define DEBUG_EXIT 0xf4

uint64_t time_wall_at_boot(void)
{
	return 0;
}

struct vm *vm_enter_address_space(struct vm *vm)
{
	return vm;
}

void vm_absent_release(struct vm *vm, gpa_t a)
{
}

void vm_rest(struct vm *vm)
{
}

static uint8_t last_output;

void console_guest_output(struct vm *vm, const uint8_t *bytes, size_t n)
{
	last_output = bytes[n - 1];
}

bool console_guest_ready(struct vm *vm)
{
	return true;
}

void console_guest_input_ready(struct vm *vm)
{
}

void pv_eoi_collect(struct vcpu *v)
{
	fail();
}

static enum vm_end ended_how;
static int ended_status;

void vm_end(struct vm *vm, enum vm_end how, int status)
{
	ended_how = how;
	ended_status = status;
}

static void fake_lapic_changed(struct vcpu *v)
{
}

static const struct hv_ops fake_ops = {.lapic_changed = fake_lapic_changed};
const struct hv_ops *ops = &fake_ops;
const struct load_format load_flat; /* which the fake VM was not started from */
static unsigned crashes;

void vm_crash(struct vcpu *v, const char *fmt, ...)
{
	crashes++;
}

static void ioapic(uint32_t reg, uint32_t value)
{
	io_bus_write(&fake_vm.mmio, NULL, 0xfec00000, 4, reg);
	io_bus_write(&fake_vm.mmio, NULL, 0xfec00010, 4, value);
}

/* What hv/event.c does: takes the next interrupt, or -1. */
static int take(struct vcpu *v)
{
	int vector;

	if (vlapic_accepts_extint(v) && vpic_pending(&fake_vm))
		return vpic_accept(&fake_vm);
	vector = vlapic_pending(v);
	if (vector >= 0)
		vlapic_accept(v, (uint8_t)vector);
	return vector;
}

static void eoi(struct vcpu *v)
{
	vlapic_mmio_write(v, LAPIC_EOI, 4, 0);
}

static int setup(void **state)
{
	fake_vm_new(2);
	fake_cfg.com1_console = true;
	fake_cfg.debug_exit = DEBUG_EXIT;
	for (unsigned i = 0; i < 2; i++)
		vlapic_init(&fake_vcpu[i]);
	assert_int_equal(vdevs_init(&fake_vm), OK);
	for (unsigned i = 0; i < 2; i++)
		vlapic_reset(&fake_vcpu[i]);
	vdevs_reset(&fake_vm);
	vdevs_resume(&fake_vm);
	return 0;
}

static void pic_setup(void)
{
	static const uint8_t icw[] = {0x11, 0x30, 0x04, 0x01};

	for (unsigned i = 0; i < 4; i++) {
		out(i ? 0x21 : 0x20, icw[i]);
		out(i ? 0xa1 : 0xa0, i == 1 ? 0x38 : i == 2 ? 0x02 : icw[i]);
	}
	out(0x21, 0xff);
	out(0xa1, 0xff);
}

static void test_init_twice(void **state)
{
	assert_int_equal(vdevs_init(&fake_vm), OK); /* a VM that is started again */
	assert_int_equal(in(0x64), 0xff);
}

static void test_timer_by_pic(void **state)
{
	unsigned count = 0;

	pic_setup();
	out(0x43, 0x34);
	out(0x40, 0x9c);
	out(0x40, 0x2e); /* 100 Hz */
	fake_run(100 * MS);
	assert_in_range(fake_fired, 0, 1); /* unmasked for a moment by ICW1 */
	out(0x21, 0xfe);
	assert_int_equal(take(&fake_vcpu[0]), 0x30);
	assert_int_equal(take(&fake_vcpu[1]), -1);
	out(0x20, 0x20);
	for (unsigned n = 0; n < 1000; n++) {
		fake_run(1 * MS);
		if (take(&fake_vcpu[0]) == 0x30) {
			out(0x20, 0x20);
			count++;
		}
	}
	assert_in_range(count, 99, 101);
}

static void test_timer_by_ioapic(void **state)
{
	unsigned count = 0;

	out(0x43, 0x34);
	out(0x40, 0x9c);
	out(0x40, 0x2e);
	ioapic(0x15, 1u << 24);
	ioapic(0x14, 0x00e0);
	vlapic_mmio_write(&fake_vcpu[1], LAPIC_SVR, 4, 0x1ff);
	for (unsigned n = 0; n < 1000; n++) {
		fake_run(1 * MS);
		if (take(&fake_vcpu[1]) == 0xe0) {
			eoi(&fake_vcpu[1]);
			count++;
		}
	}
	assert_in_range(count, 99, 101);
	assert_int_equal(take(&fake_vcpu[0]), -1);
	vdevs_pause(&fake_vm);
	fake_fired = 0;
	fake_run(1000 * MS);
	assert_int_equal(fake_fired, 0);
}

static void test_sci(void **state)
{
	ioapic(0x22, 0xa061); /* level, as an operating system programs the SCI */
	out(0x603, 0x01);
	vpm_power_button(&fake_vm);
	assert_int_equal(take(&fake_vcpu[0]), 0x61);
	assert_int_equal(take(&fake_vcpu[0]), -1);
	eoi(&fake_vcpu[0]);
	assert_int_equal(take(&fake_vcpu[0]), 0x61); /* still asserted: again */
	out(0x601, 0x01);
	eoi(&fake_vcpu[0]);
	assert_int_equal(take(&fake_vcpu[0]), -1);
}

static void test_uart_by_slave_line(void **state)
{
	pic_setup();
	out(0x21, 0xeb);
	out(0x3fc, 0x08);
	out(0x3f9, 0x01);
	assert_int_equal(vuart_input(&fake_vm, (const uint8_t *)"x", 1), 1);
	assert_int_equal(take(&fake_vcpu[0]), 0x34);
	assert_int_equal(in(0x3f8), 'x');
	out(0x20, 0x20);
	assert_int_equal(take(&fake_vcpu[0]), -1);
	out(0xa1, 0xfe); /* the RTC, behind the cascade */
	out(0x70, 0x0b);
	out(0x71, 0x12);
	fake_run(1000 * MS);
	assert_int_equal(take(&fake_vcpu[0]), 0x38);
}

/* Random ports, pages and time: the sanitizers watch, and timers must not run away. */
static void test_random_access(void **state)
{
	uint64_t seed = 27;

	for (unsigned n = 0; n < 300000; n++) {
		uint64_t r = test_random(&seed), value = test_random(&seed);
		struct vcpu *v = &fake_vcpu[r & 1];
		unsigned size = 1u << (r >> 4 & 3);

		switch (r >> 8 & 7) {
		case 0:
			io_bus_read(&fake_vm.ports, v, r >> 16 & 0xffff, size > 4 ? 4 : size);
			break;
		case 1:
		case 2: {
			const struct io_range *p = &fake_vm.ports.range[(r >> 16) % fake_vm.ports.count];

			io_bus_write(&fake_vm.ports, v, p->base + (r >> 32) % p->size, size > 4 ? 4 : size,
				     value);
			break;
		}
		case 3:
			io_bus_write(&fake_vm.mmio, v, 0xfec00000 + (r >> 16 & 0x10), 4,
				     value & (r >> 40 & 1 ? 0x3f : ~0u));
			break;
		case 4:
			vlapic_mmio_write(v, r >> 16 & 0xff0, 4, value);
			break;
		case 5:
			io_bus_read(&fake_vm.mmio, v, 0xfec00000 + (r >> 16 & 0xfff), size);
			break;
		case 6:
			if (take(v) >= 0 && r >> 16 & 1)
				eoi(v);
			break;
		default:
			fake_run(value >> 44);
		}
	}
}

static void test_debug_exit(void **state)
{
	ended_status = 0;
	out(DEBUG_EXIT + 1, 3);
	assert_int_equal(ended_status, 0);
	io_bus_write(&fake_vm.ports, NULL, DEBUG_EXIT, 4, 0x101);
	assert_int_equal(ended_how, VM_END_DEBUG_EXIT);
	assert_int_equal(ended_status, 0x203);
	out(DEBUG_EXIT, 0);
	assert_int_equal(ended_status, 1);

	/* Another device's port: refused, with a reason. None: no such port. */
	fake_cfg.debug_exit = 0x3f6;
	assert_int_equal(vdevs_init(&fake_vm), ERR_EXIST);
	assert_non_null(strstr(fake_vm.why, "debug_exit = 0x3f6"));
	fake_cfg.debug_exit = 0xfffe;
	assert_int_equal(vdevs_init(&fake_vm), OK);
	out(0xfffe, 2);
	assert_int_equal(ended_status, 5);
	fake_cfg.debug_exit = -1;
	assert_int_equal(vdevs_init(&fake_vm), OK);
	out(DEBUG_EXIT, 7);
	assert_int_equal(ended_status, 5);
}

static void test_debug_console(void **state)
{
	assert_int_equal(in(0xe9), 0xe9);
	out(0xe9, 'x');
	assert_int_equal(last_output, 'x');
	out(0xe8, 'y');
	assert_int_equal(last_output, 'x');
}

static void test_pvpanic(void **state)
{
	unsigned warnings = fake_log_warnings;

	assert_int_equal(in(0x505), 3);
	crashes = 0;
	out(0x505, 0xfc);
	out(0x505, 2); /* a crash kernel takes over */
	assert_int_equal(crashes, 0);
	assert_int_equal(fake_log_warnings, warnings + 1);
	out(0x505, 1);
	assert_int_equal(crashes, 1);
}

/* --- no configuration makes two things share an address --- */

#define CONFIGURATIONS 1000000
#define BY_TEXT        5000

static uint64_t seed = 24;
static unsigned accepted;

static uint64_t below(uint64_t n)
{
	return test_random(&seed) % n;
}

static bool disjoint(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a + a_size <= b || b + b_size <= a;
}

static void assert_bus(const struct io_bus *b, uint64_t limit)
{
	for (uint32_t i = 0; i < b->count; i++) {
		const struct io_range *r = &b->range[i];

		assert_true(r->size > 0 && r->base < limit && r->size <= limit - r->base);
		for (uint32_t k = i + 1; k < b->count; k++)
			assert_true(disjoint(r->base, r->size, b->range[k].base, b->range[k].size));
	}
}

static void assert_memory(const struct gmem *m, const struct io_bus *mmio)
{
	uint64_t total = 0;

	for (uint32_t i = 0; i < m->count; i++) {
		const struct gmem_slot *s = &m->slot[i];

		assert_true(s->size > 0 && IS_ALIGNED(s->base | s->size, PAGE_SIZE));
		assert_true(disjoint(s->base, s->size, PLATFORM_LAPIC_BASE, PAGE_SIZE));
		assert_true(disjoint(s->base, s->size, GUEST_PCI_HOLE_BASE,
				     GUEST_RAM_HIGH_BASE - GUEST_PCI_HOLE_BASE));
		for (uint32_t k = i + 1; k < m->count; k++)
			assert_true(disjoint(s->base, s->size, m->slot[k].base, m->slot[k].size));
		for (uint32_t k = 0; k < mmio->count; k++)
			assert_true(disjoint(s->base, s->size, mmio->range[k].base, mmio->range[k].size));
		total += s->size;
	}
	assert_true(total <= fake_cfg.memory);
}

static void check(void)
{
	struct gmem m = {};

	io_bus_clear(&fake_vm.ports);
	io_bus_clear(&fake_vm.mmio);
	if (guest_map_add_slots(&m, fake_cfg.memory) != OK || vdevs_init(&fake_vm) != OK)
		return;
	accepted++;
	assert_memory(&m, &fake_vm.mmio);
	assert_bus(&fake_vm.mmio, UINT64_MAX);
	assert_bus(&fake_vm.ports, 0x10000);
}

static uint64_t random_memory(void)
{
	uint64_t bytes = test_random(&seed) >> (16 + below(40));

	switch (below(4)) {
	case 0:
		return bytes;
	case 1:
		return GUEST_PCI_HOLE_BASE + below(64) * PAGE_SIZE - 32 * PAGE_SIZE;
	default:
		return ALIGN_DOWN(bytes, PAGE_SIZE);
	}
}

static int32_t random_port(void)
{
	return below(4) ? (int32_t)below(0x1000) : (int32_t)below(0x10001) - 1;
}

static void ignore(void *arg, const char *text)
{
}

static void test_aliasing_by_text(void **state)
{
	static struct config config;
	char text[256], port[16];

	fake_vm_new(1);
	for (unsigned i = 0; i < BY_TEXT; i++) {
		int32_t p = random_port();

		snprintf(port, sizeof(port), "%#x", (unsigned)p);
		int n =
		    snprintf(text, sizeof(text),
			     "[vm a]\nkernel = k\nmemory = %lu%c\nvcpus = %lu\ndebug_exit = %s\ncom1 = %s\n",
			     below(below(2) ? 10000 : 100), "KMG"[below(3)], below(70), p < 0 ? "none" : port,
			     below(2) ? "console" : "none");
		config_parse(&config, "t.cfg", text, (size_t)n, ignore, NULL);
		if (config.errors || config.vm_count != 1)
			continue;
		fake_cfg = config.vm[0];
		check();
	}
	assert_in_range(accepted, BY_TEXT / 20, BY_TEXT);
	free(fake_vm.rng);
}

/* The first thousands are read from text, these are made. */
static void test_aliasing(void **state)
{
	accepted = 0;
	fake_vm_new(1);
	fake_cfg = (struct vm_config){.name = "a"};
	for (unsigned i = 0; i < CONFIGURATIONS; i++) {
		fake_cfg.memory = random_memory();
		fake_cfg.debug_exit = random_port();
		fake_cfg.com1_console = below(2);
		check();
	}
	assert_in_range(accepted, CONFIGURATIONS / 20, CONFIGURATIONS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_init_twice, setup),
	    cmocka_unit_test_setup(test_timer_by_pic, setup),
	    cmocka_unit_test_setup(test_timer_by_ioapic, setup),
	    cmocka_unit_test_setup(test_sci, setup),
	    cmocka_unit_test_setup(test_uart_by_slave_line, setup),
	    cmocka_unit_test_setup(test_random_access, setup),
	    cmocka_unit_test_setup(test_debug_exit, setup),
	    cmocka_unit_test_setup(test_debug_console, setup),
	    cmocka_unit_test_setup(test_pvpanic, setup),
	    cmocka_unit_test(test_aliasing_by_text),
	    cmocka_unit_test(test_aliasing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
