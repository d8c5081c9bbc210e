/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/lib/string.c and str.c; unit.mk gives the former's functions the prefix image_. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "hv/lib/string.h"

static void test_copies(void **state)
{
	char a[16] = "0123456789", b[16];

	assert_ptr_equal(memcpy(b, a, 11), b);
	assert_string_equal(b, "0123456789");
	memmove(a + 2, a, 8);
	assert_string_equal(a, "0101234567");
	memmove(a, a + 2, 9);
	assert_string_equal(a, "01234567");
	memset(a, 'x', 3);
	assert_string_equal(a, "xxx34567");
	memmove(a, a, 0);
	assert_string_equal(a, "xxx34567");
}

/* Every length and alignment around the eight-byte steps, nothing written beside the range. */
static void test_lengths(void **state)
{
	unsigned char from[64], to[64];

	for (unsigned i = 0; i < sizeof(from); i++)
		from[i] = (unsigned char)(i * 7 + 1);
	for (size_t n = 0; n < 40; n++) {
		for (size_t at = 1; at < 10; at++) {
			for (unsigned i = 0; i < sizeof(to); i++)
				to[i] = 0xcc;
			memcpy(to + at, from + 3, n);
			for (size_t i = 0; i < sizeof(to); i++)
				assert_int_equal(to[i], i >= at && i < at + n ? from[3 + i - at] : 0xcc);
			memset(to + at, 0x1a5, n);
			for (size_t i = 0; i < sizeof(to); i++)
				assert_int_equal(to[i], i >= at && i < at + n ? 0xa5 : 0xcc);
		}
	}
}

static void test_compares(void **state)
{
	assert_true(memcmp("abc", "abd", 3) < 0);
	assert_true(memcmp("ab\xff", "ab\x01", 3) > 0);
	assert_int_equal(memcmp("abc", "abd", 2), 0);
	assert_true(strcmp("a", "ab") < 0);
	assert_true(strcmp("\xff", "a") > 0);
	assert_int_equal(strcmp("ab", "ab"), 0);
	assert_int_equal(strncmp("abc", "abd", 2), 0);
	assert_true(strncmp("abc", "abd", 3) < 0);
	assert_int_equal(strncmp("ab", "ab", 100), 0);
}

static void test_searches(void **state)
{
	const char *s = "hello";

	assert_ptr_equal(strchr(s, 'l'), s + 2);
	assert_ptr_equal(strchr(s, '\0'), s + 5);
	assert_null(strchr(s, 'z'));
	assert_ptr_equal(memchr(s, 'o', 5), s + 4);
	assert_null(memchr(s, 'o', 4));
	assert_int_equal(strlen(s), 5);
	assert_int_equal(str_nlen(s, 3), 3);
	assert_int_equal(str_nlen(s, 9), 5);
}

static void test_str_copy(void **state)
{
	char d[4] = "zzz";

	assert_true(str_copy(d, sizeof(d), "abc"));
	assert_string_equal(d, "abc");
	assert_false(str_copy(d, sizeof(d), "defg"));
	assert_string_equal(d, "def");
	assert_false(str_copy(d, 0, "x"));
	assert_string_equal(d, "def");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_copies),   cmocka_unit_test(test_lengths),  cmocka_unit_test(test_compares),
	    cmocka_unit_test(test_searches), cmocka_unit_test(test_str_copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
