/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/io/switch.c and hv/io/mac_table.c: who gets what, and what nobody may send. */
#include "support.h"

#include <stdlib.h>
#include <string.h>
#include "hv/io/switch.h"
#include "hv/timer.h"

#define PORTS    5
#define NS_PER_S 1000000000ULL
#define FRAME    100
#define HEADROOM 8
#define MTU      1500

enum { WEB, DB, V7, TRUNK, UP };

static struct net_switch sw;
static struct switch_port port[PORTS];
static uint64_t now;
static struct {
	unsigned count, calls;
	uint8_t last[2048];
	uint32_t len;
} got[PORTS];

uint64_t time_now_ns(void)
{
	return now;
}

void frame_read(void *dst, hpa_t pa, size_t n)
{
	memcpy(dst, (const void *)pa.v, n);
}

static void receive(struct switch_port *to, const struct net_packet *p, unsigned n)
{
	unsigned i = (unsigned)(to - port);

	got[i].calls++;
	got[i].count += n;
	got[i].len = p[n - 1].len;
	assert_true(p[n - 1].len <= sizeof(got[i].last));
	net_packet_copy(&p[n - 1], got[i].last);
}

static const uint8_t mac[PORTS][ETH_ADDRESS] = {
    {2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}, {2, 0, 0, 0, 0, 3}, {2, 0, 0, 0, 0, 4}, {2, 9, 9, 9, 9, 9},
};
static const uint8_t broadcast[ETH_ADDRESS] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t stranger[ETH_ADDRESS] = {2, 7, 7, 7, 7, 7};

static int setup(void **state)
{
	memset(&sw, 0, sizeof(sw));
	memset(port, 0, sizeof(port));
	memset(got, 0, sizeof(got));
	now = NS_PER_S;
	sw.mtu = MTU;
	sw.storm = 3;
	for (unsigned i = 0; i < PORTS; i++) {
		memcpy(port[i].mac, mac[i], ETH_ADDRESS);
		port[i].receive = receive;
	}
	port[V7].vlan = 7;
	port[TRUNK].trunk = true;
	port[UP].trunk = port[UP].uplink = true;
	for (unsigned i = 0; i < PORTS; i++)
		assert_int_equal(switch_add(&sw, &port[i]), OK);
	return 0;
}

/* A frame of len bytes, of which the head has all but the last 20; with a tag where tci isn't negative. */
static struct net_packet make(uint8_t *at, const uint8_t *to, const uint8_t *from, int tci, uint32_t len,
			      struct frame_run *run)
{
	struct net_packet p = {
	    .head = at + HEADROOM, .head_len = len - 20, .len = len, .run = run, .runs = 1};

	for (uint32_t i = 0; i < len; i++)
		p.head[i] = (uint8_t)i;
	memcpy(p.head, to, ETH_ADDRESS);
	memcpy(p.head + ETH_ADDRESS, from, ETH_ADDRESS);
	net_store16(p.head + ETH_TYPE, tci < 0 ? ETH_TYPE_IPV4 : ETH_TYPE_VLAN);
	if (tci >= 0)
		net_store16(p.head + ETH_TYPE + 2, (uint16_t)tci);
	*run = (struct frame_run){{(uint64_t)p.head + len - 20}, 20};
	return p;
}

static void send_len(unsigned from, const uint8_t *to, const uint8_t *source, int tci, uint32_t len)
{
	static uint8_t at[HEADROOM + 2048];
	struct frame_run run;
	struct net_packet p = make(at, to, source, tci, len, &run);

	switch_send(&port[from], &p, 1);
}

static void send(unsigned from, const uint8_t *to, int tci)
{
	send_len(from, to, mac[from], tci, FRAME);
}

static void assert_got(unsigned web, unsigned db, unsigned v7, unsigned trunk, unsigned up)
{
	unsigned want[PORTS] = {web, db, v7, trunk, up};

	for (unsigned i = 0; i < PORTS; i++)
		assert_int_equal(got[i].count, want[i]);
}

static void test_unicast(void **state)
{
	send(WEB, mac[DB], -1);
	assert_got(0, 1, 0, 0, 0);
	assert_int_equal(got[DB].len, FRAME);
	for (unsigned i = ETH_HEADER; i < FRAME; i++)
		assert_int_equal(got[DB].last[i], i);
	assert_int_equal(port[WEB].stats.tx_packets, 1);
	assert_int_equal(port[WEB].stats.tx_bytes, FRAME);
	/* Its own address. */
	send(WEB, mac[WEB], -1);
	assert_got(0, 1, 0, 0, 0);
	assert_int_equal(port[WEB].stats.drop[SWITCH_DROP_UNKNOWN], 1);
}

