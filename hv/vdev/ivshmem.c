/* SPDX-License-Identifier: BSD-2-Clause */
/* The registers of shared memory devices, and interrupts from one to the other. */
#include "hv/vdev/ivshmem.h"

#include "hv/frame.h"
#include "hv/lib/fmt.h"
#include "hv/lib/util.h"
#include "hv/shared.h"
#include "hv/vm.h"
#include "mm/page_alloc.h"

enum { BAR_REGISTERS, BAR_MSIX, BAR_MEMORY };

#define REGISTERS_SIZE 256
#define IV_POSITION    8
#define DOORBELL       12
#define DOORBELL_PEER  16 /* the bits above are the peer's ID, those below the vector */
#define REGISTER_SIZE  4

static const struct pci_identity identity = {
    .vendor = 0x1af4,
    .device = 0x1110,
    .subsystem_vendor = 0x1af4,
    .subsystem = 0x1100,
    .class_code = 0x050000, /* memory controller: RAM */
    .revision = 1,
};

static struct ivshmem *of(struct pci_function *f)
{
	return container_of(f, struct ivshmem, pci);
}

/* What isn't there is ignored: "the write is ignored". */
static void ring(struct shared *s, uint32_t id, unsigned vector)
{
	if (id >= ARRAY_SIZE(s->peer))
		return;
	spin_lock(&s->lock);
	if (s->peer[id])
		(void)vpci_msix_send(&s->peer[id]->pci, vector);
	spin_unlock(&s->lock);
}

static uint64_t registers_read(struct pci_function *f, struct vcpu *v, uint64_t offset, unsigned size)
{
	(void)v;
	return offset == IV_POSITION && size == REGISTER_SIZE ? f->vm->index : 0;
}

static void registers_write(struct pci_function *f, struct vcpu *v, uint64_t offset, unsigned size,
			    uint64_t value)
{
	(void)v;
	if (offset == DOORBELL && size == REGISTER_SIZE)
		ring(of(f)->shared, (uint32_t)value >> DOORBELL_PEER, value & BITS(DOORBELL_PEER - 1, 0));
}

static uint64_t memory_read(struct pci_function *f, struct vcpu *v, uint64_t offset, unsigned size)
{
	uint64_t value = 0;

	(void)v;
	frame_read(&value, hpa(of(f)->shared->memory.v + offset), size);
	return value;
}

static void memory_write(struct pci_function *f, struct vcpu *v, uint64_t offset, unsigned size,
			 uint64_t value)
{
	(void)v;
	frame_write(hpa(of(f)->shared->memory.v + offset), &value, size);
}

static enum status add(struct vm *vm, struct ivshmem *d, const struct vm_shared *cfg)
{
	struct shared *s = &shared_region[cfg->index];
	struct pci_function *f = &d->pci;
	enum status status;

	if (!s->size) {
		fmt_snprintf(vm->why, sizeof(vm->why), "shared %s: there is no memory for it", cfg->name);
		return ERR_NOMEM;
	}
	d->shared = s;
	vpci_function_init(f, &identity);
	vpci_bar_define(f, BAR_REGISTERS, PCI_BAR_MEM32, REGISTERS_SIZE, registers_read, registers_write);
	vpci_msix_define(f, BAR_MSIX, IVSHMEM_VECTORS);
	vpci_bar_define(f, BAR_MEMORY, PCI_BAR_MEM64, s->size, memory_read, memory_write);
	vpci_bar_memory(f, BAR_MEMORY, s->memory);
	status = vpci_add_next(vm, f);
	if (status != OK)
		return status;
	spin_lock(&s->lock);
	s->peer[vm->index] = d;
	spin_unlock(&s->lock);
	return OK;
}

enum status vivshmem_init(struct vm *vm)
{
	struct vivshmem *all = &vm->ivshmem;
	const struct vm_config *cfg = vm->cfg;

	*all = (struct vivshmem){.count = cfg->shared_count};
	if (!all->count)
		return OK;
	all->device = page_alloc_bytes(all->count * sizeof(all->device[0]));
	if (!all->device)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < all->count; i++) {
		enum status s = add(vm, &all->device[i], &cfg->shared[i]);

		if (s != OK)
			return s;
	}
	return OK;
}

enum status vivshmem_fini(struct vm *vm)
{
	struct vivshmem *all = &vm->ivshmem;

	if (!all->device)
		return OK;
	for (uint32_t i = 0; i < all->count; i++) {
		struct shared *s = all->device[i].shared;

		if (!s)
			break;
		spin_lock(&s->lock);
		s->peer[vm->index] = NULL;
		spin_unlock(&s->lock);
	}
	page_free_bytes(all->device, all->count * sizeof(all->device[0]));
	all->device = NULL;
	return OK;
}
