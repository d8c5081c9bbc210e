/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads the headers of a frame, cuts it, and mends the headers of the pieces. */
#include "hv/io/net_offload.h"

#include "hv/lib/string.h"
#include "hv/lib/util.h"

#define IPV4_HEADER_MIN 20
#define IPV4_LENGTH     2
#define IPV4_ID         4
#define IPV4_FRAGMENT   6
#define IPV4_PROTOCOL   9
#define IPV4_CSUM       10
#define IPV4_ADDRESSES  12 /* offset of both, of 4 bytes each */
#define IPV6_HEADER     40
#define IPV6_LENGTH     4
#define IPV6_NEXT       6
#define IPV6_ADDRESSES  8 /* of 16 bytes each */
#define IPV6_HOP        0 /* extension headers that may stand before TCP's, of 8 * (1 + length) bytes */
#define IPV6_ROUTING    43
#define IPV6_OPTIONS    60
#define IPV6_EXTENSIONS 4
#define PROTOCOL_TCP    6
#define TCP_HEADER_MIN  20
#define TCP_SEQUENCE    4
#define TCP_OFFSET      12
#define TCP_FLAGS       13
#define TCP_CSUM        16
#define TCP_FIN         0x01
#define TCP_PSH         0x08
#define TCP_CWR         0x80

/* Offsets in the frame. */
struct headers {
	uint32_t ip, tcp, data;
	bool v6;
};

/* --- checksums: RFC 1071 --- */

/* Adds n bytes at p, which begin at an even offset of what is summed. */
static uint64_t sum_add(uint64_t sum, const uint8_t *p, uint32_t n)
{
	for (; n >= 4; p += 4, n -= 4)
		sum += (uint32_t)net_load16(p) + net_load16(p + 2);
	if (n >= 2) {
		sum += net_load16(p);
		p += 2;
	}
	return n & 1 ? sum + ((uint32_t)*p << 8) : sum;
}

