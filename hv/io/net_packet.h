/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An Ethernet frame, without FCS, on its way from a guest or a card to others, and how its bytes are read. What decides on its
 * way is in the host's memory, where no guest can change it any more; the rest stays in the sender's frames until it is copied.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "hv/frame.h"
#include "hv/lib/string.h"

#define ETH_ADDRESS    6
#define ETH_HEADER     14
#define ETH_TYPE       12 /* offset of the type, or of the tag */
#define ETH_TAG        4  /* bytes of a VLAN tag */
#define ETH_FRAME_MIN  60
#define ETH_MTU        1500
#define ETH_MTU_MAX    9000
#define ETH_TYPE_IPV4  0x0800
#define ETH_TYPE_VLAN  0x8100
#define ETH_TYPE_IPV6  0x86dd

/* So much of a guest's frame is in its head, or all of it, where work is left to do: Ethernet, IP and TCP, tunnelled too. */
#define NET_HEAD       192
/* Else it is less: the addresses of IP and the ports, or no more than Ethernet with a tag. */
#define NET_HEAD_PLAIN 64
/* The largest that there is, with segmentation left to do. */
#define NET_PACKET_MAX (65535 + ETH_HEADER + ETH_TAG)

/* VIRTIO 1.2, "Device Operation" of the network device. */
#define NET_GSO_NONE   0
#define NET_GSO_TCPV4  1
#define NET_GSO_TCPV6  4
#define NET_GSO_ECN    0x80

struct net_packet {
	uint8_t *head;               /* its first bytes; ETH_TAG more before them are free for a tag */
	const struct frame_run *run; /* what follows */
	uint32_t head_len, runs;
	uint32_t len; /* of everything, in bytes */
	/* Work that is left to whoever sends it on a wire, with virtio's meanings ("Packet Transmission"). */
	bool needs_csum; /* the two bytes are within the head */
	bool csum_good;  /* the card that it came from has checked its sums */
	uint8_t gso_type;
	uint16_t csum_start, csum_offset;
	uint16_t gso_size, hdr_len; /* bytes of each segment's data, and before these */
};

/* Reads a packet from its begin to its end. */
struct net_reader {
	const struct net_packet *p;
	uint32_t run;    /* the next */
	uint32_t offset; /* in the head, or behind it in that run */
	bool in_head;
};

void net_read_begin(struct net_reader *r, const struct net_packet *p);
/* The next n bytes; that many are left. Host code with interrupts off. */
void net_read(struct net_reader *r, void *dst, size_t n);
void net_skip(struct net_reader *r, size_t n);
/* All p->len bytes; in line, for the most frequent copy. */
static inline void net_packet_copy(const struct net_packet *p, void *dst)
{
	const struct frame_run *r = p->run, *end = r + p->runs;
	uint8_t *to = copy_bytes(dst, p->head, p->head_len);

	for (; r != end; to += r->len, r++)
		frame_read(to, r->pa, r->len);
}

/* A number below 256 that is the same for the packets of one connection, in both directions. */
uint8_t net_flow(const struct net_packet *p);
/* Puts this VLAN tag behind the addresses, or takes the one away that is there; by that the head moves. */
void net_tag_insert(struct net_packet *p, uint16_t tci);
void net_tag_remove(struct net_packet *p);

static inline bool net_same_address(const uint8_t *a, const uint8_t *b)
{
	return !__builtin_memcmp(a, b, ETH_ADDRESS);
}

/* Numbers in the network's order; p need not be aligned. */
static inline uint16_t net_load16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline void net_store16(uint8_t *p, uint16_t v)
{
	p[0] = v >> 8;
	p[1] = (uint8_t)v;
}
