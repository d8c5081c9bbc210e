/* SPDX-License-Identifier: BSD-2-Clause */
/* Dispatch of port and memory-mapped accesses to emulated devices: a sorted table, and an index into it for ports. */
#include "hv/io_bus.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"

static uint64_t all_ones(unsigned size)
{
	return BITS(8 * size - 1, 0);
}

/* How many ranges begin at or below addr. */
static uint32_t count_below(const struct io_bus *b, uint64_t addr)
{
	uint32_t low = 0, high = b->count;

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (b->range[mid].base <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static_assert(IO_RANGE_MAX < UINT8_MAX);

/* Enters range n; one leaf does for all that it fills. False: there are no more leaves. */
static bool index_range(struct io_bus *b, uint32_t n, unsigned *leaves)
{
	const struct io_range *r = &b->range[n];
	uint8_t filled = 0;

	for (uint64_t a = r->base, step; a < IO_INDEXED && a - r->base < r->size; a += step) {
		uint8_t *leaf = &b->index->leaf[a / IO_LEAF_SIZE];

		step = MIN(IO_LEAF_SIZE - a % IO_LEAF_SIZE, r->size - (a - r->base));
		if (step == IO_LEAF_SIZE && filled) {
			*leaf = filled;
			continue;
		}
		if (!*leaf) {
			if (*leaves == IO_LEAF_MAX)
				return false;
			*leaf = (uint8_t)(*leaves)++;
		}
		memset(&b->index->who[*leaf][a % IO_LEAF_SIZE], (uint8_t)(n + 1), step);
		if (step == IO_LEAF_SIZE)
			filled = *leaf;
	}
	return true;
}

static bool reindex(struct io_bus *b)
{
	unsigned leaves = 1;

	b->recent = NULL;
	if (!b->index)
		return true;
	memset(b->index, 0, sizeof(*b->index));
	for (uint32_t n = 0; n < b->count; n++) {
		if (!index_range(b, n, &leaves))
			return false;
	}
	return true;
}

void io_bus_clear(struct io_bus *b)
{
	b->count = 0;
	(void)reindex(b);
}

static void remove(struct io_bus *b, uint32_t at)
{
	b->count--;
	for (uint32_t i = at; i < b->count; i++)
		b->range[i] = b->range[i + 1];
}

enum status io_bus_add(struct io_bus *b, uint64_t base, uint64_t size, struct vdev *d, io_read_fn read,
		       io_write_fn write)
{
	uint32_t at = count_below(b, base);

	if (size == 0 || base + size - 1 < base)
		return ERR_INVAL;
	if (at > 0 && base - b->range[at - 1].base < b->range[at - 1].size)
		return ERR_EXIST;
	if (at < b->count && b->range[at].base - base < size)
		return ERR_EXIST;
	if (b->count == IO_RANGE_MAX)
		return ERR_NOMEM;
	for (uint32_t i = b->count; i > at; i--)
		b->range[i] = b->range[i - 1];
	b->range[at] = (struct io_range){.base = base, .size = size, .dev = d, .read = read, .write = write};
	b->count++;
	if (reindex(b))
		return OK;
	remove(b, at);
	(void)reindex(b);
	return ERR_NOMEM;
}

/* The range that addr lies in, or NULL. */
static const struct io_range *range_at(struct io_bus *b, uint64_t addr)
{
	const struct io_range *r;
	uint32_t below;

	if (b->index && addr < IO_INDEXED)
		return io_bus_look_up(b, b->index, addr);
	r = io_bus_recent(b, addr);
	if (r)
		return r;
	below = count_below(b, addr);
	if (!below || addr - b->range[below - 1].base >= b->range[below - 1].size)
		return NULL;
	r = &b->range[below - 1];
	__atomic_store_n(&b->recent, r, __ATOMIC_RELAXED);
	return r;
}

uint64_t io_bus_read(struct io_bus *b, struct vcpu *v, uint64_t addr, unsigned size)
{
	const struct io_range *r = range_at(b, addr);
	uint64_t value = 0;

	if (io_range_holds(r, addr, size))
		return r->read(r->dev, v, addr, size) & all_ones(size);
	if (size == 1)
		return all_ones(1);
	for (unsigned i = 0; i < size; i++)
		value |= io_bus_read(b, v, addr + i, 1) << (8 * i);
	return value;
}

void io_bus_write(struct io_bus *b, struct vcpu *v, uint64_t addr, unsigned size, uint64_t value)
{
	const struct io_range *r = range_at(b, addr);

	if (io_range_holds(r, addr, size)) {
		r->write(r->dev, v, addr, size, value & all_ones(size));
		return;
	}
	for (unsigned i = 0; size > 1 && i < size; i++)
		io_bus_write(b, v, addr + i, 1, value >> (8 * i));
}
