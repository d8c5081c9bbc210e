/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The MC146818 and its CMOS memory. No clock ticks: registers and flags follow from guest time when they are
 * read, and a host timer is armed for the next enabled interrupt alone. The calendar is hv/lib/calendar.c's.
 */
#include "hv/vdev/rtc.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/lib/calendar.h"
#include "hv/vm.h"

#define PORT_INDEX 0x70
#define RTC_PORTS  2
#define INDEX_BITS 0x7f /* bit 7 masks NMI, which nothing here raises */

enum {
	RTC_SECONDS,
	RTC_SECONDS_ALARM,
	RTC_MINUTES,
	RTC_MINUTES_ALARM,
	RTC_HOURS,
	RTC_HOURS_ALARM,
	RTC_WEEKDAY,
	RTC_DAY,
	RTC_MONTH,
	RTC_YEAR,
	RTC_A,
	RTC_B,
	RTC_C,
	RTC_D,
	CMOS_EQUIPMENT = 0x14,
	CMOS_BASE_KB = 0x15, /* 2 bytes */
	CMOS_EXT_KB = 0x17,  /* 2 bytes, above 1 MiB */
	CMOS_SUM_FIRST = 0x10,
	CMOS_SUM_LAST = 0x2d,
	CMOS_SUM = 0x2e, /* 2 bytes, the high one first */
	CMOS_EXT_KB_2 = 0x30,
	CMOS_CENTURY = PLATFORM_RTC_CENTURY,
	CMOS_ABOVE_16M = 0x34, /* 2 bytes, in 64 KiB */
	CMOS_ABOVE_4G = 0x5b,  /* 3 bytes, in 64 KiB */
};

#define A_UIP          BIT(7)
#define A_DIVIDER_HOLD 0x60 /* both bits set: the divider is held in reset */
#define A_RATE         0x0f
#define A_RESET        0x26 /* 32.768 kHz, 1024 Hz */
#define B_24H          BIT(1)
#define B_BINARY       BIT(2)
#define B_UIE          BIT(4)
#define B_SET          BIT(7)
#define C_UF           BIT(4)
#define C_AF           BIT(5)
#define C_PF           BIT(6)
#define C_IRQF         BIT(7)
#define C_FLAGS        (C_UF | C_AF | C_PF)
#define D_VRT          BIT(7)
#define ALARM_ANY      0xc0
#define HOUR_PM        BIT(7)
#define EQUIPMENT_FPU  BIT(1)

#define NEVER          UINT64_MAX
#define CRYSTAL_HZ     32768
/* With this crystal an update takes 1984 us, and UIP is set 244 us before it. */
#define UIP_NS         ((1984 + 244) * 1000ULL)
#define FIRST_UPDATE   (NS_PER_S / 2) /* after the divider's reset is released */

static bool divider_held(const struct vrtc *r)
{
	return (r->reg_a & A_DIVIDER_HOLD) == A_DIVIDER_HOLD;
}

static bool running(const struct vrtc *r)
{
	return !(r->reg_b & B_SET) && !divider_held(r);
}

/* Where the divider chain stands, in nanoseconds. */
static uint64_t chain(const struct vrtc *r)
{
	return vm_time_ns(r->dev.vm) + r->phase_ns;
}

static uint64_t clock_s(const struct vrtc *r, uint64_t u)
{
	return (uint64_t)(r->base_s + (int64_t)(u / NS_PER_S));
}

/* --- registers and their formats --- */

static uint8_t encode(const struct vrtc *r, unsigned n)
{
	return (uint8_t)(r->reg_b & B_BINARY ? n : n / 10 << 4 | n % 10);
}

static unsigned decode(const struct vrtc *r, uint8_t byte)
{
	return r->reg_b & B_BINARY ? byte : (byte >> 4) * 10u + (byte & 15);
}

static uint8_t encode_hour(const struct vrtc *r, unsigned hour)
{
	if (r->reg_b & B_24H)
		return encode(r, hour);
	return encode(r, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? HOUR_PM : 0);
}

static unsigned decode_hour(const struct vrtc *r, uint8_t byte)
{
	if (r->reg_b & B_24H)
		return decode(r, byte);
	return decode(r, byte & ~HOUR_PM) % 12 + (byte & HOUR_PM ? 12 : 0);
}

