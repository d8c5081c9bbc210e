/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the guest receives, on whatever CPU sends it: the VM's address space is loaded for a batch, and each packet copied from
 * the sender's frames into the driver's buffers, one or several for a packet. What finds no buffers is lost.
 */
#include "hv/io/net_offload.h"
#include "hv/lib/util.h"
#include "hv/vdev/virtio_net.h"
#include "hv/vm.h"

#define BUFFERS 64 /* that one packet may be spread over */

/* The buffers that one packet has got. */
struct buffers {
	struct vq_chain first;
	struct vq_used_elem chain[BUFFERS];
	uint16_t count;
};

/* Continues p in c, from `offset` on. Returns how many bytes of it there were. */
static uint32_t fill(const struct gmem *mem, const struct vq_chain *c, uint32_t offset, struct net_reader *r,
		     uint32_t left)
{
	uint32_t done = 0;

	for (uint16_t i = c->readable; i < c->count && done < left; i++) {
		const struct vq_segment *s = &c->seg[i];
		uint32_t part;

		if (offset >= s->len) {
			offset -= s->len;
			continue;
		}
		part = MIN(s->len - offset, left - done);
		net_read(r, gpa_range(mem, gpa(s->at.v + offset), part, true), part);
		done += part;
		offset = 0;
	}
	return done;
}

/* Takes buffers until p is in them. False: there are not enough; what was taken is to be put back. */
static bool fill_all(struct virtio_net *n, unsigned queue, const struct net_packet *p, struct buffers *b)
{
	const struct gmem *mem = &n->virtio.dev.vm->mem;
	uint16_t most = virtio_has(&n->virtio, VIRTIO_NET_F_MRG_RXBUF) ? BUFFERS : 1;
	uint32_t left = p->len, skip = sizeof(struct virtio_net_hdr);
	struct net_reader r;

	net_read_begin(&r, p);
	for (b->count = 0; left; skip = 0) {
		struct vq_chain c = {.seg = b->count ? n->other : n->first, .seg_max = VIRTIO_NET_SEGMENTS};
		uint32_t part;

		if (b->count == most || virtio_take(&n->virtio, queue, &c) != OK)
			return false;
		if (!b->count)
			b->first = c;
		part = c.writable_len > skip ? fill(mem, &c, skip, &r, left) : 0;
		b->chain[b->count++] = (struct vq_used_elem){.id = c.head, .len = skip + part};
		if (!part)
			return false;
		left -= part;
	}
	return true;
}

/* Hands over p, whose offloads this driver takes. */
static void put(struct virtio_net *n, const struct net_packet *p)
{
	unsigned pair = n->pairs > 1 ? n->flow[net_flow(p)] : 0;
	unsigned queue = virtio_net_rxq(pair < n->pairs ? pair : 0);
	struct virtio_net_hdr h = {.gso_type = p->gso_type, .gso_size = p->gso_size};
	struct buffers b;

	if (!fill_all(n, queue, p, &b)) {
		virtio_put_back(&n->virtio, queue, b.count);
		switch_count_drop(&n->port, SWITCH_DROP_NO_ROOM);
		return;
	}
	h.num_buffers = b.count;
	if (p->needs_csum) {
		h.flags = VIRTIO_NET_HDR_NEEDS_CSUM;
		h.csum_start = p->csum_start;
		h.csum_offset = p->csum_offset;
	} else if (p->csum_good && virtio_has(&n->virtio, VIRTIO_NET_F_GUEST_CSUM)) {
		h.flags = VIRTIO_NET_HDR_DATA_VALID;
	}
	if (p->gso_type != NET_GSO_NONE)
		h.hdr_len = p->hdr_len;
	(void)vq_chain_write(&b.first, &n->virtio.dev.vm->mem, 0, &h, sizeof(h));
	virtio_give_all(&n->virtio, queue, b.chain, b.count);
	switch_count_received(&n->port, p->len);
}

/* Does the driver take what is left to do? */
static bool takes_offloads(const struct virtio *d, const struct net_packet *p)
{
	uint64_t needs = p->needs_csum ? VIRTIO_NET_F_GUEST_CSUM : 0;

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

static void put_finished(struct virtio_net *n, const struct net_packet *p)
{
	struct net_split s;
	uint32_t len;

	net_split_begin(&s, p);
	while ((len = net_split_next(&s, n->frame))) {
		struct net_packet frame = {.head = n->frame, .head_len = len, .len = len};

		put(n, &frame);
	}
}

static void receive_all(struct virtio_net *n, const struct net_packet *const *p, unsigned count)
{
	struct vm *was = vm_enter_address_space(n->virtio.dev.vm);

	for (unsigned i = 0; i < count; i++) {
		if (takes_offloads(&n->virtio, p[i]))
			put(n, p[i]);
		else
			put_finished(n, p[i]);
	}
	for (unsigned pair = 0; pair < n->pairs; pair++)
		virtio_signal(&n->virtio, virtio_net_rxq(pair));
	vm_enter_address_space(was);
}

void virtio_net_receive(struct switch_port *port, const struct net_packet *const *p, unsigned count)
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
