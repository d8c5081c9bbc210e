/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The 8254 and port 61h: ports, control words, latches, and channel 0's interrupt. What a counter and its
 * output are at a given time is computed in pit_channel.c.
 */
#include "hv/vdev/pit.h"
#include "hv/lib/util.h"
#include "hv/vdev/pit_channel.h"
#include "hv/vm.h"

#define PORT_COUNTERS        0x40
#define PORT_CONTROL         0x43
#define PIT_PORTS            4
#define PORT_61              0x61

#define SELECT_SHIFT         6
#define SELECT_READ_BACK     3
#define READ_BACK_NO_COUNT   BIT(5)
#define READ_BACK_NO_STATUS  BIT(4)
#define READ_BACK_COUNTER(n) BIT(1 + (n))

#define STATUS_OUT           BIT(7)
#define STATUS_NULL          BIT(6)

#define P61_GATE2            BIT(0)
#define P61_WRITABLE         0x0f
#define P61_REFRESH          BIT(4)
#define P61_OUT2             BIT(5)
#define REFRESH_NS           15085 /* DRAM refresh, channel 1's job in a PC */

#define PIC_TIMER            0
#define NEVER                UINT64_MAX
/* A guest may ask for a period of two ticks: nearer edges are merged, the count itself stays exact. */
#define MIN_INTERVAL_TICKS   24

static uint64_t ticks_now(const struct vpit *p)
{
	return vdev_scale(vm_time_ns(p->dev.vm), PIT_HZ, NS_PER_S);
}

/* The first nanosecond at which ticks_now is `tick`, or one later. */
static uint64_t tick_to_ns(uint64_t tick)
{
	return vdev_scale(tick, NS_PER_S, PIT_HZ) + 1;
}

static bool irq_wanted(const struct vm *vm)
{
	return !__atomic_load_n(&vm->legacy_replaced, __ATOMIC_RELAXED) &&
	       (!vpic_masked(vm, PIC_TIMER) || !vioapic_masked(vm, PLATFORM_GSI_TIMER));
}

/* Looks for channel 0's next edge after `from`, and arms the timer where somebody would notice it. */
static void arm(struct vpit *p, uint64_t from)
{
	struct vpit_channel *c = &p->ch[0];
	uint64_t at;

	p->irq_edge = pit_next_rise(c, from);
	at = c->pending && c->next_at < p->irq_edge && pit_is_periodic(c) ? c->next_at : p->irq_edge;
	if (at != NEVER && irq_wanted(p->dev.vm))
		vdev_timer_arm(&p->dev, &p->timer, tick_to_ns(at));
}

/* Brings channel 0's line up to date: an edge that has passed, then the level. */
static void run(struct vpit *p, uint64_t now)
{
	bool edge = now >= p->irq_edge;

	pit_settle(&p->ch[0], now);
	if (edge)
		vm_irq_set_legacy(p->dev.vm, PLATFORM_GSI_TIMER, false);
	/* The low half of a square wave is not followed: the line falls just before it rises. */
	if (edge || !pit_is_periodic(&p->ch[0]))
		vm_irq_set_legacy(p->dev.vm, PLATFORM_GSI_TIMER, edge || pit_out(&p->ch[0], now));
}

static void timer_fired(struct timer *t)
{
	struct vpit *p = container_of(t, struct vpit, timer);
	uint64_t now;

	spin_lock(&p->dev.lock);
	now = ticks_now(p);
	if (now >= p->irq_edge) {
		run(p, now);
		arm(p, now + (pit_is_periodic(&p->ch[0]) ? MIN_INTERVAL_TICKS : 0));
	} else {
		pit_settle(&p->ch[0], now);
		arm(p, now);
	}
	spin_unlock(&p->dev.lock);
}

