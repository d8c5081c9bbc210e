/* SPDX-License-Identifier: BSD-2-Clause */
/* Conversion between two clock rates by a 64.64-bit fixed-point factor, without division on the way. Pure. */
#pragma once

#include <stdint.h>

struct clock_ratio {
	uint64_t whole, fraction; /* to / from = whole + fraction / 2^64, rounded down */
};

/* from and to in ticks per second, not 0. */
static inline struct clock_ratio clock_ratio(uint64_t from, uint64_t to)
{
	uint64_t rest = to % from, low = 0, fraction;

	/* rest:0 / from fits, because rest < from. */
	asm("divq %[from]" : "=a"(fraction), "+d"(rest) : "a"(low), [from] "r"(from) : "cc");
	return (struct clock_ratio){to / from, fraction};
}

/* Below 2^63 ticks the result is exact or one unit too small; it must fit 64 bits. */
static inline uint64_t clock_convert(struct clock_ratio r, uint64_t ticks)
{
	return ticks * r.whole + (uint64_t)(((unsigned __int128)ticks * r.fraction) >> 64);
}
