/* SPDX-License-Identifier: BSD-2-Clause */
/* The MSR bitmap's layout (SDM Vol. 3C, "MSR-Bitmap Address"). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Clears the read bit (or the write bit) of msr in page, so that it doesn't exit. False: it isn't in the bitmap. */
bool vmx_msr_bitmap_allow(uint8_t page[4096], uint32_t msr, bool read, bool write);
