/* SPDX-License-Identifier: BSD-2-Clause */
/* The Gregorian calendar, in seconds since 1 January of the year 0. Pure. */
#pragma once

#include <stdint.h>

#define CALENDAR_DAY_S        86400ULL
#define CALENDAR_UNIX_EPOCH_S (719528 * CALENDAR_DAY_S) /* 1970-01-01 */

struct calendar_date {
	unsigned second, minute, hour;
	unsigned weekday;          /* 1 is Sunday; computed only */
	unsigned day, month, year; /* from 1, from 1, 0-9999 */
};

struct calendar_date calendar_from_seconds(uint64_t s);
/* Any values; those that no calendar has are brought to the nearest one that it has. */
uint64_t calendar_to_seconds(const struct calendar_date *d);
