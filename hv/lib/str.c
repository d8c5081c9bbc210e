/* SPDX-License-Identifier: BSD-2-Clause */
/* The bounded string functions of our own; apart from string.c, whose names the host's libc has too. */
#include "hv/lib/string.h"

size_t str_nlen(const char *s, size_t max)
{
	size_t n = 0;

	while (n < max && s[n] != '\0')
		n++;
	return n;
}

bool str_copy(char *dst, size_t size, const char *src)
{
	size_t n;

	if (size == 0)
		return false;
	n = str_nlen(src, size);
	if (n == size) {
		memcpy(dst, src, size - 1);
		dst[size - 1] = '\0';
		return false;
	}
	memcpy(dst, src, n + 1);
	return true;
}
