/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The line editor of the prompt: keys in, a line out. Keeps the text, the cursor and the history; what the
 * terminal shows of it is drawn by hv/mgmt/mux.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EDIT_LINE_MAX 255
#define EDIT_HISTORY  32

enum edit_key_state { EDIT_KEY, EDIT_KEY_ESC, EDIT_KEY_CSI };

struct line_edit {
	char line[EDIT_LINE_MAX + 1];
	uint32_t len, cursor;
	enum edit_key_state state;
	uint8_t csi_number; /* of ESC [ number ~ */
	bool cr;            /* the last key was CR: a LF is its second half */

	char history[EDIT_HISTORY][EDIT_LINE_MAX + 1];
	uint32_t history_count; /* lines ever kept; line n is in history[n % EDIT_HISTORY] */
	uint32_t browse;        /* the line that is shown; history_count: the new one */
	char draft[EDIT_LINE_MAX + 1];
};

enum edit_result {
	EDIT_NOTHING,
	EDIT_APPENDED, /* one character at the end: it need only be echoed */
	EDIT_CHANGED,  /* text or cursor: draw it again */
	EDIT_ENTER,    /* line is complete; then call line_edit_clear */
	EDIT_COMPLETE, /* the Tab key: complete the word before the cursor */
	EDIT_CANCEL,   /* ^C: the line was dropped */
	EDIT_REDRAW,   /* ^L: clear the screen, draw it again */
};

void line_edit_init(struct line_edit *e);
enum edit_result line_edit_key(struct line_edit *e, uint8_t key);
/* Puts text in at the cursor; what doesn't fit is left out. */
void line_edit_insert(struct line_edit *e, const char *text);
/* Keeps the line in the history, unless it is empty or the same as the last, and starts a new one. */
void line_edit_clear(struct line_edit *e);
