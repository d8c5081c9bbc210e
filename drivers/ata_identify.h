/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an ATA disk says of itself: the data of IDENTIFY DEVICE (ATA8-ACS, "IDENTIFY DEVICE"), of disks behind PATA and SATA
 * controllers alike. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/io/block.h"

#define ATA_IDENTIFY_WORDS 256

struct ata_identity {
	char model[BLOCK_ID_SIZE], serial[BLOCK_ID_SIZE];
	uint64_t sectors; /* of BLOCK_SECTOR bytes */
	uint32_t logical_size,
	    physical_size;     /* bytes; powers of two from BLOCK_SECTOR on, the first up to 4 KiB */
	bool lba48;            /* commands with 48-bit addresses and 16-bit counts; else 28 and 8 */
	bool flush;            /* FLUSH CACHE; with lba48 FLUSH CACHE EXT */
	bool write_cache;      /* may hold what has been written, until it is flushed */
	bool fua;              /* WRITE DMA FUA EXT */
	bool dma_selected;     /* a DMA mode is in use */
	uint8_t multiword_dma; /* bit n: mode n is there */
};

/*
 * ERR_UNSUPPORTED: it is no disk with DMA and LBA, or one with blocks of a size that nobody has here. ERR_IO: the data can't be
 * right: a wrong checksum, no sectors or more than there are addresses.
 */
enum status ata_identify_parse(const uint16_t word[ATA_IDENTIFY_WORDS], struct ata_identity *id);
/* Are they of the same disk, as far as one can tell? */
bool ata_identity_same(const struct ata_identity *a, const struct ata_identity *b);
