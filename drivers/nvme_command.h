/* SPDX-License-Identifier: BSD-2-Clause */
/* From a block request to an NVMe command, and from Identify's data to what a namespace offers. Pure: no register is touched. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "drivers/nvme_spec.h"
#include "hv/io/block.h"
#include "hv/lib/types.h"

/*
 * Each command has a list of PRP entries, which never crosses a page because it is aligned to its size; the one range of
 * Dataset Management goes there too. With the first entry in the command itself a request has as many pages and one.
 */
#define NVME_LIST_ENTRIES 256
#define NVME_LIST_SIZE    (NVME_LIST_ENTRIES * sizeof(uint64_t))
#define NVME_TRANSFER_MAX ((uint64_t)NVME_LIST_ENTRIES * PAGE_SIZE) /* bytes, however they are aligned */
#define NVME_DISCARD_MAX  MIB(1)                                    /* sectors of BLOCK_SECTOR */

/* What the controller says of itself. */
struct nvme_controller_id {
	char model[BLOCK_ID_SIZE], serial[BLOCK_ID_SIZE];
	uint32_t transfer_max; /* bytes */
	bool write_cache, write_zeroes, dataset_management;
};

/* What a command needs to know of its namespace. */
struct nvme_format {
	uint32_t nsid;
	uint8_t block_shift;  /* log2 of a block's bytes: 9 to 12 */
	bool zeroes_unmapped; /* Write Zeroes may deallocate, and the blocks then read as zeros */
};

/* False: entries of its queues have other sizes than ours. data: NVME_IDENTIFY_SIZE bytes. */
bool nvme_controller_parse(struct nvme_controller_id *id, const uint8_t *data);
/*
 * Fills f and b's size and limits from Identify Namespace. NULL, or why this namespace can't be used: a text for the operator.
 */
const char *nvme_namespace_parse(struct nvme_format *f, struct block_device *b, uint32_t nsid,
				 const struct nvme_controller_id *id, const uint8_t *data);

/* c, but for its id, does r. list_pa is where `list` lies for the device. False: r is against b's limits. */
bool nvme_command_build(struct nvme_command *c, const struct nvme_format *f, const struct block_request *r,
			uint64_t list[NVME_LIST_ENTRIES], hpa_t list_pa);
/* What a completion's status, its phase shifted out, is for the block layer. */
enum status nvme_status(uint16_t status);
