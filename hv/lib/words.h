/* SPDX-License-Identifier: BSD-2-Clause */
/* "Did you mean …?": how far a mistyped word is from a valid one. */
#pragma once

#include <stdbool.h>

#define WORD_MAX 31 /* longer words are near to nothing */
#define WORD_FAR 255

/*
 * Insertions, deletions, changed letters and swapped neighbours between the two; upper and lower case count as the same.
 * WORD_FAR where either is empty or longer than WORD_MAX.
 */
unsigned word_distance(const char *a, const char *b);
/* True if distance is so small, for a word as typed, that the other may have been meant. */
bool word_is_near(const char *typed, unsigned distance);
