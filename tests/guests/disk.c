/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio disk of 1 MiB, blank: requests in unusual shapes, wrong ones, rings that break every rule, resets while much is under
 * way; after each the device works again.
 */
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/virtio.h"

#define TYPE      2
#define SIZE      64
#define SECTOR    512u
#define SECTORS   2048u
#define MEMORY    0x1000000u /* of the guest */
#define BUFFER    0x800000u  /* 1 MiB and more of it */
#define BIG       0x10000u
#define INDIRECT  (1u << 28)
#define DISCARD   (1u << 13)
#define ZEROES    (1u << 14)

#define T_IN      0
#define T_OUT     1
#define T_FLUSH   4
#define T_GET_ID  8
#define T_DISCARD 11
#define T_ZEROES  13

#define S_OK      0
#define S_IOERR   1
#define S_UNSUPP  2
#define NO_ANSWER 0xee

static struct virtio_dev dev;
static struct virtio_ring ring;
static struct {
	uint32_t type, reserved;
	uint64_t sector;
} header[SIZE];
static uint8_t status[SIZE];
static struct virtio_desc table[SIZE] __attribute__((aligned(16)));

static uint8_t *buffer(void)
{
	return (uint8_t *)(uintptr_t)BUFFER;
}

static bool start(uint64_t features)
{
	if (!virtio_negotiate(&dev, features) || !virtio_queue_start(&dev, &ring, 0, SIZE))
		return false;
	virtio_driver_ok(&dev);
	return true;
}

static void desc(unsigned i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	ring.desc[i] = (struct virtio_desc){addr, len, flags, next};
}

/* Header and status of request n, descriptors n and n + 2 around the caller's n + 1. */
static void frame(unsigned n, uint32_t type, uint64_t sector)
{
	header[n].type = type;
	header[n].sector = sector;
	status[n] = NO_ANSWER;
	desc(n, (uintptr_t)&header[n], sizeof(header[n]), DESC_NEXT, n + 1);
	desc(n + 2, (uintptr_t)&status[n], 1, DESC_WRITE, 0);
}

/* Offers the chain at descriptor 0 and waits for it: the status, or NO_ANSWER. */
static uint8_t answer(void)
{
	uint32_t id, len;

	virtio_offer(&ring, 0);
	virtio_kick(&dev, &ring);
	return virtio_wait(&ring, &id, &len) && id == 0 ? status[0] : NO_ANSWER;
}

static uint8_t request(uint32_t type, uint64_t sector, uint64_t at, uint32_t len)
{
	frame(0, type, sector);
	desc(1, at, len, DESC_NEXT | (type == T_IN || type == T_GET_ID ? DESC_WRITE : 0), 2);
	return answer();
}

static bool filled(uint32_t from, uint32_t to, uint8_t with)
{
	for (uint32_t i = from; i < to; i++)
		if (buffer()[i] != with)
			return false;
	return true;
}

static void fill(uint32_t from, uint32_t to, uint8_t with)
{
	for (uint32_t i = from; i < to; i++)
		buffer()[i] = with;
}

/* Does it still do what it is there for? */
static void works(const char *name)
{
	fill(0, 2 * SECTOR, 0x5a);
	guest_expect_equal(name, request(T_OUT, SECTORS - 2, BUFFER, 2 * SECTOR), S_OK);
	fill(0, 2 * SECTOR, 0);
	guest_expect_equal(name, request(T_IN, SECTORS - 2, BUFFER, 2 * SECTOR), S_OK);
	EXPECT(name, filled(0, 2 * SECTOR, 0x5a));
}

/* --- requests --- */

/* A header in two pieces, data that ends in the segment of the status: "assume no particular framing". */
static void check_shapes(void)
{
	fill(0, SECTOR + 1, 0x11);
	frame(0, T_IN, SECTORS - 1);
	desc(0, (uintptr_t)&header[0], 3, DESC_NEXT, 1);
	desc(1, (uintptr_t)&header[0] + 3, sizeof(header[0]) - 3, DESC_NEXT, 2);
	desc(2, BUFFER, 7, DESC_NEXT | DESC_WRITE, 3);
	desc(3, BUFFER + 7, SECTOR - 7 + 1, DESC_WRITE, 0);
	answer();
	EXPECT("disk/odd-pieces", filled(0, SECTOR, 0x5a) && buffer()[SECTOR] == S_OK);
	for (unsigned i = 0; i < 3; i++)
		table[i] = ring.desc[i + 1];
	frame(0, T_IN, SECTORS - 1);
	for (unsigned i = 0; i < 3; i++)
		table[i] = ring.desc[i];
	fill(0, SECTOR, 0);
	table[1] = (struct virtio_desc){BUFFER, SECTOR, DESC_NEXT | DESC_WRITE, 2};
	desc(0, (uintptr_t)table, 3 * sizeof(table[0]), DESC_INDIRECT, 0);
	guest_expect_equal("disk/indirect", answer(), S_OK);
	EXPECT("disk/indirect-data", filled(0, SECTOR, 0x5a));
}

