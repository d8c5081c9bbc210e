/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PM1 event and control registers, the PM timer, and the machine's reset registers. Names are those of the
 * ACPI specification, "PM1 Event Grouping" and "PM1 Control Grouping".
 */
#include "hv/vdev/pm.h"
#include "hv/lib/util.h"
#include "hv/vm.h"

#define TMR_STS       BIT(0)
#define GBL_STS       BIT(5)
#define PWRBTN_STS    BIT(8)
#define SLPBTN_STS    BIT(9)
#define RTC_STS       BIT(10)
#define WAK_STS       BIT(15)
#define STS_BITS      (TMR_STS | GBL_STS | PWRBTN_STS | SLPBTN_STS | RTC_STS | WAK_STS)
#define EN_BITS       (TMR_STS | GBL_STS | PWRBTN_STS | SLPBTN_STS | RTC_STS)

#define CNT_SCI_EN    BIT(0)
#define CNT_BM_RLD    BIT(1)
#define CNT_SLP_SHIFT 10
#define CNT_SLP_TYP   (7u << CNT_SLP_SHIFT)
#define CNT_SLP_EN    BIT(13) /* write-only */
#define CNT_WRITABLE  (CNT_BM_RLD | CNT_SLP_TYP)

#define PORT_KBD      0x64
#define KBD_PULSE     0xf0 /* commands F0-FF pulse output lines; bit 0 clear: the CPU's reset */
#define KBD_PULSE_OF  0xf1
#define PORT_92       0x92
#define P92_RESET     BIT(0)
#define P92_A20       BIT(1)

#define RESET_CPU     BIT(2) /* of 0xCF9: a rising edge resets */
#define RESET_BITS    0x0e

#define TMR_TOP       31 /* bit whose change sets TMR_STS */

static uint64_t pm_ticks(const struct vm *vm)
{
	return vdev_scale(vm_time_ns(vm), PM_TIMER_HZ, NS_PER_S);
}

/* Notes a carry of the timer, drives the SCI, and arms for the next carry if it would interrupt. */
static void update(struct vpm *p)
{
	uint64_t carries = pm_ticks(p->dev.vm) >> TMR_TOP;

	if (carries != p->carries)
		p->status |= TMR_STS;
	p->carries = carries;
	vm_irq_set(p->dev.vm, PLATFORM_GSI_SCI, p->status & p->enable);
	if ((p->enable & TMR_STS) && !(p->status & TMR_STS))
		vdev_timer_arm(&p->dev, &p->timer,
			       vdev_scale((carries + 1) << TMR_TOP, NS_PER_S, PM_TIMER_HZ) + 1);
}

static void timer_fired(struct timer *t)
{
	struct vpm *p = container_of(t, struct vpm, timer);

	spin_lock(&p->dev.lock);
	update(p);
	spin_unlock(&p->dev.lock);
}

void vpm_power_button(struct vm *vm)
{
	struct vpm *p = &vm->pm;

	spin_lock(&p->dev.lock);
	p->status |= PWRBTN_STS;
	update(p);
	spin_unlock(&p->dev.lock);
}

static uint64_t evt_read(struct vdev *d, struct vcpu *v, uint64_t port, unsigned size)
{
	struct vpm *p = container_of(d, struct vpm, dev);
	uint32_t both;

	(void)v;
	(void)size;
	spin_lock(&d->lock);
	update(p);
	both = p->status | (uint32_t)p->enable << 16;
	spin_unlock(&d->lock);
	return both >> (8 * (port - PLATFORM_PM1_EVT_PORT));
}

static void evt_write(struct vdev *d, struct vcpu *v, uint64_t port, unsigned size, uint64_t value)
{
	struct vpm *p = container_of(d, struct vpm, dev);
	unsigned shift = 8 * (unsigned)(port - PLATFORM_PM1_EVT_PORT);
	uint64_t written = BITS(8 * size - 1, 0) << shift;
	uint16_t enable_mask = (uint16_t)(written >> 16) & EN_BITS;

	(void)v;
	value <<= shift;
	spin_lock(&d->lock);
	update(p);
	p->status &= (uint16_t) ~(value & STS_BITS); /* writing 1 clears */
	p->enable = (p->enable & ~enable_mask) | ((uint16_t)(value >> 16) & enable_mask);
	update(p);
	spin_unlock(&d->lock);
}

static uint64_t cnt_read(struct vdev *d, struct vcpu *v, uint64_t port, unsigned size)
{
	struct vpm *p = container_of(d, struct vpm, dev);

	(void)v;
	(void)size;
	/* ACPI mode is always on. */
	return (uint64_t)(p->control | CNT_SCI_EN) >> (8 * (port - PLATFORM_PM1_CNT_PORT));
}

/* By the guest itself: what it has given to its devices without telling them is now for them to take. */
static void end(struct vm *vm, enum vm_end how)
{
	virtio_look_last(vm);
	vm_end(vm, how, 0);
}

