/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/io/partition.c: what a [disk] section names is found on a device of 512 and of 4096 bytes a block, or said why not. */
#include "support.h"

#include <stdlib.h>
#include <string.h>
#include "hv/io/partition.h"
#include "hv/lib/crc32.h"
#include "hv/lib/util.h"
#include "mm/host_map.h"
#include "mm/page_alloc.h"

#define BLOCKS 64

static uint8_t medium[BLOCKS * 4096];
static uint8_t *page;
static unsigned pages;
static bool broken;
static struct block_device device = {.name = "nvme0"};
static char why[200];

void *page_alloc(unsigned order)
{
	pages++;
	page = aligned_alloc(PAGE_SIZE, PAGE_SIZE << order);
	return page;
}

void page_free(void *p, unsigned order)
{
	pages--;
	free(p);
}

hpa_t host_pa(const void *p)
{
	assert_ptr_equal(p, page);
	return hpa(0x1234000);
}

enum status block_submit_wait(struct block_device *b, struct block_request *r)
{
	assert_int_equal(r->op, BLOCK_READ);
	assert_int_equal(r->runs, 1);
	assert_int_equal(r->run->pa.v, 0x1234000);
	assert_int_equal(r->run->len, r->sectors * BLOCK_SECTOR);
	assert_int_equal(r->sectors * BLOCK_SECTOR, b->logical_size);
	assert_true(r->sector + r->sectors <= b->sectors);
	memcpy(page, medium + r->sector * BLOCK_SECTOR, r->run->len);
	return broken ? ERR_TIMEOUT : OK;
}

static void put(uint8_t *at, uint64_t value, size_t n)
{
	memcpy(at, &value, n);
}

/* "root" in blocks 10 to 19, by a table in block 1 and entries in block 2 on. */
static void make(uint32_t size)
{
	uint8_t *h = medium + size, *e = medium + 2 * size;

	memset(medium, 0, sizeof(medium));
	medium[450] = 0xee;
	medium[510] = 0x55;
	medium[511] = 0xaa;
	memset(e, 0xaf, 16);
	memset(e + 16, 0x11, 16);
	put(e + 32, 10, 8);
	put(e + 40, 19, 8);
	memcpy(e + 56, u"root", 8);
	memcpy(h, "EFI PART", 8);
	put(h + 8, 0x10000, 4);
	put(h + 12, 92, 4);
	put(h + 24, 1, 8);
	put(h + 40, 8, 8);
	put(h + 48, 50, 8);
	put(h + 72, 2, 8);
	put(h + 80, 4, 4);
	put(h + 84, 128, 4);
	put(h + 88, crc32(0, e, 512), 4);
	put(h + 16, crc32(0, h, 92), 4);
	device.sectors = BLOCKS * size / BLOCK_SECTOR;
	device.logical_size = size;
}

static enum status look(struct disk_config *cfg, struct partition *p)
{
	why[0] = '\0';
	partition_read(cfg, &device);
	assert_int_equal(pages, 0);
	return partition_get(cfg, p, why, sizeof(why));
}

static void test_found(void **state)
{
	static struct disk_config cfg[8];
	struct partition p;

	for (unsigned big = 0; big < 2; big++) {
		struct disk_config *c = cfg + 3 * big;

		make(big ? 4096 : 512);
		c[0] = (struct disk_config){.partition = PARTITION_NAME, .partition_name = "root"};
		c[1] = (struct disk_config){.partition = PARTITION_NUMBER, .partition_number = 1};
		c[2] = (struct disk_config){.partition = PARTITION_GUID};
		memset(c[2].partition_guid, 0x11, sizeof(c[2].partition_guid));
		for (unsigned i = 0; i < 3; i++) {
			assert_int_equal(look(&c[i], &p), OK);
			assert_int_equal(p.first, big ? 80 : 10);
			assert_int_equal(p.sectors, big ? 80 : 10);
		}
	}
	/* What the table becomes later is of no effect. */
	memset(medium, 0, sizeof(medium));
	assert_int_equal(partition_get(&cfg[0], &p, why, sizeof(why)), OK);
	assert_int_equal(p.first, 10);
}

static void test_not_found(void **state)
{
	static struct disk_config cfg[8];
	struct partition p;

	make(512);
	cfg[0] = (struct disk_config){.partition = PARTITION_NAME, .partition_name = "boot"};
	assert_int_equal(look(&cfg[0], &p), ERR_NOENT);
	assert_string_equal(why, "no partition named 'boot' on nvme0");
	cfg[1] = (struct disk_config){.partition = PARTITION_NUMBER, .partition_number = 2};
	assert_int_equal(look(&cfg[1], &p), ERR_NOENT);
	assert_string_equal(why, "no partition number 2 on nvme0");
	cfg[2] =
	    (struct disk_config){.partition = PARTITION_GUID, .partition_guid = {3, 2, 1, 0, 5, 4, 7, 6, 8}};
	assert_int_equal(look(&cfg[2], &p), ERR_NOENT);
	assert_string_equal(why, "no partition with GUID 00010203-0405-0607-0800-000000000000 on nvme0");
	medium[512 + 60] ^= 1;
	cfg[3] = cfg[0];
	assert_int_equal(look(&cfg[3], &p), ERR_INVAL);
	assert_string_equal(why, "nvme0 has a damaged partition table, and so is its backup");
	memset(medium, 0, 512);
	cfg[4] = cfg[0];
	assert_int_equal(look(&cfg[4], &p), ERR_NOENT);
	assert_string_equal(why, "nvme0 has no GUID partition table");
	broken = true;
	cfg[5] = cfg[0];
	assert_int_equal(look(&cfg[5], &p), ERR_IO);
	assert_string_equal(why, "nvme0 does not let its partition table be read");
	broken = false;
	assert_int_equal(partition_get(&cfg[6], &p, why, sizeof(why)), ERR_NOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_found), cmocka_unit_test(test_not_found)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
