/* SPDX-License-Identifier: BSD-2-Clause */
/* drivers/ahci*.c under hv/io/block.c, with a made-up controller that errs where it is told to. */
#include "fake_ahci.h"

#include <stdio.h>
#include "drivers/ahci.h"

#define TIMEOUT_NS (10 * SECOND)
#define CD         2
#define LARGE      3 /* the port of the disk with large blocks; the other's is 0 */

static struct pci_device pci;
static bool irq_fails;
static irq_fn irq;
static void *irq_arg;
static struct block_device *small, *large;

uint32_t work_first_cpu(void)
{
	return 1;
}

void *pci_map(const struct pci_device *d, unsigned region, uint64_t offset, uint64_t size)
{
	assert_int_equal(region, 5);
	return (void *)FAKE_BASE;
}

enum status pci_irq_connect(struct pci_device *d, unsigned n, uint32_t cpu, irq_fn fn, void *arg)
{
	assert_int_equal(n, 0);
	assert_int_equal(cpu, 1);
	irq = fn;
	irq_arg = arg;
	return irq_fails ? ERR_NOMEM : OK;
}

void fake_deliver(void)
{
	if (fake.is && (fake.ghc & AHCI_GHC_IE) && master && !irq_fails)
		irq(irq_arg);
}

static enum status probe(void)
{
	memset(timers, 0, sizeof(timers));
	pci = (struct pci_device){
	    .bdf = 0xfa, .region[5] = {.base = 0x1000, .size = AHCI_PORT(FAKE_PORTS)}, .irqs = 1};
	return ahci_probe(&pci);
}

/* How many devices there are since `before`; the last two are the disks, where both are there. */
static unsigned find(const struct block_device *before)
{
	unsigned n = 0;

	small = large = NULL;
	for (struct block_device *b = block_next(before); b; b = block_next(b), n++) {
		small = large;
		large = b;
	}
	return n;
}

static struct block_device *newest(void)
{
	struct block_device *last = NULL;

	for (struct block_device *b = block_next(NULL); b; b = block_next(b))
		last = b;
	return last;
}

static int setup(void **state)
{
	fake_power_on();
	irq_fails = false;
	set_up_requests();
	fake_log_warnings = 0;
	return 0;
}

static int find_disks(void)
{
	struct block_device *before = newest();

	assert_int_equal(probe(), OK);
	assert_int_equal(find(before), 2);
	assert_int_equal(fake_log_warnings, 0);
	fake.port[0].resets = fake.port[LARGE].resets = fake.port[0].commands = 0;
	return 0;
}

static int setup_disk(void **state)
{
	setup(state);
	return find_disks();
}

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

/* --- what goes wrong --- */

static void submit_all(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		block_submit(small, &req[i]);
}

/* One of several fails; the port goes on with the others. */
static void test_error(void **state)
{
	static const enum fake_fault faults[] = {FAKE_ERROR, FAKE_MEMORY};

	for (unsigned i = 0; i < ARRAY_SIZE(faults); i++) {
		setup_disk(state);
		fake.port[0].fault[2] = faults[i];
		submit_all(6);
		run_for(SECOND / 10);
		for (unsigned n = 0; n < 6; n++)
			ended(n, n == 2 ? ERR_IO : OK);
		assert_int_equal(fake.port[0].commands, 6);
		assert_int_equal(small->stats.errors, 1);
		assert_int_equal(small->stats.resets, 0);
		assert_int_equal(now_do(small, 7), OK);
	}
}

/* A port that does not tell which slot it is at: those fail that met errors, and no others, one after the other too. */
static void test_error_without_ccs(void **state)
{
	static const enum fake_fault faults[] = {FAKE_NONE, FAKE_NONE,  FAKE_ERROR,
						 FAKE_NONE, FAKE_ERROR, FAKE_MEMORY};

	setup(state);
	fake.port[0].no_ccs = true;
	find_disks();
	memcpy(fake.port[0].fault, faults, sizeof(faults));
	submit_all(7);
	run_for(SECOND / 10);
	for (unsigned n = 0; n < 6; n++)
		ended(n, faults[n] == FAKE_NONE ? OK : ERR_IO);
	ended(6, OK);
	assert_int_equal(fake.port[0].commands, 7);
	assert_int_equal(small->stats.errors, 3);
	assert_int_equal(small->stats.resets, 0);
}

