/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PCI configuration space: a host bridge, so that a kernel's sanity check of mechanism #1 finds one, and an
 * otherwise empty bus. A byte at CF9h belongs to the reset control register (hv/vdev/pm.h).
 */
#include "hv/vdev/pci.h"
#include "hv/lib/util.h"
#include "hv/vm.h"

#define PORT_ADDRESS   0xcf8
#define PORT_DATA      0xcfc
#define PCI_PORTS      8

#define ADDRESS_ENABLE BIT(31)
#define ADDRESS_BITS   0x80fffffcu
#define ADDRESS_BDF    0x00ffff00u
#define ADDRESS_REG    0xfcu

/* The generic host bridge of the PCI ID database that no kernel has a quirk for. */
static const uint32_t host_bridge[] = {
    [0x00 / 4] = 0x00081b36, /* device and vendor */
    [0x04 / 4] = 0x00000006, /* command: bus master, memory space */
    [0x08 / 4] = 0x06000000, /* class: host bridge */
};

/* The register that CONFIG_ADDRESS selects. A device that isn't there is a master abort: all ones. */
static uint32_t config_read(uint32_t address)
{
	uint32_t reg = (address & ADDRESS_REG) / 4;

	if (!(address & ADDRESS_ENABLE) || (address & ADDRESS_BDF))
		return 0xffffffff;
	return reg < ARRAY_SIZE(host_bridge) ? host_bridge[reg] : 0;
}

static uint64_t pci_read(struct vdev *d, struct vcpu *v, uint64_t port, unsigned size)
{
	struct vpci *p = container_of(d, struct vpci, dev);
	uint32_t address;

	(void)v;
	spin_lock(&d->lock);
	address = p->address;
	spin_unlock(&d->lock);
	if (port >= PORT_DATA) {
		/* An access may not leave the register; what it reads beyond is nobody's. */
		uint64_t value = 0xffffffff00000000 | config_read(address);

		return value >> (8 * (port - PORT_DATA));
	}
	if (port == PORT_ADDRESS && size == sizeof(uint32_t))
		return address;
	if (port == PLATFORM_RESET_PORT && size == 1)
		return vpm_reset_read(d->vm);
	return ~0ULL;
}

static void pci_write(struct vdev *d, struct vcpu *v, uint64_t port, unsigned size, uint64_t value)
{
	struct vpci *p = container_of(d, struct vpci, dev);

	(void)v;
	/* CONFIG_ADDRESS takes 32-bit writes alone; the bridge has no writable register. */
	if (port == PORT_ADDRESS && size == sizeof(uint32_t)) {
		spin_lock(&d->lock);
		p->address = (uint32_t)value & ADDRESS_BITS;
		spin_unlock(&d->lock);
	} else if (port == PLATFORM_RESET_PORT && size == 1) {
		vpm_reset_write(d->vm, (uint8_t)value);
	}
}

enum status vpci_init(struct vm *vm)
{
	vdev_init(&vm->pci.dev, vm, "pci");
	return io_bus_add(&vm->ports, PORT_ADDRESS, PCI_PORTS, &vm->pci.dev, pci_read, pci_write);
}

void vpci_reset(struct vm *vm)
{
	spin_lock(&vm->pci.dev.lock);
	vm->pci.address = 0;
	spin_unlock(&vm->pci.dev.lock);
}
