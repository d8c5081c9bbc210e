/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hv/vdev/virtio.c and virtio_pci.c, through the BAR as a driver sees it: the order of status bits, negotiation, registers
 * of all widths, interrupts by message and by line, broken queues, resets with work in flight.
 */
#include "support.h"

#include "fake_virtio.h"

#define FEATURES                                                                                             \
	(FAKE_FEATURE | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX | VIRTIO_F_VERSION_1 |                   \
	 VIRTIO_F_RING_RESET)
#define READY (VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK)
#define RUNS  (READY | VIRTIO_DRIVER_OK)
#define DESC  0x1000
#define AVAIL 0x2000
#define USED  0x3000

static int setup(void **state)
{
	fake_virtio_new();
	return 0;
}

static int teardown(void **state)
{
	fake_virtio_free();
	return 0;
}

static uint64_t rd(uint32_t offset, unsigned size)
{
	return virtio_pci_read(&fake_pci, offset, size);
}

static void wr(uint32_t offset, unsigned size, uint64_t value)
{
	virtio_pci_write(&fake_pci, offset, size, value);
}

static void accept(uint64_t features)
{
	wr(R_DRIVER_SELECT, 4, 0);
	wr(R_DRIVER_FEATURE, 4, (uint32_t)features);
	wr(R_DRIVER_SELECT, 4, 1);
	wr(R_DRIVER_FEATURE, 4, features >> 32);
}

static void set_queue(unsigned n)
{
	wr(R_QUEUE_SELECT, 2, n);
	wr(R_DESC, 4, DESC + 0x100 * n);
	wr(R_DRIVER, 4, AVAIL + 0x100 * n);
	wr(R_DEVICE, 4, USED + 0x100 * n);
	wr(R_QUEUE_VECTOR, 2, n);
	wr(R_QUEUE_ENABLE, 2, 1);
}

/* As a driver does, to DRIVER_OK. */
static void start(uint64_t features)
{
	wr(R_STATUS, 1, VIRTIO_ACKNOWLEDGE);
	wr(R_STATUS, 1, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER);
	accept(features);
	wr(R_STATUS, 1, READY);
	assert_int_equal(rd(R_STATUS, 1), READY);
	wr(R_CONFIG_VECTOR, 2, 2);
	set_queue(0);
	set_queue(1);
	wr(R_STATUS, 1, RUNS);
	assert_int_equal(rd(R_STATUS, 1), RUNS);
}

/* The driver offers a chain of one descriptor of `len` bytes at `at`. */
static void offer(unsigned queue, uint64_t at, uint32_t len)
{
	struct vq_avail *avail = (struct vq_avail *)(fake_vm.mem.base + AVAIL + 0x100 * queue);
	uint64_t d[2] = {at, len | (uint64_t)VQ_DESC_WRITE << 32};

	memcpy(fake_vm.mem.base + DESC + 0x100 * queue, d, sizeof(d));
	avail->ring[avail->idx++ % FAKE_ENTRIES] = 0;
}

static uint16_t used_idx(unsigned queue)
{
	return ((struct vq_used *)(fake_vm.mem.base + USED + 0x100 * queue))->idx;
}

static void test_status(void **state)
{
	static const uint8_t order[] = {VIRTIO_ACKNOWLEDGE, VIRTIO_DRIVER, VIRTIO_FEATURES_OK,
					VIRTIO_DRIVER_OK};
	uint8_t all = 0;

	assert_int_equal(rd(R_STATUS, 1), 0);
	accept(VIRTIO_F_VERSION_1);
	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		/* None without those before it. */
		for (size_t j = i + 1; j < ARRAY_SIZE(order); j++) {
			wr(R_STATUS, 1, order[j]);
			assert_int_equal(rd(R_STATUS, 1), all);
		}
		all |= order[i];
		wr(R_STATUS, 1, all);
		assert_int_equal(rd(R_STATUS, 1), all);
	}
	/* Only the device sets this one; and no bit can be taken away. */
	wr(R_STATUS, 1, VIRTIO_DEVICE_NEEDS_RESET | VIRTIO_FAILED);
	assert_int_equal(rd(R_STATUS, 1), all | VIRTIO_FAILED);
	wr(R_STATUS, 1, 0);
	assert_int_equal(rd(R_STATUS, 1), 0);
	assert_int_equal(fake_resets, 1);
	accept(VIRTIO_F_VERSION_1);
	wr(R_STATUS, 1, RUNS); /* all at once */
	assert_int_equal(rd(R_STATUS, 1), RUNS);
}

