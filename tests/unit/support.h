/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every unit test needs: cmocka with the headers that it wants before it, and the fakes of
 * support.c. A test file starts with this include.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* Passes where expr ends in panic() or a failed CHECK. */
#define assert_panics(expr) expect_assert_failure(expr)

/* How many lines log_print got at warning level or worse, and the last of them. */
extern unsigned fake_log_warnings;
extern char fake_log_last[256];

/* A small deterministic generator, so that a random test fails the same way twice. */
uint64_t test_random(uint64_t *state);

/* Is this the long run (`make soak`)? */
bool test_soak(void);
