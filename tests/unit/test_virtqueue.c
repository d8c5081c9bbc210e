/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hv/vdev/virtqueue.c and vq_chain.c against rings that this test writes as a driver would, and as none should: loops,
 * huge lengths, indices that jump, rings outside of memory, reset with chains in flight, indices that wrap around.
 */
#include "support.h"

#include <stdlib.h>
#include <string.h>
#include "hv/lib/util.h"
#include "hv/vdev/virtqueue.h"

/* RAM 0-0x10000, ROM 0x10000-0x11000, a hole, RAM 0x20000-0x21000, where the buffer ends. */
#define SIZE    0x21000
#define DESC    0x1000
#define AVAIL   0x2000
#define USED    0x3000
#define TABLE   0x4008 /* indirect, not aligned */
#define ENTRIES 8
#define SEG_MAX 6

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

static struct gmem m;
static struct virtqueue q;
static struct vq_segment seg[SEG_MAX];
static struct vq_chain c;

static int setup(void **state)
{
	m = (struct gmem){.base = calloc(1, SIZE)};
	assert_int_equal(gmem_add(&m, 0, 0x10000, false), OK);
	assert_int_equal(gmem_add(&m, 0x10000, 0x1000, true), OK);
	assert_int_equal(gmem_add(&m, 0x20000, 0x1000, false), OK);
	vq_init(&q, &m, ENTRIES);
	q.desc = gpa(DESC);
	q.driver = gpa(AVAIL);
	q.device = gpa(USED);
	memset(seg, 0xee, sizeof(seg));
	c = (struct vq_chain){.seg = seg, .seg_max = SEG_MAX};
	return 0;
}

static int teardown(void **state)
{
	free(m.base);
	return 0;
}

static void put16(uint64_t at, uint16_t v)
{
	memcpy(m.base + at, &v, sizeof(v));
}

static uint16_t get16(uint64_t at)
{
	uint16_t v;

	memcpy(&v, m.base + at, sizeof(v));
	return v;
}

static uint32_t get32(uint64_t at)
{
	uint32_t v;

	memcpy(&v, m.base + at, sizeof(v));
	return v;
}

/* Entry n of a table of descriptors. */
static void put_desc(uint64_t table, unsigned n, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	struct desc d = {addr, len, flags, next};

	memcpy(m.base + table + n * sizeof(d), &d, sizeof(d));
}

/* The driver offers the chain that begins at `head`. */
static void offer(uint16_t head)
{
	uint16_t idx = get16(AVAIL + 2);

	put16(AVAIL + 4 + 2 * (idx % ENTRIES), head);
	put16(AVAIL + 2, idx + 1);
}

static void enable(bool event_idx, bool indirect)
{
	assert_int_equal(vq_enable(&q, event_idx, indirect), OK);
}

/* One chain of one descriptor, taken and given. */
static void one(void)
{
	put_desc(DESC, 0, 0x5000, 16, VQ_DESC_WRITE, 0);
	offer(0);
	assert_int_equal(vq_take(&q, &c), OK);
	vq_give(&q, c.head, 16);
}

static void test_sizes(void **state)
{
	assert_true(vq_size_valid(&q, 1) && vq_size_valid(&q, 2) && vq_size_valid(&q, ENTRIES));
	assert_false(vq_size_valid(&q, 0) || vq_size_valid(&q, 3) || vq_size_valid(&q, 2 * ENTRIES));
	assert_false(vq_size_valid(&q, 0x10001));
}

