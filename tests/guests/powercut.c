/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes that a power cut must not lose: requests at places that the seed decides, many under way, flushed now and then. Prints
 * "durable N" when the first N are acknowledged as such, and every sector that is written then says so too: what is done to the
 * disk knows what was promised before. The plan is a function of a request's number alone: tests/system/powercut.py has it too,
 * and checks. Words of the command line: seed=N; through: without VIRTIO_BLK_F_FLUSH, so that each answer is an acknowledgement.
 */
#include "hv/lib/string.h"
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/virtio.h"

#define TYPE         2
#define ENTRIES      64
#define SECTOR       512u
#define LANES        16u /* requests under way, each in its own part of the disk */
#define LANE_SECTORS 64u
#define LONGEST      16u /* sectors of a request */
#define BATCHES      96u
#define BUFFER       0x800000u
#define BUFFER_EACH  0x4000u /* room for the longest at any offset within a sector */
#define PATIENCE     300     /* seconds for an answer */
#define MAGIC        0x7475637265776f70ULL

#define FLUSH        (1u << 9)
#define DISCARD      (1u << 13)
#define ZEROES       (1u << 14)

#define T_OUT        1
#define T_FLUSH      4
#define T_DISCARD    11
#define T_ZEROES     13
#define NO_ANSWER    0xee

static struct virtio_dev dev;
static struct virtio_ring ring;
static uint64_t features, seed, acknowledged;
static unsigned under_way;
static uint64_t flushing; /* the flush that is under way covers the requests before this */
/* The last one is the flush's. */
static struct {
	uint32_t type, reserved;
	uint64_t sector;
} header[LANES + 1];
static struct {
	uint64_t sector;
	uint32_t sectors, flags;
} range[LANES];
static uint8_t status[LANES + 1];

struct request {
	uint32_t type, sectors;
	uint64_t sector, random;
};

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static struct request plan(uint64_t number)
{
	uint64_t r = mix(mix(seed) + number), at = (r >> 16) % (LANE_SECTORS - LONGEST + 1);
	struct request q = {.type = T_OUT, .sectors = 1 + (r >> 8) % LONGEST, .random = r};

	q.sector = number % LANES * LANE_SECTORS + at;
	/* Batches of nothing but zeroes too: no write among them that could have them flushed. */
	if ((r % 16 == 0 || number / LANES % 8 == 7) && features & ZEROES)
		q.type = T_ZEROES;
	else if (r % 16 == 1 && features & DISCARD)
		q.type = T_DISCARD;
	return q;
}

static void fill(uint8_t *at, uint64_t number, uint64_t sector)
{
	uint64_t word[SECTOR / 8] = {MAGIC, number, sector, acknowledged};
	uint64_t base = mix(number ^ mix(sector ^ mix(acknowledged)));

	for (unsigned i = 4; i < SECTOR / 8; i++)
		word[i] = base + i;
	memcpy(at, word, sizeof(word));
}

static void desc(unsigned i, const void *at, uint32_t len, uint16_t flags)
{
	ring.desc[i] = (struct virtio_desc){(uintptr_t)at, len, flags, i + 1};
}

static void offer_write(uint64_t number)
{
	struct request q = plan(number);
	unsigned lane = number % LANES, d = 3 * lane;
	uint8_t *data = (uint8_t *)(uintptr_t)BUFFER + lane * BUFFER_EACH + (q.random >> 32) % SECTOR;

	header[lane].type = q.type;
	header[lane].sector = q.type == T_OUT ? q.sector : 0;
	status[lane] = NO_ANSWER;
	range[lane] = (typeof(*range)){q.sector, q.sectors, 0};
	for (unsigned i = 0; i < q.sectors; i++)
		fill(data + i * SECTOR, number, q.sector + i);
	desc(d, &header[lane], sizeof(header[lane]), DESC_NEXT);
	if (q.type == T_OUT)
		desc(d + 1, data, q.sectors * SECTOR, DESC_NEXT);
	else
		desc(d + 1, &range[lane], sizeof(range[lane]), DESC_NEXT);
	desc(d + 2, &status[lane], 1, DESC_WRITE);
	virtio_offer(&ring, d);
	under_way++;
}

/* All before `number` are answered. */
static void offer_flush(uint64_t number)
{
	header[LANES].type = T_FLUSH;
	status[LANES] = NO_ANSWER;
	desc(3 * LANES, &header[LANES], sizeof(header[LANES]), DESC_NEXT);
	desc(3 * LANES + 1, &status[LANES], 1, DESC_WRITE);
	virtio_offer(&ring, 3 * LANES);
	under_way++;
	flushing = number;
}

static void acknowledge(uint64_t number)
{
	acknowledged = number;
	guest_printf("durable %lu\n", number);
}

/* Waits for all that is under way; false: not all was done. */
static bool collect(void)
{
	uint32_t id, len;

	for (unsigned tries = 0; under_way && tries < PATIENCE;) {
		if (!virtio_wait(&ring, &id, &len)) {
			tries++;
			continue;
		}
		under_way--;
		if (id > 3 * LANES || status[id / 3])
			return false;
		if (id == 3 * LANES)
			acknowledge(flushing);
	}
	return !under_way;
}

/* Behind a batch: no flush at all, one that stays under way together with the next batch, or one that is waited for. */
static bool flush(unsigned batch, uint64_t written)
{
	switch (mix(seed + batch) % 4) {
	case 0:
		return true;
	case 1:
		offer_flush(written);
		return true;
	default:
		offer_flush(written);
		virtio_kick(&dev, &ring);
		return collect();
	}
}

static bool write_all(void)
{
	for (unsigned batch = 0; batch < BATCHES; batch++) {
		for (unsigned lane = 0; lane < LANES; lane++)
			offer_write(batch * LANES + lane);
		virtio_kick(&dev, &ring);
		if (!collect())
			return false;
		if (!(features & FLUSH))
			acknowledge((batch + 1) * LANES);
		else if (!flush(batch, (batch + 1) * LANES))
			return false;
	}
	virtio_kick(&dev, &ring);
	return collect();
}

static void read_seed(void)
{
	for (const char *s = guest_cmdline(); *s; s++)
		if (*s >= '0' && *s <= '9')
			seed = seed * 10 + (unsigned)(*s - '0');
}

void test_main(void)
{
	uint64_t wanted = DISCARD | ZEROES | (guest_cmdline_has("through") ? 0 : FLUSH);

	read_seed();
	if (!EXPECT("powercut/there", virtio_find(&dev, TYPE, 0)))
		return;
	features = virtio_negotiate(&dev, wanted);
	if (!EXPECT("powercut/negotiated", features && virtio_queue_start(&dev, &ring, 0, ENTRIES)))
		return;
	virtio_driver_ok(&dev);
	guest_printf("flush %u discard %u zeroes %u\n", !!(features & FLUSH), !!(features & DISCARD),
		     !!(features & ZEROES));
	EXPECT("powercut/all-done", write_all());
}
