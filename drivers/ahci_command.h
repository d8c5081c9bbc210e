/* SPDX-License-Identifier: BSD-2-Clause */
/* From a block request to an AHCI command in memory. Pure: no register is touched. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "drivers/ahci_spec.h"
#include "drivers/ata_identify.h"
#include "hv/io/block.h"
#include "hv/lib/types.h"

/* Fills slot's header and table; table_pa is where the table lies. id: the disk's. False: r is one that can't be. */
bool ahci_command_build(struct ahci_header *h, struct ahci_table *t, hpa_t table_pa,
			const struct ata_identity *id, const struct block_request *r);
/* IDENTIFY DEVICE, 512 bytes to data. */
void ahci_command_identify(struct ahci_header *h, struct ahci_table *t, hpa_t table_pa, hpa_t data);
bool ahci_command_identified(const struct ahci_header *h); /* all of it has come */
/* Has the command of r, which the disk calls complete, moved all that it was to move? */
bool ahci_command_whole(const struct ahci_header *h, const struct block_request *r);