static void test_broadcast(void **state)
{
	send(WEB, broadcast, -1);
	assert_got(0, 1, 0, 1, 1);
	send(V7, broadcast, -1);
	assert_got(0, 1, 0, 2, 2);
}

/* Neighbours in a batch for the same port come in one call, in their order. */
static void test_batch(void **state)
{
	static uint8_t at[4][HEADROOM + 2048];
	struct frame_run run[4];
	struct net_packet p[4];

	for (unsigned i = 0; i < 4; i++) {
		p[i] = make(at[i], mac[i == 2 ? TRUNK : DB], mac[WEB], -1, FRAME, &run[i]);
		p[i].head[50] = (uint8_t)(100 + i);
	}
	memcpy(p[3].head + ETH_ADDRESS, stranger, ETH_ADDRESS);
	switch_send(&port[WEB], p, 4);
	assert_got(0, 2, 0, 1, 0);
	assert_int_equal(got[DB].calls, 1);
	assert_int_equal(got[DB].last[50], 101);
	assert_int_equal(port[WEB].stats.drop[SWITCH_DROP_SPOOFED], 1);
}

/* One like the one before it is judged by what differs: its length, its source, its type, its tag. */
static void test_batch_differs(void **state)
{
	static uint8_t at[6][HEADROOM + 2048];
	struct frame_run run[6];
	struct net_packet p[6];

	for (unsigned i = 0; i < 6; i++)
		p[i] = make(at[i], mac[DB], mac[WEB], i == 4 ? 7 : -1, i == 1 ? MTU + ETH_HEADER + 1 : FRAME,
			    &run[i]);
	p[3].head[ETH_ADDRESS + 5] ^= 0x80;
	switch_send(&port[WEB], p, 6);
	assert_got(0, 3, 0, 0, 0);
	assert_int_equal(port[WEB].stats.tx_packets, 3);
	assert_int_equal(port[WEB].stats.tx_bytes, 3 * FRAME);
	assert_int_equal(port[WEB].stats.drop[SWITCH_DROP_INVALID], 1);
	assert_int_equal(port[WEB].stats.drop[SWITCH_DROP_SPOOFED], 1);
	assert_int_equal(port[WEB].stats.drop[SWITCH_DROP_VLAN], 1);
	for (unsigned i = 0; i < 3; i++)
		p[i] = make(at[i], mac[V7], mac[TRUNK], i == 1 ? 8 : 7, FRAME, &run[i]);
	switch_send(&port[TRUNK], p, 3);
	assert_got(0, 3, 2, 0, 0);
	assert_int_equal(got[V7].len, FRAME - ETH_TAG);
	assert_int_equal(port[TRUNK].stats.drop[SWITCH_DROP_VLAN], 1);
}

static void test_spoofed(void **state)
{
	send_len(WEB, mac[DB], stranger, -1, FRAME);
	send_len(WEB, broadcast, mac[DB], -1, FRAME);
	send_len(TRUNK, broadcast, mac[WEB], 7, FRAME);
	/* From outside with a guest's address, or a group's. */
	send_len(UP, mac[WEB], mac[DB], -1, FRAME);
	send_len(UP, mac[WEB], broadcast, -1, FRAME);
	assert_got(0, 0, 0, 0, 0);
	assert_int_equal(port[WEB].stats.drop[SWITCH_DROP_SPOOFED], 2);
	assert_int_equal(port[TRUNK].stats.drop[SWITCH_DROP_SPOOFED], 1);
	assert_int_equal(port[UP].stats.drop[SWITCH_DROP_SPOOFED], 2);
}

static void test_size(void **state)
{
	static uint8_t at[HEADROOM + 2048];
	struct net_packet p = {.head = at + HEADROOM, .head_len = ETH_HEADER - 1, .len = ETH_HEADER - 1};
	struct frame_run run;

	switch_send(&port[WEB], &p, 1);
	send_len(WEB, mac[DB], mac[WEB], -1, MTU + ETH_HEADER + 1);
	assert_int_equal(port[WEB].stats.drop[SWITCH_DROP_INVALID], 2);
	send_len(WEB, mac[DB], mac[WEB], -1, MTU + ETH_HEADER);
	send_len(TRUNK, mac[V7], mac[TRUNK], 7, MTU + ETH_HEADER + ETH_TAG);
	assert_got(0, 1, 1, 0, 0);
	/* Its segments are what counts. */
	p = make(at, mac[DB], mac[WEB], -1, 2000, &run);
	p.gso_type = NET_GSO_TCPV4;
	p.hdr_len = 54;
	p.gso_size = MTU - 40;
	switch_send(&port[WEB], &p, 1);
	assert_got(0, 2, 1, 0, 0);
	p.gso_size++;
	switch_send(&port[WEB], &p, 1);
	assert_got(0, 2, 1, 0, 0);
}

