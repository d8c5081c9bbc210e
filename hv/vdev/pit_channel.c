/* SPDX-License-Identifier: BSD-2-Clause */
/* The six modes of an 8254 counter, as functions of time (Intel 8254 data sheet, "Mode Definitions"). */
#include "hv/vdev/pit_channel.h"

#define NEVER       UINT64_MAX
#define BINARY_SPAN 0x10000u
#define BCD_SPAN    10000u

/* Mode bits 6 and 7 are 2 and 3 again. */
static unsigned mode(const struct vpit_channel *c)
{
	unsigned m = (c->control & PIT_MODE_BITS) >> 1;

	return m > 5 ? m - 4 : m;
}

bool pit_is_periodic(const struct vpit_channel *c)
{
	return mode(c) == 2 || mode(c) == 3;
}

/* A rising gate starts the count, which then doesn't look at the gate any more. */
static bool is_triggered(const struct vpit_channel *c)
{
	return mode(c) == 1 || mode(c) == 5;
}

/* Ticks since the count was loaded. The load itself happens with the clock after the write. */
static uint64_t elapsed(const struct vpit_channel *c, uint64_t now)
{
	if (!c->gate && !is_triggered(c))
		return c->frozen;
	return (int64_t)(now - c->start) < 0 ? 0 : now - c->start;
}

/* Ticks for which mode 3's output is high. */
static uint32_t high_ticks(uint32_t reload)
{
	return (reload + 1) / 2;
}

static void start(struct vpit_channel *c, uint32_t reload, uint64_t now)
{
	c->reload = reload;
	c->start = now + 1;
	c->frozen = 0;
	c->counting = true;
	c->pending = false;
}

void pit_settle(struct vpit_channel *c, uint64_t now)
{
	bool low_half;

	if (!c->pending || !pit_is_periodic(c) || !c->gate || now < c->next_at)
		return;
	/* In mode 3 the new count may begin with either half of the wave. */
	low_half = mode(c) == 3 && (c->next_at - c->start) % c->reload != 0;
	c->start = c->next_at - (low_half ? high_ticks(c->next_reload) : 0);
	c->reload = c->next_reload;
	c->pending = false;
}

void pit_set_control(struct vpit_channel *c, uint8_t control)
{
	c->control = control;
	c->counting = c->pending = false;
	c->write_high_next = c->read_high_next = false;
	c->latch_bytes = 0;
	c->status_latched = false;
	c->frozen = 0;
}

void pit_first_byte(struct vpit_channel *c)
{
	if (mode(c) == 0)
		c->counting = false;
}

static uint32_t from_bcd(uint16_t value)
{
	return (value >> 12) * 1000u + (value >> 8 & 15) * 100u + (value >> 4 & 15) * 10u + (value & 15);
}

static uint16_t to_bcd(uint32_t n)
{
	return (uint16_t)(n / 1000 % 10 << 12 | n / 100 % 10 << 8 | n / 10 % 10 << 4 | n % 10);
}

void pit_load(struct vpit_channel *c, uint16_t value, uint64_t now)
{
	uint32_t span = c->control & PIT_BCD ? BCD_SPAN : BINARY_SPAN;
	uint32_t reload = c->control & PIT_BCD ? from_bcd(value) : value;
	uint64_t in_period;

	/* 0 means the largest count. A digit above 9 in BCD is not defined; it is bounded here. */
	if (reload == 0 || reload > span)
		reload = span;
	if (!is_triggered(c) && !(pit_is_periodic(c) && c->counting)) {
		start(c, reload, now);
		return;
	}
	c->pending = true;
	c->next_reload = reload;
	if (is_triggered(c))
		return;
	/* Mode 2 takes it at the end of the period, mode 3 of the half period. */
	in_period = elapsed(c, now) % c->reload;
	c->next_at = now - in_period + c->reload;
	if ((int64_t)(now - c->start) < 0)
		c->next_at = c->start; /* the last count is not even loaded */
	else if (mode(c) == 3 && in_period < high_ticks(c->reload))
		c->next_at = now - in_period + high_ticks(c->reload);
}

void pit_set_gate(struct vpit_channel *c, bool gate, uint64_t now)
{
	if (gate == c->gate)
		return;
	if (!gate) {
		c->frozen = elapsed(c, now);
		c->gate = false;
		return;
	}
	c->gate = true;
	if (is_triggered(c)) {
		if (c->counting || c->pending)
			start(c, c->pending ? c->next_reload : c->reload, now);
	} else if (pit_is_periodic(c)) {
		if (c->counting)
			start(c, c->pending ? c->next_reload : c->reload, now);
	} else if ((int64_t)(now - c->start) >= 0) {
		c->start = now - c->frozen;
	}
}

uint16_t pit_count(const struct vpit_channel *c, uint64_t now)
{
	uint32_t span = c->control & PIT_BCD ? BCD_SPAN : BINARY_SPAN;
	uint32_t n = 0;
	uint64_t t = elapsed(c, now);

	if (c->counting && mode(c) == 2) {
		n = c->reload - (uint32_t)(t % c->reload);
	} else if (c->counting && mode(c) == 3) {
		uint32_t p = (uint32_t)(t % c->reload), high = high_ticks(c->reload);

		/* By two, from an even count, twice a period; an odd count's high half is one tick longer. */
		n = (c->reload & ~1u) - 2 * (p < high ? p : p - high);
	} else if (c->counting) {
		n = (c->reload + span - (uint32_t)(t % span)) % span; /* goes on below 0 */
	}
	n %= span;
	return c->control & PIT_BCD ? to_bcd(n) : (uint16_t)n;
}

bool pit_out(const struct vpit_channel *c, uint64_t now)
{
	uint64_t t = elapsed(c, now);

	if (!c->counting)
		return mode(c) != 0;
	switch (mode(c)) {
	case 0:
		return t >= c->reload;
	case 1:
		return t >= c->reload || (int64_t)(now - c->start) < 0;
	case 2:
		return !c->gate || t % c->reload != c->reload - 1;
	case 3:
		return !c->gate || t % c->reload < high_ticks(c->reload);
	default: /* 4 and 5: a strobe of one tick */
		return t != c->reload;
	}
}

bool pit_null(const struct vpit_channel *c, uint64_t now)
{
	return !c->counting || c->pending || (int64_t)(now - c->start) < 0;
}

uint64_t pit_next_rise(const struct vpit_channel *c, uint64_t from)
{
	uint64_t at;

	if (!c->counting || (!c->gate && !is_triggered(c)))
		return NEVER;
	switch (mode(c)) {
	case 2:
	case 3:
		if (c->reload < 2)
			return NEVER; /* 1 is not a legal count: the output stays */
		return from < c->start ? c->start + c->reload
				       : from + c->reload - (from - c->start) % c->reload;
	case 0:
	case 1:
		at = c->start + c->reload;
		break;
	default:
		at = c->start + c->reload + 1;
	}
	return at > from ? at : NEVER;
}
