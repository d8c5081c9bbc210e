/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kinds of sections with names, of which struct config keeps arrays. Their structs all begin with name, line and refused.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "hv/config_keys.h"

struct config;

struct config_section_kind {
	const char *word;     /* vm */
	const char *theirs;   /* words of other systems for it, divided by blanks */
	const char *example;  /* web: a name */
	const char *plural;   /* guests */
	const char *reserved; /* a name that it can't have, */
	const char *why;      /* and why */
	size_t count, first;  /* in struct config: how many there are, and the array */
	size_t size;          /* of an element */
	uint32_t max;
};

/* By enum config_section; that of SECTION_HOST has only the word. */
extern const struct config_section_kind config_kinds[SECTION_COUNT];

uint32_t config_section_count(const struct config *c, enum config_section kind);
/*
 * The kind that a word of a header means; *exact is false where the word is another one, that was probably meant to be it.
 * SECTION_COUNT: none.
 */
enum config_section config_section_kind(const char *word, bool *exact);

/* The section number i, which is below the count. As strchr, it and the next return what their caller may change if c is his. */
void *config_section_at(const struct config *c, enum config_section kind, uint32_t i);
/* NULL: there is none of this name. *i, where it isn't NULL, gets its number. */
void *config_section_find(const struct config *c, enum config_section kind, const char *name, uint32_t *i);
/* The name that was probably meant, or NULL. */
const char *config_section_nearest(const struct config *c, enum config_section kind, const char *name);
/* Room for one more; NULL: there are as many as there can be. */
void *config_section_add(struct config *c, enum config_section kind);

/* What every section begins with. */
void config_section_init(void *section, enum config_section kind, const char *name, uint32_t line);
const char *config_section_name(const void *section);
uint32_t config_section_line(const void *section); /* of its header */
bool config_section_refused(const void *section);
void config_section_refuse(void *section);
