/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two guests on a switch, `send` and `peer` by the command line, whose addresses differ in the last bit; tests/bench/bench.py
 * starts one pair or several. First the sender times notifications of few and of many packets by its time stamp counter: what
 * a packet more costs is what the switch takes for it; the peer sleeps meanwhile. Then comes a stream like one of TCP, of which
 * bench.py counts the exits: full-size packets within a window, two of them for an acknowledgement, notifications only where
 * the device asks for them, and sleep where there is nothing to do. `long`: more of it; `switch`: a single packet; `few`: of many
 * packets none are notified, for tests/bench/profile.py.
 */
#include "hv/lib/util.h"
#include "hv/x86/apic.h"
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/pci.h"
#include "tests/guests/lib/virtio.h"

#define TYPE_NET        1
#define BAR_MSIX        1
#define RECEIVE_VECTOR  0
#define RECEIVE         0x46 /* the interrupt */
#define F_MRG_RXBUF     (1ULL << 15)

#define VIRTIO_HEADER   12
#define ETH_HEADER      14
#define HEADERS         54 /* Ethernet, IP, TCP */
#define DATA            1460
#define ETHERTYPE       0x88b5 /* for experiments, by IEEE 802 */
#define SLOTS           (VIRTIO_ENTRIES / 2)
#define BUFFER          2048

#define HELLO_TICKS     10000000 /* far longer than an answer takes */
#define REST_TICKS      4000000  /* longer than the device watches a queue */
#define FEW             8
#define MANY            32
#define ROUNDS          5
#define REPEATS         4
#define WINDOW          64
#define STREAM          1000
#define STREAM_LONG     3000
#define PACKETS_PER_ACK 2

struct packet {
	uint8_t header[VIRTIO_HEADER];
	uint8_t to[6], from[6];
	uint16_t type;
	uint32_t number; /* of the packet; or how many have come */
	bool last;
	uint8_t rest[HEADERS - ETH_HEADER - 5];
} __attribute__((packed));

static_assert(sizeof(struct packet) == VIRTIO_HEADER + HEADERS);

static struct virtio_dev dev;
static struct virtio_ring rx, tx;
/* As most of a guest's memory they are mapped by large pages: what is in the first 2 MiB isn't. */
static uint8_t rx_buffer[VIRTIO_ENTRIES][BUFFER] __attribute__((aligned(2 << 20)));
static struct packet tx_head[SLOTS];
static uint64_t tx_data[SLOTS][DATA / 8 + 1];
static uint32_t expected;

static void on_interrupt(struct trap *t)
{
	(void)t;
	GUEST_LAPIC(LAPIC_EOI) = 0;
}

static bool set_up(void)
{
	if (!virtio_find(&dev, TYPE_NET, 0) ||
	    !(virtio_negotiate(&dev, VIO_EVENT_IDX | F_MRG_RXBUF) & VIO_EVENT_IDX) ||
	    !virtio_queue_start(&dev, &rx, 0, VIRTIO_ENTRIES) ||
	    !virtio_queue_start(&dev, &tx, 1, VIRTIO_ENTRIES))
		return false;
	guest_set_handler(RECEIVE, on_interrupt);
	GUEST_LAPIC(LAPIC_SVR) = LAPIC_SVR_ENABLE | 0xff;
	pci_msix_connect(dev.devfn, BAR_MSIX, RECEIVE_VECTOR, RECEIVE);
	virtio_set_vector(&dev, &rx, RECEIVE_VECTOR);
	for (uint16_t i = 0; i < SLOTS; i++) {
		struct packet *p = &tx_head[i];

		for (unsigned b = 0; b < sizeof(p->from); b++)
			p->to[b] = p->from[b] = dev.config[b];
		p->to[5] ^= 1;
		p->type = __builtin_bswap16(ETHERTYPE);
		tx.desc[2 * i] = (struct virtio_desc){
		    .addr = (uintptr_t)p, .len = sizeof(*p), .flags = DESC_NEXT, .next = 2 * i + 1};
		tx.desc[2 * i + 1] = (struct virtio_desc){.addr = (uintptr_t)tx_data[i], .len = DATA};
	}
	virtio_ask_interrupt(&rx, 0);
	virtio_ask_interrupt(&tx, 0);
	for (uint16_t i = 0; i < VIRTIO_ENTRIES; i++) {
		rx.desc[i] =
		    (struct virtio_desc){.addr = (uintptr_t)rx_buffer[i], .len = BUFFER, .flags = DESC_WRITE};
		virtio_offer(&rx, i);
	}
	virtio_driver_ok(&dev);
	return true;
}

/* Until a packet is there that has not been looked at, or n of them. */
static void sleep_until(uint16_t n)
{
	virtio_ask_interrupt(&rx, n);
	while ((uint16_t)(__atomic_load_n(&rx.used.idx, __ATOMIC_ACQUIRE) - rx.seen) < n)
		asm volatile("sti\n\thlt\n\tcli" ::: "memory");
	virtio_ask_interrupt(&rx, 0);
}

