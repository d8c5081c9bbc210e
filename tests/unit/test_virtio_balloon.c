/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/vdev/virtio_balloon.c: when it takes which pages, when the driver gets its buffers back, and a driver that never ends. */
#include "fake_vm.h"
#include "fake_pages.h"
#include "fake_pci.h"
#include "fake_transport.h"

#include <stdlib.h>
#include "hv/vdev/virtio_balloon.h"

#define RAM      0x80000
#define RINGS    0x1000 /* of each queue: descriptors, available and used ring in a page each */
#define ARRAY    0x20000
#define MEMORY   MIB(64)
#define STATS    BIT(1)
#define ENTRIES  VIRTIO_BALLOON_ENTRIES
#define RELEASED 4096

enum { INFLATE, DEFLATE, STATS_QUEUE };

static struct virtio_balloon *balloon;
static uint64_t released[RELEASED]; /* pages */
static unsigned releases, rests;
static struct vm *loaded;

struct vm *vm_enter_address_space(struct vm *vm)
{
	struct vm *was = loaded;

	loaded = vm;
	return was;
}

void vm_rest(struct vm *vm)
{
	assert_int_equal(balloon->virtio.dev.lock.next, balloon->virtio.dev.lock.owner);
	rests++;
}

/* Not with a lock, nor where this CPU could still reach the page; and nothing is answered before. */
void vm_absent_release(struct vm *vm, gpa_t a)
{
	assert_null(loaded);
	assert_true(balloon->taking);
	assert_int_equal(balloon->virtio.dev.lock.next, balloon->virtio.dev.lock.owner);
	released[releases++ % RELEASED] = a.v;
}

static uint8_t *ram(uint64_t a)
{
	return fake_vm.mem.base + a;
}

static struct vq_avail *avail(unsigned queue)
{
	return (struct vq_avail *)ram(RINGS + queue * 3 * PAGE_SIZE + PAGE_SIZE);
}

static struct vq_used *used(unsigned queue)
{
	return (struct vq_used *)ram(RINGS + queue * 3 * PAGE_SIZE + 2 * PAGE_SIZE);
}

static void offer(unsigned queue, uint64_t at, uint32_t len, uint16_t flags)
{
	uint16_t slot = avail(queue)->idx % ENTRIES;
	uint64_t d[2] = {at, len | (uint64_t)flags << 32};

	memcpy(ram(RINGS + queue * 3 * PAGE_SIZE + 16 * slot), d, sizeof(d));
	avail(queue)->ring[slot] = slot;
	avail(queue)->idx++;
}

static void notify(unsigned queue)
{
	loaded = &fake_vm;
	virtio_notified(&balloon->virtio, queue);
	loaded = NULL;
}

/* One step of the rest, during which the VM stands still. */
static enum status step(void)
{
	enum status s;

	virtio_balloon_pause(&fake_vm);
	s = virtio_balloon_rest_step(&fake_vm);
	assert_null(loaded);
	virtio_balloon_resume(&fake_vm);
	return s;
}

static void rest(void)
{
	for (unsigned i = 0; step() == ERR_AGAIN; i++)
		assert_true(i < 10000);
}

static void set_up(void)
{
	set_up_queues(&balloon->virtio, VIRTIO_BALLOON_QUEUES, ENTRIES, RINGS, 3 * PAGE_SIZE);
}

static void start(uint64_t features)
{
	memset(fake_vm.mem.base, 0, RAM);
	virtio_set_status(&balloon->virtio, 0);
	virtio_accept(&balloon->virtio, 0, (uint32_t)(features | VIRTIO_F_EVENT_IDX));
	virtio_accept(&balloon->virtio, 1, (VIRTIO_F_VERSION_1 | VIRTIO_F_RING_RESET) >> 32);
	virtio_set_status(&balloon->virtio, RUNS);
	set_up();
	assert_int_equal(virtio_status(&balloon->virtio), RUNS);
}

static int setup(void **state)
{
	fake_vm_new(1);
	fake_vm.mem = (struct gmem){.base = calloc(1, RAM)};
	assert_int_equal(gmem_add(&fake_vm.mem, 0, RAM, false), OK);
	fake_cfg = (struct vm_config){.balloon = true, .memory = MEMORY};
	releases = rests = 0;
	forget_calls();
	loaded = NULL;
	fake_bus_new();
	assert_int_equal(virtio_balloon_init(&fake_vm), OK);
	balloon = fake_vm.balloon;
	balloon->virtio.transport = &transport;
	virtio_balloon_reset(&fake_vm);
	virtio_balloon_resume(&fake_vm);
	start(STATS);
	return 0;
}

static int teardown(void **state)
{
	free(fake_vm.mem.base);
	free(balloon);
	return 0;
}

static void numbers(uint32_t first, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		((uint32_t *)ram(ARRAY))[i] = first + i;
}

