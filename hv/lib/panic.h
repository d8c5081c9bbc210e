/* SPDX-License-Identifier: BSD-2-Clause */
/* panic, for bugs of our own only, and CHECK, which is never compiled out. */
#pragma once

[[gnu::noreturn, gnu::format(printf, 1, 2)]] void panic(const char *fmt, ...);

#define CHECK(cond)                                                                                          \
	do {                                                                                                 \
		if (__builtin_expect(!(cond), 0))                                                            \
			panic("%s:%d: CHECK(%s) failed", __FILE__, __LINE__, #cond);                         \
	} while (0)