/* Writes the clock's registers as they are at chain time u. */
static void registers_from_clock(struct vrtc *r, uint64_t u)
{
	struct calendar_date d = calendar_from_seconds(clock_s(r, u));

	r->cmos[RTC_SECONDS] = encode(r, d.second);
	r->cmos[RTC_MINUTES] = encode(r, d.minute);
	r->cmos[RTC_HOURS] = encode_hour(r, d.hour);
	r->cmos[RTC_WEEKDAY] = encode(r, d.weekday);
	r->cmos[RTC_DAY] = encode(r, d.day);
	r->cmos[RTC_MONTH] = encode(r, d.month);
	r->cmos[RTC_YEAR] = encode(r, d.year % 100);
	r->cmos[CMOS_CENTURY] = encode(r, d.year / 100);
}

/* The clock goes on from its registers at chain time u, whatever a guest has written there. */
static void clock_from_registers(struct vrtc *r, uint64_t u)
{
	struct calendar_date d = {
	    .second = decode(r, r->cmos[RTC_SECONDS]),
	    .minute = decode(r, r->cmos[RTC_MINUTES]),
	    .hour = decode_hour(r, r->cmos[RTC_HOURS]),
	    .day = decode(r, r->cmos[RTC_DAY]),
	    .month = decode(r, r->cmos[RTC_MONTH]),
	    .year = decode(r, r->cmos[CMOS_CENTURY]) * 100 + decode(r, r->cmos[RTC_YEAR]),
	};

	r->base_s = (int64_t)calendar_to_seconds(&d) - (int64_t)(u / NS_PER_S);
}

/* --- flags and the interrupt --- */

static uint64_t period_ticks(const struct vrtc *r)
{
	unsigned rate = r->reg_a & A_RATE;

	if (rate == 0 || divider_held(r))
		return 0;
	return 1ULL << (rate < 3 ? rate + 6 : rate - 1); /* 1 and 2 are 256 and 128 Hz */
}

static uint64_t periods(const struct vrtc *r, uint64_t u)
{
	return vdev_scale(u, CRYSTAL_HZ, NS_PER_S) / period_ticks(r);
}

static bool alarm_matches(const struct vrtc *r, unsigned reg, uint8_t encoded)
{
	return (r->cmos[reg] & ALARM_ANY) == ALARM_ANY || r->cmos[reg] == encoded;
}

static uint64_t alarm_in_day(const struct vrtc *r, unsigned from)
{
	for (unsigned h = from / 3600; h < 24; h++) {
		if (!alarm_matches(r, RTC_HOURS_ALARM, encode_hour(r, h)))
			continue;
		for (unsigned m = h == from / 3600 ? from / 60 % 60 : 0; m < 60; m++) {
			if (!alarm_matches(r, RTC_MINUTES_ALARM, encode(r, m)))
				continue;
			for (unsigned s = h * 60 + m == from / 60 ? from % 60 : 0; s < 60; s++)
				if (alarm_matches(r, RTC_SECONDS_ALARM, encode(r, s)))
					return h * 3600 + m * 60 + s;
		}
	}
	return NEVER;
}

/* The first second after `s` at which the alarm matches. */
static uint64_t next_alarm(const struct vrtc *r, uint64_t s)
{
	uint64_t day = (s + 1) / CALENDAR_DAY_S * CALENDAR_DAY_S;
	uint64_t in_day = alarm_in_day(r, (unsigned)(s + 1 - day));

	if (in_day != NEVER)
		return day + in_day;
	in_day = alarm_in_day(r, 0);
	return in_day == NEVER ? NEVER : day + CALENDAR_DAY_S + in_day;
}

/* Sets the flags of what has happened since the last look. */
static void note_events(struct vrtc *r, uint64_t u)
{
	if (period_ticks(r) && periods(r, u) != periods(r, r->seen))
		r->reg_c |= C_PF;
	if (running(r) && u / NS_PER_S != r->seen / NS_PER_S) {
		r->reg_c |= C_UF;
		if (next_alarm(r, clock_s(r, r->seen)) <= clock_s(r, u))
			r->reg_c |= C_AF;
	}
	r->seen = u;
}

