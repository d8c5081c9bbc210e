/* SPDX-License-Identifier: BSD-2-Clause */
/* Values of ingot.cfg's keys: text to field and back, by the key's type. Knows nothing of sections. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config_key;

#define CONFIG_WHY_MAX   200
#define CONFIG_VALUE_MAX 4200 /* text of the longest value as config_value_print writes it */

/*
 * Sets k's field in base (the section's struct) from text. `line` is kept where a file is
 * named. False: nothing was changed, and why has the reason.
 */
bool config_value_set(const struct config_key *k, void *base, const char *text, uint32_t line,
		      char why[static CONFIG_WHY_MAX]);
/* Writes k's field as ingot.cfg would have it, quoted where that is needed. `index`: which of those that repeat. */
void config_value_print(const struct config_key *k, const void *base, uint32_t index, char *buf, size_t size);
/* True if k can be given more than once. */
bool config_key_repeats(const struct config_key *k);
/* How many values it has, which may be 0 where it repeats; 1 for all others, and for texts, which are joined. */
uint32_t config_value_count(const struct config_key *k, const void *base);
/* s as ingot.cfg would have it. */
void config_text_print(const char *s, char *buf, size_t size);
