/* SPDX-License-Identifier: BSD-2-Clause */
/* Lays out the MSR bitmap. Pure. */
#include "vmx/msr_bitmap.h"

#include <stdbool.h>
#include "hv/lib/status.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"

/* SDM Vol. 3C, "MSR-Bitmap Address": four bitmaps of 1 KiB, a bit that is 1 makes the access exit. */
enum { BITMAP_READ = 0, BITMAP_WRITE = 0x800, BITMAP_HIGH = 0x400 };
#define MSR_LOW_END    0x2000u
#define MSR_HIGH_START 0xc0000000u
#define MSR_HIGH_END   0xc0002000u

enum status vmx_msr_bitmap_build(uint8_t page[4096], const struct msr_passthrough *list, size_t count)
{
	memset(page, 0xff, PAGE_SIZE);
	for (size_t i = 0; i < count; i++) {
		uint32_t msr = list[i].msr;
		bool high = msr >= MSR_HIGH_START && msr < MSR_HIGH_END;
		uint32_t bit = high ? msr - MSR_HIGH_START : msr;
		uint8_t *bitmap = page + (high ? BITMAP_HIGH : 0) + bit / 8;

		if (!high && msr >= MSR_LOW_END)
			return ERR_RANGE;
		if (list[i].rights & MSR_READ)
			bitmap[BITMAP_READ] &= (uint8_t)~BIT(bit % 8);
		if (list[i].rights & MSR_WRITE)
			bitmap[BITMAP_WRITE] &= (uint8_t)~BIT(bit % 8);
	}
	return OK;
}
