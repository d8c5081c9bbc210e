/* SPDX-License-Identifier: BSD-2-Clause */
/* Bit by bit, without a table: what is checked is small. */
#include "hv/lib/crc32.h"

#define POLYNOMIAL 0xedb88320 /* 04C11DB7h, reflected */

uint32_t crc32(uint32_t crc, const void *data, size_t n)
{
	const uint8_t *p = data;

	crc = ~crc;
	for (; n > 0; n--) {
		crc ^= *p++;
		for (unsigned bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
	}
	return ~crc;
}
