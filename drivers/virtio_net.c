/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Driver of virtio network devices: VIRTIO 1.2, "Network Device". One queue to receive, one to send, no offloads. Each
 * descriptor of a queue has a buffer of its own; a frame is in one of them or, with VIRTIO_NET_F_MRG_RXBUF and when sent, in
 * several. Receiving, the link and resets are one CPU's alone; all send.
 */
#include "drivers/virtio_net.h"

#include "drivers/virtio_device.h"
#include "hv/io/net_packet.h"
#include "hv/io/nic.h"
#include "hv/lib/fmt.h"
#include "hv/lib/lock.h"
#include "hv/lib/log.h"
#include "hv/lib/string.h"
#include "hv/timer.h"
#include "hv/work.h"
#include "hv/x86/virtio_net.h"
#include "mm/host_map.h"
#include "mm/page_alloc.h"

#define RX                      0 /* the queues */
#define TX                      1
#define QUEUE_SIZE              256
#define BUFFER                  2048u
#define HEADER                  sizeof(struct virtio_net_hdr)
#define FRAME_MAX               (ETH_MTU_MAX + ETH_HEADER + ETH_TAG)
#define BUFFERS_MAX             ((FRAME_MAX + HEADER + BUFFER - 1) / BUFFER) /* of one frame */
#define MTU_MIN                 68
#define RX_BATCH                64 /* buffers */

#define US                      1000ull
#define MS                      (1000 * US)
#define POLL_BUSY               (100 * US)
#define POLL_IDLE               MS         /* without interrupts */
#define HOUSEKEEPING            (500 * MS) /* the link, and whether the device is well */
#define STUCK_TIME              (2000 * MS)
#define RESET_TIME              (1000 * MS)
#define RESET_TRIES             200 /* at the start, of some milliseconds each */
#define RESET_LOG_MAX           16

#define FEATURES                (VIRTIO_NET_F_MTU | VIRTIO_NET_F_MAC | VIRTIO_NET_F_MRG_RXBUF | VIRTIO_NET_F_STATUS)

#define CONFIG(v, width, field) virtio_config##width(v, offsetof(struct virtio_net_config, field))

struct virtio_net {
	struct nic nic;
	struct virtio_device virtio;
	struct virtio_queue queue[2];
	char *buffer[2];   /* of each queue, BUFFER bytes for each descriptor */
	uint64_t features; /* agreed on at the start; a reset must bring the same */
	uint32_t cpu;      /* receives, keeps time and takes the interrupts */
	bool interrupts;

	/* A frame in several buffers, as far as it has come. */
	char *frame;
	uint32_t frame_len;
	uint16_t frame_buffers; /* that are still to come */

	struct timer timer;
	uint64_t poll_ns; /* 0: interrupts come */
	uint64_t housekeeping_ns, reset_end_ns;
	unsigned resets;
	bool gone;

	struct spinlock tx_lock; /* guards what follows, queue[TX], and what is sent of nic.stats */
	bool running;
	uint64_t tx_seen_ns; /* when the device was last seen to send, or had nothing to */
};

static unsigned count;

static struct virtio_net *to_net(struct nic *n)
{
	return container_of(n, struct virtio_net, nic);
}

static char *buffer_of(struct virtio_net *e, unsigned queue, uint16_t descriptor)
{
	return e->buffer[queue] + (size_t)descriptor * BUFFER;
}

/* --- receiving --- */

static void offer(struct virtio_net *e)
{
	struct virtio_ring *ring = &e->queue[RX].ring;
	char *buffer = buffer_of(e, RX, virtio_ring_next(ring));

	virtio_ring_begin(ring);
	virtio_ring_piece(ring, host_pa(buffer).v, BUFFER, true);
	virtio_ring_end(ring, buffer);
}

static void deliver(struct virtio_net *e, const char *frame, uint32_t len)
{
	struct nic *n = &e->nic;

	if (len < ETH_HEADER || len > n->mtu + ETH_HEADER + ETH_TAG) {
		n->stats.rx_errors++;
		return;
	}
	n->stats.rx_packets++;
	n->stats.rx_bytes += len;
	n->received(n, frame, len);
}

