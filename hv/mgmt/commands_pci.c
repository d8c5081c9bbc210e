/* SPDX-License-Identifier: BSD-2-Clause */
/* `pci`: lists the machine's PCI devices, bus by bus, and who drives them. Only looks. */
#include <stdbool.h>
#include <stdint.h>
#include "drivers/pci.h"
#include "drivers/pci_scan.h"
#include "hv/lib/util.h"
#include "hv/mgmt/commands.h"
#include "hv/mgmt/console.h"

#define PLACES_PER_STEP 64 /* a configuration access takes a microsecond */
#define CLASS_ANY       0xff

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
static struct pci_scan scan;

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

static void list_function(uint16_t bdf)
{
	uint32_t id = pci_config_read(bdf, PCI_VENDOR), class = pci_config_read(bdf, PCI_REVISION);
	const struct pci_device *driven = pci_find(bdf);

	console_print("%02x:%02x.%x  %04x:%04x  %06x  %-20s  %s\n", bdf >> 8, bdf >> 3 & 0x1f, bdf & 7,
		      id & 0xffff, id >> 16, class >> 8, class_name(class), driven ? driven->driver : "");
}

static bool continue_scan(void)
{
	uint16_t bdf;

	for (unsigned i = 0; i < PLACES_PER_STEP && !pci_scan_ended(&scan); i++) {
		if (pci_scan_step(&scan, &bdf))
			list_function(bdf);
	}
	return !pci_scan_ended(&scan);
}

void command_pci(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	pci_scan_start(&scan);
	console_print("%-7s  %-9s  %-6s  %-20s  %s\n", "DEVICE", "ID", "CLASS", "NAME", "DRIVER");
	command_continue_with(continue_scan);
}
