/* SPDX-License-Identifier: BSD-2-Clause */
/* drivers/virtio_net.c: frames in one buffer and in several, resets, and a device that says what is not so. */
#include "fake_virtio_device.h"

#include "drivers/virtio_net.h"
#include "hv/io/net_packet.h"
#include "hv/io/nic.h"
#include "hv/timer.h"
#include "hv/x86/virtio_net.h"

#define QUEUE_SIZE 32
#define WORK_CPU   2
#define BUFFER     2048
#define HEADER     sizeof(struct virtio_net_hdr)
#define RX         0
#define TX         1
#define MS         1000000ull
#define FRAME_MAX  (ETH_MTU_MAX + ETH_HEADER + ETH_TAG)

static struct pci_device pci;
static struct virtio_net_config *const config = (struct virtio_net_config *)fake.config;
static struct nic *nic;
static struct timer *timer;
static uint64_t now;
static unsigned frames, batches, link_changes;
static uint8_t frame[FRAME_MAX + 1];
static uint32_t frame_len;
static const uint8_t *held[QUEUE_SIZE * 4]; /* frames of the batch, which are not the device's yet */
static uint8_t held_first[QUEUE_SIZE * 4][ETH_HEADER];
static unsigned held_count;
static uint16_t held_from; /* what was offered to the device before */

void nic_register(struct nic *n)
{
	nic = n;
}

void nic_link_changed(struct nic *n, bool up)
{
	n->link = up;
	link_changes++;
}

uint64_t time_now_ns(void)
{
	return now++; /* it never stands still */
}

void timer_init(struct timer *t, timer_fn fn)
{
	t->fn = fn;
	timer = t;
}

uint32_t work_first_cpu(void)
{
	return WORK_CPU;
}

void timer_arm(struct timer *t, uint32_t cpu, uint64_t deadline_ns)
{
	assert_int_equal(cpu, WORK_CPU);
	t->deadline_ns = deadline_ns;
	t->armed = true;
}

void frame_read(void *dst, hpa_t pa, size_t n)
{
	memcpy(dst, (void *)pa.v, n);
}

static void received(struct nic *n, const void *f, uint32_t len)
{
	frames++;
	frame_len = len;
	memcpy(frame, f, len);
	if (!held_count)
		held_from = fake.queue[RX]->ring.next_avail;
	memcpy(held_first[held_count], f, ETH_HEADER);
	held[held_count++] = f;
}

static void received_all(struct nic *n)
{
	batches++;
	for (unsigned i = 0; i < held_count; i++)
		assert_memory_equal(held[i], held_first[i], ETH_HEADER);
	if (held_count)
		assert_int_equal(fake.queue[RX]->ring.next_avail, held_from);
	held_count = 0;
}

/* Lets the timer's function run, as at its time. */
static void tick(void)
{
	assert_true(timer->armed);
	timer->armed = false;
	now = MAX(now, timer->deadline_ns);
	timer->fn(timer);
}

static void start_nic(void)
{
	nic->received = received;
	nic->received_all = received_all;
	nic->ops->start(nic);
	tick();
}

static int setup(void **state)
{
	memset(&fake, 0, sizeof(fake));
	fake.offered = VIRTIO_F_VERSION_1 | VIRTIO_NET_F_MAC | VIRTIO_NET_F_MRG_RXBUF | VIRTIO_NET_F_STATUS;
	fake.queue_size = QUEUE_SIZE;
	fake.queues = 3;
	fake.irqs = 1;
	*config = (struct virtio_net_config){.mac = {0x52, 0x54, 0, 1, 2, 3}, .status = VIRTIO_NET_S_LINK_UP};
	pci = (struct pci_device){.bdf = 0x18, .msix = 0x40, .irqs = 3};
	nic = NULL;
	now = 1000 * MS;
	frames = batches = link_changes = held_count = 0;
	frame_len = 0;
	return 0;
}

