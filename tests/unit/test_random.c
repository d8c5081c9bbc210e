/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/random.c: every byte asked for is written and none beyond, and they are not always the same. Skipped without RDRAND. */
#include "support.h"

#include <string.h>
#include "hv/random.h"

static void test_fill(void **state)
{
	uint8_t seen[32] = {}, zeros[32] = {};

	if (!random_available())
		skip();
	for (unsigned i = 0; i < 100; i++) {
		for (size_t n = 0; n < sizeof(seen); n++) {
			uint8_t b[33] = {};

			assert_int_equal(random_fill(b, n), n);
			assert_memory_equal(b + n, zeros, sizeof(b) - n - 1);
			for (size_t j = 0; j < n; j++)
				seen[j] |= b[j];
		}
	}
	for (size_t j = 0; j < sizeof(seen) - 1; j++)
		assert_int_equal(seen[j], 0xff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_fill)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
