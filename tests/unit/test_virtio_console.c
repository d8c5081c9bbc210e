/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hv/vdev/virtio_console.c and guest_console.c: output in pieces, held back and reset in the middle; input with and without
 * buffers; two ports on one console.
 */
#include "fake_vm.h"
#include "fake_pages.h"
#include "fake_pci.h"
#include "fake_transport.h"

#include <stdio.h>
#include <stdlib.h>
#include "hv/mgmt/console.h"
#include "hv/vdev/guest_console.h"
#include "hv/vdev/virtio_console.h"

#define RAM     0x20000
#define RINGS   0x1000 /* of each queue: descriptors, available ring, used ring, each in a page */
#define BUFFER  0x10000
#define ENTRIES 8
#define US      1000ULL

enum { RECEIVE, TRANSMIT };

static struct virtio_console *console;
static struct vm *loaded;      /* whose address space is */
static char shown[0x21000];    /* what the console got */
static size_t shown_len, room; /* and how much it takes before it wants no more */
static unsigned input_ready;   /* how often it was told that there is room for input */
static char com1[64];          /* what the UART got */
static unsigned com1_output_ready;

void console_guest_output(struct vm *vm, const uint8_t *bytes, size_t n)
{
	assert_ptr_equal(loaded, &fake_vm);
	assert_true(shown_len + n <= sizeof(shown));
	memcpy(shown + shown_len, bytes, n);
	shown_len += n;
}

bool console_guest_ready(struct vm *vm)
{
	return shown_len < room;
}

void console_guest_input_ready(struct vm *vm)
{
	input_ready++;
}

size_t vuart_input(struct vm *vm, const uint8_t *bytes, size_t n)
{
	snprintf(com1, sizeof(com1), "%.*s", (int)n, bytes);
	return n;
}

void vuart_output_ready(struct vm *vm)
{
	com1_output_ready++;
}

struct vm *vm_enter_address_space(struct vm *vm)
{
	struct vm *was = loaded;

	loaded = vm;
	return was;
}

static uint8_t *ring(unsigned queue, unsigned part)
{
	return fake_vm.mem.base + RINGS + 0x3000 * queue + 0x1000 * part;
}

static void offer(unsigned queue, uint64_t at, uint32_t len, uint16_t flags)
{
	struct vq_avail *avail = (struct vq_avail *)ring(queue, 1);
	uint16_t slot = avail->idx % ENTRIES;
	uint64_t d[2] = {at, len | (uint64_t)flags << 32};

	memcpy(ring(queue, 0) + 16 * slot, d, sizeof(d));
	avail->ring[slot] = slot;
	avail->idx++;
}

static struct vq_used *used(unsigned queue)
{
	return (struct vq_used *)ring(queue, 2);
}

static void notify(unsigned queue)
{
	loaded = &fake_vm;
	virtio_notified(&console->virtio, queue);
	loaded = NULL;
}

static void start(void)
{
	virtio_accept(&console->virtio, 0, VIRTIO_F_EVENT_IDX);
	virtio_accept(&console->virtio, 1, VIRTIO_F_VERSION_1 >> 32);
	virtio_set_status(&console->virtio, RUNS);
	set_up_queues(&console->virtio, 2, ENTRIES, RINGS, 0x3000);
	assert_int_equal(virtio_status(&console->virtio), RUNS);
}

static void new_vm(bool com1_console, bool hvc0_console)
{
	fake_vm_new(1);
	fake_cfg = (struct vm_config){.com1_console = com1_console, .hvc0_console = hvc0_console};
	fake_vm.mem = (struct gmem){.base = calloc(1, RAM)};
	assert_int_equal(gmem_add(&fake_vm.mem, 0, RAM, false), OK);
	assert_int_equal(vpci_init(&fake_vm), OK);
	assert_int_equal(virtio_console_init(&fake_vm), OK);
	console = fake_vm.console;
	if (console)
		console->virtio.transport = &transport;
}

static int setup(void **state)
{
	loaded = NULL;
	shown_len = input_ready = com1_output_ready = 0;
	room = SIZE_MAX;
	forget_calls();
	com1[0] = 0;
	new_vm(false, true);
	virtio_console_reset(&fake_vm);
	virtio_console_resume(&fake_vm);
	start();
	for (unsigned i = 0; i < RAM - BUFFER; i++)
		fake_vm.mem.base[BUFFER + i] = (uint8_t)('a' + i % 23);
	return 0;
}

