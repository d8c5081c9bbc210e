/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Parses ingot.cfg: which section a line belongs to, what is doubled, missing or unknown. Values are
 * hv/config_value.c's matter, the list of keys is hv/config_keys.c's, how sections fit together hv/config_link.c's. Owns no files and no
 * output.
 */
#include "hv/config.h"
#include "hv/config_keys.h"
#include "hv/config_link.h"
#include "hv/config_report.h"
#include "hv/config_section.h"
#include "hv/config_value.h"
#include "hv/lib/fmt.h"
#include "hv/lib/ini.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/lib/words.h"

#define SHOWN_MAX    CONFIG_SHOWN_MAX
#define TITLE_MAX    (CONFIG_NAME_MAX + 16)

#define DEFAULT_FILE "ingot.cfg"

/* Which section the lines belong to. */
enum place {
	PLACE_NONE,    /* before the first one */
	PLACE_SECTION, /* parser.kind */
	PLACE_UNKNOWN, /* whatever it was meant to be: its keys are passed over */
};

struct parser {
	struct config_report report;
	struct ini ini;

	enum place place;
	enum config_section kind;
	void *base;            /* the section's struct */
	char title[TITLE_MAX]; /* "vm web" */
	uint32_t host_line;
	uint32_t seen[CONFIG_KEY_COUNT]; /* line of each key in this section, 0: not yet */
	uint32_t host_seen[CONFIG_KEY_COUNT];
	bool guessed[CONFIG_KEY_COUNT]; /* an unknown key in this section resembles it: it isn't missing */
	union {
		struct vm_config vm;
		struct disk_config disk;
		struct net_config net;
		struct shared_config shared;
	} spare; /* takes the keys of a section that can't be kept: without a name, doubled, one too many */
};

/* Too big for a host stack; configurations are parsed one at a time. */
static struct parser parser;

#define report(p, line, ...) config_report(&(p)->report, line, __VA_ARGS__)

static void parser_init(struct parser *p, struct config *c, const char *name, config_error_fn error,
			void *arg)
{
	memset(p, 0, sizeof(*p));
	p->report = (struct config_report){.c = c, .name = name, .error = error, .arg = arg};
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

/* What a disk stands on: exactly one of three, and what goes with it alone. */
static void end_disk(struct parser *p, const struct disk_config *d)
{
	if (d->file[0] == '\0' && d->size == 0 && d->device == DEVICE_NONE) {
		if (!d->refused)
			report(p, d->line, "[%s] has none of 'file', 'size' and 'device'", p->title);
	} else if (d->device == DEVICE_NONE) {
		if (d->partition != PARTITION_NONE)
			report(p, d->line, "[%s] has a 'partition', which only a 'device' has", p->title);
	} else if (d->file[0] || d->size) {
		report(p, d->line, "[%s] has '%s' and 'device': only one of them is possible", p->title,
		       d->file[0] ? "file" : "size");
	} else if (d->changes == CHANGES_DROP) {
		report(p, d->line, "[%s] has 'changes = drop', which a 'device' can't do", p->title);
	}
}

/* What is missing in the section that ends here. */
static void end_section(struct parser *p)
{
	if (p->place != PLACE_SECTION)
		return;
	for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
		const struct config_key *k = &config_keys[i];

		if (k->section == p->kind && k->type != KEY_LATER && k->def == NULL && p->seen[i] == 0 &&
		    !p->guessed[i])
			report(p, config_section_line(p->base), "[%s] has no '%s', which is required",
			       p->title, k->name);
	}
	if (p->kind == SECTION_DISK)
		end_disk(p, p->base);
	if (p->kind == SECTION_HOST)
		memcpy(p->host_seen, p->seen, sizeof(p->seen));
}

