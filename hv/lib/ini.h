/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The INI dialect of ingot.cfg, cut into sections, keys and values; what they mean is hv/config.c's matter.
 * A leaf without any other code: the UEFI loader uses it too, to find the files that it has to load.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INI_LINE_MAX 5119 /* bytes of one line, its end not counted */

enum ini_kind {
	INI_END,
	INI_SECTION, /* [type name] */
	INI_KEY,     /* key = value */
	INI_BAD,     /* neither; error says why */
};

/* The strings live until the next ini_next. */
struct ini_item {
	enum ini_kind kind;
	uint32_t line;           /* from 1 */
	const char *type, *name; /* INI_SECTION; name is "" where there is none */
	const char *key, *value; /* INI_KEY: unquoted, without comment and outer blanks */
	/* Not NULL: what is wrong. With INI_SECTION and INI_KEY the strings are still the best guess. */
	const char *error;
};

struct ini {
	const char *text;
	size_t len, pos;
	uint32_t line;
	const char *const *file_keys; /* of the current section, for ini_next_file; ends in NULL */
	char buf[INI_LINE_MAX + 1];
};

/* Starts at the beginning of text[len]: any bytes, a UTF-8 byte order mark at the start is skipped. */
void ini_init(struct ini *it, const char *text, size_t len);
/* The next item; INI_END for ever after the last. Every call moves on by at least one line. */
void ini_next(struct ini *it, struct ini_item *item);

/*
 * The files that the guests and disks of a configuration name (kernel, initrd, module; file), as often as they are named, mistakes
 * left out. False: no more. The name lives until the next call. For an iterator of its own, from ini_init on.
 */
bool ini_next_file(struct ini *it, const char **file);