/* What was damaged on the wire is sent again, and given up in the end. */
static void test_wire(void **state)
{
	static const enum fake_fault faults[] = {FAKE_WIRE, FAKE_CRC};

	for (unsigned i = 0; i < ARRAY_SIZE(faults); i++) {
		setup_disk(state);
		for (unsigned n = 0; n < 3; n++)
			fake.port[0].fault[1 + n] = faults[i];
		submit_all(4);
		run_for(SECOND / 10);
		for (unsigned n = 0; n < 4; n++)
			ended(n, OK);
		assert_int_equal(fake.port[0].commands, 7);
		for (unsigned n = 0; n < 4; n++)
			fake.port[0].fault[n] = faults[i];
		assert_int_equal(now_do(small, 5), ERR_IO);
		assert_int_equal(now_do(small, 6), OK);
		assert_int_equal(small->stats.resets, 0);
	}
}

static void test_short(void **state)
{
	fake.port[0].fault[0] = FAKE_SHORT;
	assert_int_equal(now_do(small, 0), ERR_IO);
	req[1].op = BLOCK_WRITE;
	fake.port[0].fault[0] = FAKE_SHORT;
	assert_int_equal(now_do(small, 1), ERR_IO);
	assert_int_equal(now_do(small, 2), OK);
}

static void test_late(void **state)
{
	fake.port[0].fault[0] = FAKE_LATE;
	submit_all(2);
	run_for(FAKE_LATE_NS / 2);
	assert_int_equal(done_count[0], 0);
	run_for(SECOND);
	ended(0, OK);
	ended(1, OK);
	assert_int_equal(small->stats.resets, 0);
}

static void test_twice(void **state)
{
	fake.port[0].fault[0] = FAKE_TWICE;
	assert_int_equal(now_do(small, 0), OK);
	for (unsigned i = 1; i < 10; i++)
		assert_int_equal(now_do(small, i), OK);
	assert_int_equal(done_count[0], 1);
	assert_int_equal(small->stats.resets, 0);
}

static void test_never(void **state)
{
	fake.port[0].fault[1] = FAKE_NEVER;
	req[2].op = BLOCK_FLUSH;
	submit_all(4);
	run_for(TIMEOUT_NS / 2);
	ended(0, OK);
	for (unsigned i = 1; i < 4; i++)
		assert_int_equal(done_count[i], 0);
	assert_int_equal(now_do(large, 5), OK);
	run_for(TIMEOUT_NS);
	for (unsigned i = 1; i < 4; i++)
		ended(i, OK);
	assert_int_equal(fake.port[0].resets, 1);
	assert_int_equal(fake.port[LARGE].resets, 0);
	assert_int_equal(small->stats.resets, 1);
}

/* However often it is sent: it fails in the end, and the disk is not lost. */
static void test_never_ever(void **state)
{
	for (unsigned i = 0; i < 3; i++)
		fake.port[0].fault[i] = FAKE_NEVER;
	block_submit(small, &req[0]);
	run_for(4 * TIMEOUT_NS);
	ended(0, ERR_TIMEOUT);
	assert_int_equal(fake.port[0].resets, 3);
	assert_int_equal(now_do(small, 1), OK);
}

/* After an error that leaves the disk busy nothing is complete, though the port's bits of commands are gone. */
static void test_stuck(void **state)
{
	fake.port[0].fault[0] = FAKE_STUCK;
	for (unsigned i = 1; i < 4; i++)
		req[i].op = BLOCK_FLUSH;
	submit_all(3);
	run_for(SECOND / 100);
	block_submit(small, &req[3]);
	ended(0, ERR_IO);
	for (unsigned i = 1; i < 4; i++)
		assert_int_equal(done_count[i], 0);
	run_for(SECOND);
	for (unsigned i = 1; i < 4; i++)
		ended(i, OK);
	assert_int_equal(fake.port[0].resets, 1);
	assert_int_equal(fake.port[0].commands, 4);
}

/* The wire fails while nothing is under way: the next request does not suffer for it. */
static void test_error_between(void **state)
{
	fake_stop(&fake.port[0], AHCI_IS_IFS, FAKE_TFD_READY);
	run_for(SECOND / 10);
	assert_int_equal(now_do(small, 0), OK);
	assert_int_equal(small->stats.resets, 0);
	fake_stop(&fake.port[0], AHCI_IS_IFS, FAKE_TFD_READY | AHCI_TFD_BSY);
	run_for(SECOND / 10);
	block_submit(small, &req[1]);
	run_for(TIMEOUT_NS);
	ended(1, OK);
	assert_int_equal(fake.port[0].resets, 1);
}

/* A port that does not stop is reset over its wire nevertheless. */
static void test_hangs(void **state)
{
	fake.port[0].fault[0] = FAKE_NEVER;
	submit_all(2);
	run_for(SECOND);
	fake.port[0].no_stop = true;
	run_for(TIMEOUT_NS + SECOND);
	ended(0, OK);
	ended(1, OK);
	assert_int_equal(fake.port[0].resets, 1);
}

