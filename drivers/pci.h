/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine's PCI devices that have a driver here. At boot every function is looked at; for one in the table of
 * drivers (drivers/pci_drivers.c) its registers are sized and the driver's probe is called. Functions without a driver
 * are left as the firmware left them. Memory for a device's DMA is page_alloc's, its address host_pa's (most of it lies
 * below 4 GiB, but a device that reaches no further has to look).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "drivers/pci_config.h"
#include "hv/irq.h"
#include "hv/lib/status.h"

#define PCI_REGIONS 6

/* What a base address register (of a pair, the first) describes. */
struct pci_region {
	uint64_t base; /* 0: the firmware gave it no address */
	uint64_t size; /* 0: there is no such register */
	bool io;
};

struct pci_device {
	uint16_t bdf;
	uint16_t vendor, device, subsystem_vendor, subsystem;
	uint32_t class_code; /* class << 16 | subclass << 8 | interface */
	uint8_t revision;
	const char *driver;
	struct pci_region region[PCI_REGIONS];

	/* Of pci_irq.c: offsets of the capabilities, 0: it has none. */
	uint8_t msi, msix;
	uint16_t irqs;
	char *msix_table;
};

struct pci_driver {
	/* What it drives: this vendor and device, or where both are 0, this class code under this mask. */
	uint16_t vendor, device;
	uint32_t class_code, class_mask;
	const char *name;
	/*
	 * Boot CPU, all CPUs up, no guest yet: makes the device work, polling with bounded time, and registers what it is, with
	 * one line of the log. On an error the device is silenced (no DMA, no interrupts) and the error logged by the caller; what
	 * probe allocated is its own to free, once the device can't touch it.
	 */
	enum status (*probe)(struct pci_device *d);
};

/* Ends with a row without probe. The first row that matches counts. */
extern const struct pci_driver pci_drivers[];

/* Boot CPU, once, after all CPUs have started. */
void pci_probe_all(void);
/* The device there, if it has a driver that took it, else NULL. */
const struct pci_device *pci_find(uint16_t bdf);

/* For drivers, from probe on. */

/*
 * Maps size bytes of a memory region from offset on, uncached. NULL: it is no such region, or smaller, or the firmware gave
 * it no address.
 */
void *pci_map(const struct pci_device *d, unsigned region, uint64_t offset, uint64_t size);
/* Is it still where it was found? Nothing answers in the place of one that was pulled out, or another does. Any CPU. */
bool pci_is_there(const struct pci_device *d);
/* The first port of an I/O region of at least size ports; 0: it is none, or smaller. */
uint16_t pci_port(const struct pci_device *d, unsigned region, uint32_t size);
/* Offset of the device's n-th capability (from 0) of this id; 0: it has no more. The walk is bounded. */
uint8_t pci_capability(const struct pci_device *d, uint8_t id, unsigned n);
/* Lets the device answer at its regions and, if `master`, read and write memory. Its pin stays silent. */
void pci_enable(const struct pci_device *d, bool master);

/*
 * Interrupts, by MSI-X or MSI. d->irqs is how many the device can have, 0: neither; then a timer must poll.
 * Connects interrupt n to fn(arg) on CPU `cpu` (below pcpu_count), a vector of its own, unmasked; once for each n.
 * ERR_RANGE: n, or a CPU whose APIC ID no message can name; ERR_NOMEM: no vector is left.
 */
enum status pci_irq_connect(struct pci_device *d, unsigned n, uint32_t cpu, irq_fn fn, void *arg);
/*
 * While it is masked, interrupt n does not come. With MSI-X, and with MSI where the device has mask bits, one that was
 * raised meanwhile comes afterwards; else it may be lost: look at the device after unmasking.
 */
void pci_irq_mask(const struct pci_device *d, unsigned n, bool masked);

/* pci_irq.c, for pci.c: finds the capabilities, turns both off. */
void pci_irq_init(struct pci_device *d);