static void test_features(void **state)
{
	wr(R_DEVICE_SELECT, 4, 0);
	assert_int_equal(rd(R_DEVICE_FEATURE, 4), (uint32_t)FEATURES);
	wr(R_DEVICE_SELECT, 4, 1);
	assert_int_equal(rd(R_DEVICE_FEATURE, 4), FEATURES >> 32);
	wr(R_DEVICE_SELECT, 4, 2);
	assert_int_equal(rd(R_DEVICE_FEATURE, 4), 0);
	wr(R_DEVICE_SELECT, 4, UINT32_MAX);
	assert_int_equal(rd(R_DEVICE_FEATURE, 4), 0);
	wr(R_DEVICE_FEATURE, 4, 1);
	wr(R_STATUS, 1, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER);
	/* Not without VERSION_1, nor with what was not offered. */
	accept(FEATURES & ~VIRTIO_F_VERSION_1);
	wr(R_STATUS, 1, READY);
	assert_int_equal(rd(R_STATUS, 1), READY & ~VIRTIO_FEATURES_OK);
	accept(FEATURES | BIT(34));
	wr(R_STATUS, 1, READY);
	assert_int_equal(rd(R_STATUS, 1), READY & ~VIRTIO_FEATURES_OK);
	accept(FEATURES);
	assert_false(virtio_has(&fake_device, FAKE_FEATURE));
	wr(R_DRIVER_SELECT, 4, 2);
	wr(R_DRIVER_FEATURE, 4, UINT32_MAX);
	assert_int_equal(rd(R_DRIVER_FEATURE, 4), 0);
	wr(R_STATUS, 1, READY);
	assert_int_equal(rd(R_STATUS, 1), READY);
	assert_true(virtio_has(&fake_device, FAKE_FEATURE));
	/* They are settled now. */
	accept(VIRTIO_F_VERSION_1);
	assert_int_equal(rd(R_DRIVER_FEATURE, 4), FEATURES >> 32);
	assert_true(virtio_has(&fake_device, FAKE_FEATURE));
}

static void test_registers(void **state)
{
	assert_int_equal(rd(R_NUM_QUEUES, 2), FAKE_QUEUES);
	for (unsigned n = 0; n < FAKE_QUEUES; n++) {
		wr(R_QUEUE_SELECT, 2, n);
		assert_int_equal(rd(R_QUEUE_SIZE, 2), FAKE_ENTRIES);
		assert_int_equal(rd(R_NOTIFY_OFF, 2), n);
		assert_int_equal(rd(R_QUEUE_VECTOR, 2), VIRTIO_PCI_NO_VECTOR);
		wr(R_DESC, 4, 0x11111110 * (n + 1));
		wr(R_DESC + 4, 4, n + 1);
		wr(R_DEVICE, 8, 0x123456780000 + n); /* as two of 4 bytes */
	}
	wr(R_QUEUE_SELECT, 2, 0);
	assert_int_equal(rd(R_DESC, 8), 0x111111110);
	assert_int_equal(rd(R_DEVICE + 4, 4), 0x1234);
	wr(R_QUEUE_SELECT, 2, 1);
	assert_int_equal(rd(R_DESC, 8), 0x222222220);
	/* Sizes that there aren't, vectors that there aren't, read-only fields. */
	wr(R_QUEUE_SIZE, 2, 4);
	wr(R_QUEUE_SIZE, 2, 3);
	wr(R_QUEUE_SIZE, 2, 0);
	wr(R_QUEUE_SIZE, 2, 2 * FAKE_ENTRIES);
	assert_int_equal(rd(R_QUEUE_SIZE, 2), 4);
	wr(R_QUEUE_VECTOR, 2, FAKE_VECTORS - 1);
	assert_int_equal(rd(R_QUEUE_VECTOR, 2), FAKE_VECTORS - 1);
	wr(R_QUEUE_VECTOR, 2, FAKE_VECTORS);
	assert_int_equal(rd(R_QUEUE_VECTOR, 2), VIRTIO_PCI_NO_VECTOR);
	wr(R_CONFIG_VECTOR, 2, UINT16_MAX);
	assert_int_equal(rd(R_CONFIG_VECTOR, 2), VIRTIO_PCI_NO_VECTOR);
	wr(R_NUM_QUEUES, 2, 9);
	wr(R_NOTIFY_OFF, 2, 9);
	assert_int_equal(rd(R_NUM_QUEUES, 2), FAKE_QUEUES);
	/* A queue that doesn't exist. */
	wr(R_QUEUE_SELECT, 2, FAKE_QUEUES);
	wr(R_QUEUE_SIZE, 2, 4);
	wr(R_QUEUE_VECTOR, 2, 1);
	wr(R_DESC, 4, 0x1000);
	wr(R_QUEUE_ENABLE, 2, 1);
	assert_int_equal(rd(R_QUEUE_SIZE, 2), 0);
	assert_int_equal(rd(R_QUEUE_ENABLE, 2), 0);
	assert_int_equal(rd(R_DESC, 8), 0);
	assert_int_equal(rd(R_QUEUE_VECTOR, 2), VIRTIO_PCI_NO_VECTOR);
	/* Reads of any width find the bytes; writes of a wrong one nothing. */
	wr(R_QUEUE_SELECT, 2, 1);
	assert_int_equal(rd(R_QUEUE_SELECT, 4), 1 + (4 << 16));
	assert_int_equal(rd(R_QUEUE_SIZE + 1, 1), 0);
	assert_int_equal(rd(R_DESC + 3, 2), 0x0222);
	assert_int_equal(rd(0x34, 8), 0x1234);
	wr(R_QUEUE_SELECT, 1, 0);
	wr(R_QUEUE_SELECT, 4, 0);
	wr(R_QUEUE_SIZE + 1, 1, 0);
	assert_int_equal(rd(R_QUEUE_SELECT, 4), 1 + (4 << 16));
	assert_int_equal(rd(R_NOTIFY_DATA, 4), 0);
	assert_int_equal(rd(0x3c, 4), 0);
	assert_int_equal(rd(0x800, 8), 0);
	wr(0x800, 8, UINT64_MAX);
	assert_int_equal(rd(VIRTIO_PCI_BAR_SIZE - 8, 8), 0);
}