static void test_addresses(void **state)
{
	static const struct {
		uint64_t desc, driver, device;
		enum status expect;
	} cases[] = {
	    {DESC + 8, AVAIL, USED, ERR_INVAL},
	    {DESC, AVAIL + 1, USED, ERR_INVAL},
	    {DESC, AVAIL, USED + 2, ERR_INVAL},
	    {0x10000, AVAIL, USED, ERR_RANGE}, /* ROM */
	    {DESC, 0x1f000, USED, ERR_RANGE},  /* the hole */
	    {DESC, AVAIL, 0xfffc, ERR_RANGE},  /* across the end */
	    {UINT64_MAX - 15, AVAIL, USED, ERR_RANGE},
	    {DESC, UINT64_MAX - 1, USED, ERR_RANGE},
	    {DESC, AVAIL, UINT64_MAX - 3, ERR_RANGE},
	    {SIZE - 16 * ENTRIES, AVAIL, USED, OK}, /* ends with memory */
	    {SIZE - 16 * ENTRIES + 16, AVAIL, USED, ERR_RANGE},
	    {DESC, SIZE - 6 - 2 * ENTRIES, USED, OK},
	    {DESC, SIZE - 4 - 2 * ENTRIES, USED, ERR_RANGE},
	    {DESC, AVAIL, SIZE - 8 - 8 * ENTRIES, OK},
	    {DESC, AVAIL, SIZE - 4 - 8 * ENTRIES, ERR_RANGE},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		vq_init(&q, &m, ENTRIES);
		q.desc = gpa(cases[i].desc);
		q.driver = gpa(cases[i].driver);
		q.device = gpa(cases[i].device);
		assert_int_equal(vq_enable(&q, true, true), cases[i].expect);
		assert_int_equal(q.enabled, cases[i].expect == OK);
		/* The event fields at the very end are within it: the sanitizer watches. */
		assert_false(vq_listen(&q));
		assert_int_equal(vq_take(&q, &c), ERR_NOENT);
	}
}

static void test_chain(void **state)
{
	char text[64];

	enable(false, false);
	assert_int_equal(vq_take(&q, &c), ERR_NOENT);
	put_desc(DESC, 3, 0x5000, 4, VQ_DESC_NEXT, 7);
	put_desc(DESC, 7, 0x10ffe, 2, VQ_DESC_NEXT, 1); /* of ROM may be read */
	put_desc(DESC, 1, 0x20ffe, 2, VQ_DESC_NEXT | VQ_DESC_WRITE, 2);
	put_desc(DESC, 2, 0xfffe, 2, VQ_DESC_WRITE, 99);
	memcpy(m.base + 0x5000, "abcd", 4);
	memcpy(m.base + 0x10ffe, "ef", 2);
	offer(3);
	assert_int_equal(vq_take(&q, &c), OK);
	assert_int_equal(c.head, 3);
	assert_int_equal(c.count, 4);
	assert_int_equal(c.readable, 2);
	assert_int_equal(c.readable_len, 6);
	assert_int_equal(c.writable_len, 4);
	assert_int_equal(c.seg[1].at.v, 0x10ffe);
	assert_int_equal(c.seg[2].len, 2);
	assert_int_equal(vq_take(&q, &c), ERR_NOENT);
	assert_int_equal(vq_in_flight(&q), 1);

	/* Copies do not care for the seams, and stop at the end. */
	assert_int_equal(vq_chain_read(&c, &m, 0, text, sizeof(text)), 6);
	assert_memory_equal(text, "abcdef", 6);
	assert_int_equal(vq_chain_read(&c, &m, 3, text, 2), 2);
	assert_memory_equal(text, "de", 2);
	assert_int_equal(vq_chain_read(&c, &m, 6, text, 1), 0);
	assert_int_equal(vq_chain_read(&c, &m, UINT64_MAX, text, 1), 0);
	assert_int_equal(vq_chain_write(&c, &m, 1, "xyzw", 4), 3);
	assert_memory_equal(m.base + 0x20ffe, "\0x", 2);
	assert_memory_equal(m.base + 0xfffe, "yz", 2);
	assert_int_equal(m.base[0x10000], 0);
	assert_int_equal(vq_chain_write(&c, &m, 4, "x", 1), 0);

	vq_give(&q, c.head, 4);
	assert_int_equal(get16(USED + 2), 1);
	assert_int_equal(get32(USED + 4), 3);
	assert_int_equal(get32(USED + 8), 4);
	assert_int_equal(vq_in_flight(&q), 0);
	assert_panics(vq_give(&q, c.head, 4));
}

