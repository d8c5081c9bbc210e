/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The multiplexer's drawing: which line goes out next. Each piece that is staged is whole lines, or erases or
 * draws the prompt; so nothing can be torn. Waiting output takes turns, line by line.
 */
#include "hv/lib/fmt.h"
#include "hv/lib/string.h"
#include "hv/mgmt/mux.h"

#define STAGE_LOW    512  /* bytes; more is composed only below: what is typed must not wait behind a flood */
#define PIECE_MAX    256  /* bytes of a command's or an attached guest's output at once */
#define SCAN_MAX     8192 /* bytes of a guest that are looked at in one step */
#define PROMPT       "ingot> "
#define PROMPT_WIDTH 72 /* characters of the typed line that are shown */
#define ERASE_LINE   "\r\x1b[K"

/* A line, the erased prompt, the longest name and the rest must fit above STAGE_LOW. */
static_assert(MUX_STAGE_SIZE - STAGE_LOW > GUEST_LINE_MAX + GUEST_LINE_PAD + 64 + 2 * PROMPT_WIDTH);

static void stage(struct mux *m, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		byte_ring_put(&m->stage, (uint8_t)text[i]);
}

static void stage_str(struct mux *m, const char *text)
{
	stage(m, text, strlen(text));
}

static bool stage_is_low(const struct mux *m)
{
	return byte_ring_used(&m->stage) < STAGE_LOW;
}

static void hide_prompt(struct mux *m, uint64_t now_ns)
{
	if (!m->prompt_shown)
		return;
	stage_str(m, ERASE_LINE);
	m->prompt_shown = false;
	m->prompt_hidden_ns = now_ns;
}

/*
 * When the operator did something: at once. After lines that came between: when they pause, or under a flood from
 * time to time.
 */
static bool prompt_is_due(const struct mux *m, bool idle, uint64_t now_ns, uint64_t *deadline)
{
	uint64_t due = m->prompt_hidden_ns + MUX_PROMPT_NS;

	if (m->prompt_dirty)
		return true;
	if (idle)
		due = MIN(due, m->last_line_ns + MUX_QUIET_NS);
	*deadline = MIN(*deadline, due);
	return now_ns >= due;
}

/* The part of the typed line around the cursor, and the cursor. */
static void draw_line(struct mux *m)
{
	const struct line_edit *e = &m->edit;
	uint32_t from = e->cursor > PROMPT_WIDTH ? e->cursor - PROMPT_WIDTH : 0;
	uint32_t to = MIN(e->len, from + PROMPT_WIDTH);

	stage_str(m, m->prompt_shown ? ERASE_LINE PROMPT : PROMPT);
	stage(m, e->line + from, to - from);
	for (uint32_t i = to; i > e->cursor; i--)
		stage_str(m, "\b");
	m->prompt_plain = from == 0 && e->cursor == e->len;
	m->prompt_len = e->len;
}

/* What was typed behind what stands there already. */
static void draw_appended(struct mux *m)
{
	const struct line_edit *e = &m->edit;

	stage(m, e->line + m->prompt_len, e->len - m->prompt_len);
	m->prompt_len = e->len;
}

static void draw_prompt(struct mux *m)
{
	if (m->prompt_shown && m->prompt_plain && m->edit.len <= PROMPT_WIDTH)
		draw_appended(m);
	else
		draw_line(m);
	m->prompt_shown = true;
	m->prompt_dirty = false;
}

/* The finished line stays on the screen, whole; what follows stands below it. */
static void finish_prompt(struct mux *m, const char *end)
{
	const struct line_edit *e = &m->edit;
	uint32_t from = 0;

	if (m->prompt_shown && m->prompt_plain)
		from = m->prompt_len;
	else if (m->prompt_shown)
		mux_command_write(m, ERASE_LINE PROMPT, sizeof(ERASE_LINE PROMPT) - 1);
	else
		mux_command_write(m, PROMPT, sizeof(PROMPT) - 1);
	mux_command_write(m, e->line + from, e->len - from);
	mux_command_write(m, end, strlen(end));
	m->prompt_shown = false;
	m->prompt_dirty = true; /* the next one, as soon as the command is done */
}

