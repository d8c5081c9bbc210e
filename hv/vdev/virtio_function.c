/* SPDX-License-Identifier: BSD-2-Clause */
/* Describes a virtio device to the PCI bus, and joins its registers and interrupts with it. */
#include "hv/vdev/virtio_function.h"

#include "hv/lib/util.h"
#include "hv/vm.h"

#define BAR_REGISTERS 0
#define BAR_MSIX      1

/* A device without the legacy interface: "PCI Device Discovery". */
#define REVISION      1

/* struct virtio_pci_cap. */
#define CAP_SIZE      16
#define CAP_LENGTH    2 /* of the capability */
#define CAP_TYPE      3
#define CAP_BAR       4
#define CAP_OFFSET    8
#define CAP_EXTENT    12
#define CAP_MORE      16 /* notify_off_multiplier, pci_cfg_data */
#define CAP_SIZE_MORE 20

static struct virtio_function *of_pci(struct pci_function *f)
{
	return container_of(f, struct virtio_function, pci);
}

static struct virtio_function *of_regs(struct virtio_pci *p)
{
	return container_of(p, struct virtio_function, regs);
}

/* --- interrupts --- */

static bool msix(struct virtio_pci *p, uint16_t vector)
{
	return vpci_msix_send(&of_regs(p)->pci, vector);
}

static void intx(struct virtio_pci *p, bool level)
{
	vpci_intx_set(&of_regs(p)->pci, level);
}

static const struct virtio_pci_wires wires = {.msix = msix, .intx = intx};

/* --- the BAR, and the window to it --- */

static uint64_t bar_read(struct pci_function *f, struct vcpu *v, uint64_t offset, unsigned size)
{
	(void)v;
	return virtio_pci_read(&of_pci(f)->regs, (uint32_t)offset, size);
}

static void bar_write(struct pci_function *f, struct vcpu *v, uint64_t offset, unsigned size, uint64_t value)
{
	(void)v;
	virtio_pci_write(&of_pci(f)->regs, (uint32_t)offset, size, value);
}

/*
 * "PCI configuration access capability": where the window leads, *offset in the BAR and *size; false: nowhere. An access has
 * to be of the length that the driver wrote down.
 */
static bool window(struct pci_function *f, unsigned at, unsigned size, uint32_t *offset)
{
	unsigned cap = of_pci(f)->window;

	*offset = vpci_config_value(f, cap + CAP_OFFSET, 4);
	return at == 0 && size == vpci_config_value(f, cap + CAP_EXTENT, 4) &&
	       vpci_config_value(f, cap + CAP_BAR, 1) == BAR_REGISTERS && IS_ALIGNED(*offset, size) &&
	       *offset <= VIRTIO_PCI_BAR_SIZE - size;
}

static uint32_t window_read(struct pci_function *f, unsigned at, unsigned size)
{
	uint32_t offset;

	return window(f, at, size, &offset) ? (uint32_t)virtio_pci_read(&of_pci(f)->regs, offset, size) : 0;
}

static void window_write(struct pci_function *f, unsigned at, unsigned size, uint32_t value)
{
	uint32_t offset;

	if (window(f, at, size, &offset))
		virtio_pci_write(&of_pci(f)->regs, offset, size, value);
}

/* --- the description --- */

static unsigned capability_add(struct pci_function *f, enum virtio_pci_cap type, unsigned size)
{
	unsigned at = vpci_capability_add(f, PCI_CAP_VENDOR, size);

	vpci_config_define(f, at + CAP_LENGTH, 1, size, 0);
	vpci_config_define(f, at + CAP_TYPE, 1, type, 0);
	return at;
}

static void structures_define(struct pci_function *f)
{
	for (enum virtio_pci_cap c = VIRTIO_PCI_CAP_COMMON; c < VIRTIO_PCI_CAP_COUNT; c++) {
		bool notify = c == VIRTIO_PCI_CAP_NOTIFY;
		unsigned at = capability_add(f, c, notify ? CAP_SIZE_MORE : CAP_SIZE);

		vpci_config_define(f, at + CAP_BAR, 1, BAR_REGISTERS, 0);
		vpci_config_define(f, at + CAP_OFFSET, 4, virtio_pci_structure[c].offset, 0);
		vpci_config_define(f, at + CAP_EXTENT, 4, virtio_pci_structure[c].length, 0);
		if (notify)
			vpci_config_define(f, at + CAP_MORE, 4, VIRTIO_PCI_NOTIFY_FACTOR, 0);
	}
}

static void window_define(struct virtio_function *f)
{
	unsigned at = capability_add(&f->pci, VIRTIO_PCI_CAP_PCI_CFG, CAP_SIZE_MORE);

	vpci_config_define(&f->pci, at + CAP_BAR, 1, 0, UINT8_MAX);
	vpci_config_define(&f->pci, at + CAP_OFFSET, 4, 0, UINT32_MAX);
	vpci_config_define(&f->pci, at + CAP_EXTENT, 4, 0, UINT32_MAX);
	vpci_config_handle(&f->pci, at + CAP_MORE, window_read, window_write);
	f->window = at;
}

enum status virtio_function_add(struct virtio_function *f, struct virtio *d, uint32_t class_code)
{
	unsigned vectors = d->queue_count + 1u;
	struct pci_identity id = {
	    .vendor = VIRTIO_PCI_VENDOR,
	    .device = VIRTIO_PCI_DEVICE(d->type->id),
	    .subsystem_vendor = VIRTIO_PCI_VENDOR,
	    .subsystem = VIRTIO_PCI_DEVICE(d->type->id),
	    .class_code = class_code,
	    .revision = REVISION,
	};

	vpci_function_init(&f->pci, &id);
	vpci_bar_define(&f->pci, BAR_REGISTERS, PCI_BAR_MEM32, VIRTIO_PCI_BAR_SIZE, bar_read, bar_write);
	vpci_msix_define(&f->pci, BAR_MSIX, vectors);
	vpci_intx_define(&f->pci, PCI_INTA);
	window_define(f);
	structures_define(&f->pci);
	virtio_pci_init(&f->regs, &wires, d, vectors);
	return vpci_add_next(d->dev.vm, &f->pci);
}
