/* SPDX-License-Identifier: BSD-2-Clause */
/* The bytes of a fuzzer's input, taken one after the other, and the panic that ends it. */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "hv/lib/panic.h"
#include "hv/lib/util.h"

static const uint8_t *input;
static size_t left;

void panic(const char *fmt, ...)
{
	fprintf(stderr, "panic: %s\n", fmt);
	abort();
}

/* The next bytes, up to 8, as a number; behind the end of the input 0. */
static inline uint64_t take(unsigned bytes)
{
	uint64_t v = 0;

	bytes = MIN(bytes, (unsigned)left);
	memcpy(&v, input, bytes);
	input += bytes;
	left -= bytes;
	return v;
}
