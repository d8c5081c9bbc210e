/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/vdev/uart.c: the 16550A's registers, interrupts, FIFOs and loopback; flow control with the console. */
#include "fake_vm.h"

#include "hv/mgmt/console.h"
#include "hv/vdev/guest_console.h"

#define CHAR_NS 86805ULL /* 10 bits at 115200 */

enum { RBR, IER, IIR, LCR, MCR, LSR, MSR, SCR };

static uint8_t output[8192];
static unsigned out_count, room_calls, edges;
static bool ready, irq;

void guest_console_output(struct vm *vm, enum guest_port port, const uint8_t *bytes, size_t n)
{
	assert_int_equal(port, GUEST_COM1);
	assert_true(out_count + n <= sizeof(output));
	memcpy(output + out_count, bytes, n);
	out_count += n;
}

bool console_guest_ready(struct vm *vm)
{
	return ready;
}

void console_guest_input_ready(struct vm *vm)
{
	room_calls++;
}

void vm_irq_set(struct vm *vm, unsigned gsi, bool level)
{
	assert_int_equal(gsi, 4);
	edges += level && !irq;
	irq = level;
}

static void out(unsigned reg, uint8_t value)
{
	io_bus_write(&fake_vm.ports, NULL, 0x3f8 + reg, 1, value);
}

static uint8_t in(unsigned reg)
{
	return (uint8_t)io_bus_read(&fake_vm.ports, NULL, 0x3f8 + reg, 1);
}

static size_t type(const char *text)
{
	return vuart_input(&fake_vm, (const uint8_t *)text, strlen(text));
}

static int setup(void **state)
{
	fake_vm_new(1);
	fake_cfg.com1_console = true;
	ready = true;
	irq = false;
	assert_int_equal(vuart_init(&fake_vm), OK);
	vuart_reset(&fake_vm);
	vuart_resume(&fake_vm);
	out_count = room_calls = edges = 0;
	return 0;
}

static void test_reset(void **state)
{
	assert_int_equal(in(IER), 0);
	assert_int_equal(in(IIR), 0x01);
	assert_int_equal(in(LCR), 0x03);
	assert_int_equal(in(MCR), 0);
	assert_int_equal(in(LSR), 0x60);
	assert_int_equal(in(MSR), 0xb0);
	assert_int_equal(in(RBR), 0);
	out(SCR, 0x5a);
	assert_int_equal(in(SCR), 0x5a);
	out(IER, 0xff);
	assert_int_equal(in(IER), 0x0f);
	out(MCR, 0xff);
	assert_int_equal(in(MCR), 0x1f);
	out(LSR, 0);
	assert_int_equal(in(LSR), 0x60);
}

static void test_dlab(void **state)
{
	out(LCR, 0x83);
	out(RBR, 0x34);
	out(IER, 0x12);
	assert_int_equal(in(RBR), 0x34);
	assert_int_equal(in(IER), 0x12);
	out(LCR, 0x03);
	assert_int_equal(in(IER), 0);
	assert_int_equal(out_count, 0);
}

static void test_output(void **state)
{
	out(RBR, 'a');
	io_bus_write(&fake_vm.ports, NULL, 0x3f8, 1, 'b');
	assert_int_equal(out_count, 2);
	assert_memory_equal(output, "ab", 2);
	assert_int_equal(in(LSR), 0x60);
	assert_false(irq);
}

static void test_thre_interrupt(void **state)
{
	out(MCR, 0x08);
	out(IER, 0x02);
	assert_true(irq); /* enabling it while empty */
	assert_int_equal(in(IIR), 0x02);
	assert_false(irq); /* reading IIR clears it */
	assert_int_equal(in(IIR), 0x01);
	out(RBR, 'x');
	assert_true(irq);
	out(IER, 0x00);
	assert_false(irq);
	out(IER, 0x02);
	assert_int_equal(in(IIR), 0x02);
	out(IER, 0x02); /* no change: none */
	assert_false(irq);
	assert_int_equal(edges, 3);
}

static void test_out2_gate(void **state)
{
	out(IER, 0x02);
	assert_false(irq);
	out(MCR, 0x08);
	assert_true(irq);
	out(MCR, 0x18);
	assert_false(irq);
}

