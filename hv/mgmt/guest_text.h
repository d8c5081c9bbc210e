/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Makes what a guest writes on its serial port fit to stand among other lines: escape sequences are dropped,
 * control bytes and what is not UTF-8 become \xNN, so that no guest can steer the operator's terminal.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GUEST_LINE_MAX 1024 /* a longer line is shown in pieces */
#define GUEST_LINE_PAD 32   /* room for what one more byte can add */

enum guest_text_state {
	TEXT_PLAIN,
	TEXT_ESC,        /* after ESC */
	TEXT_ESC_INTER,  /* ESC and intermediate bytes; a final byte ends it */
	TEXT_CSI,        /* ESC [ ... final byte */
	TEXT_STRING,     /* ESC ] and its like, ended by BEL or ESC \ */
	TEXT_STRING_ESC, /* ESC in a string */
};

struct guest_text {
	enum guest_text_state state;
	uint16_t escape_len; /* bytes of the sequence so far: an endless one is given up */
	bool cr;             /* a carriage return waits for what follows it */
	uint8_t utf8[4], utf8_len, utf8_need;
	uint16_t len;
	char line[GUEST_LINE_MAX + GUEST_LINE_PAD];
};

enum guest_text_result {
	TEXT_MORE,       /* the line goes on */
	TEXT_LINE,       /* line[len] is to be shown now; then call guest_text_clear */
	TEXT_LINE_AGAIN, /* the same, and the byte was not consumed: give it again */
};

void guest_text_init(struct guest_text *t);
enum guest_text_result guest_text_put(struct guest_text *t, uint8_t byte);
/* The line was shown: the next one, or its continuation, starts. */
void guest_text_clear(struct guest_text *t);
