/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The HPET's registers and its timers' interrupts. Nothing ticks: what has happened is worked out from guest time
 * when a register is accessed, and one host timer is armed for the next interrupt.
 */
#include "hv/vdev/hpet.h"
#include "hv/lib/util.h"
#include "hv/vm.h"

/* Registers, "Register Overview". */
#define REG_ID        0x000
#define REG_CONFIG    0x010
#define REG_STATUS    0x020
#define REG_COUNTER   0x0f0
#define REG_TIMER     0x100 /* of each, at 20h times its number */
#define TIMER_STRIDE  0x20
#define TIMER_CONFIG  0x00
#define TIMER_COMPARE 0x08

#define FS_PER_TICK   (1000000000000000ULL / HPET_HZ)
#define NS_PER_TICK   (NS_PER_S / HPET_HZ)

#define CONFIG_ENABLE BIT(0)
#define CONFIG_LEGACY BIT(1)

/* Tn_CONF */
#define T_LEVEL       BIT(1)
#define T_ENABLE      BIT(2)
#define T_PERIODIC    BIT(3)
#define T_CAPS        (BIT(4) | BIT(5)) /* periodic mode, 64 bits */
#define T_SET         BIT(6)            /* the next write of the comparator sets the accumulator */
#define T_32BIT       BIT(8)
#define T_ROUTE_SHIFT 9
#define T_ROUTE       (0x1fu << T_ROUTE_SHIFT)
#define T_WRITABLE    (T_LEVEL | T_ENABLE | T_PERIODIC | T_SET | T_32BIT | T_ROUTE)

#define NEVER         UINT64_MAX
/* A guest may ask for a period of a tick: nearer interrupts are merged, the accumulator itself stays exact. */
#define MIN_INTERVAL  2000

static uint64_t ticks_now(const struct vhpet *h)
{
	return vm_time_ns(h->dev.vm) / NS_PER_TICK;
}

static bool is_running(const struct vhpet *h)
{
	return h->config & CONFIG_ENABLE;
}

static uint64_t counter(const struct vhpet *h, uint64_t now)
{
	return is_running(h) ? now + h->offset : h->halted;
}

/* Bits of the counter that a timer compares. */
static uint64_t width(const struct vhpet_timer *t)
{
	return t->config & T_32BIT ? UINT32_MAX : UINT64_MAX;
}

/* The line of timer n; false: it has none. */
static bool route(const struct vhpet *h, unsigned n, unsigned *gsi)
{
	if ((h->config & CONFIG_LEGACY) && n < 2) {
		*gsi = n == 0 ? PLATFORM_GSI_TIMER : PLATFORM_GSI_RTC;
		return true;
	}
	*gsi = (h->t[n].config & T_ROUTE) >> T_ROUTE_SHIFT;
	return PLATFORM_HPET_ROUTES >> *gsi & 1;
}

/* From now on: when does t match? A match at this very tick counts. */
static void look_ahead(const struct vhpet *h, struct vhpet_timer *t, uint64_t now)
{
	uint64_t delta = (t->comparator - counter(h, now)) & width(t);

	t->due = is_running(h) && delta <= NEVER - 1 - now ? now + delta : NEVER;
}

static void interrupt(struct vhpet *h, unsigned n)
{
	unsigned gsi;

	if (!(h->t[n].config & T_ENABLE) || !route(h, n, &gsi))
		return;
	/* An edge is left high until the next one, so that the PIC sees it when it looks. */
	if (!(h->t[n].config & T_LEVEL))
		vm_irq_set(h->dev.vm, gsi, false);
	vm_irq_set(h->dev.vm, gsi, true);
}

/* Timer n has matched, once or more since it was looked at. */
static void match(struct vhpet *h, unsigned n, uint64_t now)
{
	struct vhpet_timer *t = &h->t[n];
	uint64_t step = t->config & T_PERIODIC ? t->period : t->config & T_32BIT ? BIT(32) : 0;
	uint64_t missed;

	if (t->config & T_LEVEL)
		h->status |= 1u << n;
	interrupt(h, n);
	if (!step) {
		t->due = NEVER;
		return;
	}
	missed = (now - t->due) / step + 1;
	if (t->config & T_PERIODIC)
		t->comparator = (t->comparator + missed * step) & width(t);
	look_ahead(h, t, now);
	/* One that matches now has been dealt with. */
	if (t->due == now)
		t->due = now + step;
}

/* Does what has happened by now. */
static void run(struct vhpet *h, uint64_t now)
{
	for (unsigned n = 0; n < HPET_TIMERS; n++)
		if (now >= h->t[n].due)
			match(h, n, now);
}

