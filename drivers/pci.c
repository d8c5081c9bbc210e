/* SPDX-License-Identifier: BSD-2-Clause */
/* From the machine's PCI functions to their drivers: see pci.h. */
#include "drivers/pci.h"

#include "drivers/pci_scan.h"
#include "hv/lib/log.h"
#include "mm/host_map.h"

#define DEVICES_MAX      64
#define CAPABILITIES_MAX 48 /* so many fit behind the header */
#define CAP_OFFSET       0xfcu
#define BAR(n)           ((uint8_t)(PCI_BAR0 + 4 * (n)))
#define IO_HIGH          0xffff0000u

static struct pci_device devices[DEVICES_MAX];
static unsigned device_count;

/* --- what a device has --- */

/* The bits of register n that can be set: all ones are written, and what was there is put back. */
static uint32_t probe_bits(uint16_t bdf, unsigned n)
{
	uint32_t value = pci_config_read(bdf, BAR(n)), bits;

	pci_config_write(bdf, BAR(n), UINT32_MAX);
	bits = pci_config_read(bdf, BAR(n));
	pci_config_write(bdf, BAR(n), value);
	return bits;
}

/* Reads region n; returns how many registers it takes. PCI Local Bus Specification 3.0, "Base Addresses". */
static unsigned read_region(struct pci_device *d, unsigned n)
{
	struct pci_region *r = &d->region[n];
	uint32_t low = pci_config_read(d->bdf, BAR(n));
	bool is_io = low & PCI_BAR_SPACE_IO;
	bool is_64 = !is_io && (low & PCI_BAR_TYPE) == PCI_BAR_TYPE_64;
	uint32_t flags = is_io ? PCI_BAR_FLAGS_IO : PCI_BAR_FLAGS_MEM;
	uint64_t base = low & ~flags, bits = probe_bits(d->bdf, n) & ~flags;

	if (is_64 && n + 1 == PCI_REGIONS)
		return 1;
	if (!bits && !is_64)
		return 1;
	if (is_64) {
		base |= (uint64_t)pci_config_read(d->bdf, BAR(n + 1)) << 32;
		bits |= (uint64_t)probe_bits(d->bdf, n + 1) << 32;
	} else {
		/* A device need not have the bits of ports that no PC has. */
		bits |= ~(uint64_t)UINT32_MAX | (is_io ? IO_HIGH : 0);
	}
	/* The lowest bit that can be set is the size; above it each must be one. */
	if (bits && (bits | (bits - 1)) == UINT64_MAX && !(base & (-bits - 1)))
		*r = (struct pci_region){.base = base, .size = -bits, .io = is_io};
	return is_64 ? 2 : 1;
}

static void read_regions(struct pci_device *d)
{
	uint16_t command = pci_config_read16(d->bdf, PCI_COMMAND);
	unsigned n = 0;

	/* It must not answer at the addresses that sizing goes through. */
	pci_config_write16(d->bdf, PCI_COMMAND, (uint16_t)(command & ~(PCI_COMMAND_IO | PCI_COMMAND_MEMORY)));
	while (n < PCI_REGIONS)
		n += read_region(d, n);
	pci_config_write16(d->bdf, PCI_COMMAND, command);
}

uint8_t pci_capability(const struct pci_device *d, uint8_t id, unsigned n)
{
	uint8_t at;

	if (!(pci_config_read16(d->bdf, PCI_STATUS) & PCI_STATUS_CAPABILITIES))
		return 0;
	at = pci_config_read8(d->bdf, PCI_CAPABILITIES) & CAP_OFFSET;
	for (unsigned i = 0; i < CAPABILITIES_MAX && at >= PCI_HEADER_END; i++) {
		if (pci_config_read8(d->bdf, at) == id && n-- == 0)
			return at;
		at = pci_config_read8(d->bdf, at + PCI_CAP_NEXT) & CAP_OFFSET;
	}
	return 0;
}

/* --- for drivers --- */

void *pci_map(const struct pci_device *d, unsigned region, uint64_t offset, uint64_t size)
{
	const struct pci_region *r = &d->region[region];

	if (region >= PCI_REGIONS || r->io || !r->base || offset > r->size || size > r->size - offset)
		return NULL;
	return host_map_device(r->base + offset, size, PT_UC);
}

