/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtio entropy device: random bytes, as often as they are asked for, and none beside the buffer. */
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/virtio.h"

#define TYPE   4
#define BYTES  64
#define ROUNDS 100
#define GUARD  0xa5

static struct virtio_ring ring;
static uint8_t buffer[BYTES + 2];

/* The buffer, filled anew; 0: nothing came. */
static uint32_t fill(const struct virtio_dev *d)
{
	uint32_t id = 0, len = 0;

	buffer[0] = buffer[BYTES + 1] = GUARD;
	ring.desc[0] = (struct virtio_desc){(uintptr_t)(buffer + 1), BYTES, DESC_WRITE, 0};
	virtio_offer(&ring, 0);
	virtio_kick(d, &ring);
	return virtio_wait(&ring, &id, &len) && id == 0 ? len : 0;
}

static void check_bytes(const struct virtio_dev *d)
{
	unsigned count[256] = {}, most = 0, short_ones = 0, spoiled = 0;

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint32_t n = fill(d);

		if (n != BYTES)
			short_ones++;
		if (buffer[0] != GUARD || buffer[BYTES + 1] != GUARD)
			spoiled++;
		for (unsigned k = 0; k < n; k++)
			count[buffer[1 + k]]++;
	}
	for (unsigned i = 0; i < 256; i++)
		most = count[i] > most ? count[i] : most;
	guest_expect_equal("entropy/all-filled", short_ones, 0);
	guest_expect_equal("entropy/nothing-beside", spoiled, 0);
	/* 6400 bytes of 256 values: 25 of each, and more than 75 of one by chance never. */
	EXPECT("entropy/every-value-alike", most > 0 && most < 75);
}

/* A buffer that the device must not write to. */
static void check_broken(const struct virtio_dev *d)
{
	ring.desc[0] = (struct virtio_desc){(uintptr_t)(buffer + 1), BYTES, 0, 0};
	virtio_offer(&ring, 0);
	virtio_kick(d, &ring);
	EXPECT("entropy/needs-reset", virtio_get_status(d) & VIO_NEEDS_RESET);
	EXPECT("entropy/reset", virtio_do_reset(d));
}

void test_main(void)
{
	struct virtio_dev d;

	if (!EXPECT("entropy/there", virtio_find(&d, TYPE, 0)))
		return;
	for (unsigned i = 0; i < 2; i++) {
		EXPECT("entropy/negotiated", virtio_negotiate(&d, 0));
		EXPECT("entropy/queue", virtio_queue_start(&d, &ring, 0, 8));
		virtio_driver_ok(&d);
		check_bytes(&d);
		check_broken(&d);
	}
}
