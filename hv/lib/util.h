/* SPDX-License-Identifier: BSD-2-Clause */
/* Macros that every file needs: alignment, bits, sizes, container_of, static_assert. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* GCC 12 does not have C23's keyword yet. */
#ifndef static_assert
#define static_assert _Static_assert
#endif

#define KIB(n)           ((uint64_t)(n) << 10)
#define MIB(n)           ((uint64_t)(n) << 20)
#define GIB(n)           ((uint64_t)(n) << 30)

#define BIT(n)           (1ULL << (n))
#define BITS(hi, lo)     ((~0ULL >> (63 - (hi))) & (~0ULL << (lo)))
#define ARRAY_SIZE(a)    (sizeof(a) / sizeof((a)[0]))
#define ALIGN_UP(x, a)   (((x) + ((a)-1)) & ~((typeof(x))(a)-1))
#define ALIGN_DOWN(x, a) ((x) & ~((typeof(x))(a)-1))
#define IS_ALIGNED(x, a) (((x) & ((typeof(x))(a)-1)) == 0)
#define MIN(a, b)                                                                                            \
	({                                                                                                   \
		typeof(a) min_a = (a);                                                                       \
		typeof(b) min_b = (b);                                                                       \
		min_a < min_b ? min_a : min_b;                                                               \
	})
#define MAX(a, b)                                                                                            \
	({                                                                                                   \
		typeof(a) max_a = (a);                                                                       \
		typeof(b) max_b = (b);                                                                       \
		max_a > max_b ? max_a : max_b;                                                               \
	})
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#define PAGE_SHIFT                      12
#define PAGE_SIZE                       4096UL
