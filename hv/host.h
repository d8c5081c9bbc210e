/* SPDX-License-Identifier: BSD-2-Clause */
/* What management may know of the machine, and memory for its own rings: hv/mgmt/ sees neither mm/ nor drivers/. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct host_memory {
	uint64_t host_total, host_free, guest_total, guest_free; /* bytes */
};

void host_memory(struct host_memory *m);
/* Zeroed memory of Ingot's own, for good. NULL: none left. */
void *host_alloc(size_t bytes);
/* A register of a PCI device's configuration space; bdf and offset as in drivers/pci_config.h. */
uint32_t host_pci_read(uint16_t bdf, uint8_t offset);
