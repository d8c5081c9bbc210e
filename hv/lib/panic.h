/* SPDX-License-Identifier: BSD-2-Clause */
/* panic, for bugs of our own only, and CHECK, which is never compiled out. */
#pragma once

[[gnu::noreturn, gnu::format(printf, 1, 2)]] void panic(const char *fmt, ...);

/* Called once at the start of a panic, so that log lines reach the device by polling from then on. */
void panic_set_console(void (*take_over)(void));

#define CHECK(cond)                                                                                          \
	do {                                                                                                 \
		if (__builtin_expect(!(cond), 0))                                                            \
			panic("%s:%d: CHECK(%s) failed", __FILE__, __LINE__, #cond);                         \
	} while (0)
