/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the guest sends. One CPU at a time serves a queue: it takes a batch of chains with the device's lock held, gives it to
 * the switch without, so that guests that send to each other never wait in a circle, and then gives the chains back. How
 * much is done for one notification is bounded; the rest waits for a timer.
 */
#include "hv/io/net_offload.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/vdev/virtio_net.h"
#include "hv/vm.h"

#define PACKET_RUNS 96 /* of one packet */
#define BATCH_BYTES KIB(256)
#define BATCHES     4
#define REST_NS     10000

/* Where the rest of chain c is, from `offset` on. False: in too many pieces. */
static bool find_frames(struct vm *vm, struct virtio_net_tx *tx, const struct vq_chain *c, uint64_t offset,
			struct net_packet *p)
{
	p->run = tx->next_run;
	for (const struct vq_segment *s = c->seg, *last = s + c->readable; s != last; s++) {
		unsigned n;

		if (offset >= s->len) {
			offset -= s->len;
			continue;
		}
		n = vm_frames(vm, gpa(s->at.v + offset), s->len - offset, tx->next_run,
			      PACKET_RUNS - p->runs);
		if (!n)
			return false;
		tx->next_run += n;
		p->runs += n;
		offset = 0;
	}
	return true;
}

/* Takes over from the header what the driver may use. */
static bool set_offloads(const struct virtio *d, struct net_packet *p, const struct virtio_net_hdr *h)
{
	uint8_t gso = h->gso_type & (uint8_t)~NET_GSO_ECN;

	if (h->flags & VIRTIO_NET_HDR_NEEDS_CSUM) {
		p->needs_csum = virtio_has(d, VIRTIO_NET_F_CSUM);
		p->csum_start = h->csum_start;
		p->csum_offset = h->csum_offset;
		if (!p->needs_csum)
			return false;
	}
	if (gso == NET_GSO_NONE)
		return true;
	p->gso_type = h->gso_type;
	p->gso_size = h->gso_size;
	if ((h->gso_type & NET_GSO_ECN) && !virtio_has(d, VIRTIO_NET_F_HOST_ECN))
		return false;
	return virtio_has(d, gso == NET_GSO_TCPV4 ? VIRTIO_NET_F_HOST_TSO4 : VIRTIO_NET_F_HOST_TSO6);
}

/*
 * Copies the device's header and the packet's head: as much of it as the driver has put together with the header, if that is
 * enough for the switch. Returns how much of the packet, which has `len` bytes, this is.
 */
static uint32_t read_head(const struct vq_chain *c, const struct gmem *m, uint8_t *to, uint32_t len)
{
	uint32_t header = sizeof(struct virtio_net_hdr), n = header + MIN(len, (uint32_t)NET_HEAD_PLAIN);
	const uint8_t *first = vq_chain_readable(c, m, header + ETH_HEADER + ETH_TAG);

	if (first) {
		n = MIN(n, c->seg[0].len);
		(void)copy_bytes(to, first, n);
	} else {
		(void)vq_chain_read(c, m, 0, to, n);
	}
	return n - header;
}

/* Work is left to do, which the device's header tells: p's head is to have all headers. False: this can't be. */
[[gnu::noinline]] static bool take_offloads(const struct virtio *d, struct net_packet *p,
					    const struct vq_chain *c)
{
	uint32_t more = MIN(p->len, (uint32_t)NET_HEAD) - p->head_len;
	struct virtio_net_hdr h;

	__builtin_memcpy(&h, p->head - sizeof(h), sizeof(h));
	(void)vq_chain_read(c, &d->dev.vm->mem, sizeof(h) + p->head_len, p->head + p->head_len, more);
	p->head_len += more;
	return set_offloads(d, p, &h) && net_offload_check(p);
}

