/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes what a guest says of a packet's offloads, and the packet's headers: what is taken for good becomes a bounded number of
 * frames, none larger than its segments may be, that hold all of the packet's data and nothing else, and whose addresses and
 * tag are those that the switch has judged; so too when that has put a tag in or taken it off.
 */
#include <stdlib.h>
#include <string.h>
#include "hv/io/net_offload.h"
#include "hv/lib/util.h"
#include "tests/fuzz/require.h"

#define CONTROL 12 /* bytes of the input that say what the header of virtio says */

static uint8_t memory[ETH_TAG + NET_PACKET_MAX], *const frame = memory + ETH_TAG;

void frame_read(void *dst, hpa_t pa, size_t n)
{
	memcpy(dst, (const void *)pa.v, n);
}

static bool is_tagged(const struct net_packet *p)
{
	return net_load16(p->head + ETH_TYPE) == ETH_TYPE_VLAN && p->head_len >= ETH_HEADER + ETH_TAG;
}

static void split(const struct net_packet *p)
{
	uint32_t judged = ETH_HEADER + (is_tagged(p) ? ETH_TAG : 0);
	uint32_t most = p->gso_type == NET_GSO_NONE ? p->len : (uint32_t)p->hdr_len + p->gso_size, len,
		 data = 0, n = 0;
	struct net_split s;
	uint8_t *buf = malloc(most); /* of just this size, so that one byte more is seen */

	net_split_begin(&s, p);
	while ((len = net_split_next(&s, buf))) {
		REQUIRE(len <= most);
		REQUIRE(++n <= NET_SEGMENTS_MAX);
		REQUIRE(!memcmp(buf, p->head, judged));
		data += len - (p->gso_type == NET_GSO_NONE ? 0 : p->hdr_len);
	}
	REQUIRE(data == p->len - (p->gso_type == NET_GSO_NONE ? 0 : p->hdr_len));
	free(buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct net_packet p = {.head = frame};
	struct frame_run run;
	uint32_t more;

	if (size < CONTROL + ETH_HEADER)
		return 0;
	p.needs_csum = data[0] & 1;
	p.gso_type = data[1];
	memcpy(&p.gso_size, data + 2, 2);
	memcpy(&p.csum_start, data + 4, 2);
	memcpy(&p.csum_offset, data + 6, 2);
	memcpy(&p.hdr_len, data + 8, 2);
	more = net_load16(data + 10) % 60000;
	p.head_len = (uint32_t)MIN(size - CONTROL, (size_t)NET_HEAD);
	memcpy(frame, data + CONTROL, p.head_len);
	if (p.head_len == NET_HEAD && more) {
		run = (struct frame_run){{(uint64_t)frame + NET_HEAD}, more};
		p.run = &run;
		p.runs = 1;
	}
	p.len = p.head_len + (p.runs ? more : 0);
	(void)net_flow(&p);
	if (!net_offload_check(&p))
		return 0;
	split(&p);
	if (is_tagged(&p))
		net_tag_remove(&p);
	else
		net_tag_insert(&p, 5);
	split(&p);
	return 0;
}