/* The next buffer of a frame that is in several. */
static void append(struct virtio_net *e, const char *data, uint32_t len)
{
	if (e->frame_len + len <= FRAME_MAX)
		memcpy(e->frame + e->frame_len, data, len);
	e->frame_len = MIN(e->frame_len + len, FRAME_MAX + 1u);
	if (--e->frame_buffers)
		return;
	deliver(e, e->frame, e->frame_len);
	e->nic.received_all(&e->nic); /* the next such frame comes into the same memory */
}

/* len: bytes that the device has written to the buffer, at most BUFFER. */
static void receive_buffer(struct virtio_net *e, const char *buffer, uint32_t len)
{
	const struct virtio_net_hdr *h = (const struct virtio_net_hdr *)buffer;
	bool merged = virtio_device_has(&e->virtio, VIRTIO_NET_F_MRG_RXBUF);
	uint16_t buffers;

	if (e->frame_buffers) {
		append(e, buffer, len);
		return;
	}
	buffers = merged ? *(const volatile uint16_t *)&h->num_buffers : 1;
	if (len < HEADER || buffers == 0 || buffers > BUFFERS_MAX) {
		e->nic.stats.rx_errors++;
		return;
	}
	if (buffers == 1) {
		deliver(e, buffer + HEADER, len - HEADER);
		return;
	}
	e->frame_buffers = buffers;
	e->frame_len = 0;
	append(e, buffer + HEADER, len - HEADER);
}

/* Returns how many buffers came. */
static unsigned receive(struct virtio_net *e)
{
	uint32_t len;
	uint16_t head;
	unsigned n = 0;
	void *buffer;

	while (n < RX_BATCH && virtio_ring_take(&e->queue[RX].ring, &buffer, &head, &len) == OK) {
		receive_buffer(e, buffer, len);
		n++;
	}
	if (n) {
		e->nic.received_all(&e->nic);
		for (unsigned i = 0; i < n; i++)
			offer(e);
		virtio_queue_notify(&e->queue[RX]);
	}
	return n;
}

/* --- sending --- */

/* Gives back the buffers of what has been sent. */
static void reclaim(struct virtio_net *e)
{
	struct virtio_ring *ring = &e->queue[TX].ring;
	uint64_t now = time_now_ns();
	uint32_t written;
	uint16_t head;
	void *token;

	while (virtio_ring_take(ring, &token, &head, &written) == OK)
		e->tx_seen_ns = now;
	if (!ring->in_flight)
		e->tx_seen_ns = now;
}

static void put_frame(struct virtio_net *e, const struct net_packet *p)
{
	struct virtio_ring *ring = &e->queue[TX].ring;
	struct net_reader reader;
	uint32_t room = BUFFER - HEADER, left = p->len;
	char *buffer = buffer_of(e, TX, virtio_ring_next(ring));

	net_read_begin(&reader, p);
	virtio_ring_begin(ring);
	/* The header says that nothing is left to do: all zeros, as the buffer's begin is. */
	memset(buffer, 0, HEADER);
	for (uint32_t at = HEADER; left; at = 0, room = BUFFER) {
		uint32_t n = MIN(left, room);

		buffer = buffer_of(e, TX, virtio_ring_next(ring));
		net_read(&reader, buffer + at, n);
		virtio_ring_piece(ring, host_pa(buffer).v, at + n, false);
		left -= n;
	}
	virtio_ring_end(ring, e);
}

static bool transmit(struct nic *n, const struct net_packet *p)
{
	struct virtio_net *e = to_net(n);
	uint32_t pieces = (HEADER + p->len + BUFFER - 1) / BUFFER;
	bool room;

	spin_lock(&e->tx_lock);
	if (e->running && virtio_ring_room(&e->queue[TX].ring) < pieces)
		reclaim(e);
	room = e->running && p->len && virtio_ring_room(&e->queue[TX].ring) >= pieces;
	if (room) {
		put_frame(e, p);
		n->stats.tx_packets++;
		n->stats.tx_bytes += p->len;
	} else {
		n->stats.tx_dropped++;
	}
	spin_unlock(&e->tx_lock);
	return room;
}

