/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes the reader of GUID partition tables with any disk, whose sums are made right on the way, else nothing would be behind
 * them. Beside not crashing: no block outside of the disk is read, the reads are bounded, and a partition that is given lies
 * within the disk.
 */
#include <stdint.h>
#include <string.h>
#include "hv/io/gpt.h"
#include "hv/lib/crc32.h"
#include "tests/fuzz/require.h"

#define BLOCK 512
#define READS 10000 /* a table of 1 MiB, twice, and three times its entries one by one */

static const uint8_t *disk_data;
static size_t disk_size;
static uint8_t block[BLOCK];
static unsigned reads;

/* The sum over n bytes of the disk, behind whose end are zeros; 0 where they are too many to be taken. */
static uint32_t sum_of_disk(uint64_t at, uint64_t n)
{
	static const uint8_t zeros[1 << 20];
	uint64_t there = at < disk_size ? disk_size - at : 0;
	uint32_t crc;

	if (n > sizeof(zeros))
		return 0;
	there = there < n ? there : n;
	crc = there ? crc32(0, disk_data + at, there) : 0;
	return crc32(crc, zeros, n - there);
}

/* The sums of a header, as they would be if it had been written so. */
static void mend_header(uint8_t *h)
{
	uint32_t header_size, crc = 0, count, entry_size;
	uint64_t lba;

	memcpy(&header_size, h + 12, sizeof(header_size));
	if (memcmp(h, "EFI PART", 8) != 0 || header_size < 92 || header_size > BLOCK)
		return;
	memcpy(&lba, h + 72, sizeof(lba));
	memcpy(&count, h + 80, sizeof(count));
	memcpy(&entry_size, h + 84, sizeof(entry_size));
	if (lba < UINT64_MAX / BLOCK)
		crc = sum_of_disk(lba * BLOCK, (uint64_t)count * entry_size);
	memcpy(h + 88, &crc, sizeof(crc));
	crc = 0;
	memcpy(h + 16, &crc, sizeof(crc));
	crc = crc32(0, h, header_size);
	memcpy(h + 16, &crc, sizeof(crc));
}

static enum status read_block(struct gpt_disk *d, uint64_t lba)
{
	size_t at = lba * BLOCK, n;

	REQUIRE(lba < d->blocks);
	REQUIRE(++reads < READS);
	memset(block, 0, sizeof(block));
	n = at < disk_size ? disk_size - at : 0;
	if (n > 0)
		memcpy(block, disk_data + at, n < BLOCK ? n : BLOCK);
	mend_header(block);
	return lba == 77 ? ERR_IO : OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gpt_disk d = {
	    .read = read_block, .blocks = size / BLOCK + 1, .block_size = BLOCK, .block = block};
	struct gpt_partition p;
	struct gpt g;
	uint32_t at = 0, before = 0;

	disk_data = data;
	disk_size = size;
	reads = 0;
	if (gpt_open(&g, &d) != OK)
		return 0;
	while (reads < READS / 2 && gpt_next(&g, &at, &p) == OK) {
		REQUIRE(p.number > before && p.number <= g.count && memchr(p.name, 0, sizeof(p.name)));
		before = p.number;
	}
	reads = 0;
	if (before && gpt_find(&g, &(struct gpt_wanted){.number = before}, &p) == OK)
		REQUIRE(p.number == before && p.first <= p.last && p.last < d.blocks && p.first > 1);
	return 0;
}
