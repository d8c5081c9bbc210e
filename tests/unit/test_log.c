/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/lib/log.c: the line's form, levels, what the ring keeps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "hv/lib/log.h"

static char last[512];
static int sunk;

static void sink(const char *line, size_t len)
{
	memcpy(last, line, len);
	last[len] = '\0';
	sunk++;
}

static uint64_t clock_ns(void)
{
	return 3000045678UL;
}

struct kept {
	int count;
	char first[512], last[512];
};

static void keep(void *arg, const char *line, size_t len)
{
	struct kept *k = arg;
	char *dst = k->count++ == 0 ? k->first : k->last;

	memcpy(dst, line, len);
	dst[len] = '\0';
}

static void test_line(void **state)
{
	log_set_sink(sink);
	log_info("hello %d", 5);
	assert_string_equal(last, "[0.000000] ingot: hello 5");
	log_set_clock(clock_ns);
	log_error("evil \x1b[2J\n%c", 'x');
	assert_string_equal(last, "[3.000045] ingot: evil ?[2J?x");
}

static void test_level(void **state)
{
	int before = sunk;

	log_debug("not shown");
	assert_int_equal(sunk, before);
	log_set_level(LOG_DEBUG);
	log_debug("shown");
	assert_int_equal(sunk, before + 1);
	log_set_level(LOG_ERROR);
	log_warn("not shown");
	assert_int_equal(sunk, before + 1);
	log_set_level(LOG_INFO);
}

static void test_long_line(void **state)
{
	char big[1000];

	memset(big, 'a', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	log_info("%s", big);
	assert_int_equal(strlen(last), 231);
}

static void test_ring(void **state)
{
	struct kept k = {0};
	int n;

	for (int i = 0; i < 2000; i++)
		log_info("line %d", i);
	log_for_each(keep, &k);
	assert_in_range(k.count, 256, 1999);
	n = atoi(strstr(k.first, "line ") + 5);
	assert_int_equal(n, 2000 - k.count);
	assert_string_equal(k.last, "[3.000045] ingot: line 1999");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_line),
	    cmocka_unit_test(test_level),
	    cmocka_unit_test(test_long_line),
	    cmocka_unit_test(test_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