/* Edges that passed while nobody would have noticed: the PIC's request has stayed, the IOAPIC drops them. */
void vpit_unmasked(struct vm *vm)
{
	struct vpit *p = &vm->pit;
	uint64_t now;

	spin_lock(&p->dev.lock);
	now = ticks_now(p);
	if (!vpic_masked(vm, PIC_TIMER))
		run(p, now);
	pit_settle(&p->ch[0], now);
	arm(p, now);
	spin_unlock(&p->dev.lock);
}

/* Channel n was written. */
static void changed(struct vpit *p, unsigned n, uint64_t now)
{
	if (n != 0)
		return;
	vm_irq_set_legacy(p->dev.vm, PLATFORM_GSI_TIMER, pit_out(&p->ch[0], now));
	arm(p, now);
}

static void latch_count(struct vpit_channel *c, uint64_t now)
{
	if (c->latch_bytes)
		return; /* a latched count stays until it is read */
	c->latch = pit_count(c, now);
	c->latch_bytes = (c->control & PIT_RW) == PIT_RW ? 2 : 1;
}

static void latch_status(struct vpit_channel *c, uint64_t now)
{
	if (c->status_latched)
		return;
	c->status = c->control | (pit_out(c, now) ? STATUS_OUT : 0) | (pit_null(c, now) ? STATUS_NULL : 0);
	c->status_latched = true;
}

static void read_back(struct vpit *p, uint8_t command, uint64_t now)
{
	for (unsigned n = 0; n < ARRAY_SIZE(p->ch); n++) {
		struct vpit_channel *c = &p->ch[n];

		if (!(command & READ_BACK_COUNTER(n)))
			continue;
		pit_settle(c, now);
		if (!(command & READ_BACK_NO_COUNT))
			latch_count(c, now);
		if (!(command & READ_BACK_NO_STATUS))
			latch_status(c, now);
	}
}

static void write_control(struct vpit *p, uint8_t value, uint64_t now)
{
	unsigned n = value >> SELECT_SHIFT;

	if (n == SELECT_READ_BACK) {
		read_back(p, value, now);
		return;
	}
	pit_settle(&p->ch[n], now);
	if (!(value & PIT_RW)) {
		latch_count(&p->ch[n], now);
		return;
	}
	pit_set_control(&p->ch[n], value & PIT_CONTROL);
	changed(p, n, now);
}

static void write_counter(struct vpit *p, unsigned n, uint8_t value, uint64_t now)
{
	struct vpit_channel *c = &p->ch[n];

	pit_settle(c, now);
	switch (c->control & PIT_RW) {
	case PIT_RW_LSB:
		pit_load(c, value, now);
		break;
	case PIT_RW_MSB:
		pit_load(c, (uint16_t)(value << 8), now);
		break;
	default:
		if (!c->write_high_next) {
			c->write_low = value;
			pit_first_byte(c);
		} else {
			pit_load(c, (uint16_t)(value << 8 | c->write_low), now);
		}
		c->write_high_next = !c->write_high_next;
	}
	changed(p, n, now);
}

static uint8_t read_counter(struct vpit *p, unsigned n, uint64_t now)
{
	struct vpit_channel *c = &p->ch[n];
	uint8_t rw = c->control & PIT_RW;
	uint16_t count;
	bool high;

	pit_settle(c, now);
	if (c->status_latched) {
		c->status_latched = false;
		return c->status;
	}
	count = c->latch_bytes ? c->latch : pit_count(c, now);
	if (rw != PIT_RW) {
		high = rw == PIT_RW_MSB;
	} else if (c->latch_bytes) {
		high = c->latch_bytes == 1;
	} else {
		high = c->read_high_next;
		c->read_high_next = !c->read_high_next;
	}
	if (c->latch_bytes)
		c->latch_bytes--;
	return (uint8_t)(high ? count >> 8 : count);
}

static uint64_t pit_read(struct vdev *d, struct vcpu *v, uint64_t port, unsigned size)
{
	struct vpit *p = container_of(d, struct vpit, dev);
	uint64_t value = 0, now;

	(void)v;
	spin_lock(&d->lock);
	now = ticks_now(p);
	for (unsigned i = 0; i < size; i++) {
		/* The control word register cannot be read. */
		uint8_t byte = port + i == PORT_CONTROL
				   ? 0xff
				   : read_counter(p, (unsigned)(port + i - PORT_COUNTERS), now);

		value |= (uint64_t)byte << (8 * i);
	}
	spin_unlock(&d->lock);
	return value;
}