static void test_config(void **state)
{
	uint64_t generation = rd(R_GENERATION, 1);

	assert_int_equal(rd(R_CONFIG, 4), 0x04030201);
	assert_int_equal(rd(R_CONFIG + 3, 2), 0x0504);
	assert_int_equal(rd(R_CONFIG, 8), 0x060504030201); /* 0 behind its end */
	assert_int_equal(rd(R_CONFIG + 6, 4), 0);
	assert_int_equal(rd(R_NOTIFY - 8, 8), 0);
	wr(R_CONFIG, 4, 0);
	assert_int_equal(rd(R_CONFIG, 1), 1);
	assert_int_equal(rd(R_GENERATION, 1), generation);
	/* 256 changes between two reads are a change, too. */
	start(FEATURES);
	for (unsigned i = 0; i < 256; i++) {
		fake_config[0] = i + 2;
		virtio_config_changed(&fake_device);
	}
	assert_int_equal(fake_messages[2], 256);
	assert_int_equal(rd(R_CONFIG, 1), 1);
	assert_int_not_equal(rd(R_GENERATION, 1), generation);
	assert_int_equal(rd(R_ISR, 1), 2);
}

static void test_enable(void **state)
{
	/* Not before the features are settled, which say what a ring is. */
	set_queue(0);
	assert_int_equal(rd(R_QUEUE_ENABLE, 2), 0);
	start(VIRTIO_F_VERSION_1);
	assert_int_equal(rd(R_QUEUE_ENABLE, 2), 1);
	/* What is enabled stays as it is. */
	wr(R_DESC, 4, 0x5000);
	wr(R_QUEUE_SIZE, 2, 2);
	wr(R_QUEUE_ENABLE, 2, 0);
	assert_int_equal(rd(R_DESC, 4), DESC + 0x100);
	assert_int_equal(rd(R_QUEUE_SIZE, 2), FAKE_ENTRIES);
	assert_int_equal(rd(R_QUEUE_ENABLE, 2), 1);
	/* Rings outside of memory. */
	wr(R_STATUS, 1, 0);
	assert_int_equal(rd(R_QUEUE_ENABLE, 2), 0);
	accept(VIRTIO_F_VERSION_1);
	wr(R_STATUS, 1, READY);
	wr(R_DEVICE + 4, 4, 1);
	wr(R_QUEUE_ENABLE, 2, 1);
	assert_int_equal(rd(R_QUEUE_ENABLE, 2), 0);
	assert_int_equal(rd(R_STATUS, 1), READY | VIRTIO_DEVICE_NEEDS_RESET);
	assert_int_equal(fake_messages[2], 0); /* nobody to tell yet */
}

