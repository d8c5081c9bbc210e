/* SPDX-License-Identifier: BSD-2-Clause */
/* The multiplexer's state: guests' rings, the operator's input, attaching and leaving. hv/mgmt/mux_out.c draws. */
#include "hv/mgmt/mux.h"
#include <stdarg.h>
#include "hv/lib/fmt.h"
#include "hv/lib/string.h"

#define NOTE_MAX 128

void mux_init(struct mux *m, uint8_t escape, void *command_buf, size_t size)
{
	memset(m, 0, sizeof(*m));
	m->escape = escape;
	m->attached = MUX_NOBODY;
	byte_ring_init(&m->typed, m->typed_buf, sizeof(m->typed_buf));
	byte_ring_init(&m->lines, m->lines_buf, sizeof(m->lines_buf));
	byte_ring_init(&m->stage, m->stage_buf, sizeof(m->stage_buf));
	byte_ring_init(&m->command, command_buf, size);
	line_edit_init(&m->edit);
}

void mux_add_guest(struct mux *m, unsigned n, struct mux_guest *g, const char *name)
{
	g->name = name;
	byte_ring_init(&g->out, g->out_buf, sizeof(g->out_buf));
	byte_ring_init(&g->in, g->in_buf, sizeof(g->in_buf));
	guest_text_init(&g->text);
	m->guest[n] = g;
}

static bool is_displayed(const struct mux *m, unsigned n)
{
	return m->attached == MUX_NOBODY ? !m->guest[n]->muted : m->attached == (int)n;
}

/* What guest n has written so far isn't going to be shown. */
static void skip_output(struct mux_guest *g)
{
	g->shown = g->out.head;
	g->partial = false;
	g->continued = false;
	guest_text_init(&g->text);
}

bool mux_guest_put(struct mux *m, unsigned n, uint8_t byte)
{
	struct mux_guest *g = m->guest[n];
	bool displayed = is_displayed(m, n);

	byte_ring_put(&g->out, byte);
	g->lines += byte == '\n';
	if (!displayed) {
		g->shown = g->out.head;
		return false;
	}
	/* An unfinished line has its time set already; only its end, or a lot of it, is news. */
	return m->attached != MUX_NOBODY || byte == '\n' || !g->partial ||
	       g->out.head - g->shown >= GUEST_LINE_MAX;
}

/* Makes room for a line by dropping the oldest ones. */
static void drop_lines(struct mux *m, size_t room)
{
	while (byte_ring_room(&m->lines) < room) {
		while (byte_ring_take(&m->lines) != '\n')
			;
		m->lines_lost++;
	}
}

bool mux_host_line(struct mux *m, const char *line, size_t len)
{
	len = MIN(len, (size_t)GUEST_LINE_MAX);
	drop_lines(m, len + 1);
	for (size_t i = 0; i < len; i++)
		byte_ring_put(&m->lines, line[i] == '\n' ? ' ' : (uint8_t)line[i]);
	byte_ring_put(&m->lines, '\n');
	return m->attached == MUX_NOBODY;
}

void mux_command_write(struct mux *m, const char *text, size_t len)
{
	if (byte_ring_room(&m->command) < len) {
		m->command_cut = true;
		return;
	}
	for (size_t i = 0; i < len; i++)
		byte_ring_put(&m->command, (uint8_t)text[i]);
}

[[gnu::format(printf, 2, 3)]] static void note(struct mux *m, const char *fmt, ...)
{
	char text[NOTE_MAX];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = fmt_vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	mux_command_write(m, text, MIN((size_t)n, sizeof(text) - 1));
}

bool mux_guest_ready(struct mux *m, unsigned n)
{
	struct mux_guest *g = m->guest[n];

	if (!is_displayed(m, n) || g->out.head - g->shown < MUX_HOLD)
		return true;
	g->held = true;
	return false;
}

bool mux_guest_release(struct mux *m, unsigned n)
{
	struct mux_guest *g = m->guest[n];

	if (!g->held || (is_displayed(m, n) && g->out.head - g->shown >= MUX_HOLD / 2))
		return false;
	g->held = false;
	return true;
}

