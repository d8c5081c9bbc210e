/* SPDX-License-Identifier: BSD-2-Clause */
/* `pci`: lists the machine's PCI devices, bus by bus from bus 0 through the bridges. Only looks. */
#include <stdbool.h>
#include <stdint.h>
#include "hv/host.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/mgmt/commands.h"
#include "hv/mgmt/console.h"

/* Configuration space (PCI Local Bus Specification 3.0, "Configuration Space Organization"). */
#define PCI_CONFIG_ID     0x00 /* device << 16 | vendor; all ones: nothing there */
#define PCI_CONFIG_CLASS  0x08 /* class << 24 | subclass << 16 | interface << 8 | revision */
#define PCI_CONFIG_HEADER 0x0c
#define PCI_CONFIG_BUSES  0x18 /* of a bridge: secondary bus in bits 8-15 */

#define BUSES             256
#define FUNCTIONS         8
#define SLOTS_PER_STEP    8 /* a configuration access takes a microsecond */
#define SLOTS_PER_BUS     32
#define NOTHING           0xffffffffu
#define HEADER_TYPE(h)    ((h) >> 16 & 0x7f)
#define HEADER_MULTI      BIT(23)
#define HEADER_BRIDGE     1
#define CLASS_ANY         0xff

/* PCI Code and ID Assignment Specification, "Class Codes": class, subclass. */
static const struct {
	uint8_t class, subclass;
	const char *name;
} classes[] = {
    {0x01, 0x01, "IDE controller"},
    {0x01, 0x04, "RAID controller"},
    {0x01, 0x06, "SATA controller"},
    {0x01, 0x07, "SAS controller"},
    {0x01, 0x08, "NVMe controller"},
    {0x01, CLASS_ANY, "storage controller"},
    {0x02, 0x00, "Ethernet controller"},
    {0x02, CLASS_ANY, "network controller"},
    {0x03, 0x00, "VGA controller"},
    {0x03, CLASS_ANY, "display controller"},
    {0x04, CLASS_ANY, "multimedia device"},
    {0x05, CLASS_ANY, "memory controller"},
    {0x06, 0x00, "host bridge"},
    {0x06, 0x01, "ISA bridge"},
    {0x06, 0x04, "PCI bridge"},
    {0x06, CLASS_ANY, "bridge"},
    {0x07, 0x00, "serial controller"},
    {0x07, CLASS_ANY, "communication controller"},
    {0x08, 0x06, "IOMMU"},
    {0x08, CLASS_ANY, "system peripheral"},
    {0x09, CLASS_ANY, "input device"},
    {0x0c, 0x03, "USB controller"},
    {0x0c, 0x05, "SMBus controller"},
    {0x0c, CLASS_ANY, "serial bus controller"},
    {0x0d, CLASS_ANY, "wireless controller"},
    {0x10, CLASS_ANY, "encryption controller"},
    {0x11, CLASS_ANY, "signal processor"},
    {0x12, CLASS_ANY, "accelerator"},
};

/* The listing goes on in steps: a machine may have 256 buses. */
static struct {
	uint64_t found[BUSES / 64], done[BUSES / 64];
	unsigned bus, slot;
} scan;

static const char *class_name(uint32_t reg)
{
	uint8_t class = (uint8_t)(reg >> 24), subclass = (uint8_t)(reg >> 16);

	for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
		if (classes[i].class == class &&
		    (classes[i].subclass == subclass || classes[i].subclass == CLASS_ANY))
			return classes[i].name;
	}
	return "device";
}

static void add_bus(unsigned bus)
{
	scan.found[bus / 64] |= BIT(bus % 64);
}

/* True if there is a device there that may have more functions. */
static bool list_function(uint16_t bdf)
{
	uint32_t id = host_pci_read(bdf, PCI_CONFIG_ID), class, header;

	if (id == NOTHING || (id & 0xffff) == 0xffff)
		return false;
	class = host_pci_read(bdf, PCI_CONFIG_CLASS);
	header = host_pci_read(bdf, PCI_CONFIG_HEADER);
	console_print("%02x:%02x.%x  %04x:%04x  %02x%02x%02x  %s\n", bdf >> 8, bdf >> 3 & 0x1f, bdf & 7,
		      id & 0xffff, id >> 16, class >> 24, class >> 16 & 0xff, class >> 8 & 0xff,
		      class_name(class));
	if (HEADER_TYPE(header) == HEADER_BRIDGE)
		add_bus(host_pci_read(bdf, PCI_CONFIG_BUSES) >> 8 & 0xff);
	return header & HEADER_MULTI;
}

static void list_slot(unsigned bus, unsigned slot)
{
	uint16_t bdf = (uint16_t)(bus << 8 | slot << 3);

	if (!list_function(bdf))
		return;
	for (unsigned fn = 1; fn < FUNCTIONS; fn++)
		list_function(bdf | (uint16_t)fn);
}

/* The lowest bus that was found and not listed yet; BUSES: none. */
static unsigned next_bus(void)
{
	for (unsigned i = 0; i < BUSES; i++) {
		if ((scan.found[i / 64] & ~scan.done[i / 64]) >> (i % 64) & 1)
			return i;
	}
	return BUSES;
}

static bool continue_scan(void)
{
	for (unsigned i = 0; i < SLOTS_PER_STEP; i++)
		list_slot(scan.bus, scan.slot++);
	if (scan.slot < SLOTS_PER_BUS)
		return true;
	scan.done[scan.bus / 64] |= BIT(scan.bus % 64);
	scan.bus = next_bus();
	scan.slot = 0;
	return scan.bus < BUSES;
}

void command_pci(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	memset(&scan, 0, sizeof(scan));
	add_bus(0);
	console_print("%-7s  %-9s  %-6s  %s\n", "DEVICE", "ID", "CLASS", "NAME");
	command_continue_with(continue_scan);
}
