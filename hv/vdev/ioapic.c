/* SPDX-License-Identifier: BSD-2-Clause */
/* The 82093AA I/O APIC, version 11h: no EOI register, level interrupts end by the LAPICs' broadcast. */
#include "hv/vdev/ioapic.h"
#include "hv/lib/util.h"
#include "hv/vdev/lapic.h"
#include "hv/vm.h"

#define VERSION (0x11u | (PLATFORM_IOAPIC_PINS - 1) << IOAPIC_VERSION_MAX_REDIR_SHIFT)
#define ID_BITS 0x0f000000u
#define RTE_WRITABLE                                                                                         \
	(APIC_VECTOR | APIC_DELIVERY_MASK | APIC_DEST_LOGICAL | IOAPIC_REDIR_ACTIVE_LOW |                    \
	 IOAPIC_REDIR_LEVEL | IOAPIC_REDIR_MASKED | 0xffUL << IOAPIC_REDIR_DEST_SHIFT)

static bool is_level(uint64_t rte)
{
	return rte & IOAPIC_REDIR_LEVEL;
}

static void deliver(struct vm *vm, unsigned pin)
{
	uint64_t *rte = &vm->ioapic.rte[pin];
	struct apic_message m = {
	    .dest = (uint32_t)(*rte >> IOAPIC_REDIR_DEST_SHIFT),
	    .logical = *rte & APIC_DEST_LOGICAL,
	    .level = is_level(*rte),
	    .mode = (*rte & APIC_DELIVERY_MASK) >> APIC_DELIVERY_SHIFT,
	    .vector = *rte & APIC_VECTOR,
	};
	bool has_eoi = m.mode == APIC_FIXED || m.mode == APIC_LOWEST;

	if (vlapic_deliver(vm, &m) && m.level && has_eoi)
		*rte |= IOAPIC_REDIR_REMOTE_IRR;
}

/* A level-triggered pin is asserted, and nobody is handling it yet. */
static void deliver_level(struct vm *vm, unsigned pin)
{
	uint64_t rte = vm->ioapic.rte[pin];

	if (is_level(rte) && (vm->ioapic.line & BIT(pin)) &&
	    !(rte & (IOAPIC_REDIR_MASKED | IOAPIC_REDIR_REMOTE_IRR)))
		deliver(vm, pin);
}

/* Polarity is the board's matter: `level` says asserted. */
void vioapic_set_line(struct vm *vm, unsigned pin, bool level)
{
	struct vioapic *io = &vm->ioapic;
	bool was = io->line & BIT(pin);

	if (level == was)
		return;
	io->line ^= (uint32_t)BIT(pin);
	if (!level)
		return;
	/* An edge at a masked pin is not held pending. */
	if (is_level(io->rte[pin]))
		deliver_level(vm, pin);
	else if (!(io->rte[pin] & IOAPIC_REDIR_MASKED))
		deliver(vm, pin);
}

void vioapic_eoi(struct vm *vm, uint8_t vector)
{
	spin_lock(&vm->irq_lock);
	for (unsigned pin = 0; pin < PLATFORM_IOAPIC_PINS; pin++) {
		uint64_t *rte = &vm->ioapic.rte[pin];

		if (!(*rte & IOAPIC_REDIR_REMOTE_IRR) || (*rte & APIC_VECTOR) != vector)
			continue;
		*rte &= ~IOAPIC_REDIR_REMOTE_IRR;
		deliver_level(vm, pin);
	}
	spin_unlock(&vm->irq_lock);
}

bool vioapic_masked(const struct vm *vm, unsigned pin)
{
	return __atomic_load_n(&vm->ioapic.rte[pin], __ATOMIC_RELAXED) & IOAPIC_REDIR_MASKED;
}