/* The short way takes what is one buffer, large enough, and leaves everything else to vq_take. */
static void test_take_buffer(void **state)
{
	static const struct {
		uint64_t addr;
		uint32_t len;
		uint16_t flags, head;
		bool takes;
		enum status expect; /* of vq_take, where not */
	} cases[] = {
	    {0x5000, 100, VQ_DESC_WRITE, 1, true, OK},
	    {0x5000, 101, VQ_DESC_WRITE, 1, true, OK},
	    {0x10000 - 100, 100, VQ_DESC_WRITE, 1, true, OK},
	    {0x5000, 99, VQ_DESC_WRITE, 1, false, OK},
	    {0x5000, 100, 0, 1, false, OK},
	    {0x5000, 100, VQ_DESC_WRITE | VQ_DESC_NEXT, 1, false, OK},
	    {TABLE, 16, VQ_DESC_INDIRECT, 1, false, OK},
	    {TABLE, 160, VQ_DESC_INDIRECT | VQ_DESC_WRITE, 1, false, OK},
	    {0x20000, 100, VQ_DESC_WRITE, 1, false, OK},
	    {0x10000 - 100, 101, VQ_DESC_WRITE, 1, false, ERR_RANGE},
	    {0x10000, 100, VQ_DESC_WRITE, 1, false, ERR_RANGE},
	    {0x11000, 100, VQ_DESC_WRITE, 1, false, ERR_RANGE},
	    {UINT64_MAX, 100, VQ_DESC_WRITE, 1, false, ERR_RANGE},
	    {0x5000, UINT32_MAX, VQ_DESC_WRITE, 1, false, ERR_RANGE},
	    {0x5000, 0, VQ_DESC_WRITE, 1, false, ERR_INVAL},
	    {0x5000, 100, VQ_DESC_WRITE, ENTRIES, false, ERR_INVAL},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		uint16_t head;
		void *at;

		teardown(state);
		setup(state);
		enable(false, true);
		put_desc(DESC, 0, 0x6000, 100, VQ_DESC_WRITE, 0);
		put_desc(DESC, 1, cases[i].addr, cases[i].len, cases[i].flags, 2);
		put_desc(DESC, 2, 0x7000, 100, VQ_DESC_WRITE, 0);
		put_desc(DESC, ENTRIES, 0x7000, 100, VQ_DESC_WRITE, 0); /* is not of the table */
		put_desc(TABLE, 0, 0x8000, 100, VQ_DESC_WRITE, 0);
		offer(0);
		offer(cases[i].head);
		/* That there is something nobody has seen yet. */
		assert_null(vq_take_buffer(&q, 100, &head));
		assert_int_equal(vq_take(&q, &c), OK);
		at = vq_take_buffer(&q, 100, &head);
		if (cases[i].takes) {
			assert_ptr_equal(at, m.base + cases[i].addr);
			assert_int_equal(head, 1);
		} else {
			assert_null(at);
			assert_int_equal(vq_in_flight(&q), 1);
			assert_int_equal(vq_take(&q, &c), cases[i].expect);
		}
		assert_int_equal(vq_in_flight(&q), cases[i].expect == OK ? 2 : 1);
		assert_null(vq_take_buffer(&q, 1, &head));
	}
	/* Nor from one that is stopped. */
	teardown(state);
	setup(state);
	enable(false, false);
	put_desc(DESC, 0, 0x6000, 100, VQ_DESC_WRITE, 0);
	offer(0);
	offer(0);
	assert_int_equal(vq_take(&q, &c), OK);
	(void)vq_stop(&q);
	assert_null(vq_take_buffer(&q, 1, &(uint16_t){0}));
}

