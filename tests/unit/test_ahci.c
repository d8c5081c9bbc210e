/* SPDX-License-Identifier: BSD-2-Clause */
/* drivers/ahci*.c under hv/io/block.c: disks that are found, and what is sent to them. */
#include "fake_ahci_pci.h"

/* --- what is found --- */

static void test_probe(void **state)
{
	unsigned a = 0, b = 0;

	assert_int_equal(sscanf(small->name, "sata%u", &a), 1);
	assert_int_equal(sscanf(large->name, "sata%u", &b), 1);
	assert_int_equal(b, a + 1);
	assert_string_equal(small->model, "MODEL  A?");
	assert_string_equal(small->serial, "SERIAL 1");
	assert_int_equal(small->sectors, FAKE_SECTORS);
	assert_int_equal(large->sectors, FAKE_SECTORS);
	assert_int_equal(small->logical_size, 512);
	assert_int_equal(large->logical_size, 4096);
	assert_int_equal(small->bdf, 0xfa);
	assert_int_equal(small->limits.sectors, 2048);
	assert_int_equal(small->limits.discard_sectors, 64 * 65535);
	assert_int_equal(small->limits.zeroes_sectors, 0);
	assert_int_equal(small->limits.pa_max, UINT64_MAX);
	assert_true(small->write_cache && small->fua && !small->readonly);
	assert_int_equal(small->queues, 1);
	assert_int_equal(small->poll_ns, 0);
	assert_true(master);
}

/* As firmware leaves it that has booted from the CD: nobody waits for that, nor for an empty port; but it must not write to memory. */
static void test_probe_running(void **state)
{
	uint64_t start = now;

	fake_run_by_firmware(0);
	fake_run_by_firmware(CD);
	fake.port[CD].ie = 1;
	fake.cap2 = AHCI_CAP2_BOH;
	fake.bohc = AHCI_BOHC_BOS;
	assert_int_equal(probe(), OK);
	assert_int_equal(fake.port[0].resets, 1);
	assert_int_equal(fake.port[1].resets, 0);
	assert_int_equal(fake.port[CD].resets, 0);
	assert_int_equal(fake.port[CD].identifies, 0);
	assert_int_equal(fake.port[CD].cmd & (AHCI_CMD_CR | AHCI_CMD_FR), 0);
	assert_int_equal(fake.port[CD].ie, 0);
	assert_int_equal(fake.bohc, AHCI_BOHC_OOS);
	assert_in_range(now - start, 0, 3 * (FAKE_LINK_NS + FAKE_READY_NS));
	assert_int_equal(fake_log_warnings, 0);
}

/* The controller is refused: it reaches no memory, and all of the driver's is given back. */
static void refused(enum status s)
{
	long before = allocated;
	uint64_t start = now;
	struct block_device *last = newest();

	assert_int_equal(probe(), s);
	assert_false(master);
	assert_int_equal(allocated, before);
	assert_int_equal(find(last), 0);
	assert_in_range(now - start, 0, 4 * SECOND);
}

static void test_probe_refused(void **state)
{
	fake.port[0].present = fake.port[LARGE].present = false;
	fake.port[0].ssts = fake.port[LARGE].ssts = 0;
	refused(OK);
	setup(state);
	no_memory = true;
	refused(ERR_NOMEM);
	setup(state);
	fake.gone = true;
	refused(ERR_BUSY);
	/* A port that can't be stopped, behind a disk that is fine. */
	setup(state);
	fake_run_by_firmware(CD);
	fake.port[CD].no_stop_ever = true;
	refused(ERR_BUSY);
	setup(state);
	fake_run_by_firmware(CD);
	fake.port[CD].no_release = true;
	refused(ERR_BUSY);
	setup(state);
	fake_run_by_firmware(LARGE);
	fake.port[LARGE].no_stop_ever = true;
	refused(ERR_BUSY);
	/* What the driver has allocated lies above 4 GiB. */
	setup(state);
	fake.cap &= (uint32_t)~AHCI_CAP_64;
	refused(OK);
	assert_int_equal(fake_log_warnings, 2);
}

/* One disk is not taken, the other is; the port is silent and its memory given back. */
static void one_less(uint64_t ns)
{
	static long of_one; /* allocated for a controller with one disk */
	long before = allocated;
	uint64_t start = now;
	struct block_device *last = newest();

	assert_int_equal(probe(), OK);
	assert_int_equal(find(last), 1);
	assert_int_equal(large->logical_size, 4096);
	assert_int_equal(fake_log_warnings, 1);
	assert_int_equal(fake.port[0].cmd & (AHCI_CMD_CR | AHCI_CMD_FR), 0);
	assert_in_range(now - start, 0, ns);
	if (of_one)
		assert_int_equal(allocated - before, of_one);
	of_one = allocated - before;
}

