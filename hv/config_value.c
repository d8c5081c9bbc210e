/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Values of ingot.cfg's keys: one setter and one printer for each type. A setter checks everything and
 * then writes, so that a wrong value leaves the default in place.
 */
#include "hv/config_value.h"
#include "hv/config.h"
#include "hv/config_devices.h"
#include "hv/config_keys.h"
#include "hv/config_report.h"
#include "hv/config_scan.h"
#include "hv/lib/fmt.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/lib/words.h"

#define SHOWN_MAX     CONFIG_SHOWN_MAX
#define BAUD_BASE     115200
#define SIZE_TEXT_MAX 24

#define WHY(...)      (fmt_snprintf(why, CONFIG_WHY_MAX, __VA_ARGS__), false)

/* A whole I/O port number, 0x3f8 or 1016; 1 to 0xffff. */
static bool parse_port(const char *s, unsigned *port)
{
	uint64_t v;

	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
		s += 2;
		size_t digits = scan_hex_digits(s);
		if (digits == 0 || digits > 4 || !scan_hex(&s, digits, port))
			return false;
	} else {
		if (!scan_decimal(&s, &v) || v > UINT16_MAX)
			return false;
		*port = v;
	}
	return *s == '\0' && *port != 0;
}

static void print_size(uint64_t v, char *buf, size_t size)
{
	unsigned shift = IS_ALIGNED(v, GIB(1)) ? 30 : IS_ALIGNED(v, MIB(1)) ? 20 : 10;

	if (v == 0)
		str_copy(buf, size, "none");
	else
		fmt_snprintf(buf, size, "%lu%c", v >> shift, "KMG"[shift / 10 - 1]);
}

static bool why_size(const char *text, const char *what, uint64_t limit, char *why)
{
	char shown[SIZE_TEXT_MAX];

	print_size(limit, shown, sizeof(shown));
	return WHY("'%.*s' is too %s %s", SHOWN_MAX, text, what, shown);
}

static bool set_size(const struct config_key *k, uint64_t *out, const char *text, char *why)
{
	static const char units[] = "KMG";
	const char *s = text;
	uint64_t v;

	if (k->def && strcmp(text, k->def) == 0) {
		*out = 0;
		return true;
	}
	if (!scan_decimal(&s, &v))
		return WHY("'%.*s' is not a size, as in 512M", SHOWN_MAX, text);
	if (*s == '\0')
		return WHY("'%.*s' has no unit: K, M or G; did you mean '%.*sM'?", SHOWN_MAX, text, SHOWN_MAX,
			   text);
	const char *unit = strchr(units, *s);
	if (unit == NULL || s[1] != '\0') {
		char upper = *s >= 'a' && *s <= 'z' ? *s - ('a' - 'A') : *s;

		if (strchr(units, upper) == NULL)
			return WHY("'%.*s' has no unit that is known: K, M or G", SHOWN_MAX, text);
		return WHY("'%.*s' has no unit that is known: K, M or G; did you mean '%.*s%c'?", SHOWN_MAX,
			   text, (int)MIN(s - text, SHOWN_MAX), text, upper);
	}
	unsigned shift = 10 * (unit - units + 1);
	if (v > k->max >> shift)
		return why_size(text, "much: at most", k->max, why);
	v <<= shift;
	if (v < k->min)
		return why_size(text, "little: at least", k->min, why);
	if (k->type == KEY_POWER && (v & (v - 1)) != 0)
		return WHY("'%.*s' is not a power of two", SHOWN_MAX, text);
	if (!IS_ALIGNED(v, PAGE_SIZE))
		return WHY("'%.*s' is not a multiple of 4K", SHOWN_MAX, text);
	*out = v;
	return true;
}

/* A factor of 1000 for each unit. */
static bool set_hz(const struct config_key *k, uint64_t *out, const char *text, char *why)
{
	static const char units[] = "KMG";
	const char *s = text, *unit;
	uint64_t v;

	if (strcmp(text, "host") == 0) {
		*out = 0;
		return true;
	}
	if (!scan_decimal(&s, &v) || *s == '\0' || (unit = strchr(units, *s)) == NULL || s[1] != '\0')
		return WHY("'%.*s' is not a frequency, as in 2400M, nor host", SHOWN_MAX, text);
	for (const char *u = units; u <= unit; u++) {
		if (v > k->max / 1000)
			return WHY("'%.*s' is too much: at most %luG", SHOWN_MAX, text, k->max / 1000000000);
		v *= 1000;
	}
	if (v < k->min)
		return WHY("'%.*s' is too little: at least %luM", SHOWN_MAX, text, k->min / 1000000);
	*out = v;
	return true;
}