static void test_notify(void **state)
{
	wr(R_NOTIFY, 2, 0);
	assert_int_equal(fake_notified[0], 0);
	start(FEATURES);
	wr(R_NOTIFY, 2, 0);
	wr(R_NOTIFY + 4, 2, 1);
	wr(R_NOTIFY + 4, 4, 7); /* where counts, not what */
	wr(R_NOTIFY + 2, 2, 0);
	wr(R_NOTIFY + 8, 2, 2); /* no such queue */
	wr(R_NOTIFY + 4 * VIRTIO_PCI_QUEUE_MAX, 2, 0);
	assert_int_equal(fake_notified[0], 1);
	assert_int_equal(fake_notified[1], 2);
	virtio_needs_reset(&fake_device);
	wr(R_NOTIFY, 2, 0);
	assert_int_equal(fake_notified[0], 1);
}

static void test_before_driver_ok(void **state)
{
	wr(R_STATUS, 1, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER);
	accept(VIRTIO_F_VERSION_1);
	wr(R_STATUS, 1, READY);
	set_queue(0);
	offer(0, 0x5000, 16);
	assert_int_equal(fake_take(0), ERR_NOENT);
	assert_false(virtio_listen(&fake_device, 0));
	virtio_config_changed(&fake_device);
	assert_int_equal(fake_messages[0] + fake_messages[1] + fake_messages[2], 0);
	assert_int_equal(rd(R_ISR, 1), 0);
	wr(R_STATUS, 1, RUNS);
	assert_int_equal(fake_take(0), OK);
}

static void test_msix(void **state)
{
	start(VIRTIO_F_VERSION_1);
	offer(1, 0x5000, 16);
	assert_int_equal(fake_take(1), OK);
	assert_true(fake_give(1, 16));
	assert_int_equal(fake_messages[1], 0);
	virtio_signal(&fake_device, 1);
	virtio_signal(&fake_device, 1); /* nothing new */
	virtio_signal(&fake_device, 0);
	assert_int_equal(fake_messages[1], 1);
	assert_int_equal(fake_messages[0] + fake_messages[2], 0);
	assert_int_equal(rd(R_ISR, 1), 0); /* queues don't use it with MSI-X */
	/* Without a vector it is silent. */
	wr(R_QUEUE_VECTOR, 2, VIRTIO_PCI_NO_VECTOR);
	offer(1, 0x5000, 16);
	assert_int_equal(fake_take(1), OK);
	fake_give(1, 16);
	virtio_signal(&fake_device, 1);
	assert_int_equal(fake_messages[1], 1);
	assert_false(fake_line);
}

static void test_intx(void **state)
{
	fake_msix = false;
	start(VIRTIO_F_VERSION_1);
	offer(0, 0x5000, 16);
	assert_int_equal(fake_take(0), OK);
	fake_give(0, 16);
	virtio_signal(&fake_device, 0);
	assert_true(fake_line);
	virtio_config_changed(&fake_device);
	assert_int_equal(rd(R_ISR, 1), 3);
	assert_false(fake_line);
	assert_int_equal(rd(R_ISR, 1), 0);
	virtio_config_changed(&fake_device);
	assert_true(fake_line);
	wr(R_STATUS, 1, 0); /* the line falls with the reset */
	assert_false(fake_line);
	assert_int_equal(rd(R_ISR, 1), 0);
	assert_int_equal(fake_messages[0] + fake_messages[1] + fake_messages[2], 0);
}

static void test_broken(void **state)
{
	start(FEATURES);
	offer(0, 0x5000, 16);
	assert_int_equal(fake_take(0), OK);
	offer(1, UINT64_MAX, 16);
	assert_int_equal(fake_take(1), ERR_RANGE);
	/* The device says so once, and takes nothing more from any queue. */
	assert_int_equal(rd(R_STATUS, 1), RUNS | VIRTIO_DEVICE_NEEDS_RESET);
	assert_int_equal(fake_messages[2], 1);
	assert_int_equal(fake_take(1), ERR_NOENT);
	offer(0, 0x5000, 16);
	assert_int_equal(fake_take(0), ERR_NOENT);
	fake_give(0, 16);
	virtio_signal(&fake_device, 0);
	virtio_needs_reset(&fake_device);
	assert_int_equal(fake_messages[0], 0);
	assert_int_equal(fake_messages[2], 1);
	/* A reset heals it. */
	wr(R_STATUS, 1, 0);
	assert_int_equal(rd(R_STATUS, 1), 0);
	memset(fake_vm.mem.base, 0, FAKE_RAM);
	start(FEATURES);
	offer(1, 0x5000, 16);
	assert_int_equal(fake_take(1), OK);
}

