/* SPDX-License-Identifier: BSD-2-Clause */
/* The line editor: the keys that readline and a VT100 have. */
#include "hv/mgmt/line_edit.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"

#define CTRL(c) ((c)&0x1f)
#define KEY_ESC 0x1b
#define KEY_DEL 0x7f

/* Numbers of ESC [ n ~ */
enum { CSI_HOME = 1, CSI_DELETE = 3, CSI_END = 4, CSI_HOME_RXVT = 7, CSI_END_RXVT = 8 };

void line_edit_init(struct line_edit *e)
{
	memset(e, 0, sizeof(*e));
}

static enum edit_result move_to(struct line_edit *e, uint32_t cursor)
{
	if (cursor == e->cursor)
		return EDIT_NOTHING;
	e->cursor = cursor;
	return EDIT_CHANGED;
}

/* Removes [from, to), the cursor stands at from. */
static enum edit_result cut(struct line_edit *e, uint32_t from, uint32_t to)
{
	if (from == to)
		return EDIT_NOTHING;
	memmove(e->line + from, e->line + to, e->len - to + 1);
	e->len -= to - from;
	e->cursor = from;
	return EDIT_CHANGED;
}

static uint32_t word_start(const struct line_edit *e)
{
	uint32_t i = e->cursor;

	while (i > 0 && e->line[i - 1] == ' ')
		i--;
	while (i > 0 && e->line[i - 1] != ' ')
		i--;
	return i;
}

static void set_line(struct line_edit *e, const char *text)
{
	str_copy(e->line, sizeof(e->line), text);
	e->len = e->cursor = strlen(e->line);
}

/* Shows line n of the history, or the draft. */
static enum edit_result browse_to(struct line_edit *e, uint32_t n)
{
	uint32_t oldest = e->history_count > EDIT_HISTORY ? e->history_count - EDIT_HISTORY : 0;

	if (n < oldest || n > e->history_count)
		return EDIT_NOTHING;
	if (e->browse == e->history_count)
		str_copy(e->draft, sizeof(e->draft), e->line);
	e->browse = n;
	set_line(e, n == e->history_count ? e->draft : e->history[n % EDIT_HISTORY]);
	return EDIT_CHANGED;
}

static enum edit_result older(struct line_edit *e)
{
	return e->browse == 0 ? EDIT_NOTHING : browse_to(e, e->browse - 1);
}

void line_edit_insert(struct line_edit *e, const char *text)
{
	for (; *text && e->len < EDIT_LINE_MAX; text++) {
		memmove(e->line + e->cursor + 1, e->line + e->cursor, e->len - e->cursor + 1);
		e->line[e->cursor++] = *text;
		e->len++;
	}
}

static enum edit_result type_char(struct line_edit *e, uint8_t key)
{
	char text[2] = {(char)key, '\0'};
	bool at_end = e->cursor == e->len;

	if (e->len == EDIT_LINE_MAX)
		return EDIT_NOTHING;
	line_edit_insert(e, text);
	return at_end ? EDIT_APPENDED : EDIT_CHANGED;
}

void line_edit_clear(struct line_edit *e)
{
	const char *last = e->history[(e->history_count + EDIT_HISTORY - 1) % EDIT_HISTORY];

	if (e->len > 0 && (e->history_count == 0 || strcmp(last, e->line) != 0))
		str_copy(e->history[e->history_count++ % EDIT_HISTORY], sizeof(e->line), e->line);
	e->browse = e->history_count;
	set_line(e, "");
}

static enum edit_result csi_key(struct line_edit *e, uint8_t key)
{
	if (key >= '0' && key <= '9') {
		e->csi_number = (uint8_t)(e->csi_number * 10 + (key - '0'));
		return EDIT_NOTHING;
	}
	if (key == ';')
		return EDIT_NOTHING;
	e->state = EDIT_KEY;
	switch (key) {
	case 'A':
		return older(e);
	case 'B':
		return browse_to(e, e->browse + 1);
	case 'C':
		return move_to(e, MIN(e->cursor + 1, e->len));
	case 'D':
		return move_to(e, e->cursor ? e->cursor - 1 : 0);
	case 'H':
		return move_to(e, 0);
	case 'F':
		return move_to(e, e->len);
	case '~':
		break;
	default:
		return EDIT_NOTHING;
	}
	switch (e->csi_number) {
	case CSI_HOME:
	case CSI_HOME_RXVT:
		return move_to(e, 0);
	case CSI_END:
	case CSI_END_RXVT:
		return move_to(e, e->len);
	case CSI_DELETE:
		return cut(e, e->cursor, MIN(e->cursor + 1, e->len));
	default:
		return EDIT_NOTHING;
	}
}

static enum edit_result plain_key(struct line_edit *e, uint8_t key)
{
	switch (key) {
	case '\r':
	case '\n':
		return EDIT_ENTER;
	case '\t':
		return EDIT_COMPLETE;
	case KEY_ESC:
		e->state = EDIT_KEY_ESC;
		return EDIT_NOTHING;
	case CTRL('A'):
		return move_to(e, 0);
	case CTRL('B'):
		return move_to(e, e->cursor ? e->cursor - 1 : 0);
	case CTRL('C'):
		e->browse = e->history_count;
		set_line(e, "");
		return EDIT_CANCEL;
	case CTRL('D'):
		return cut(e, e->cursor, MIN(e->cursor + 1, e->len));
	case CTRL('E'):
		return move_to(e, e->len);
	case CTRL('F'):
		return move_to(e, MIN(e->cursor + 1, e->len));
	case CTRL('H'):
	case KEY_DEL:
		return cut(e, e->cursor ? e->cursor - 1 : 0, e->cursor);
	case CTRL('K'):
		return cut(e, e->cursor, e->len);
	case CTRL('L'):
		return EDIT_REDRAW;
	case CTRL('N'):
		return browse_to(e, e->browse + 1);
	case CTRL('P'):
		return older(e);
	case CTRL('U'):
		return cut(e, 0, e->cursor);
	case CTRL('W'):
		return cut(e, word_start(e), e->cursor);
	default:
		return key >= ' ' && key < KEY_DEL ? type_char(e, key) : EDIT_NOTHING;
	}
}

enum edit_result line_edit_key(struct line_edit *e, uint8_t key)
{
	bool second_half = e->cr && key == '\n';

	e->cr = key == '\r';
	if (second_half)
		return EDIT_NOTHING;
	switch (e->state) {
	case EDIT_KEY:
		return plain_key(e, key);
	case EDIT_KEY_ESC:
		e->state = key == '[' || key == 'O' ? EDIT_KEY_CSI : EDIT_KEY;
		e->csi_number = 0;
		return e->state == EDIT_KEY && key < ' ' ? plain_key(e, key) : EDIT_NOTHING;
	case EDIT_KEY_CSI:
		if (key >= ' ')
			return csi_key(e, key);
		e->state = EDIT_KEY; /* a sequence that was cut short must not swallow an Enter */
		return plain_key(e, key);
	}
	return EDIT_NOTHING;
}