static int teardown(void **state)
{
	free(fake_vm.mem.base);
	free(console);
	return 0;
}

static size_t type_in(const char *text)
{
	return guest_console_input(&fake_vm, (const uint8_t *)text, strlen(text));
}

static void assert_shown(size_t n)
{
	assert_int_equal(shown_len, n);
	assert_memory_equal(shown, fake_vm.mem.base + BUFFER, n);
}

/* A page, as Linux sends it, goes with one notification and comes back at once. */
static void test_page(void **state)
{
	offer(TRANSMIT, BUFFER, 4096, 0);
	notify(TRANSMIT);
	assert_shown(4096);
	assert_int_equal(used(TRANSMIT)->idx, 1);
	assert_int_equal(used(TRANSMIT)->ring[0].len, 0);
	assert_int_equal(used_calls[TRANSMIT], 1);
	assert_false(console->virtio.look.armed || console->virtio.watched);
	/* It asks to be told of the next. */
	assert_int_equal(*(uint16_t *)&used(TRANSMIT)->ring[ENTRIES], 1);
}

/* A long buffer goes on by the clock. */
static void test_long(void **state)
{
	offer(TRANSMIT, BUFFER, 10000, 0);
	notify(TRANSMIT);
	assert_shown(4096);
	assert_int_equal(used(TRANSMIT)->idx, 0);
	fake_run(99 * US);
	assert_shown(4096);
	fake_run(US);
	assert_shown(8192);
	virtio_console_pause(&fake_vm);
	fake_run(1000 * US);
	assert_shown(8192);
	virtio_console_resume(&fake_vm);
	fake_run(0);
	assert_shown(10000);
	assert_int_equal(used(TRANSMIT)->idx, 1);
	assert_null(loaded);
}

/* Short buffers are as much work as pieces. */
static void test_many(void **state)
{
	for (unsigned i = 0; i < 3; i++) {
		for (unsigned j = 0; j < ENTRIES; j++)
			offer(TRANSMIT, BUFFER + ENTRIES * i + j, 1, 0);
		notify(TRANSMIT);
		assert_shown(ENTRIES * (i + 1));
	}
	offer(TRANSMIT, BUFFER, 0x10000, 0);
	offer(TRANSMIT, BUFFER, 0x10000, 0);
	notify(TRANSMIT);
	assert_int_equal(shown_len, 3 * ENTRIES + 4096);
	fake_run(100000 * US);
	assert_int_equal(used(TRANSMIT)->idx, 3 * ENTRIES + 2);
	assert_false(console->virtio.look.armed || console->virtio.watched);
}

static void test_held(void **state)
{
	room = 512;
	offer(TRANSMIT, BUFFER, 1024, 0);
	notify(TRANSMIT);
	assert_shown(512);
	notify(TRANSMIT);
	virtio_look(&fake_vm);
	fake_run(1000 * US);
	assert_shown(512);
	assert_int_equal(used(TRANSMIT)->idx, 0);
	/* The console is not in the guest's address space, and the guest may be paused. */
	room = SIZE_MAX;
	virtio_console_pause(&fake_vm);
	guest_console_output_ready(&fake_vm);
	assert_int_equal(com1_output_ready, 1);
	fake_run(1000 * US);
	assert_shown(512);
	virtio_console_resume(&fake_vm);
	fake_run(0);
	assert_shown(1024);
	assert_int_equal(used(TRANSMIT)->idx, 1);
	guest_console_output_ready(&fake_vm);
	assert_false(console->virtio.look.armed);
}

/* The driver's reset gives back what is on its way. */
static void test_reset(void **state)
{
	room = 256;
	offer(TRANSMIT, BUFFER, 1024, 0);
	notify(TRANSMIT);
	assert_shown(256);
	virtio_set_status(&console->virtio, 0);
	assert_int_equal(virtio_status(&console->virtio), 0);
	assert_int_equal(used(TRANSMIT)->idx, 0);
	room = SIZE_MAX;
	guest_console_output_ready(&fake_vm);
	fake_run(1000 * US);
	assert_shown(256);
	memset(ring(RECEIVE, 0), 0, 0x6000);
	start();
	shown_len = 0;
	offer(TRANSMIT, BUFFER, 3, 0);
	notify(TRANSMIT);
	assert_shown(3);
}

