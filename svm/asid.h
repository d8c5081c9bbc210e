/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Address space identifiers of one physical CPU (APM Vol. 2, "TLB Control"). Numbers are handed out in
 * ascending order; when they run out a new generation starts, which flushes every one of them. A vCPU
 * whose number is of an older generation, or of another CPU, takes a new one. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct asid_pool {
	uint32_t count;      /* numbers 1 to count - 1 are for guests; 0 is the host's */
	uint32_t next;       /* the next to hand out */
	uint64_t generation; /* of the numbers that are valid; never 0 */
	bool flush;          /* everything must be flushed by the next entry on this CPU */
};

struct asid {
	const struct asid_pool *pool; /* NULL: none was taken yet */
	uint64_t generation;
	uint32_t number;
};

/* count: numbers that the CPU has, the host's included; at least 2. The first entry flushes. */
void asid_pool_init(struct asid_pool *p, uint32_t count);

static inline bool asid_is_valid(const struct asid_pool *p, const struct asid *a)
{
	return a->pool == p && a->generation == p->generation;
}

/* Gives a a number that has no translation cached, or a flush to come before the next entry. */
void asid_take(struct asid_pool *p, struct asid *a);
/* True once after a generation has begun: the caller makes its entry flush all. */
bool asid_take_flush(struct asid_pool *p);