static void check_requests(void)
{
	struct {
		uint64_t sector;
		uint32_t sectors, flags;
	} *range = (void *)(uintptr_t)(BUFFER + BIG);
	char *id = (char *)buffer();

	guest_expect_equal("disk/id", request(T_GET_ID, 0, BUFFER, 20), S_OK);
	EXPECT("disk/id-is-its-name", id[0] == 'd' && id[3] == 'a' && id[4] == 0);
	guest_expect_equal("disk/id-too-short", request(T_GET_ID, 0, BUFFER, 19), S_IOERR);
	guest_expect_equal("disk/unknown", request(99, 0, BUFFER, SECTOR), S_UNSUPP);
	guest_expect_equal("disk/flush", request(T_FLUSH, 0, BUFFER, 1), S_OK);
	guest_expect_equal("disk/behind-the-end", request(T_IN, SECTORS, BUFFER, SECTOR), S_IOERR);
	guest_expect_equal("disk/over-the-end", request(T_OUT, SECTORS - 1, BUFFER, 2 * SECTOR), S_IOERR);
	guest_expect_equal("disk/far-away", request(T_IN, UINT64_MAX, BUFFER, SECTOR), S_IOERR);
	guest_expect_equal("disk/part-of-a-sector", request(T_OUT, 0, BUFFER, SECTOR + 1), S_IOERR);
	guest_expect_equal("disk/all-of-it", request(T_IN, 0, BUFFER, SECTORS * SECTOR), S_OK);
	guest_expect_equal("disk/too-much", request(T_IN, 0, BUFFER, (SECTORS + 1) * SECTOR), S_IOERR);
	*range = (typeof(*range)){.sector = SECTORS - 1, .sectors = 1};
	guest_expect_equal("disk/zeroes", request(T_ZEROES, 0, BUFFER + BIG, sizeof(*range)), S_OK);
	guest_expect_equal("disk/read-zeroes", request(T_IN, SECTORS - 2, BUFFER, 2 * SECTOR), S_OK);
	EXPECT("disk/are-zeroes", filled(0, SECTOR, 0x5a) && filled(SECTOR, 2 * SECTOR, 0));
	range->flags = 2;
	guest_expect_equal("disk/unknown-flag", request(T_ZEROES, 0, BUFFER + BIG, sizeof(*range)), S_UNSUPP);
	*range = (typeof(*range)){.sector = 0, .sectors = UINT32_MAX};
	guest_expect_equal("disk/discard-too-much", request(T_DISCARD, 0, BUFFER + BIG, sizeof(*range)),
			   S_IOERR);
	guest_expect_equal("disk/half-a-range", request(T_DISCARD, 0, BUFFER + BIG, 8), S_IOERR);
}

/* --- rings --- */

static void loop(void)
{
	frame(0, T_IN, 0);
	desc(1, BUFFER, SECTOR, DESC_NEXT | DESC_WRITE, 1);
}

static void next_outside(void)
{
	frame(0, T_IN, 0);
	desc(1, BUFFER, SECTOR, DESC_NEXT | DESC_WRITE, SIZE);
}

static void huge(void)
{
	frame(0, T_IN, 0);
	desc(1, BUFFER, UINT32_MAX, DESC_NEXT | DESC_WRITE, 2);
}

static void outside_memory(void)
{
	frame(0, T_IN, 0);
	desc(1, MEMORY - SECTOR / 2, SECTOR, DESC_NEXT | DESC_WRITE, 2);
}

static void wraps_around(void)
{
	frame(0, T_OUT, 0);
	desc(1, UINT64_MAX - SECTOR / 2, SECTOR, DESC_NEXT, 2);
}

static void no_status(void)
{
	frame(0, T_OUT, 0);
	desc(1, BUFFER, SECTOR, 0, 0);
}

static void no_header(void)
{
	desc(0, (uintptr_t)&status[0], 1, DESC_WRITE, 0);
}