void mux_prompt_changed(struct mux *m, enum edit_result how)
{
	switch (how) {
	case EDIT_NOTHING:
	case EDIT_COMPLETE:
		return;
	case EDIT_APPENDED:
		m->prompt_dirty = true;
		return;
	case EDIT_CHANGED:
		m->prompt_dirty = true;
		m->prompt_plain = false;
		return;
	case EDIT_ENTER:
		finish_prompt(m, "\n");
		return;
	case EDIT_CANCEL:
		/* The editor has dropped the line already: what stands there stays. */
		m->prompt_plain = true;
		m->prompt_len = 0;
		finish_prompt(m, "^C\n");
		return;
	case EDIT_REDRAW:
		mux_command_write(m, "\x1b[H\x1b[2J", 7);
		m->prompt_shown = false;
		return;
	}
}

static void stage_line(struct mux *m, const char *text, size_t len)
{
	stage(m, text, len);
	stage_str(m, "\r\n");
}

static bool compose_command(struct mux *m, uint64_t now_ns)
{
	static const char cut[] = "error: the rest of the output was cut\n";

	if (byte_ring_used(&m->command) == 0 && m->command_cut) {
		m->command_cut = false;
		mux_command_write(m, cut, sizeof(cut) - 1);
	}
	if (byte_ring_used(&m->command) == 0)
		return false;
	hide_prompt(m, now_ns);
	m->prompt_dirty = true;
	for (unsigned n = 0; n < PIECE_MAX && byte_ring_used(&m->command) > 0; n++) {
		char c = (char)byte_ring_take(&m->command);

		if (c == '\n')
			stage_str(m, "\r\n");
		else
			stage(m, &c, 1);
	}
	return true;
}

static void compose_commands(struct mux *m, uint64_t now_ns)
{
	while (stage_is_low(m) && compose_command(m, now_ns))
		;
}

static void compose_lost_lines(struct mux *m)
{
	char text[64];
	int n = fmt_snprintf(text, sizeof(text), "[%lu lines left out: log]", m->lines_lost);

	stage_line(m, text, (size_t)n);
	m->lines_lost = 0;
}

static bool compose_host_line(struct mux *m, uint64_t now_ns)
{
	uint8_t c;

	if (byte_ring_used(&m->lines) == 0)
		return false;
	hide_prompt(m, now_ns);
	if (m->lines_lost > 0)
		compose_lost_lines(m);
	while ((c = byte_ring_take(&m->lines)) != '\n')
		stage(m, (const char *)&c, 1);
	stage_str(m, "\r\n");
	return true;
}

static void compose_text(struct mux *m, struct mux_guest *g, const char *text, size_t len, uint64_t now_ns)
{
	hide_prompt(m, now_ns);
	stage_str(m, g->name);
	stage_str(m, "| ");
	stage_line(m, text, len);
}

/* Its own bytes have overtaken the line: says how much is missing. */
static void compose_gap(struct mux *m, struct mux_guest *g, uint64_t now_ns)
{
	char text[64];
	uint64_t oldest = mux_log_start(g);
	int n = fmt_snprintf(text, sizeof(text), "[%lu bytes left out]", oldest - g->shown);

	g->shown = oldest;
	g->partial = g->continued = false;
	guest_text_init(&g->text);
	compose_text(m, g, text, (size_t)n, now_ns);
}

/* Shows the line that g->text holds. False: it was only the end of one that has been shown. */
static bool compose_guest_text(struct mux *m, struct mux_guest *g, bool finished, uint64_t now_ns)
{
	bool show = g->text.len > 0 || !g->continued;

	if (show)
		compose_text(m, g, g->text.line, g->text.len, now_ns);
	guest_text_clear(&g->text);
	g->partial = false;
	g->continued = !finished;
	return show;
}

