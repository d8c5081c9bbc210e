/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A fuzzer of tests/fuzz for a second or so, within the unit tests: its own checks on inputs that are made from its seed by
 * chance, the same ones every time. It finds nothing deep, but what has been broken today.
 */
#pragma once

#include "support.h"

#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Parts of the seed (a file's name from the root) put together anew, with some bytes replaced. */
static inline void fuzz_short(const char *seed, unsigned runs)
{
	uint8_t from[1024], to[2048];
	uint64_t random = 1;
	FILE *f = fopen(seed, "rb");
	size_t n;

	assert_non_null(f);
	n = fread(from, 1, sizeof(from), f);
	fclose(f);
	assert_true(n);
	LLVMFuzzerTestOneInput(from, n);
	for (unsigned i = 0; i < runs; i++) {
		size_t size = n;

		/* The whole of it, and then any part of it: that far most drivers come. */
		memcpy(to, from, n);
		for (unsigned part = test_random(&random) % 8; part; part--) {
			size_t at = test_random(&random) % n;
			size_t len = test_random(&random) % (n - at) % 64;

			if (size + len > sizeof(to))
				break;
			memcpy(to + size, from + at, len);
			size += len;
		}
		for (unsigned k = test_random(&random) % 8; k; k--)
			to[test_random(&random) % size] = test_random(&random) >> 8 & (k % 2 ? 0xff : 0x0f);
		LLVMFuzzerTestOneInput(to, size);
	}
}
