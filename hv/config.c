/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Parses ingot.cfg: which section a line belongs to, what is doubled, missing or unknown. Values are
 * hv/config_value.c's matter, the list of keys is hv/config_keys.c's. Owns no files and no output.
 */
#include "hv/config.h"
#include "hv/config_keys.h"
#include "hv/config_value.h"
#include "hv/lib/fmt.h"
#include "hv/lib/ini.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/lib/words.h"

#define MESSAGE_MAX  512
#define SHOWN_MAX    40 /* bytes of a wrong word that its message repeats */

#define DEFAULT_FILE "ingot.cfg"

/* Which section the lines belong to. */
enum place {
	PLACE_NONE, /* before the first one */
	PLACE_HOST,
	PLACE_VM,
	PLACE_UNKNOWN, /* whatever it was meant to be: its keys are passed over */
};

struct parser {
	struct config *c;
	const char *name;
	config_error_fn error;
	void *arg;
	struct ini ini;

	enum place place;
	struct vm_config *vm;            /* PLACE_VM */
	char title[CONFIG_NAME_MAX + 8]; /* "vm web" */
	uint32_t host_line;
	uint32_t seen[CONFIG_KEY_COUNT]; /* line of each key in this section, 0: not yet */
	uint32_t host_seen[CONFIG_KEY_COUNT];
	bool guessed[CONFIG_KEY_COUNT]; /* an unknown key in this section resembles it: it isn't missing */
	struct vm_config
	    spare; /* takes the keys of a guest that can't be kept: without a name, doubled, one too many */
};

/* Too big for a host stack; configurations are parsed one at a time. */
static struct parser parser;

[[gnu::format(printf, 3, 4)]] static void report(struct parser *p, uint32_t line, const char *fmt, ...)
{
	static char text[MESSAGE_MAX];
	va_list ap;
	int n;

	p->c->errors++;
	if (p->place == PLACE_VM)
		p->vm->refused = true;
	if (p->error == NULL)
		return;
	n = line ? fmt_snprintf(text, sizeof(text), "%s:%u: ", p->name, line)
		 : fmt_snprintf(text, sizeof(text), "%s: ", p->name);
	va_start(ap, fmt);
	if (n < MESSAGE_MAX)
		fmt_vsnprintf(text + n, sizeof(text) - n, fmt, ap);
	va_end(ap);
	p->error(p->arg, text);
}

static void parser_init(struct parser *p, struct config *c, const char *name, config_error_fn error,
			void *arg)
{
	memset(p, 0, sizeof(*p));
	p->c = c;
	p->name = name;
	p->error = error;
	p->arg = arg;
}

static void set_defaults(enum config_section section, void *base)
{
	char why[CONFIG_WHY_MAX];

	for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
		const struct config_key *k = &config_keys[i];

		if (k->section == section && k->def)
			config_value_set(k, base, k->def, 0, why);
	}
}

/* The required keys of the guest whose section ends here. */
static void end_section(struct parser *p)
{
	for (size_t i = 0; p->place == PLACE_VM && i < CONFIG_KEY_COUNT; i++) {
		const struct config_key *k = &config_keys[i];

		if (k->section == SECTION_VM && k->type != KEY_LATER && k->def == NULL && p->seen[i] == 0 &&
		    !p->guessed[i])
			report(p, p->vm->line, "[%s] has no '%s', which is required", p->title, k->name);
	}
}

