/* SPDX-License-Identifier: BSD-2-Clause */
/* A ring of bytes. Positions count for ever and never wrap; its owner's lock guards it. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include "hv/lib/util.h"

struct byte_ring {
	uint8_t *buf;
	uint64_t size;       /* a power of two */
	uint64_t head, tail; /* next to be written, next to be read; head - tail <= size */
};

static inline void byte_ring_init(struct byte_ring *r, void *buf, uint64_t size)
{
	*r = (struct byte_ring){.buf = buf, .size = size};
}

static inline uint64_t byte_ring_used(const struct byte_ring *r)
{
	return r->head - r->tail;
}

static inline uint64_t byte_ring_room(const struct byte_ring *r)
{
	return r->size - byte_ring_used(r);
}

/* The byte at position pos, tail <= pos < head. */
static inline uint8_t byte_ring_at(const struct byte_ring *r, uint64_t pos)
{
	return r->buf[pos & (r->size - 1)];
}

/* There must be room. */
static inline void byte_ring_put(struct byte_ring *r, uint8_t byte)
{
	r->buf[r->head++ & (r->size - 1)] = byte;
}

/* There must be a byte. */
static inline uint8_t byte_ring_take(struct byte_ring *r)
{
	return r->buf[r->tail++ & (r->size - 1)];
}

/* The bytes at the tail that lie in one piece; returns how many. */
static inline size_t byte_ring_peek(const struct byte_ring *r, const uint8_t **bytes)
{
	uint64_t at = r->tail & (r->size - 1);

	*bytes = r->buf + at;
	return MIN(byte_ring_used(r), r->size - at);
}
