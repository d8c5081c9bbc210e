/* SPDX-License-Identifier: BSD-2-Clause */
/* drivers/screen.c, on memory of exactly the screen's size: ASan sees each byte beside it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "drivers/screen.h"

static struct screen screen;
static uint8_t *memory;

static bool start(struct boot_screen mode)
{
	free(memory);
	memory = malloc(screen_size(&mode));
	memset(memory, 0x5a, screen_size(&mode));
	return screen_init(&screen, &mode, memory);
}

static void line(const char *text)
{
	screen_line(&screen, text, strlen(text));
}

static const struct boot_screen vga = {.pa = 0xb8000, .pitch = 20, .width = 10, .height = 3};

/* Row n of the VGA text screen. */
static const char *vga_row(int n)
{
	static char text[11];

	for (int i = 0; i < 10; i++) {
		text[i] = (char)memory[n * 20 + i * 2];
		assert_int_equal(memory[n * 20 + i * 2 + 1], 7);
	}
	return text;
}

static void test_vga(void **state)
{
	assert_true(start(vga));
	assert_string_equal(vga_row(2), "          ");
	line("one");
	line("a\x1b\xff");
	assert_string_equal(vga_row(0), "one       ");
	assert_string_equal(vga_row(1), "a??       ");
	line("third");
	/* The row below the newest is blank: the first again. */
	assert_string_equal(vga_row(2), "third     ");
	assert_string_equal(vga_row(0), "          ");
}

static void test_wrap(void **state)
{
	assert_true(start(vga));
	line("0123456789");
	assert_string_equal(vga_row(0), "0123456789");
	assert_string_equal(vga_row(1), "          ");
	line("abcdefghijkl");
	assert_string_equal(vga_row(1), "abcdefghij");
	assert_string_equal(vga_row(2), "kl        ");
	for (int i = 0; i < 100; i++)
		line("a line that is far longer than the screen has room for");
}

static const struct boot_screen rgb = {
    .pa = 0xe0000000, .red_pos = 16, .red_size = 8, .green_pos = 8, .green_size = 8, .blue_size = 8};

/* Draws on every width and depth, down to screens with room for nothing. */
static void test_framebuffers(void **state)
{
	static const uint8_t depths[] = {15, 16, 24, 32};

	for (size_t d = 0; d < sizeof(depths); d++) {
		for (uint32_t width = 1; width < 1100; width += 73) {
			struct boot_screen mode = rgb;
			uint32_t lit = 0;

			mode.bpp = depths[d];
			mode.width = width;
			mode.pitch = width * ((depths[d] + 7u) / 8);
			mode.height = 40;
			assert_int_equal(start(mode), width >= 6);
			for (int i = 0; i < 9; i++)
				line("Hello |~ \x80");
			for (uint64_t i = 0; width >= 6 && i < screen_size(&mode); i++)
				lit += memory[i] != 0;
			assert_int_equal(lit > 0, width >= 6);
		}
	}
}

static void test_glyph(void **state)
{
	struct boot_screen mode = rgb;

	mode.bpp = 32;
	mode.width = 12;
	mode.pitch = 48;
	mode.height = 18;
	assert_true(start(mode));
	line("|L");
	/* '|' is a line in the middle column, 'L' one at the left, 0xbfbfbf on black. */
	for (int y = 0; y < 7; y++) {
		assert_int_equal(*(uint32_t *)(memory + y * 48 + 2 * 4), 0xbfbfbf);
		assert_int_equal(*(uint32_t *)(memory + y * 48 + 6 * 4), 0xbfbfbf);
		assert_int_equal(*(uint32_t *)(memory + y * 48 + 3 * 4), 0);
	}
	assert_int_equal(*(uint32_t *)(memory + 6 * 48 + 10 * 4), 0xbfbfbf);
	assert_int_equal(*(uint32_t *)(memory + 6 * 48 + 11 * 4), 0);
}

static void test_refused(void **state)
{
	struct boot_screen mode = rgb;

	mode.width = mode.height = 100;
	mode.pitch = 800;
	mode.bpp = 64;
	assert_false(start(mode));
	mode.bpp = 8;
	assert_false(start(mode));
	line("nothing happens");
	mode.bpp = 32;
	mode.red_size = mode.green_size = mode.blue_size = 32;
	assert_false(start(mode));
	mode = vga;
	mode.pa = 0;
	assert_false(start(mode));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_vga),   cmocka_unit_test(test_wrap),    cmocka_unit_test(test_framebuffers),
	    cmocka_unit_test(test_glyph), cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