static int setup_nic(void **state)
{
	setup(state);
	if (virtio_net_probe(&pci) != OK || fake.ready)
		return 1;
	start_nic();
	return !fake.ready;
}

static int teardown(void **state)
{
	fake_free_all();
	return 0;
}

/* The device receives: so much of a frame goes into the next buffer, behind a header if it is the first. */
static void fill(unsigned buffers, const uint8_t *data, uint32_t len)
{
	uint16_t head = fake_take(RX);
	char *buffer = fake_data(fake_desc(RX, head, 0));
	struct virtio_net_hdr h = {.num_buffers = (uint16_t)buffers};

	assert_int_equal(fake_desc(RX, head, 0)->len, BUFFER);
	assert_int_equal(fake_desc(RX, head, 0)->flags, VQ_DESC_WRITE);
	if (buffers)
		memcpy(buffer, &h, HEADER);
	memcpy(buffer + (buffers ? HEADER : 0), data, len);
	fake_answer(RX, head, len + (buffers ? HEADER : 0));
}

static void interrupt(void)
{
	fake.irq[0].fn(fake.irq[0].arg);
}

static uint8_t *pattern(void)
{
	static uint8_t data[FRAME_MAX + BUFFER];

	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + (i >> 8));
	return data;
}

static void test_description(void **state)
{
	assert_memory_equal(nic->mac, config->mac, ETH_ADDRESS);
	assert_int_equal(nic->mtu, 9000);
	assert_int_equal(nic->bdf, 0x18);
	assert_int_equal(fake.irq[0].cpu, WORK_CPU);
	assert_true(nic->link);
	/* All that it has is offered to receive. */
	for (unsigned i = 0; i < QUEUE_SIZE; i++)
		fake_take(RX);
	assert_false(fake_has(RX));
	assert_int_equal(fake.queue[TX]->ring.avail->flags, VQ_AVAIL_NO_INTERRUPT);
}

static void test_mtu(void **state)
{
	fake.offered |= VIRTIO_NET_F_MTU;
	config->mtu = 1400;
	assert_int_equal(virtio_net_probe(&pci), OK);
	assert_int_equal(nic->mtu, 1400);
	fake.offered &= ~(VIRTIO_NET_F_MTU | VIRTIO_NET_F_MRG_RXBUF);
	assert_int_equal(virtio_net_probe(&pci), OK);
	assert_int_equal(nic->mtu, 1500);
}

static void assert_refused(void)
{
	fake.master = true;
	assert_int_equal(virtio_net_probe(&pci), ERR_UNSUPPORTED);
	assert_null(nic);
	assert_false(fake.master);
	assert_int_equal(fake.allocations, 0);
}

static void test_no_address(void **state)
{
	fake.offered &= ~VIRTIO_NET_F_MAC;
	assert_refused();
}

static void test_tiny_mtu(void **state)
{
	fake.offered |= VIRTIO_NET_F_MTU;
	config->mtu = 67;
	assert_refused();
}

static void test_tiny_queue(void **state)
{
	fake.queue_size = 4;
	assert_refused();
}

static void test_receive(void **state)
{
	uint8_t *data = pattern();

	fill(1, data, 100);
	fill(1, data + 1, 1514);
	interrupt();
	assert_int_equal(frames, 2);
	assert_int_equal(batches, 1);
	assert_int_equal(frame_len, 1514);
	assert_memory_equal(frame, data + 1, 1514);
	assert_int_equal(nic->stats.rx_packets, 2);
	assert_int_equal(nic->stats.rx_bytes, 1614);
	/* The buffers are the device's again. */
	assert_int_equal(fake.queue[RX]->ring.in_flight, QUEUE_SIZE);
	interrupt();
	assert_int_equal(batches, 1);
}

