/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/io/net_offload.c: what software makes of packets with work left, looked at as a receiver would; and nonsense refused. */
#include "support.h"

#include <stdlib.h>
#include <string.h>
#include "hv/io/net_offload.h"

#define DATA_MAX 60000
#define SEQ      0xfffff000u /* wraps on the way */
#define FLAGS    0x99        /* CWR, ACK, PSH, FIN */

static uint8_t bytes[NET_PACKET_MAX];
static uint8_t frame[20000];
static struct frame_run run[2];

void frame_read(void *dst, hpa_t pa, size_t n)
{
	memcpy(dst, (const void *)pa.v, n);
}

/* RFC 1071, byte for byte. */
static uint16_t sum(const uint8_t *p, size_t n, uint32_t s)
{
	for (size_t i = 0; i < n; i++)
		s += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)s;
}

struct shape {
	bool v6, tag;
	unsigned options; /* bytes of options of IP, or its extension header, and of TCP */
	uint32_t data;
	uint16_t mss;
};

static uint32_t ip_at(const struct shape *s)
{
	return ETH_HEADER + (s->tag ? ETH_TAG : 0);
}

static uint32_t tcp_at(const struct shape *s)
{
	return ip_at(s) + (s->v6 ? 40 : 20) + s->options;
}

static uint32_t data_at(const struct shape *s)
{
	return tcp_at(s) + 20 + s->options;
}

static struct net_packet make(const struct shape *s)
{
	struct net_packet p = {.head = bytes,
			       .run = run,
			       .runs = 2,
			       .len = data_at(s) + s->data,
			       .needs_csum = true,
			       .csum_start = (uint16_t)tcp_at(s),
			       .csum_offset = 16,
			       .gso_type = (s->v6 ? NET_GSO_TCPV6 : NET_GSO_TCPV4) | NET_GSO_ECN,
			       .gso_size = s->mss};
	uint8_t *ip = bytes + ip_at(s), *tcp = bytes + tcp_at(s);

	memset(bytes, 0, sizeof(bytes));
	memcpy(bytes, "\2aaaaa\2bbbbb\x81\0\0\7", 16);
	net_store16(ip - 2, s->v6 ? ETH_TYPE_IPV6 : ETH_TYPE_IPV4);
	for (unsigned i = 0; i < 32; i++)
		ip[(s->v6 ? 8 : 12) + (s->v6 ? i : i % 8)] = (uint8_t)(i * 37);
	if (s->v6) {
		ip[0] = 0x60;
		ip[6] = s->options ? 60 : 6;
		ip[40] = 6;
		ip[41] = (uint8_t)(s->options / 8 - 1);
	} else {
		ip[0] = (uint8_t)(0x45 + s->options / 4);
		net_store16(ip + 4, 0xfffe);
		ip[6] = 0x40;
		ip[9] = 6;
	}
	memset(tcp, 0, 20); /* what an extension header of no length has written there */
	net_store16(tcp + 4, SEQ >> 16);
	net_store16(tcp + 6, (uint16_t)SEQ);
	tcp[12] = (uint8_t)((5 + s->options / 4) << 4);
	tcp[13] = FLAGS;
	for (uint32_t i = 0; i < s->data; i++)
		bytes[data_at(s) + i] = (uint8_t)(i * 7 + (i >> 8));
	p.head_len = p.len < NET_HEAD ? p.len : NET_HEAD;
	run[0] = (struct frame_run){{(uint64_t)bytes + p.head_len}, (p.len - p.head_len) / 3};
	run[1] = (struct frame_run){{run[0].pa.v + run[0].len}, p.len - p.head_len - run[0].len};
	return p;
}

/* A receiver's checks of one segment. */
static void check_segment(const struct shape *s, uint32_t len, uint32_t done, unsigned index)
{
	const uint8_t *ip = frame + ip_at(s), *tcp = frame + tcp_at(s);
	uint32_t data = len - data_at(s), seq = ((uint32_t)net_load16(tcp + 4) << 16) + net_load16(tcp + 6);
	bool last = done + data == s->data;
	uint32_t pseudo;

	assert_int_equal(data, last ? s->data - done : s->mss);
	if (s->v6) {
		assert_int_equal(net_load16(ip + 4), len - ip_at(s) - 40);
		pseudo = sum(ip + 8, 32, 0);
	} else {
		assert_int_equal(net_load16(ip + 2), len - ip_at(s));
		assert_int_equal(net_load16(ip + 4), (uint16_t)(0xfffe + index));
		assert_int_equal(sum(ip, tcp_at(s) - ip_at(s), 0), 0xffff);
		pseudo = sum(ip + 12, 8, 0);
	}
	assert_int_equal(sum(tcp, len - tcp_at(s), pseudo + 6 + len - tcp_at(s)), 0xffff);
	assert_int_equal(seq, SEQ + done);
	assert_int_equal(tcp[13], (FLAGS & 0x10) | (done ? 0 : 0x80) | (last ? 0x09 : 0));
	assert_memory_equal(frame, bytes, ip_at(s));
	assert_memory_equal(frame + data_at(s), bytes + data_at(s) + done, data);
}

static void split_and_check(const struct shape *s)
{
	struct net_packet p = make(s);
	uint32_t len, done = 0;
	struct net_split split;
	unsigned n = 0;

	assert_true(net_offload_check(&p));
	assert_int_equal(p.hdr_len, data_at(s));
	net_split_begin(&split, &p);
	while ((len = net_split_next(&split, frame))) {
		check_segment(s, len, done, n++);
		done += len - data_at(s);
	}
	assert_int_equal(done, s->data);
	assert_int_equal(n, (s->data + s->mss - 1) / s->mss);
}