bool pci_is_there(const struct pci_device *d)
{
	return pci_config_read(d->bdf, PCI_VENDOR) == (d->vendor | (uint32_t)d->device << 16);
}

uint16_t pci_port(const struct pci_device *d, unsigned region, uint32_t size)
{
	const struct pci_region *r = &d->region[region];

	if (region >= PCI_REGIONS || !r->io || r->size < size || r->base + r->size > UINT16_MAX + 1UL)
		return 0;
	return (uint16_t)r->base;
}

static void set_command(const struct pci_device *d, uint16_t clear, uint16_t set)
{
	uint16_t command = pci_config_read16(d->bdf, PCI_COMMAND);

	pci_config_write16(d->bdf, PCI_COMMAND, (uint16_t)((command & ~clear) | set));
}

void pci_enable(const struct pci_device *d, bool master)
{
	set_command(d, master ? 0 : PCI_COMMAND_MASTER,
		    (uint16_t)(PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_INTX_DISABLE |
			       (master ? PCI_COMMAND_MASTER : 0)));
}

/* --- the walk --- */

static const struct pci_driver *driver_of(const struct pci_device *d)
{
	const struct pci_driver *r;

	for (r = pci_drivers; r->probe; r++) {
		if (r->vendor ? r->vendor == d->vendor && r->device == d->device
			      : (d->class_code & r->class_mask) == r->class_code)
			return r;
	}
	return NULL;
}

static void identify(struct pci_device *d, uint16_t bdf)
{
	uint32_t class = pci_config_read(bdf, PCI_REVISION);

	*d = (struct pci_device){
	    .bdf = bdf,
	    .vendor = pci_config_read16(bdf, PCI_VENDOR),
	    .device = pci_config_read16(bdf, PCI_DEVICE),
	    .class_code = class >> 8,
	    .revision = (uint8_t) class,
	};
}

static void start(struct pci_device *d, const struct pci_driver *driver)
{
	enum status s;

	d->subsystem_vendor = pci_config_read16(d->bdf, PCI_SUBSYSTEM_VENDOR);
	d->subsystem = pci_config_read16(d->bdf, PCI_SUBSYSTEM);
	read_regions(d);
	pci_irq_init(d);
	s = driver->probe(d);
	if (s == OK) {
		d->driver = driver->name;
		return;
	}
	pci_irq_init(d);
	pci_enable(d, false);
	log_warn("pci %02x:%02x.%x: %s: %s", d->bdf >> 8, d->bdf >> 3 & 0x1f, d->bdf & 7, driver->name,
		 status_str(s));
}

static void look_at(uint16_t bdf)
{
	struct pci_device *d = &devices[device_count], unkept;
	const struct pci_driver *driver;

	identify(&unkept, bdf);
	driver = driver_of(&unkept);
	log_debug("pci %02x:%02x.%x: %04x:%04x, class %06x, %s", bdf >> 8, bdf >> 3 & 0x1f, bdf & 7,
		  unkept.vendor, unkept.device, unkept.class_code, driver ? driver->name : "no driver");
	if (!driver || (pci_config_read8(bdf, PCI_HEADER_TYPE) & PCI_HEADER_TYPE_MASK) != PCI_HEADER_DEVICE)
		return;
	if (device_count == DEVICES_MAX) {
		log_warn("more than %u PCI devices with a driver: the rest stays unused", DEVICES_MAX);
		return;
	}
	device_count++;
	*d = unkept;
	start(d, driver);
}

void pci_probe_all(void)
{
	struct pci_scan scan;
	uint16_t bdf;

	pci_scan_start(&scan);
	while (!pci_scan_ended(&scan)) {
		if (pci_scan_step(&scan, &bdf))
			look_at(bdf);
	}
}

const struct pci_device *pci_find(uint16_t bdf)
{
	for (unsigned i = 0; i < device_count; i++) {
		if (devices[i].bdf == bdf && devices[i].driver)
			return &devices[i];
	}
	return NULL;
}
