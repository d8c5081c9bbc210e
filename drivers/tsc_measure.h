/* SPDX-License-Identifier: BSD-2-Clause */
/* The calculating part of drivers/tsc.c, which unit tests feed with clocks of their own. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "drivers/clock_source.h"

/* CPUID leaves 15H and 16H; 0 where absent. */
struct tsc_leaves {
	uint32_t denominator, numerator, crystal_hz, base_mhz;
};

/* TSC ticks a second, measured against c for `us` microseconds (at most 10000); 0: c doesn't run. */
uint64_t tsc_measure(const struct clock_source *c, uint32_t us, uint64_t (*tsc)(void));
/* Both are there and differ by at most 1 %. */
bool tsc_agree(uint64_t a, uint64_t b);
/* What the leaves say, 0 if nothing. */
uint64_t tsc_cpuid_hz(const struct tsc_leaves *l);
/* The leaves' exact value where the measurement bears it out, else the measurement. */
uint64_t tsc_choose(uint64_t measured, uint64_t cpuid_hz);