static void test_probe_one_less(void **state)
{
	static const enum fake_fault faults[] = {FAKE_ERROR, FAKE_SHORT, FAKE_WIRE, FAKE_STUCK};

	fake.port[0].id.lba28 = true;
	one_less(SECOND);
	for (unsigned i = 0; i < ARRAY_SIZE(faults); i++) {
		setup(state);
		for (unsigned n = 0; n < 4; n++)
			fake.port[0].fault_of_identify[n] = faults[i];
		one_less(SECOND);
		assert_int_equal(fake.port[0].identifies, 4);
	}
	setup(state);
	fake.port[0].fault_of_identify[0] = FAKE_NEVER;
	one_less(6 * SECOND);
	setup(state);
	fake.port[0].never_ready = true;
	one_less(30 * SECOND);
}

/* Firmware has not looked: what it is shows after the reset. */
static void test_unknown_signature(void **state)
{
	struct block_device *last = newest();

	fake.port[0].shown_sig = fake.port[CD].shown_sig = UINT32_MAX;
	assert_int_equal(probe(), OK);
	assert_int_equal(find(last), 2);
	assert_int_equal(fake.port[CD].resets, 1);
	assert_int_equal(fake.port[CD].cmd & (AHCI_CMD_CR | AHCI_CMD_FR), 0);
	assert_int_equal(fake_log_warnings, 0);
}

static void test_without_interrupts(void **state)
{
	irq_fails = true;
	assert_int_equal(probe(), OK);
	find(NULL);
	assert_int_not_equal(small->poll_ns, 0);
	assert_int_equal(now_do(small, 0), OK);
	assert_int_equal(now_do(large, 1), OK);
}

/* --- what is sent --- */

static unsigned random_runs(struct frame_run *runs, unsigned max, uint32_t bytes)
{
	uint64_t at = (uint64_t)data;
	unsigned n = 0;

	while (bytes) {
		uint32_t len = MIN(bytes, 2 * (1 + (uint32_t)(test_random(&seed) >> 33) % 4096));

		at += 2 * ((test_random(&seed) >> 33) % 32);
		len = n + 1 == max ? bytes : len;
		runs[n++] = (struct frame_run){hpa(at), len};
		bytes -= len;
		at += len;
	}
	return n;
}

static void test_data(void **state)
{
	static struct frame_run runs[AHCI_PRDS];

	for (unsigned i = 0; i < 400; i++) {
		struct block_device *b = i & 1 ? large : small;
		struct fake_port *p = &fake.port[i & 1 ? LARGE : 0];
		uint32_t unit = b->logical_size / BLOCK_SECTOR;
		uint32_t sectors =
		    (1 + (uint32_t)(test_random(&seed) >> 33) % (b->limits.sectors / unit)) * unit;

		req[0].op = i & 2 ? BLOCK_WRITE : BLOCK_READ;
		req[0].sectors = sectors;
		req[0].sector = (test_random(&seed) >> 33) % ((b->sectors - sectors) / unit) * unit;
		req[0].run = runs;
		req[0].runs = random_runs(runs, ARRAY_SIZE(runs), sectors * BLOCK_SECTOR);
		assert_int_equal(now_do(b, 0), OK);
		assert_true(same(p->disk + req[0].sector * BLOCK_SECTOR, runs, req[0].runs));
	}
	assert_int_equal(fake_log_warnings, 0);
}

