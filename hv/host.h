/* SPDX-License-Identifier: BSD-2-Clause */
/* What management may know of the machine, and memory for its own rings: of mm/ and drivers/ hv/mgmt/ sees PCI devices alone. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct host_memory {
	uint64_t host_total, host_free, guest_total, guest_free; /* bytes */
};

void host_memory(struct host_memory *m);
/* Zeroed memory of Ingot's own, for good. NULL: none left. */
void *host_alloc(size_t bytes);
