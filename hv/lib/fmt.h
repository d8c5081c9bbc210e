/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * printf-style formatting. Conversions: d i u x X c s p %, with flags '-' and '0', width, precision
 * (also '*'), and the lengths hh h l ll z. No floating point.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

/* Writes at most size bytes, always terminated when size > 0; returns the length it would need. */
int fmt_vsnprintf(char *buf, size_t size, const char *fmt, va_list ap);
[[gnu::format(printf, 3, 4)]] int fmt_snprintf(char *buf, size_t size, const char *fmt, ...);