static void test_submit_in_reset(void **state)
{
	fake.port[0].fault[0] = FAKE_NEVER;
	block_submit(small, &req[0]);
	run_for(SECOND);
	fake.port[0].never_ready = true;
	run_for(TIMEOUT_NS);
	assert_true(small->resetting);
	block_submit(small, &req[1]);
	assert_int_equal(now_do(large, 2), OK);
	run_for(SECOND);
	assert_int_equal(done_count[1], 0);
	fake.port[0].never_ready = false;
	run_for(SECOND);
	ended(0, OK);
	ended(1, OK);
	assert_int_equal(fake.port[0].resets, 1);
}

/* Its requests have failed, later ones do at once, and the port is silent. */
static void gone_now(struct block_device *b, unsigned n)
{
	assert_true(b->gone);
	ended(n, ERR_NOENT);
	assert_int_equal(now_do(b, 9), ERR_NOENT);
}

static void test_pulled_out(void **state)
{
	submit_all(1);
	fake_pull_out(0);
	block_submit(small, &req[1]);
	run_for(2 * SECOND);
	gone_now(small, 0);
	gone_now(small, 1);
	assert_int_equal(fake.port[0].cmd & (AHCI_CMD_CR | AHCI_CMD_FR), 0);
	assert_true(master);
	assert_int_equal(now_do(large, 2), OK);
}

/* With nothing in flight: the interrupt tells, once. */
static void test_pulled_out_idle(void **state)
{
	fake_pull_out(0);
	run_for(2 * SECOND);
	assert_true(small->gone);
	assert_false(large->gone);
	assert_int_equal(fake.port[0].is & AHCI_IS_PRCS, 0);
	assert_int_equal(fake.is, 0);
}

/* The link is lost and comes again: what was in flight is sent once more. */
static void test_link_lost(void **state)
{
	fake.port[0].fault[0] = FAKE_NEVER;
	submit_all(2);
	fake_run_device();
	fake_pull_out(0);
	fake_put_back(0);
	run_for(SECOND);
	ended(0, OK);
	ended(1, OK);
	assert_int_equal(fake.port[0].resets, 1);
	assert_int_equal(small->stats.timeouts, 0);
}

/* Another disk is there when the link comes again: it gets nothing of what was the old one's. */
static void test_swapped(void **state)
{
	for (unsigned i = 0; i < 6; i++) {
		struct fake_port *p = &fake.port[0];

		setup_disk(state);
		req[0].op = BLOCK_WRITE;
		p->fault[0] = FAKE_NEVER;
		if (i < 5)
			block_submit(small, &req[0]);
		fake_run_device();
		fake_pull_out(0);
		fake_put_back(0);
		memset(p->disk, 0x5a, sizeof(p->disk));
		p->id.other_serial = i == 0 || i == 5;
		p->id.other_model = i == 1;
		p->id.sectors -= i == 2 ? 8 : 0;
		p->id.logical = i == 3 ? 4096 : 512;
		p->sig = i == 4 ? AHCI_SIG_ATAPI : AHCI_SIG_DISK;
		p->commands = 0;
		run_for(SECOND);
		if (i < 5)
			ended(0, ERR_NOENT);
		assert_true(small->gone);
		assert_int_equal(now_do(small, 9), ERR_NOENT);
		assert_int_equal(p->commands, 0);
		assert_int_equal(p->disk[0], 0x5a);
		assert_int_equal(p->cmd & (AHCI_CMD_CR | AHCI_CMD_FR), 0);
		assert_int_equal(now_do(large, 2), OK);
	}
}

/* In a moment, so that the link is there whenever somebody looks: nothing is sent before the disk is asked. */
static void test_swapped_at_once(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		struct fake_port *p = &fake.port[0];

		setup_disk(state);
		fake_pull_out(0);
		fake_put_back(0);
		p->ssts = 0x100 | AHCI_DET_READY;
		p->tfd = FAKE_TFD_READY;
		p->id.other_serial = i;
		fake_deliver();
		block_submit(small, &req[0]);
		assert_int_equal(p->commands, 0);
		run_for(SECOND);
		ended(0, i ? ERR_NOENT : OK);
		assert_int_equal(p->commands, !i);
		assert_int_equal(p->resets, 1);
		assert_int_equal(p->identifies, 2);
		assert_int_equal(small->stats.timeouts, 0);
	}
}