static void cnt_write(struct vdev *d, struct vcpu *v, uint64_t port, unsigned size, uint64_t value)
{
	struct vpm *p = container_of(d, struct vpm, dev);
	unsigned shift = 8 * (unsigned)(port - PLATFORM_PM1_CNT_PORT);
	uint16_t written = (uint16_t)(BITS(8 * size - 1, 0) << shift) & CNT_WRITABLE;
	bool off;

	(void)v;
	value <<= shift;
	spin_lock(&d->lock);
	p->control = (p->control & ~written) | ((uint16_t)value & written);
	off = (value & CNT_SLP_EN) && (p->control & CNT_SLP_TYP) >> CNT_SLP_SHIFT == PLATFORM_SLP_TYP_S5;
	spin_unlock(&d->lock);
	if (off)
		end(d->vm, VM_END_POWEROFF);
}

static uint64_t tmr_read(struct vdev *d, struct vcpu *v, uint64_t port, unsigned size)
{
	(void)v;
	(void)size;
	return (uint32_t)pm_ticks(d->vm) >> (8 * (port - PLATFORM_PM_TMR_PORT));
}

static void tmr_write(struct vdev *d, struct vcpu *v, uint64_t port, unsigned size, uint64_t value)
{
	(void)d; /* read-only */
	(void)v;
	(void)port;
	(void)size;
	(void)value;
}

uint8_t vpm_reset_read(struct vm *vm)
{
	return vm->pm.reset_control;
}

void vpm_reset_write(struct vm *vm, uint8_t value)
{
	struct vpm *p = &vm->pm;
	bool reset;

	spin_lock(&p->dev.lock);
	reset = (value & RESET_CPU) && !(p->reset_control & RESET_CPU);
	p->reset_control = value & RESET_BITS;
	spin_unlock(&p->dev.lock);
	if (reset)
		end(vm, VM_END_REBOOT);
}

/* No keyboard controller: FFh, which drivers take for an absent one. */
static uint64_t kbd_read(struct vdev *d, struct vcpu *v, uint64_t port, unsigned size)
{
	(void)d;
	(void)v;
	(void)port;
	(void)size;
	return ~0ULL;
}

static void kbd_write(struct vdev *d, struct vcpu *v, uint64_t port, unsigned size, uint64_t value)
{
	(void)v;
	(void)port;
	(void)size;
	if ((value & KBD_PULSE_OF) == KBD_PULSE)
		end(d->vm, VM_END_REBOOT);
}

static uint64_t port92_read(struct vdev *d, struct vcpu *v, uint64_t port, unsigned size)
{
	struct vpm *p = container_of(d, struct vpm, dev);

	(void)v;
	(void)port;
	(void)size;
	return p->port92 | P92_A20;
}

static void port92_write(struct vdev *d, struct vcpu *v, uint64_t port, unsigned size, uint64_t value)
{
	struct vpm *p = container_of(d, struct vpm, dev);
	bool reset;

	(void)v;
	(void)port;
	(void)size;
	spin_lock(&d->lock);
	reset = (value & P92_RESET) && !(p->port92 & P92_RESET);
	p->port92 = (uint8_t)value & ~P92_A20;
	spin_unlock(&d->lock);
	if (reset)
		end(d->vm, VM_END_REBOOT);
}

static const struct {
	uint16_t port, size;
	io_read_fn read;
	io_write_fn write;
} ranges[] = {
    {PLATFORM_PM1_EVT_PORT, PLATFORM_PM1_EVT_LEN, evt_read, evt_write},
    {PLATFORM_PM1_CNT_PORT, PLATFORM_PM1_CNT_LEN, cnt_read, cnt_write},
    {PLATFORM_PM_TMR_PORT, PLATFORM_PM_TMR_LEN, tmr_read, tmr_write},
    {PORT_KBD, 1, kbd_read, kbd_write},
    {PORT_92, 1, port92_read, port92_write},
};

enum status vpm_init(struct vm *vm)
{
	struct vpm *p = &vm->pm;

	vdev_init(&p->dev, vm, "pm");
	timer_init(&p->timer, timer_fired);
	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		enum status s = io_bus_add(&vm->ports, ranges[i].port, ranges[i].size, &p->dev,
					   ranges[i].read, ranges[i].write);

		if (s != OK)
			return s;
	}
	return OK;
}

void vpm_reset(struct vm *vm)
{
	struct vpm *p = &vm->pm;

	spin_lock(&p->dev.lock);
	p->status = p->enable = p->control = 0;
	p->reset_control = p->port92 = 0;
	p->carries = pm_ticks(vm) >> TMR_TOP;
	spin_unlock(&p->dev.lock);
}

void vpm_pause(struct vm *vm)
{
	vdev_stop(&vm->pm.dev, &vm->pm.timer);
}

void vpm_resume(struct vm *vm)
{
	struct vpm *p = &vm->pm;

	spin_lock(&p->dev.lock);
	p->dev.stopped = false;
	update(p);
	spin_unlock(&p->dev.lock);
}
