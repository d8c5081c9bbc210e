/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which emulated device answers at which port or guest-physical address of a VM. A port or an address that
 * nobody has reads as all ones and swallows writes, as on a PC.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "hv/lib/status.h"

struct vcpu;
struct vm;
struct vdev;

/* size is 1, 2 or 4 for ports and 1, 2, 4 or 8 for memory; addr is absolute and addr + size within the range. */
typedef uint64_t (*io_read_fn)(struct vdev *d, struct vcpu *v, uint64_t addr, unsigned size);
typedef void (*io_write_fn)(struct vdev *d, struct vcpu *v, uint64_t addr, unsigned size, uint64_t value);

struct io_range {
	uint64_t base, size;
	struct vdev *dev;
	io_read_fn read;
	io_write_fn write;
};

#define IO_RANGE_MAX 48

/* With an index, addresses below IO_INDEXED, which all ports are, are looked up; others are searched for. */
#define IO_INDEXED   0x10000
#define IO_LEAF_SIZE 256
#define IO_LEAF_MAX  16

struct io_index {
	/* who[leaf[a / IO_LEAF_SIZE]][a % IO_LEAF_SIZE] is 1 + the number of a's range, or 0. Leaf 0 is nobody's. */
	uint8_t leaf[IO_INDEXED / IO_LEAF_SIZE];
	uint8_t who[IO_LEAF_MAX][IO_LEAF_SIZE];
};

struct io_bus {
	struct io_index *index; /* NULL: none; doesn't change once it has ranges */
	uint32_t count;
	const struct io_range *recent; /* atomic: one of these, looked for, not up, a while ago; or NULL */
	struct io_range range[IO_RANGE_MAX]; /* ascending, disjoint */
};

/* Takes every range away. */
void io_bus_clear(struct io_bus *b);
/* Before the VM runs. ERR_EXIST: overlaps; ERR_NOMEM: a table is full; ERR_INVAL: empty or wraps. */
enum status io_bus_add(struct io_bus *b, uint64_t base, uint64_t size, struct vdev *d, io_read_fn read,
		       io_write_fn write);
/*
 * One access by v. One that spans two ranges, or a range and nothing, is split into bytes, as a PC's bridge
 * does. Reads return the value in the low `size` bytes, upper bytes zero.
 */
uint64_t io_bus_read(struct io_bus *b, struct vcpu *v, uint64_t addr, unsigned size);
void io_bus_write(struct io_bus *b, struct vcpu *v, uint64_t addr, unsigned size, uint64_t value);

/* For ports, in line. The range of b, whose index is x, that addr, below IO_INDEXED, lies in; NULL: nobody's. */
static inline const struct io_range *io_bus_look_up(const struct io_bus *b, const struct io_index *x,
						    uint64_t addr)
{
	uint8_t who = x->who[x->leaf[addr / IO_LEAF_SIZE]][addr % IO_LEAF_SIZE];

	return who ? &b->range[who - 1] : NULL;
}

/* Where there is no index, in line: the range that addr lies in, if that was accessed lately; else NULL. */
static inline const struct io_range *io_bus_recent(const struct io_bus *b, uint64_t addr)
{
	const struct io_range *r = __atomic_load_n(&b->recent, __ATOMIC_RELAXED);

	return r && addr - r->base < r->size ? r : NULL;
}

/* True: r is a range, and has what of the access begins in it to its end. */
static inline bool io_range_holds(const struct io_range *r, uint64_t addr, unsigned size)
{
	return r && r->size - (addr - r->base) >= size;
}
