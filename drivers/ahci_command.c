/* SPDX-License-Identifier: BSD-2-Clause */
/* AHCI commands: see ahci_command.h. */
#include "drivers/ahci_command.h"

#include "hv/lib/string.h"

#define LBA_MAX        BIT(48)
#define COUNT_MAX      65536u
#define PRD_ALIGN      2
#define PRD_BYTES_MAX  MIB(4)
#define IDENTIFY_BYTES 512

static void put_fis(struct ahci_table *t, enum ahci_ata command, uint64_t lba, uint32_t count)
{
	t->fis = (struct ahci_fis){
	    .type = AHCI_FIS_H2D,
	    .flags = AHCI_FIS_COMMAND,
	    .command = (uint8_t)command,
	    .device = AHCI_DEVICE_LBA,
	    .lba0 = (uint8_t)lba,
	    .lba1 = (uint8_t)(lba >> 8),
	    .lba2 = (uint8_t)(lba >> 16),
	    .lba3 = (uint8_t)(lba >> 24),
	    .lba4 = (uint8_t)(lba >> 32),
	    .lba5 = (uint8_t)(lba >> 40),
	    .count = (uint8_t)count, /* 0: COUNT_MAX */
	    .count_high = (uint8_t)(count >> 8),
	};
}

static void put_header(struct ahci_header *h, hpa_t table_pa, unsigned prds, bool write)
{
	*h = (struct ahci_header){.flags = (uint16_t)(AHCI_HEADER_FIS | (write ? AHCI_HEADER_WRITE : 0)),
				  .prds = (uint16_t)prds,
				  .table = table_pa.v};
}

static bool put_data(struct ahci_table *t, const struct block_request *r)
{
	uint64_t left = (uint64_t)r->sectors * BLOCK_SECTOR;

	if (r->runs > AHCI_PRDS)
		return false;
	for (uint32_t i = 0; i < r->runs; i++) {
		const struct frame_run *run = &r->run[i];

		if (run->len == 0 || run->len > left || run->len > PRD_BYTES_MAX ||
		    (run->pa.v | run->len) % PRD_ALIGN)
			return false;
		t->prd[i] = (struct ahci_prd){.address = run->pa.v, .count = run->len - 1};
		left -= run->len;
	}
	return left == 0;
}

/* "DATA SET MANAGEMENT", Trim: as many ranges as the blocks need; unused ones are zeros. */
static bool put_trim(struct ahci_table *t, hpa_t table_pa, uint64_t lba, uint32_t blocks)
{
	memset(t->trim, 0, sizeof(t->trim));
	for (unsigned i = 0; i < AHCI_TRIM_RANGES && blocks; i++) {
		uint32_t n = MIN(blocks, AHCI_TRIM_RANGE_MAX);

		t->trim[i] = AHCI_TRIM_RANGE(lba, n);
		lba += n;
		blocks -= n;
	}
	t->prd[0] = (struct ahci_prd){.address = table_pa.v + offsetof(struct ahci_table, trim),
				      .count = sizeof(t->trim) - 1};
	return blocks == 0;
}

bool ahci_command_build(struct ahci_header *h, struct ahci_table *t, hpa_t table_pa,
			const struct ata_identity *id, const struct block_request *r)
{
	uint32_t unit = id->logical_size / BLOCK_SECTOR, blocks = r->sectors / unit;
	uint64_t lba = r->sector / unit;

	if (r->op == BLOCK_FLUSH) {
		put_fis(t, AHCI_ATA_FLUSH_CACHE_EXT, 0, 0);
		put_header(h, table_pa, 0, false);
		return true;
	}
	if (r->sectors % unit || r->sector % unit || !blocks || lba >= LBA_MAX || blocks > LBA_MAX - lba)
		return false;
	if (r->op == BLOCK_DISCARD) {
		put_fis(t, AHCI_ATA_DATASET_MANAGEMENT, 0, 1);
		t->fis.features = AHCI_FEATURE_TRIM;
		put_header(h, table_pa, 1, true);
		return put_trim(t, table_pa, lba, blocks);
	}
	if (blocks > COUNT_MAX || (r->op != BLOCK_READ && r->op != BLOCK_WRITE))
		return false;
	put_fis(t,
		r->op == BLOCK_READ ? AHCI_ATA_READ_DMA_EXT
		: r->fua && id->fua ? AHCI_ATA_WRITE_DMA_FUA_EXT
				    : AHCI_ATA_WRITE_DMA_EXT,
		lba, blocks);
	put_header(h, table_pa, r->runs, r->op == BLOCK_WRITE);
	return put_data(t, r);
}

void ahci_command_identify(struct ahci_header *h, struct ahci_table *t, hpa_t table_pa, hpa_t data)
{
	put_fis(t, AHCI_ATA_IDENTIFY, 0, 0);
	put_header(h, table_pa, 1, false);
	t->prd[0] = (struct ahci_prd){.address = data.v, .count = IDENTIFY_BYTES - 1};
}

static uint32_t transferred(const struct ahci_header *h)
{
	return __atomic_load_n(&h->transferred, __ATOMIC_RELAXED);
}

bool ahci_command_identified(const struct ahci_header *h)
{
	return transferred(h) == IDENTIFY_BYTES;
}

bool ahci_command_whole(const struct ahci_header *h, const struct block_request *r)
{
	return (r->op != BLOCK_READ && r->op != BLOCK_WRITE) || transferred(h) == r->sectors * BLOCK_SECTOR;
}