static void test_absent_device(void **state)
{
	fake_cfg.balloon = false;
	fake_bus_new();
	assert_int_equal(virtio_balloon_init(&fake_vm), OK);
	assert_null(fake_vm.pci.function[1]);
	virtio_balloon_reset(&fake_vm);
	virtio_balloon_pause(&fake_vm);
	virtio_balloon_resume(&fake_vm);
	assert_int_equal(virtio_balloon_rest_step(&fake_vm), OK);
}

/* Nothing is taken before the VM is at rest, nothing answered before it is taken. */
static void test_inflate(void **state)
{
	numbers(0x1000, 300);
	offer(INFLATE, ARRAY, 300 * 4, 0);
	notify(INFLATE);
	assert_int_equal(rests, 1);
	assert_int_equal(releases, 0);
	assert_int_equal(step(), ERR_AGAIN);
	assert_int_equal(releases, 128);
	assert_int_equal(step(), ERR_AGAIN);
	assert_int_equal(step(), ERR_AGAIN);
	assert_int_equal(releases, 300);
	assert_int_equal(used(INFLATE)->idx, 0);
	assert_int_equal(step(), ERR_AGAIN);
	assert_int_equal(used(INFLATE)->idx, 1);
	assert_int_equal(used_calls[INFLATE], 1);
	assert_int_equal(step(), OK);
	for (unsigned i = 0; i < 300; i++)
		assert_int_equal(released[i], (0x1000UL + i) << 12);
	/* It asks to be told of the next. */
	assert_int_equal(*(uint16_t *)&used(INFLATE)->ring[ENTRIES], 1);
}

/* Several chains; one that is no array, one whose last number is cut. */
static void test_odd(void **state)
{
	numbers(0xfffffff0, 16);
	offer(INFLATE, ARRAY, 64, VQ_DESC_WRITE);
	offer(INFLATE, ARRAY, 7, 0);
	offer(INFLATE, ARRAY + 60, 4, 0);
	notify(INFLATE);
	rest();
	assert_int_equal(used(INFLATE)->idx, 3);
	assert_int_equal(releases, 2);
	assert_int_equal(released[0], 0xfffffff0UL << 12);
	assert_int_equal(released[1], 0xffffffffUL << 12);
	assert_int_equal(virtio_status(&balloon->virtio), RUNS);
}

/* The rest is broken off: paused, reset; nothing is lost, nothing answered twice. */
static void test_reset_between(void **state)
{
	numbers(0, 256);
	offer(INFLATE, ARRAY, 256 * 4, 0);
	assert_int_equal(step(), ERR_AGAIN);
	assert_true(balloon->taking);
	virtio_balloon_reset(&fake_vm);
	assert_int_equal(virtio_status(&balloon->virtio), 0);
	assert_int_equal(step(), OK);
	assert_int_equal(releases, 128);
	start(STATS);
	offer(INFLATE, ARRAY, 4, 0);
	rest();
	assert_int_equal(releases, 129);
	assert_int_equal(used(INFLATE)->idx, 1);
}

static void test_broken(void **state)
{
	offer(INFLATE, RAM, 4, 0);
	notify(INFLATE);
	rest();
	assert_int_equal(releases, 0);
	assert_int_equal(virtio_status(&balloon->virtio), RUNS | VIRTIO_DEVICE_NEEDS_RESET);
	start(0);
}

/* The deflate queue is only answered; a driver that offers more than is answered at a time waits for the rest. */
static void test_deflate(void **state)
{
	for (unsigned i = 0; i < ENTRIES; i++)
		offer(DEFLATE, ARRAY, 1024, 0);
	notify(DEFLATE);
	assert_int_equal(used(DEFLATE)->idx, 64);
	assert_int_equal(rests, 0);
	offer(DEFLATE, ARRAY, 1024, 0);
	fake_run(99000);
	assert_int_equal(used(DEFLATE)->idx, 64);
	virtio_balloon_pause(&fake_vm);
	fake_run(1000000);
	assert_int_equal(used(DEFLATE)->idx, 64);
	virtio_balloon_resume(&fake_vm);
	fake_run(0);
	assert_int_equal(used(DEFLATE)->idx, 65);
	assert_false(balloon->virtio.look.armed || balloon->virtio.watched);
	assert_int_equal(releases, 0);
}

static void stat(unsigned i, uint16_t tag, uint64_t value)
{
	memcpy(ram(ARRAY + 10 * i), &tag, 2);
	memcpy(ram(ARRAY + 10 * i) + 2, &value, 8);
}

