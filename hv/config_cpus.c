/* SPDX-License-Identifier: BSD-2-Clause */
/* Values of ingot.cfg that are sets of physical CPUs, as in 0-3,^2. */
#include "hv/config.h"
#include "hv/config_report.h"
#include "hv/config_scan.h"
#include "hv/config_setters.h"
#include "hv/lib/fmt.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"

#define SHOWN_MAX CONFIG_SHOWN_MAX

#define WHY(...)  (fmt_snprintf(why, CONFIG_WHY_MAX, __VA_ARGS__), false)

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

bool config_cpus_set(struct cpu_set *out, const char *text, char *why)
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

void config_cpus_print(const struct cpu_set *set, char *buf, size_t size)
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
