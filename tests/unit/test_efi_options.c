/* SPDX-License-Identifier: BSD-2-Clause */
/* boot/efi/options.c: load options as the shell, GRUB and firmware give them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "boot/efi/options.h"

static char line[64];

/* Converts text, in a block of exactly its size, with or without its terminator. */
static const char *options(const char *text, bool terminated)
{
	size_t n = strlen(text) + terminated;
	uint16_t *wide = malloc(n * sizeof(*wide) + 1);

	for (size_t i = 0; i < n; i++)
		wide[i] = (unsigned char)text[i];
	memset(line, 0x55, sizeof(line));
	efi_options_line(wide, n * sizeof(*wide), line, sizeof(line));
	free(wide);
	return line;
}

static void test_line(void **state)
{
	assert_string_equal(options("ingot.efi config=a.cfg log=debug", true), "config=a.cfg log=debug");
	assert_string_equal(options("FS0:\\EFI\\INGOT.EFI", true), "");
	assert_string_equal(options("ingot.efi", false), "");
	assert_string_equal(options("config=a.cfg", false), "config=a.cfg");
	assert_string_equal(options("  log=info", true), "log=info");
	assert_string_equal(options("", false), "");
	assert_string_equal(options("efi x", true), "efi x");
}

static void test_not_text(void **state)
{
	assert_string_equal(options("log=\x01", true), "");
	assert_string_equal(options("log=\xe4", true), "");
	efi_options_line((const uint16_t[]){'a', 0x2020}, 4, line, sizeof(line));
	assert_string_equal(line, "");
	efi_options_line((const uint16_t[]){'a', 'b'}, 3, line, sizeof(line));
	assert_string_equal(line, "a");
	efi_options_line(NULL, 0, line, sizeof(line));
	assert_string_equal(line, "");
	/* One byte too many for line[64]. */
	assert_string_equal(options("0123456789012345678901234567890123456789012345678901234567890123", true),
			    "");
	assert_string_equal(options("012345678901234567890123456789012345678901234567890123456789012", true),
			    "012345678901234567890123456789012345678901234567890123456789012");
}

static void test_config(void **state)
{
	char file[16];

	assert_true(efi_options_config("", file, sizeof(file)));
	assert_string_equal(file, "ingot.cfg");
	assert_true(efi_options_config("log=debug config=a/b.cfg", file, sizeof(file)));
	assert_string_equal(file, "a/b.cfg");
	assert_true(efi_options_config("config=a config=b x", file, sizeof(file)));
	assert_string_equal(file, "b");
	assert_true(efi_options_config("xconfig=a config=", file, sizeof(file)));
	assert_string_equal(file, "ingot.cfg");
	assert_true(efi_options_config("config=123456789012345", file, sizeof(file)));
	assert_false(efi_options_config("config=1234567890123456", file, sizeof(file)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_line),
	    cmocka_unit_test(test_not_text),
	    cmocka_unit_test(test_config),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