static bool set_uint(const struct config_key *k, uint32_t *out, const char *text, char *why)
{
	const char *s = text;
	uint64_t v;

	if (!scan_decimal(&s, &v) || *s != '\0' || v < k->min || v > k->max)
		return WHY("'%.*s' is not a number from %lu to %lu", SHOWN_MAX, text, k->min, k->max);
	*out = v;
	return true;
}

static bool set_baud(uint32_t *out, const char *text, char *why)
{
	const char *s = text;
	uint64_t v;

	if (!scan_decimal(&s, &v) || *s != '\0' || v == 0 || v > BAUD_BASE || BAUD_BASE % v != 0)
		return WHY("'%.*s' is not a speed that the line has: 115200, 57600, 38400, 19200, 9600 ...",
			   SHOWN_MAX, text);
	*out = v;
	return true;
}

/* The list of words, and the nearest of them. */
static bool why_word(const struct config_key *k, const char *text, char *why)
{
	const char *best = NULL;
	unsigned best_distance = WORD_FAR;
	int n = fmt_snprintf(why, CONFIG_WHY_MAX, "'%.*s' is none of ", SHOWN_MAX, text);

	for (const struct config_word *w = k->words; w->word; w++) {
		unsigned d = word_distance(w->word, text);

		if (w->value == WORD_LATER)
			continue;
		n += fmt_snprintf(why + n, CONFIG_WHY_MAX - n, "%s%s", w == k->words ? "" : ", ", w->word);
		if (d < best_distance) {
			best = w->word;
			best_distance = d;
		}
	}
	if (word_is_near(text, best_distance))
		fmt_snprintf(why + n, CONFIG_WHY_MAX - n, "; did you mean '%s'?", best);
	return false;
}

static bool find_word(const struct config_key *k, const char *text, int *value, char *why)
{
	for (const struct config_word *w = k->words; w->word; w++) {
		if (strcmp(w->word, text) != 0)
			continue;
		if (w->value == WORD_LATER)
			return WHY("'%s' is not built in yet", w->word);
		*value = w->value;
		return true;
	}
	return why_word(k, text, why);
}

static void cpu_range(struct cpu_set *set, uint64_t first, uint64_t last, bool remove)
{
	for (uint64_t cpu = first; cpu <= last; cpu++) {
		uint64_t bit = BIT(cpu % 64);

		if (remove)
			set->bits[cpu / 64] &= ~bit;
		else
			set->bits[cpu / 64] |= bit;
	}
}

/* One item of a list, "3", "0-3", "^2" or "all", at *s. */
static bool take_cpus(const char **s, struct cpu_set *set, char *why)
{
	const char *item = *s;
	uint64_t first = 0, last = CONFIG_CPU_MAX - 1;
	bool remove = **s == '^';

	if (remove)
		(*s)++;
	if (strncmp(*s, "all", 3) == 0) {
		*s += 3;
	} else {
		bool ok = scan_decimal(s, &first);

		last = first;
		if (ok && **s == '-') {
			(*s)++;
			ok = scan_decimal(s, &last);
		}
		if (!ok)
			return WHY("'%.*s' is not a list of CPUs, as in 0-3,^2", SHOWN_MAX, item);
	}
	if (first > last)
		return WHY("%lu-%lu runs backwards", first, last);
	if (last >= CONFIG_CPU_MAX)
		return WHY("there is no CPU %lu: the last possible is %d", last, CONFIG_CPU_MAX - 1);
	cpu_range(set, first, last, remove);
	return true;
}

static bool set_cpus(struct cpu_set *out, const char *text, char *why)
{
	struct cpu_set set = {0};
	const char *s = text;
	uint64_t any = 0;

	for (;;) {
		if (!take_cpus(&s, &set, why))
			return false;
		if (*s == '\0')
			break;
		if (*s++ != ',')
			return WHY("'%.*s' is not a list of CPUs, as in 0-3,^2", SHOWN_MAX, text);
		while (*s == ' ')
			s++;
	}
	for (size_t i = 0; i < ARRAY_SIZE(set.bits); i++)
		any |= set.bits[i];
	if (any == 0)
		return WHY("'%.*s' leaves no CPU", SHOWN_MAX, text);
	*out = set;
	return true;
}

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

