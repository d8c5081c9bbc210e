/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A set of small numbers as a bitmap with summary levels: a bit of level n+1 tells that a 64-bit word
 * of level n isn't zero. Finding a member takes a few steps however large the set. Owns no memory and
 * takes no lock.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define BITSET_LEVELS 5 /* 64^5 = 2^30 members */

struct bitset {
	uint64_t *level[BITSET_LEVELS]; /* level[0] has a bit a member */
	uint32_t levels;
	uint64_t size; /* members are below it */
};

/* How many 64-bit words a set of numbers below size (1 to 2^30) needs. */
uint64_t bitset_words(uint64_t size);
/* Lays an empty set out in words[bitset_words(size)], which must be zero. */
void bitset_init(struct bitset *b, uint64_t *words, uint64_t size);

/* n must be below size. */
bool bitset_has(const struct bitset *b, uint64_t n);
void bitset_add(struct bitset *b, uint64_t n);
void bitset_remove(struct bitset *b, uint64_t n);
/* The least member, or size: empty. */
uint64_t bitset_first(const struct bitset *b);
/* The least member at or above n, or size: none. */
uint64_t bitset_next(const struct bitset *b, uint64_t n);
