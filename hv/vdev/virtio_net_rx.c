/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the guest receives, on whatever CPU sends it: the VM's address space is loaded for a batch, and each packet copied from
 * the sender's frames into the driver's buffers, one or several for a packet. What finds no buffers is lost.
 */
#include "hv/io/net_offload.h"
#include "hv/lib/util.h"
#include "hv/vdev/virtio_net.h"
#include "hv/vm.h"

#define BUFFERS 64  /* that one packet may be spread over, */
#define PIECES  128 /* and descriptors of these: who sends it pays for each */

/* Buffers of one queue, taken and filled, of which the driver doesn't know yet. */
struct filled {
	unsigned queue;
	uint32_t packets, bytes;
	struct vq_used_elem *next; /* of chain, that is free */
	struct vq_used_elem chain[SWITCH_BATCH + BUFFERS];
};

/* Continues p in c, from `offset` on, with so many pieces more at most. Returns how many bytes of it there were. */
static uint32_t fill(const struct gmem *mem, const struct vq_chain *c, uint32_t offset, struct net_reader *r,
		     uint32_t left, unsigned *pieces)
{
	uint32_t done = 0;

	for (uint16_t i = c->readable; i < c->count && done < left && *pieces; i++, --*pieces) {
		const struct vq_segment *s = &c->seg[i];
		uint32_t part;

		if (offset >= s->len) {
			offset -= s->len;
			continue;
		}
		part = MIN(s->len - offset, left - done);
		net_read(r, vq_segment_ptr(mem, s) + offset, part);
		done += part;
		offset = 0;
	}
	return done;
}

/* Writes what the driver is told of p, of which work is left to do or done, to `to`. */
[[gnu::noinline]] static void write_offloads(const struct virtio_net *n, const struct net_packet *p,
					     uint16_t buffers, struct virtio_net_hdr *h)
{
	*h = (struct virtio_net_hdr){.num_buffers = buffers};
	if (p->needs_csum) {
		h->flags = VIRTIO_NET_HDR_NEEDS_CSUM;
		h->csum_start = p->csum_start;
		h->csum_offset = p->csum_offset;
	} else if (p->csum_good && virtio_has(&n->virtio, VIRTIO_NET_F_GUEST_CSUM)) {
		h->flags = VIRTIO_NET_HDR_DATA_VALID;
	}
	if (p->gso_type != NET_GSO_NONE) {
		h->gso_type = p->gso_type;
		h->gso_size = p->gso_size;
		h->hdr_len = p->hdr_len;
	}
}

/* Puts p, mostly with one buffer, the first: header and all of it behind. */
static void fill_one(struct virtio_net *n, const struct net_packet *p, uint8_t *to)
{
	static const struct virtio_net_hdr plain = {.num_buffers = 1};
	struct virtio_net_hdr h;

	if (p->needs_csum || p->csum_good || p->gso_type != NET_GSO_NONE) {
		write_offloads(n, p, 1, &h);
		__builtin_memcpy(to, &h, sizeof(h));
	} else {
		__builtin_memcpy(to, &plain, sizeof(h));
	}
	net_packet_copy(p, to + sizeof(h));
}

/* Takes buffers of any kind until p is in them. Returns their number; 0: there are not enough. */
[[gnu::noinline]] static uint16_t fill_many(struct virtio_net *n, struct vq_used_elem *chain, unsigned queue,
					    const struct net_packet *p)
{
	uint16_t most = virtio_has(&n->virtio, VIRTIO_NET_F_MRG_RXBUF) ? BUFFERS : 1, count = 0;
	struct vq_chain first = {.seg = n->first, .seg_max = VIRTIO_NET_SEGMENTS}, c;
	const struct gmem *mem = &n->virtio.dev.vm->mem;
	uint32_t left = p->len, skip = sizeof(struct virtio_net_hdr), pieces = PIECES;
	struct virtio_net_hdr h;
	struct net_reader r;

	if (virtio_take(&n->virtio, queue, &first) != OK)
		return 0;
	c = first;
	net_read_begin(&r, p);
	for (;;) {
		uint32_t part = c.writable_len > skip ? fill(mem, &c, skip, &r, left, &pieces) : 0;

		chain[count++] = (struct vq_used_elem){.id = c.head, .len = skip + part};
		left -= part;
		if (!left)
			break;
		c.seg = n->other;
		skip = 0;
		if (!part || count == most || virtio_take(&n->virtio, queue, &c) != OK) {
			virtio_put_back(&n->virtio, queue, count);
			return 0;
		}
	}
	write_offloads(n, p, count, &h);
	(void)vq_chain_write(&first, mem, 0, &h, sizeof(h));
	return count;
}

