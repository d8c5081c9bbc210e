/* SPDX-License-Identifier: BSD-2-Clause */
/* Load options: UEFI Specification, "EFI_LOADED_IMAGE_PROTOCOL". */
#include "boot/efi/options.h"
#include "hv/lib/string.h"

#define DEFAULT_CONFIG "ingot.cfg"
#define CONFIG_KEY     "config="

static bool is_printable(uint16_t c)
{
	return c >= ' ' && c < 0x7f;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Length of the word at s. */
static size_t word_len(const char *s)
{
	size_t n = 0;

	while (s[n] != '\0' && s[n] != ' ')
		n++;
	return n;
}

static bool ends_in_efi(const char *s, size_t n)
{
	static const char suffix[4] = {'.', 'e', 'f', 'i'};

	if (n < sizeof(suffix))
		return false;
	for (size_t i = 0; i < sizeof(suffix); i++) {
		if (lower(s[n - sizeof(suffix) + i]) != suffix[i])
			return false;
	}
	return true;
}

void efi_options_line(const uint16_t *options, size_t bytes, char *line, size_t size)
{
	size_t n = 0, skip;

	while (n < bytes / sizeof(*options) && options[n] != 0) {
		if (!is_printable(options[n]) || n + 1 >= size) {
			line[0] = '\0';
			return;
		}
		line[n] = (char)options[n];
		n++;
	}
	line[n] = '\0';
	skip = word_len(line);
	if (!ends_in_efi(line, skip))
		skip = 0;
	while (line[skip] == ' ')
		skip++;
	for (size_t i = 0; i + skip <= n; i++)
		line[i] = line[i + skip];
}

bool efi_options_config(const char *line, char *file, size_t size)
{
	const size_t key = sizeof(CONFIG_KEY) - 1;
	bool fits = str_copy(file, size, DEFAULT_CONFIG);
	size_t n;

	for (; *line != '\0'; line += n + (line[n] == ' ')) {
		n = word_len(line);
		if (n <= key || strncmp(line, CONFIG_KEY, key) != 0)
			continue;
		fits = n - key < size;
		if (!fits)
			continue;
		memcpy(file, line + key, n - key);
		file[n - key] = '\0';
	}
	return fits;
}
