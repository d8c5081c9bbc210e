/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads frames piece by piece: the head from the host's memory, the rest through this CPU's window. */
#include "hv/io/net_packet.h"

#include "hv/lib/string.h"
#include "hv/lib/util.h"

void net_read_begin(struct net_reader *r, const struct net_packet *p)
{
	*r = (struct net_reader){.p = p, .in_head = true};
}

/* How many of n bytes lie in the piece where r is, which is the next one where that has ended. */
static size_t piece(struct net_reader *r, size_t n)
{
	uint32_t len = r->in_head ? r->p->head_len : r->p->run[r->run].len;

	if (r->offset == len) {
		r->run += !r->in_head;
		r->in_head = false;
		r->offset = 0;
		len = r->p->run[r->run].len;
	}
	return MIN(n, (size_t)(len - r->offset));
}

void net_read(struct net_reader *r, void *dst, size_t n)
{
	uint8_t *to = dst;

	while (n) {
		size_t part = piece(r, n);

		if (r->in_head)
			memcpy(to, r->p->head + r->offset, part);
		else
			frame_read(to, hpa(r->p->run[r->run].pa.v + r->offset), part);
		r->offset += part;
		to += part;
		n -= part;
	}
}

void net_skip(struct net_reader *r, size_t n)
{
	while (n) {
		size_t part = piece(r, n);

		r->offset += part;
		n -= part;
	}
}

/* The head begins `by` bytes earlier, or later, and so does all that counts from there. */
static void move_begin(struct net_packet *p, int by)
{
	p->head -= by;
	p->head_len += by;
	p->len += by;
	if (p->needs_csum)
		p->csum_start += by;
	if (p->gso_type != NET_GSO_NONE)
		p->hdr_len += by;
}

void net_tag_insert(struct net_packet *p, uint16_t tci)
{
	memmove(p->head - ETH_TAG, p->head, ETH_TYPE);
	move_begin(p, ETH_TAG);
	net_store16(p->head + ETH_TYPE, ETH_TYPE_VLAN);
	net_store16(p->head + ETH_TYPE + 2, tci);
}

void net_tag_remove(struct net_packet *p)
{
	memmove(p->head + ETH_TAG, p->head, ETH_TYPE);
	move_begin(p, -ETH_TAG);
}

/*
 * The addresses of IP and the ports behind it, if there are any: in each direction the same words, and so the same sum. Where no
 * header is of the usual size it is some other number, but always the same.
 */
uint8_t net_flow(const struct net_packet *p)
{
	uint16_t type = p->head_len < ETH_HEADER ? 0 : net_load16(p->head + ETH_TYPE);
	uint32_t from = ETH_HEADER + 12, to = from + 12, sum = 0;

	if (type == ETH_TYPE_IPV6) {
		from = ETH_HEADER + 8;
		to = from + 36;
	} else if (type != ETH_TYPE_IPV4) {
		return 0;
	}
	for (uint32_t i = from; i + 2 <= MIN(to, p->head_len); i += 2)
		sum += net_load16(p->head + i);
	return (uint8_t)(sum ^ sum >> 8);
}