/* Says why a section of this kind can't be called so; NULL: it can. */
static const char *check_name(enum config_section kind, const char *s)
{
	size_t n = strlen(s);

	if (n > CONFIG_NAME_MAX)
		return "is longer than 31 letters";
	for (size_t i = 0; i < n; i++) {
		bool letter = (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z');

		if (!letter && !(s[i] >= '0' && s[i] <= '9') && !strchr("._-", s[i]))
			return "is not a name: it may have letters, digits and ._-";
	}
	return strcmp(s, config_kinds[kind].reserved) == 0 ? config_kinds[kind].why : NULL;
}

static void begin_named(struct parser *p, enum config_section kind, const char *name, uint32_t line)
{
	struct config *c = p->report.c;
	const struct config_section_kind *k = &config_kinds[kind];
	const char *why = check_name(kind, name);
	void *first = config_section_find(c, kind, name, NULL);
	void *kept = *name && !why && !first ? config_section_add(c, kind) : NULL;

	p->place = PLACE_SECTION;
	p->kind = kind;
	p->base = p->report.section = kept ? kept : &p->spare;
	config_section_init(p->base, kind, name, line);
	set_defaults(kind, p->base);
	fmt_snprintf(p->title, sizeof(p->title), "%s %s", k->word, config_section_name(p->base));
	if (*name == '\0')
		report(p, line, "[%s] has no name, as in [%s %s]", k->word, k->word, k->example);
	else if (why)
		report(p, line, "'%.*s' %s", SHOWN_MAX, name, why);
	else if (first) {
		/* Which of the two was meant? Neither is used. */
		config_section_refuse(first);
		report(p, line, "[%s] is given twice: first in line %u", p->title,
		       config_section_line(first));
	} else if (kept == NULL)
		report(p, line, "[%s] is one too many: at most %u %s", p->title, k->max, k->plural);
}

static void begin_host(struct parser *p, const char *name, uint32_t line)
{
	p->place = PLACE_SECTION;
	p->kind = SECTION_HOST;
	p->base = &p->report.c->host;
	p->report.section = NULL;
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
static void begin_unknown(struct parser *p, const struct ini_item *item, enum config_section kind)
{
	const char *name = item->name, *near;

	p->place = PLACE_UNKNOWN;
	p->report.section = NULL;
	if (kind == SECTION_COUNT) {
		report(p, item->line,
		       "unknown section [%.*s]; there are [host], [vm NAME], [disk NAME], [net NAME] and "
		       "[shared NAME]",
		       SHOWN_MAX, item->type);
	} else if (kind == SECTION_HOST) {
		report(p, item->line, "unknown section [%.*s]; did you mean [host]?", SHOWN_MAX, item->type);
		begin_host(p, "", item->line);
	} else {
		near = config_kinds[kind].word;
		report(p, item->line, "unknown section [%.*s%s%.*s]; did you mean [%s %.*s]?", SHOWN_MAX,
		       item->type, *name ? " " : "", SHOWN_MAX, name, near, SHOWN_MAX, *name ? name : "NAME");
		if (*name) {
			begin_named(p, kind, name, item->line);
			config_section_refuse(p->base);
		}
	}
}

static void begin_section(struct parser *p, const struct ini_item *item)
{
	bool exact;
	enum config_section kind = config_section_kind(item->type, &exact);

	end_section(p);
	memset(p->seen, 0, sizeof(p->seen));
	memset(p->guessed, 0, sizeof(p->guessed));
	if (!exact)
		begin_unknown(p, item, kind);
	else if (kind == SECTION_HOST)
		begin_host(p, item->name, item->line);
	else
		begin_named(p, kind, item->name, item->line);
	if (item->error)
		report(p, item->line, "%s", item->error);
}

/* Another kind of section that has this key; SECTION_COUNT: none. */
static enum config_section other_section(const struct parser *p, const char *key)
{
	enum config_section s = 0;

	while (s < SECTION_COUNT && (s == p->kind || !config_key_find(s, key)))
		s++;
	return s;
}

static void unknown_key(struct parser *p, const struct ini_item *item)
{
	const struct config_key *k = config_key_nearest(p->kind, item->key);
	enum config_section other = other_section(p, item->key);

	if (k)
		p->guessed[k - config_keys] = true;
	if (k && k->type == KEY_LATER)
		report(p, item->line, "unknown key '%.*s' in [%s]; '%s' would be it, but is not built in yet",
		       SHOWN_MAX, item->key, p->title, k->name);
	else if (other != SECTION_COUNT)
		report(p, item->line, "'%s' belongs into [%s%s], not into [%s]", item->key,
		       config_kinds[other].word, other == SECTION_HOST ? "" : " NAME", p->title);
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
	const struct config_key *k = config_key_find(p->kind, item->key);
	char why[CONFIG_WHY_MAX];

	if (k == NULL) {
		unknown_key(p, item);
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
		drop_default(k, p->base);
		*seen = item->line;
	}
	if (item->error)
		wrong_value(p, k, item->line, item->error);
	else if (!config_value_set(k, p->base, item->value, item->line, why))
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
	c->host = (struct host_config){};
	set_defaults(SECTION_HOST, &c->host);
	/* A section is set up when it is begun: config_section_init. */
	c->vm_count = c->disk_count = c->net_count = c->shared_count = 0;
	c->autostart = true;
	c->errors = 0;
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
	config_link(&p->report);
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
			p->report.c->autostart = value[0] == 'y';
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(host_keys); i++) {
		if (strcmp(key, host_keys[i]) != 0)
			continue;
		if (!config_value_set(config_key_find(SECTION_HOST, key), &p->report.c->host, value, 0, why))
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

void config_check_files(struct config *c, const char *name, config_exists_fn exists, config_error_fn error,
			void *arg)
{
	struct config_report r = {.c = c, .name = name, .error = error, .arg = arg};

	config_link_files(&r, exists, arg);
}
