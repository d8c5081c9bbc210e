/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's TSC: the host's times a multiplier, plus an offset of each vCPU. The multiplier is in fixed point, 16 bits and
 * 48 behind the point, as VMX has it; SVM's has 8 and 32, so that what fits there is the same number. Software computes
 * what the hardware does, to the bit: SDM Vol. 3C, "Time-Stamp Counter Offsetting and Scaling". Pure.
 */
#pragma once

#include "hv/clock.h"
#include "hv/lib/util.h"

#define TSC_FRACTION_BITS  48
#define TSC_MULTIPLIER_ONE BIT(TSC_FRACTION_BITS)

struct guest_tsc {
	uint64_t hz;
	uint64_t multiplier;      /* TSC_MULTIPLIER_ONE: the host's TSC as it is */
	struct clock_ratio to_ns; /* of its ticks */
};

/* Makes ticks of from Hz ticks of to Hz (not 0), to the nearest; 0: there is no such multiplier. */
static inline uint64_t tsc_multiplier(uint64_t from, uint64_t to)
{
	struct clock_ratio r = clock_ratio(from, to);

	if (r.whole >> (64 - TSC_FRACTION_BITS))
		return 0;
	return (r.whole << TSC_FRACTION_BITS | r.fraction >> (64 - TSC_FRACTION_BITS)) +
	       (r.fraction >> (63 - TSC_FRACTION_BITS) & 1);
}

static inline uint64_t tsc_scale(uint64_t multiplier, uint64_t ticks)
{
	return (uint64_t)((unsigned __int128)ticks * multiplier >> TSC_FRACTION_BITS);
}