static void test_out_of_order(void **state)
{
	enable(false, false);
	for (unsigned i = 0; i < ENTRIES; i++) {
		put_desc(DESC, i, 0x5000 + 16 * i, 16, VQ_DESC_WRITE, 0);
		offer(i);
	}
	for (unsigned i = 0; i < ENTRIES; i++)
		assert_int_equal(vq_take(&q, &c), OK);
	assert_int_equal(vq_take(&q, &c), ERR_NOENT);
	for (unsigned i = 0; i < ENTRIES; i++)
		vq_give(&q, i ^ 5, i);
	for (unsigned i = 0; i < ENTRIES; i++) {
		assert_int_equal(get32(USED + 4 + 8 * i), i ^ 5);
		assert_int_equal(get32(USED + 8 + 8 * i), i);
	}
	assert_int_equal(get16(USED + 2), ENTRIES);
}

static void test_indirect(void **state)
{
	enable(false, true);
	/* One ordinary descriptor, then the table, whose WRITE flag means nothing; in it the order is by `next`. */
	put_desc(DESC, 0, 0x5000, 1, VQ_DESC_NEXT, 4);
	put_desc(DESC, 4, TABLE, 3 * 16, VQ_DESC_INDIRECT | VQ_DESC_WRITE, 77);
	put_desc(TABLE, 0, 0x6000, 2, VQ_DESC_NEXT, 2);
	put_desc(TABLE, 2, 0x7000, 3, VQ_DESC_NEXT | VQ_DESC_WRITE, 1);
	put_desc(TABLE, 1, 0x8000, 4, VQ_DESC_WRITE, 0);
	offer(0);
	assert_int_equal(vq_take(&q, &c), OK);
	assert_int_equal(c.head, 0);
	assert_int_equal(c.count, 4);
	assert_int_equal(c.readable_len, 3);
	assert_int_equal(c.writable_len, 7);
	assert_int_equal(c.seg[3].at.v, 0x8000);
	vq_give(&q, 0, 7);
}