static void test_stats(void **state)
{
	stat(0, BALLOON_FREE, MIB(3));
	stat(1, 0xffff, 1);
	stat(2, BALLOON_TOTAL, MIB(60));
	offer(STATS_QUEUE, ARRAY, 30, 0);
	notify(STATS_QUEUE);
	assert_int_equal(balloon->stats[BALLOON_FREE], MIB(3));
	assert_int_equal(balloon->stats[BALLOON_TOTAL], MIB(60));
	assert_int_equal(balloon->stats_known, BIT(BALLOON_FREE) | BIT(BALLOON_TOTAL));
	assert_int_equal(used(STATS_QUEUE)->idx, 0);
	fake_run(4999999999);
	assert_int_equal(used(STATS_QUEUE)->idx, 0);
	virtio_balloon_pause(&fake_vm);
	fake_run(1);
	assert_int_equal(used(STATS_QUEUE)->idx, 0);
	virtio_balloon_resume(&fake_vm);
	fake_run(0);
	assert_int_equal(used(STATS_QUEUE)->idx, 1);
	assert_int_equal(used_calls[STATS_QUEUE], 1);
	/* Longer than all that there are; a second one at a time. */
	offer(STATS_QUEUE, ARRAY, 4000, 0);
	offer(STATS_QUEUE, ARRAY, 30, 0);
	notify(STATS_QUEUE);
	notify(STATS_QUEUE);
	assert_int_equal(vq_in_flight(&balloon->queue[STATS_QUEUE]), 1);
	/* A reset of the queue alone, and of the device, with it. */
	assert_true(virtio_reset_queue(&balloon->virtio, STATS_QUEUE));
	assert_int_equal(vq_in_flight(&balloon->queue[STATS_QUEUE]), 0);
	assert_false(balloon->stats_held);
	start(STATS);
	stat(0, BALLOON_FREE, MIB(3));
	offer(STATS_QUEUE, ARRAY, 10, 0);
	notify(STATS_QUEUE);
	assert_true(balloon->stats_held);
	virtio_set_status(&balloon->virtio, 0);
	assert_int_equal(virtio_status(&balloon->virtio), 0);
	assert_int_equal(balloon->stats_known, 0);
	fake_run(6000000000);
	assert_int_equal(used(STATS_QUEUE)->idx, 0);
}

/* As Linux does: offered before the device runs, when nobody hears of it. */
static void test_early_stats(void **state)
{
	virtio_set_status(&balloon->virtio, 0);
	memset(fake_vm.mem.base, 0, RAM);
	virtio_accept(&balloon->virtio, 0, STATS);
	virtio_accept(&balloon->virtio, 1, VIRTIO_F_VERSION_1 >> 32);
	virtio_set_status(&balloon->virtio, RUNS & ~VIRTIO_DRIVER_OK);
	set_up();
	stat(0, BALLOON_TOTAL, MIB(60));
	offer(STATS_QUEUE, ARRAY, 10, 0);
	notify(STATS_QUEUE);
	fake_run(1000000000);
	assert_int_equal(balloon->stats_known, 0);
	virtio_set_status(&balloon->virtio, RUNS);
	fake_run(5000000000);
	assert_int_equal(balloon->stats_known, BIT(BALLOON_TOTAL));
	fake_run(5000000000);
	assert_int_equal(used(STATS_QUEUE)->idx, 1);
}

static void test_config(void **state)
{
	virtio_balloon_set_target(&fake_vm, MIB(24));
	assert_int_equal(config_calls, 1);
	assert_int_equal(virtio_config_read(&balloon->virtio, 0, 4), MIB(40) / PAGE_SIZE);
	assert_int_equal(virtio_balloon_target(&fake_vm), MIB(24));
	virtio_config_write(&balloon->virtio, 4, 4, 123);
	virtio_config_write(&balloon->virtio, 4, 2, 1);
	virtio_config_write(&balloon->virtio, 0, 4, 99);
	virtio_config_write(&balloon->virtio, 8, 4, 99);
	virtio_config_write(&balloon->virtio, 6, 4, 99);
	assert_int_equal(balloon->config.actual, 123);
	assert_int_equal(balloon->config.num_pages, MIB(40) / PAGE_SIZE);
	/* Told when it goes on. */
	virtio_balloon_pause(&fake_vm);
	virtio_balloon_set_target(&fake_vm, MEMORY);
	assert_int_equal(config_calls, 1);
	virtio_balloon_resume(&fake_vm);
	assert_int_equal(config_calls, 2);
	virtio_balloon_set_target(&fake_vm, MIB(8));
	assert_int_equal(virtio_balloon_owed(&fake_vm), 0);
	fake_vm.absent = MIB(58);
	assert_int_equal(virtio_balloon_owed(&fake_vm), MIB(2));
	/* What the operator wants outlives a reset; what the driver says doesn't. */
	virtio_balloon_reset(&fake_vm);
	assert_int_equal(virtio_balloon_target(&fake_vm), MIB(8));
	assert_int_equal(balloon->config.actual, 0);
	start(0);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(test_absent_device), CASE(test_inflate),     CASE(test_odd),
	    CASE(test_reset_between), CASE(test_broken),      CASE(test_deflate),
	    CASE(test_stats),         CASE(test_early_stats), CASE(test_config),
	};

	return cmocka_run_group_tests_name("virtio_balloon", tests, NULL, NULL);
}
