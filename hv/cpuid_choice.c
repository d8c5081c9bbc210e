/* SPDX-License-Identifier: BSD-2-Clause */
/* The configuration's word on a guest's CPU features: see hv/cpuid_table.h. Pure. */
#include "hv/cpuid_table.h"

#include "hv/lib/fmt.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/lib/words.h"

#define HOST      "host"
#define SHOWN_MAX 40 /* bytes of a wrong word that its message repeats */

#define WHY(...)  (fmt_snprintf(why, size, __VA_ARGS__), false)

static const struct cpuid_feature_row *find(const char *name)
{
	for (size_t i = 0; i < cpuid_feature_row_count; i++) {
		if (!strcmp(cpuid_feature_rows[i].name, name))
			return &cpuid_feature_rows[i];
	}
	return NULL;
}

static const char *nearest(const char *name)
{
	const char *best = NULL;
	unsigned best_distance = WORD_FAR;

	for (size_t i = 0; i < cpuid_feature_row_count; i++) {
		unsigned d = word_distance(cpuid_feature_rows[i].name, name);

		if (d < best_distance) {
			best = cpuid_feature_rows[i].name;
			best_distance = d;
		}
	}
	return word_is_near(name, best_distance) ? best : NULL;
}

/* One "+name" or "-name". */
static bool take(struct cpuid_choice *c, const char *item, char *why, size_t size)
{
	const char *name = item + 1, *near;
	const struct cpuid_feature_row *f;
	size_t row;

	if (*item != '+' && *item != '-')
		return WHY("'%.*s' has no + or - in front, as in -avx512f,+x2apic", SHOWN_MAX, item);
	f = find(name);
	if (!f) {
		near = nearest(name);
		return near
			   ? WHY("no CPU feature is called '%.*s'; did you mean '%s'?", SHOWN_MAX, name, near)
			   : WHY("no CPU feature is called '%.*s'", SHOWN_MAX, name);
	}
	if (f->rule == CPUID_DYNAMIC)
		return WHY("'%s' follows the virtual machine's state and can't be chosen", name);
	if (f->rule == CPUID_HIDDEN && *item == '+')
		return WHY("'%s' can't be given: %s", name, f->why);
	if (f->rule == CPUID_ALWAYS && *item == '-')
		return WHY("'%s' can't be taken away: %s", name, f->why);
	row = (size_t)(f - cpuid_feature_rows);
	if (cpuid_choice_has(c->drop, row) || cpuid_choice_has(c->want, row))
		return WHY("'%s' is given twice", name);
	(*item == '+' ? c->want : c->drop)[row / 64] |= BIT(row % 64);
	return true;
}

bool cpuid_choice_parse(struct cpuid_choice *out, const char *text, char *why, size_t size)
{
	struct cpuid_choice c = {};
	char item[WORD_MAX + 2];
	bool first = true;

	for (; *text; first = false) {
		size_t n = 0;

		while (text[n] && text[n] != ',')
			n++;
		if (n >= sizeof(item))
			return WHY("no CPU feature is called '%.*s...'", SHOWN_MAX, text);
		memcpy(item, text, n);
		text += n;
		while (n && item[n - 1] == ' ')
			n--;
		item[n] = '\0';
		if (!(first && !strcmp(item, HOST)) && !take(&c, item, why, size))
			return false;
		while (*text == ',' || *text == ' ')
			text++;
	}
	*out = c;
	return true;
}

void cpuid_choice_print(const struct cpuid_choice *c, char *buf, size_t size)
{
	int n = 0;

	for (size_t i = 0; i < cpuid_feature_row_count && n < (int)size; i++) {
		bool drop = cpuid_choice_has(c->drop, i);

		if (drop || cpuid_choice_has(c->want, i))
			n += fmt_snprintf(buf + n, size - (size_t)n, "%s%c%s", n ? "," : "", drop ? '-' : '+',
					  cpuid_feature_rows[i].name);
	}
	if (!n)
		str_copy(buf, size, HOST);
}
