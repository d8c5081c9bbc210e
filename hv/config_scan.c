/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers and addresses within values of ingot.cfg. */
#include "hv/config_scan.h"

#define NO_DIGIT 16

static unsigned digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return NO_DIGIT;
}

bool scan_decimal(const char **s, uint64_t *out)
{
	const char *p = *s;
	uint64_t v = 0;

	for (; *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *p - '0', &v))
			return false;
	}
	bool any = p > *s;
	*s = p;
	*out = v;
	return any;
}

bool scan_hex(const char **s, unsigned count, uint32_t *out)
{
	uint32_t v = 0;

	for (; count > 0; count--, (*s)++) {
		if (digit_value(**s) == NO_DIGIT)
			return false;
		v = v * 16 + digit_value(**s);
	}
	*out = v;
	return true;
}

bool scan_bdf(const char **s, uint16_t *bdf)
{
	uint32_t bus, dev, fn;

	if (!scan_hex(s, 2, &bus) || *(*s)++ != ':' || !scan_hex(s, 2, &dev) || dev > 31 || *(*s)++ != '.' ||
	    !scan_hex(s, 1, &fn) || fn > 7)
		return false;
	*bdf = bus << 8 | dev << 3 | fn;
	return true;
}

size_t scan_hex_digits(const char *s)
{
	size_t n = 0;

	while (digit_value(s[n]) != NO_DIGIT)
		n++;
	return n;
}
