/* SPDX-License-Identifier: BSD-2-Clause */
/* Driver of virtio network devices: each becomes a struct nic, called virtio-net-0 and so on. */
#pragma once

#include "drivers/pci.h"
#include "hv/lib/status.h"

enum status virtio_net_probe(struct pci_device *d);
