/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Text on the screen that the boot loader left: VGA text mode or a framebuffer. For the log on machines
 * without a serial line: lines only, no input. Nothing is scrolled, because reading video memory is slow: below the
 * last line comes the first again, and the row after the newest is kept blank.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "hv/boot_info.h"

struct screen {
	struct boot_screen mode;
	uint8_t *base;          /* where mode.pa is mapped at present; NULL: off */
	uint32_t columns, rows; /* in characters */
	uint32_t scale;         /* pixels per pixel of the font */
	uint32_t row;           /* where the next line goes */
	uint32_t bytes_per_pixel;
	uint32_t colour; /* of the text, as the framebuffer wants it */
};

/* Bytes of video memory that are written. */
uint64_t screen_size(const struct boot_screen *mode);
/* Starts with a blank screen at base. False: there is none, or its mode is one that nothing can be drawn in. */
bool screen_init(struct screen *s, const struct boot_screen *mode, void *base);
/* Writes one line, wrapped where it is longer than the screen is wide. Bytes that aren't ASCII show as '?'. */
void screen_line(struct screen *s, const char *line, size_t len);
