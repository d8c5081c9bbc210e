/* SPDX-License-Identifier: BSD-2-Clause */
/* The edit distance that suggestions go by: bounded words, three rows of the usual table. */
#include "hv/lib/words.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

unsigned word_distance(const char *a, const char *b)
{
	uint8_t rows[3][WORD_MAX + 1];
	size_t na = str_nlen(a, WORD_MAX + 1), nb = str_nlen(b, WORD_MAX + 1);

	if (na == 0 || nb == 0 || na > WORD_MAX || nb > WORD_MAX)
		return WORD_FAR;
	for (size_t j = 0; j <= nb; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= na; i++) {
		uint8_t *row = rows[i % 3];
		const uint8_t *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];

		row[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			bool differ = lower(a[i - 1]) != lower(b[j - 1]);
			unsigned best = above[j - 1] + differ;

			best = MIN(best, MIN(above[j], row[j - 1]) + 1u);
			if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
			    lower(a[i - 2]) == lower(b[j - 1]))
				best = MIN(best, above2[j - 2] + 1u);
			row[j] = best;
		}
	}
	return rows[na % 3][nb];
}

bool word_is_near(const char *typed, unsigned distance)
{
	size_t n = str_nlen(typed, WORD_MAX + 1);

	return distance <= (n >= 6 ? 2u : 1u) && distance < n;
}