static void flush(struct nic *n)
{
	struct virtio_net *e = to_net(n);

	spin_lock(&e->tx_lock);
	if (e->running)
		virtio_queue_notify(&e->queue[TX]);
	spin_unlock(&e->tx_lock);
}

/* --- life --- */

/* A device without this feature has a link always. */
static bool link_is_up(struct virtio_net *e)
{
	return !virtio_device_has(&e->virtio, VIRTIO_NET_F_STATUS) ||
	       (CONFIG(&e->virtio, 16, status) & VIRTIO_NET_S_LINK_UP);
}

static enum status set_queues(struct virtio_net *e)
{
	for (unsigned i = RX; i <= TX; i++) {
		struct virtio_queue *q = &e->queue[i];
		enum status s = virtio_device_queue(&e->virtio, q, QUEUE_SIZE);

		if (s != OK)
			return s;
		if (q->ring.size < BUFFERS_MAX)
			return ERR_UNSUPPORTED;
		if (!e->buffer[i])
			e->buffer[i] = page_alloc_bytes((size_t)q->ring.size * BUFFER);
		if (!e->buffer[i])
			return ERR_NOMEM;
	}
	/* What was sent is looked for when there is no room. */
	virtio_ring_listen(&e->queue[TX].ring, false);
	return OK;
}

/* The device has been reset, the queues are set. */
static void begin(struct virtio_net *e)
{
	e->frame_buffers = 0;
	e->poll_ns = POLL_BUSY;
	virtio_device_ready(&e->virtio);
	while (virtio_ring_room(&e->queue[RX].ring))
		offer(e);
	virtio_queue_notify(&e->queue[RX]);
	e->tx_seen_ns = time_now_ns();
	e->running = true;
}

static void vanish(struct virtio_net *e, enum status why)
{
	log_error("%s: gone: %s", e->nic.name, status_str(why));
	e->gone = true;
	pci_enable(e->virtio.pci, false);
	nic_link_changed(&e->nic, false);
}

/* Begins a reset or goes on with it: it may need more time. */
static void reset(struct virtio_net *e, uint64_t now)
{
	enum status s;

	spin_lock(&e->tx_lock);
	e->running = false;
	s = virtio_device_reset(&e->virtio, FEATURES);
	if (s == OK && e->virtio.features != e->features)
		s = ERR_UNSUPPORTED;
	if (s == OK)
		s = set_queues(e);
	if (s == OK)
		begin(e);
	spin_unlock(&e->tx_lock);
	if (s != OK && (s != ERR_AGAIN || now >= e->reset_end_ns))
		vanish(e, s);
}

static bool is_stuck(struct virtio_net *e, uint64_t now)
{
	bool stuck;

	spin_lock(&e->tx_lock);
	reclaim(e);
	stuck = e->queue[TX].ring.broken || now >= e->tx_seen_ns + STUCK_TIME;
	spin_unlock(&e->tx_lock);
	return stuck || e->queue[RX].ring.broken;
}

static void keep_house(struct virtio_net *e, uint64_t now)
{
	bool up = link_is_up(e);

	e->housekeeping_ns = now + HOUSEKEEPING;
	if (up != e->nic.link)
		nic_link_changed(&e->nic, up);
	if (!is_stuck(e, now))
		return;
	if (e->resets++ < RESET_LOG_MAX)
		log_warn("%s: does not work any more: reset", e->nic.name);
	e->reset_end_ns = now + RESET_TIME;
	reset(e, now);
}

/* More than belongs into one batch goes on soon, so that the CPU's guests run between. */
static void serve(struct virtio_net *e)
{
	bool more = receive(e) == RX_BATCH;

	if (!e->interrupts)
		e->poll_ns = more ? POLL_BUSY : POLL_IDLE;
	else
		e->poll_ns = more || virtio_ring_listen(&e->queue[RX].ring, true) ? POLL_BUSY : 0;
}

static void arm(struct virtio_net *e, uint64_t now)
{
	uint64_t due = e->housekeeping_ns;

	if (e->poll_ns)
		due = MIN(due, now + e->poll_ns);
	timer_arm(&e->timer, e->cpu, due);
}

