/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Queues reset by themselves, VIRTIO 1.2, "Virtqueue Reset": those of a disk with requests under way, while its other queue
 * goes on; each queue of entropy, network and console. With "device" on the command line the disk takes its time.
 */
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/virtio.h"

enum { NET = 1, BLOCK = 2, CONSOLE = 3, ENTROPY = 4 };

#define RING_RESET   (1UL << 40)
#define BUFFER       0x800000u
#define PIECE        0x10000u
#define SECTOR       512u
#define REQUESTS     16u /* at a time, of three descriptors */
#define ROUNDS       40u
#define QUEUES       3u
#define ENTRIES      8u
#define PACKET       72u
#define MARK         0x77
#define TRIES        10000
#define QUIET_US     2000
#define NO_VECTOR    0xffff
#define VIRTIO_S_OK  0
#define REQUEST_READ 0

static struct virtio_ring ring[QUEUES];
static struct {
	uint32_t type, reserved;
	uint64_t sector;
} header = {.type = REQUEST_READ};
static uint8_t status[2][REQUESTS];
static uint8_t packet[PACKET];
static unsigned seen_going_on;

static uint8_t *buffer(void)
{
	return (uint8_t *)(uintptr_t)BUFFER;
}

/* Asks for the reset and waits for its end. False: it didn't come, or the queue is not as at the beginning. */
static bool reset_queue(const struct virtio_dev *d, unsigned q, uint16_t size_max)
{
	virtio_set(d, VIO_QUEUE_SELECT, 2, q);
	virtio_set(d, VIO_QUEUE_RESET, 2, 1);
	for (unsigned i = 0; virtio_get(d, VIO_QUEUE_RESET, 2); i++) {
		seen_going_on += i == 0;
		if (i == TRIES)
			return false;
		guest_delay_us(100);
	}
	return !virtio_get(d, VIO_QUEUE_ENABLE, 2) && virtio_get(d, VIO_QUEUE_SIZE, 2) == size_max &&
	       !virtio_get(d, VIO_QUEUE_DESC, 4) && virtio_get(d, VIO_QUEUE_VECTOR, 2) == NO_VECTOR;
}

static uint16_t size_of(const struct virtio_dev *d, unsigned q)
{
	virtio_set(d, VIO_QUEUE_SELECT, 2, q);
	return (uint16_t)virtio_get(d, VIO_QUEUE_SIZE, 2);
}

/* --- the disk --- */

static void offer_reads(const struct virtio_dev *d, unsigned q, unsigned n, uint32_t len)
{
	for (unsigned i = 0; i < n; i++) {
		struct virtio_desc *at = &ring[q].desc[3 * i];
		uintptr_t to = BUFFER + (q ? REQUESTS * PIECE : i * PIECE);

		status[q][i] = MARK;
		at[0] = (struct virtio_desc){(uintptr_t)&header, sizeof(header), DESC_NEXT, 3 * i + 1};
		at[1] = (struct virtio_desc){to, len, DESC_NEXT | DESC_WRITE, 3 * i + 2};
		at[2] = (struct virtio_desc){(uintptr_t)&status[q][i], 1, DESC_WRITE, 0};
		virtio_offer(&ring[q], 3 * i);
	}
	virtio_kick(d, &ring[q]);
}

static bool answered(unsigned q, unsigned n)
{
	uint32_t id, len;

	for (unsigned i = 0; i < n; i++)
		if (!virtio_wait(&ring[q], &id, &len))
			return false;
	for (unsigned i = 0; i < n; i++)
		if (status[q][i] != VIRTIO_S_OK)
			return false;
	return true;
}

/* Nothing of the queue is written to once the reset has ended. */
static bool stays_quiet(void)
{
	uint16_t used = ring[0].used.idx;
	bool quiet = true;

	for (uint32_t i = 0; i < REQUESTS * PIECE; i += SECTOR)
		buffer()[i] = MARK;
	for (unsigned i = 0; i < REQUESTS; i++)
		status[0][i] = MARK;
	guest_delay_us(QUIET_US);
	for (uint32_t i = 0; i < REQUESTS * PIECE; i += SECTOR)
		quiet &= buffer()[i] == MARK;
	for (unsigned i = 0; i < REQUESTS; i++)
		quiet &= status[0][i] == MARK;
	return quiet && ring[0].used.idx == used;
}

