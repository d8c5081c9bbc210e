/* SPDX-License-Identifier: BSD-2-Clause */
/* Texts of mistakes. */
#include "hv/config_report.h"
#include "hv/config_section.h"
#include "hv/lib/fmt.h"

#define MESSAGE_MAX 512

void config_report(struct config_report *r, uint32_t line, const char *fmt, ...)
{
	static char text[MESSAGE_MAX];
	va_list ap;
	int n;

	r->c->errors++;
	if (r->section)
		config_section_refuse(r->section);
	if (r->error == NULL)
		return;
	n = line ? fmt_snprintf(text, sizeof(text), "%s:%u: ", r->name, line)
		 : fmt_snprintf(text, sizeof(text), "%s: ", r->name);
	va_start(ap, fmt);
	if (n < MESSAGE_MAX)
		fmt_vsnprintf(text + n, sizeof(text) - n, fmt, ap);
	va_end(ap);
	r->error(r->arg, text);
}