/* Arms the host timer for the next interrupt; one of a periodic timer not before `floor`. */
static void arm(struct vhpet *h, uint64_t floor)
{
	uint64_t first = NEVER;
	unsigned gsi;

	for (unsigned n = 0; n < HPET_TIMERS; n++) {
		const struct vhpet_timer *t = &h->t[n];

		if (t->due == NEVER || !(t->config & T_ENABLE) || !route(h, n, &gsi))
			continue;
		first = MIN(first, t->config & T_PERIODIC ? MAX(t->due, floor) : t->due);
	}
	if (first < NEVER / NS_PER_TICK)
		vdev_timer_arm(&h->dev, &h->timer, first * NS_PER_TICK);
}

static void timer_fired(struct timer *timer)
{
	struct vhpet *h = container_of(timer, struct vhpet, timer);
	uint64_t now;

	spin_lock(&h->dev.lock);
	now = ticks_now(h);
	run(h, now);
	arm(h, now + MIN_INTERVAL);
	spin_unlock(&h->dev.lock);
}

static uint64_t timer_read(const struct vhpet *h, unsigned n, uint32_t reg)
{
	if (reg == TIMER_CONFIG)
		return (uint64_t)PLATFORM_HPET_ROUTES << 32 | T_CAPS | h->t[n].config;
	return reg == TIMER_COMPARE ? h->t[n].comparator : 0;
}

/* Is `reg` one of a timer's? */
static bool of_timer(uint32_t reg, unsigned *n)
{
	*n = (reg - REG_TIMER) / TIMER_STRIDE;
	return reg >= REG_TIMER && *n < HPET_TIMERS;
}

/* reg: a multiple of 8. */
static uint64_t reg_read(const struct vhpet *h, uint32_t reg, uint64_t now)
{
	unsigned n;

	switch (reg) {
	case REG_ID:
		return FS_PER_TICK << 32 | HPET_ID_LOW;
	case REG_CONFIG:
		return h->config;
	case REG_STATUS:
		return h->status;
	case REG_COUNTER:
		return counter(h, now);
	default:
		return of_timer(reg, &n) ? timer_read(h, n, reg % TIMER_STRIDE) : 0;
	}
}

static void release_line(struct vhpet *h, unsigned n)
{
	unsigned gsi;

	if (route(h, n, &gsi))
		vm_irq_set(h->dev.vm, gsi, false);
}

/* A level-triggered timer's line follows its status. */
static void drive_line(struct vhpet *h, unsigned n)
{
	const struct vhpet_timer *t = &h->t[n];
	unsigned gsi;

	if ((t->config & T_LEVEL) && route(h, n, &gsi))
		vm_irq_set(h->dev.vm, gsi, (t->config & T_ENABLE) && (h->status >> n & 1));
}

static void write_config(struct vhpet *h, uint64_t value, uint64_t now)
{
	uint64_t changed = (h->config ^ value) & (CONFIG_ENABLE | CONFIG_LEGACY), at = counter(h, now);

	for (unsigned n = 0; n < 2 && (changed & CONFIG_LEGACY); n++)
		release_line(h, n);
	h->config ^= changed;
	if (changed & CONFIG_ENABLE) {
		h->halted = at;
		h->offset = at - now;
		for (unsigned n = 0; n < HPET_TIMERS; n++)
			look_ahead(h, &h->t[n], now);
	}
	if (changed & CONFIG_LEGACY)
		vm_irq_replace_legacy(h->dev.vm, h->config & CONFIG_LEGACY);
	for (unsigned n = 0; n < 2 && (changed & CONFIG_LEGACY); n++)
		drive_line(h, n);
}

static void write_timer_config(struct vhpet *h, unsigned n, uint64_t value, uint64_t now)
{
	struct vhpet_timer *t = &h->t[n];
	uint32_t config = (uint32_t)value & T_WRITABLE;

	/* A line that it can't have is not taken: software finds out by reading. */
	if (!(PLATFORM_HPET_ROUTES >> ((config & T_ROUTE) >> T_ROUTE_SHIFT) & 1))
		config = (config & ~T_ROUTE) | (t->config & T_ROUTE);
	if ((config ^ t->config) & (T_ROUTE | T_LEVEL))
		release_line(h, n);
	t->config = config;
	t->comparator &= width(t);
	t->period &= width(t);
	if (!(config & T_LEVEL))
		h->status &= ~(1u << n);
	look_ahead(h, t, now);
	drive_line(h, n);
}

static uint64_t merge(uint64_t old, uint64_t value, uint64_t mask)
{
	return (old & ~mask) | (value & mask);
}