static void test_vlans(void **state)
{
	/* An access port sends no tags, and is reached in its VLAN alone. */
	send(WEB, mac[DB], 7);
	send(WEB, mac[V7], -1);
	assert_got(0, 0, 0, 0, 0);
	assert_int_equal(port[WEB].stats.drop[SWITCH_DROP_VLAN], 2);
	/* From the trunk the tag goes, to the trunk it comes. */
	send(TRUNK, mac[V7], 0xe007);
	assert_int_equal(got[V7].len, FRAME - ETH_TAG);
	assert_int_equal(net_load16(got[V7].last + ETH_TYPE), 0x1011);
	assert_memory_equal(got[V7].last, mac[V7], ETH_ADDRESS);
	assert_memory_equal(got[V7].last + ETH_ADDRESS, mac[TRUNK], ETH_ADDRESS);
	send(V7, mac[TRUNK], -1);
	assert_int_equal(got[TRUNK].len, FRAME + ETH_TAG);
	assert_int_equal(net_load16(got[TRUNK].last + ETH_TYPE), ETH_TYPE_VLAN);
	assert_int_equal(net_load16(got[TRUNK].last + ETH_TYPE + 2), 7);
	for (unsigned i = ETH_HEADER; i < FRAME; i++)
		assert_int_equal(got[TRUNK].last[i + ETH_TAG], i);
	/* A priority tag names none; 4095 is none. */
	send(TRUNK, mac[WEB], 0xe000);
	assert_int_equal(got[WEB].len, FRAME - ETH_TAG);
	send(TRUNK, broadcast, 0xfff);
	assert_got(1, 0, 1, 1, 0);
}

/* With a broadcast each receiver sees it in its own dress. */
static void test_flood_with_tags(void **state)
{
	port[WEB].vlan = 7;
	send(TRUNK, broadcast, 7);
	assert_got(1, 0, 1, 0, 1);
	assert_int_equal(got[WEB].len, FRAME - ETH_TAG);
	assert_int_equal(got[V7].len, FRAME - ETH_TAG);
	assert_int_equal(got[UP].len, FRAME);
	assert_int_equal(net_load16(got[UP].last + ETH_TYPE + 2), 7);
	assert_memory_equal(got[UP].last + ETH_ADDRESS, mac[TRUNK], ETH_ADDRESS);
}

/* What a tag moves moves with it. */
static void test_tag_and_offload(void **state)
{
	static uint8_t at[HEADROOM + 2048];
	struct frame_run run;
	struct net_packet p = make(at, mac[TRUNK], mac[V7], -1, FRAME, &run);

	p.needs_csum = true;
	p.csum_start = 34;
	p.gso_type = NET_GSO_TCPV4;
	p.hdr_len = 54;
	p.gso_size = 10;
	switch_send(&port[V7], &p, 1);
	assert_int_equal(p.csum_start, 38);
	assert_int_equal(p.hdr_len, 58);
	assert_int_equal(p.head_len, FRAME - 20 + ETH_TAG);
}

static void test_storm(void **state)
{
	for (unsigned i = 0; i < 5; i++)
		send(WEB, broadcast, -1);
	assert_int_equal(got[DB].count, 3);
	assert_int_equal(port[WEB].stats.drop[SWITCH_DROP_STORM], 2);
	/* Others, and packets that are for somebody, are not concerned. */
	send(DB, broadcast, -1);
	send(WEB, mac[DB], -1);
	assert_int_equal(got[WEB].count, 1);
	assert_int_equal(got[DB].count, 4);
	now += NS_PER_S;
	send(WEB, broadcast, -1);
	assert_int_equal(got[DB].count, 5);
	sw.storm = 0;
	for (unsigned i = 0; i < 100; i++)
		send(WEB, broadcast, -1);
	assert_int_equal(got[DB].count, 105);
}

/* What nobody has is outside; from there it goes nowhere. */
static void test_unknown(void **state)
{
	send(WEB, stranger, -1);
	assert_got(0, 0, 0, 0, 1);
	send(UP, stranger, -1);
	assert_got(0, 0, 0, 0, 1);
	assert_int_equal(port[UP].stats.drop[SWITCH_DROP_UNKNOWN], 1);
}

