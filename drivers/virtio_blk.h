/* SPDX-License-Identifier: BSD-2-Clause */
/* Driver of virtio block devices: each becomes a struct block_device, called virtio0 and so on. */
#pragma once

#include "drivers/pci.h"
#include "hv/lib/status.h"

enum status virtio_blk_probe(struct pci_device *d);
