/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Text to the virtio console, as Linux gives it: half a page at a time, each waited for by looking at the ring.
 * tests/bench/bench.py counts the exits. "twice": double the number.
 */
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/virtio.h"

#define TYPE_CONSOLE 3
#define TRANSMIT     1
#define ENTRIES      16
#define PIECE        2048
#define LINE         64
#define PIECES       16

static struct virtio_dev dev;
static struct virtio_ring tx;
static char text[PIECE];

static bool set_up(void)
{
	if (!virtio_find(&dev, TYPE_CONSOLE, 0) || !virtio_negotiate(&dev, 0) ||
	    !virtio_queue_start(&dev, &tx, TRANSMIT, ENTRIES))
		return false;
	for (unsigned i = 0; i < PIECE; i++)
		text[i] = i % LINE == LINE - 1 ? '\n' : '.';
	tx.desc[0] = (struct virtio_desc){.addr = (uintptr_t)text, .len = PIECE};
	virtio_driver_ok(&dev);
	return true;
}

void test_main(void)
{
	unsigned pieces = guest_cmdline_has("twice") ? 2 * PIECES : PIECES;
	uint32_t id, len;

	if (!EXPECT("bench/there", set_up()))
		return;
	for (unsigned i = 0; i < pieces; i++) {
		virtio_offer(&tx, 0);
		virtio_kick(&dev, &tx);
		while (!virtio_take_used(&tx, &id, &len))
			;
	}
}