static void test_hold_back(void **state)
{
	out(MCR, 0x08);
	out(IER, 0x02);
	in(IIR);
	ready = false;
	out(RBR, 'x');
	assert_int_equal(out_count, 1);
	assert_false(irq);
	assert_int_equal(in(LSR), 0x00);
	out(RBR, 'y'); /* never lost, even from a guest that does not look */
	assert_int_equal(out_count, 2);
	ready = true;
	vuart_output_ready(&fake_vm);
	assert_true(irq);
	assert_int_equal(in(IIR), 0x02);
	assert_int_equal(in(LSR), 0x60);
	vuart_output_ready(&fake_vm); /* nothing was held */
	assert_false(irq);
	ready = false;
	out(RBR, 'z');
	ready = true;
	assert_int_equal(in(LSR), 0x60); /* polling sees it too */
	assert_true(irq);
}

static void test_receive_16450(void **state)
{
	out(MCR, 0x08);
	out(IER, 0x01);
	assert_int_equal(type("hi"), 1);
	assert_true(irq);
	assert_int_equal(in(IIR), 0x04);
	assert_int_equal(in(LSR), 0x61);
	assert_int_equal(in(RBR), 'h');
	assert_false(irq);
	assert_int_equal(room_calls, 1);
	assert_int_equal(in(LSR), 0x60);
	assert_int_equal(in(RBR), 0);
	assert_int_equal(room_calls, 1);
}

static void test_fifo_trigger(void **state)
{
	static const unsigned level[] = {1, 4, 8, 14};

	out(MCR, 0x08);
	out(IER, 0x01);
	for (unsigned i = 0; i < 4; i++) {
		out(IIR, (uint8_t)(i << 6 | 0x07));
		for (unsigned n = 1; n <= 16; n++) {
			assert_int_equal(type("x"), 1);
			assert_int_equal(irq, n >= level[i]);
		}
		assert_int_equal(type("x"), 0);
		assert_int_equal(in(IIR), 0xc4);
		for (unsigned n = 16; n >= 1; n--) {
			assert_int_equal(irq, n >= level[i]);
			in(RBR);
		}
		assert_int_equal(room_calls, i + 1);
		assert_int_equal(in(IIR), 0xc1);
	}
}

static void test_timeout(void **state)
{
	out(MCR, 0x08);
	out(IIR, 0xc1);
	out(IER, 0x01);
	type("abc");
	fake_run(3 * CHAR_NS);
	type("d"); /* counts anew */
	fake_run(4 * CHAR_NS - 10);
	assert_false(irq);
	fake_run(20);
	assert_true(irq);
	assert_int_equal(in(IIR), 0xcc);
	assert_int_equal(in(RBR), 'a');
	assert_false(irq); /* a read clears it and counts anew */
	fake_run(5 * CHAR_NS);
	assert_true(irq);
	for (unsigned i = 0; i < 3; i++)
		in(RBR);
	fake_run(100 * CHAR_NS);
	assert_false(irq);
	fake_fired = 0;
	out(IER, 0);
	type("e");
	fake_run(100 * CHAR_NS);
	assert_int_equal(fake_fired, 0); /* nobody would notice */
	out(IER, 1);
	fake_run(4 * CHAR_NS + 10);
	assert_true(irq);
}

static void test_timeout_baud(void **state)
{
	out(LCR, 0x80);
	out(RBR, 12);   /* 9600 */
	out(LCR, 0x1f); /* 8E2: 12 bits */
	out(MCR, 0x08);
	out(IIR, 0xc1);
	out(IER, 0x01);
	type("a");
	fake_run(4 * 1250000 - 10);
	assert_false(irq);
	fake_run(20);
	assert_true(irq);
}

static void test_pause(void **state)
{
	out(MCR, 0x08);
	out(IIR, 0xc1);
	out(IER, 0x01);
	type("a");
	vuart_pause(&fake_vm);
	type("b");
	fake_run(100 * CHAR_NS);
	assert_int_equal(fake_fired, 0);
	vuart_resume(&fake_vm);
	fake_run(0);
	assert_true(irq);
}