/* What the disk says after a reset is damaged on its way: it is asked again, and given up in the end. */
static void test_identify_fails(void **state)
{
	static const enum fake_fault faults[] = {FAKE_CRC, FAKE_SHORT, FAKE_STUCK};

	for (unsigned i = 0; i < 2 * ARRAY_SIZE(faults); i++) {
		bool ends = i % 2;

		setup_disk(state);
		fake.port[0].fault[0] = FAKE_NEVER;
		for (unsigned n = 0; n < 3u + ends; n++)
			fake.port[0].fault_of_identify[n] = faults[i / 2];
		submit_all(1);
		run_for(TIMEOUT_NS + SECOND);
		ended(0, ends ? ERR_NOENT : OK);
		assert_int_equal(small->gone, ends);
	}
	setup_disk(state);
	fake.port[0].fault[0] = fake.port[0].fault_of_identify[0] = FAKE_NEVER;
	submit_all(1);
	run_for(TIMEOUT_NS + 6 * SECOND);
	gone_now(small, 0);
}

/* Registers read as all ones, or as nothing. Each disk finds out when it is asked. */
static void test_controller_gone(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		setup_disk(state);
		fake.port[0].fault[0] = FAKE_NEVER;
		submit_all(1);
		fake_run_device();
		fake.gone = i == 0;
		pulled_out = i == 1;
		fake.port[LARGE].fault[0] = FAKE_NEVER;
		block_submit(large, &req[1]);
		run_for(SECOND / 2);
		gone_now(small, 0);
		gone_now(large, 1);
		assert_false(master);
	}
}

static void test_reset_fails(void **state)
{
	for (unsigned i = 0; i < 3; i++) {
		struct fake_port *p = &fake.port[0];

		setup_disk(state);
		p->fault[0] = FAKE_NEVER;
		submit_all(1);
		run_for(SECOND);
		p->never_ready = i == 0;
		p->no_stop_ever = i == 1;
		p->no_release = i == 2;
		run_for(TIMEOUT_NS * 4);
		assert_true(small->gone);
		ended(0, ERR_NOENT);
		assert_int_equal(master, i == 0);
		if (master) {
			assert_int_equal(now_do(large, 1), OK);
			continue;
		}
		/* The other one loses its memory with it: at once, as its commands can't be trusted to end. */
		fake.port[LARGE].fault[0] = FAKE_NEVER;
		block_submit(large, &req[1]);
		run_for(TIMEOUT_NS + SECOND);
		gone_now(large, 1);
		assert_int_equal(fake.port[LARGE].resets, 0);
	}
}

/* Whatever the registers say, for a minute: nothing ends twice; and when the controller is gone, all has ended. */
static void test_garbage(void **state)
{
	for (unsigned i = 0; i < 20; i++) {
		setup_disk(state);
		submit_all(12);
		fake.garbage = true;
		run_for(SECOND / 100);
		for (unsigned n = 12; n < 24; n++)
			block_submit(small, &req[n]);
		run_for(TIMEOUT_NS * 6);
		fake.gone = true;
		run_for(TIMEOUT_NS * 2);
		for (unsigned n = 0; n < 24; n++)
			assert_int_equal(done_count[n], 1);
	}
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
	    cmocka_unit_test_setup(test_error, setup_disk),
	    cmocka_unit_test(test_error_without_ccs),
	    cmocka_unit_test_setup(test_wire, setup_disk),
	    cmocka_unit_test_setup(test_short, setup_disk),
	    cmocka_unit_test_setup(test_late, setup_disk),
	    cmocka_unit_test_setup(test_twice, setup_disk),
	    cmocka_unit_test_setup(test_never, setup_disk),
	    cmocka_unit_test_setup(test_never_ever, setup_disk),
	    cmocka_unit_test_setup(test_stuck, setup_disk),
	    cmocka_unit_test_setup(test_error_between, setup_disk),
	    cmocka_unit_test_setup(test_hangs, setup_disk),
	    cmocka_unit_test_setup(test_submit_in_reset, setup_disk),
	    cmocka_unit_test_setup(test_pulled_out, setup_disk),
	    cmocka_unit_test_setup(test_pulled_out_idle, setup_disk),
	    cmocka_unit_test_setup(test_link_lost, setup_disk),
	    cmocka_unit_test_setup(test_swapped, setup_disk),
	    cmocka_unit_test_setup(test_swapped_at_once, setup_disk),
	    cmocka_unit_test_setup(test_identify_fails, setup_disk),
	    cmocka_unit_test_setup(test_controller_gone, setup_disk),
	    cmocka_unit_test_setup(test_reset_fails, setup_disk),
	    cmocka_unit_test_setup(test_garbage, setup_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
