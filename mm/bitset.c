/* SPDX-License-Identifier: BSD-2-Clause */
/* The summarised bitmap of mm/bitset.h. A number's position in level n is its bits from 6n upwards. */
#include "mm/bitset.h"

#include "hv/lib/panic.h"
#include "hv/lib/util.h"

#define WORD_SHIFT 6
#define WORD_BITS  64

static uint64_t words_for(uint64_t bits)
{
	return (bits + WORD_BITS - 1) >> WORD_SHIFT;
}

uint64_t bitset_words(uint64_t size)
{
	uint64_t words = 0;

	do {
		size = words_for(size);
		words += size;
	} while (size > 1);
	return words;
}

void bitset_init(struct bitset *b, uint64_t *words, uint64_t size)
{
	uint64_t n = size;

	CHECK(size);
	b->size = size;
	b->levels = 0;
	do {
		CHECK(b->levels < BITSET_LEVELS);
		b->level[b->levels++] = words;
		n = words_for(n);
		words += n;
	} while (n > 1);
}

bool bitset_has(const struct bitset *b, uint64_t n)
{
	return b->level[0][n >> WORD_SHIFT] & BIT(n % WORD_BITS);
}

void bitset_add(struct bitset *b, uint64_t n)
{
	for (uint32_t l = 0; l < b->levels; l++, n >>= WORD_SHIFT) {
		uint64_t *word = &b->level[l][n >> WORD_SHIFT];
		uint64_t old = *word;

		*word |= BIT(n % WORD_BITS);
		if (old)
			return;
	}
}

void bitset_remove(struct bitset *b, uint64_t n)
{
	for (uint32_t l = 0; l < b->levels; l++, n >>= WORD_SHIFT) {
		uint64_t *word = &b->level[l][n >> WORD_SHIFT];

		*word &= ~BIT(n % WORD_BITS);
		if (*word)
			return;
	}
}

/* The least member below `level`'s bit n, which must be set. */
static uint64_t descend(const struct bitset *b, uint32_t level, uint64_t n)
{
	while (level-- > 0)
		n = (n << WORD_SHIFT) | (uint64_t)__builtin_ctzll(b->level[level][n]);
	return n;
}

uint64_t bitset_first(const struct bitset *b)
{
	uint64_t top = b->level[b->levels - 1][0];

	return top ? descend(b, b->levels - 1, (uint64_t)__builtin_ctzll(top)) : b->size;
}

uint64_t bitset_next(const struct bitset *b, uint64_t n)
{
	uint64_t bits = b->size;

	for (uint32_t l = 0; l < b->levels && n < bits; l++, bits = words_for(bits)) {
		uint64_t word = b->level[l][n >> WORD_SHIFT] & (~0ULL << (n % WORD_BITS));

		if (word)
			return descend(b, l,
				       (n & ~(uint64_t)(WORD_BITS - 1)) | (uint64_t)__builtin_ctzll(word));
		n = (n >> WORD_SHIFT) + 1;
	}
	return b->size;
}
