/* SPDX-License-Identifier: BSD-2-Clause */
/* Text on VGA text mode or on a framebuffer: see screen.h. */
#include "drivers/screen.h"
#include "drivers/screen_font.h"
#include "hv/lib/string.h"

#define CELL_COLUMNS  (SCREEN_FONT_COLUMNS + 1)
#define CELL_ROWS     (SCREEN_FONT_ROWS + 2)
#define LARGE_WIDTH   1024u /* from here on each pixel of the font is drawn two by two */
#define VGA_ATTRIBUTE 0x07u /* light grey on black */
#define VGA_CELL      2u    /* bytes */

static bool is_text(const struct screen *s)
{
	return s->mode.bpp == 0;
}

uint64_t screen_size(const struct boot_screen *mode)
{
	return (uint64_t)mode->pitch * mode->height;
}

/* Light grey in one colour field: 3/4 of its largest value. */
static uint32_t field(uint8_t pos, uint8_t size)
{
	if (size == 0 || size > 16 || pos + size > 32)
		return 0;
	return (((1u << size) - 1) * 3 / 4) << pos;
}

static void blank_row(struct screen *s, uint32_t row)
{
	uint32_t height = is_text(s) ? 1 : CELL_ROWS * s->scale;
	uint8_t *p = s->base + (uint64_t)row * height * s->mode.pitch;

	if (!is_text(s)) {
		memset(p, 0, (uint64_t)height * s->mode.pitch);
		return;
	}
	for (uint32_t i = 0; i < s->mode.width; i++) {
		p[i * VGA_CELL] = ' ';
		p[i * VGA_CELL + 1] = VGA_ATTRIBUTE;
	}
}

bool screen_init(struct screen *s, const struct boot_screen *mode, void *base)
{
	*s = (struct screen){.mode = *mode, .base = base, .scale = 1};
	if (is_text(s)) {
		s->columns = mode->width;
		s->rows = mode->height;
	} else {
		s->scale = mode->width >= LARGE_WIDTH ? 2 : 1;
		s->bytes_per_pixel = (mode->bpp + 7u) / 8;
		s->columns = mode->width / (CELL_COLUMNS * s->scale);
		s->rows = mode->height / (CELL_ROWS * s->scale);
		s->colour = field(mode->red_pos, mode->red_size) | field(mode->green_pos, mode->green_size) |
			    field(mode->blue_pos, mode->blue_size);
		if (s->bytes_per_pixel < 2 || s->bytes_per_pixel > 4 || s->colour == 0)
			s->base = NULL;
	}
	if (mode->pa == 0 || s->columns == 0 || s->rows < 2)
		s->base = NULL;
	for (uint32_t row = 0; s->base != NULL && row < s->rows; row++)
		blank_row(s, row);
	return s->base != NULL;
}

/* Draws one of a glyph's rows at p, from left to right. */
static void draw_pixels(const struct screen *s, uint8_t *p, uint8_t bits)
{
	for (uint32_t x = 0; x < SCREEN_FONT_COLUMNS * s->scale; x++, p += s->bytes_per_pixel) {
		if (!(bits >> (SCREEN_FONT_COLUMNS - 1 - x / s->scale) & 1))
			continue;
		if (s->bytes_per_pixel == sizeof(s->colour))
			__builtin_memcpy(p, &s->colour, sizeof(s->colour));
		else
			memcpy(p, &s->colour, s->bytes_per_pixel);
	}
}

static void draw_char(struct screen *s, uint32_t column, char c)
{
	const uint8_t *glyph = screen_font[c - SCREEN_FONT_FIRST];
	uint8_t *p = s->base;

	if (is_text(s)) {
		p += (uint64_t)s->row * s->mode.pitch + (uint64_t)column * VGA_CELL;
		p[0] = (uint8_t)c;
		p[1] = VGA_ATTRIBUTE;
		return;
	}
	p += (uint64_t)s->row * CELL_ROWS * s->scale * s->mode.pitch +
	     (uint64_t)column * CELL_COLUMNS * s->scale * s->bytes_per_pixel;
	for (uint32_t y = 0; y < SCREEN_FONT_ROWS * s->scale; y++, p += s->mode.pitch)
		draw_pixels(s, p, glyph[y / s->scale]);
}

static void next_row(struct screen *s)
{
	s->row = (s->row + 1) % s->rows;
	blank_row(s, s->row);
}

void screen_line(struct screen *s, const char *line, size_t len)
{
	uint32_t column = 0;

	if (s->base == NULL)
		return;
	for (size_t i = 0; i < len; i++) {
		unsigned c = (unsigned char)line[i] - (unsigned)SCREEN_FONT_FIRST;

		if (column == s->columns) {
			next_row(s);
			column = 0;
		}
		draw_char(s, column++, c < SCREEN_FONT_COUNT ? line[i] : '?');
	}
	next_row(s);
}
