/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/vdev/virtio_rng.c: what a driver gets for its buffers, and what one gets that never stops. */
#include "fake_vm.h"
#include "fake_pages.h"
#include "fake_pci.h"
#include "fake_transport.h"

#include <stdlib.h>
#include "hv/random.h"
#include "hv/vdev/virtio_rng.h"

#define RAM     0x10000
#define DESC    0x1000
#define AVAIL   0x2000
#define USED    0x3000
#define BUFFER  0x4000
#define ENTRIES 8
#define US      1000ULL

static struct virtio_rng *rng;
static bool available;
static size_t source;     /* bytes that the source has yet */
static unsigned greedy;   /* buffers that a second vCPU offers while the device works */
static struct vm *loaded; /* whose address space is */

bool random_available(void)
{
	return available;
}

static void offer(uint64_t at, uint32_t len, uint16_t flags)
{
	struct vq_avail *avail = (struct vq_avail *)(fake_vm.mem.base + AVAIL);
	uint16_t slot = avail->idx % ENTRIES;
	uint64_t d[2] = {at, len | (uint64_t)flags << 32};

	memcpy(fake_vm.mem.base + DESC + 16 * slot, d, sizeof(d));
	avail->ring[slot] = slot;
	avail->idx++;
}

static struct vq_used *used(void)
{
	return (struct vq_used *)(fake_vm.mem.base + USED);
}

size_t random_fill(void *dst, size_t n)
{
	assert_ptr_equal(loaded, &fake_vm);
	n = MIN(n, source);
	source -= n;
	memset(dst, 0x5a, n);
	if (greedy) {
		greedy--;
		offer(BUFFER, 16, VQ_DESC_WRITE);
	}
	return n;
}

struct vm *vm_enter_address_space(struct vm *vm)
{
	struct vm *was = loaded;

	loaded = vm;
	return was;
}

static void notify(void)
{
	loaded = &fake_vm;
	virtio_notified(&rng->virtio, 0);
	loaded = NULL;
}

/* As a driver with VIRTIO_F_VERSION_1 and the event index does. */
static void start(void)
{
	virtio_accept(&rng->virtio, 0, VIRTIO_F_EVENT_IDX);
	virtio_accept(&rng->virtio, 1, VIRTIO_F_VERSION_1 >> 32);
	virtio_set_status(&rng->virtio, RUNS);
	set_up_queues(&rng->virtio, 1, ENTRIES, DESC, 0);
	assert_int_equal(virtio_status(&rng->virtio), RUNS);
}

static int setup(void **state)
{
	fake_vm_new(1);
	fake_vm.mem = (struct gmem){.base = calloc(1, RAM)};
	assert_int_equal(gmem_add(&fake_vm.mem, 0, RAM, false), OK);
	available = fake_cfg.rng = true;
	source = SIZE_MAX;
	forget_calls();
	greedy = 0;
	loaded = NULL;
	fake_bus_new();
	assert_int_equal(virtio_rng_init(&fake_vm), OK);
	rng = fake_vm.rng;
	rng->virtio.transport = &transport;
	virtio_rng_reset(&fake_vm);
	virtio_rng_resume(&fake_vm);
	start();
	return 0;
}

static int teardown(void **state)
{
	free(fake_vm.mem.base);
	free(rng);
	return 0;
}

static void test_no_source(void **state)
{
	const struct pci_function *on_bus = fake_vm.pci.function[1];

	assert_non_null(on_bus);
	available = false;
	fake_bus_new();
	assert_int_equal(virtio_rng_init(&fake_vm), OK);
	assert_null(fake_vm.pci.function[1]);
	fake_cfg.rng = false;
	available = true;
	fake_bus_new();
	assert_int_equal(virtio_rng_init(&fake_vm), OK);
	assert_null(fake_vm.pci.function[1]);
	virtio_rng_reset(&fake_vm);
	virtio_rng_pause(&fake_vm);
	virtio_rng_resume(&fake_vm);
}

/* A VM gets its device once: it is there for its next life. */
static void test_memory(void **state)
{
	fake_pages_gone = true;
	fake_bus_new();
	assert_int_equal(virtio_rng_init(&fake_vm), OK);
	assert_ptr_equal(fake_vm.rng, rng);
	fake_vm.rng = NULL;
	fake_bus_new();
	assert_int_equal(virtio_rng_init(&fake_vm), ERR_NOMEM);
	assert_null(fake_vm.rng);
	virtio_rng_reset(&fake_vm);
	virtio_rng_pause(&fake_vm);
	virtio_rng_resume(&fake_vm);
	fake_pages_gone = false;
}

