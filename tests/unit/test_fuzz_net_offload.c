/* SPDX-License-Identifier: BSD-2-Clause */
/* tests/fuzz/fuzz_net_offload.c for a moment. */
#include "fuzz_short.h"

#include "tests/fuzz/fuzz_net_offload.c"

static void test_some(void **state)
{
	fuzz_short("tests/fuzz/corpus/net_offload/ipv4", 3000);
	fuzz_short("tests/fuzz/corpus/net_offload/ipv6", 3000);
	fuzz_short("tests/fuzz/corpus/net_offload/tagged", 3000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_some)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