/* Takes buffers and puts p into them. Returns their number; 0: there are not enough. */
static uint16_t take_and_fill(struct virtio_net *n, struct vq_used_elem *chain, unsigned queue,
			      const struct net_packet *p)
{
	uint32_t len = sizeof(struct virtio_net_hdr) + p->len;
	uint16_t head;
	uint8_t *to = virtio_take_buffer(&n->virtio, queue, len, &head);

	if (!to)
		return fill_many(n, chain, queue, p);
	*chain = (struct vq_used_elem){.id = head, .len = len};
	fill_one(n, p, to);
	return 1;
}

static void give(struct virtio_net *n, struct filled *f)
{
	uint16_t count = (uint16_t)(f->next - f->chain);

	if (!count)
		return;
	virtio_give_all(&n->virtio, f->queue, f->chain, count);
	switch_count_received(&n->port, f->packets, f->bytes);
	f->next = f->chain;
	f->packets = f->bytes = 0;
}

/* Where the connection's packets are sent from, if that pair is still used. */
[[gnu::noinline]] static unsigned queue_of_flow(const struct virtio_net *n, const struct net_packet *p)
{
	unsigned pair = n->flow[net_flow(p)];

	return virtio_net_rxq(pair < n->pairs ? pair : 0);
}

/* Hands over p, whose offloads this driver takes. */
static void put(struct virtio_net *n, struct filled *f, const struct net_packet *p)
{
	unsigned queue = n->pairs > 1 ? queue_of_flow(n, p) : virtio_net_rxq(0);
	uint16_t count;

	if (queue != f->queue || f->next > f->chain + SWITCH_BATCH)
		give(n, f);
	f->queue = queue;
	count = take_and_fill(n, f->next, queue, p);
	if (!count) {
		switch_count_drop(&n->port, SWITCH_DROP_NO_ROOM);
		return;
	}
	f->next += count;
	f->packets++;
	f->bytes += p->len;
}

/* Does the driver take what is left to do? */
static bool takes_offloads(const struct virtio *d, const struct net_packet *p)
{
	uint64_t needs = p->needs_csum ? VIRTIO_NET_F_GUEST_CSUM : 0;

	if (!needs && p->gso_type == NET_GSO_NONE)
		return true;
	if (p->gso_type & NET_GSO_ECN)
		needs |= VIRTIO_NET_F_GUEST_ECN;
	switch (p->gso_type & ~NET_GSO_ECN) {
	case NET_GSO_TCPV4:
		needs |= VIRTIO_NET_F_GUEST_TSO4;
		break;
	case NET_GSO_TCPV6:
		needs |= VIRTIO_NET_F_GUEST_TSO6;
		break;
	}
	return (d->accepted & needs) == needs;
}

static void put_finished(struct virtio_net *n, struct filled *f, const struct net_packet *p)
{
	struct net_split s;
	uint32_t len;

	net_split_begin(&s, p);
	while ((len = net_split_next(&s, n->frame))) {
		struct net_packet frame = {.head = n->frame, .head_len = len, .len = len};

		put(n, f, &frame);
	}
}

static void receive_all(struct virtio_net *n, const struct net_packet *p, unsigned count)
{
	struct vm *was = vm_enter_address_space(n->virtio.dev.vm);
	struct filled f;

	f.queue = virtio_net_rxq(0);
	f.next = f.chain;
	f.packets = f.bytes = 0;
	for (const struct net_packet *end = p + count; p != end; p++) {
		if (takes_offloads(&n->virtio, p))
			put(n, &f, p);
		else
			put_finished(n, &f, p);
	}
	give(n, &f);
	for (unsigned pair = 0; pair < n->pairs; pair++)
		virtio_signal(&n->virtio, virtio_net_rxq(pair));
	vm_enter_address_space(was);
}

void virtio_net_receive(struct switch_port *port, const struct net_packet *p, unsigned count)
{
	struct virtio_net *n = container_of(port, struct virtio_net, port);
	struct vdev *dev = &n->virtio.dev;

	spin_lock(&dev->lock);
	/* Of a VM that doesn't run there may be no address space. */
	if (!dev->stopped && (n->virtio.status & VIRTIO_DRIVER_OK) &&
	    (n->config.status & VIRTIO_NET_S_LINK_UP))
		receive_all(n, p, count);
	else
		for (unsigned i = 0; i < count; i++)
			switch_count_drop(port, SWITCH_DROP_LINK);
	spin_unlock(&dev->lock);
}
