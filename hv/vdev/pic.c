/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The 8259A pair. Names are the data sheet's: ICW1-4 initialise, OCW1-3 operate. Not modelled: the
 * MCS-80/85 vectoring and the buffered modes, which a PC's board cannot use.
 */
#include "hv/vdev/pic.h"
#include "hv/vdev/lapic.h"
#include "hv/lib/util.h"
#include "hv/vm.h"

#define PORT_MASTER       0x20
#define PORT_SLAVE        0xa0
#define PORT_ELCR         0x4d0 /* master's, then the slave's */
#define CHIP_PORTS        2

#define CASCADE           2 /* the master's input that the slave drives */
#define SPURIOUS          7

#define ICW1_SELECT       BIT(4)
#define ICW1_IC4          BIT(0)
#define ICW1_SINGLE       BIT(1)
#define ICW1_LEVEL        BIT(3)
#define ICW2_VECTOR       0xf8
#define ICW4_AEOI         BIT(1)
#define ICW4_FULLY_NESTED BIT(4) /* special fully nested mode */
#define OCW3_SELECT       BIT(3)
#define OCW3_READ_ISR     BIT(0)
#define OCW3_READ         BIT(1)
#define OCW3_POLL         BIT(2)
#define OCW3_SMM          BIT(5)
#define OCW3_ESMM         BIT(6)
#define POLL_REQUEST      BIT(7)

/* OCW2, bits 7-5. */
enum ocw2 {
	OCW2_ROTATE_AEOI_OFF = 0,
	OCW2_EOI = 1,
	OCW2_SPECIFIC_EOI = 3,
	OCW2_ROTATE_AEOI_ON = 4,
	OCW2_ROTATE_EOI = 5,
	OCW2_SET_PRIORITY = 6,
	OCW2_ROTATE_SPECIFIC = 7,
};

/* Inputs that ELCR can make level triggered: not the timer, keyboard, cascade, RTC and coprocessor. */
static const uint8_t elcr_mask[2] = {0xf8, 0xde};

static uint8_t level_inputs(const struct vpic_chip *c)
{
	return c->icw1 & ICW1_LEVEL ? 0xff : c->elcr;
}

/* The input of the highest priority in `set`, or -1. */
static int highest(const struct vpic_chip *c, uint8_t set)
{
	for (unsigned i = 1; i <= 8; i++) {
		unsigned n = (c->lowest + i) & 7;

		if (set & BIT(n))
			return (int)n;
	}
	return -1;
}

static unsigned rank(const struct vpic_chip *c, int n)
{
	return n < 0 ? 8 : ((unsigned)n - c->lowest - 1) & 7;
}

/* The request that would be acknowledged now, or -1. */
static int request(const struct vpic_chip *c, bool master)
{
	uint8_t in_service = c->isr;
	int n = highest(c, c->irr & ~c->imr);

	if (c->init_step)
		return -1;
	if (c->special_mask)
		in_service &= ~c->imr;
	if (master && (c->icw4 & ICW4_FULLY_NESTED))
		in_service &= ~BIT(CASCADE);
	return rank(c, n) < rank(c, highest(c, in_service)) ? n : -1;
}

static void chip_set_line(struct vpic_chip *c, unsigned n, bool level)
{
	uint8_t bit = BIT(n);

	if (level_inputs(c) & bit)
		c->irr = level ? c->irr | bit : c->irr & ~bit;
	else if (!level) /* the input must stay high until INTA, or the request is lost */
		c->irr &= ~bit;
	else if (!(c->line & bit))
		c->irr |= bit;
	c->line = level ? c->line | bit : c->line & ~bit;
}

/* Carries a change of requests on to the outputs. */
static void update(struct vm *vm)
{
	struct vpic_chip *master = &vm->pic.chip[0], *slave = &vm->pic.chip[1];
	bool before = master->intr;

	slave->intr = request(slave, false) >= 0;
	chip_set_line(master, CASCADE, slave->intr);
	__atomic_store_n(&master->intr, request(master, true) >= 0, __ATOMIC_RELEASE);
	if (master->intr && !before)
		for (uint32_t i = 0; i < vm->vcpu_count; i++)
			vlapic_lint(vm->vcpu[i], LVT_LINT0);
}

/* INTA or a poll takes request n (-1: it has gone); returns the input's number. */
static unsigned acknowledge(struct vpic_chip *c, int n)
{
	c->intr = false; /* INT falls at every INTA, and rises anew where there is more */
	if (n < 0)
		return SPURIOUS;
	if (!(level_inputs(c) & BIT(n)))
		c->irr &= ~BIT(n);
	if (!(c->icw4 & ICW4_AEOI))
		c->isr |= BIT(n);
	else if (c->rotate_aeoi)
		c->lowest = (uint8_t)n;
	return (unsigned)n;
}

