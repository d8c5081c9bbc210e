/* SPDX-License-Identifier: BSD-2-Clause */
/* The shapes of characters for drivers/screen.c. Bit 4 of a row is its leftmost pixel. */
#pragma once

#include <stdint.h>

#define SCREEN_FONT_FIRST   ' '
#define SCREEN_FONT_COUNT   95
#define SCREEN_FONT_ROWS    7
#define SCREEN_FONT_COLUMNS 5

extern const uint8_t screen_font[SCREEN_FONT_COUNT][SCREEN_FONT_ROWS];
