/* SPDX-License-Identifier: BSD-2-Clause */
/* The prompt's commands: finding them, running them, completing them. hv/mgmt/console.c calls it. */
#pragma once

#include <stdbool.h>

struct line_edit;

/* Runs one line; changes it. Output goes to console_print, a failure is one line `error: why`. */
void shell_run(char *line);
/*
 * Continues a command that works in steps (a long output, a wait). True: it has more to do. Until it returns false, no
 * other line is run.
 */
bool shell_continue(void);
/* True between shell_run and the last shell_continue. */
bool shell_is_busy(void);
/* The Tab key: completes the word before the cursor, or prints what it could be. */
void shell_complete(struct line_edit *e);