static unsigned acknowledge_slave(struct vm *vm)
{
	struct vpic_chip *master = &vm->pic.chip[0], *slave = &vm->pic.chip[1];
	unsigned n = acknowledge(slave, request(slave, false));

	chip_set_line(master, CASCADE, false);
	return n;
}

void vpic_set_line(struct vm *vm, unsigned irq, bool level)
{
	struct vpic_chip *c = &vm->pic.chip[irq / 8];

	if (!!(c->line & BIT(irq % 8)) == level)
		return;
	chip_set_line(c, irq % 8, level);
	update(vm);
}

bool vpic_pending(const struct vm *vm)
{
	return __atomic_load_n(&vm->pic.chip[0].intr, __ATOMIC_ACQUIRE);
}

uint8_t vpic_accept(struct vm *vm)
{
	struct vpic_chip *master = &vm->pic.chip[0], *slave = &vm->pic.chip[1];
	uint8_t vector;
	int n;

	spin_lock(&vm->irq_lock);
	n = request(master, true);
	vector = master->vector_base | acknowledge(master, n);
	if (n == CASCADE)
		vector = slave->vector_base | acknowledge_slave(vm);
	update(vm);
	spin_unlock(&vm->irq_lock);
	return vector;
}

bool vpic_masked(const struct vm *vm, unsigned irq)
{
	const struct vpic_chip *c = vm->pic.chip;

	return irq < 8 ? c[0].imr & BIT(irq) : (c[1].imr & BIT(irq % 8)) || (c[0].imr & BIT(CASCADE));
}

static void write_icw1(struct vpic_chip *c, uint8_t value)
{
	c->icw1 = value;
	c->icw4 = 0; /* without IC4 all its functions are off */
	c->init_step = 2;
	c->imr = c->isr = 0;
	c->lowest = 7;
	c->read_isr = c->poll = c->special_mask = c->rotate_aeoi = false;
	/* The edge sense circuit is reset: an input must go low and high to be seen. */
	c->irr = c->line & level_inputs(c);
}

static void write_icw2_to_4(struct vpic_chip *c, uint8_t value)
{
	switch (c->init_step) {
	case 2:
		c->vector_base = value & ICW2_VECTOR;
		if (!(c->icw1 & ICW1_SINGLE)) {
			c->init_step = 3;
			return;
		}
		break;
	case 3: /* the cascade's wiring, which is fixed */
		break;
	default:
		c->icw4 = value;
		c->init_step = 0;
		return;
	}
	c->init_step = c->icw1 & ICW1_IC4 ? 4 : 0;
}

static void end_of_interrupt(struct vpic_chip *c, int n, bool rotate)
{
	if (n < 0)
		return;
	c->isr &= ~BIT(n);
	if (rotate)
		c->lowest = (uint8_t)n;
}

static void write_ocw2(struct vpic_chip *c, uint8_t value)
{
	/* Under special mask, a masked bit is not ended by a non-specific EOI. */
	int top = highest(c, c->special_mask ? c->isr & ~c->imr : c->isr);
	int level = value & 7;

	switch ((enum ocw2)(value >> 5)) {
	case OCW2_ROTATE_AEOI_OFF:
		c->rotate_aeoi = false;
		break;
	case OCW2_ROTATE_AEOI_ON:
		c->rotate_aeoi = true;
		break;
	case OCW2_EOI:
		end_of_interrupt(c, top, false);
		break;
	case OCW2_ROTATE_EOI:
		end_of_interrupt(c, top, true);
		break;
	case OCW2_SPECIFIC_EOI:
		end_of_interrupt(c, level, false);
		break;
	case OCW2_ROTATE_SPECIFIC:
		end_of_interrupt(c, level, true);
		break;
	case OCW2_SET_PRIORITY:
		c->lowest = (uint8_t)level;
		break;
	}
}

static void write_ocw3(struct vpic_chip *c, uint8_t value)
{
	if (value & OCW3_POLL)
		c->poll = true;
	if (value & OCW3_READ)
		c->read_isr = value & OCW3_READ_ISR;
	if (value & OCW3_ESMM)
		c->special_mask = value & OCW3_SMM;
}

