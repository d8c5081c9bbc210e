/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of the PCI bus, hv/vdev/pci*.c, want of each other. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/lib/status.h"
#include "hv/vdev/pci_function.h"

/* Power-on. f is on the bus. */
void vpci_function_reset(struct pci_function *f);
/* One access of 1, 2 or 4 bytes, not over the end of a register: offset % 4 + size <= 4, offset below PCI_CONFIG_SIZE. */
uint32_t vpci_config_read(struct pci_function *f, unsigned offset, unsigned size);
void vpci_config_write(struct pci_function *f, unsigned offset, unsigned size, uint32_t value);

/* With f's lock held: the register of 1, 2 or 4 bytes at offset; where size is a constant, in a load. */
static inline uint32_t vpci_config_get(const struct pci_function *f, unsigned offset, unsigned size)
{
	uint32_t value = 0;

	__builtin_memcpy(&value, f->config + offset, size);
	return value;
}

/* With f's lock held, after a change of configuration space: BARs, messages, the pin are as it says. */
void vpci_bars_follow(struct pci_function *f);
void vpci_msix_follow(struct pci_function *f);
void vpci_intx_follow(struct pci_function *f);

/* With f's lock held: all vectors masked, none pending. */
void vpci_msix_reset(struct pci_function *f);
/* With f's lock held: the guest has MSI-X on. */
bool vpci_msix_enabled(const struct pci_function *f);

/* The windows in which BARs answer, put on vm's buses. */
enum status vpci_windows_init(struct vm *vm);
