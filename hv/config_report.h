/* SPDX-License-Identifier: BSD-2-Clause */
/* How the parts of the configuration's parser report mistakes. */
#pragma once

#include <stdint.h>
#include "hv/config.h"

#define CONFIG_SHOWN_MAX 40 /* bytes of a wrong word that its message repeats */

struct config_report {
	struct config *c;
	const char *name; /* of the file */
	config_error_fn error;
	void *arg;
	void *section; /* that has the mistakes, and is refused for them; NULL: none */
};

/* One mistake: counted, its section refused, its text given out behind "name:line: "; line 0: none. */
[[gnu::format(printf, 3, 4)]] void config_report(struct config_report *r, uint32_t line, const char *fmt,
						 ...);