static bool set_file(const struct config_key *k, void *base, const char *text, uint32_t line, char *why)
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

static bool set_module(struct vm_config *vm, const char *text, uint32_t line, char *why)
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

static bool append_text(char *out, const char *text, char *why)
{
	size_t have = strlen(out), more = strlen(text), blank = have > 0 && more > 0;

	if (have + blank + more > CONFIG_CMDLINE_MAX)
		return WHY("the whole is longer than %d bytes", CONFIG_CMDLINE_MAX);
	if (blank)
		out[have] = ' ';
	memcpy(out + have + blank, text, more + 1);
	return true;
}

static bool set_port(int32_t *out, const char *text, char *why)
{
	unsigned port;

	if (strcmp(text, "none") == 0) {
		*out = -1;
		return true;
	}
	if (!parse_port(text, &port))
		return WHY("'%.*s' is not a port, as in 0xf4, nor none", SHOWN_MAX, text);
	*out = port;
	return true;
}

static bool set_escape(uint8_t *out, const char *text, char *why)
{
	char c = text[0] == '^' && text[1] && !text[2] ? text[1] : '\0';

	if (c >= 'a' && c <= 'z')
		c -= 'a' - 'A';
	if (c < 'A' || c > '_')
		return WHY("'%.*s' is not a control character, as in ^]", SHOWN_MAX, text);
	if (c == 'M' || c == 'J' || c == 'I' || c == 'H' || c == '[')
		return WHY("'%s' would take a key away that every guest needs", text);
	*out = c & 0x1f;
	return true;
}

static bool set_console(struct host_config *h, const char *text, char *why)
{
	unsigned port;
	uint16_t bdf;

	if (strcmp(text, "com1") == 0 || strcmp(text, "com2") == 0) {
		h->console = text[3] == '1' ? CONSOLE_COM1 : CONSOLE_COM2;
		return true;
	}
	if (strncmp(text, "port:", 5) == 0 && parse_port(text + 5, &port)) {
		h->console = CONSOLE_PORT;
		h->console_port = port;
		return true;
	}
	if (strncmp(text, "pci:", 4) == 0) {
		const char *s = text + 4;

		if (scan_bdf(&s, &bdf) && *s == '\0') {
			h->console = CONSOLE_PCI;
			h->console_pci_bdf = bdf;
			return true;
		}
	}
	return WHY("'%.*s' is not a serial line: com1, com2, port:0x3f8 or pci:00:16.3", SHOWN_MAX, text);
}

bool config_key_repeats(const struct config_key *k)
{
	return k->type == KEY_MODULE || k->type == KEY_TEXT || k->type == KEY_DISK || k->type == KEY_NET ||
	       k->type == KEY_SHARED;
}

uint32_t config_value_count(const struct config_key *k, const void *base)
{
	const struct vm_config *vm = base;

	switch (k->type) {
	case KEY_MODULE:
		return vm->module_count;
	case KEY_DISK:
		return vm->disk_count;
	case KEY_NET:
		return vm->net_count;
	case KEY_SHARED:
		return vm->shared_count;
	default:
		return 1;
	}
}

bool config_value_set(const struct config_key *k, void *base, const char *text, uint32_t line,
		      char why[static CONFIG_WHY_MAX])
{
	void *field = (char *)base + k->offset;
	int word;

	if (*text == '\0' && k->type != KEY_TEXT)
		return WHY("it has no value");
	switch (k->type) {
	case KEY_SIZE:
	case KEY_POWER:
		return set_size(k, field, text, why);
	case KEY_UINT:
		return set_uint(k, field, text, why);
	case KEY_BAUD:
		return set_baud(field, text, why);
	case KEY_WORD:
		return find_word(k, text, field, why);
	case KEY_FLAG:
		if (!find_word(k, text, &word, why))
			return false;
		*(bool *)field = word;
		return true;
	case KEY_CPUS:
		return set_cpus(field, text, why);
	case KEY_FILE:
		return set_file(k, base, text, line, why);
	case KEY_MODULE:
		return set_module(base, text, line, why);
	case KEY_TEXT:
		return append_text(field, text, why);
	case KEY_HZ:
		return set_hz(k, field, text, why);
	case KEY_PORT:
		return set_port(field, text, why);
	case KEY_ESCAPE:
		return set_escape(field, text, why);
	case KEY_CONSOLE:
		return set_console(base, text, why);
	case KEY_CPUID:
		return cpuid_choice_parse(field, text, why, CONFIG_WHY_MAX);
	case KEY_DEVICE:
	case KEY_PARTITION:
	case KEY_UPLINK:
	case KEY_DISK:
	case KEY_NET:
	case KEY_SHARED:
		return config_device_set(k, base, text, line, why);
	case KEY_LATER:
		break;
	}
	return WHY("it is not built in yet");
}