/* What may stand in descriptor 0, 1 and entry 0 of the indirect table, and what the queue makes of it. */
static void test_bad_chains(void **state)
{
	static const struct {
		struct desc d0, d1, t0;
		bool no_indirect;
		enum status expect;
	} cases[] = {
	    {.d0 = {0x5000, 1, 0, 0}, .expect = OK},
	    {.d0 = {0x5000, 1, VQ_DESC_NEXT, 0}, .expect = ERR_INVAL}, /* itself */
	    {.d0 = {0x5000, 1, VQ_DESC_NEXT, 1}, .d1 = {0x5000, 1, VQ_DESC_NEXT, 0}, .expect = ERR_INVAL},
	    {.d0 = {0x5000, 1, VQ_DESC_NEXT, ENTRIES}, .expect = ERR_INVAL},
	    {.d0 = {0x5000, 1, VQ_DESC_NEXT, 0xffff}, .expect = ERR_INVAL},
	    {.d0 = {0x5000, 0, 0, 0}, .expect = ERR_INVAL},
	    {.d0 = {0x5000, UINT32_MAX, 0, 0}, .expect = ERR_RANGE},
	    {.d0 = {0x18000, 1, 0, 0}, .expect = ERR_RANGE},
	    {.d0 = {0x10fff, 2, 0, 0}, .expect = ERR_RANGE},
	    {.d0 = {0x10fff, 1, VQ_DESC_WRITE, 0}, .expect = ERR_RANGE}, /* ROM */
	    {.d0 = {0xffff, 2, VQ_DESC_WRITE, 0}, .expect = ERR_RANGE},
	    {.d0 = {UINT64_MAX, 2, 0, 0}, .expect = ERR_RANGE},
	    {.d0 = {SIZE, 1, 0, 0}, .expect = ERR_RANGE},
	    {.d0 = {SIZE - 1, 1, VQ_DESC_WRITE, 0}, .expect = OK},
	    /* Readable after writable. */
	    {.d0 = {0x5000, 1, VQ_DESC_NEXT | VQ_DESC_WRITE, 1},
	     .d1 = {0x5000, 1, 0, 0},
	     .expect = ERR_INVAL},
	    {.d0 = {0x5000, 1, VQ_DESC_NEXT | VQ_DESC_WRITE, 1},
	     .d1 = {TABLE, 16, VQ_DESC_INDIRECT, 0},
	     .t0 = {0x5000, 1, 0, 0},
	     .expect = ERR_INVAL},
	    /* Indirect tables. */
	    {.d0 = {TABLE, 16, VQ_DESC_INDIRECT, 0}, .t0 = {0x5000, 1, 0, 0}, .expect = OK},
	    {.d0 = {TABLE, 16, VQ_DESC_INDIRECT, 0},
	     .t0 = {0x5000, 1, 0, 0},
	     .no_indirect = true,
	     .expect = ERR_INVAL},
	    {.d0 = {TABLE, 16, VQ_DESC_INDIRECT | VQ_DESC_NEXT, 1},
	     .d1 = {0x5000, 1, 0, 0},
	     .t0 = {0x5000, 1, 0, 0},
	     .expect = ERR_INVAL},
	    {.d0 = {TABLE, 16, VQ_DESC_INDIRECT, 0},
	     .t0 = {TABLE, 16, VQ_DESC_INDIRECT, 0},
	     .expect = ERR_INVAL}, /* nested, in itself */
	    {.d0 = {TABLE, 16, VQ_DESC_INDIRECT, 0}, .t0 = {0x5000, 1, VQ_DESC_NEXT, 0}, .expect = ERR_INVAL},
	    {.d0 = {TABLE, 16, VQ_DESC_INDIRECT, 0}, .t0 = {0x5000, 1, VQ_DESC_NEXT, 1}, .expect = ERR_INVAL},
	    {.d0 = {TABLE, 0, VQ_DESC_INDIRECT, 0}, .expect = ERR_INVAL},
	    {.d0 = {TABLE, 15, VQ_DESC_INDIRECT, 0}, .expect = ERR_INVAL},
	    {.d0 = {TABLE, 17, VQ_DESC_INDIRECT, 0}, .t0 = {0x5000, 1, 0, 0}, .expect = ERR_INVAL},
	    {.d0 = {TABLE, 0xfffffff0, VQ_DESC_INDIRECT, 0}, .expect = ERR_RANGE},
	    {.d0 = {0x10ff8, 16, VQ_DESC_INDIRECT, 0}, .expect = ERR_RANGE},
	    {.d0 = {SIZE - 8, 16, VQ_DESC_INDIRECT, 0}, .expect = ERR_RANGE},
	    {.d0 = {UINT64_MAX - 7, 16, VQ_DESC_INDIRECT, 0}, .expect = ERR_RANGE},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		teardown(state);
		setup(state);
		enable(false, !cases[i].no_indirect);
		memcpy(m.base + DESC, &cases[i].d0, sizeof(struct desc));
		memcpy(m.base + DESC + 16, &cases[i].d1, sizeof(struct desc));
		memcpy(m.base + TABLE, &cases[i].t0, sizeof(struct desc));
		offer(0);
		if (vq_take(&q, &c) != cases[i].expect)
			fail_msg("case %zu: %d", i, (int)q.broken);
		if (cases[i].expect == OK)
			continue;
		/* Broken for good; nothing is in flight, and the rings are as they were. */
		put_desc(DESC, 0, 0x5000, 1, 0, 0);
		assert_int_equal(vq_take(&q, &c), cases[i].expect);
		assert_false(vq_listen(&q));
		assert_int_equal(vq_in_flight(&q), 0);
		assert_int_equal(get16(USED + 2), 0);
	}
}