/* An unfinished line: shown when its time has come. */
static bool compose_partial(struct mux *m, struct mux_guest *g, uint64_t now_ns, uint64_t *deadline)
{
	if (g->text.len == 0)
		return false;
	if (!g->partial) {
		g->partial = true;
		g->partial_first_ns = now_ns;
	}
	if (g->partial_first_ns == now_ns || g->partial_head != g->out.head)
		g->partial_last_ns = now_ns;
	g->partial_head = g->out.head;
	uint64_t due = MIN(g->partial_last_ns + MUX_PARTIAL_NS, g->partial_first_ns + MUX_PARTIAL_MAX_NS);
	if (now_ns >= due)
		return compose_guest_text(m, g, false, now_ns);
	*deadline = MIN(*deadline, due);
	return false;
}

static bool compose_guest_line(struct mux *m, struct mux_guest *g, uint64_t now_ns, uint64_t *deadline)
{
	if (g->muted)
		return false;
	if (g->shown < mux_log_start(g)) {
		compose_gap(m, g, now_ns);
		return true;
	}
	for (unsigned n = 0; g->shown < g->out.head; n++) {
		if (n == SCAN_MAX) {
			*deadline = now_ns;
			return false;
		}
		uint8_t byte = byte_ring_at(&g->out, g->shown);
		enum guest_text_result r = guest_text_put(&g->text, byte);

		g->shown += r != TEXT_LINE_AGAIN;
		if (r != TEXT_MORE && compose_guest_text(m, g, r == TEXT_LINE_AGAIN || byte == '\n', now_ns))
			return true;
	}
	return compose_partial(m, g, now_ns, deadline);
}

/* One line of whoever's turn it is. False: nobody has one. */
static bool compose_line(struct mux *m, uint64_t now_ns, uint64_t *deadline)
{
	for (unsigned i = 0; i <= MUX_GUEST_MAX; i++) {
		unsigned who = (m->turn + i) % (MUX_GUEST_MAX + 1);
		struct mux_guest *g = who > 0 ? m->guest[who - 1] : NULL;

		if (who == 0 ? !compose_host_line(m, now_ns)
			     : g == NULL || !compose_guest_line(m, g, now_ns, deadline))
			continue;
		m->turn = who + 1;
		m->last_line_ns = now_ns;
		return true;
	}
	return false;
}

static void compose_attached(struct mux *m)
{
	struct mux_guest *g = m->guest[m->attached];

	if (g->shown < mux_log_start(g))
		g->shown = mux_log_start(g);
	while (stage_is_low(m) && g->shown < g->out.head) {
		for (unsigned n = 0; n < PIECE_MAX && g->shown < g->out.head; n++) {
			char c = (char)byte_ring_at(&g->out, g->shown++);

			stage(m, &c, 1);
			m->midline = c != '\n';
		}
	}
	if (g->ended && g->shown == g->out.head)
		mux_leave(m, "has ended");
}

static bool may_prompt(const struct mux *m)
{
	return m->prompt_on && !m->prompt_busy && m->attached == MUX_NOBODY;
}

uint64_t mux_compose(struct mux *m, uint64_t now_ns)
{
	uint64_t deadline = UINT64_MAX;
	bool more = true;

	compose_commands(m, now_ns);
	if (m->attached != MUX_NOBODY && stage_is_low(m)) {
		compose_attached(m);
		compose_commands(m,
				 now_ns); /* the guest may have ended, which is said as a command's output */
	}
	if (m->attached != MUX_NOBODY || !stage_is_low(m) || byte_ring_used(&m->command) > 0)
		return deadline;
	while (stage_is_low(m) && more)
		more = compose_line(m, now_ns, &deadline);
	if (may_prompt(m) && (m->prompt_dirty || !m->prompt_shown) &&
	    prompt_is_due(m, !more, now_ns, &deadline))
		draw_prompt(m);
	return deadline;
}
