/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PCI configuration mechanism #1, ports CF8h-CFFh: bus 0 with a host bridge at 00:00.0 and nothing else.
 * Model: PCI Local Bus Specification, "Software Generation of Configuration Transactions".
 */
#pragma once

#include <stdint.h>
#include "hv/lib/status.h"
#include "hv/vdev/vdev.h"

struct vpci {
	struct vdev dev;
	uint32_t address; /* CONFIG_ADDRESS */
};

enum status vpci_init(struct vm *vm);
void vpci_reset(struct vm *vm);
