/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fakes that any unit test may need. All are weak: a test that links the real source, or brings a fake
 * of its own, gets that.
 */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "hv/lib/log.h"
#include "hv/lib/panic.h"
#include "hv/lib/status.h"
#include "hv/lib/string.h"

unsigned fake_log_warnings;
char fake_log_last[256];

[[gnu::weak]] void panic(const char *fmt, ...)
{
	static char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	mock_assert(0, text, "panic", 0); /* jumps out; returns only outside of a test */
	abort();
}

[[gnu::weak]] void log_print(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	if (level > LOG_WARN)
		return;
	fake_log_warnings++;
	va_start(ap, fmt);
	vsnprintf(fake_log_last, sizeof(fake_log_last), fmt, ap);
	va_end(ap);
}

[[gnu::weak]] const char *status_str(enum status s)
{
	static char text[24];

	snprintf(text, sizeof(text), "status %d", (int)s);
	return text;
}

[[gnu::weak]] size_t str_nlen(const char *s, size_t max)
{
	return strnlen(s, max);
}

[[gnu::weak]] bool str_copy(char *dst, size_t size, const char *src)
{
	return (size_t)snprintf(dst, size, "%s", src) < size;
}

uint64_t test_random(uint64_t *state)
{
	/* xorshift64* */
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dULL;
}

bool test_soak(void)
{
	return getenv("INGOT_SOAK");
}