static uint16_t sum_end(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* --- headers --- */

static bool parse_ipv4(const struct net_packet *p, struct headers *h)
{
	const uint8_t *ip = p->head + h->ip;
	uint32_t len;

	if (p->head_len < h->ip + IPV4_HEADER_MIN || ip[0] >> 4 != 4)
		return false;
	len = (ip[0] & 0xf) * 4u;
	h->tcp = h->ip + len;
	/* A fragment has no TCP header, or not all of its data. */
	return len >= IPV4_HEADER_MIN && ip[IPV4_PROTOCOL] == PROTOCOL_TCP &&
	       !(net_load16(ip + IPV4_FRAGMENT) & 0x3fff);
}

static bool parse_ipv6(const struct net_packet *p, struct headers *h)
{
	const uint8_t *ip = p->head + h->ip;
	uint8_t next;

	if (p->head_len < h->ip + IPV6_HEADER || ip[0] >> 4 != 6)
		return false;
	next = ip[IPV6_NEXT];
	h->tcp = h->ip + IPV6_HEADER;
	for (unsigned i = 0; i < IPV6_EXTENSIONS && next != PROTOCOL_TCP; i++) {
		if (next != IPV6_HOP && next != IPV6_ROUTING && next != IPV6_OPTIONS)
			return false;
		if (p->head_len < h->tcp + 2)
			return false;
		next = p->head[h->tcp];
		h->tcp += 8 * (1u + p->head[h->tcp + 1]);
	}
	return next == PROTOCOL_TCP;
}

/* Where the headers of p are, which are all in its head. */
static bool parse(const struct net_packet *p, struct headers *h)
{
	uint16_t type;

	h->ip = ETH_HEADER;
	if (p->head_len < ETH_HEADER + ETH_TAG)
		return false;
	type = net_load16(p->head + ETH_TYPE);
	if (type == ETH_TYPE_VLAN) {
		type = net_load16(p->head + ETH_TYPE + ETH_TAG);
		h->ip += ETH_TAG;
	}
	h->v6 = type == ETH_TYPE_IPV6;
	if (!h->v6 && type != ETH_TYPE_IPV4)
		return false;
	if (!(h->v6 ? parse_ipv6(p, h) : parse_ipv4(p, h)) || p->head_len < h->tcp + TCP_HEADER_MIN)
		return false;
	h->data = h->tcp + (p->head[h->tcp + TCP_OFFSET] >> 4) * 4u;
	return h->data >= h->tcp + TCP_HEADER_MIN && h->data <= p->head_len;
}

static bool check_gso(struct net_packet *p)
{
	uint8_t type = p->gso_type & (uint8_t)~NET_GSO_ECN;
	struct headers h;

	if (!p->needs_csum || !p->gso_size || !parse(p, &h))
		return false;
	if (type != (h.v6 ? NET_GSO_TCPV6 : NET_GSO_TCPV4) || p->len <= h.data)
		return false;
	p->hdr_len = (uint16_t)h.data;
	return p->csum_start == h.tcp && p->csum_offset == TCP_CSUM &&
	       (p->len - h.data - 1) / p->gso_size < NET_SEGMENTS_MAX;
}

/*
 * What is summed, and so where the sum goes, lies behind the addresses, the type and the tag: those the switch has judged, and a tag
 * that it takes off has not moved the begin of the sum out of the frame.
 */
static bool check_csum(const struct net_packet *p)
{
	uint32_t begin = ETH_HEADER;

	if (p->head_len < ETH_HEADER)
		return false;
	if (net_load16(p->head + ETH_TYPE) == ETH_TYPE_VLAN)
		begin += ETH_TAG;
	return p->csum_start >= begin && (uint32_t)p->csum_start + p->csum_offset + 2 <= p->head_len;
}

bool net_offload_check(struct net_packet *p)
{
	if (p->needs_csum && !check_csum(p))
		return false;
	return p->gso_type == NET_GSO_NONE || check_gso(p);
}

/* --- frames --- */

void net_split_begin(struct net_split *s, const struct net_packet *p)
{
	*s = (struct net_split){.p = p};
	net_read_begin(&s->reader, p);
	if (p->gso_type != NET_GSO_NONE)
		net_skip(&s->reader, p->hdr_len);
}

/* The field holds the pseudo header's sum already. "If that is 0, 0xffff", which UDP needs and TCP takes. */
static void finish_csum(const struct net_packet *p, uint8_t *buf)
{
	uint16_t csum = sum_end(sum_add(0, buf + p->csum_start, p->len - p->csum_start));

	net_store16(buf + p->csum_start + p->csum_offset, csum ? csum : 0xffff);
}

static void finish_ipv4(uint8_t *ip, uint32_t len, uint32_t header, uint32_t index)
{
	net_store16(ip + IPV4_LENGTH, (uint16_t)len);
	net_store16(ip + IPV4_ID, (uint16_t)(net_load16(ip + IPV4_ID) + index));
	net_store16(ip + IPV4_CSUM, 0);
	net_store16(ip + IPV4_CSUM, sum_end(sum_add(0, ip, header)));
}

static void finish_tcp(const struct headers *h, uint8_t *buf, uint32_t len, uint32_t done, bool last)
{
	uint8_t *tcp = buf + h->tcp;
	uint32_t seq =
	    ((uint32_t)net_load16(tcp + TCP_SEQUENCE) << 16 | net_load16(tcp + TCP_SEQUENCE + 2)) + done;
	uint64_t sum;

	net_store16(tcp + TCP_SEQUENCE, seq >> 16);
	net_store16(tcp + TCP_SEQUENCE + 2, (uint16_t)seq);
	if (!last)
		tcp[TCP_FLAGS] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	if (done)
		tcp[TCP_FLAGS] &= (uint8_t)~TCP_CWR;
	net_store16(tcp + TCP_CSUM, 0);
	/* The pseudo header: addresses, protocol, length. */
	sum = PROTOCOL_TCP + (uint64_t)(len - h->tcp);
	sum = sum_add(sum, buf + h->ip + (h->v6 ? IPV6_ADDRESSES : IPV4_ADDRESSES), h->v6 ? 32 : 8);
	net_store16(tcp + TCP_CSUM, sum_end(sum_add(sum, tcp, len - h->tcp)));
}

static uint32_t next_segment(struct net_split *s, uint8_t *buf)
{
	const struct net_packet *p = s->p;
	uint32_t data = MIN(p->len - p->hdr_len - s->done, (uint32_t)p->gso_size), len = p->hdr_len + data;
	struct headers h;

	if (!data || !parse(p, &h))
		return 0;
	memcpy(buf, p->head, p->hdr_len);
	net_read(&s->reader, buf + p->hdr_len, data);
	if (h.v6)
		net_store16(buf + h.ip + IPV6_LENGTH, (uint16_t)(len - h.ip - IPV6_HEADER));
	else
		finish_ipv4(buf + h.ip, len - h.ip, h.tcp - h.ip, s->count);
	finish_tcp(&h, buf, len, s->done, s->done + data == p->len - p->hdr_len);
	s->done += data;
	s->count++;
	return len;
}

uint32_t net_split_next(struct net_split *s, uint8_t *buf)
{
	const struct net_packet *p = s->p;

	if (p->gso_type != NET_GSO_NONE)
		return next_segment(s, buf);
	if (s->count++)
		return 0;
	net_read(&s->reader, buf, p->len);
	if (p->needs_csum)
		finish_csum(p, buf);
	return p->len;
}
