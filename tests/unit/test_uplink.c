/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/io/uplink.c between a switch and a card: frames go to the switch by batches, packets are made what the card takes. */
#include "support.h"

#include <stdlib.h>
#include <string.h>
#include "hv/io/nic.h"
#include "hv/io/switch.h"
#include "hv/io/uplink.h"
#include "hv/timer.h"
#include "mm/host_map.h"
#include "mm/page_alloc.h"

#define FRAMES   40
#define LONG     1514
#define SENT_MAX 8
#define TAG      7

static const uint8_t web[ETH_ADDRESS] = {2, 0, 0, 0, 0, 1}, outside[ETH_ADDRESS] = {2, 9, 9, 9, 9, 9};

static struct net_switch sw;
static struct switch_port guest;
static struct nic nic;
static struct {
	unsigned count, calls, started;
	uint32_t len[FRAMES];
	uint8_t frame[FRAMES][LONG + ETH_TAG];
} got;
static struct {
	unsigned count, flushes;
	bool full;
	uint32_t len[SENT_MAX];
	uint8_t frame[SENT_MAX][LONG + ETH_TAG];
} sent;
static void *pages;

uint64_t time_now_ns(void)
{
	return 1000000000;
}

hpa_t host_pa(const void *p)
{
	return hpa((uint64_t)p);
}

void *page_alloc_bytes(size_t bytes)
{
	return pages = calloc(1, bytes);
}

void page_free_bytes(void *p, size_t bytes)
{
	free(p);
}

void frame_read(void *dst, hpa_t pa, size_t n)
{
	memcpy(dst, (const void *)pa.v, n);
}

static void guest_receive(struct switch_port *to, const struct net_packet *p, unsigned n)
{
	got.calls++;
	for (unsigned i = 0; i < n; i++) {
		assert_true(got.count < FRAMES && p[i].len <= sizeof(got.frame[0]));
		got.len[got.count] = p[i].len;
		net_packet_copy(&p[i], got.frame[got.count++]);
	}
}

static bool transmit(struct nic *n, const struct net_packet *p)
{
	if (sent.full)
		return false;
	assert_true(sent.count < SENT_MAX && p->len <= sizeof(sent.frame[0]));
	assert_false(p->needs_csum || p->gso_type);
	sent.len[sent.count] = p->len;
	net_packet_copy(p, sent.frame[sent.count++]);
	return true;
}

static void flush(struct nic *n)
{
	sent.flushes++;
}

static void start(struct nic *n)
{
	got.started++;
}

static const struct nic_ops ops = {.transmit = transmit, .flush = flush, .start = start};

static int setup(void **state)
{
	memset(&sw, 0, sizeof(sw));
	memset(&got, 0, sizeof(got));
	memset(&sent, 0, sizeof(sent));
	sw.mtu = 9000;
	guest = (struct switch_port){.receive = guest_receive};
	memcpy(guest.mac, web, ETH_ADDRESS);
	nic = (struct nic){.name = "card-0", .mtu = LONG - ETH_HEADER, .ops = &ops, .link = true};
	return switch_add(&sw, &guest) != OK || uplink_connect(&sw, &nic) != OK || got.started != 1;
}

static int teardown(void **state)
{
	free(pages);
	return 0;
}

/* Of len bytes, different for each seed. */
static void make(uint8_t *frame, const uint8_t *to, const uint8_t *from, uint32_t len, unsigned seed)
{
	for (uint32_t i = 0; i < len; i++)
		frame[i] = (uint8_t)(i * 3 + (i >> 8) + seed);
	memcpy(frame, to, ETH_ADDRESS);
	memcpy(frame + ETH_ADDRESS, from, ETH_ADDRESS);
	net_store16(frame + ETH_TYPE, ETH_TYPE_IPV4);
}

