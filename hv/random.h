/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random bytes for guests. Their one source is the processor's own generator; where there is none, guests get no device
 * of random bytes either, because a bad one is worse. Model: Intel SDM Vol. 1, "Random Number Generator Instructions".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Has this CPU a generator? */
bool random_available(void);
/* Fills dst with n random bytes, of which each came from the generator. Returns how many it got; it rarely fails. */
size_t random_fill(void *dst, size_t n);