static void test_reset_in_flight(void **state)
{
	fake_gives_at_reset = false;
	start(FEATURES);
	for (unsigned i = 0; i < 2; i++) {
		offer(i, 0x5000, 16);
		assert_int_equal(fake_take(i), OK);
	}
	wr(R_STATUS, 1, 0);
	assert_int_equal(fake_resets, 1);
	/* It goes on; nothing but its end is possible. */
	assert_int_equal(rd(R_STATUS, 1), RUNS);
	wr(R_STATUS, 1, RUNS);
	wr(R_STATUS, 1, 0);
	accept(0);
	offer(0, 0x5000, 16);
	wr(R_NOTIFY, 2, 0);
	assert_int_equal(fake_resets, 1);
	assert_int_equal(fake_notified[0], 0);
	assert_int_equal(fake_take(0), ERR_NOENT);
	fake_give(0, 16);
	virtio_signal(&fake_device, 0);
	virtio_config_changed(&fake_device);
	virtio_needs_reset(&fake_device);
	wr(R_QUEUE_SELECT, 2, 0);
	wr(R_QUEUE_ENABLE, 2, 1);
	assert_int_equal(rd(R_QUEUE_ENABLE, 2), 0);
	assert_int_equal(rd(R_STATUS, 1), RUNS);
	fake_give(1, 16);
	assert_int_equal(rd(R_STATUS, 1), 0);
	assert_int_equal(used_idx(0) + used_idx(1), 0);
	assert_int_equal(fake_messages[0] + fake_messages[1] + fake_messages[2], 0);
	wr(R_QUEUE_SELECT, 2, 0);
	assert_int_equal(rd(R_DESC, 8), 0);
	assert_int_equal(rd(R_QUEUE_VECTOR, 2), VIRTIO_PCI_NO_VECTOR);
	assert_int_equal(rd(R_DRIVER_FEATURE, 4), 0);
	/* The same where the device gives all back at once. */
	memset(fake_vm.mem.base, 0, FAKE_RAM);
	fake_gives_at_reset = true;
	start(FEATURES);
	offer(1, 0x5000, 16);
	assert_int_equal(fake_take(1), OK);
	wr(R_STATUS, 1, 0);
	assert_int_equal(rd(R_STATUS, 1), 0);
	assert_int_equal(fake_flying_count[1], 0);
}

static uint16_t listened_at(unsigned queue)
{
	return virtio_queue(&fake_device, queue)->used->ring[FAKE_ENTRIES].id & UINT16_MAX;
}

/* One chain after so many nanoseconds; what virtio_wait then says. */
static bool one_more(uint64_t ns)
{
	fake_now += ns;
	offer(0, 0x5000, 16);
	assert_int_equal(fake_take(0), OK);
	assert_true(fake_give(0, 16));
	return virtio_wait(&fake_device, 0);
}

static void fire(void)
{
	assert_true(fake_device.look.armed);
	fake_now = MAX(fake_now, fake_device.look.deadline_ns);
	fake_device.look.armed = false;
	fake_device.look.fn(&fake_device.look);
}

#define PAUSE_NS (VIRTIO_LOOKS * VIRTIO_LOOK_NS) /* the end of a flow of little */

/* Of chains that come one after the other only the first two are told; and when they end, the next one is again. */
static void test_watched(void **state)
{
	start(FEATURES);
	assert_false(one_more(0));
	assert_false(one_more(VIRTIO_LOOK_NS));
	assert_int_equal(listened_at(0), 2);
	assert_int_equal(fake_vm.virtio_watched, 0);
	assert_false(one_more(VIRTIO_LOOK_NS - 1));
	assert_int_equal(listened_at(0), 2);
	assert_int_equal(fake_vm.virtio_watched, 1);
	assert_false(one_more(PAUSE_NS - 1)); /* once it is watched it may have pauses */
	assert_int_equal(listened_at(0), 2);
	virtio_look(&fake_vm);
	assert_int_equal(fake_notified[0], 1);
	assert_int_equal(fake_notified[1], 0);
	fire();
	assert_int_equal(fake_notified[0], 2);
	assert_false(virtio_wait(&fake_device, 0));
	assert_true(fake_device.look.armed);
	/* It has been looked at in vain for long enough; but one was just coming. */
	fake_now += PAUSE_NS;
	fire();
	offer(0, 0x5000, 16);
	assert_true(virtio_wait(&fake_device, 0));
	assert_int_equal(listened_at(0), 4);
	assert_int_equal(fake_vm.virtio_watched, 0);
	assert_false(fake_device.look.armed);
	virtio_look(&fake_vm);
	assert_int_equal(fake_notified[0], 3);
}

