/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A counter of known speed, for measuring others: the HPET, the ACPI PM timer, channel 2 of the PIT. Used
 * at boot only; each is found, started and read by its own file.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "drivers/acpi.h"

struct clock_source {
	const char *name;
	uint64_t hz;
	uint64_t mask; /* the counter counts up modulo mask + 1 */
	uint64_t (*read)(void);
};

/* Each fills *c and returns true where the clock is there (it may still stand still). */
bool hpet_clock(const struct acpi_info *acpi, struct clock_source *c);
bool pmtimer_clock(const struct acpi_info *acpi, struct clock_source *c);
bool pit8254_clock(struct clock_source *c);
