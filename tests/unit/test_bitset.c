/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/bitset.c against a plain array, for sizes with one to three levels. */
#include "support.h"

#include <stdlib.h>
#include "mm/bitset.h"

static void check_size(uint64_t size)
{
	uint64_t *words = calloc(bitset_words(size), sizeof(*words));
	bool *model = calloc(size, sizeof(*model));
	uint64_t seed = size + 1;
	struct bitset b;

	bitset_init(&b, words, size);
	assert_int_equal(bitset_first(&b), size);
	for (unsigned round = 0; round < 2000; round++) {
		uint64_t n = test_random(&seed) % size;
		uint64_t next = n;

		if (test_random(&seed) % 3) {
			bitset_add(&b, n);
			model[n] = true;
		} else {
			bitset_remove(&b, n);
			model[n] = false;
		}
		assert_int_equal(bitset_has(&b, n), model[n]);
		n = next = test_random(&seed) % size;
		while (next < size && !model[next])
			next++;
		assert_int_equal(bitset_next(&b, n), next);
		for (next = 0; next < size && !model[next];)
			next++;
		assert_int_equal(bitset_first(&b), next);
	}
	free(words);
	free(model);
}

static void test_against_array(void **state)
{
	(void)state;
	check_size(1);
	check_size(64);
	check_size(65);
	check_size(4096);
	check_size(4097);
	check_size(20000);
}

static void test_sizes(void **state)
{
	(void)state;
	assert_int_equal(bitset_words(1), 1);
	assert_int_equal(bitset_words(64), 1);
	assert_int_equal(bitset_words(65), 3);
	assert_int_equal(bitset_words(4097), 65 + 2 + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_against_array),
	    cmocka_unit_test(test_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