static void test_learning(void **state)
{
	send_len(UP, mac[WEB], stranger, -1, FRAME);
	assert_int_equal(sw.table.learnt[UP], 1);
	assert_int_equal(mac_table_find(&sw.table, mac_key(stranger, 0), 1), UP);
	assert_int_equal(mac_table_find(&sw.table, mac_key(stranger, 7), 1), MAC_NO_PORT);
	/* Learnt: no storm. */
	for (unsigned i = 0; i < 10; i++)
		send(WEB, stranger, -1);
	assert_int_equal(got[UP].count, 10);
	/* Forgotten, unless it is heard of. */
	now += (MAC_AGE_S - 1) * NS_PER_S;
	send_len(UP, mac[WEB], stranger, -1, FRAME);
	now += (MAC_AGE_S - 1) * NS_PER_S;
	assert_int_equal(mac_table_find(&sw.table, mac_key(stranger, 0), (uint32_t)(now / NS_PER_S)), UP);
	now += NS_PER_S;
	assert_int_equal(mac_table_find(&sw.table, mac_key(stranger, 0), (uint32_t)(now / NS_PER_S)),
			 MAC_NO_PORT);
}

/* No address is the mark of a free place, not even that of all zeros without a VLAN. */
static void test_address_of_zeros(void **state)
{
	static const uint8_t zeros[ETH_ADDRESS];
	uint16_t learnt = sw.table.learnt[WEB];

	assert_int_equal(mac_table_find(&sw.table, mac_key(zeros, 0), 1), MAC_NO_PORT);
	send_len(UP, mac[WEB], zeros, -1, FRAME);
	assert_int_equal(mac_table_find(&sw.table, mac_key(zeros, 0), 1), UP);
	assert_int_equal(sw.table.learnt[UP], 1);
	assert_int_equal(sw.table.learnt[WEB], learnt);
	mac_table_forget(&sw.table, UP);
	assert_int_equal(mac_table_find(&sw.table, mac_key(zeros, 0), 1), MAC_NO_PORT);
}

static void test_table_is_bounded(void **state)
{
	struct mac_table *t = calloc(1, sizeof(*t));
	unsigned learnt = 0;

	for (uint64_t i = 1; i <= 100000; i++)
		learnt += mac_table_learn(t, i << 20, 3, 10);
	assert_in_range(learnt, MAC_PORT_MAX / 2, MAC_PORT_MAX);
	assert_int_equal(t->learnt[3], learnt);
	/* The others have their own. */
	assert_true(mac_table_learn(t, 42, 4, 10));
	assert_true(mac_table_fix(t, 43, 5));
	/* When they have aged, there is room again. */
	for (uint64_t i = 1; i <= 1000; i++)
		(void)mac_table_learn(t, i << 8 | 1, 3, 10 + MAC_AGE_S);
	assert_in_range(t->learnt[3], MAC_PORT_MAX / 2, MAC_PORT_MAX);
	assert_int_equal(mac_table_find(t, 43, 10 + MAC_AGE_S), 5);
	/* One that moves, and one that can't. */
	assert_true(mac_table_learn(t, 42, 6, 10));
	assert_int_equal(mac_table_find(t, 42, 10), 6);
	assert_int_equal(t->learnt[4], 0);
	assert_false(mac_table_learn(t, 43, 6, 10));
	mac_table_forget(t, 3);
	assert_int_equal(t->learnt[3], 0);
	assert_int_equal(mac_table_find(t, 42, 10), 6);
	free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_unicast, setup),
	    cmocka_unit_test_setup(test_broadcast, setup),
	    cmocka_unit_test_setup(test_batch, setup),
	    cmocka_unit_test_setup(test_batch_differs, setup),
	    cmocka_unit_test_setup(test_spoofed, setup),
	    cmocka_unit_test_setup(test_size, setup),
	    cmocka_unit_test_setup(test_vlans, setup),
	    cmocka_unit_test_setup(test_flood_with_tags, setup),
	    cmocka_unit_test_setup(test_tag_and_offload, setup),
	    cmocka_unit_test_setup(test_storm, setup),
	    cmocka_unit_test_setup(test_unknown, setup),
	    cmocka_unit_test_setup(test_learning, setup),
	    cmocka_unit_test_setup(test_address_of_zeros, setup),
	    cmocka_unit_test_setup(test_table_is_bounded, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