static void read_after_write(void)
{
	frame(0, T_OUT, 0);
	desc(1, (uintptr_t)&status[0], 1, DESC_NEXT | DESC_WRITE, 2);
	desc(2, BUFFER, SECTOR, 0, 0);
}

static void empty_piece(void)
{
	frame(0, T_IN, 0);
	desc(1, BUFFER, 0, DESC_NEXT | DESC_WRITE, 2);
}

static void indirect_in_indirect(void)
{
	table[0] = (struct virtio_desc){(uintptr_t)table, sizeof(table), DESC_INDIRECT, 0};
	desc(0, (uintptr_t)table, sizeof(table), DESC_INDIRECT, 0);
}

static void indirect_of_odd_length(void)
{
	desc(0, (uintptr_t)table, sizeof(table[0]) + 1, DESC_INDIRECT, 0);
}

static void index_jumps(void)
{
	frame(0, T_IN, 0);
	desc(1, BUFFER, SECTOR, DESC_NEXT | DESC_WRITE, 2);
	ring.avail.idx += 1000;
}

static void head_outside(void)
{
	ring.avail.ring[ring.avail.idx % SIZE] = SIZE;
	ring.avail.idx++;
}

static const struct {
	const char *name;
	void (*breaks)(void);
	bool offered; /* it puts itself into the ring */
} abuses[] = {
    {"disk/chain-loops", loop, false},
    {"disk/next-outside", next_outside, false},
    {"disk/huge-length", huge, false},
    {"disk/outside-memory", outside_memory, false},
    {"disk/wraps-around", wraps_around, false},
    {"disk/no-status", no_status, false},
    {"disk/no-header", no_header, false},
    {"disk/read-after-write", read_after_write, false},
    {"disk/empty-piece", empty_piece, false},
    {"disk/indirect-in-indirect", indirect_in_indirect, false},
    {"disk/indirect-odd", indirect_of_odd_length, false},
    {"disk/index-jumps", index_jumps, true},
    {"disk/head-outside", head_outside, true},
};

static void check_abuse(void)
{
	for (unsigned i = 0; i < sizeof(abuses) / sizeof(abuses[0]); i++) {
		if (!EXPECT(abuses[i].name, start(INDIRECT)))
			return;
		abuses[i].breaks();
		if (!abuses[i].offered)
			virtio_offer(&ring, 0);
		virtio_kick(&dev, &ring);
		EXPECT(abuses[i].name, virtio_get_status(&dev) & VIO_NEEDS_RESET);
		/* Nothing works until it is reset. */
		virtio_kick(&dev, &ring);
		EXPECT(abuses[i].name, start(INDIRECT));
		works(abuses[i].name);
	}
}

/* Requests of 64 KiB, more than one notification serves, in a table of three descriptors each. */
static void offer_many(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct virtio_desc *t = table + 3 * i;

		header[i].type = T_OUT;
		header[i].sector = i * (BIG / SECTOR) % SECTORS;
		t[0] = (struct virtio_desc){(uintptr_t)&header[i], sizeof(header[i]), DESC_NEXT, 1};
		t[1] = (struct virtio_desc){BUFFER, BIG, DESC_NEXT, 2};
		t[2] = (struct virtio_desc){(uintptr_t)&status[i], 1, DESC_WRITE, 0};
		desc(i, (uintptr_t)t, 3 * sizeof(*t), DESC_INDIRECT, 0);
		virtio_offer(&ring, i);
	}
	virtio_kick(&dev, &ring);
}

static void check_reset_in_flight(void)
{
	unsigned n = SIZE / 3, came = 0;
	uint32_t id, len;

	for (unsigned i = 0; i < 50; i++) {
		if (!EXPECT("disk/reset-in-flight", start(INDIRECT)))
			return;
		offer_many(n);
		if (!EXPECT("disk/reset-ends", virtio_do_reset(&dev)))
			return;
	}
	EXPECT("disk/after-resets", start(INDIRECT));
	works("disk/after-resets");
	offer_many(n);
	while (came < n && virtio_wait(&ring, &id, &len))
		came += status[id] == S_OK;
	guest_expect_equal("disk/all-of-many", came, n);
}

void test_main(void)
{
	if (!EXPECT("disk/there", virtio_find(&dev, TYPE, 0)))
		return;
	guest_expect_equal("disk/capacity", *(volatile uint32_t *)dev.config, SECTORS);
	EXPECT("disk/negotiated", start(INDIRECT | DISCARD | ZEROES));
	works("disk/works");
	check_shapes();
	check_requests();
	check_abuse();
	check_reset_in_flight();
}