static void tick(struct timer *t)
{
	struct virtio_net *e = container_of(t, struct virtio_net, timer);
	uint64_t now = time_now_ns();

	if (!e->running)
		reset(e, now);
	else
		serve(e);
	if (e->running && now >= e->housekeeping_ns)
		keep_house(e, now);
	if (!e->gone)
		arm(e, now);
}

static void interrupt(void *arg)
{
	struct virtio_net *e = arg;

	if (!e->running)
		return;
	virtio_ring_listen(&e->queue[RX].ring, false);
	serve(e);
	arm(e, time_now_ns());
}

/* The first tick begins, as after a reset, so that only its CPU ever touches the timer from then on. */
static void start(struct nic *n)
{
	struct virtio_net *e = to_net(n);

	e->housekeeping_ns = time_now_ns();
	e->reset_end_ns = e->housekeeping_ns + RESET_TIME;
	arm(e, e->housekeeping_ns);
}

static const struct nic_ops ops = {.transmit = transmit, .flush = flush, .start = start};

/* --- at boot --- */

static enum status first_reset(struct virtio_net *e)
{
	enum status s = ERR_AGAIN;

	for (unsigned i = 0; i < RESET_TRIES && s == ERR_AGAIN; i++)
		s = virtio_device_reset(&e->virtio, FEATURES);
	e->features = e->virtio.features;
	return s == ERR_AGAIN ? ERR_TIMEOUT : s;
}

static enum status describe(struct virtio_net *e)
{
	struct virtio_device *v = &e->virtio;
	struct nic *n = &e->nic;

	if (!virtio_device_has(v, VIRTIO_NET_F_MAC))
		return ERR_UNSUPPORTED;
	for (unsigned i = 0; i < ETH_ADDRESS; i++)
		n->mac[i] = virtio_config8(v, offsetof(struct virtio_net_config, mac) + i);
	n->mtu = virtio_device_has(v, VIRTIO_NET_F_MRG_RXBUF) ? ETH_MTU_MAX : ETH_MTU;
	if (virtio_device_has(v, VIRTIO_NET_F_MTU))
		n->mtu = MIN(n->mtu, (uint32_t)CONFIG(v, 16, mtu));
	n->bdf = v->pci->bdf;
	n->ops = &ops;
	n->link = link_is_up(e);
	return n->mtu < MTU_MIN ? ERR_UNSUPPORTED : OK;
}

static enum status set_up(struct virtio_net *e, struct pci_device *d)
{
	enum status s = virtio_device_init(&e->virtio, d);

	if (s == OK)
		s = first_reset(e);
	if (s == OK)
		s = describe(e);
	if (s != OK)
		return s;
	e->frame = page_alloc_bytes(FRAME_MAX);
	if (!e->frame)
		return ERR_NOMEM;
	timer_init(&e->timer, tick);
	e->cpu = work_first_cpu();
	/* Without MSI-X virtio has only the pin. */
	e->interrupts = d->msix && pci_irq_connect(d, 0, e->cpu, interrupt, e) == OK;
	for (unsigned i = RX; i <= TX; i++) {
		e->queue[i].index = (uint16_t)i;
		e->queue[i].vector = i == RX && e->interrupts ? 0 : VIRTIO_PCI_NO_VECTOR;
	}
	return set_queues(e);
}

static void free_all(struct virtio_net *e)
{
	for (unsigned i = RX; i <= TX; i++) {
		if (e->buffer[i])
			page_free_bytes(e->buffer[i], (size_t)e->queue[i].ring.size * BUFFER);
		virtio_queue_free(&e->queue[i]);
	}
	if (e->frame)
		page_free_bytes(e->frame, FRAME_MAX);
	page_free_bytes(e, sizeof(*e));
}

enum status virtio_net_probe(struct pci_device *d)
{
	struct virtio_net *e = page_alloc_bytes(sizeof(*e));
	enum status s;

	if (!e)
		return ERR_NOMEM;
	s = set_up(e, d);
	if (s == OK) {
		fmt_snprintf(e->nic.name, sizeof(e->nic.name), "virtio-net-%u", count++);
		nic_register(&e->nic);
		return OK;
	}
	/* Before its memory is another's, the device must have lost it. */
	pci_enable(d, false);
	free_all(e);
	return s;
}
