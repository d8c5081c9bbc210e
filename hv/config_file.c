/* SPDX-License-Identifier: BSD-2-Clause */
/* Values of ingot.cfg that name files or are texts: kernels, modules with their arguments, command lines. */
#include "hv/config.h"
#include "hv/config_keys.h"
#include "hv/config_report.h"
#include "hv/config_setters.h"
#include "hv/lib/fmt.h"
#include "hv/lib/string.h"

#define SHOWN_MAX CONFIG_SHOWN_MAX

#define WHY(...)  (fmt_snprintf(why, CONFIG_WHY_MAX, __VA_ARGS__), false)

/* Letters that a file name may have: those that GRUB, FAT and ISO 9660 with Rock Ridge all take. */
static bool is_file_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("._-+~,=@%/", c));
}

/* True if one of the parts between slashes is empty, "." or "..". */
static bool has_odd_part(const char *s, size_t n)
{
	size_t start = 0;

	for (size_t i = 0; i <= n; i++) {
		if (i < n && s[i] != '/')
			continue;
		size_t len = i - start;
		if (len == 0 || (len <= 2 && s[start] == '.' && s[i - 1] == '.'))
			return true;
		start = i + 1;
	}
	return false;
}

/* Checks the file name s[n]. */
static bool check_file(const char *s, size_t n, char *why)
{
	if (n > CONFIG_FILE_MAX)
		return WHY("'%.*s...' is longer than %d bytes", SHOWN_MAX, s, CONFIG_FILE_MAX);
	for (size_t i = 0; i < n; i++) {
		if (s[i] == ' ' || s[i] == '\t')
			return WHY("a file's name has no blanks");
		if (s[i] == '\\')
			return WHY("folders are divided by '/', not by '\\'");
		if (!is_file_char(s[i]))
			return WHY("a file's name has only letters, digits and ._-+~,=@%%/");
	}
	if (s[0] == '/')
		return WHY("'%.*s' must be relative to the configuration's folder", SHOWN_MAX, s);
	if (has_odd_part(s, n))
		return WHY("'%.*s' has a part that is empty, '.' or '..'", SHOWN_MAX, s);
	return true;
}

bool config_file_set(const struct config_key *k, void *base, const char *text, uint32_t line, char *why)
{
	char *out = (char *)base + k->offset;

	if (k->def && strcmp(text, k->def) == 0) {
		*out = '\0';
		return true;
	}
	if (!check_file(text, strlen(text), why))
		return false;
	str_copy(out, CONFIG_FILE_MAX + 1, text);
	*(uint32_t *)((char *)base + k->line_offset) = line;
	return true;
}

bool config_module_set(struct vm_config *vm, const char *text, uint32_t line, char *why)
{
	size_t n = 0;

	if (strcmp(text, "none") == 0) {
		if (vm->module_count > 0)
			return WHY("'none' after a module was named");
		return true;
	}
	while (text[n] && text[n] != ' ' && text[n] != '\t')
		n++;
	if (!check_file(text, n, why))
		return false;
	const char *args = text + n;
	while (*args == ' ' || *args == '\t')
		args++;
	if (strlen(args) > CONFIG_ARGS_MAX)
		return WHY("the arguments are longer than %d bytes", CONFIG_ARGS_MAX);
	if (vm->module_count == CONFIG_MODULE_MAX)
		return WHY("more than %d modules", CONFIG_MODULE_MAX);
	struct config_module *m = &vm->module[vm->module_count++];
	memcpy(m->file, text, n);
	m->file[n] = '\0';
	str_copy(m->args, sizeof(m->args), args);
	m->line = line;
	return true;
}

bool config_text_append(char *out, const char *text, char *why)
{
	size_t have = strlen(out), more = strlen(text), blank = have > 0 && more > 0;

	if (have + blank + more > CONFIG_CMDLINE_MAX)
		return WHY("the whole is longer than %d bytes", CONFIG_CMDLINE_MAX);
	if (blank)
		out[have] = ' ';
	memcpy(out + have + blank, text, more + 1);
	return true;
}

/* True if s would not be read back as it is without quotes. */
static bool needs_quotes(const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || s[0] == '"' || s[0] == '#' || s[0] == ' ' || s[0] == '\t' || s[n - 1] == ' ' ||
	    s[n - 1] == '\t')
		return true;
	for (size_t i = 1; i < n; i++) {
		if (s[i] == '#' && (s[i - 1] == ' ' || s[i - 1] == '\t'))
			return true;
	}
	return false;
}

void config_text_print(const char *s, char *buf, size_t size)
{
	size_t n = 0;

	if (!needs_quotes(s)) {
		str_copy(buf, size, s);
		return;
	}
	buf[n++] = '"';
	for (; *s && n + 3 < size; s++) {
		if (*s == '"')
			buf[n++] = '"';
		buf[n++] = *s;
	}
	buf[n++] = '"';
	buf[n] = '\0';
}

void config_module_print(const struct vm_config *vm, uint32_t index, char *buf, size_t size)
{
	char whole[sizeof(vm->module[0].file) + sizeof(vm->module[0].args)];
	const struct config_module *m = &vm->module[index];

	if (index >= vm->module_count) {
		str_copy(buf, size, "none");
		return;
	}
	fmt_snprintf(whole, sizeof(whole), "%s%s%s", m->file, m->args[0] ? " " : "", m->args);
	config_text_print(whole, buf, size);
}
