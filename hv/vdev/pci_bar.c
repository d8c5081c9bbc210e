/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Base address registers, which the guest sizes and moves, and the windows in which they answer. The windows are on
 * the VM's buses for good and nobody else is in them, so wherever a BAR is moved it takes nothing from RAM or from
 * another device, and moving one while other vCPUs access it needs no lock: bar->at is all that changes.
 * Model: PCI Local Bus Specification 3.0, "Base Addresses".
 */
#include "hv/lib/panic.h"
#include "hv/vdev/pci_private.h"
#include "hv/vm.h"

#define BAR_REGISTER(n) (PCI_BAR0 + sizeof(uint32_t) * (n))
#define IO_SIZE_MIN     4
#define IO_SIZE_MAX     256
#define MEM_SIZE_MIN    16
#define MEM32_SIZE_MAX  MIB(512)
#define MEM64_SIZE_MAX  GIB(1)

static uint32_t flags_mask(enum pci_bar_kind kind)
{
	return kind == PCI_BAR_IO ? PCI_BAR_FLAGS_IO : PCI_BAR_FLAGS_MEM;
}

static uint32_t flags(enum pci_bar_kind kind)
{
	switch (kind) {
	case PCI_BAR_IO:
		return PCI_BAR_SPACE_IO;
	case PCI_BAR_MEM32:
		return 0;
	case PCI_BAR_MEM64:
		return PCI_BAR_TYPE_64;
	}
	return 0;
}

void vpci_bar_define(struct pci_function *f, unsigned n, enum pci_bar_kind kind, uint64_t size,
		     pci_bar_read_fn read, pci_bar_write_fn write)
{
	uint64_t mask = ~(size - 1);

	CHECK(IS_ALIGNED(size, size) && n + (kind == PCI_BAR_MEM64) < PCI_BARS);
	if (kind == PCI_BAR_IO)
		CHECK(size >= IO_SIZE_MIN && size <= IO_SIZE_MAX);
	else
		CHECK(size >= MEM_SIZE_MIN &&
		      size <= (kind == PCI_BAR_MEM64 ? MEM64_SIZE_MAX : MEM32_SIZE_MAX));
	f->bar[n] = (struct pci_bar){.function = f, .kind = kind, .size = size, .read = read, .write = write};
	vpci_config_define(f, BAR_REGISTER(n), 4, flags(kind), (uint32_t)mask);
	if (kind == PCI_BAR_MEM64)
		vpci_config_define(f, BAR_REGISTER(n + 1), 4, 0, (uint32_t)(mask >> 32));
}

static bool in_window(uint64_t at, uint64_t size, uint64_t base, uint64_t window)
{
	return at >= base && at - base < window && window - (at - base) >= size;
}

/* Where configuration space puts BAR n: 0, nowhere, unless it decodes there. */
static uint64_t place(const struct pci_function *f, unsigned n)
{
	const struct guest_window *high = &f->vm->pci.high;
	const struct pci_bar *b = &f->bar[n];
	bool io = b->kind == PCI_BAR_IO;
	uint64_t at = vpci_config_get(f, BAR_REGISTER(n), 4) & ~flags_mask(b->kind);

	if (b->kind == PCI_BAR_MEM64)
		at |= (uint64_t)vpci_config_get(f, BAR_REGISTER(n + 1), 4) << 32;
	if (!(vpci_config_get(f, PCI_COMMAND, 2) & (io ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY)))
		return 0;
	if (io)
		return in_window(at, b->size, PLATFORM_PCI_IO_BASE, PLATFORM_PCI_IO_SIZE) ? at : 0;
	return in_window(at, b->size, PLATFORM_PCI_MEM_BASE, PLATFORM_PCI_MEM_SIZE) ||
		       in_window(at, b->size, high->base, high->size)
		   ? at
		   : 0;
}

void vpci_bar_memory(struct pci_function *f, unsigned n, hpa_t memory)
{
	CHECK(f->bar[n].size >= PAGE_SIZE && IS_ALIGNED(memory.v, f->bar[n].size) && memory.v);
	f->bar[n].memory = memory;
	f->config[BAR_REGISTER(n)] |= PCI_BAR_PREFETCHABLE;
}

