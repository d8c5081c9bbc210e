/* SPDX-License-Identifier: BSD-2-Clause */
/* Values of ingot.cfg that are numbers: sizes, frequencies, I/O ports, the speed of a line. */
#include "hv/config_value.h"
#include "hv/config.h"
#include "hv/config_keys.h"
#include "hv/config_report.h"
#include "hv/config_scan.h"
#include "hv/config_setters.h"
#include "hv/lib/fmt.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"

#define SHOWN_MAX     CONFIG_SHOWN_MAX
#define BAUD_BASE     115200
#define SIZE_TEXT_MAX 24

#define WHY(...)      (fmt_snprintf(why, CONFIG_WHY_MAX, __VA_ARGS__), false)

void config_size_print(uint64_t v, char *buf, size_t size)
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

	config_size_print(limit, shown, sizeof(shown));
	return WHY("'%.*s' is too %s %s", SHOWN_MAX, text, what, shown);
}

bool config_size_set(const struct config_key *k, uint64_t *out, const char *text, char *why)
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
bool config_hz_set(const struct config_key *k, uint64_t *out, const char *text, char *why)
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

void config_hz_print(uint64_t v, char *buf, size_t size)
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

bool config_uint_set(const struct config_key *k, uint32_t *out, const char *text, char *why)
{
	const char *s = text;
	uint64_t v;

	if (!scan_decimal(&s, &v) || *s != '\0' || v < k->min || v > k->max)
		return WHY("'%.*s' is not a number from %lu to %lu", SHOWN_MAX, text, k->min, k->max);
	*out = v;
	return true;
}

bool config_baud_set(uint32_t *out, const char *text, char *why)
{
	const char *s = text;
	uint64_t v;

	if (!scan_decimal(&s, &v) || *s != '\0' || v == 0 || v > BAUD_BASE || BAUD_BASE % v != 0)
		return WHY("'%.*s' is not a speed that the line has: 115200, 57600, 38400, 19200, 9600 ...",
			   SHOWN_MAX, text);
	*out = v;
	return true;
}

bool config_port_parse(const char *s, unsigned *port)
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

bool config_port_set(int32_t *out, const char *text, char *why)
{
	unsigned port;

	if (strcmp(text, "none") == 0) {
		*out = -1;
		return true;
	}
	if (!config_port_parse(text, &port))
		return WHY("'%.*s' is not a port, as in 0xf4, nor none", SHOWN_MAX, text);
	*out = port;
	return true;
}
