/* SPDX-License-Identifier: BSD-2-Clause */
/* A function's configuration space: bytes, each with the bits that the guest may change. */
#include "hv/lib/panic.h"
#include "hv/lib/string.h"
#include "hv/vdev/pci_private.h"

/* What every header has; other registers are read-only until somebody defines them. */
static const struct {
	uint8_t offset, size;
	uint32_t writable;
} header[] = {
    {PCI_COMMAND, 2,
     PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY | PCI_COMMAND_SERR |
	 PCI_COMMAND_INTX_DISABLE},
    {PCI_CACHE_LINE, 1, 0xff},
};

#define CAPABILITY_ALIGN  4u
#define CAPABILITY_HEADER 2u

#define REGISTER_SIZE     4u

void vpci_config_define(struct pci_function *f, unsigned offset, unsigned size, uint32_t value,
			uint32_t writable)
{
	CHECK(offset + size <= PCI_CONFIG_SIZE);
	memcpy(f->config + offset, &value, size);
	memcpy(f->writable + offset, &writable, size);
}

void vpci_function_init(struct pci_function *f, const struct pci_identity *id)
{
	*f = (struct pci_function){.capabilities_end = PCI_HEADER_END};
	vpci_config_define(f, PCI_VENDOR, 2, id->vendor, 0);
	vpci_config_define(f, PCI_DEVICE, 2, id->device, 0);
	vpci_config_define(f, PCI_REVISION, 4, id->class_code << 8 | id->revision, 0);
	vpci_config_define(f, PCI_SUBSYSTEM_VENDOR, 2, id->subsystem_vendor, 0);
	vpci_config_define(f, PCI_SUBSYSTEM, 2, id->subsystem, 0);
	for (size_t i = 0; i < ARRAY_SIZE(header); i++)
		vpci_config_define(f, header[i].offset, header[i].size, 0, header[i].writable);
}

void vpci_config_handle(struct pci_function *f, unsigned offset, pci_config_read_fn read,
			pci_config_write_fn write)
{
	CHECK(offset && IS_ALIGNED(offset, REGISTER_SIZE) && !f->handled);
	f->handled = offset;
	f->handled_read = read;
	f->handled_write = write;
}

/* "Capabilities List": the new one comes first. */
unsigned vpci_capability_add(struct pci_function *f, uint8_t id, unsigned size)
{
	unsigned at = f->capabilities_end;

	CHECK(size >= CAPABILITY_HEADER && size <= PCI_CONFIG_SIZE - at);
	vpci_config_define(f, at, 1, id, 0);
	vpci_config_define(f, at + PCI_CAP_NEXT, 1, f->config[PCI_CAPABILITIES], 0);
	vpci_config_define(f, PCI_CAPABILITIES, 1, at, 0);
	vpci_config_define(f, PCI_STATUS, 2, PCI_STATUS_CAPABILITIES, 0);
	f->capabilities_end = ALIGN_UP(at + size, CAPABILITY_ALIGN);
	return at;
}

static void follow(struct pci_function *f)
{
	vpci_bars_follow(f);
	vpci_msix_follow(f);
	vpci_intx_follow(f);
}

void vpci_function_reset(struct pci_function *f)
{
	spin_lock(&f->lock);
	for (unsigned i = 0; i < PCI_CONFIG_SIZE; i++)
		f->config[i] &= (uint8_t)~f->writable[i];
	vpci_msix_reset(f);
	f->intx = false;
	follow(f);
	spin_unlock(&f->lock);
}

uint32_t vpci_config_value(struct pci_function *f, unsigned offset, unsigned size)
{
	uint32_t value;

	spin_lock(&f->lock);
	value = vpci_config_get(f, offset, size);
	spin_unlock(&f->lock);
	return value;
}

/* Is it in the register that the device answers for? */
static bool handled(const struct pci_function *f, unsigned offset)
{
	return f->handled && ALIGN_DOWN(offset, REGISTER_SIZE) == f->handled;
}

uint32_t vpci_config_read(struct pci_function *f, unsigned offset, unsigned size)
{
	return handled(f, offset) ? f->handled_read(f, offset - f->handled, size)
				  : vpci_config_value(f, offset, size);
}

void vpci_config_write(struct pci_function *f, unsigned offset, unsigned size, uint32_t value)
{
	if (handled(f, offset)) {
		f->handled_write(f, offset - f->handled, size, value);
		return;
	}
	spin_lock(&f->lock);
	for (unsigned i = offset; i < offset + size; i++, value >>= 8)
		f->config[i] = (f->config[i] & (uint8_t)~f->writable[i]) | ((uint8_t)value & f->writable[i]);
	follow(f);
	spin_unlock(&f->lock);
}