static void check_disk(bool device)
{
	struct virtio_dev d;
	uint16_t size_max;
	unsigned bad_end = 0, noisy = 0, other = 0, broken = 0;

	if (!EXPECT("rings/disk-there", virtio_find(&d, BLOCK, 0)))
		return;
	size_max = size_of(&d, 0);
	EXPECT("rings/offered", virtio_negotiate(&d, RING_RESET) & RING_RESET);
	EXPECT("rings/disk-queues",
	       virtio_queue_start(&d, &ring[0], 0, 64) && virtio_queue_start(&d, &ring[1], 1, 64));
	virtio_driver_ok(&d);
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint16_t size = i % 2 ? 64 : 4;

		offer_reads(&d, 0, REQUESTS, PIECE);
		offer_reads(&d, 1, 4, SECTOR);
		bad_end += !reset_queue(&d, 0, size_max);
		noisy += !stays_quiet();
		other += !answered(1, 4);
		broken += !virtio_queue_start(&d, &ring[0], 0, size);
		offer_reads(&d, 0, 1, SECTOR);
		broken += !answered(0, 1);
		bad_end += !reset_queue(&d, 0, size_max);
		broken += !virtio_queue_start(&d, &ring[0], 0, 64);
	}
	guest_expect_equal("rings/disk-ends", bad_end, 0);
	guest_expect_equal("rings/disk-quiet", noisy, 0);
	guest_expect_equal("rings/disk-other-queue", other, 0);
	guest_expect_equal("rings/disk-again", broken, 0);
	if (device)
		EXPECT("rings/disk-waited", seen_going_on > 0);
	/* The device's own reset in the midst of one. */
	offer_reads(&d, 0, REQUESTS, PIECE);
	virtio_set(&d, VIO_QUEUE_SELECT, 2, 0);
	virtio_set(&d, VIO_QUEUE_RESET, 2, 1);
	EXPECT("rings/device-reset", virtio_do_reset(&d) && !virtio_get(&d, VIO_QUEUE_RESET, 2));
}

/* --- the others --- */

static void offer_one(const struct virtio_dev *d, unsigned q, bool to_device)
{
	ring[q].desc[0] = (struct virtio_desc){(uintptr_t)packet, PACKET, to_device ? 0 : DESC_WRITE, 0};
	virtio_offer(&ring[q], 0);
	virtio_kick(d, &ring[q]);
}

/* answers: the queues, as bits, whose buffers come back by themselves; to_device: those that are read. */
static void check_device(const char *name, uint16_t type, unsigned queues, unsigned to_device,
			 unsigned answers)
{
	struct virtio_dev d;
	uint32_t id, len;
	unsigned wrong = 0;

	if (!guest_expect(name, virtio_find(&d, type, 0), "there"))
		return;
	for (unsigned i = 0; i < PACKET; i++)
		packet[i] = i == PACKET - 1 ? '\n' : '.';
	guest_expect(name, virtio_negotiate(&d, RING_RESET) & RING_RESET, "offered");
	for (unsigned q = 0; q < queues; q++)
		guest_expect(name, virtio_queue_start(&d, &ring[q], q, ENTRIES), "queue");
	virtio_driver_ok(&d);
	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned q = i % queues;
		uint16_t size_max;

		offer_one(&d, q, to_device >> q & 1);
		if (answers >> q & 1)
			wrong += !virtio_wait(&ring[q], &id, &len);
		virtio_set(&d, VIO_QUEUE_SELECT, 2, q);
		virtio_set(&d, VIO_QUEUE_RESET, 2, 1);
		size_max = size_of(&d, q);
		wrong += !reset_queue(&d, q, size_max) || size_max < ENTRIES;
		wrong += !virtio_queue_start(&d, &ring[q], q, ENTRIES);
	}
	guest_expect_equal(name, wrong, 0);
	guest_expect_equal(name, virtio_get_status(&d),
			   VIO_ACKNOWLEDGE | VIO_DRIVER | VIO_FEATURES_OK | VIO_DRIVER_OK);
}

/* Who has not agreed on it gets none, and neither does a queue that doesn't exist. */
static void check_refused(void)
{
	struct virtio_dev d;

	EXPECT("rings/without", virtio_find(&d, ENTROPY, 0) && virtio_negotiate(&d, 0) &&
				    virtio_queue_start(&d, &ring[0], 0, ENTRIES));
	virtio_driver_ok(&d);
	virtio_set(&d, VIO_QUEUE_RESET, 2, 1);
	guest_expect_equal("rings/without-enabled", virtio_get(&d, VIO_QUEUE_ENABLE, 2), 1);
	virtio_negotiate(&d, RING_RESET);
	virtio_set(&d, VIO_QUEUE_SELECT, 2, 9);
	virtio_set(&d, VIO_QUEUE_RESET, 2, 1);
	guest_expect_equal("rings/no-such-queue", virtio_get(&d, VIO_QUEUE_RESET, 2), 0);
}

void test_main(void)
{
	check_disk(guest_cmdline_has("device"));
	check_device("rings/entropy", ENTROPY, 1, 0, 1);
	check_device("rings/net", NET, 2, 2, 2);
	check_device("rings/console", CONSOLE, 2, 2, 2);
	check_refused();
}