static void test_fills(void **state)
{
	offer(BUFFER, 16, VQ_DESC_WRITE);
	offer(BUFFER + 0x100, 4096, VQ_DESC_WRITE);
	notify();
	assert_int_equal(used()->idx, 2);
	assert_int_equal(used()->ring[0].len, 16);
	assert_int_equal(used()->ring[1].len, 64);
	assert_int_equal(fake_vm.mem.base[BUFFER + 15], 0x5a);
	assert_int_equal(fake_vm.mem.base[BUFFER + 16], 0);
	assert_int_equal(fake_vm.mem.base[BUFFER + 0x13f], 0x5a);
	assert_int_equal(fake_vm.mem.base[BUFFER + 0x140], 0);
	assert_int_equal(used_calls[0], 1);
	/* It asks to be told of the next. */
	assert_int_equal(*(uint16_t *)&used()->ring[ENTRIES], 2);
	notify();
	assert_int_equal(used()->idx, 2);
	assert_int_equal(used_calls[0], 1);
}

static void test_offered_meanwhile(void **state)
{
	offer(BUFFER, 16, VQ_DESC_WRITE);
	greedy = 3;
	notify();
	assert_int_equal(used()->idx, 4);
	assert_false(rng->virtio.watched);
}

static void test_never_ends(void **state)
{
	offer(BUFFER, 16, VQ_DESC_WRITE);
	greedy = 100;
	notify();
	assert_int_equal(used()->idx, 8);
	fake_run(99 * US);
	assert_int_equal(used()->idx, 8);
	fake_run(US);
	assert_int_equal(used()->idx, 16);
	assert_null(loaded);
	/* A vCPU that halts, or a driver that says more than it was asked for, gets no more at a time. */
	loaded = &fake_vm;
	virtio_look(&fake_vm);
	assert_int_equal(used()->idx, 24);
	notify();
	assert_int_equal(used()->idx, 32);
	/* Paused, it does nothing, and goes on then. */
	virtio_rng_pause(&fake_vm);
	fake_run(1000 * US);
	assert_int_equal(used()->idx, 32);
	virtio_rng_resume(&fake_vm);
	fake_run(0);
	assert_int_equal(used()->idx, 40);
	/* Nothing is lost when the driver comes to its senses. */
	fake_run(10000 * US);
	assert_int_equal(used()->idx, 101);
	assert_false(rng->virtio.look.armed || rng->virtio.watched);
	offer(BUFFER, 16, VQ_DESC_WRITE);
	notify();
	assert_int_equal(used()->idx, 102);
	/* A reset while it rests. */
	greedy = 20;
	offer(BUFFER, 16, VQ_DESC_WRITE);
	notify();
	assert_true(rng->virtio.watched);
	virtio_rng_reset(&fake_vm);
	greedy = 0;
	memset(fake_vm.mem.base, 0, RAM);
	start();
	fake_run(1000 * US);
	assert_int_equal(used()->idx, 0);
	offer(BUFFER, 16, VQ_DESC_WRITE);
	notify();
	assert_int_equal(used()->idx, 1);
}

static void test_nothing_to_give(void **state)
{
	/* Half of what was asked for is something; nothing is an end. */
	source = 5;
	offer(BUFFER, 16, VQ_DESC_WRITE);
	offer(BUFFER, 16, VQ_DESC_WRITE);
	notify();
	assert_int_equal(used()->ring[0].len, 5);
	assert_int_equal(used()->ring[1].len, 0);
	assert_int_equal(virtio_status(&rng->virtio), RUNS | VIRTIO_DEVICE_NEEDS_RESET);
}

static void test_no_room(void **state)
{
	offer(BUFFER, 16, 0); /* to read, where only buffers to write belong */
	notify();
	assert_int_equal(virtio_status(&rng->virtio), RUNS | VIRTIO_DEVICE_NEEDS_RESET);
	assert_int_equal(fake_vm.mem.base[BUFFER], 0);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(test_no_source),         CASE(test_memory),     CASE(test_fills),
	    CASE(test_offered_meanwhile), CASE(test_never_ends), CASE(test_nothing_to_give),
	    CASE(test_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