void mux_type(struct mux *m, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (byte_ring_room(&m->typed) > 0)
			byte_ring_put(&m->typed, bytes[i]);
		else if (bytes[i] == m->escape)
			m->escape_hit = true;
	}
}

/* The operator has left guest n, or it has ended: back to the prompt, and what happened meanwhile. */
void mux_leave(struct mux *m, const char *why)
{
	struct mux_guest *left = m->guest[m->attached];

	note(m, "%s[%s %s]\n", m->midline ? "\n" : "", left->name, why);
	for (unsigned n = 0; n < MUX_GUEST_MAX; n++) {
		struct mux_guest *g = m->guest[n];

		if (g == NULL || g->muted || g == left || g->lines == g->lines_at_attach)
			continue;
		note(m, "%s has written %lu lines meanwhile: vm log %s\n", g->name,
		     g->lines - g->lines_at_attach, g->name);
	}
	left->ended = false;
	skip_output(left);
	m->attached = MUX_NOBODY;
	m->midline = false;
}

/*
 * Drops what was typed up to and with the escape key. False: it isn't there. Each byte is looked at once: a long
 * search would keep the line's interrupt waiting until bytes are lost.
 */
static bool find_escape(struct mux *m)
{
	for (uint64_t pos = MAX(m->typed.tail, m->searched); pos < m->typed.head; pos++) {
		if (byte_ring_at(&m->typed, pos) == m->escape) {
			m->typed.tail = pos + 1;
			return true;
		}
	}
	m->searched = m->typed.head;
	return false;
}

void mux_route(struct mux *m)
{
	struct mux_guest *g;

	if (m->escape_hit && m->attached != MUX_NOBODY) {
		m->typed.tail = m->typed.head;
		mux_leave(m, "left");
	}
	m->escape_hit = false;
	while (m->attached != MUX_NOBODY && byte_ring_used(&m->typed) > 0) {
		g = m->guest[m->attached];
		if (byte_ring_at(&m->typed, m->typed.tail) == m->escape || byte_ring_room(&g->in) == 0) {
			/* A guest that takes nothing any more can still be left. */
			if (!find_escape(m))
				return;
			mux_leave(m, "left");
			return;
		}
		byte_ring_put(&g->in, byte_ring_take(&m->typed));
		g->input_full = false;
	}
}

bool mux_take_key(struct mux *m, uint8_t *key)
{
	if (m->attached != MUX_NOBODY || byte_ring_used(&m->typed) == 0)
		return false;
	*key = byte_ring_take(&m->typed);
	return true;
}

uint64_t mux_log_start(const struct mux_guest *g)
{
	return g->out.head > g->out.size ? g->out.head - g->out.size : 0;
}

/* Where the replay starts: at a line's start where there is one. */
static uint64_t replay_start(const struct mux_guest *g)
{
	uint64_t from = g->out.head > MUX_REPLAY ? g->out.head - MUX_REPLAY : 0;

	for (uint64_t pos = from; from > 0 && pos < g->out.head; pos++) {
		if (byte_ring_at(&g->out, pos) == '\n')
			return pos + 1;
	}
	return from;
}

void mux_attach(struct mux *m, unsigned n)
{
	char key[3] = {'^', (char)(m->escape | 0x40), '\0'};

	note(m, "[%s: leave with %s]\n", m->guest[n]->name, key);
	for (unsigned i = 0; i < MUX_GUEST_MAX; i++) {
		if (m->guest[i] == NULL)
			continue;
		skip_output(m->guest[i]);
		m->guest[i]->lines_at_attach = m->guest[i]->lines;
	}
	m->guest[n]->shown = replay_start(m->guest[n]);
	m->guest[n]->ended = false;
	m->attached = (int)n;
	m->midline = false;
}

void mux_guest_ended(struct mux *m, unsigned n)
{
	struct mux_guest *g = m->guest[n];

	g->in.tail = g->in.head;
	g->input_full = false;
	g->ended = m->attached == (int)n;
}

void mux_set_muted(struct mux *m, unsigned n, bool muted)
{
	struct mux_guest *g = m->guest[n];

	if (g->muted == muted)
		return;
	g->muted = muted;
	skip_output(g);
}
