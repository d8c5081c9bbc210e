/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's PCI bus: who answers to a configuration access. What nobody answers to is a master abort: reads give
 * all ones, writes are lost. A byte at port CF9h belongs to the reset control register (hv/vdev/pm.h).
 */
#include "hv/vdev/pci.h"
#include "hv/lib/util.h"
#include "hv/vdev/pci_private.h"
#include "hv/vm.h"

#define PORT_ADDRESS   0xcf8
#define PORT_DATA      0xcfc
#define PORT_SIZE      4

#define ADDRESS_ENABLE BIT(31)
#define ADDRESS_BITS   0x80fffffcu
#define ADDRESS_BUS    0x00ff0000u
#define ADDRESS_REG    0xfcu

/* Bits of an offset in the ECAM window, and of CONFIG_ADDRESS: slot << 3 | function. */
#define ECAM_SHIFT     12
#define CF8_SHIFT      8
#define DEVFN_SLOT     3
#define DEVFN_FUNCTION 7u
#define DEVFN_BITS     0xff

#define REGISTER_SIZE  4u

static_assert(PLATFORM_PCI_ECAM_SIZE == (DEVFN_BITS + 1) << ECAM_SHIFT);

/* The generic host bridge of the PCI ID database that no kernel has a quirk for. */
static const struct pci_identity host_bridge = {.vendor = 0x1b36, .device = 0x0008, .class_code = 0x060000};

/* The function that has this byte of configuration space, or NULL. A conventional function's ends at 256 bytes. */
static struct pci_function *find(const struct vpci *p, unsigned devfn, unsigned offset)
{
	return (devfn & DEVFN_FUNCTION) || offset >= PCI_CONFIG_SIZE ? NULL
								     : p->function[devfn >> DEVFN_SLOT];
}

/* Mechanism #1: the function that CONFIG_ADDRESS selects, and the register in *offset. */
static struct pci_function *find_addressed(struct vpci *p, unsigned *offset)
{
	uint32_t address;

	spin_lock(&p->dev.lock);
	address = p->address;
	spin_unlock(&p->dev.lock);
	*offset = address & ADDRESS_REG;
	if (!(address & ADDRESS_ENABLE) || (address & ADDRESS_BUS))
		return NULL;
	return find(p, address >> CF8_SHIFT & DEVFN_BITS, *offset);
}

/* CONFIG_ADDRESS takes accesses of 32 bits alone. */
static uint64_t address_read(struct vdev *d, struct vcpu *v, uint64_t port, unsigned size)
{
	struct vpci *p = container_of(d, struct vpci, dev);
	uint32_t address;

	(void)v;
	if (port == PLATFORM_RESET_PORT && size == 1)
		return vpm_reset_read(d->vm);
	if (size != PORT_SIZE)
		return ~0ULL;
	spin_lock(&d->lock);
	address = p->address;
	spin_unlock(&d->lock);
	return address;
}

static void address_write(struct vdev *d, struct vcpu *v, uint64_t port, unsigned size, uint64_t value)
{
	struct vpci *p = container_of(d, struct vpci, dev);

	(void)v;
	if (port == PLATFORM_RESET_PORT && size == 1) {
		vpm_reset_write(d->vm, (uint8_t)value);
	} else if (size == PORT_SIZE) {
		spin_lock(&d->lock);
		p->address = (uint32_t)value & ADDRESS_BITS;
		spin_unlock(&d->lock);
	}
}

/* The bus of ports has split what leaves the register. */
static uint64_t data_read(struct vdev *d, struct vcpu *v, uint64_t port, unsigned size)
{
	unsigned offset;
	struct pci_function *f = find_addressed(container_of(d, struct vpci, dev), &offset);

	(void)v;
	return f ? vpci_config_read(f, offset + (unsigned)(port - PORT_DATA), size) : ~0ULL;
}

static void data_write(struct vdev *d, struct vcpu *v, uint64_t port, unsigned size, uint64_t value)
{
	unsigned offset;
	struct pci_function *f = find_addressed(container_of(d, struct vpci, dev), &offset);

	(void)v;
	if (f)
		vpci_config_write(f, offset + (unsigned)(port - PORT_DATA), size, (uint32_t)value);
}

