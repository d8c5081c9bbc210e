/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes a virtqueue as a hostile driver would: the input is what the driver writes to its rings, descriptors and setup,
 * mixed with what the device does. Beside not touching a byte outside of guest memory: every segment is memory of the right
 * kind, chains are bounded, no more are in flight than the queue holds, and nothing but the used ring and the chains'
 * writable bytes ever changes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "hv/lib/panic.h"
#include "hv/lib/util.h"
#include "hv/vdev/virtqueue.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/require.h"

/* RAM, ROM and RAM, a page each, with a hole before the last one. */
#define ROM     0x1000
#define HOLE    0x2000
#define SECOND  0x3000
#define SIZE    0x4000
#define SIZEMAX 16
#define SEG_MAX 12

static struct gmem m;
static struct virtqueue q;
static uint8_t before[SIZE];
static uint16_t flying[SIZEMAX]; /* heads in flight */
/* What a driver would: small numbers lie in memory, and one bit chooses any at all. */
static uint64_t address(void)
{
	uint16_t v = take(2);

	return v & 0x8000 ? take(8) : v;
}

static void poke(uint64_t at, const void *src, size_t n)
{
	if (at <= SIZE - n && !(at < SECOND && at + n > HOLE))
		memcpy(m.base + at, src, n);
}

static void check_unchanged(void)
{
	uint64_t used = q.enabled ? q.device.v : SIZE;
	uint64_t behind = q.enabled ? used + 6 + 8 * (uint64_t)q.size : SIZE;

	REQUIRE(!memcmp(m.base, before, used));
	REQUIRE(!memcmp(m.base + behind, before + behind, SIZE - behind));
}

static void check_chain(const struct vq_chain *c)
{
	uint64_t sum[2] = {};

	REQUIRE(c->count > 0 && c->count <= SEG_MAX && c->count <= q.size && c->readable <= c->count);
	REQUIRE(c->head < q.size);
	for (unsigned i = 0; i < c->count; i++) {
		uint64_t at = c->seg[i].at.v, end = at + c->seg[i].len;

		REQUIRE(end > at && end <= SIZE && (end <= HOLE || at >= SECOND));
		REQUIRE(i < c->readable || end <= ROM || at >= SECOND);
		sum[i >= c->readable] += c->seg[i].len;
	}
	REQUIRE(sum[0] == c->readable_len && sum[1] == c->writable_len);
}

static void device_takes(void)
{
	static struct vq_segment seg[SEG_MAX];
	static uint8_t data[0x1000];
	struct vq_chain c = {.seg = seg, .seg_max = SEG_MAX};
	uint64_t offset = take(1);
	enum status broken = q.broken, s;

	s = vq_take(&q, &c);
	REQUIRE(broken == OK || s == broken || !q.enabled);
	REQUIRE(vq_in_flight(&q) <= q.size);
	check_unchanged();
	if (s != OK)
		return;
	check_chain(&c);
	flying[vq_in_flight(&q) - 1] = c.head;
	REQUIRE(vq_chain_read(&c, &m, offset, data, sizeof(data)) <= sizeof(data));
	/* This may well be over the rings. */
	REQUIRE(vq_chain_write(&c, &m, offset, data, sizeof(data)) <= c.writable_len);
	REQUIRE(!memcmp(m.base + ROM, before + ROM, HOLE - ROM));
}

static void device_gives(void)
{
	uint16_t n = vq_in_flight(&q), i = take(1);

	if (!n)
		return;
	i %= n;
	vq_give(&q, flying[i], take(4));
	flying[i] = flying[n - 1];
}

static void driver_sets_up(void)
{
	uint16_t size = take(2);

	/* The device waits for its chains before it begins anew. */
	if (!vq_stop(&q))
		return;
	vq_init(&q, &m, SIZEMAX);
	if (vq_size_valid(&q, size))
		q.size = size;
	q.desc = gpa(address());
	q.driver = gpa(address());
	q.device = gpa(address());
	REQUIRE((vq_enable(&q, size & 0x100, !(size & 0x200)) == OK) == q.enabled);
}

static void step(void)
{
	uint16_t v;
	uint64_t d[2];

	switch (take(1) % 9) {
	case 0:
		driver_sets_up();
		break;
	case 1: /* the next entry of the available ring, and idx */
		if (!q.enabled)
			break;
		v = take(1);
		memcpy(&q.avail->ring[q.avail->idx % q.size], &v, sizeof(v));
		q.avail->idx++;
		break;
	case 2: /* a descriptor of the queue, or of an indirect table */
		d[0] = address();
		v = take(1);
		d[1] = take(2) | (uint64_t)(v & 7) << 32 | (uint64_t)(v >> 3) << 48;
		poke(take(1) & 1 ? address() : q.desc.v + VQ_DESC_SIZE * (take(1) % SIZEMAX), d, sizeof(d));
		break;
	case 3: /* anything anywhere */
		v = take(2);
		poke(address(), &v, sizeof(v));
		break;
	case 4:
		device_takes();
		break;
	case 5:
		device_gives();
		break;
	case 6:
		vq_must_signal(&q);
		break;
	case 7:
		vq_listen(&q);
		break;
	case 8:
		vq_mute(&q);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	m = (struct gmem){.base = calloc(1, SIZE)};
	REQUIRE(gmem_add(&m, 0, ROM, false) == OK);
	REQUIRE(gmem_add(&m, ROM, HOLE - ROM, true) == OK);
	REQUIRE(gmem_add(&m, SECOND, SIZE - SECOND, false) == OK);
	vq_init(&q, &m, SIZEMAX);
	input = data;
	left = size;
	while (left) {
		uint8_t kind = *input % 9;

		memcpy(before, m.base, SIZE);
		step();
		if (kind >= 5)
			check_unchanged();
	}
	free(m.base);
	return 0;
}
