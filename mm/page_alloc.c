/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The buddy allocator. What is free is kept in bitsets outside of the frames (a quarter of a byte for a
 * frame), because guest frames are not mapped. An arena is a run of one zone's RAM without large holes; each order
 * has a bitset of the blocks that are free as a whole at that order and not part of a larger one.
 */
#include "mm/page_alloc.h"

#include "hv/lib/lock.h"
#include "hv/lib/log.h"
#include "hv/lib/panic.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "mm/bitset.h"

#define ORDERS       (PAGE_ORDER_MAX + 1)
#define ARENA_MAX    32
#define ARENA_ALIGN  (PAGE_SIZE << PAGE_ORDER_MAX)
#define ARENA_GAP    ARENA_ALIGN            /* a hole this large starts a new arena */
#define ARENA_FRAMES BIT(6 * BITSET_LEVELS) /* a bitset holds no more */

struct arena {
	enum memmap_type zone; /* MEMMAP_HOST or MEMMAP_GUEST */
	uint64_t base, end;    /* base is a multiple of ARENA_ALIGN: alignment inside is alignment outside */
	struct bitset free[ORDERS];
};

static struct spinlock lock; /* guards all below */
static struct arena arenas[ARENA_MAX];
static uint32_t arena_count;
static const struct memmap *map; /* ranges of the zones, to tell frames from holes */
static uint64_t direct;          /* where the direct map has physical address 0 */
static struct page_stats stats;

static uint64_t *free_bytes(enum memmap_type zone)
{
	return zone == MEMMAP_HOST ? &stats.host_free : &stats.guest_free;
}

static struct arena *arena_of(enum memmap_type zone, uint64_t pa)
{
	for (uint32_t i = 0; i < arena_count; i++) {
		struct arena *a = &arenas[i];

		if (a->zone == zone && pa >= a->base && pa < a->end)
			return a;
	}
	return NULL;
}

/* Whether any part of the block at pa is free. */
static bool is_free(const struct arena *a, uint64_t pa, unsigned order)
{
	uint64_t frame = (pa - a->base) >> PAGE_SHIFT;

	for (unsigned o = 0; o < ORDERS; o++) {
		uint64_t first = frame >> o;
		uint64_t last = (frame + BIT(order) - 1) >> o;

		if (bitset_next(&a->free[o], first) <= last)
			return true;
	}
	return false;
}

/* The same for [pa, end). */
static bool any_free(const struct arena *a, uint64_t pa, uint64_t end)
{
	while (pa < end) {
		unsigned order = 0;

		while (order < PAGE_ORDER_MAX && IS_ALIGNED(pa, PAGE_SIZE << (order + 1)) &&
		       (PAGE_SIZE << (order + 1)) <= end - pa)
			order++;
		if (is_free(a, pa, order))
			return true;
		pa += PAGE_SIZE << order;
	}
	return false;
}

/* Frees one aligned block, joining it with its buddy as often as that is free too. */
static void free_block(struct arena *a, uint64_t pa, unsigned order)
{
	uint64_t block = (pa - a->base) >> PAGE_SHIFT >> order;

	*free_bytes(a->zone) += PAGE_SIZE << order;
	for (; order < PAGE_ORDER_MAX; order++, block >>= 1) {
		uint64_t buddy = block ^ 1;

		if (buddy >= a->free[order].size || !bitset_has(&a->free[order], buddy))
			break;
		bitset_remove(&a->free[order], buddy);
	}
	bitset_add(&a->free[order], block);
}

/* Frees [pa, end) in the largest aligned blocks. */
static void free_range(struct arena *a, uint64_t pa, uint64_t end)
{
	while (pa < end) {
		unsigned order = PAGE_ORDER_MAX;

		while (!IS_ALIGNED(pa, PAGE_SIZE << order) || (PAGE_SIZE << order) > end - pa)
			order--;
		free_block(a, pa, order);
		pa += PAGE_SIZE << order;
	}
}