static void test_chain_length(void **state)
{
	/* As long as the owner's array may be; one more breaks it. */
	for (unsigned n = SEG_MAX; n <= SEG_MAX + 1; n++) {
		teardown(state);
		setup(state);
		enable(false, false);
		for (unsigned i = 0; i < n; i++)
			put_desc(DESC, i, 0x5000, 1, i + 1 < n ? VQ_DESC_NEXT : 0, i + 1);
		offer(0);
		assert_int_equal(vq_take(&q, &c), n == SEG_MAX ? OK : ERR_INVAL);
	}
	/* The queue's size is a bound too, for indirect tables as well. */
	for (unsigned n = 4; n <= 5; n++) {
		teardown(state);
		setup(state);
		q.size = 4;
		enable(false, true);
		for (unsigned i = 0; i < n; i++)
			put_desc(TABLE, i, 0x5000, 1, i + 1 < n ? VQ_DESC_NEXT : 0, i + 1);
		put_desc(DESC, 0, TABLE, n * 16, VQ_DESC_INDIRECT, 0);
		offer(0);
		assert_int_equal(vq_take(&q, &c), n == 4 ? OK : ERR_INVAL);
	}
}

/* 2^32 bytes at most: in a guest of so much memory, whose bytes nothing here touches. */
static void test_total_length(void **state)
{
	static struct vq_segment segs[4];
	struct vq_chain big = {.seg = segs, .seg_max = 4};
	struct gmem huge = {.base = m.base};
	struct desc table[3] = {{0, GIB(2), VQ_DESC_NEXT, 1}, {GIB(4), GIB(2), 0, 0}};

	assert_int_equal(gmem_add(&huge, 0, GIB(8), false), OK);
	assert_int_equal(vq_chain_walk(&big, &huge, table, 3, 0, false), OK);
	assert_true(big.readable_len == GIB(4));
	table[1] = (struct desc){GIB(4), GIB(2), VQ_DESC_NEXT, 2};
	table[2] = (struct desc){0, 1, VQ_DESC_WRITE, 0};
	assert_int_equal(vq_chain_walk(&big, &huge, table, 3, 0, false), ERR_INVAL);
}

static void test_bad_rings(void **state)
{
	/* idx jumps further than there are descriptors, or back. */
	static const uint16_t jumps[] = {ENTRIES + 1, 0x8000, 0xffff};

	for (size_t i = 0; i < ARRAY_SIZE(jumps); i++) {
		teardown(state);
		setup(state);
		enable(true, false);
		put_desc(DESC, 0, 0x5000, 1, 0, 0);
		put16(AVAIL + 2, jumps[i]);
		assert_int_equal(vq_take(&q, &c), ERR_INVAL);
		put16(AVAIL + 2, 1);
		assert_int_equal(vq_take(&q, &c), ERR_INVAL);
	}
	/* More chains than descriptors, while those before are in flight. */
	teardown(state);
	setup(state);
	enable(false, false);
	put_desc(DESC, 0, 0x5000, 1, 0, 0);
	for (unsigned n = 0; n < ENTRIES; n++) {
		offer(0);
		assert_int_equal(vq_take(&q, &c), OK);
	}
	offer(0);
	assert_int_equal(vq_take(&q, &c), ERR_INVAL);
	assert_int_equal(vq_in_flight(&q), ENTRIES);
	/* A head outside of the table. */
	teardown(state);
	setup(state);
	enable(false, false);
	offer(ENTRIES);
	assert_int_equal(vq_take(&q, &c), ERR_INVAL);
}

static void test_signal_flags(void **state)
{
	enable(false, false);
	assert_false(vq_must_signal(&q)); /* nothing was given */
	one();
	assert_true(vq_must_signal(&q));
	assert_false(vq_must_signal(&q));
	put16(AVAIL, VQ_AVAIL_NO_INTERRUPT);
	put16(AVAIL + 4 + 2 * ENTRIES, 1); /* used_event, which was not negotiated */
	one();
	assert_false(vq_must_signal(&q));
	put16(AVAIL, 0);
	assert_false(vq_must_signal(&q)); /* that was decided; the driver looks by itself */
	one();
	assert_true(vq_must_signal(&q));
}