/* Puts the frames of b to `at`, 0: nowhere. Other vCPUs may reach them where they were until they have left the guest. */
static void memory_follow(struct vm *vm, struct pci_bar *b, uint64_t at)
{
	uint64_t was = b->there;

	if (was == at)
		return;
	b->there = 0;
	spin_lock(&vm->npt_lock);
	if (was)
		CHECK(pt_unmap(&vm->npt, was, b->size) == OK);
	if (at && pt_map(&vm->npt, at, b->memory.v, b->size, PT_READ | PT_WRITE, PT_WB) == OK)
		b->there = at;
	spin_unlock(&vm->npt_lock);
	for (uint32_t i = 0; was && i < vm->vcpu_count; i++)
		vcpu_request(vm->vcpu[i], VREQ_FLUSH);
}

void vpci_bars_follow(struct pci_function *f)
{
	for (unsigned n = 0; n < PCI_BARS; n++) {
		struct pci_bar *b = &f->bar[n];

		if (!b->size)
			continue;
		__atomic_store_n(&b->at, place(f, n), __ATOMIC_RELAXED);
		if (b->memory.v)
			memory_follow(f->vm, b, b->at);
	}
}

/* The BAR that answers at addr, a port or an address in memory: the windows have none in common. */
static const struct pci_bar *find(const struct vpci *p, uint64_t addr, uint64_t *offset)
{
	for (unsigned i = 0; i < p->bar_count; i++) {
		uint64_t at = __atomic_load_n(&p->bar[i]->at, __ATOMIC_RELAXED);

		*offset = addr - at;
		if (at && *offset < p->bar[i]->size)
			return p->bar[i];
	}
	return NULL;
}

/* As on the VM's buses, what spans two BARs, or one and nothing, goes byte by byte, and nobody reads as ones. */
static uint64_t window_read(struct vdev *d, struct vcpu *v, uint64_t addr, unsigned size)
{
	uint64_t offset, value = 0;
	const struct pci_bar *b = find(container_of(d, struct vpci, dev), addr, &offset);

	if (b && b->size - offset >= size)
		return b->read(b->function, v, offset, size);
	if (size == 1)
		return ~0ULL;
	for (unsigned i = 0; i < size; i++)
		value |= (window_read(d, v, addr + i, 1) & 0xff) << (8 * i);
	return value;
}

static void window_write(struct vdev *d, struct vcpu *v, uint64_t addr, unsigned size, uint64_t value);

/* Not inlined, so that other writes don't pay for its frame. */
[[gnu::noinline]] static void write_bytes(struct vdev *d, struct vcpu *v, uint64_t addr, unsigned size,
					  uint64_t value)
{
	for (unsigned i = 0; size > 1 && i < size; i++)
		window_write(d, v, addr + i, 1, value >> (8 * i) & 0xff);
}

static void window_write(struct vdev *d, struct vcpu *v, uint64_t addr, unsigned size, uint64_t value)
{
	uint64_t offset;
	const struct pci_bar *b = find(container_of(d, struct vpci, dev), addr, &offset);

	if (b && b->size - offset >= size)
		b->write(b->function, v, offset, size, value);
	else
		write_bytes(d, v, addr, size, value);
}

enum status vpci_windows_init(struct vm *vm)
{
	struct guest_window *high = &vm->pci.high;
	enum status s = io_bus_add(&vm->ports, PLATFORM_PCI_IO_BASE, PLATFORM_PCI_IO_SIZE, &vm->pci.dev,
				   window_read, window_write);

	if (s == OK)
		s = io_bus_add(&vm->mmio, PLATFORM_PCI_MEM_BASE, PLATFORM_PCI_MEM_SIZE, &vm->pci.dev,
			       window_read, window_write);
	*high = guest_map_pci_high(vm->cfg->memory, vm->cpuid.phys_bits);
	if (s == OK && high->size)
		s = io_bus_add(&vm->mmio, high->base, high->size, &vm->pci.dev, window_read, window_write);
	return s;
}
