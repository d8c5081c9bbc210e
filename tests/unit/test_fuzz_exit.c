/* SPDX-License-Identifier: BSD-2-Clause */
/* tests/fuzz/fuzz_exit.c for a moment. */
#include "fuzz_short.h"

#include "tests/fuzz/fuzz_exit.c"

static void test_some(void **state)
{
	fuzz_short("tests/fuzz/corpus/exit/exits", 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_some)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