static void test_segments(void **state)
{
	for (unsigned kind = 0; kind < 16; kind++) {
		struct shape s = {.v6 = kind & 1, .tag = kind & 2, .options = kind & 4 ? 16 : 0, .mss = 1448};

		s.mss = kind & 8 ? 8900 : 1448;
		for (s.data = 1; s.data < DATA_MAX; s.data = s.data * 3 + 1)
			split_and_check(&s);
		s.data = s.mss * 4;
		split_and_check(&s);
	}
}

/* Without segmentation: one frame, with its sum, wherever that begins. */
static void test_checksum(void **state)
{
	for (uint32_t start = 14; start < 60; start++) {
		struct shape s = {.data = 1000 + start};
		struct net_packet p = make(&s);
		struct net_split split;

		p.gso_type = NET_GSO_NONE;
		p.csum_start = (uint16_t)start;
		p.csum_offset = (uint16_t)(start % 30);
		net_store16(bytes + start + start % 30, 0x1234); /* a pseudo header's sum */
		assert_true(net_offload_check(&p));
		net_split_begin(&split, &p);
		assert_int_equal(net_split_next(&split, frame), p.len);
		/* The sum of all is the pseudo header's complement's: with it, all ones. */
		if (start % 30 % 2 == 0)
			assert_int_equal(sum(frame + start, p.len - start, 0x1234), 0xffff);
		memcpy(frame + start + start % 30, bytes + start + start % 30, 2);
		assert_memory_equal(frame, bytes, p.len);
		assert_int_equal(net_split_next(&split, frame), 0);
	}
}

/* A packet with nothing left to do stays what it is. */
static void test_plain(void **state)
{
	struct shape s = {.data = 1000};
	struct net_packet p = make(&s);
	struct net_split split;

	p.gso_type = NET_GSO_NONE;
	p.needs_csum = false;
	assert_true(net_offload_check(&p));
	net_split_begin(&split, &p);
	assert_int_equal(net_split_next(&split, frame), p.len);
	assert_memory_equal(frame, bytes, p.len);
}

static void assert_refused(struct net_packet *p)
{
	assert_false(net_offload_check(p));
}

static void test_nonsense(void **state)
{
	struct shape s = {.data = 5000, .mss = 1000},
		     s6 = {.v6 = true, .options = 8, .data = 5000, .mss = 1000};
	struct net_packet good = make(&s), p;
	uint8_t *ip = bytes + ETH_HEADER;

	assert_true(net_offload_check(&good));
#define REFUSED(...)                                                                                         \
	p = good;                                                                                            \
	__VA_ARGS__;                                                                                         \
	assert_refused(&p)
	REFUSED(p.needs_csum = false);
	REFUSED(p.gso_size = 0);
	REFUSED(p.gso_size = 5000 / NET_SEGMENTS_MAX);
	REFUSED(p.gso_type = NET_GSO_TCPV6);
	REFUSED(p.gso_type = 3); /* UDP */
	REFUSED(p.gso_type = NET_GSO_ECN);
	REFUSED(p.csum_start++);
	REFUSED(p.csum_offset = 6);
	REFUSED(p.csum_start = 0xffff; p.csum_offset = 0xffff);
	REFUSED(p.len = data_at(&s));
	REFUSED(p.head_len = tcp_at(&s) + 19);
	REFUSED(p.head_len = ETH_HEADER + 1);
	REFUSED(ip[0] = 0x44);
	REFUSED(ip[0] = 0x65);
	REFUSED(ip[0] = 0x45; ip[9] = 17);
	REFUSED(ip[9] = 6; ip[6] = 0x20); /* more fragments */
	REFUSED(ip[6] = 0; ip[7] = 1);
	REFUSED(ip[7] = 0; ip[20 + 12] = 0x40);
	REFUSED(ip[20 + 12] = 0xf0; p.head_len = 90);
	REFUSED(ip[20 + 12] = 0x50; net_store16(ip - 2, 0x0806));
	/* The same two bytes without segmentation. */
	REFUSED(p.gso_type = NET_GSO_NONE; p.csum_start = NET_HEAD - 17);
	/* A sum that would go over what the switch has judged: an address, the type, a tag that is there or is put in. */
	good.gso_type = NET_GSO_NONE;
	good.csum_offset = 0;
	REFUSED(p.csum_start = 0);
	REFUSED(p.csum_start = ETH_ADDRESS);
	REFUSED(p.csum_start = ETH_HEADER - 1);
	REFUSED(p.csum_start = ETH_HEADER - 4; p.csum_offset = 8);
	net_store16(bytes + ETH_TYPE, ETH_TYPE_VLAN);
	REFUSED(p.csum_start = ETH_HEADER);
	REFUSED(p.csum_start = ETH_HEADER + ETH_TAG - 1);
	p.csum_start = ETH_HEADER + ETH_TAG;
	assert_true(net_offload_check(&p));
	good = make(&s6);
	assert_true(net_offload_check(&good));
	REFUSED(ip[6] = 44); /* a fragment's header */
	REFUSED(ip[6] = 60; ip[40] = 17);
	REFUSED(ip[40] = 6; ip[41] = 0xff);
	REFUSED(ip[41] = 0; ip[40] = 60); /* a row of them leads nowhere */
	REFUSED(ip[0] = 0x40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_segments),
	    cmocka_unit_test(test_checksum),
	    cmocka_unit_test(test_plain),
	    cmocka_unit_test(test_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