/* What is against the limits does not reach the disk. */
static void test_impossible(void **state)
{
	static struct frame_run many[AHCI_PRDS + 1];

	req[0].sector = 1;
	assert_int_equal(now_do(large, 0), ERR_INVAL);
	run[1].pa.v += 1;
	assert_int_equal(now_do(small, 1), ERR_INVAL);
	run[2].len = 512;
	assert_int_equal(now_do(small, 2), ERR_INVAL);
	run[3].len = 8192;
	assert_int_equal(now_do(small, 3), ERR_INVAL);
	req[4].sectors = 0;
	assert_int_equal(now_do(small, 4), ERR_INVAL);
	req[5].sector = BIT(57);
	assert_int_equal(now_do(small, 5), ERR_INVAL);
	req[6].op = BLOCK_WRITE_ZEROES;
	assert_int_equal(now_do(small, 6), ERR_INVAL);
	for (unsigned i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = (struct frame_run){hpa((uint64_t)data), 512};
	req[7].run = many;
	req[7].runs = req[7].sectors = ARRAY_SIZE(many);
	assert_int_equal(now_do(small, 7), ERR_INVAL);
	assert_int_equal(fake.port[0].commands, 0);
	assert_int_equal(now_do(small, 8), OK);
}

static void test_commands(void **state)
{
	struct fake_port *p = &fake.port[LARGE];

	req[0].op = BLOCK_FLUSH;
	req[0].sectors = 0;
	assert_int_equal(now_do(large, 0), OK);
	assert_int_equal(p->last.command, AHCI_ATA_FLUSH_CACHE_EXT);
	req[1].op = BLOCK_WRITE;
	req[1].sector = 16;
	assert_int_equal(now_do(large, 1), OK);
	assert_int_equal(p->last.command, AHCI_ATA_WRITE_DMA_EXT);
	assert_int_equal(p->last.lba0, 2);
	assert_int_equal(p->last.count, 1);
	assert_memory_equal(p->disk + 16 * 512, (void *)run[1].pa.v, PAGE_SIZE);
	req[1].fua = true;
	assert_int_equal(now_do(large, 1), OK);
	assert_int_equal(p->last.command, AHCI_ATA_WRITE_DMA_FUA_EXT);
	memset(p->disk, 1, sizeof(p->disk));
	req[2] =
	    (struct block_request){.op = BLOCK_DISCARD, .sector = 16, .sectors = 1000, .done = request_done};
	assert_int_equal(now_do(large, 2), OK);
	assert_int_equal(p->last.command, AHCI_ATA_DATASET_MANAGEMENT);
	assert_int_equal(p->disk[16 * 512 - 1], 1);
	assert_int_equal(p->disk[16 * 512], 0);
	assert_int_equal(p->disk[1016 * 512 - 1], 0);
	assert_int_equal(p->disk[1016 * 512], 1);
}

/* The largest discard, and large addresses. */
static void test_build(void **state)
{
	static struct ahci_table t;
	struct ata_identity id = {.logical_size = 512};
	struct ahci_header h;
	struct block_request r = {.op = BLOCK_DISCARD, .sector = 0x123456789abc, .sectors = 64 * 65535};

	assert_true(ahci_command_build(&h, &t, hpa(PAGE_SIZE), &id, &r));
	assert_int_equal(h.prds, 1);
	assert_int_equal(t.prd[0].address, PAGE_SIZE + offsetof(struct ahci_table, trim));
	assert_int_equal(t.prd[0].count, 511);
	assert_int_equal(t.trim[0], 0xffff123456789abc);
	assert_int_equal(t.trim[63], 0xffff123456789abc + 63 * 65535);
	r.sectors++;
	assert_false(ahci_command_build(&h, &t, hpa(PAGE_SIZE), &id, &r));
	r.sectors = 65536;
	assert_true(ahci_command_build(&h, &t, hpa(PAGE_SIZE), &id, &r));
	assert_int_equal(t.trim[1], 0x0001123456789abc + 65535);
	assert_int_equal(t.trim[2], 0);
	r = (struct block_request){
	    .op = BLOCK_READ, .sector = 0xfedcba987654, .sectors = 8, .run = run, .runs = 1};
	assert_true(ahci_command_build(&h, &t, hpa(PAGE_SIZE), &id, &r));
	assert_int_equal(t.fis.lba0, 0x54);
	assert_int_equal(t.fis.lba2, 0x98);
	assert_int_equal(t.fis.lba3, 0xba);
	assert_int_equal(t.fis.lba5, 0xfe);
	r.sector = 0xfffffffffff8;
	assert_true(ahci_command_build(&h, &t, hpa(PAGE_SIZE), &id, &r));
	r.sector++;
	assert_false(ahci_command_build(&h, &t, hpa(PAGE_SIZE), &id, &r));
	/* A disk without FUA: the core sends a flush behind the write. */
	r = (struct block_request){.op = BLOCK_WRITE, .fua = true, .sectors = 8, .run = run, .runs = 1};
	assert_true(ahci_command_build(&h, &t, hpa(PAGE_SIZE), &id, &r));
	assert_int_equal(t.fis.command, AHCI_ATA_WRITE_DMA_EXT);
	id.fua = true;
	assert_true(ahci_command_build(&h, &t, hpa(PAGE_SIZE), &id, &r));
	assert_int_equal(t.fis.command, AHCI_ATA_WRITE_DMA_FUA_EXT);
}

/* More than there are slots. */
static void test_full(void **state)
{
	rounds_of_all(small);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_probe, setup_disk),
	    cmocka_unit_test_setup(test_probe_running, setup),
	    cmocka_unit_test_setup(test_probe_refused, setup),
	    cmocka_unit_test_setup(test_probe_one_less, setup),
	    cmocka_unit_test_setup(test_unknown_signature, setup),
	    cmocka_unit_test_setup(test_without_interrupts, setup),
	    cmocka_unit_test_setup(test_data, setup_disk),
	    cmocka_unit_test_setup(test_impossible, setup_disk),
	    cmocka_unit_test_setup(test_commands, setup_disk),
	    cmocka_unit_test_setup(test_build, setup),
	    cmocka_unit_test_setup(test_full, setup_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