/* The same for what an owner gives back: it must be frames of this zone, and none of them free. */
static void give_back(enum memmap_type zone, uint64_t pa, uint64_t end)
{
	struct arena *a = arena_of(zone, pa);

	CHECK(a && end <= a->end && memmap_covers(map, pa, end, zone));
	CHECK(!any_free(a, pa, end));
	free_range(a, pa, end);
}

/* Takes a block out of the smallest free one that is large enough; UINT64_MAX: there is none. */
static uint64_t take(enum memmap_type zone, unsigned order)
{
	for (unsigned o = order; o < ORDERS; o++) {
		for (uint32_t i = 0; i < arena_count; i++) {
			struct arena *a = &arenas[i];
			uint64_t block;

			if (a->zone != zone)
				continue;
			block = bitset_first(&a->free[o]);
			if (block == a->free[o].size)
				continue;
			bitset_remove(&a->free[o], block);
			for (; o > order; o--) {
				block <<= 1;
				bitset_add(&a->free[o - 1], block + 1);
			}
			*free_bytes(zone) -= PAGE_SIZE << order;
			return a->base + (block << order << PAGE_SHIFT);
		}
	}
	return UINT64_MAX;
}

void *page_alloc(unsigned order)
{
	uint64_t pa;

	CHECK(order <= PAGE_ORDER_MAX);
	spin_lock(&lock);
	pa = take(MEMMAP_HOST, order);
	spin_unlock(&lock);
	if (pa == UINT64_MAX)
		return NULL;
	return memset((void *)(direct + pa), 0, PAGE_SIZE << order);
}

void page_free(void *p, unsigned order)
{
	CHECK(order <= PAGE_ORDER_MAX && IS_ALIGNED((uint64_t)p, PAGE_SIZE << order));
	page_free_bytes(p, PAGE_SIZE << order);
}

void *page_alloc_bytes(size_t bytes)
{
	unsigned order = 0;
	uint64_t pa;

	if (bytes == 0 || bytes > PAGE_SIZE << PAGE_ORDER_MAX)
		return NULL;
	bytes = ALIGN_UP(bytes, PAGE_SIZE);
	while (PAGE_SIZE << order < bytes)
		order++;
	spin_lock(&lock);
	pa = take(MEMMAP_HOST, order);
	if (pa != UINT64_MAX)
		free_range(arena_of(MEMMAP_HOST, pa), pa + bytes, pa + (PAGE_SIZE << order));
	spin_unlock(&lock);
	if (pa == UINT64_MAX)
		return NULL;
	return memset((void *)(direct + pa), 0, bytes);
}

void page_free_bytes(void *p, size_t bytes)
{
	uint64_t pa = (uint64_t)p - direct;

	CHECK(IS_ALIGNED(pa, PAGE_SIZE) && bytes && bytes <= PAGE_SIZE << PAGE_ORDER_MAX);
	spin_lock(&lock);
	give_back(MEMMAP_HOST, pa, pa + ALIGN_UP(bytes, PAGE_SIZE));
	spin_unlock(&lock);
}

enum status page_alloc_guest(unsigned order, hpa_t *out)
{
	CHECK(order <= PAGE_ORDER_MAX);
	spin_lock(&lock);
	out->v = take(MEMMAP_GUEST, order);
	spin_unlock(&lock);
	return out->v == UINT64_MAX ? ERR_NOMEM : OK;
}

void page_free_guest(hpa_t block, unsigned order)
{
	CHECK(order <= PAGE_ORDER_MAX && IS_ALIGNED(block.v, PAGE_SIZE << order));
	spin_lock(&lock);
	give_back(MEMMAP_GUEST, block.v, block.v + (PAGE_SIZE << order));
	spin_unlock(&lock);
}

bool page_guest_in_use(hpa_t pa, uint64_t size)
{
	uint64_t end = pa.v + size;
	struct arena *a;
	bool ok;

	spin_lock(&lock);
	a = arena_of(MEMMAP_GUEST, pa.v);
	ok = a && end > pa.v && end <= a->end && memmap_covers(map, pa.v, end, MEMMAP_GUEST) &&
	     !any_free(a, pa.v, end);
	spin_unlock(&lock);
	return ok;
}

