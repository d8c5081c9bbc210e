/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest's bytes as safe text. Sequences as in ECMA-48, "Control Functions for Coded Character Sets". */
#include "hv/mgmt/guest_text.h"
#include "hv/lib/string.h"

#define ESC             0x1b
#define BEL             0x07
#define CAN             0x18
#define SUB             0x1a
#define DEL             0x7f

#define ESCAPE_MAX      256 /* bytes: what is longer is no sequence that a terminal needs */

#define FIRST_PRINTABLE 0xa0 /* U+0080 to U+009F are control characters too */

static void add(struct guest_text *t, char c)
{
	if (t->len < sizeof(t->line))
		t->line[t->len++] = c;
}

static void add_hex(struct guest_text *t, uint8_t byte)
{
	static const char digits[] = "0123456789abcdef";

	add(t, '\\');
	add(t, 'x');
	add(t, digits[byte >> 4]);
	add(t, digits[byte & 0xf]);
}

/* The bytes of a character that didn't come to its end. */
static void give_up_utf8(struct guest_text *t)
{
	for (unsigned i = 0; i < t->utf8_len; i++)
		add_hex(t, t->utf8[i]);
	t->utf8_len = t->utf8_need = 0;
}

static uint32_t code_point(const uint8_t *s, unsigned len)
{
	uint32_t c = s[0] & (0xff >> (len + 1));

	for (unsigned i = 1; i < len; i++)
		c = c << 6 | (s[i] & 0x3f);
	return c;
}

static void end_utf8(struct guest_text *t)
{
	static const uint32_t least[] = {[2] = FIRST_PRINTABLE, [3] = 0x800, [4] = 0x10000};
	uint32_t c = code_point(t->utf8, t->utf8_len);

	if (c < least[t->utf8_len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) {
		give_up_utf8(t);
		return;
	}
	for (unsigned i = 0; i < t->utf8_len; i++)
		add(t, (char)t->utf8[i]);
	t->utf8_len = t->utf8_need = 0;
}

static void put_high(struct guest_text *t, uint8_t byte)
{
	bool continues = (byte & 0xc0) == 0x80;

	if (t->utf8_need > 0 && !continues)
		give_up_utf8(t);
	if (t->utf8_need == 0 && (continues || byte >= 0xf8)) {
		add_hex(t, byte);
		return;
	}
	if (t->utf8_need == 0)
		t->utf8_need = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
	t->utf8[t->utf8_len++] = byte;
	if (t->utf8_len == t->utf8_need)
		end_utf8(t);
}

static void put_plain(struct guest_text *t, uint8_t byte)
{
	if (byte >= 0x80) {
		put_high(t, byte);
		return;
	}
	give_up_utf8(t);
	if (byte == ESC) {
		t->state = TEXT_ESC;
		t->escape_len = 0;
	} else if ((byte < ' ' && byte != '\t') || byte == DEL) {
		add_hex(t, byte);
	} else {
		add(t, (char)byte);
	}
}

static enum guest_text_state after_esc(uint8_t byte)
{
	switch (byte) {
	case '[':
		return TEXT_CSI;
	case ']': /* OSC, DCS, SOS, PM, APC */
	case 'P':
	case 'X':
	case '^':
	case '_':
		return TEXT_STRING;
	case ESC:
		return TEXT_ESC;
	default:
		return byte >= 0x20 && byte <= 0x2f ? TEXT_ESC_INTER : TEXT_PLAIN;
	}
}

static void put_escape(struct guest_text *t, uint8_t byte)
{
	if (byte == CAN || byte == SUB || ++t->escape_len > ESCAPE_MAX) {
		t->state = TEXT_PLAIN;
		return;
	}
	switch (t->state) {
	case TEXT_PLAIN:
		return;
	case TEXT_ESC:
		t->state = after_esc(byte);
		return;
	case TEXT_ESC_INTER:
		if (byte < 0x20 || byte > 0x2f)
			t->state = TEXT_PLAIN;
		return;
	case TEXT_CSI:
		if (byte == ESC)
			t->state = TEXT_ESC;
		else if (byte >= 0x40 && byte <= 0x7e)
			t->state = TEXT_PLAIN;
		return;
	case TEXT_STRING:
		if (byte == ESC)
			t->state = TEXT_STRING_ESC;
		else if (byte == BEL)
			t->state = TEXT_PLAIN;
		return;
	case TEXT_STRING_ESC:
		t->state = byte == '\\' ? TEXT_PLAIN : after_esc(byte);
		return;
	}
}

void guest_text_init(struct guest_text *t)
{
	memset(t, 0, sizeof(*t));
}

void guest_text_clear(struct guest_text *t)
{
	t->len = 0;
}

enum guest_text_result guest_text_put(struct guest_text *t, uint8_t byte)
{
	if (byte == '\n') {
		give_up_utf8(t);
		t->cr = false;
		t->state = TEXT_PLAIN;
		return TEXT_LINE;
	}
	if (byte == '\r') {
		t->cr = true;
		t->state = TEXT_PLAIN;
		return TEXT_MORE;
	}
	if (t->cr && t->len > 0 && t->state == TEXT_PLAIN && byte != ESC) {
		/* Overprinting, as progress bars do: each state is a line. */
		t->cr = false;
		return TEXT_LINE_AGAIN;
	}
	if (t->len == 0)
		t->cr = false;
	if (t->state == TEXT_PLAIN)
		put_plain(t, byte);
	else
		put_escape(t, byte);
	return t->len >= GUEST_LINE_MAX ? TEXT_LINE : TEXT_MORE;
}