/* Long frames and short ones; all of one batch lie in memory until its end. */
static void test_receive_batch(void **state)
{
	static uint8_t frame[FRAMES][LONG];

	for (unsigned i = 0; i < FRAMES; i++) {
		uint32_t len = i % 3 ? LONG - i : 60 + i;

		make(frame[i], web, outside, len, i);
		nic.received(&nic, frame[i], len);
		assert_int_equal(got.calls, i + 1 >= SWITCH_BATCH);
	}
	nic.received_all(&nic);
	assert_int_equal(got.calls, 2);
	assert_int_equal(got.count, FRAMES);
	for (unsigned i = 0; i < FRAMES; i++) {
		assert_int_equal(got.len[i], i % 3 ? LONG - i : 60 + i);
		assert_memory_equal(got.frame[i], frame[i], got.len[i]);
	}
	/* An end without frames. */
	nic.received_all(&nic);
	assert_int_equal(got.calls, 2);
}

/* For a guest whose VLAN the tag names the tag is taken away, of each frame of a batch. */
static void test_receive_tagged(void **state)
{
	static uint8_t frame[2][LONG];

	guest.vlan = TAG;
	for (unsigned i = 0; i < 2; i++) {
		make(frame[i], web, outside, LONG, i);
		net_store16(frame[i] + ETH_TYPE, ETH_TYPE_VLAN);
		net_store16(frame[i] + ETH_HEADER, TAG);
		nic.received(&nic, frame[i], LONG);
	}
	nic.received_all(&nic);
	assert_int_equal(got.count, 2);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(got.len[i], LONG - ETH_TAG);
		assert_memory_equal(got.frame[i], frame[i], 2 * ETH_ADDRESS);
		assert_memory_equal(got.frame[i] + ETH_TYPE, frame[i] + ETH_TYPE + ETH_TAG,
				    LONG - ETH_TAG - ETH_TYPE);
	}
}

static void send(uint32_t len, unsigned n)
{
	static uint8_t frame[SWITCH_BATCH][LONG + ETH_TAG + 1];
	struct net_packet p[SWITCH_BATCH];

	for (unsigned i = 0; i < n; i++) {
		make(frame[i], outside, web, len, i);
		p[i] = (struct net_packet){.head = frame[i], .head_len = len, .len = len};
	}
	switch_send(&guest, p, n);
}

static void test_send(void **state)
{
	send(LONG, 3);
	assert_int_equal(sent.count, 3);
	assert_int_equal(sent.len[2], LONG);
	assert_int_equal(sw.port[1]->stats.rx_packets, 3);
}

static void test_send_lost(void **state)
{
	struct switch_stats *stats = &sw.port[1]->stats;

	send(LONG + ETH_TAG + 1, 1);
	assert_int_equal(stats->drop[SWITCH_DROP_INVALID], 1);
	nic.link = false;
	send(LONG, 1);
	assert_int_equal(stats->drop[SWITCH_DROP_LINK], 1);
	nic.link = true;
	sent.full = true;
	send(LONG, 1);
	assert_int_equal(stats->drop[SWITCH_DROP_NO_ROOM], 1);
	assert_int_equal(sent.count, 0);
}

/* The sum that is left to do is done: over bytes of zeros but for the sum's seed. */
static void test_send_checksum(void **state)
{
	uint8_t frame[60] = {};
	struct net_packet p = {.head = frame,
			       .head_len = sizeof(frame),
			       .len = sizeof(frame),
			       .needs_csum = true,
			       .csum_start = 34,
			       .csum_offset = 6};

	memcpy(frame, outside, ETH_ADDRESS);
	memcpy(frame + ETH_ADDRESS, web, ETH_ADDRESS);
	net_store16(frame + ETH_TYPE, ETH_TYPE_IPV4);
	net_store16(frame + 40, 0x1234);
	switch_send(&guest, &p, 1);
	assert_int_equal(sent.count, 1);
	assert_int_equal(net_load16(sent.frame[0] + 40), 0xedcb);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_receive_batch, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_receive_tagged, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_send, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_send_lost, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_send_checksum, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