static void test_watched_without_event_idx(void **state)
{
	const struct vq_used *used = (const struct vq_used *)(fake_vm.mem.base + USED);

	start(VIRTIO_F_VERSION_1);
	assert_false(one_more(0));
	assert_int_equal(used->flags, 0);
	assert_false(one_more(1));
	assert_int_equal(used->flags, VQ_USED_NO_NOTIFY);
	fire();
	fake_now += PAUSE_NS;
	assert_false(virtio_wait(&fake_device, 0));
	assert_int_equal(used->flags, 0);
}

/* Chains of so many bytes for two milliseconds; how long the queue is then left alone. */
static uint64_t look_of(uint32_t bytes, uint64_t apart_ns)
{
	for (uint64_t ns = 0; ns < 2 * VIRTIO_LOOK_MAX_NS; ns += apart_ns) {
		virtio_count(&fake_device, 0, bytes);
		(void)one_more(apart_ns);
	}
	return virtio_queue(&fake_device, 0)->look_ns;
}

/* The more goes through a queue the longer it is left alone, but not so long that very much comes meanwhile. */
static void test_watched_stream(void **state)
{
	struct virtqueue *q;

	start(FEATURES);
	q = virtio_queue(&fake_device, 0);
	assert_false(one_more(0));
	assert_int_equal(q->look_ns, VIRTIO_LOOK_NS);
	/* Small packets, closely and further apart. */
	assert_int_equal(look_of(100, VIRTIO_LOOK_NS), VIRTIO_LOOK_NS);
	assert_int_equal(look_of(VIRTIO_STREAM_BYTES / 2 - 1, VIRTIO_LOOK_MAX_NS / 2), VIRTIO_LOOK_NS);
	assert_int_equal(fake_vm.virtio_watched, 0);
	/* Two segments of TCP a millisecond. */
	assert_int_equal(look_of(KIB(64), VIRTIO_LOOK_MAX_NS / 2), VIRTIO_LOOK_MAX_NS);
	assert_int_equal(fake_vm.virtio_watched, 1);
	fire();
	assert_false(virtio_wait(&fake_device, 0));
	assert_int_equal(fake_device.look.deadline_ns, fake_now + VIRTIO_LOOK_MAX_NS);
	/* Four times and a thousand times as many as may come between looks. */
	assert_int_equal(look_of(VIRTIO_LOOK_BYTES, VIRTIO_LOOK_MAX_NS / 4), VIRTIO_LOOK_MAX_NS / 4);
	assert_int_equal(look_of(VIRTIO_LOOK_BYTES, VIRTIO_LOOK_MAX_NS / 1000), VIRTIO_LOOK_NS);
	/* Small packets, so many that the queue would be full of them. */
	assert_int_equal(look_of(VIRTIO_STREAM_BYTES / 8, VIRTIO_LOOK_MAX_NS / 8),
			 q->size / 4 * VIRTIO_LOOK_MAX_NS / 8);
	/* A single packet behind it all is told, and one right behind that waits as shortly as ever. */
	fake_now += VIRTIO_LOOKS * VIRTIO_LOOK_MAX_NS;
	assert_false(virtio_wait(&fake_device, 0));
	assert_int_equal(fake_vm.virtio_watched, 0);
	assert_false(one_more(VIRTIO_LOOK_MAX_NS));
	assert_int_equal(listened_at(0), q->next_avail);
	assert_int_equal(q->look_ns, VIRTIO_LOOK_NS);
}

/* The timer is for the queue that is to be looked at first. */
static void test_watched_together(void **state)
{
	start(FEATURES);
	virtio_rest(&fake_device, 0, 1000);
	virtio_rest(&fake_device, 1, 2000);
	assert_int_equal(fake_device.look.deadline_ns, fake_now + 1000);
	virtio_rest(&fake_device, 1, 500);
	assert_int_equal(fake_device.look.deadline_ns, fake_now + 500);
	assert_int_equal(fake_vm.virtio_watched, 1);
	fire();
	assert_int_equal(fake_notified[0] + fake_notified[1], 2);
}

