/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/io/disk_open.c: which device a [disk] section means, and who may have it beside whom. */
#include "support.h"

#include <string.h>
#include "hv/files.h"
#include "hv/io/block_memory.h"
#include "hv/io/disk.h"
#include "hv/io/partition.h"
#include "hv/lib/util.h"

#define SECTORS  1000
#define NVME_BDF 0x20 /* 00:04.0 */
#define SATA_BDF 0xfa /* 00:1f.2 */

static struct block_device device[] = {
    {.name = "nvme0", .serial = "one", .bdf = NVME_BDF, .sectors = SECTORS},
    {.name = "sata0", .serial = "two", .bdf = SATA_BDF, .sectors = SECTORS},
    {.name = "sata1", .serial = "three", .bdf = SATA_BDF, .sectors = SECTORS},
    {.name = "sata2", .serial = "two", .bdf = SATA_BDF, .sectors = SECTORS, .readonly = true},
};
static struct disk_config cfg = {.name = "data"}, other = {.name = "other"};
static struct disk disk, rival;
static struct partition part;
static unsigned read_count;
static char why[160];

/* --- what it stands on --- */

struct block_device *block_next(const struct block_device *b)
{
	struct block_device *next = b ? (struct block_device *)b + 1 : device;

	return next == device + ARRAY_SIZE(device) ? NULL : next;
}

void partition_read(const struct disk_config *c, struct block_device *b)
{
	read_count++;
}

enum status partition_get(const struct disk_config *c, struct partition *p, char *text, size_t size)
{
	*p = part;
	return OK;
}

const struct file *file_find(const char *name)
{
	return NULL;
}

enum status block_memory_init(struct block_memory *m, const char *name, const void *file, size_t file_size,
			      uint64_t size, bool readonly)
{
	return ERR_NOMEM;
}

enum status block_memory_free_step(struct block_memory *m)
{
	return OK;
}

void *page_alloc_bytes(size_t bytes)
{
	return NULL;
}

void page_free_bytes(void *p, size_t bytes)
{
}

/* --- which device --- */

static int setup(void **state)
{
	cfg = (struct disk_config){.name = "data", .device = DEVICE_NAME};
	other = (struct disk_config){.name = "other", .device = DEVICE_NAME};
	part = (struct partition){.first = 100, .sectors = 200};
	read_count = 0;
	why[0] = 0;
	return 0;
}

static enum status open_it(struct disk *d, const struct disk_config *c, const char *user)
{
	return disk_open(d, c, user, false, why, sizeof(why));
}

static void closes(struct disk *d)
{
	assert_int_equal(disk_close(d), OK);
}

static void opens(const char *name)
{
	assert_int_equal(open_it(&disk, &cfg, "web"), OK);
	assert_string_equal(disk.block->name, name);
	assert_int_equal(disk.first, 0);
	assert_int_equal(disk.sectors, SECTORS);
	closes(&disk);
}

static void fails(enum status s, const char *text)
{
	assert_int_equal(open_it(&disk, &cfg, "web"), s);
	assert_string_equal(why, text);
	assert_null(disk_next(NULL));
}

static void test_names(void **state)
{
	strcpy(cfg.device_text, "sata1");
	opens("sata1");
	strcpy(cfg.device_text, "sata");
	fails(ERR_NOENT, "disk data: this machine has no such device (see `disk`)");
	cfg.device = DEVICE_PCI;
	cfg.device_bdf = NVME_BDF;
	opens("nvme0");
	cfg.device_bdf = 0x28;
	fails(ERR_NOENT, "disk data: this machine has no such device (see `disk`)");
	cfg.device = DEVICE_SERIAL;
	strcpy(cfg.device_text, "three");
	opens("sata1");
}

/* Nobody gets a disk by chance. */
static void test_several(void **state)
{
	char little[24];

	cfg.device = DEVICE_PCI;
	cfg.device_bdf = SATA_BDF;
	fails(ERR_INVAL, "disk data: its device may be sata0, sata1 or sata2");
	assert_int_equal(disk_open(&disk, &cfg, "web", false, little, sizeof(little)), ERR_INVAL);
	assert_string_equal(little, "disk data: its device m");
	cfg.device = DEVICE_SERIAL;
	strcpy(cfg.device_text, "two");
	fails(ERR_INVAL, "disk data: its device may be sata0 or sata2");
}

static void test_partitions_read(void **state)
{
	static struct config c = {.disk_count = 1};

	cfg.device = DEVICE_PCI;
	cfg.device_bdf = NVME_BDF;
	c.disk[0] = cfg;
	disk_read_partitions(&c);
	assert_int_equal(read_count, 0);
	c.disk[0].partition = PARTITION_NUMBER;
	disk_read_partitions(&c);
	assert_int_equal(read_count, 1);
	c.disk[0].device_bdf = SATA_BDF;
	disk_read_partitions(&c);
	assert_int_equal(read_count, 1);
}

/* --- beside whom --- */

static void test_rivals(void **state)
{
	static const struct {
		uint64_t first, sectors;
		bool one_reads, other_reads, allowed;
	} cases[] = {
	    {100, 200, false, false, false},  {299, 1, false, false, false}, {0, 101, false, true, false},
	    {0, SECTORS, true, false, false}, {100, 200, true, true, true},  {300, 10, false, false, true},
	    {0, 100, false, false, true},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		setup(state);
		strcpy(cfg.device_text, "nvme0");
		strcpy(other.device_text, "nvme0");
		cfg.partition = other.partition = PARTITION_NUMBER;
		cfg.readonly = cases[i].one_reads;
		other.readonly = cases[i].other_reads;
		assert_int_equal(open_it(&disk, &cfg, "web"), OK);
		part.first = cases[i].first;
		part.sectors = cases[i].sectors;
		assert_int_equal(open_it(&rival, &other, "db"), cases[i].allowed ? OK : ERR_BUSY);
		if (cases[i].allowed)
			closes(&rival);
		else
			assert_string_equal(
			    why, "disk other: vm web has it as disk data, and one of them may write");
		closes(&disk);
		assert_null(disk_next(NULL));
	}
}

/* The device's own rights, the section's and the guest's: the least of them. */
static void test_readonly(void **state)
{
	strcpy(cfg.device_text, "sata2");
	assert_int_equal(open_it(&disk, &cfg, "web"), OK);
	assert_true(disk.readonly);
	closes(&disk);
	strcpy(cfg.device_text, "sata1");
	assert_int_equal(open_it(&disk, &cfg, "web"), OK);
	assert_false(disk.readonly);
	closes(&disk);
	assert_int_equal(disk_open(&disk, &cfg, "web", true, why, sizeof(why)), OK);
	assert_true(disk.readonly);
	closes(&disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_names, setup),           cmocka_unit_test_setup(test_several, setup),
	    cmocka_unit_test_setup(test_partitions_read, setup), cmocka_unit_test_setup(test_rivals, setup),
	    cmocka_unit_test_setup(test_readonly, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
