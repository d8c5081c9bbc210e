/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The two rings of Intel's gigabit cards. Frames are copied: into the driver's own buffers to be sent, and out of them by
 * whoever receives. What the card writes into descriptors is checked before it is believed.
 */
#include "drivers/e1000_private.h"

#include "hv/lib/string.h"
#include "mm/host_map.h"
#include "mm/page_alloc.h"

#define RING_BYTES   (E1000_RING * sizeof(struct e1000_rx_desc))
#define BUFFER_BYTES ((size_t)E1000_RING * E1000_BUFFER)

static_assert(RING_BYTES % 128 == 0, "RDLEN and TDLEN");
static_assert(sizeof(struct e1000_rx_desc) == sizeof(struct e1000_tx_desc), "the same for both rings");

static uint32_t ring_after(uint32_t i)
{
	return (i + 1) % E1000_RING;
}

enum status e1000_rings_alloc(struct e1000 *e)
{
	e->rx = page_alloc_bytes(RING_BYTES);
	e->tx = page_alloc_bytes(RING_BYTES);
	e->rx_buffer = page_alloc_bytes(BUFFER_BYTES);
	e->tx_buffer = page_alloc_bytes(BUFFER_BYTES);
	e->jumbo = page_alloc_bytes(E1000_FRAME);
	return e->rx && e->tx && e->rx_buffer && e->tx_buffer && e->jumbo ? OK : ERR_NOMEM;
}

static void ring_free(void *p, size_t bytes)
{
	if (p)
		page_free_bytes(p, bytes);
}

void e1000_rings_free(struct e1000 *e)
{
	ring_free(e->rx, RING_BYTES);
	ring_free(e->tx, RING_BYTES);
	ring_free(e->rx_buffer, BUFFER_BYTES);
	ring_free(e->tx_buffer, BUFFER_BYTES);
	ring_free(e->jumbo, E1000_FRAME);
}

static void write_address(const struct e1000 *e, uint32_t low, const void *ring)
{
	uint64_t pa = host_pa(ring).v;

	e1000_write(e, low, (uint32_t)pa);
	e1000_write(e, low + 4, (uint32_t)(pa >> 32));
}

static void rx_start(struct e1000 *e)
{
	for (uint32_t i = 0; i < E1000_RING; i++)
		e->rx[i] = (struct e1000_rx_desc){.address = host_pa(e->rx_buffer + i * E1000_BUFFER).v};
	e->rx_next = 0;
	e->jumbo_len = 0;
	e->rx_skip = false;
	write_address(e, E1000_RDBAL, e->rx);
	e1000_write(e, E1000_RDLEN, RING_BYTES);
	e1000_write(e, E1000_RDH, 0);
	e1000_write(e, E1000_RDT, E1000_RING - 1);
	e1000_write(e, E1000_RDTR, 0);
	/* Promiscuous: the addresses behind a switch's port are many. */
	e1000_write(e, E1000_RCTL,
		    (uint32_t)(RCTL_EN | RCTL_UPE | RCTL_MPE | RCTL_LPE | RCTL_BAM | RCTL_SECRC));
	e->receiving = true;
}

static void tx_start(struct e1000 *e)
{
	uint32_t tctl = e1000_read(e, E1000_TCTL) & ~(uint32_t)(TCTL_CT | TCTL_COLD);

	memset(e->tx, 0, RING_BYTES);
	e->tx_next = e->tx_told = e->tx_clean = 0;
	write_address(e, E1000_TDBAL, e->tx);
	e1000_write(e, E1000_TDLEN, RING_BYTES);
	e1000_write(e, E1000_TDH, 0);
	e1000_write(e, E1000_TDT, 0);
	if (e->model->txdctl)
		e1000_write(e, E1000_TXDCTL, e->model->txdctl);
	e1000_write(e, E1000_TIPG, TIPG_COPPER);
	e1000_write(e, E1000_TCTL, tctl | (uint32_t)(TCTL_EN | TCTL_PSP) | TCTL_FULL_DUPLEX);
	e->sending = true;
}

void e1000_rings_start(struct e1000 *e)
{
	rx_start(e);
	spin_lock(&e->tx_lock);
	tx_start(e);
	spin_unlock(&e->tx_lock);
}

void e1000_rings_stop(struct e1000 *e)
{
	e->receiving = false;
	spin_lock(&e->tx_lock);
	e->sending = false;
	spin_unlock(&e->tx_lock);
}

static void deliver(struct e1000 *e, const uint8_t *frame, uint32_t len)
{
	if (len < ETH_HEADER || len > E1000_FRAME) {
		e->nic.stats.rx_errors++;
		return;
	}
	e->nic.stats.rx_packets++;
	e->nic.stats.rx_bytes += len;
	e->nic.received(&e->nic, frame, len);
}

/* One more piece of a frame of several; the last one delivers it. */
static void gather(struct e1000 *e, const uint8_t *piece, uint32_t len, bool last)
{
	if (len <= E1000_FRAME - e->jumbo_len) {
		memcpy(e->jumbo + e->jumbo_len, piece, len);
		e->jumbo_len += len;
	} else {
		e->rx_skip = true;
	}
	if (!last)
		return;
	if (e->rx_skip) {
		e->nic.stats.rx_errors++;
	} else {
		deliver(e, e->jumbo, e->jumbo_len);
		e->nic.received_all(&e->nic); /* the next such frame comes into the same memory */
	}
	e->jumbo_len = 0;
	e->rx_skip = false;
}

