/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The boot memory map as a sorted table of disjoint ranges. Every change paints a range: existing ranges
 * are cut at its ends, so that each is inside or outside, then retyped, and the holes in between filled.
 */
#include "mm/memmap.h"

#include "hv/lib/panic.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"

#define LOW_MEMORY_END MIB(1)
#define BLOCK          MIB(2)

void memmap_init(struct memmap *m)
{
	m->count = 0;
}

/* Index of the first range that ends above pa; m->count where there is none. */
static uint32_t find(const struct memmap *m, uint64_t pa)
{
	uint32_t low = 0, high = m->count;

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (m->range[mid].end > pa)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

static enum status insert(struct memmap *m, uint32_t i, uint64_t base, uint64_t end, enum memmap_type type)
{
	if (m->count == MEMMAP_MAX)
		return ERR_NOMEM;
	memmove(&m->range[i + 1], &m->range[i], (m->count - i) * sizeof(m->range[0]));
	m->range[i] = (struct memmap_range){base, end, type};
	m->count++;
	return OK;
}

static enum status cut_at(struct memmap *m, uint64_t pa)
{
	uint32_t i = find(m, pa);
	enum status s;

	if (i == m->count || m->range[i].base >= pa)
		return OK;
	s = insert(m, i + 1, pa, m->range[i].end, m->range[i].type);
	if (s == OK)
		m->range[i].end = pa;
	return s;
}

static void merge(struct memmap *m)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < m->count; i++) {
		struct memmap_range *last = kept ? &m->range[kept - 1] : NULL;

		if (last && last->end == m->range[i].base && last->type == m->range[i].type)
			last->end = m->range[i].end;
		else
			m->range[kept++] = m->range[i];
	}
	m->count = kept;
}

/* Raises [base, end) to type; with `force`, sets it whatever it was. */
static enum status paint(struct memmap *m, uint64_t base, uint64_t end, enum memmap_type type, bool force)
{
	enum status s = cut_at(m, base);

	if (s == OK)
		s = cut_at(m, end);
	for (uint32_t i = find(m, base); s == OK && base < end; i++) {
		struct memmap_range *r = &m->range[i];

		if (i == m->count || r->base > base)
			s = insert(m, i, base, i == m->count ? end : MIN(end, r->base), type);
		else if (force || r->type < type)
			r->type = type;
		if (s == OK)
			base = r->end;
	}
	merge(m);
	return s;
}

enum status memmap_add(struct memmap *m, uint64_t base, uint64_t len, enum memmap_type type)
{
	uint64_t end = base + len;

	if (len == 0 || end < base || end > ALIGN_DOWN(UINT64_MAX, PAGE_SIZE))
		return ERR_INVAL;
	if (type == MEMMAP_RAM) {
		base = ALIGN_UP(base, PAGE_SIZE);
		end = ALIGN_DOWN(end, PAGE_SIZE);
		if (base >= end)
			return OK;
	} else {
		base = ALIGN_DOWN(base, PAGE_SIZE);
		end = ALIGN_UP(end, PAGE_SIZE);
	}
	return paint(m, base, end, type, false);
}

bool memmap_covers(const struct memmap *m, uint64_t base, uint64_t end, enum memmap_type type)
{
	uint32_t i = find(m, base);

	return i < m->count && m->range[i].base <= base && m->range[i].end >= end && m->range[i].type == type;
}

uint64_t memmap_total(const struct memmap *m, enum memmap_type type)
{
	uint64_t total = 0;

	for (uint32_t i = 0; i < m->count; i++)
		if (m->range[i].type == type)
			total += m->range[i].end - m->range[i].base;
	return total;
}

enum status memmap_take(struct memmap *m, uint64_t size, uint64_t align, uint64_t limit, uint64_t *base)
{
	CHECK(size && IS_ALIGNED(size, PAGE_SIZE) && align >= PAGE_SIZE && (align & (align - 1)) == 0);
	for (uint32_t i = m->count; i-- > 0;) {
		const struct memmap_range *r = &m->range[i];
		uint64_t end = MIN(r->end, limit);
		uint64_t at;

		if (r->type != MEMMAP_RAM || end <= r->base || end - r->base < size)
			continue;
		at = ALIGN_DOWN(end - size, align);
		if (at < r->base)
			continue;
		*base = at;
		return paint(m, at, at + size, MEMMAP_USED, true);
	}
	return ERR_NOMEM;
}

/*
 * Where the table is full a range keeps its old type: MEMMAP_RAM, which nobody hands out. Less memory, but
 * no harm.
 */
static void set_zone(struct memmap *m, uint64_t base, uint64_t end, enum memmap_type zone)
{
	if (base < end && m->count + 2 <= MEMMAP_MAX)
		(void)!paint(m, base, end, zone, true);
}

/* The lowest RAM at or above *pa, as [*pa, *end). */
static bool next_ram(const struct memmap *m, uint64_t *pa, uint64_t *end)
{
	for (uint32_t i = find(m, *pa); i < m->count; i++) {
		if (m->range[i].type != MEMMAP_RAM)
			continue;
		*pa = MAX(*pa, m->range[i].base);
		*end = m->range[i].end;
		return true;
	}
	return false;
}

static void take_odd_ends(struct memmap *m)
{
	uint64_t base = LOW_MEMORY_END, end;

	for (; next_ram(m, &base, &end); base = end) {
		uint64_t first = MIN(ALIGN_UP(base, BLOCK), end);
		uint64_t last = MAX(ALIGN_DOWN(end, BLOCK), first);

		set_zone(m, base, first, MEMMAP_HOST);
		set_zone(m, last, end, MEMMAP_HOST);
	}
}

static void take_below(struct memmap *m, uint64_t limit, uint64_t target)
{
	uint64_t have = memmap_total(m, MEMMAP_HOST);
	uint64_t base;

	while (have < target) {
		uint64_t want = ALIGN_UP(target - have, BLOCK), best = 0, best_end = 0, end;

		base = LOW_MEMORY_END;
		for (; next_ram(m, &base, &end) && base < limit; base = end) {
			best = base;
			best_end = MIN(end, limit);
		}
		if (!best_end)
			return;
		if (best_end - best > want)
			best = best_end - want;
		set_zone(m, best, best_end, MEMMAP_HOST);
		if (memmap_total(m, MEMMAP_HOST) == have)
			return;
		have = memmap_total(m, MEMMAP_HOST);
	}
}

static void take_above(struct memmap *m, uint64_t start, uint64_t target)
{
	uint64_t have = memmap_total(m, MEMMAP_HOST);
	uint64_t base = start, end;

	for (; have < target && next_ram(m, &base, &end); base = end) {
		end = MIN(end, base + ALIGN_UP(target - have, BLOCK));
		set_zone(m, base, end, MEMMAP_HOST);
		have = memmap_total(m, MEMMAP_HOST);
	}
}

uint64_t memmap_split_zones(struct memmap *m, uint64_t host_bytes)
{
	uint64_t base = LOW_MEMORY_END, end;

	take_odd_ends(m);
	take_below(m, GIB(4), host_bytes);
	take_above(m, GIB(4), host_bytes);
	for (; next_ram(m, &base, &end); base = end)
		set_zone(m, base, end, MEMMAP_GUEST);
	return memmap_total(m, MEMMAP_HOST);
}
