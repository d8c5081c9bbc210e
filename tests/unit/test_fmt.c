/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/lib/fmt.c against the host's printf: the same format, the same text and length. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <limits.h>
#include <cmocka.h>
#include "hv/lib/fmt.h"

#define SAME(...)                                                                                            \
	do {                                                                                                 \
		char ours[128], libc[128];                                                                   \
		int n = fmt_snprintf(ours, sizeof(ours), __VA_ARGS__);                                       \
                                                                                                             \
		assert_int_equal(n, snprintf(libc, sizeof(libc), __VA_ARGS__));                              \
		assert_string_equal(ours, libc);                                                             \
	} while (0)

static void test_numbers(void **state)
{
	SAME("%d %i %u", -1, INT_MIN, UINT_MAX);
	SAME("%ld %lu %lx", LONG_MIN, ULONG_MAX, ULONG_MAX);
	SAME("%hhd %hd %hhu %hu", -1, -2, 255, 65535);
	SAME("%zu %lld %llX", (size_t)5, -6LL, 0xabcULL);
	SAME("[%5d] [%-5d] [%05d] [%.3d] [%8.3d] [%-8.3dx]", -42, -42, -42, 7, 7, 7);
	SAME("[%016lx] [%-10x] [%*d] [%-*d]", 0x1234UL, 0xbeefU, 6, 1, 6, 1);
	SAME("[%*d] [%.*d] [%.0d] [%0*u]", -6, 3, 4, 5, 0, 4, 9u);
	SAME("%p", (void *)0x1000);
}

static void test_text(void **state)
{
	SAME("%s|%10s|%-10s|%.2s|%.*s|", "abc", "abc", "abc", "abc", 1, "abc");
	SAME("%c%c%%", 'a', 'b');
	SAME("%5c|%-5c|", 'a', 'b');
	SAME("nothing");
}

static void test_bounds(void **state)
{
	char b[6] = "zzzzz";

	assert_int_equal(fmt_snprintf(b, 4, "%s", "abcdef"), 6);
	assert_string_equal(b, "abc");
	assert_int_equal(b[4], 'z');
	assert_int_equal(fmt_snprintf(b, 1, "%d", 12345), 5);
	assert_string_equal(b, "");
	assert_int_equal(fmt_snprintf(NULL, 0, "%d", 12345), 5);
	assert_int_equal(fmt_snprintf(b, sizeof(b), "12345"), 5);
	assert_string_equal(b, "12345");
	fmt_snprintf(b, sizeof(b), "%.3s", (const char[]){'a', 'b', 'c'});
	assert_string_equal(b, "abc");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_numbers),
	    cmocka_unit_test(test_text),
	    cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