/* Makes p of a chain, its head at `head`. False: it isn't a packet. */
static bool make_packet(struct virtio_net *n, struct virtio_net_tx *tx, const struct vq_chain *c,
			struct net_packet *p, uint8_t *head)
{
	const struct virtio_net_hdr *h = (const struct virtio_net_hdr *)(head - sizeof(*h));
	uint32_t len = (uint32_t)(c->readable_len - sizeof(*h));
	struct vm *vm = n->virtio.dev.vm;

	if (c->readable_len < sizeof(*h) + ETH_HEADER || c->readable_len > sizeof(*h) + NET_PACKET_MAX)
		return false;
	*p = (struct net_packet){
	    .head = head, .head_len = read_head(c, &vm->mem, head - sizeof(*h), len), .len = len};
	if ((h->flags || h->gso_type != NET_GSO_NONE) && !take_offloads(&n->virtio, p, c))
		return false;
	return find_frames(vm, tx, c, sizeof(*h) + p->head_len, p);
}

/* Takes chains for one batch. */
static void gather(struct virtio_net *n, unsigned pair)
{
	struct virtio_net_tx *tx = &n->tx[pair];
	struct vq_chain c = {.seg = tx->segment, .seg_max = VIRTIO_NET_SEGMENTS};
	const struct frame_run *last_run = tx->run + VIRTIO_NET_RUNS - PACKET_RUNS;
	struct net_packet *p = tx->packet;
	uint32_t bytes = 0;
	uint16_t chains = 0;

	tx->next_run = tx->run;
	while (chains < SWITCH_BATCH && tx->next_run <= last_run && bytes < BATCH_BYTES &&
	       virtio_take(&n->virtio, virtio_net_txq(pair), &c) == OK) {
		uint8_t *head = tx->head[chains] + VIRTIO_NET_HEADROOM;

		tx->chain[chains++] = (struct vq_used_elem){.id = c.head};
		if (!make_packet(n, tx, &c, p, head)) {
			switch_count_drop(&n->port, SWITCH_DROP_INVALID);
			continue;
		}
		if (n->pairs > 1)
			n->flow[net_flow(p)] = pair;
		bytes += p->len;
		p++;
	}
	virtio_count(&n->virtio, virtio_net_txq(pair), bytes);
	tx->chains = chains;
	tx->packets = (uint16_t)(p - tx->packet);
}

/* With the lock, which it drops meanwhile. */
static void send_batch(struct virtio_net *n, unsigned pair)
{
	struct virtio_net_tx *tx = &n->tx[pair];
	bool up = n->config.status & VIRTIO_NET_S_LINK_UP;

	spin_unlock(&n->virtio.dev.lock);
	if (up)
		switch_send(&n->port, tx->packet, tx->packets);
	else
		for (unsigned i = 0; i < tx->packets; i++)
			switch_count_drop(&n->port, SWITCH_DROP_LINK);
	spin_lock(&n->virtio.dev.lock);
	virtio_give_all(&n->virtio, virtio_net_txq(pair), tx->chain, tx->chains);
	virtio_signal(&n->virtio, virtio_net_txq(pair));
}

/* With the lock. True: there is more to send. */
static bool serve(struct virtio_net *n, unsigned pair)
{
	for (unsigned i = 0; i < BATCHES; i++) {
		gather(n, pair);
		if (n->tx[pair].chains)
			send_batch(n, pair);
		else if (!virtio_wait(&n->virtio, virtio_net_txq(pair)))
			return false;
	}
	return true;
}

void virtio_net_send(struct virtio_net *n, unsigned pair)
{
	struct vdev *dev = &n->virtio.dev;
	struct virtio_net_tx *tx = &n->tx[pair];

	spin_lock(&dev->lock);
	/* Whoever serves it looks once more, before it stops being busy, for what has come. */
	if (!tx->busy) {
		tx->busy = true;
		if (serve(n, pair))
			virtio_rest(&n->virtio, virtio_net_txq(pair), REST_NS);
		tx->busy = false;
	}
	spin_unlock(&dev->lock);
}