/* NULL: there is none. It is the device's again with the next call. */
static const struct packet *receive(void)
{
	static bool held;
	static uint32_t id;
	uint32_t len;

	if (held)
		virtio_offer(&rx, (uint16_t)id);
	held = virtio_take_used(&rx, &id, &len);
	return held ? (const struct packet *)rx_buffer[id] : NULL;
}

/* data: with as much as a packet may have. Offers it, without a notification. */
static void put(const struct packet *what, bool data)
{
	uint16_t slot = tx.avail.idx % SLOTS;
	struct packet *p = &tx_head[slot];

	while ((uint16_t)(tx.avail.idx - *(volatile uint16_t *)&tx.used.idx) >= SLOTS)
		;
	p->number = what->number;
	p->last = what->last;
	tx.desc[2 * slot].flags = data ? DESC_NEXT : 0;
	tx_data[slot][0] = p->number * 0x9e3779b97f4a7c15;
	tx_data[slot][DATA / 8 - 1] = ~tx_data[slot][0];
	virtio_offer(&tx, 2 * slot);
}

static void send(const struct packet *what, bool data)
{
	put(what, data);
	if (virtio_kick_wanted(&tx))
		virtio_kick(&dev, &tx);
}

/* --- the peer --- */

static void check(const struct packet *p)
{
	const uint64_t *data = (const uint64_t *)(p + 1);
	uint64_t word = expected * 0x9e3779b97f4a7c15;

	if (p->number != expected || data[0] != word || data[DATA / 8 - 1] != ~word)
		guest_expect_equal("bench/data", p->number, expected);
	expected++;
}

/* Packets of the second notification of a round. */
static unsigned many(void)
{
	return guest_cmdline_has("few") ? FEW : MANY;
}

static void peer(void)
{
	const struct packet *p;
	bool last = false;

	sleep_until(1);
	/* While it slept on the sender's CPU, that has said hello several times perhaps. */
	while (receive())
		;
	for (unsigned i = 0; i < REPEATS; i++) {
		send(&(struct packet){}, false);
		sleep_until((uint16_t)(ROUNDS * (FEW + many())));
		while ((p = receive()))
			check(p);
	}
	send(&(struct packet){}, false);
	while (!last) {
		while ((p = receive())) {
			check(p);
			last = p->last;
			if (last || expected % PACKETS_PER_ACK == 0)
				send(&(struct packet){.number = expected}, false);
		}
		if (!last)
			sleep_until(1);
	}
	/* The last one is still on its way perhaps. */
	while (*(volatile uint16_t *)&tx.used.idx != tx.avail.idx)
		;
}

/* --- the sender --- */

/* Which of the two is there first nobody knows: says hello until it is heard. The answer makes it ready. */
static void say_hello(void)
{
	do {
		uint64_t start = rdtsc();

		send(&(struct packet){}, false);
		while (rdtsc() - start < HELLO_TICKS)
			;
	} while (*(volatile uint16_t *)&rx.used.idx == rx.seen);
}

static void wait_ready(void)
{
	while (!receive())
		sleep_until(1);
}

/* Ticks of a notification of n packets, to a device that looks for none by itself any more. */
static uint64_t notify(unsigned n)
{
	uint64_t start = rdtsc();

	while (rdtsc() - start < REST_TICKS)
		;
	for (unsigned i = 0; i < n; i++)
		put(&(struct packet){.number = expected++}, true);
	start = rdtsc();
	virtio_kick(&dev, &tx);
	return rdtsc() - start;
}

static void time_switch(void)
{
	uint64_t least_few = UINT64_MAX, least_many = UINT64_MAX;

	for (unsigned i = 0; i < REPEATS; i++) {
		wait_ready();
		for (unsigned r = 0; r < ROUNDS; r++) {
			uint64_t ticks = notify(FEW);

			least_few = ticks < least_few ? ticks : least_few;
			ticks = notify(many());
			least_many = ticks < least_many ? ticks : least_many;
		}
	}
	guest_printf("BENCH net-packet    %8lu  a full-size packet from guest to guest, beyond its copy\n",
		     (least_many - least_few) / (MANY - FEW) - (HEADERS + DATA) / 8);
}

static void stream(uint32_t packets)
{
	uint32_t begin = expected, end = begin + packets, acked = begin;
	const struct packet *p;

	wait_ready();
	while (acked != end) {
		while (expected != end && expected - acked < WINDOW) {
			send(&(struct packet){.number = expected, .last = expected + 1 == end}, true);
			expected++;
		}
		p = receive();
		if (p)
			acked = p->number;
		else
			sleep_until(1);
	}
	guest_printf("STREAM %u packets\n", packets);
}

void test_main(void)
{
	if (!EXPECT("bench/there", set_up()))
		return;
	if (guest_cmdline_has("send")) {
		say_hello();
		time_switch();
		stream(guest_cmdline_has("long") ? STREAM_LONG : guest_cmdline_has("switch") ? 1 : STREAM);
	} else {
		peer();
	}
}