/* A device that rests is looked at in time; one that is paused not before it goes on; a reset one not at all. */
static void test_watched_and_stopped(void **state)
{
	start(FEATURES);
	assert_false(one_more(0));
	assert_false(one_more(1));
	virtio_rest(&fake_device, 0, 1000);
	assert_int_equal(fake_device.look.deadline_ns, fake_now + 1000);
	virtio_pause(&fake_device);
	assert_false(fake_device.look.armed);
	virtio_rest(&fake_device, 0, 1000);
	assert_false(fake_device.look.armed);
	virtio_resume(&fake_device);
	fire();
	assert_int_equal(fake_notified[0], 1);
	assert_false(one_more(1));
	assert_int_equal(fake_vm.virtio_watched, 1);
	/* What was offered before is looked for, then no more. */
	wr(R_STATUS, 1, 0);
	assert_int_equal(fake_vm.virtio_watched, 0);
	assert_int_equal(fake_notified[0], 2);
	fire();
	assert_int_equal(fake_notified[0], 2);
	assert_false(fake_device.look.armed);
}

/* Who serves a queue just now is waited for before a reset, for a while: what is offered behind its batch is looked for then. */
static void test_served_by_another(void **state)
{
	uint64_t before;

	start(FEATURES);
	assert_false(one_more(0));
	assert_false(one_more(1));
	fake_served = 100;
	before = fake_now;
	wr(R_NOTIFY, 2, 0); /* nothing to wait for */
	wr(R_CONFIG_VECTOR, 2, 2);
	assert_int_equal(fake_now, before);
	assert_int_equal(fake_notified[0], 1);
	/* A device that takes a part at a time is asked as often as a full queue may need, but not for ever. */
	offer(0, 0x5000, 16);
	wr(R_STATUS, 1, 0);
	assert_int_equal(fake_served, 0);
	assert_int_equal(fake_notified[0], 1 + 8);
	assert_int_equal(rd(R_STATUS, 1), 0);
	/* A guest that notifies without end does not hold this CPU. */
	fake_served = UINT32_MAX;
	before = fake_now;
	virtio_look_last(&fake_vm);
	assert_in_range(fake_now - before, 900000, 1100000);
}

static void reset_queue(unsigned queue)
{
	wr(R_QUEUE_SELECT, 2, queue);
	wr(R_QUEUE_RESET, 2, 1);
}

/* "Virtqueue Reset": one queue is as at power-on, the other goes on. */
static void test_queue_reset(void **state)
{
	start(FEATURES);
	for (unsigned i = 0; i < 2; i++) {
		offer(i, 0x5000, 16);
		assert_int_equal(fake_take(i), OK);
	}
	wr(R_QUEUE_SELECT, 2, 0);
	wr(R_QUEUE_RESET, 2, 0); /* "The driver MUST NOT write a 0" */
	assert_int_equal(rd(R_QUEUE_RESET, 2), 0);
	assert_int_equal(rd(R_QUEUE_ENABLE, 2), 1);
	fake_gives_at_reset = false;
	reset_queue(0);
	/* Its chain is still in flight: nothing is taken, told or set up. */
	assert_int_equal(rd(R_QUEUE_RESET, 2), 1);
	assert_int_equal(rd(R_QUEUE_ENABLE, 2), 0);
	wr(R_QUEUE_SIZE, 2, 4);
	wr(R_DESC, 4, DESC);
	wr(R_QUEUE_ENABLE, 2, 1);
	wr(R_QUEUE_RESET, 2, 1);
	assert_int_equal(rd(R_QUEUE_RESET, 4), 1);
	assert_int_equal(rd(R_QUEUE_ENABLE, 2), 0);
	offer(0, 0x5000, 16);
	assert_int_equal(fake_take(0), ERR_NOENT);
	wr(R_NOTIFY, 2, 0);
	assert_int_equal(fake_notified[0], 0);
	/* The other one. */
	fake_give(1, 16);
	virtio_signal(&fake_device, 1);
	assert_int_equal(fake_messages[1], 1);
	assert_int_equal(used_idx(1), 1);
	offer(1, 0x5000, 16);
	assert_int_equal(fake_take(1), OK);
	fake_give(0, 16);
	virtio_signal(&fake_device, 0);
	assert_int_equal(rd(R_QUEUE_RESET, 2), 0);
	assert_int_equal(rd(R_QUEUE_ENABLE, 2), 0);
	assert_int_equal(rd(R_QUEUE_SIZE, 2), FAKE_ENTRIES);
	assert_int_equal(rd(R_DESC, 8), 0);
	assert_int_equal(rd(R_QUEUE_VECTOR, 2), VIRTIO_PCI_NO_VECTOR);
	assert_int_equal(used_idx(0), 0);
	assert_int_equal(fake_messages[0], 0);
	assert_int_equal(rd(R_STATUS, 1), RUNS);
	/* Again, of another size, from the beginning of its rings. */
	memset(fake_vm.mem.base + AVAIL, 0, 6);
	wr(R_QUEUE_SIZE, 2, 4);
	set_queue(0);
	assert_int_equal(rd(R_QUEUE_ENABLE, 2), 1);
	offer(0, 0x5000, 16);
	assert_int_equal(fake_take(0), OK);
	/* At once, where the device gives all back. */
	fake_gives_at_reset = true;
	reset_queue(0);
	assert_int_equal(rd(R_QUEUE_RESET, 2), 0);
	assert_int_equal(rd(R_QUEUE_SIZE, 2), FAKE_ENTRIES);
	assert_int_equal(fake_flying_count[0], 0);
	assert_int_equal(fake_flying_count[1], 1);
	assert_int_equal(fake_resets, 0);
	reset_queue(FAKE_QUEUES); /* no such queue */
	assert_int_equal(rd(R_QUEUE_RESET, 2), 0);
}

