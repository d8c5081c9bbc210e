/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tokenizer of ingot.cfg. It works on one line at a time, copied into the iterator's buffer, so that any
 * bytes may come in: what is wrong with a line is said in its item, and the best guess is still given.
 */
#include "hv/lib/ini.h"

#define BOM_LEN 3

static const char *const no_keys[] = {NULL};

static bool same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static char *skip_blanks(char *s)
{
	while (is_blank(*s))
		s++;
	return s;
}

/* Cuts the blanks off [s, end) and terminates it. */
static void trim_end(const char *s, char *end)
{
	while (end > s && is_blank(end[-1]))
		end--;
	*end = '\0';
}

/* Length of the well-formed UTF-8 sequence at s[n], 0: it is none (Unicode Standard, Table 3-7). */
static size_t utf8_len(const uint8_t *s, size_t n)
{
	uint8_t low = 0x80, high = 0xbf;
	size_t len;

	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	len = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (len > n)
		return 0;
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	for (size_t i = 1; i < len; i++, low = 0x80, high = 0xbf) {
		if (s[i] < low || s[i] > high)
			return 0;
	}
	return len;
}

/* Replaces what is no text in buf[n] by '?', and says what it found. */
static const char *clean(char *buf, size_t n)
{
	const char *error = NULL;
	size_t len;

	for (size_t i = 0; i < n; i += len) {
		len = utf8_len((uint8_t *)buf + i, n - i);
		if (len == 0) {
			error = "the line has bytes that are not UTF-8";
			buf[i] = '?';
			len = 1;
		} else if ((uint8_t)buf[i] < ' ' ? buf[i] != '\t' : buf[i] == 0x7f) {
			error = buf[i] ? "the line has a control character" : "the line has a NUL byte";
			buf[i] = '?';
		}
	}
	return error;
}

/* Copies the next line into it->buf. */
static const char *take_line(struct ini *it)
{
	size_t n = 0;
	const char *error;

	while (it->pos + n < it->len && it->text[it->pos + n] != '\n')
		n++;
	const char *line = it->text + it->pos;
	it->pos += n < it->len - it->pos ? n + 1 : n;
	it->line++;
	if (n > 0 && line[n - 1] == '\r')
		n--;
	size_t kept = n < INI_LINE_MAX ? n : INI_LINE_MAX;
	for (size_t i = 0; i < kept; i++)
		it->buf[i] = line[i];
	it->buf[kept] = '\0';
	error = clean(it->buf, kept);
	return kept < n ? "the line is longer than 5119 bytes" : error;
}

/* What may follow a closing quote or bracket: nothing, or blanks and a comment. */
static bool rest_is_empty(char *s)
{
	char *p = skip_blanks(s);

	return *p == '\0' || (*p == '#' && p > s);
}

static const char *parse_section(char *s, struct ini_item *item)
{
	const char *error = NULL;
	char *end = s;

	while (*end && *end != ']')
		end++;
	if (*end == '\0')
		error = "no ']' at the end of the section's name";
	else if (!rest_is_empty(end + 1))
		error = "text after ']'";
	s = skip_blanks(s);
	trim_end(s, end);
	item->type = s;
	while (*s && !is_blank(*s))
		s++;
	if (*s)
		*s++ = '\0';
	item->name = skip_blanks(s);
	return error;
}

/* A value that begins with a quote, s: behind it. */
static const char *parse_quoted(char *s)
{
	char *out = s;

	for (;; s++) {
		if (*s == '\0') {
			*out = '\0';
			return "no closing '\"'";
		}
		if (*s == '"' && *++s != '"')
			break;
		*out++ = *s;
	}
	bool empty = rest_is_empty(s);
	*out = '\0';
	return empty ? NULL : "text after the closing '\"'";
}

static void parse_plain(char *s)
{
	char *p = s;

	while (*p && !(*p == '#' && is_blank(p[-1])))
		p++;
	trim_end(s, p);
}

static const char *parse_key(char *s, struct ini_item *item)
{
	char *eq = s;

	while (*eq && *eq != '=' && !(*eq == '#' && is_blank(eq[-1])))
		eq++;
	if (*eq != '=') {
		item->kind = INI_BAD;
		return "expected 'key = value'";
	}
	if (eq == s) {
		item->kind = INI_BAD;
		return "no key before '='";
	}
	char *value = skip_blanks(eq + 1);
	trim_end(s, eq);
	item->key = s;
	if (*value == '"') {
		item->value = value + 1;
		return parse_quoted(value + 1);
	}
	item->value = value;
	parse_plain(value);
	return NULL;
}

void ini_init(struct ini *it, const char *text, size_t len)
{
	static const char bom[BOM_LEN] = {'\xef', '\xbb', '\xbf'};

	it->text = text;
	it->len = len;
	it->line = 0;
	it->file_keys = no_keys;
	it->pos = len >= BOM_LEN && text[0] == bom[0] && text[1] == bom[1] && text[2] == bom[2] ? BOM_LEN : 0;
}

void ini_next(struct ini *it, struct ini_item *item)
{
	*item = (struct ini_item){
	    .kind = INI_END, .line = it->line, .type = "", .name = "", .key = "", .value = ""};
	while (it->pos < it->len) {
		const char *bytes_error = take_line(it), *error = NULL;
		char *s = skip_blanks(it->buf);

		item->line = it->line;
		if (*s == '[') {
			item->kind = INI_SECTION;
			error = parse_section(s + 1, item);
		} else if (*s != '\0' && *s != '#') {
			item->kind = INI_KEY;
			error = parse_key(s, item);
		} else if (bytes_error) {
			item->kind = INI_BAD;
		} else {
			continue;
		}
		item->error = bytes_error ? bytes_error : error;
		return;
	}
}

/* The keys whose values begin with the name of a file, in a section of this type. */
static const char *const *file_keys(const char *type)
{
	static const char *const vm[] = {"kernel", "initrd", "module", NULL}, *const disk[] = {"file", NULL};

	return same(type, "vm") ? vm : same(type, "disk") ? disk : no_keys;
}

static bool is_one_of(const char *const *words, const char *s)
{
	while (*words && !same(*words, s))
		words++;
	return *words;
}

bool ini_next_file(struct ini *it, const char **file)
{
	struct ini_item item;

	for (ini_next(it, &item); item.kind != INI_END; ini_next(it, &item)) {
		if (item.kind == INI_SECTION)
			it->file_keys = file_keys(item.type);
		if (item.kind != INI_KEY || item.error || !is_one_of(it->file_keys, item.key))
			continue;
		/* Only modules have more than one word; cutting never hurts the others. */
		size_t n = 0;
		while (item.value[n] && !is_blank(item.value[n]))
			n++;
		it->buf[item.value - it->buf + n] = '\0';
		if (n > 0 && !same(item.value, "none")) {
			*file = item.value;
			return true;
		}
	}
	return false;
}