static uint32_t reg_read(const struct vioapic *io)
{
	unsigned pin = (io->select - IOAPIC_REG_REDIR(0)) / 2;

	switch (io->select) {
	case IOAPIC_REG_ID:
	case IOAPIC_REG_ARBITRATION:
		return io->id;
	case IOAPIC_REG_VERSION:
		return VERSION;
	default:
		if (io->select < IOAPIC_REG_REDIR(0) || pin >= PLATFORM_IOAPIC_PINS)
			return 0xffffffff;
		return (uint32_t)(io->rte[pin] >> (io->select & 1 ? 32 : 0));
	}
}

static void rte_write(struct vm *vm, unsigned pin, bool high, uint32_t value)
{
	uint64_t *rte = &vm->ioapic.rte[pin];
	uint64_t bits = high ? RTE_WRITABLE & ~0xffffffffULL : RTE_WRITABLE & 0xffffffff;

	*rte = (*rte & ~bits) | (((uint64_t)value << (high ? 32 : 0)) & bits);
	/* Remote IRR has no meaning for edges; an operating system clears a stuck one by this change. */
	if (!is_level(*rte))
		*rte &= ~IOAPIC_REDIR_REMOTE_IRR;
	deliver_level(vm, pin);
}

static void reg_write(struct vm *vm, uint32_t value)
{
	struct vioapic *io = &vm->ioapic;
	unsigned pin = (io->select - IOAPIC_REG_REDIR(0)) / 2;

	if (io->select == IOAPIC_REG_ID)
		io->id = value & ID_BITS;
	else if (io->select >= IOAPIC_REG_REDIR(0) && pin < PLATFORM_IOAPIC_PINS)
		rte_write(vm, pin, io->select & 1, value);
}

static uint64_t ioapic_read(struct vdev *d, struct vcpu *v, uint64_t addr, unsigned size)
{
	struct vm *vm = d->vm;
	uint64_t value = 0;

	(void)v;
	(void)size;
	spin_lock(&vm->irq_lock);
	if (addr - PLATFORM_IOAPIC_BASE == IOAPIC_REGSEL)
		value = vm->ioapic.select;
	else if (addr - PLATFORM_IOAPIC_BASE == IOAPIC_WIN)
		value = reg_read(&vm->ioapic);
	spin_unlock(&vm->irq_lock);
	return value;
}

/* The data sheet wants 32-bit accesses; of a wider one the low half counts, narrower ones write nothing. */
static void ioapic_write(struct vdev *d, struct vcpu *v, uint64_t addr, unsigned size, uint64_t value)
{
	struct vm *vm = d->vm;
	bool timer_unmasked;

	(void)v;
	if (size < sizeof(uint32_t))
		return;
	spin_lock(&vm->irq_lock);
	timer_unmasked = vioapic_masked(vm, PLATFORM_GSI_TIMER);
	if (addr - PLATFORM_IOAPIC_BASE == IOAPIC_REGSEL)
		vm->ioapic.select = (uint8_t)value;
	else if (addr - PLATFORM_IOAPIC_BASE == IOAPIC_WIN)
		reg_write(vm, (uint32_t)value);
	timer_unmasked = timer_unmasked && !vioapic_masked(vm, PLATFORM_GSI_TIMER);
	spin_unlock(&vm->irq_lock);
	if (timer_unmasked)
		vpit_unmasked(vm);
}

enum status vioapic_init(struct vm *vm)
{
	vdev_init(&vm->ioapic.dev, vm, "ioapic");
	return io_bus_add(&vm->mmio, PLATFORM_IOAPIC_BASE, PLATFORM_IOAPIC_SIZE, &vm->ioapic.dev, ioapic_read,
			  ioapic_write);
}

void vioapic_reset(struct vm *vm)
{
	struct vioapic *io = &vm->ioapic;

	spin_lock(&vm->irq_lock);
	for (unsigned pin = 0; pin < PLATFORM_IOAPIC_PINS; pin++)
		io->rte[pin] = IOAPIC_REDIR_MASKED;
	io->line = 0;
	io->id = (uint32_t)PLATFORM_IOAPIC_ID << 24;
	io->select = 0;
	spin_unlock(&vm->irq_lock);
}
