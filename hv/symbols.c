/* SPDX-License-Identifier: BSD-2-Clause */
/* Looks up the table that hv/symbols.awk makes of the first link pass, where it doesn't exist yet (weak). */
#include "hv/symbols.h"
#include <stddef.h>
#include "hv/lib/string.h"
#include "hv/x86/image.h"

extern const uint32_t symbol_count __attribute__((weak));
extern const uint32_t symbol_table[] __attribute__((weak)); /* offsets from image_start, ascending */
extern const char symbol_names[] __attribute__((weak));     /* in the same order, each with its NUL */

/* There is time for it where it is wanted, and an index would be a third of the table. */
static const char *name_of(uint32_t n)
{
	const char *name = symbol_names;

	while (n--)
		name += strlen(name) + 1;
	return name;
}

const char *symbol_find(uint64_t va, uint64_t *offset)
{
	uint32_t low = 0, high, distance;

	if (&symbol_count == NULL || va < (uint64_t)text_start || va >= (uint64_t)text_end)
		return NULL;
	distance = (uint32_t)(va - (uint64_t)image_start);
	high = symbol_count;
	while (high - low > 1) {
		uint32_t middle = (low + high) / 2;

		if (symbol_table[middle] <= distance)
			low = middle;
		else
			high = middle;
	}
	*offset = distance - symbol_table[low];
	return name_of(low);
}