/* "Timer n Comparator Value Register": in periodic mode a write without T_SET is of the period alone. */
static void write_comparator(struct vhpet *h, unsigned n, uint64_t value, uint64_t mask, uint64_t now)
{
	struct vhpet_timer *t = &h->t[n];

	if (t->config & T_PERIODIC)
		t->period = merge(t->period, value, mask) & width(t);
	if (!(t->config & T_PERIODIC) || (t->config & T_SET))
		t->comparator = merge(t->comparator, value, mask) & width(t);
	t->config &= ~(uint32_t)T_SET;
	look_ahead(h, t, now);
}

static void write_timer(struct vhpet *h, unsigned n, uint32_t reg, uint64_t value, uint64_t mask,
			uint64_t now)
{
	if (reg == TIMER_CONFIG)
		write_timer_config(h, n, merge(h->t[n].config, value, mask), now);
	else if (reg == TIMER_COMPARE)
		write_comparator(h, n, value, mask, now);
}

/* Of `value`, the bits of `mask` are written. */
static void reg_write(struct vhpet *h, uint32_t reg, uint64_t value, uint64_t mask, uint64_t now)
{
	unsigned n;

	switch (reg) {
	case REG_CONFIG:
		write_config(h, merge(h->config, value, mask), now);
		break;
	case REG_STATUS:
		h->status &= ~(uint32_t)(value & mask); /* writing 1 clears */
		for (n = 0; n < HPET_TIMERS; n++)
			drive_line(h, n);
		break;
	case REG_COUNTER:
		if (!is_running(h)) /* only a halted counter can be written */
			h->halted = merge(h->halted, value, mask);
		break;
	default:
		if (of_timer(reg, &n))
			write_timer(h, n, reg % TIMER_STRIDE, value, mask, now);
		break;
	}
}

static uint64_t hpet_read(struct vdev *d, struct vcpu *v, uint64_t addr, unsigned size)
{
	struct vhpet *h = container_of(d, struct vhpet, dev);
	uint32_t offset = (uint32_t)(addr - PLATFORM_HPET_BASE);
	uint64_t value, now;

	(void)v;
	spin_lock(&d->lock);
	now = ticks_now(h);
	run(h, now);
	value = reg_read(h, offset & ~7u, now) >> (8 * (offset & 7));
	spin_unlock(&d->lock);
	return value & BITS(8 * size - 1, 0);
}

/* "Register Access": aligned 32-bit and 64-bit accesses are defined; others change nothing. */
static void hpet_write(struct vdev *d, struct vcpu *v, uint64_t addr, unsigned size, uint64_t value)
{
	struct vhpet *h = container_of(d, struct vhpet, dev);
	uint32_t offset = (uint32_t)(addr - PLATFORM_HPET_BASE);
	unsigned shift = 8 * (offset & 7);
	uint64_t now;
	bool gives_back;

	(void)v;
	if (size < 4 || offset % size)
		return;
	spin_lock(&d->lock);
	now = ticks_now(h);
	run(h, now);
	gives_back = h->config & CONFIG_LEGACY;
	reg_write(h, offset & ~7u, value << shift, BITS(8 * size - 1, 0) << shift, now);
	gives_back = gives_back && !(h->config & CONFIG_LEGACY);
	run(h, now);
	arm(h, now);
	spin_unlock(&d->lock);
	if (gives_back)
		vpit_unmasked(d->vm);
}

enum status vhpet_init(struct vm *vm)
{
	struct vhpet *h = &vm->hpet;

	vdev_init(&h->dev, vm, "hpet");
	timer_init(&h->timer, timer_fired);
	return io_bus_add(&vm->mmio, PLATFORM_HPET_BASE, PLATFORM_HPET_SIZE, &h->dev, hpet_read, hpet_write);
}

void vhpet_reset(struct vm *vm)
{
	struct vhpet *h = &vm->hpet;

	spin_lock(&h->dev.lock);
	h->config = h->halted = h->offset = 0;
	h->status = 0;
	for (unsigned n = 0; n < HPET_TIMERS; n++)
		h->t[n] = (struct vhpet_timer){.comparator = UINT64_MAX, .due = NEVER};
	vm_irq_replace_legacy(vm, false);
	spin_unlock(&h->dev.lock);
}

void vhpet_pause(struct vm *vm)
{
	vdev_stop(&vm->hpet.dev, &vm->hpet.timer);
}

void vhpet_resume(struct vm *vm)
{
	struct vhpet *h = &vm->hpet;
	uint64_t now;

	spin_lock(&h->dev.lock);
	h->dev.stopped = false;
	now = ticks_now(h);
	run(h, now);
	arm(h, now);
	spin_unlock(&h->dev.lock);
}