static void test_fifo_control(void **state)
{
	type("x");
	out(IIR, 0x01); /* switching the FIFOs clears them */
	assert_int_equal(in(LSR), 0x60);
	type("abc");
	out(IIR, 0x03);
	assert_int_equal(in(LSR), 0x60);
	type("abc");
	out(IIR, 0xc0); /* bit 0 clear: off, the rest is ignored */
	assert_int_equal(in(IIR), 0x01);
	assert_int_equal(in(LSR), 0x60);
	assert_int_equal(type("ab"), 1);
	out(IIR, 0x01);
	assert_int_equal(room_calls, 1);
}

static void test_loopback(void **state)
{
	out(MCR, 0x1a);
	assert_int_equal(in(MSR)&0xf0, 0x90); /* as Linux checks: RTS to CTS, OUT2 to DCD */
	out(MCR, 0x15);
	assert_int_equal(in(MSR), 0x60 | 0x0b);
	assert_int_equal(in(MSR), 0x60);
	out(MCR, 0x11);
	assert_int_equal(in(MSR), 0x20 | 0x04); /* trailing edge of RI */
	assert_int_equal(type("x"), 0);         /* the input pin is disconnected */
	out(RBR, 'q');
	assert_int_equal(out_count, 0);
	assert_int_equal(in(LSR), 0x61);
	out(RBR, 'r'); /* overruns the receiver buffer */
	assert_int_equal(in(LSR), 0x63);
	assert_int_equal(in(LSR), 0x61);
	assert_int_equal(in(RBR), 'r');
	assert_int_equal(room_calls, 1);
	type("x");
	out(MCR, 0x00);
	assert_int_equal(room_calls, 2);
	assert_int_equal(in(MSR)&0xf0, 0xb0);
}

static void test_priorities(void **state)
{
	out(MCR, 0x18);
	out(IER, 0x0f);
	out(MCR, 0x1a); /* modem status */
	out(RBR, 'a');
	out(RBR, 'b'); /* overrun */
	assert_int_equal(in(IIR), 0x06);
	in(LSR);
	assert_int_equal(in(IIR), 0x04);
	in(RBR);
	assert_int_equal(in(IIR), 0x02);
	assert_int_equal(in(IIR), 0x00);
	in(MSR);
	assert_int_equal(in(IIR), 0x01);
}

static void test_absent(void **state)
{
	io_bus_clear(&fake_vm.ports);
	fake_cfg.com1_console = false;
	assert_int_equal(vuart_init(&fake_vm), OK);
	assert_int_equal(in(LSR), 0xff);
}

/* The console doesn't know that the VM is stopped; its vCPUs may be gone. */
static void test_typed_while_stopped(void **state)
{
	out(MCR, 0x08);
	out(IER, 0x01);
	vuart_pause(&fake_vm);
	assert_int_equal(type("a"), 1);
	vuart_output_ready(&fake_vm);
	assert_false(irq);
	vuart_resume(&fake_vm);
	assert_true(irq);
	assert_int_equal(in(RBR), 'a');
	assert_false(irq);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_reset, setup),
	    cmocka_unit_test_setup(test_dlab, setup),
	    cmocka_unit_test_setup(test_output, setup),
	    cmocka_unit_test_setup(test_thre_interrupt, setup),
	    cmocka_unit_test_setup(test_out2_gate, setup),
	    cmocka_unit_test_setup(test_hold_back, setup),
	    cmocka_unit_test_setup(test_receive_16450, setup),
	    cmocka_unit_test_setup(test_fifo_trigger, setup),
	    cmocka_unit_test_setup(test_timeout, setup),
	    cmocka_unit_test_setup(test_timeout_baud, setup),
	    cmocka_unit_test_setup(test_pause, setup),
	    cmocka_unit_test_setup(test_typed_while_stopped, setup),
	    cmocka_unit_test_setup(test_fifo_control, setup),
	    cmocka_unit_test_setup(test_loopback, setup),
	    cmocka_unit_test_setup(test_priorities, setup),
	    cmocka_unit_test_setup(test_absent, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
