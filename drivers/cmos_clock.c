/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads the MC146818's time (Motorola MC146818 data sheet): twice alike and outside of an update. The century
 * is taken to be the 21st, as no standard register holds it.
 */
#include "drivers/cmos_clock.h"
#include <stdbool.h>
#include "hv/lib/calendar.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/timer.h"
#include "hv/x86/insn.h"

#define PORT_INDEX    0x70
#define PORT_DATA     0x71
#define REG_A         10
#define REG_B         11
#define A_UIP         BIT(7)
#define B_24H         BIT(1)
#define B_BINARY      BIT(2)
#define HOUR_PM       BIT(7)
#define CENTURY       2000

#define UPDATE_MAX_NS 10000000 /* an update takes 2.3 ms */
#define TRIES         8

enum { SECOND, MINUTE, HOUR, DAY, MONTH, YEAR, FIELDS };

static const uint8_t field_reg[FIELDS] = {0, 2, 4, 7, 8, 9};

static uint8_t read_reg(uint8_t reg)
{
	out8(PORT_INDEX, reg);
	return in8(PORT_DATA);
}

static bool read_fields(uint8_t *field)
{
	uint64_t end = time_now_ns() + UPDATE_MAX_NS;

	while (read_reg(REG_A) & A_UIP)
		if (time_now_ns() > end)
			return false;
	for (unsigned i = 0; i < FIELDS; i++)
		field[i] = read_reg(field_reg[i]);
	return true;
}

static unsigned number(uint8_t byte, uint8_t format)
{
	return format & B_BINARY ? byte : (byte >> 4) * 10u + (byte & 15);
}

static uint64_t to_seconds(const uint8_t *f, uint8_t format)
{
	struct calendar_date d = {
	    .second = number(f[SECOND], format),
	    .minute = number(f[MINUTE], format),
	    .hour = number(f[HOUR], format),
	    .day = number(f[DAY], format),
	    .month = number(f[MONTH], format),
	    .year = CENTURY + number(f[YEAR], format),
	};

	if (!(format & B_24H))
		d.hour = number(f[HOUR] & ~HOUR_PM, format) % 12 + (f[HOUR] & HOUR_PM ? 12 : 0);
	return calendar_to_seconds(&d) - CALENDAR_UNIX_EPOCH_S;
}

uint64_t cmos_clock_read(void)
{
	uint8_t first[FIELDS], second[FIELDS];

	for (unsigned i = 0; i < TRIES; i++) {
		if (!read_fields(first) || !read_fields(second))
			return 0;
		if (memcmp(first, second, sizeof(first)) == 0)
			return to_seconds(second, read_reg(REG_B));
	}
	return 0;
}