/* A descriptor that the card has filled; each is believed only as far as its buffer reaches. True: a frame's last. */
static bool receive_one(struct e1000 *e, const struct e1000_rx_desc *d, const uint8_t *buffer)
{
	uint32_t len = d->length;
	bool last = d->status & RX_EOP;
	bool bad = len > E1000_BUFFER || (last && (d->errors & RX_ERRORS));

	if (bad)
		e->rx_skip = true;
	if (last && !e->rx_skip && e->jumbo_len == 0)
		deliver(e, buffer, len);
	else
		gather(e, buffer, bad ? 0 : len, last);
	return last;
}

unsigned e1000_receive(struct e1000 *e)
{
	unsigned frames = 0, n = 0;

	while (e->receiving && n < E1000_RX_BATCH) {
		struct e1000_rx_desc *slot = &e->rx[e->rx_next], d;

		if (!(__atomic_load_n(&slot->status, __ATOMIC_ACQUIRE) & RX_DD))
			break;
		d = *(volatile struct e1000_rx_desc *)slot;
		frames += receive_one(e, &d, e->rx_buffer + e->rx_next * E1000_BUFFER);
		*slot =
		    (struct e1000_rx_desc){.address = host_pa(e->rx_buffer + e->rx_next * E1000_BUFFER).v};
		e->rx_next = ring_after(e->rx_next);
		n++;
	}
	if (n == 0)
		return 0;
	if (frames)
		e->nic.received_all(&e->nic);
	__atomic_thread_fence(__ATOMIC_RELEASE); /* the descriptors, then that they are the card's */
	e1000_write(e, E1000_RDT, (e->rx_next + E1000_RING - 1) % E1000_RING);
	return n;
}

/* Takes back what the card has sent. */
static void tx_reclaim(struct e1000 *e)
{
	while (e->tx_clean != e->tx_told) {
		uint8_t status = __atomic_load_n(&e->tx[e->tx_clean].status, __ATOMIC_ACQUIRE);

		if (!(status & TX_DD))
			break;
		if (status & TX_ERRORS)
			e->nic.stats.tx_errors++;
		e->tx_clean = ring_after(e->tx_clean);
	}
}

static uint32_t tx_room(const struct e1000 *e)
{
	return (e->tx_clean + E1000_RING - 1 - e->tx_next) % E1000_RING;
}

/* There is room for it. */
static void tx_put(struct e1000 *e, const struct net_packet *p)
{
	uint32_t left = p->len;
	struct net_reader r;

	net_read_begin(&r, p);
	while (left) {
		uint8_t *buffer = e->tx_buffer + e->tx_next * E1000_BUFFER;
		uint32_t n = MIN(left, (uint32_t)E1000_BUFFER), size = n;

		net_read(&r, buffer, n);
		left -= n;
		if (p->len < ETH_FRAME_MIN) {
			memset(buffer + n, 0, ETH_FRAME_MIN - n);
			size = ETH_FRAME_MIN;
		}
		e->tx[e->tx_next] = (struct e1000_tx_desc){
		    .address = host_pa(buffer).v,
		    .length = (uint16_t)size,
		    .command = (uint8_t)(TX_IFCS | TX_RS | (left ? 0 : TX_EOP)),
		};
		e->tx_next = ring_after(e->tx_next);
	}
}

bool e1000_transmit(struct nic *n, const struct net_packet *p)
{
	struct e1000 *e = container_of(n, struct e1000, nic);
	bool ok = n->link && p->len >= ETH_HEADER && p->len <= E1000_FRAME;
	uint32_t needed = (p->len + E1000_BUFFER - 1) / E1000_BUFFER;

	spin_lock(&e->tx_lock);
	ok = ok && e->sending;
	if (ok && tx_room(e) < needed)
		tx_reclaim(e);
	ok = ok && tx_room(e) >= needed;
	if (ok) {
		tx_put(e, p);
		n->stats.tx_packets++;
		n->stats.tx_bytes += p->len;
	} else {
		n->stats.tx_dropped++;
	}
	spin_unlock(&e->tx_lock);
	return ok;
}

void e1000_flush(struct nic *n)
{
	struct e1000 *e = container_of(n, struct e1000, nic);

	spin_lock(&e->tx_lock);
	if (e->sending && e->tx_told != e->tx_next) {
		e->tx_told = e->tx_next;
		__atomic_thread_fence(__ATOMIC_RELEASE); /* the descriptors, then that they are the card's */
		e1000_write(e, E1000_TDT, e->tx_told);
	}
	spin_unlock(&e->tx_lock);
}

bool e1000_tx_stuck(struct e1000 *e, uint64_t now_ns, uint64_t max_ns)
{
	bool waiting;

	spin_lock(&e->tx_lock);
	tx_reclaim(e);
	waiting = e->sending && e->tx_clean != e->tx_told;
	if (!waiting || e->tx_clean != e->tx_seen) {
		e->tx_seen = e->tx_clean;
		e->tx_seen_ns = now_ns;
	}
	spin_unlock(&e->tx_lock);
	return waiting && now_ns - e->tx_seen_ns > max_ns;
}
