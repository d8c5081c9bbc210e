/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers and addresses within values of ingot.cfg. Each function takes what it knows at *s, and moves *s behind it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A decimal number. False: there is none, or it is too big. */
bool scan_decimal(const char **s, uint64_t *out);
/* Exactly `count` hexadecimal digits, at most 8. */
bool scan_hex(const char **s, unsigned count, uint32_t *out);
/* A PCI function, 00:16.3, to bus << 8 | device << 3 | function. */
bool scan_bdf(const char **s, uint16_t *bdf);
/* The number of hexadecimal digits at s. */
size_t scan_hex_digits(const char *s);
