/* SPDX-License-Identifier: BSD-2-Clause */
/* The Gregorian calendar, for the host's real-time clock and the guests'. */
#include "hv/lib/calendar.h"
#include <stdbool.h>
#include "hv/lib/util.h"

#define DAYS_400_YEARS 146097
#define YEAR_MAX       9999
#define WEEKDAY_OF_0   6 /* 1 January of the year 0 was a Saturday, counted from Sunday as 0 */

static bool is_leap(unsigned year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static unsigned month_days(unsigned year, unsigned month)
{
	static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return days[month - 1] + (month == 2 && is_leap(year));
}

/* Days from 1 January of the year 0 to that of `year`. */
static uint64_t days_before(unsigned year)
{
	if (year == 0)
		return 0;
	/* The year 0 is a leap year; the terms count those from 1 to year - 1. */
	return 365ULL * year + 1 + (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400;
}

struct calendar_date calendar_from_seconds(uint64_t s)
{
	uint64_t day = s / CALENDAR_DAY_S;
	unsigned in_day = (unsigned)(s % CALENDAR_DAY_S);
	struct calendar_date d = {
	    .second = in_day % 60,
	    .minute = in_day / 60 % 60,
	    .hour = in_day / 3600,
	    .weekday = (unsigned)((day + WEEKDAY_OF_0) % 7) + 1,
	    .month = 1,
	    .year = (unsigned)(day * 400 / DAYS_400_YEARS),
	};

	/* The estimate is right, or one too high or low near the turn of a year. */
	while (days_before(d.year) > day)
		d.year--;
	while (days_before(d.year + 1) <= day)
		d.year++;
	day -= days_before(d.year);
	while (day >= month_days(d.year, d.month))
		day -= month_days(d.year, d.month++);
	d.day = (unsigned)day + 1;
	return d;
}

uint64_t calendar_to_seconds(const struct calendar_date *d)
{
	unsigned year = MIN(d->year, (unsigned)YEAR_MAX);
	unsigned month = MIN(MAX(d->month, 1U), 12U);
	unsigned day = MIN(MAX(d->day, 1U), month_days(year, month));
	uint64_t days = days_before(year) + day - 1;

	for (unsigned m = 1; m < month; m++)
		days += month_days(year, m);
	return days * CALENDAR_DAY_S + MIN(d->hour, 23U) * 3600 + MIN(d->minute, 59U) * 60 +
	       MIN(d->second, 59U);
}