static void print_hz(uint64_t v, char *buf, size_t size)
{
	const char *unit = "KMG";

	if (v == 0) {
		str_copy(buf, size, "host");
		return;
	}
	for (v /= 1000; unit[1] && v % 1000 == 0; unit++)
		v /= 1000;
	fmt_snprintf(buf, size, "%lu%c", v, *unit);
}

static void print_cpus(const struct cpu_set *set, char *buf, size_t size)
{
	int n = 0;
	unsigned last;

	if (cpu_set_has(set, 0)) {
		for (last = 0; cpu_set_has(set, last + 1); last++)
			;
		if (last == CONFIG_CPU_MAX - 1) {
			str_copy(buf, size, "all");
			return;
		}
	}
	for (unsigned cpu = 0; cpu < CONFIG_CPU_MAX && n < (int)size; cpu = last + 1) {
		last = cpu;
		if (!cpu_set_has(set, cpu))
			continue;
		while (cpu_set_has(set, last + 1))
			last++;
		n += fmt_snprintf(buf + n, size - n, "%s%u", n ? "," : "", cpu);
		if (last > cpu && n < (int)size)
			n += fmt_snprintf(buf + n, size - n, "-%u", last);
	}
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

static void print_module(const struct vm_config *vm, uint32_t index, char *buf, size_t size)
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

static void print_console(const struct host_config *h, char *buf, size_t size)
{
	unsigned bdf = h->console_pci_bdf;

	switch (h->console) {
	case CONSOLE_COM1:
		str_copy(buf, size, "com1");
		return;
	case CONSOLE_COM2:
		str_copy(buf, size, "com2");
		return;
	case CONSOLE_PORT:
		fmt_snprintf(buf, size, "port:0x%x", h->console_port);
		return;
	case CONSOLE_PCI:
		fmt_snprintf(buf, size, "pci:%02x:%02x.%x", bdf >> 8, bdf >> 3 & 0x1f, bdf & 7);
		return;
	}
}

static const char *word_of(const struct config_word *w, int value)
{
	while (w->word && w->value != value)
		w++;
	return w->word ? w->word : "?";
}

void config_value_print(const struct config_key *k, const void *base, uint32_t index, char *buf, size_t size)
{
	const void *field = (const char *)base + k->offset;
	int32_t port;

	buf[0] = '\0';
	switch (k->type) {
	case KEY_SIZE:
	case KEY_POWER:
		print_size(*(const uint64_t *)field, buf, size);
		return;
	case KEY_UINT:
	case KEY_BAUD:
		fmt_snprintf(buf, size, "%u", *(const uint32_t *)field);
		return;
	case KEY_WORD:
		str_copy(buf, size, word_of(k->words, *(const int *)field));
		return;
	case KEY_FLAG:
		str_copy(buf, size, word_of(k->words, *(const bool *)field));
		return;
	case KEY_CPUS:
		print_cpus(field, buf, size);
		return;
	case KEY_FILE:
		str_copy(buf, size, *(const char *)field ? field : k->def ? k->def : "");
		return;
	case KEY_MODULE:
		print_module(base, index, buf, size);
		return;
	case KEY_TEXT:
		config_text_print(field, buf, size);
		return;
	case KEY_HZ:
		print_hz(*(const uint64_t *)field, buf, size);
		return;
	case KEY_PORT:
		port = *(const int32_t *)field;
		if (port < 0)
			str_copy(buf, size, "none");
		else
			fmt_snprintf(buf, size, "0x%x", port);
		return;
	case KEY_ESCAPE:
		fmt_snprintf(buf, size, "^%c", *(const uint8_t *)field | 0x40);
		return;
	case KEY_CONSOLE:
		print_console(base, buf, size);
		return;
	case KEY_CPUID:
		cpuid_choice_print(field, buf, size);
		return;
	case KEY_DEVICE:
	case KEY_PARTITION:
	case KEY_UPLINK:
	case KEY_DISK:
	case KEY_NET:
	case KEY_SHARED:
		config_device_print(k, base, index, buf, size);
		return;
	case KEY_LATER:
		return;
	}
}
