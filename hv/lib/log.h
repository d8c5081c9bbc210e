/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hypervisor's log: lines `[seconds.micros] ingot: text`, kept in a ring for the `log` command and
 * handed to one sink (the early console first, the console multiplexer later). Owns no device.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Where finished lines go; line has no newline and no terminator. Called with the log's lock held. */
typedef void (*log_sink_fn)(const char *line, size_t len);
/* Nanoseconds since boot. */
typedef uint64_t (*log_clock_fn)(void);

void log_set_sink(log_sink_fn sink);
/* A second place for finished lines, beside the sink; NULL: none. */
void log_set_mirror(log_sink_fn mirror);
void log_set_clock(log_clock_fn clock);
void log_set_level(enum log_level level);
enum log_level log_get_level(void);

[[gnu::format(printf, 2, 3)]] void log_print(enum log_level level, const char *fmt, ...);
void log_vprint(enum log_level level, const char *fmt, va_list ap);

/*
 * Calls fn for each kept line, oldest first. A line that another CPU overwrites meanwhile is left out.
 */
void log_for_each(void (*fn)(void *arg, const char *line, size_t len), void *arg);

/* For the panic path: gives up the lock, whoever holds it. */
void log_break_lock(void);

#define log_error(...) log_print(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_print(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_print(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_print(LOG_DEBUG, __VA_ARGS__)
