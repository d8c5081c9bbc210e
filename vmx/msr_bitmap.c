/* SPDX-License-Identifier: BSD-2-Clause */
/* See vmx/msr_bitmap.h. Pure. */
#include "vmx/msr_bitmap.h"

#include "hv/lib/util.h"

/* Four bitmaps of 1 KiB; a bit that is 1 makes the access exit. */
enum { BITMAP_READ = 0, BITMAP_WRITE = 0x800, BITMAP_HIGH = 0x400 };
#define MSR_LOW_END    0x2000u
#define MSR_HIGH_START 0xc0000000u
#define MSR_HIGH_END   0xc0002000u

bool vmx_msr_bitmap_allow(uint8_t page[4096], uint32_t msr, bool read, bool write)
{
	bool high = msr >= MSR_HIGH_START && msr < MSR_HIGH_END;
	uint32_t n = high ? msr - MSR_HIGH_START : msr;
	uint8_t *bitmap = page + (high ? BITMAP_HIGH : 0) + n / 8;

	if (!high && msr >= MSR_LOW_END)
		return false;
	if (read)
		bitmap[BITMAP_READ] &= (uint8_t)~BIT(n % 8);
	if (write)
		bitmap[BITMAP_WRITE] &= (uint8_t)~BIT(n % 8);
	return true;
}