/* Three buffers, the last of which comes later. */
static void test_receive_merged(void **state)
{
	uint8_t *data = pattern();
	uint32_t first = BUFFER - HEADER;

	fill(3, data, first);
	fill(0, data + first, BUFFER);
	interrupt();
	assert_int_equal(frames, 0);
	fill(0, data + first + BUFFER, 10);
	interrupt();
	assert_int_equal(frames, 1);
	assert_int_equal(frame_len, first + BUFFER + 10);
	assert_memory_equal(frame, data, frame_len);
}

/* Two at once, which are put together in the same memory. */
static void test_receive_merged_batch(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		fill(2, pattern() + i, BUFFER - HEADER);
		fill(0, pattern() + i + BUFFER - HEADER, 10);
	}
	interrupt();
	assert_int_equal(frames, 2);
	assert_memory_equal(frame, pattern() + 1, frame_len);
}

static void test_receive_largest(void **state)
{
	uint8_t *data = pattern();
	uint32_t first = BUFFER - HEADER, rest = FRAME_MAX - first - 3 * BUFFER;

	for (uint32_t more = 0; more < 2; more++) {
		fill(5, data, first);
		for (unsigned i = 0; i < 3; i++)
			fill(0, data + first + BUFFER * i, BUFFER);
		fill(0, data + first + 3 * BUFFER, rest + more);
		interrupt();
		assert_int_equal(frames, 1);
		assert_int_equal(frame_len, FRAME_MAX);
		assert_int_equal(nic->stats.rx_errors, more);
	}
	assert_memory_equal(frame, data, FRAME_MAX);
}

/* However full the five buffers are. */
static void test_receive_too_large(void **state)
{
	fill(5, pattern(), BUFFER - HEADER);
	for (unsigned i = 0; i < 4; i++)
		fill(0, pattern(), BUFFER);
	interrupt();
	assert_int_equal(frames, 0);
	assert_int_equal(nic->stats.rx_errors, 1);
}

static void test_receive_short(void **state)
{
	fill(2, pattern(), 100);
	fake.queue[RX]->ring.used->ring[0].len = HEADER - 1; /* not even the header */
	fill(1, pattern(), 0);
	fill(1, pattern(), ETH_HEADER - 1);
	fill(6, pattern(), 100);
	fill(0xffff, pattern(), 100);
	interrupt();
	assert_int_equal(frames, 0);
	assert_int_equal(nic->stats.rx_errors, 5);
	fill(1, pattern(), ETH_HEADER);
	interrupt();
	assert_int_equal(frames, 1);
}

/* num_buffers 0: against the specification. */
static void test_receive_no_buffers(void **state)
{
	uint16_t head = fake_take(RX);

	memset(fake_data(fake_desc(RX, head, 0)), 0, HEADER);
	fake_answer(RX, head, 100);
	interrupt();
	assert_int_equal(frames, 0);
	assert_int_equal(nic->stats.rx_errors, 1);
}

/* A batch at a time; the rest goes on by the timer, and the device stays mute meanwhile. */
static void test_bounded(void **state)
{
	fake_free_all();
	setup(state);
	fake.queue_size = 128;
	assert_int_equal(virtio_net_probe(&pci), OK);
	start_nic();
	for (unsigned i = 0; i < 100; i++)
		fill(1, pattern(), 60);
	interrupt();
	assert_int_equal(frames, 64);
	assert_true(timer->deadline_ns <= now + MS);
	assert_int_equal(fake.queue[RX]->ring.avail->flags, VQ_AVAIL_NO_INTERRUPT);
	tick();
	assert_int_equal(frames, 100);
	assert_int_equal(batches, 2);
	assert_int_equal(fake.queue[RX]->ring.avail->flags, 0);
}

/* In the head and in a run that follows it. */
static struct net_packet packet(uint32_t len)
{
	static struct frame_run run;
	uint8_t *data = pattern();
	uint32_t head = MIN(len, 100u);

	run = (struct frame_run){host_pa(data + head), len - head};
	return (struct net_packet){.head = data, .head_len = head, .run = &run, .runs = 1, .len = len};
}

