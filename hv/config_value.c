/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Values of ingot.cfg's keys: which setter and which printer is a type's. The longer ones are in files of their own: hv/config_setters.h.
 */
#include "hv/config_value.h"
#include "hv/config.h"
#include "hv/config_devices.h"
#include "hv/config_keys.h"
#include "hv/config_report.h"
#include "hv/config_scan.h"
#include "hv/config_setters.h"
#include "hv/lib/fmt.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/lib/words.h"

#define SHOWN_MAX CONFIG_SHOWN_MAX

#define WHY(...)  (fmt_snprintf(why, CONFIG_WHY_MAX, __VA_ARGS__), false)

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
	if (strncmp(text, "port:", 5) == 0 && config_port_parse(text + 5, &port)) {
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
		return config_size_set(k, field, text, why);
	case KEY_UINT:
		return config_uint_set(k, field, text, why);
	case KEY_BAUD:
		return config_baud_set(field, text, why);
	case KEY_WORD:
		return find_word(k, text, field, why);
	case KEY_FLAG:
		if (!find_word(k, text, &word, why))
			return false;
		*(bool *)field = word;
		return true;
	case KEY_CPUS:
		return config_cpus_set(field, text, why);
	case KEY_FILE:
		return config_file_set(k, base, text, line, why);
	case KEY_MODULE:
		return config_module_set(base, text, line, why);
	case KEY_TEXT:
		return config_text_append(field, text, why);
	case KEY_HZ:
		return config_hz_set(k, field, text, why);
	case KEY_PORT:
		return config_port_set(field, text, why);
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
		config_size_print(*(const uint64_t *)field, buf, size);
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
		config_cpus_print(field, buf, size);
		return;
	case KEY_FILE:
		str_copy(buf, size, *(const char *)field ? field : k->def ? k->def : "");
		return;
	case KEY_MODULE:
		config_module_print(base, index, buf, size);
		return;
	case KEY_TEXT:
		config_text_print(field, buf, size);
		return;
	case KEY_HZ:
		config_hz_print(*(const uint64_t *)field, buf, size);
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
