/* SPDX-License-Identifier: BSD-2-Clause */
/* Looks up the table that hv/symbols.awk makes of the first link pass, where it doesn't exist yet (weak). */
#include "hv/symbols.h"
#include <stddef.h>
#include "hv/x86/image.h"

struct symbol {
	uint32_t offset; /* from image_start; ascending */
	uint32_t name;   /* index in symbol_names */
};

extern const uint32_t symbol_count __attribute__((weak));
extern const struct symbol symbol_table[] __attribute__((weak));
extern const char symbol_names[] __attribute__((weak));

const char *symbol_find(uint64_t va, uint64_t *offset)
{
	uint32_t low = 0, high, distance;

	if (&symbol_count == NULL || va < (uint64_t)text_start || va >= (uint64_t)text_end)
		return NULL;
	distance = (uint32_t)(va - (uint64_t)image_start);
	high = symbol_count;
	while (high - low > 1) {
		uint32_t middle = (low + high) / 2;

		if (symbol_table[middle].offset <= distance)
			low = middle;
		else
			high = middle;
	}
	*offset = distance - symbol_table[low].offset;
	return &symbol_names[symbol_table[low].name];
}