/* A queue that is reset is looked at a last time, and watched no more. */
static void test_queue_reset_watched(void **state)
{
	start(FEATURES);
	assert_false(one_more(0));
	assert_false(one_more(1));
	assert_int_equal(fake_vm.virtio_watched, 1);
	reset_queue(0);
	assert_int_equal(rd(R_QUEUE_RESET, 2), 0);
	assert_int_equal(fake_vm.virtio_watched, 0);
	assert_int_equal(fake_notified[0], 1);
	virtio_look(&fake_vm);
	fire();
	assert_int_equal(fake_notified[0], 1);
	assert_false(fake_device.look.armed);
}

/* What is broken is so for the device, and a reset of that ends one of a queue. */
static void test_queue_reset_and_device(void **state)
{
	start(FEATURES);
	offer(0, UINT64_MAX, 16);
	assert_int_equal(fake_take(0), ERR_RANGE);
	reset_queue(0);
	assert_int_equal(rd(R_QUEUE_ENABLE, 2), 0);
	assert_int_equal(rd(R_STATUS, 1), RUNS | VIRTIO_DEVICE_NEEDS_RESET);
	memset(fake_vm.mem.base, 0, FAKE_RAM);
	set_queue(0);
	offer(0, 0x5000, 16);
	assert_int_equal(fake_take(0), ERR_NOENT);
	wr(R_STATUS, 1, 0);
	memset(fake_vm.mem.base, 0, FAKE_RAM);
	start(FEATURES);
	offer(0, 0x5000, 16);
	assert_int_equal(fake_take(0), OK);
	fake_gives_at_reset = false;
	reset_queue(0);
	wr(R_STATUS, 1, 0);
	assert_int_equal(rd(R_STATUS, 1), RUNS);
	fake_give(0, 16);
	assert_int_equal(rd(R_STATUS, 1), 0);
	assert_int_equal(rd(R_QUEUE_RESET, 2), 0);
	/* Not without having agreed on it. */
	start(FEATURES & ~VIRTIO_F_RING_RESET);
	reset_queue(0);
	assert_int_equal(rd(R_QUEUE_ENABLE, 2), 1);
	assert_int_equal(rd(R_QUEUE_RESET, 2), 0);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(test_status),
	    CASE(test_features),
	    CASE(test_registers),
	    CASE(test_config),
	    CASE(test_enable),
	    CASE(test_notify),
	    CASE(test_before_driver_ok),
	    CASE(test_msix),
	    CASE(test_intx),
	    CASE(test_broken),
	    CASE(test_reset_in_flight),
	    CASE(test_watched),
	    CASE(test_watched_without_event_idx),
	    CASE(test_watched_stream),
	    CASE(test_watched_together),
	    CASE(test_watched_and_stopped),
	    CASE(test_served_by_another),
	    CASE(test_queue_reset),
	    CASE(test_queue_reset_watched),
	    CASE(test_queue_reset_and_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
