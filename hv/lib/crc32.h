/* SPDX-License-Identifier: BSD-2-Clause */
/* The CRC-32 of Ethernet, GPT and many more: polynomial 04C11DB7h, bits reflected, inverted before and after. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Goes on from crc, which is 0 at the beginning. */
uint32_t crc32(uint32_t crc, const void *data, size_t n);
