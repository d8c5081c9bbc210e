/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The partitions that [disk] sections name: looked for once, at boot, when a device can be waited for, and kept. What a guest
 * writes into a table later moves nobody's disk.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include "hv/config.h"
#include "hv/io/block.h"

struct partition {
	uint64_t first, sectors; /* of BLOCK_SECTOR bytes, on the device */
};

/* Looks for cfg's partition on b, its device; a section once. Boot CPU, before guests start. */
void partition_read(const struct disk_config *cfg, struct block_device *b);
/* What was found. On failure `why` says what an operator needs: "no partition named 'root' on nvme0". */
enum status partition_get(const struct disk_config *cfg, struct partition *p, char *why, size_t why_size);
