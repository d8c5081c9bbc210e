/* SPDX-License-Identifier: BSD-2-Clause */
/* What must be so whatever the input is: else the fuzzer stops, and keeps the input. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#define REQUIRE(cond)                                                                                        \
	do {                                                                                                 \
		if (!(cond)) {                                                                               \
			fprintf(stderr, "not true: %s\n", #cond);                                            \
			abort();                                                                             \
		}                                                                                            \
	} while (0)
