/* SPDX-License-Identifier: BSD-2-Clause */
/* See svm/msrpm.h. */
#include "svm/msrpm.h"

#include "hv/lib/util.h"

#define RANGE_MSRS    0x2000u /* MSRs that one range of the map covers */
#define RANGE_BYTES   0x800u
#define MSR_READ_BIT  1u
#define MSR_WRITE_BIT 2u

bool msrpm_allow(uint8_t *map, uint32_t msr, bool read, bool write)
{
	static const uint32_t first[] = {0x00000000, 0xc0000000, 0xc0010000};

	for (uint32_t i = 0; i < ARRAY_SIZE(first); i++) {
		uint32_t n = msr - first[i];

		if (n >= RANGE_MSRS)
			continue;
		uint8_t bits = (read ? MSR_READ_BIT : 0) | (write ? MSR_WRITE_BIT : 0);

		map[i * RANGE_BYTES + n / 4] &= (uint8_t) ~(bits << n % 4 * 2);
		return true;
	}
	return false;
}
