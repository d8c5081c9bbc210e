/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes the configuration's parser with any bytes. Beside not crashing: every mistake is counted and has
 * a text, and what is printed of a configuration without mistakes is read back to the same.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "hv/config.h"
#include "hv/lib/ini.h"
#include "tests/fuzz/require.h"

struct text {
	size_t len;
	char bytes[1 << 20];
};

static struct config config, again;
static struct text printed, printed_again;

static void count_error(void *arg, const char *text)
{
	REQUIRE(strlen(text) > 0 && strchr(text, '\n') == NULL);
	++*(uint32_t *)arg;
}

static void keep_line(void *arg, const char *line)
{
	struct text *t = arg;
	size_t n = strlen(line);

	REQUIRE(t->len + n + 1 < sizeof(t->bytes));
	memcpy(t->bytes + t->len, line, n);
	t->len += n;
	t->bytes[t->len++] = '\n';
}

static void print(const struct config *c, struct text *t)
{
	t->len = 0;
	config_print(c, keep_line, t);
}

static bool no_file(void *arg, const char *file)
{
	(void)arg;
	return strlen(file) > CONFIG_FILE_MAX;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t errors = 0, none = 0, files = 0;
	static char line[2048], file[CONFIG_FILE_MAX + 1];
	static struct ini ini;
	const char *name;

	config_parse(&config, "f", (const char *)data, size, count_error, &errors);
	REQUIRE(errors == config.errors);
	print(&config, &printed);
	if (errors == 0) {
		config_parse(&again, "g", printed.bytes, printed.len, count_error, &none);
		REQUIRE(none == 0);
		print(&again, &printed_again);
		REQUIRE(printed.len == printed_again.len &&
			memcmp(printed.bytes, printed_again.bytes, printed.len) == 0);
	}
	config_check_files(&config, "f", no_file, count_error, &errors);

	ini_init(&ini, (const char *)data, size);
	while (ini_next_file(&ini, &name))
		REQUIRE(strlen(name) > 0 && ++files <= size);

	snprintf(line, sizeof(line), "%.*s", (int)(size < sizeof(line) ? size : sizeof(line) - 1),
		 (const char *)data);
	config_boot_line(&config, line, file, sizeof(file), count_error, &errors);
	REQUIRE(strlen(file) > 0);
	return 0;
}