uint64_t page_guest_end(void)
{
	uint64_t end = 0;

	for (uint32_t i = 0; i < arena_count; i++)
		if (arenas[i].zone == MEMMAP_GUEST)
			end = MAX(end, arenas[i].end);
	return end;
}

void page_stats(struct page_stats *s)
{
	spin_lock(&lock);
	*s = stats;
	spin_unlock(&lock);
}

/* Extends the arena a by [base, end) if they fit together; returns how far it did. */
static uint64_t extend(struct arena *a, uint64_t base, uint64_t end)
{
	uint64_t limit = a->base + (ARENA_FRAMES << PAGE_SHIFT);

	if (base - a->end >= ARENA_GAP || base >= limit)
		return base;
	return a->end = MIN(end, limit);
}

/* Finds the arenas of one zone. */
static void find_arenas(enum memmap_type zone)
{
	struct arena *a = NULL;

	for (uint32_t i = 0; i < map->count; i++) {
		uint64_t base = map->range[i].base;

		if (map->range[i].type != zone)
			continue;
		if (a)
			base = extend(a, base, map->range[i].end);
		while (base < map->range[i].end) {
			if (arena_count == ARENA_MAX) {
				log_warn("memory: what is above %#llx is left unused: too many holes",
					 (unsigned long long)base);
				return;
			}
			a = &arenas[arena_count++];
			*a = (struct arena){.zone = zone, .base = ALIGN_DOWN(base, ARENA_ALIGN), .end = base};
			base = extend(a, base, map->range[i].end);
		}
	}
}

/* Lays the bitsets of a out at words, which are zero; with words NULL, only counts. */
static uint64_t lay_out(struct arena *a, uint64_t *words)
{
	uint64_t used = 0;

	for (unsigned o = 0; o < ORDERS; o++) {
		uint64_t blocks = ALIGN_UP((a->end - a->base) >> PAGE_SHIFT, BIT(o)) >> o;

		if (words)
			bitset_init(&a->free[o], words + used, blocks);
		used += bitset_words(blocks);
	}
	return used;
}

/* Makes the RAM of a free, but for [used_base, used_end), which is inside of one range. */
static void fill(struct arena *a, uint64_t used_base, uint64_t used_end)
{
	uint64_t *total = a->zone == MEMMAP_HOST ? &stats.host_total : &stats.guest_total;

	for (uint32_t i = 0; i < map->count; i++) {
		uint64_t base = MAX(map->range[i].base, a->base);
		uint64_t end = MIN(map->range[i].end, a->end);

		if (map->range[i].type != a->zone || base >= end)
			continue;
		*total += end - base;
		if (used_base >= base && used_base < end) {
			free_range(a, base, used_base);
			base = used_end;
		}
		free_range(a, base, end);
	}
}

void page_alloc_init(const struct memmap *m, uint64_t direct_base, uint64_t used_base, uint64_t used_end)
{
	uint64_t words = 0;
	uint64_t *table;

	map = m;
	direct = direct_base;
	lock = (struct spinlock){};
	arena_count = 0;
	stats = (struct page_stats){};
	find_arenas(MEMMAP_HOST);
	find_arenas(MEMMAP_GUEST);
	for (uint32_t i = 0; i < arena_count; i++)
		words += lay_out(&arenas[i], NULL);

	table = (uint64_t *)(direct + used_end);
	used_end += ALIGN_UP(words * sizeof(*table), PAGE_SIZE);
	for (uint32_t i = 0; i < m->count; i++)
		if (used_base >= m->range[i].base && used_base < m->range[i].end &&
		    used_end > m->range[i].end)
			panic("memory: the host zone has no room for %llu bytes of tables",
			      (unsigned long long)(words * sizeof(*table)));
	memset(table, 0, words * sizeof(*table));
	for (uint32_t i = 0; i < arena_count; i++)
		table += lay_out(&arenas[i], table);

	for (uint32_t i = 0; i < arena_count; i++)
		fill(&arenas[i], used_base, used_end);
}