static uint16_t assert_sent(uint32_t len)
{
	uint16_t head = fake_take(TX);
	static const uint8_t none[HEADER];
	static uint8_t all[FRAME_MAX + HEADER];
	uint32_t n = 0;

	for (unsigned i = 0;; i++) {
		const struct vq_desc *d = fake_desc(TX, head, i);

		assert_false(d->flags & VQ_DESC_WRITE);
		memcpy(all + n, fake_data(d), d->len);
		n += d->len;
		if (!(d->flags & VQ_DESC_NEXT))
			break;
	}
	assert_int_equal(n, len + HEADER);
	assert_memory_equal(all, none, HEADER);
	assert_memory_equal(all + HEADER, pattern(), len);
	return head;
}

static void test_transmit(void **state)
{
	static const uint32_t lengths[] = {60, 1514, BUFFER - HEADER, BUFFER - HEADER + 1, FRAME_MAX};
	unsigned notified = fake.notified[TX];

	for (unsigned i = 0; i < ARRAY_SIZE(lengths); i++) {
		struct net_packet p = packet(lengths[i]);

		assert_true(nic->ops->transmit(nic, &p));
		assert_sent(lengths[i]);
	}
	assert_int_equal(fake.notified[TX], notified);
	nic->ops->flush(nic);
	assert_int_equal(fake.notified[TX], notified + 1);
	assert_int_equal(nic->stats.tx_packets, 5);
}

static void test_transmit_full(void **state)
{
	struct net_packet p = packet(60);
	uint16_t head;

	for (unsigned i = 0; i < QUEUE_SIZE; i++)
		assert_true(nic->ops->transmit(nic, &p));
	assert_false(nic->ops->transmit(nic, &p));
	assert_int_equal(nic->stats.tx_dropped, 1);
	head = fake_take(TX);
	fake_answer(TX, head, 0);
	assert_true(nic->ops->transmit(nic, &p));
	assert_false(nic->ops->transmit(nic, &p));
	/* A long frame needs room for all of it. */
	p = packet(FRAME_MAX);
	for (unsigned i = 0; i < 4; i++)
		fake_answer(TX, fake_take(TX), 0);
	assert_false(nic->ops->transmit(nic, &p));
	fake_answer(TX, fake_take(TX), 0);
	assert_true(nic->ops->transmit(nic, &p));
}

/* Half a second later the next time of housekeeping has come. */
static void keep_house(void)
{
	now += 500 * MS;
	tick();
}

static void test_link(void **state)
{
	config->status = 0;
	keep_house();
	assert_false(nic->link);
	assert_int_equal(link_changes, 1);
	keep_house();
	assert_int_equal(link_changes, 1);
	config->status = VIRTIO_NET_S_LINK_UP;
	keep_house();
	assert_true(nic->link);
}

/* What was to be sent is lost; then all works again. */
static void test_never_sent(void **state)
{
	struct net_packet p = packet(60);
	unsigned resets = fake.resets;

	assert_true(nic->ops->transmit(nic, &p));
	for (unsigned i = 0; i < 3; i++)
		keep_house();
	assert_int_equal(fake.resets, resets);
	fake.reset_status = ERR_AGAIN;
	keep_house();
	assert_int_equal(fake.resets, resets + 1);
	assert_false(nic->ops->transmit(nic, &p));
	interrupt();
	fake.reset_status = OK;
	tick();
	assert_int_equal(fake.resets, resets + 2);
	assert_true(nic->ops->transmit(nic, &p));
	assert_sent(60);
	fill(1, pattern(), 99);
	interrupt();
	assert_int_equal(frame_len, 99);
}

/* Sent, but slowly: no reset. */
static void test_late(void **state)
{
	struct net_packet p = packet(60);
	unsigned resets = fake.resets;

	for (unsigned i = 0; i < 10; i++) {
		assert_true(nic->ops->transmit(nic, &p));
		keep_house();
		keep_house();
		fake_answer(TX, fake_take(TX), 0);
		keep_house();
	}
	assert_int_equal(fake.resets, resets);
}