static void test_signal_event(void **state)
{
	enable(true, false);
	put16(AVAIL, VQ_AVAIL_NO_INTERRUPT); /* is to be ignored */
	/* Exactly when the entry of index used_event was written, for each index twice around. */
	for (uint32_t i = 0; i < 2 * 65536; i += 2) {
		put16(AVAIL + 4 + 2 * ENTRIES, i + 1);
		one();
		assert_false(vq_must_signal(&q));
		one();
		assert_true(vq_must_signal(&q));
		assert_int_equal(get16(USED + 2), (uint16_t)(i + 2));
	}
	/* Several between two looks, across 65535: used_event in the middle, at the ends, and outside. */
	for (uint32_t event = 65530; event < 65546; event++) {
		teardown(state);
		setup(state);
		enable(true, false);
		q.next_avail = q.next_used = q.signalled = 65532;
		put16(AVAIL + 2, 65532);
		for (unsigned i = 0; i < ENTRIES; i++)
			one();
		put16(AVAIL + 4 + 2 * ENTRIES, event);
		assert_int_equal(vq_must_signal(&q), event >= 65532 && event < 65532 + ENTRIES);
	}
}

static void test_listen_flags(void **state)
{
	enable(false, false);
	vq_mute(&q);
	assert_int_equal(get16(USED), VQ_USED_NO_NOTIFY);
	assert_false(vq_listen(&q));
	assert_int_equal(get16(USED), 0);
	put_desc(DESC, 0, 0x5000, 1, 0, 0);
	offer(0);
	assert_true(vq_listen(&q)); /* it came without a notification */
	assert_int_equal(vq_take(&q, &c), OK);
	assert_false(vq_listen(&q));
	assert_int_equal(get16(USED + 4 + 8 * ENTRIES), 0); /* avail_event is not negotiated */
}

static void test_listen_event(void **state)
{
	enable(true, false);
	for (uint32_t i = 0; i < 65536 + 5; i++) {
		assert_false(vq_listen(&q));
		assert_int_equal(get16(USED + 4 + 8 * ENTRIES), (uint16_t)i);
		put_desc(DESC, 0, 0x5000, 1, 0, 0);
		offer(0);
		assert_true(vq_listen(&q));
		vq_mute(&q);
		assert_int_equal(get16(USED), 0);
		assert_int_equal(vq_take(&q, &c), OK);
		vq_give(&q, 0, 0);
	}
}

static void test_reset_in_flight(void **state)
{
	enable(false, false);
	put_desc(DESC, 0, 0x5000, 1, 0, 0);
	offer(0);
	offer(0);
	offer(0);
	assert_int_equal(vq_take(&q, &c), OK);
	assert_int_equal(vq_take(&q, &c), OK);
	assert_false(vq_stop(&q));
	/* The guest's memory is its own again. */
	memset(m.base + USED, 0x33, 0x100);
	assert_int_equal(vq_take(&q, &c), ERR_NOENT);
	vq_give(&q, 0, 1);
	assert_false(vq_must_signal(&q) || vq_listen(&q));
	vq_mute(&q);
	assert_false(vq_stop(&q));
	vq_give(&q, 0, 1);
	assert_true(vq_stop(&q));
	for (unsigned i = 0; i < 0x100; i++)
		assert_int_equal(m.base[USED + i], 0x33);
	/* And again from 0. */
	teardown(state);
	setup(state);
	enable(true, true);
	one();
	assert_int_equal(get16(USED + 2), 1);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(test_sizes),        CASE(test_addresses),    CASE(test_chain),
	    CASE(test_take_buffer),  CASE(test_out_of_order), CASE(test_indirect),
	    CASE(test_bad_chains),   CASE(test_chain_length), CASE(test_total_length),
	    CASE(test_bad_rings),    CASE(test_signal_flags), CASE(test_signal_event),
	    CASE(test_listen_flags), CASE(test_listen_event), CASE(test_reset_in_flight),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
