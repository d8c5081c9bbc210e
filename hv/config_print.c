/* SPDX-License-Identifier: BSD-2-Clause */
/* Prints a configuration as a complete ingot.cfg, from the table of keys. */
#include "hv/config.h"
#include "hv/config_keys.h"
#include "hv/config_value.h"
#include "hv/lib/fmt.h"

typedef void (*line_fn)(void *arg, const char *line);

/* Configurations are printed one at a time, on the host CPU's small stack. */
static char value[CONFIG_VALUE_MAX];
static char text[CONFIG_VALUE_MAX + 64];

static void print_section(enum config_section section, const void *base, uint32_t modules, line_fn out,
			  void *arg)
{
	for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
		const struct config_key *k = &config_keys[i];

		if (k->section != section || k->type == KEY_LATER)
			continue;
		for (uint32_t n = 0; n == 0 || (k->type == KEY_MODULE && n < modules); n++) {
			config_value_print(k, base, n, value, sizeof(value));
			fmt_snprintf(text, sizeof(text), "%s = %s", k->name, value);
			out(arg, text);
		}
	}
}

void config_print_vm(const struct vm_config *vm, line_fn out, void *arg)
{
	if (vm->refused)
		out(arg, "# refused: this section has mistakes");
	fmt_snprintf(text, sizeof(text), "[vm %s]", vm->name);
	out(arg, text);
	print_section(SECTION_VM, vm, vm->module_count, out, arg);
}

void config_print(const struct config *c, line_fn out, void *arg)
{
	out(arg, "[host]");
	print_section(SECTION_HOST, &c->host, 0, out, arg);
	for (uint32_t i = 0; i < c->vm_count; i++) {
		out(arg, "");
		config_print_vm(&c->vm[i], out, arg);
	}
}
