/* SPDX-License-Identifier: BSD-2-Clause */
/* Dispatch of port and memory-mapped accesses to emulated devices: a sorted table, searched by halving. */
#include "hv/io_bus.h"
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
	return OK;
}

/*
 * The range that holds all of the access. *split: parts of it lie in a range, so that it must be made byte by
 * byte. NULL without split: nobody is there.
 */
static const struct io_range *find(const struct io_bus *b, uint64_t addr, unsigned size, bool *split)
{
	uint32_t below = count_below(b, addr);
	const struct io_range *r;

	*split = below < b->count && b->range[below].base - addr < size;
	if (below == 0)
		return NULL;
	r = &b->range[below - 1];
	if (addr - r->base >= r->size)
		return NULL;
	if (r->size - (addr - r->base) < size) {
		*split = true;
		return NULL;
	}
	return r;
}

uint64_t io_bus_read(struct io_bus *b, struct vcpu *v, uint64_t addr, unsigned size)
{
	bool split;
	const struct io_range *r = find(b, addr, size, &split);
	uint64_t value = 0;

	if (r)
		return r->read(r->dev, v, addr, size) & all_ones(size);
	if (!split)
		return all_ones(size);
	for (unsigned i = 0; i < size; i++)
		value |= io_bus_read(b, v, addr + i, 1) << (8 * i);
	return value;
}

void io_bus_write(struct io_bus *b, struct vcpu *v, uint64_t addr, unsigned size, uint64_t value)
{
	bool split;
	const struct io_range *r = find(b, addr, size, &split);

	if (r) {
		r->write(r->dev, v, addr, size, value & all_ones(size));
		return;
	}
	for (unsigned i = 0; split && i < size; i++)
		io_bus_write(b, v, addr + i, 1, value >> (8 * i));
}
