/* SPDX-License-Identifier: BSD-2-Clause */
/* The log: a ring of lines, one sink, one lock. */
#include "hv/lib/log.h"
#include <stdbool.h>
#include "hv/lib/fmt.h"
#include "hv/lib/lock.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"

#define LOG_LINES    512
#define LOG_LINE_MAX 232

#define NS_PER_US    1000
#define US_PER_S     1000000

struct log_line {
	uint32_t len;
	char text[LOG_LINE_MAX];
};

static struct spinlock log_lock; /* guards the ring and calls of the sink */
static struct log_line ring[LOG_LINES];
static uint64_t next_line; /* number of the line to come; line n is in ring[n % LOG_LINES] */
static log_sink_fn log_sink, log_mirror;
static log_clock_fn log_clock;
static enum log_level log_level = LOG_INFO;

void log_set_sink(log_sink_fn sink)
{
	log_sink = sink;
}

void log_set_mirror(log_sink_fn mirror)
{
	log_mirror = mirror;
}

void log_set_clock(log_clock_fn clock)
{
	log_clock = clock;
}

void log_set_level(enum log_level level)
{
	log_level = level;
}

enum log_level log_get_level(void)
{
	return log_level;
}

/* Texts may hold what a guest or a file gave: nothing of it may steer the operator's terminal. */
static void make_printable(char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			text[i] = '?';
	}
}

void log_vprint(enum log_level level, const char *fmt, va_list ap)
{
	uint64_t us = log_clock != NULL ? log_clock() / NS_PER_US : 0;
	struct log_line *l;
	size_t head, len;

	if (level > log_level)
		return;
	spin_lock(&log_lock);
	l = &ring[next_line % LOG_LINES];
	head =
	    (size_t)fmt_snprintf(l->text, LOG_LINE_MAX, "[%lu.%06lu] ingot: ", us / US_PER_S, us % US_PER_S);
	len = (size_t)fmt_vsnprintf(l->text + head, LOG_LINE_MAX - head, fmt, ap);
	len = MIN(head + len, (size_t)LOG_LINE_MAX - 1);
	make_printable(l->text, len);
	l->len = (uint32_t)len;
	next_line++;
	if (log_sink != NULL)
		log_sink(l->text, len);
	if (log_mirror != NULL)
		log_mirror(l->text, len);
	spin_unlock(&log_lock);
}

void log_print(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_vprint(level, fmt, ap);
	va_end(ap);
}

/* Copies line n if it is still there. */
static bool log_copy(uint64_t n, struct log_line *copy)
{
	bool kept;

	spin_lock(&log_lock);
	kept = n + LOG_LINES >= next_line;
	if (kept)
		*copy = ring[n % LOG_LINES];
	spin_unlock(&log_lock);
	return kept;
}

void log_for_each(void (*fn)(void *arg, const char *line, size_t len), void *arg)
{
	uint64_t end = __atomic_load_n(&next_line, __ATOMIC_ACQUIRE);
	struct log_line copy;

	for (uint64_t n = end > LOG_LINES ? end - LOG_LINES : 0; n < end; n++) {
		if (log_copy(n, &copy))
			fn(arg, copy.text, copy.len);
	}
}

void log_break_lock(void)
{
	log_lock = (struct spinlock){0};
}