static void chip_write(struct vpic_chip *c, bool a0, uint8_t value)
{
	if (a0 && c->init_step)
		write_icw2_to_4(c, value);
	else if (a0)
		c->imr = value;
	else if (value & ICW1_SELECT)
		write_icw1(c, value);
	else if (value & OCW3_SELECT)
		write_ocw3(c, value);
	else
		write_ocw2(c, value);
}

static void pic_write(struct vdev *d, struct vcpu *v, uint64_t port, unsigned size, uint64_t value)
{
	struct vm *vm = d->vm;
	bool timer_was_masked;

	(void)v;
	spin_lock(&vm->irq_lock);
	timer_was_masked = vm->pic.chip[0].imr & BIT(0);
	for (unsigned i = 0; i < size; i++)
		chip_write(&vm->pic.chip[port + i >= PORT_SLAVE], (port + i) & 1,
			   (uint8_t)(value >> (8 * i)));
	update(vm);
	timer_was_masked = timer_was_masked && !(vm->pic.chip[0].imr & BIT(0));
	spin_unlock(&vm->irq_lock);
	if (timer_was_masked)
		vpit_unmasked(vm);
}

static uint8_t chip_read(struct vm *vm, struct vpic_chip *c, bool a0)
{
	bool master = c == &vm->pic.chip[0];
	int n;

	if (c->poll) { /* the read is an INTA, whatever the address */
		c->poll = false;
		n = request(c, master);
		if (n < 0)
			return 0;
		return POLL_REQUEST | (uint8_t)(master ? acknowledge(c, n) : acknowledge_slave(vm));
	}
	if (a0)
		return c->imr;
	return c->read_isr ? c->isr : c->irr;
}

static uint64_t pic_read(struct vdev *d, struct vcpu *v, uint64_t port, unsigned size)
{
	struct vm *vm = d->vm;
	uint64_t value = 0;

	(void)v;
	spin_lock(&vm->irq_lock);
	for (unsigned i = 0; i < size; i++)
		value |= (uint64_t)chip_read(vm, &vm->pic.chip[port + i >= PORT_SLAVE], (port + i) & 1)
			 << (8 * i);
	update(vm);
	spin_unlock(&vm->irq_lock);
	return value;
}

static uint64_t elcr_read(struct vdev *d, struct vcpu *v, uint64_t port, unsigned size)
{
	const struct vpic_chip *c = d->vm->pic.chip;
	uint64_t both = c[0].elcr | c[1].elcr << 8;

	(void)v;
	(void)size;
	return both >> (8 * (port - PORT_ELCR));
}

static void elcr_write(struct vdev *d, struct vcpu *v, uint64_t port, unsigned size, uint64_t value)
{
	struct vm *vm = d->vm;

	(void)v;
	spin_lock(&vm->irq_lock);
	for (unsigned i = 0; i < size; i++) {
		unsigned n = (unsigned)(port + i - PORT_ELCR);
		struct vpic_chip *c = &vm->pic.chip[n];
		uint8_t old = level_inputs(c);

		c->elcr = (value >> (8 * i)) & elcr_mask[n];
		/* An input that has become level triggered requests by its level. */
		c->irr = (c->irr & ~(level_inputs(c) & ~old)) | (c->line & level_inputs(c));
	}
	update(vm);
	spin_unlock(&vm->irq_lock);
}

enum status vpic_init(struct vm *vm)
{
	struct vdev *d = &vm->pic.dev;
	enum status s;

	vdev_init(d, vm, "pic");
	s = io_bus_add(&vm->ports, PORT_MASTER, CHIP_PORTS, d, pic_read, pic_write);
	if (s == OK)
		s = io_bus_add(&vm->ports, PORT_SLAVE, CHIP_PORTS, d, pic_read, pic_write);
	if (s == OK)
		s = io_bus_add(&vm->ports, PORT_ELCR, CHIP_PORTS, d, elcr_read, elcr_write);
	return s;
}

/*
 * Every input masked and the vectors where firmware leaves them: a kernel that never sets up the PIC must
 * not find its vectors among the exceptions.
 */
void vpic_reset(struct vm *vm)
{
	spin_lock(&vm->irq_lock);
	for (unsigned i = 0; i < 2; i++) {
		struct vpic_chip *c = &vm->pic.chip[i];

		*c = (struct vpic_chip){.lowest = 7, .imr = 0xff, .icw1 = ICW1_SELECT | ICW1_IC4};
		c->vector_base = i ? 0x70 : 0x08;
	}
	/* The SCI is level triggered, as firmware programs it. */
	vm->pic.chip[PLATFORM_GSI_SCI / 8].elcr = BIT(PLATFORM_GSI_SCI % 8);
	spin_unlock(&vm->irq_lock);
}