static void test_broken(void **state)
{
	unsigned resets = fake.resets;

	fake_answer(TX, 3, 0); /* nothing was sent */
	keep_house();
	assert_int_equal(fake.resets, resets + 1);
	fake_answer(RX, QUEUE_SIZE, 100);
	interrupt();
	assert_int_equal(frames, 0);
	keep_house();
	assert_int_equal(fake.resets, resets + 2);
	fill(1, pattern(), 99);
	interrupt();
	assert_int_equal(frames, 1);
}

static void test_duplicate(void **state)
{
	uint16_t head = fake_take(RX);
	unsigned resets = fake.resets;

	/* More answers than buffers. */
	for (unsigned i = 0; i <= QUEUE_SIZE; i++)
		fake_answer(RX, head, 100);
	interrupt();
	assert_int_equal(frames, 0);
	keep_house();
	assert_int_equal(fake.resets, resets + 1);
}

static void test_gone(void **state)
{
	struct net_packet p = packet(60);

	fake_answer(TX, 3, 0);
	fake.reset_status = ERR_NOENT;
	keep_house();
	assert_false(nic->link);
	assert_false(fake.master);
	assert_false(timer->armed);
	assert_false(nic->ops->transmit(nic, &p));
	interrupt();
	assert_false(timer->armed);
}

static void test_reset_without_end(void **state)
{
	fake_answer(TX, 3, 0);
	fake.reset_status = ERR_AGAIN;
	keep_house();
	for (unsigned i = 0; i < 100 && timer->armed; i++) {
		now += 100 * MS;
		tick();
	}
	assert_false(timer->armed);
	assert_false(nic->link);
}

static void test_polled(void **state)
{
	fake_free_all();
	setup(state);
	fake.irqs = 0;
	assert_int_equal(virtio_net_probe(&pci), OK);
	start_nic();
	tick();
	fill(1, pattern(), 77);
	assert_true(timer->deadline_ns <= now + MS);
	tick();
	assert_int_equal(frame_len, 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_description, setup_nic, teardown),
	    cmocka_unit_test_setup_teardown(test_mtu, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_no_address, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_tiny_mtu, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_tiny_queue, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_receive, setup_nic, teardown),
	    cmocka_unit_test_setup_teardown(test_receive_merged, setup_nic, teardown),
	    cmocka_unit_test_setup_teardown(test_receive_merged_batch, setup_nic, teardown),
	    cmocka_unit_test_setup_teardown(test_receive_largest, setup_nic, teardown),
	    cmocka_unit_test_setup_teardown(test_receive_too_large, setup_nic, teardown),
	    cmocka_unit_test_setup_teardown(test_receive_short, setup_nic, teardown),
	    cmocka_unit_test_setup_teardown(test_receive_no_buffers, setup_nic, teardown),
	    cmocka_unit_test_setup_teardown(test_bounded, setup_nic, teardown),
	    cmocka_unit_test_setup_teardown(test_transmit, setup_nic, teardown),
	    cmocka_unit_test_setup_teardown(test_transmit_full, setup_nic, teardown),
	    cmocka_unit_test_setup_teardown(test_link, setup_nic, teardown),
	    cmocka_unit_test_setup_teardown(test_never_sent, setup_nic, teardown),
	    cmocka_unit_test_setup_teardown(test_late, setup_nic, teardown),
	    cmocka_unit_test_setup_teardown(test_broken, setup_nic, teardown),
	    cmocka_unit_test_setup_teardown(test_duplicate, setup_nic, teardown),
	    cmocka_unit_test_setup_teardown(test_gone, setup_nic, teardown),
	    cmocka_unit_test_setup_teardown(test_reset_without_end, setup_nic, teardown),
	    cmocka_unit_test_setup_teardown(test_polled, setup_nic, teardown),
	};

	return cmocka_run_group_tests_name("virtio_net_driver", tests, NULL, NULL);
}