static uint64_t next_event(const struct vrtc *r, uint64_t u)
{
	uint64_t next = NEVER, s;

	if ((r->reg_b & C_PF) && period_ticks(r))
		next = vdev_scale((periods(r, u) + 1) * period_ticks(r), NS_PER_S, CRYSTAL_HZ) + 1;
	if ((r->reg_b & C_UF) && running(r))
		next = MIN(next, (u / NS_PER_S + 1) * NS_PER_S);
	if ((r->reg_b & C_AF) && running(r)) {
		s = next_alarm(r, clock_s(r, u));
		if (s != NEVER)
			next = MIN(next, (uint64_t)((int64_t)s - r->base_s) * NS_PER_S);
	}
	return next;
}

/* The enable bits of B stand where the flags of C do. While a request waits no further one can come. */
static void update_irq(struct vrtc *r)
{
	bool level = r->reg_b & r->reg_c & C_FLAGS;
	uint64_t next;

	r->reg_c = level ? r->reg_c | C_IRQF : r->reg_c & ~C_IRQF;
	if (level != r->irq) {
		r->irq = level;
		vm_irq_set_legacy(r->dev.vm, PLATFORM_GSI_RTC, level);
	}
	if (level)
		return;
	next = next_event(r, r->seen);
	if (next != NEVER)
		vdev_timer_arm(&r->dev, &r->timer, next - r->phase_ns);
}

static void timer_fired(struct timer *t)
{
	struct vrtc *r = container_of(t, struct vrtc, timer);

	spin_lock(&r->dev.lock);
	note_events(r, chain(r));
	update_irq(r);
	spin_unlock(&r->dev.lock);
}

/* --- ports --- */

static bool is_clock(unsigned reg)
{
	return reg == RTC_SECONDS || reg == RTC_MINUTES || reg == RTC_HOURS ||
	       (reg >= RTC_WEEKDAY && reg <= RTC_YEAR) || reg == CMOS_CENTURY;
}

/* Stops the clock into its registers, changes what `reg` says, and lets it go on from them if it may. */
static void write_clocked(struct vrtc *r, unsigned reg, uint8_t value, uint64_t u)
{
	bool held = divider_held(r);

	if (running(r))
		registers_from_clock(r, u);
	switch (reg) {
	case RTC_A:
		r->reg_a = value & ~A_UIP;
		break;
	case RTC_B:
		r->reg_b = value & B_SET ? value & ~B_UIE : value;
		break;
	default:
		r->cmos[reg] = value;
	}
	if (held && !divider_held(r)) { /* the chain starts anew */
		r->phase_ns = (FIRST_UPDATE + NS_PER_S - vm_time_ns(r->dev.vm) % NS_PER_S) % NS_PER_S;
		u = chain(r);
		r->seen = u;
	}
	if (running(r))
		clock_from_registers(r, u);
}

static void reg_write(struct vrtc *r, unsigned reg, uint8_t value)
{
	uint64_t u = chain(r);

	note_events(r, u);
	if (reg == RTC_A || reg == RTC_B || is_clock(reg))
		write_clocked(r, reg, value, u);
	else if (reg != RTC_C && reg != RTC_D)
		r->cmos[reg] = value;
	update_irq(r);
}

static uint8_t read_c(struct vrtc *r)
{
	uint8_t c;

	note_events(r, chain(r));
	update_irq(r);
	c = r->reg_c;
	r->reg_c = 0;
	update_irq(r);
	return c;
}

static uint8_t reg_read(struct vrtc *r, unsigned reg)
{
	uint64_t u = chain(r);

	switch (reg) {
	case RTC_A:
		return r->reg_a | (running(r) && u % NS_PER_S >= NS_PER_S - UIP_NS ? A_UIP : 0);
	case RTC_B:
		return r->reg_b;
	case RTC_C:
		return read_c(r);
	case RTC_D:
		return D_VRT;
	default:
		if (is_clock(reg) && running(r))
			registers_from_clock(r, u);
		return r->cmos[reg];
	}
}