/* What of an access of `left` bytes from `at` on lies in one register. */
static unsigned piece(uint64_t at, unsigned left)
{
	return MIN(left, REGISTER_SIZE - (unsigned)(at % REGISTER_SIZE));
}

static struct pci_function *find_in_ecam(const struct vpci *p, uint64_t at, unsigned *offset)
{
	*offset = at & BITS(ECAM_SHIFT - 1, 0);
	return find(p, (unsigned)(at >> ECAM_SHIFT) & DEVFN_BITS, *offset);
}

static uint64_t ecam_read(struct vdev *d, struct vcpu *v, uint64_t addr, unsigned size)
{
	uint64_t at = addr - PLATFORM_PCI_ECAM_BASE, value = ~0ULL;

	(void)v;
	for (unsigned done = 0, n; done < size; done += n) {
		unsigned offset, shift = 8 * done;
		struct pci_function *f = find_in_ecam(container_of(d, struct vpci, dev), at + done, &offset);

		n = piece(at + done, size - done);
		if (f)
			value = (value & ~(BITS(8 * n - 1, 0) << shift)) |
				(uint64_t)vpci_config_read(f, offset, n) << shift;
	}
	return value;
}

static void ecam_write(struct vdev *d, struct vcpu *v, uint64_t addr, unsigned size, uint64_t value)
{
	uint64_t at = addr - PLATFORM_PCI_ECAM_BASE;

	(void)v;
	for (unsigned done = 0, n; done < size; done += n) {
		unsigned offset;
		struct pci_function *f = find_in_ecam(container_of(d, struct vpci, dev), at + done, &offset);

		n = piece(at + done, size - done);
		if (f)
			vpci_config_write(f, offset, n, (uint32_t)(value >> (8 * done)));
	}
}

enum status vpci_add(struct vm *vm, unsigned slot, struct pci_function *f)
{
	struct vpci *p = &vm->pci;

	if (slot >= PCI_SLOTS)
		return ERR_INVAL;
	if (p->function[slot])
		return ERR_EXIST;
	p->function[slot] = f;
	f->vm = vm;
	f->slot = slot;
	for (unsigned n = 0; n < PCI_BARS; n++)
		if (f->bar[n].size)
			p->bar[p->bar_count++] = &f->bar[n];
	return OK;
}

enum status vpci_add_next(struct vm *vm, struct pci_function *f)
{
	for (unsigned slot = 1; slot < PCI_SLOTS; slot++)
		if (!vm->pci.function[slot])
			return vpci_add(vm, slot, f);
	return ERR_NOMEM;
}

enum status vpci_init(struct vm *vm)
{
	struct vpci *p = &vm->pci;
	enum status s;

	*p = (struct vpci){};
	vdev_init(&p->dev, vm, "pci");
	vpci_function_init(&p->bridge, &host_bridge);
	/* It forwards memory accesses and its devices' own, always. */
	vpci_config_define(&p->bridge, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 0);
	s = vpci_add(vm, 0, &p->bridge);
	if (s == OK)
		s = vpci_windows_init(vm);
	if (s == OK)
		s = io_bus_add(&vm->ports, PORT_ADDRESS, PORT_SIZE, &p->dev, address_read, address_write);
	if (s == OK)
		s = io_bus_add(&vm->ports, PORT_DATA, PORT_SIZE, &p->dev, data_read, data_write);
	if (s == OK)
		s = io_bus_add(&vm->mmio, PLATFORM_PCI_ECAM_BASE, PLATFORM_PCI_ECAM_SIZE, &p->dev, ecam_read,
			       ecam_write);
	return s;
}

void vpci_reset(struct vm *vm)
{
	struct vpci *p = &vm->pci;

	spin_lock(&p->dev.lock);
	p->address = 0;
	spin_unlock(&p->dev.lock);
	for (unsigned slot = 0; slot < PCI_SLOTS; slot++)
		if (p->function[slot])
			vpci_function_reset(p->function[slot]);
}
