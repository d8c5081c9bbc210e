/* SPDX-License-Identifier: BSD-2-Clause */
/* Prints a configuration as a complete ingot.cfg, from the table of keys. */
#include "hv/config.h"
#include "hv/config_keys.h"
#include "hv/config_section.h"
#include "hv/config_value.h"
#include "hv/lib/fmt.h"
#include "hv/lib/util.h"

typedef void (*line_fn)(void *arg, const char *line);

/* Configurations are printed one at a time, on the host CPU's small stack. */
static char value[CONFIG_VALUE_MAX];
static char text[CONFIG_VALUE_MAX + 64];

static void print_keys(enum config_section section, const void *base, line_fn out, void *arg)
{
	for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
		const struct config_key *k = &config_keys[i];

		if (k->section != section || k->type == KEY_LATER)
			continue;
		for (uint32_t n = 0; n == 0 || n < config_value_count(k, base); n++) {
			config_value_print(k, base, n, value, sizeof(value));
			fmt_snprintf(text, sizeof(text), "%s = %s", k->name, value);
			out(arg, text);
		}
	}
}

static void print_section(enum config_section section, const void *base, line_fn out, void *arg)
{
	if (config_section_refused(base))
		out(arg, "# refused: this section has mistakes");
	fmt_snprintf(text, sizeof(text), "[%s %s]", config_kinds[section].word, config_section_name(base));
	out(arg, text);
	print_keys(section, base, out, arg);
}

void config_print_vm(const struct vm_config *vm, line_fn out, void *arg)
{
	print_section(SECTION_VM, vm, out, arg);
}

void config_print(const struct config *c, line_fn out, void *arg)
{
	static const enum config_section order[] = {SECTION_DISK, SECTION_NET, SECTION_SHARED, SECTION_VM};

	out(arg, "[host]");
	print_keys(SECTION_HOST, &c->host, out, arg);
	for (size_t k = 0; k < ARRAY_SIZE(order); k++) {
		for (uint32_t i = 0; i < config_section_count(c, order[k]); i++) {
			out(arg, "");
			print_section(order[k], config_section_at(c, order[k], i), out, arg);
		}
	}
}
