/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a sender left to its device, done in software for receivers and cards that can't: checksums, and TCP segments larger
 * than the MTU. Model: VIRTIO 1.2, "Packet Transmission"; RFC 9293, RFC 791, RFC 8200.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/io/net_packet.h"

#define NET_SEGMENTS_MAX 256 /* that one packet may become */

/*
 * Is what p says of its offloads true of the headers in its head, and bounded? Where there is segmentation to do, sets hdr_len to
 * the bytes before TCP's data. False: it is nonsense.
 */
bool net_offload_check(struct net_packet *p);

/* Frames, complete in themselves, that a packet becomes. */
struct net_split {
	const struct net_packet *p;
	struct net_reader reader;
	uint32_t done; /* bytes of data, behind the headers, that are in frames already */
	uint32_t count;
};

void net_split_begin(struct net_split *s, const struct net_packet *p);
/*
 * The next frame in buf, of at least hdr_len + gso_size bytes, or p->len where there is nothing to split. Returns its length; 0:
 * there is none any more. p has passed net_offload_check.
 */
uint32_t net_split_next(struct net_split *s, uint8_t *buf);
