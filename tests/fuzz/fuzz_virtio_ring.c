/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes the driver's side of a virtqueue as a bad device would: the input is what is offered, and what the device writes
 * anywhere in the rings. Whatever that is, each chain comes back at most once, with no more written than it had room for, and
 * no descriptor is lost or in two chains.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "drivers/virtio_ring.h"
#include "hv/lib/panic.h"
#include "hv/lib/util.h"
#include "tests/fuzz/require.h"

#define SIZE   8
#define PIECES 4u

static struct virtio_ring r;
static struct flight {
	bool flying;
	uint16_t head, pieces;
	uint32_t writable;
} flights[SIZE];

void panic(const char *fmt, ...)
{
	fprintf(stderr, "panic: %s\n", fmt);
	abort();
}

static void check(void)
{
	unsigned pieces = 0, chains = 0;

	for (unsigned i = 0; i < SIZE; i++) {
		pieces += flights[i].flying ? flights[i].pieces : 0;
		chains += flights[i].flying;
	}
	REQUIRE(chains == r.in_flight);
	REQUIRE(pieces + virtio_ring_room(&r) == SIZE);
}

/* Bits 0-1 of how: pieces, less one; 2-3: of them to be written, at most. */
static void offer(uint8_t how)
{
	unsigned pieces = 1 + how % PIECES, writable = MIN(how / PIECES % PIECES, pieces);
	struct flight *f = flights;

	if (virtio_ring_room(&r) < pieces)
		return;
	while (f->flying)
		f++;
	*f = (struct flight){true, virtio_ring_next(&r), (uint16_t)pieces, 100 * writable};
	virtio_ring_begin(&r);
	for (unsigned i = 0; i < pieces; i++)
		virtio_ring_piece(&r, 0x1000 * i, 100, i >= pieces - writable);
	virtio_ring_end(&r, f);
}

static void take(void)
{
	struct flight *f;
	uint32_t written;
	uint16_t head;
	void *token;

	if (virtio_ring_take(&r, &token, &head, &written) != OK)
		return;
	f = token;
	REQUIRE(f >= flights && f < flights + SIZE && f->flying);
	REQUIRE(head == f->head && written <= f->writable);
	f->flying = false;
}

/* A device that is right, but for the length. */
static void answer(uint8_t which, uint8_t len)
{
	for (unsigned i = 0; i < SIZE; i++) {
		struct flight *f = &flights[(which + i) % SIZE];

		if (!f->flying)
			continue;
		r.used->ring[r.used->idx++ % SIZE] = (struct vq_used_elem){f->head, len};
		return;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t memory[4096] __attribute__((aligned(16)));
	size_t shared;

	virtio_ring_init(&r, SIZE, memory);
	memset(flights, 0, sizeof(flights));
	shared = (size_t)((uint8_t *)r.slot - memory);
	for (; size >= 3; data += 3, size -= 3) {
		switch (data[0] % 8) {
		case 0 ... 2:
			offer(data[1]);
			break;
		case 3:
			answer(data[1], data[2]);
			break;
		case 4:
			((uint8_t *)r.used)[data[1] % (6 + 8 * SIZE)] = data[2];
			break;
		case 5:
			memory[(data[1] * 2u + (data[0] >> 7)) % shared] = data[2];
			break;
		default:
			take();
		}
		check();
	}
	return 0;
}