/* Says why a guest can't be called so; NULL: it can. */
static const char *check_name(const char *s)
{
	size_t n = strlen(s);

	if (n > CONFIG_NAME_MAX)
		return "is longer than 31 letters";
	for (size_t i = 0; i < n; i++) {
		bool letter = (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z');

		if (!letter && !(s[i] >= '0' && s[i] <= '9') && !strchr("._-", s[i]))
			return "is not a name: it may have letters, digits and ._-";
	}
	return strcmp(s, "all") == 0 ? "is a word of the console, not a name" : NULL;
}

static struct vm_config *vm_by_name(struct config *c, const char *name)
{
	for (uint32_t i = 0; i < c->vm_count; i++) {
		if (strcmp(c->vm[i].name, name) == 0)
			return &c->vm[i];
	}
	return NULL;
}

static void begin_vm(struct parser *p, const char *name, uint32_t line)
{
	struct config *c = p->c;
	const char *why = check_name(name);
	struct vm_config *first = vm_by_name(c, name);
	bool keep = *name && !why && !first && c->vm_count < CONFIG_VM_MAX;

	p->vm = keep ? &c->vm[c->vm_count++] : &p->spare;
	memset(p->vm, 0, sizeof(*p->vm));
	set_defaults(SECTION_VM, p->vm);
	p->vm->line = line;
	str_copy(p->vm->name, sizeof(p->vm->name), name);
	fmt_snprintf(p->title, sizeof(p->title), "vm %s", p->vm->name);
	p->place = PLACE_VM;
	if (*name == '\0')
		report(p, line, "[vm] has no name, as in [vm web]");
	else if (why)
		report(p, line, "'%.*s' %s", SHOWN_MAX, name, why);
	else if (first) {
		/* Which of the two was meant? Neither is started. */
		first->refused = true;
		report(p, line, "[vm %s] is given twice: first in line %u", name, first->line);
	} else if (p->vm == &p->spare)
		report(p, line, "[vm %s] is one too many: at most %d guests", name, CONFIG_VM_MAX);
}

static void begin_host(struct parser *p, const char *name, uint32_t line)
{
	p->place = PLACE_HOST;
	str_copy(p->title, sizeof(p->title), "host");
	if (*name)
		report(p, line, "[host] has no name, but here is '%.*s'", SHOWN_MAX, name);
	if (p->host_line)
		report(p, line, "[host] is given twice: first in line %u", p->host_line);
	else
		p->host_line = line;
	memcpy(p->seen, p->host_seen, sizeof(p->seen));
}

/* A section that isn't known: said so, and taken for the one that it resembles, so that its keys are checked. */
static void begin_unknown(struct parser *p, const struct ini_item *item)
{
	bool vm = word_is_near(item->type, word_distance(item->type, "vm")) || *item->name;

	p->place = PLACE_UNKNOWN;
	if (vm) {
		report(p, item->line, "unknown section [%.*s%s%.*s]; did you mean [vm %.*s]?", SHOWN_MAX,
		       item->type, *item->name ? " " : "", SHOWN_MAX, item->name, SHOWN_MAX,
		       *item->name ? item->name : "NAME");
		if (*item->name) {
			begin_vm(p, item->name, item->line);
			p->vm->refused = true;
		}
	} else if (word_is_near(item->type, word_distance(item->type, "host"))) {
		report(p, item->line, "unknown section [%.*s]; did you mean [host]?", SHOWN_MAX, item->type);
		begin_host(p, "", item->line);
	} else {
		report(p, item->line, "unknown section [%.*s]; there are [host] and [vm NAME]", SHOWN_MAX,
		       item->type);
	}
}

static void begin_section(struct parser *p, const struct ini_item *item)
{
	end_section(p);
	if (p->place == PLACE_HOST)
		memcpy(p->host_seen, p->seen, sizeof(p->seen));
	memset(p->seen, 0, sizeof(p->seen));
	memset(p->guessed, 0, sizeof(p->guessed));
	if (strcmp(item->type, "vm") == 0)
		begin_vm(p, item->name, item->line);
	else if (strcmp(item->type, "host") == 0)
		begin_host(p, item->name, item->line);
	else
		begin_unknown(p, item);
	if (item->error)
		report(p, item->line, "%s", item->error);
}

static void unknown_key(struct parser *p, enum config_section section, const struct ini_item *item)
{
	const struct config_key *k = config_key_nearest(section, item->key);
	enum config_section other = section == SECTION_HOST ? SECTION_VM : SECTION_HOST;

	if (k)
		p->guessed[k - config_keys] = true;
	if (k && k->type == KEY_LATER)
		report(p, item->line, "unknown key '%.*s' in [%s]; '%s' would be it, but is not built in yet",
		       SHOWN_MAX, item->key, p->title, k->name);
	else if (config_key_find(other, item->key))
		report(p, item->line, "'%s' belongs into [%s], not into [%s]", item->key,
		       other == SECTION_HOST ? "host" : "vm NAME", p->title);
	else if (k)
		report(p, item->line, "unknown key '%.*s' in [%s]; did you mean '%s'?", SHOWN_MAX, item->key,
		       p->title, k->name);
	else
		report(p, item->line, "unknown key '%.*s' in [%s]", SHOWN_MAX, item->key, p->title);
}

/* A wrong value. The host's keys fall back to their defaults, and say so. */
static void wrong_value(struct parser *p, const struct config_key *k, uint32_t line, const char *why)
{
	if (k->section == SECTION_HOST)
		report(p, line, "'%s' in [host]: %s; '%s' is used", k->name, why, k->def);
	else
		report(p, line, "'%s' in [%s]: %s", k->name, p->title, why);
}

/* The first line of a repeating text replaces its default. */
static void drop_default(const struct config_key *k, void *base)
{
	if (k->type == KEY_TEXT)
		*((char *)base + k->offset) = '\0';
}

static void take_key(struct parser *p, const struct ini_item *item)
{
	enum config_section section = p->place == PLACE_HOST ? SECTION_HOST : SECTION_VM;
	void *base = section == SECTION_HOST ? (void *)&p->c->host : p->vm;
	const struct config_key *k = config_key_find(section, item->key);
	char why[CONFIG_WHY_MAX];

	if (k == NULL) {
		unknown_key(p, section, item);
		return;
	}
	if (k->type == KEY_LATER) {
		report(p, item->line, "'%s' in [%s] is not built in yet", k->name, p->title);
		return;
	}
	uint32_t *seen = &p->seen[k - config_keys];
	if (*seen && !config_key_repeats(k)) {
		report(p, item->line, "'%s' in [%s] is given twice: first in line %u", k->name, p->title,
		       *seen);
		return;
	}
	if (*seen == 0) {
		drop_default(k, base);
		*seen = item->line;
	}
	if (item->error)
		wrong_value(p, k, item->line, item->error);
	else if (!config_value_set(k, base, item->value, item->line, why))
		wrong_value(p, k, item->line, why);
}

static void take_item(struct parser *p, const struct ini_item *item)
{
	if (item->kind == INI_SECTION)
		begin_section(p, item);
	else if (item->kind == INI_BAD)
		report(p, item->line, "%s", item->error);
	else if (p->place == PLACE_NONE)
		report(p, item->line, "'%.*s' stands before the first section", SHOWN_MAX, item->key);
	else if (p->place != PLACE_UNKNOWN)
		take_key(p, item);
}

void config_defaults(struct config *c)
{
	memset(c, 0, sizeof(*c));
	set_defaults(SECTION_HOST, &c->host);
	c->autostart = true;
}

void config_parse(struct config *c, const char *name, const char *text, size_t len, config_error_fn error,
		  void *arg)
{
	struct parser *p = &parser;
	struct ini_item item;

	config_defaults(c);
	parser_init(p, c, name, error, arg);
	ini_init(&p->ini, text, len);
	for (ini_next(&p->ini, &item); item.kind != INI_END; ini_next(&p->ini, &item))
		take_item(p, &item);
	end_section(p);
}

/* One `key=value` of the boot line. */
static void take_boot_word(struct parser *p, const char *key, const char *value, char *file, size_t file_size)
{
	static const char *const host_keys[] = {"console", "baud", "log"};
	char why[CONFIG_WHY_MAX];

	if (strcmp(key, "config") == 0) {
		if (*value == '\0')
			report(p, 0, "'config' has no value; '%s' is used", DEFAULT_FILE);
		else if (file && !str_copy(file, file_size, value)) {
			report(p, 0, "the name of the configuration is too long; '%s' is used", DEFAULT_FILE);
			str_copy(file, file_size, DEFAULT_FILE);
		}
		return;
	}
	if (strcmp(key, "autostart") == 0) {
		if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
			report(p, 0, "'autostart': '%.*s' is none of yes, no", SHOWN_MAX, value);
		else
			p->c->autostart = value[0] == 'y';
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(host_keys); i++) {
		if (strcmp(key, host_keys[i]) != 0)
			continue;
		if (!config_value_set(config_key_find(SECTION_HOST, key), &p->c->host, value, 0, why))
			report(p, 0, "'%s': %s", key, why);
		return;
	}
	report(p, 0, "unknown word '%.*s'; there are config= console= baud= log= autostart=", SHOWN_MAX, key);
}

static bool ends_word(char c)
{
	return (unsigned char)c <= ' ';
}

void config_boot_line(struct config *c, const char *cmdline, char *file, size_t file_size,
		      config_error_fn error, void *arg)
{
	char word[CONFIG_FILE_MAX + 16];
	struct parser *p = &parser;

	parser_init(p, c, "boot line", error, arg);
	if (file)
		str_copy(file, file_size, DEFAULT_FILE);
	while (*cmdline) {
		size_t n = 0;

		while (!ends_word(cmdline[n]))
			n++;
		if (n >= sizeof(word)) {
			report(p, 0, "'%.*s...' is too long", SHOWN_MAX, cmdline);
		} else if (n > 0) {
			memcpy(word, cmdline, n);
			word[n] = '\0';
			char *eq = strchr(word, '=');
			if (eq)
				*eq = '\0';
			take_boot_word(p, word, eq ? eq + 1 : "", file, file_size);
		}
		cmdline += n;
		while (*cmdline && ends_word(*cmdline))
			cmdline++;
	}
}

void config_check_files(struct config *c, const char *name, bool (*exists)(void *arg, const char *file),
			config_error_fn error, void *arg)
{
	struct parser *p = &parser;

	parser_init(p, c, name, error, arg);
	p->place = PLACE_VM;
	for (uint32_t i = 0; i < c->vm_count; i++) {
		p->vm = &c->vm[i];
		if (p->vm->kernel[0] && !exists(arg, p->vm->kernel))
			report(p, p->vm->kernel_line, "[vm %s]: there is no file '%s' (kernel)", p->vm->name,
			       p->vm->kernel);
		if (p->vm->initrd[0] && !exists(arg, p->vm->initrd))
			report(p, p->vm->initrd_line, "[vm %s]: there is no file '%s' (initrd)", p->vm->name,
			       p->vm->initrd);
		for (uint32_t m = 0; m < p->vm->module_count; m++) {
			if (!exists(arg, p->vm->module[m].file))
				report(p, p->vm->module[m].line, "[vm %s]: there is no file '%s' (module)",
				       p->vm->name, p->vm->module[m].file);
		}
	}
}