static void test_input(void **state)
{
	/* No buffer: later, said once. */
	assert_int_equal(type_in("hello"), 0);
	input_ready = 0;
	offer(RECEIVE, BUFFER, 4, VQ_DESC_WRITE);
	notify(RECEIVE);
	notify(RECEIVE);
	assert_int_equal(input_ready, 1);
	assert_int_equal(type_in("hello"), 4);
	assert_memory_equal(fake_vm.mem.base + BUFFER, "hell", 4);
	assert_int_equal(used(RECEIVE)->ring[0].len, 4);
	offer(RECEIVE, BUFFER + 0x100, 100, VQ_DESC_WRITE);
	notify(RECEIVE);
	assert_int_equal(input_ready, 2);
	assert_int_equal(type_in("o"), 1);
	assert_int_equal(fake_vm.mem.base[BUFFER + 0x100], 'o');
	assert_int_equal(used(RECEIVE)->ring[1].len, 1);
	assert_null(loaded);
	/* Paused, nothing is taken. */
	offer(RECEIVE, BUFFER, 4, VQ_DESC_WRITE);
	virtio_console_pause(&fake_vm);
	assert_int_equal(type_in("x"), 0);
	virtio_console_resume(&fake_vm);
	assert_int_equal(input_ready, 3);
	assert_int_equal(type_in("x"), 1);
	/* A reset is another time to ask. */
	assert_int_equal(type_in("y"), 0);
	virtio_console_reset(&fake_vm);
	assert_int_equal(input_ready, 4);
}

static void test_input_to_nowhere(void **state)
{
	offer(RECEIVE, BUFFER, 4, 0);
	assert_int_equal(type_in("x"), 0);
	assert_int_equal(virtio_status(&console->virtio), RUNS | VIRTIO_DEVICE_NEEDS_RESET);
	assert_int_equal(fake_vm.mem.base[BUFFER], 'a');
}

/* What is typed follows what was written. */
static void test_two_ports(void **state)
{
	free(fake_vm.mem.base);
	free(console);
	new_vm(true, true);
	virtio_console_reset(&fake_vm);
	virtio_console_resume(&fake_vm);
	start();
	assert_int_equal(type_in("early"), 5);
	assert_string_equal(com1, "early");
	offer(RECEIVE, BUFFER, 100, VQ_DESC_WRITE);
	offer(TRANSMIT, BUFFER, 1, 0);
	input_ready = 0;
	notify(TRANSMIT);
	assert_int_equal(input_ready, 1);
	assert_int_equal(type_in("late"), 4);
	assert_string_equal(com1, "early");
	assert_memory_equal(fake_vm.mem.base + BUFFER, "late", 4);
	loaded = &fake_vm;
	guest_console_output(&fake_vm, GUEST_COM1, (const uint8_t *)"#", 1);
	assert_int_equal(type_in("again"), 5);
	assert_string_equal(com1, "again");
	guest_console_output(&fake_vm, GUEST_HVC0, (const uint8_t *)"#", 1);
	virtio_console_reset(&fake_vm);
	assert_int_equal(type_in("reset"), 5);
	assert_string_equal(com1, "reset");
}

static void test_none(void **state)
{
	free(fake_vm.mem.base);
	free(console);
	new_vm(true, false);
	assert_null(fake_vm.pci.function[1]);
	assert_true(guest_console_present(&fake_vm));
	virtio_console_reset(&fake_vm);
	virtio_console_pause(&fake_vm);
	virtio_console_resume(&fake_vm);
	guest_console_output_ready(&fake_vm);
	free(fake_vm.mem.base);
	free(console);
	new_vm(false, false);
	assert_false(guest_console_present(&fake_vm));
	assert_int_equal(type_in("x"), 0);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(test_page),
	    CASE(test_long),
	    CASE(test_many),
	    CASE(test_held),
	    CASE(test_reset),
	    CASE(test_input),
	    CASE(test_input_to_nowhere),
	    CASE(test_two_ports),
	    CASE(test_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