static void pit_write(struct vdev *d, struct vcpu *v, uint64_t port, unsigned size, uint64_t value)
{
	struct vpit *p = container_of(d, struct vpit, dev);
	uint64_t now;

	(void)v;
	spin_lock(&d->lock);
	now = ticks_now(p);
	for (unsigned i = 0; i < size; i++) {
		uint8_t byte = (uint8_t)(value >> (8 * i));

		if (port + i == PORT_CONTROL)
			write_control(p, byte, now);
		else
			write_counter(p, (unsigned)(port + i - PORT_COUNTERS), byte, now);
	}
	spin_unlock(&d->lock);
}

static uint64_t port61_read(struct vdev *d, struct vcpu *v, uint64_t port, unsigned size)
{
	struct vpit *p = container_of(d, struct vpit, dev);
	uint64_t value, now;

	(void)v;
	(void)port;
	(void)size;
	spin_lock(&d->lock);
	now = ticks_now(p);
	pit_settle(&p->ch[2], now);
	value = p->port61;
	if (vm_time_ns(d->vm) / REFRESH_NS & 1)
		value |= P61_REFRESH;
	if (pit_out(&p->ch[2], now))
		value |= P61_OUT2;
	spin_unlock(&d->lock);
	return value;
}

static void port61_write(struct vdev *d, struct vcpu *v, uint64_t port, unsigned size, uint64_t value)
{
	struct vpit *p = container_of(d, struct vpit, dev);
	uint64_t now;

	(void)v;
	(void)port;
	(void)size;
	spin_lock(&d->lock);
	now = ticks_now(p);
	p->port61 = value & P61_WRITABLE;
	pit_settle(&p->ch[2], now);
	pit_set_gate(&p->ch[2], value & P61_GATE2, now);
	spin_unlock(&d->lock);
}

enum status vpit_init(struct vm *vm)
{
	struct vpit *p = &vm->pit;
	enum status s;

	vdev_init(&p->dev, vm, "pit");
	timer_init(&p->timer, timer_fired);
	s = io_bus_add(&vm->ports, PORT_COUNTERS, PIT_PORTS, &p->dev, pit_read, pit_write);
	if (s == OK)
		s = io_bus_add(&vm->ports, PORT_61, 1, &p->dev, port61_read, port61_write);
	return s;
}

/*
 * The chip's state after power-on is undefined; firmware leaves channel 0 in mode 3 with the longest period.
 * Here its line is masked at both controllers, so that nothing runs until a guest programs it.
 */
void vpit_reset(struct vm *vm)
{
	struct vpit *p = &vm->pit;
	uint64_t now;

	spin_lock(&p->dev.lock);
	now = ticks_now(p);
	for (unsigned n = 0; n < ARRAY_SIZE(p->ch); n++) {
		p->ch[n] = (struct vpit_channel){.gate = n != 2};
		pit_set_control(&p->ch[n], PIT_RW | PIT_MODE(3));
		pit_load(&p->ch[n], 0, now);
	}
	p->port61 = 0;
	p->irq_edge = NEVER;
	changed(p, 0, now);
	spin_unlock(&p->dev.lock);
}

void vpit_pause(struct vm *vm)
{
	vdev_stop(&vm->pit.dev, &vm->pit.timer);
}

void vpit_resume(struct vm *vm)
{
	struct vpit *p = &vm->pit;
	uint64_t now;

	spin_lock(&p->dev.lock);
	p->dev.stopped = false;
	now = ticks_now(p);
	if (irq_wanted(vm))
		run(p, now);
	pit_settle(&p->ch[0], now);
	arm(p, now);
	spin_unlock(&p->dev.lock);
}