static uint64_t rtc_read(struct vdev *d, struct vcpu *v, uint64_t port, unsigned size)
{
	struct vrtc *r = container_of(d, struct vrtc, dev);
	uint8_t value;

	(void)v;
	if (port == PORT_INDEX && size == 1)
		return ~0ULL; /* write-only */
	spin_lock(&d->lock);
	value = reg_read(r, r->index);
	spin_unlock(&d->lock);
	return port == PORT_INDEX ? 0xff | (uint64_t)value << 8 : value;
}

static void rtc_write(struct vdev *d, struct vcpu *v, uint64_t port, unsigned size, uint64_t value)
{
	struct vrtc *r = container_of(d, struct vrtc, dev);

	(void)v;
	spin_lock(&d->lock);
	if (port == PORT_INDEX)
		r->index = value & INDEX_BITS;
	if (port != PORT_INDEX || size > 1)
		reg_write(r, r->index, (uint8_t)(port == PORT_INDEX ? value >> 8 : value));
	spin_unlock(&d->lock);
}

enum status vrtc_init(struct vm *vm)
{
	vdev_init(&vm->rtc.dev, vm, "rtc");
	timer_init(&vm->rtc.timer, timer_fired);
	return io_bus_add(&vm->ports, PORT_INDEX, RTC_PORTS, &vm->rtc.dev, rtc_read, rtc_write);
}

static void put16(struct vrtc *r, unsigned reg, uint64_t value)
{
	value = MIN(value, (uint64_t)UINT16_MAX);
	r->cmos[reg] = (uint8_t)value;
	r->cmos[reg + 1] = (uint8_t)(value >> 8);
}

/* The memory sizes where firmware leaves them, and their checksum. */
static void fill_cmos(struct vrtc *r, const struct gmem *m)
{
	uint64_t top = MIB(1), above = 0;
	uint16_t sum = 0;

	for (uint32_t i = 0; i < m->count; i++) {
		const struct gmem_slot *s = &m->slot[i];

		if (s->readonly)
			continue;
		if (s->base >= GIB(4))
			above += s->size;
		else if (s->base + s->size > top)
			top = s->base + s->size;
	}
	memset(r->cmos, 0, sizeof(r->cmos));
	r->cmos[CMOS_EQUIPMENT] = EQUIPMENT_FPU;
	put16(r, CMOS_BASE_KB, 640);
	put16(r, CMOS_EXT_KB, (top - MIB(1)) / KIB(1));
	put16(r, CMOS_EXT_KB_2, (top - MIB(1)) / KIB(1));
	put16(r, CMOS_ABOVE_16M, top > MIB(16) ? (top - MIB(16)) / KIB(64) : 0);
	above = MIN(above / KIB(64), (uint64_t)0xffffff);
	put16(r, CMOS_ABOVE_4G, above & 0xffff);
	r->cmos[CMOS_ABOVE_4G + 2] = (uint8_t)(above >> 16);
	for (unsigned i = CMOS_SUM_FIRST; i <= CMOS_SUM_LAST; i++)
		sum += r->cmos[i];
	r->cmos[CMOS_SUM] = (uint8_t)(sum >> 8);
	r->cmos[CMOS_SUM + 1] = (uint8_t)sum;
}

void vrtc_reset(struct vm *vm)
{
	struct vrtc *r = &vm->rtc;
	uint64_t host = time_now_ns();

	spin_lock(&r->dev.lock);
	r->index = 0;
	r->reg_a = A_RESET;
	r->reg_b = B_24H;
	r->reg_c = 0;
	r->irq = false;
	fill_cmos(r, &vm->mem);
	r->phase_ns = (host % NS_PER_S + NS_PER_S - vm_time_ns(vm) % NS_PER_S) % NS_PER_S;
	r->seen = chain(r);
	r->base_s = (int64_t)(CALENDAR_UNIX_EPOCH_S + time_wall_at_boot() + host / NS_PER_S) -
		    (int64_t)(r->seen / NS_PER_S);
	spin_unlock(&r->dev.lock);
}

void vrtc_pause(struct vm *vm)
{
	vdev_stop(&vm->rtc.dev, &vm->rtc.timer);
}

void vrtc_resume(struct vm *vm)
{
	struct vrtc *r = &vm->rtc;

	spin_lock(&r->dev.lock);
	r->dev.stopped = false;
	note_events(r, chain(r));
	update_irq(r);
	spin_unlock(&r->dev.lock);
}
