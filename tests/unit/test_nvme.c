/* SPDX-License-Identifier: BSD-2-Clause */
/* drivers/nvme*.c under hv/io/block.c, with a made-up controller that errs where it is told to. */
#include "fake_nvme.h"

#include "fake_block_host.h"
#include <stdio.h>
#include "drivers/nvme.h"
#include "drivers/nvme_queue.h"
#include "hv/lib/fmt.h"

#define TIMEOUT_NS (10 * SECOND)

static struct pci_device pci;
static unsigned irqs_free; /* connections that succeed */
static struct {
	irq_fn fn;
	void *arg;
	uint32_t cpu;
} irq[FAKE_QUEUES];
static struct block_device *ns1, *ns2;

void *pci_map(const struct pci_device *d, unsigned region, uint64_t offset, uint64_t size)
{
	return fake.regs;
}

enum status pci_irq_connect(struct pci_device *d, unsigned n, uint32_t cpu, irq_fn fn, void *arg)
{
	assert_in_range(n, 1, d->irqs - 1);
	if (!irqs_free)
		return ERR_NOMEM;
	irqs_free--;
	irq[n].fn = fn;
	irq[n].arg = arg;
	irq[n].cpu = cpu;
	return OK;
}

void fake_deliver(void)
{
	for (unsigned n = 1; n < FAKE_QUEUES; n++) {
		if (fake.interrupts[n] && irq[n].fn && master) {
			fake.interrupts[n] = 0;
			irq[n].fn(irq[n].arg);
		}
	}
}

static enum status probe(void)
{
	memset(timers, 0, sizeof(timers));
	memset(irq, 0, sizeof(irq));
	pci = (struct pci_device){
	    .bdf = 0x10, .region[0] = {.base = 0x1000, .size = FAKE_REGS}, .irqs = FAKE_QUEUES};
	test_cpu.id = 0;
	return nvme_probe(&pci);
}

/* The devices of a probe: the last two of the list, which keeps those of earlier tests. */
static void find(void)
{
	ns1 = ns2 = NULL;
	for (struct block_device *b = block_next(NULL); b; b = block_next(b)) {
		ns1 = ns2;
		ns2 = b;
	}
}

static int setup(void **state)
{
	fake_power_on();
	irqs_free = FAKE_QUEUES;
	set_up_requests();
	return 0;
}

static int setup_disk(void **state)
{
	setup(state);
	assert_int_equal(probe(), OK);
	find();
	fake_log_warnings = 0;
	return 0;
}

/* --- what is found --- */

static void test_probe(void **state)
{
	unsigned number = 0;

	assert_int_equal(sscanf(ns1->name, "nvme%u", &number), 1);
	assert_int_equal(sscanf(ns2->name, "nvme%un2", &number), 1);
	assert_string_equal(ns1->model, "Fake disk");
	assert_string_equal(ns1->serial, "S?-1");
	assert_int_equal(ns1->sectors, FAKE_NS_SIZE / BLOCK_SECTOR);
	assert_int_equal(ns2->sectors, FAKE_NS_SIZE / BLOCK_SECTOR);
	assert_int_equal(ns1->logical_size, 512);
	assert_int_equal(ns2->logical_size, 4096);
	assert_int_equal(ns1->limits.sectors, 1024);
	assert_true(ns1->write_cache && ns1->fua && !ns1->readonly);
	assert_int_equal(ns1->queues, 2);
	assert_int_equal(ns2->queues, 2);
	assert_int_equal(ns1->poll_ns, 0);
	for (unsigned n = 1; n <= 4; n++)
		assert_int_equal(irq[n].cpu, (n - 1) % 2);
	assert_true(master);
}

static void probe_fails(enum status s)
{
	long before = allocated;
	uint64_t start = now;

	assert_int_equal(probe(), s);
	assert_false(master);
	assert_int_equal(allocated, before);
	assert_in_range(now - start, 0, 30 * SECOND);
}

static void test_probe_fails(void **state)
{
	fake.never_ready = true;
	probe_fails(ERR_TIMEOUT);
	setup(state);
	fake.dead = true;
	probe_fails(ERR_IO);
	setup(state);
	fake.fault = FAKE_NEVER;
	fake.fault_admin = true;
	probe_fails(ERR_TIMEOUT);
	setup(state);
	fake.fault = FAKE_ERROR;
	fake.fault_admin = true;
	fake.status = 2;
	probe_fails(ERR_IO);
	setup(state);
	fake_vanish();
	probe_fails(ERR_UNSUPPORTED);
	setup(state);
	fake.regs[0] |= 1ULL << 48; /* CAP.MPSMIN: 8 KiB */
	probe_fails(ERR_UNSUPPORTED);
	setup(state);
	fake.regs[0] |= 15ULL << 32; /* CAP.DSTRD: doorbells beyond the region */
	probe_fails(ERR_UNSUPPORTED);
	setup(state);
	fake.granted = 1; /* two namespaces can't share a queue */
	probe_fails(ERR_RANGE);
	setup(state);
	no_memory = true;
	probe_fails(ERR_NOMEM);
}

/* Firmware has left it running, or in the middle of its start. */
static void test_probe_running(void **state)
{
	fake_set(NVME_CC, NVME_CC_EN);
	fake_set(NVME_CSTS, NVME_CSTS_RDY);
	fake.enabled = true;
	assert_int_equal(probe(), OK);
	setup(state);
	fake_set(NVME_CC, NVME_CC_EN);
	fake.enabled = true;
	assert_int_equal(probe(), OK);
}

static void test_few_interrupts(void **state)
{
	irqs_free = 3;
	assert_int_equal(probe(), OK);
	find();
	assert_int_equal(ns1->queues, 2);
	assert_int_equal(ns2->queues, 1);
	assert_int_equal(ns2->poll_ns, 0);
	setup(state);
	irqs_free = 0;
	assert_int_equal(probe(), OK);
	find();
	assert_int_equal(ns1->queues, 1);
	assert_int_not_equal(ns1->poll_ns, 0);
	assert_int_equal(now_do(ns1, 0), OK);
	assert_int_equal(now_do(ns2, 1), OK);
}

static void test_few_queues(void **state)
{
	fake.granted = 3;
	assert_int_equal(probe(), OK);
	find();
	assert_int_equal(ns1->queues, 1);
	test_cpu.id = 1;
	assert_int_equal(now_do(ns2, 0), OK);
	assert_int_equal(fake.last.nsid, 2);
}

static void test_identify(void **state)
{
	static uint8_t page[NVME_IDENTIFY_SIZE];
	struct nvme_controller_id id;
	struct nvme_format f;
	struct block_device b;

	assert_false(nvme_controller_parse(&id, page)); /* no size of entries */
	page[NVME_ID_SQES] = 0x76;
	page[NVME_ID_CQES] = 0x44;
	assert_true(nvme_controller_parse(&id, page));
	assert_int_equal(id.transfer_max, NVME_TRANSFER_MAX); /* MDTS 0: no limit */
	assert_false(id.write_cache || id.write_zeroes || id.dataset_management);
	assert_string_equal(id.model, "");
	page[NVME_ID_MDTS] = 255;
	assert_true(nvme_controller_parse(&id, page));
	assert_int_equal(id.transfer_max, NVME_TRANSFER_MAX);
	page[NVME_ID_MDTS] = 1;
	memset(page + NVME_ID_MODEL, 'm', NVME_ID_MODEL_SIZE);
	assert_true(nvme_controller_parse(&id, page));
	assert_int_equal(id.transfer_max, 8192);
	assert_int_equal(strlen(id.model), NVME_ID_MODEL_SIZE);

	memset(page, 0, sizeof(page));
	b = (struct block_device){};
	page[NVME_NS_FORMAT] = 0x13; /* bit 4 is another field's */
	page[NVME_NS_SIZE + 1] = 1;
	assert_non_null(nvme_namespace_parse(&f, &b, 3, &id, page)); /* blocks of 1 byte */
	page[NVME_NS_FORMATS + 12 + 2] = 13;
	assert_non_null(nvme_namespace_parse(&f, &b, 3, &id, page));
	page[NVME_NS_FORMATS + 12 + 2] = 12;
	assert_null(nvme_namespace_parse(&f, &b, 3, &id, page));
	assert_int_equal(b.sectors, 256 * 8);
	assert_int_equal(b.physical_size, 4096);
	assert_int_equal(b.limits.sectors, 16);
	assert_int_equal(b.limits.discard_sectors, 0);
	assert_int_equal(b.limits.zeroes_sectors, 0);
	page[NVME_NS_FEATURES] = NVME_NSFEAT_OPTPERF;
	page[NVME_NS_NPWG] = 3;
	page[NVME_NS_ATTRIBUTES] = NVME_NSATTR_PROTECTED;
	assert_null(nvme_namespace_parse(&f, &b, 3, &id, page));
	assert_int_equal(b.physical_size, 16384);
	assert_true(b.readonly);
	page[NVME_NS_FORMATS + 12] = 8; /* metadata */
	assert_non_null(nvme_namespace_parse(&f, &b, 3, &id, page));
	page[NVME_NS_FORMATS + 12] = 0;
	page[NVME_NS_SIZE + 7] = 1; /* 2^56 blocks */
	assert_non_null(nvme_namespace_parse(&f, &b, 3, &id, page));
	memset(page + NVME_NS_SIZE, 0, 8);
	assert_non_null(nvme_namespace_parse(&f, &b, 3, &id, page));
}

/* --- what is sent --- */

/* Runs as guests give them: the first begins anywhere, the last ends anywhere, all joints are at pages. */
static unsigned random_runs(struct frame_run *runs, unsigned max, uint64_t bytes, unsigned offset)
{
	uint64_t at = (uint64_t)data + offset;
	unsigned n = 0;

	while (bytes) {
		uint64_t pages = 1 + (test_random(&seed) >> 33) % 3;
		uint64_t len = MIN(bytes, pages * PAGE_SIZE - (n ? 0 : offset));

		assert_true(n < max);
		runs[n++] = (struct frame_run){hpa(at), (uint32_t)len};
		bytes -= len;
		at = ALIGN_UP(at + len, PAGE_SIZE) + PAGE_SIZE * ((test_random(&seed) >> 33) & 1);
	}
	return n;
}

static void test_data(void **state)
{
	static struct frame_run runs[256];

	for (unsigned i = 0; i < 400; i++) {
		struct block_device *b = i & 1 ? ns2 : ns1;
		uint32_t unit = b->logical_size / BLOCK_SECTOR;
		uint32_t sectors = (1 + (uint32_t)(test_random(&seed) >> 33) % (1024 / unit)) * unit;
		unsigned offset = (unsigned)(test_random(&seed) >> 33) % 1024 * 4;

		test_cpu.id = i / 2 % 2;
		req[0].op = i & 4 ? BLOCK_WRITE : BLOCK_READ;
		req[0].sectors = sectors;
		req[0].sector = (test_random(&seed) >> 33) % ((b->sectors - sectors) / unit) * unit;
		req[0].run = runs;
		req[0].runs = random_runs(runs, ARRAY_SIZE(runs), sectors * BLOCK_SECTOR, offset);
		assert_int_equal(now_do(b, 0), OK);
		assert_true(same(fake.disk[i & 1] + req[0].sector * BLOCK_SECTOR, runs, req[0].runs));
	}
	assert_int_equal(fake_log_warnings, 0);
}

/* What is against the limits does not reach the controller. */
static void test_impossible(void **state)
{
	req[0].sector = 1;
	assert_int_equal(now_do(ns2, 0), ERR_INVAL);
	run[1].pa.v += 2;
	assert_int_equal(now_do(ns1, 1), ERR_INVAL);
	run[2].len = 512;
	assert_int_equal(now_do(ns1, 2), ERR_INVAL);
	run[3].len = 8192;
	assert_int_equal(now_do(ns1, 3), ERR_INVAL);
	req[4].runs = 2;
	run[4].len = run[5].len = 2048;
	assert_int_equal(now_do(ns1, 4), ERR_INVAL);
	req[6].sectors = 0;
	assert_int_equal(now_do(ns1, 6), ERR_INVAL);
	assert_int_equal(fake.commands, 0);
	assert_int_equal(now_do(ns1, 7), OK);
}

static void test_commands(void **state)
{
	req[0].op = BLOCK_FLUSH;
	req[0].sectors = 0;
	assert_int_equal(now_do(ns2, 0), OK);
	assert_int_equal(fake.last.opcode, NVME_FLUSH);
	assert_int_equal(fake.last.nsid, 2);
	req[0] = (struct block_request){.op = BLOCK_WRITE,
					.fua = true,
					.sector = 16,
					.sectors = 8,
					.run = run,
					.runs = 1,
					.done = request_done};
	assert_int_equal(now_do(ns2, 0), OK);
	assert_int_equal(fake.last.opcode, NVME_WRITE);
	assert_int_equal(fake.last.cdw10, 2);
	assert_int_equal(fake.last.cdw12, NVME_CDW12_FUA);
	assert_memory_equal(fake.disk[1] + 16 * 512, data, PAGE_SIZE);
	req[0] = (struct block_request){
	    .op = BLOCK_WRITE_ZEROES, .sector = 16, .sectors = 4, .done = request_done};
	assert_int_equal(now_do(ns1, 0), OK);
	assert_int_equal(fake.last.opcode, NVME_WRITE_ZEROES);
	assert_int_equal(fake.last.cdw12, 3);
	req[0].fua = true;
	assert_int_equal(now_do(ns1, 0), OK);
	assert_int_equal(fake.last.cdw12, 3 | NVME_CDW12_FUA);
	req[0].fua = false;
	req[0].may_unmap = true;
	assert_int_equal(now_do(ns1, 0), OK);
	assert_int_equal(fake.last.cdw12, 3 | NVME_CDW12_DEALLOCATE);
	memset(fake.disk, 1, sizeof(fake.disk));
	req[0].op = BLOCK_DISCARD;
	req[0].sectors = 1000;
	assert_int_equal(now_do(ns1, 0), OK);
	assert_int_equal(fake.last.opcode, NVME_DATASET_MANAGEMENT);
	assert_int_equal(fake.disk[0][16 * 512 - 1], 1);
	assert_int_equal(fake.disk[0][16 * 512], 0);
	assert_int_equal(fake.disk[0][1016 * 512 - 1], 0);
	assert_int_equal(fake.disk[0][1016 * 512], 1);
}

/* More than the queue holds, several times around the rings. */
static void test_full(void **state)
{
	rounds_of_all(ns1);
}

/* --- what goes wrong --- */

static void test_error(void **state)
{
	fake.fault = FAKE_ERROR;
	fake.status = 0x281; /* unrecovered read error */
	assert_int_equal(now_do(ns1, 0), ERR_IO);
	fake.fault = FAKE_ERROR;
	fake.status = NVME_SC_INVALID_OPCODE;
	assert_int_equal(now_do(ns1, 1), ERR_UNSUPPORTED);
	assert_int_equal(now_do(ns1, 2), OK);
	assert_int_equal(ns1->stats.errors, 2);
}

static void test_late(void **state)
{
	fake.fault = FAKE_LATE;
	block_submit(ns1, &req[0]);
	block_submit(ns1, &req[1]);
	run_for(FAKE_PASSES / 2 * US);
	assert_int_equal(done_count[0], 0);
	ended(1, OK);
	run_for(SECOND);
	ended(0, OK);
	assert_int_equal(ns1->stats.resets, 0);
}

static void test_twice(void **state)
{
	fake.fault = FAKE_TWICE;
	assert_int_equal(now_do(ns1, 0), OK);
	assert_int_equal(fake_log_warnings, 1);
	for (unsigned i = 1; i < 10; i++)
		assert_int_equal(now_do(ns1, i), OK);
	assert_int_equal(done_count[0], 1);
	assert_int_equal(ns1->stats.resets, 0);
}

/* None of these ends the request: it is late in the end, the controller is reset, and it is sent again. */
static void test_wrong(void **state)
{
	static const enum fake_fault faults[] = {FAKE_NEVER, FAKE_WRONG_ID, FAKE_WRONG_QUEUE,
						 FAKE_WRONG_PHASE};

	for (unsigned i = 0; i < ARRAY_SIZE(faults); i++) {
		setup_disk(state);
		fake.fault = faults[i];
		block_submit(ns1, &req[0]);
		run_for(TIMEOUT_NS / 2);
		assert_int_equal(done_count[0], 0);
		run_for(TIMEOUT_NS);
		ended(0, OK);
		assert_int_equal(fake.starts, 2);
		assert_int_equal(ns1->stats.resets, 1);
		assert_int_equal(now_do(ns1, 1), OK);
		assert_int_equal(now_do(ns2, 2), OK);
	}
}

/* What the other namespace has in flight, or sends meanwhile, outlives the reset, and its block device hears nothing of it. */
static void test_reset_of_neighbour(void **state)
{
	fake.fault = FAKE_NEVER;
	block_submit(ns1, &req[0]);
	run_for(TIMEOUT_NS / 2);
	fake.fault = FAKE_NEVER;
	test_cpu.id = 1;
	block_submit(ns2, &req[1]);
	run_for(TIMEOUT_NS * 3 / 4);
	ended(0, OK);
	ended(1, OK);
	assert_int_equal(fake.starts, 2);
	assert_int_equal(ns1->stats.resets, 1);
	assert_int_equal(ns2->stats.resets, 0);
	run_for(TIMEOUT_NS * 3);
	assert_int_equal(fake.starts, 2);
}

static void test_submit_in_reset(void **state)
{
	fake.fault = FAKE_NEVER;
	block_submit(ns1, &req[0]);
	run_for(TIMEOUT_NS - SECOND / 10);
	fake.never_stops = true; /* it takes a moment */
	run_for(SECOND / 2);
	assert_true(ns1->resetting);
	block_submit(ns2, &req[1]);
	block_submit(ns1, &req[2]);
	run_for(SECOND / 10);
	assert_int_equal(done_count[1], 0);
	fake.never_stops = false;
	fake_set(NVME_CSTS, 0);
	run_for(SECOND);
	for (unsigned i = 0; i < 3; i++)
		ended(i, OK);
	assert_int_equal(fake.starts, 2);
}

/* Both are late at the same time: one reset is enough, whichever asks first. */
static void test_both_late(void **state)
{
	fake.fault = FAKE_NEVER;
	block_submit(ns1, &req[0]);
	time_now_ns();
	fake.fault = FAKE_NEVER;
	block_submit(ns2, &req[1]);
	run_for(TIMEOUT_NS - SECOND / 10);
	fake.never_stops = true;
	run_for(SECOND / 2);
	fake.never_stops = false;
	assert_true(ns1->resetting && ns2->resetting);
	fake_set(NVME_CSTS, 0);
	run_for(SECOND);
	ended(0, OK);
	ended(1, OK);
	assert_int_equal(fake.starts, 2);
}

static void gone_now(void)
{
	assert_true(ns1->gone);
	assert_false(master);
	assert_int_equal(now_do(ns1, 3), ERR_NOENT);
	run_for(TIMEOUT_NS * 4);
	ended(0, ERR_NOENT);
	/* The other one's turn comes when it is late, or asked. */
	ended(1, ERR_NOENT);
	assert_true(ns2->gone);
}

static void test_gone(void **state)
{
	fake.fault = FAKE_NEVER;
	block_submit(ns1, &req[0]);
	fake_run_device();
	fake_vanish();
	block_submit(ns2, &req[1]);
	run_for(SECOND / 2);
	ended(1, ERR_NOENT);
	gone_now();
}

/* Nothing is at its place any more, and its registers read as zeros. */
static void test_pulled_out(void **state)
{
	fake.fault = FAKE_NEVER;
	block_submit(ns1, &req[0]);
	fake_run_device();
	memset(fake.regs, 0, sizeof(fake.regs));
	fake.gone = pulled_out = true;
	block_submit(ns2, &req[1]);
	run_for(SECOND / 2);
	ended(1, ERR_NOENT);
	gone_now();
}

static void test_fatal(void **state)
{
	fake.fault = FAKE_NEVER;
	block_submit(ns1, &req[0]);
	fake_run_device();
	fake_set(NVME_CSTS, NVME_CSTS_CFS); /* it does nothing more, until it is reset */
	block_submit(ns2, &req[1]);
	run_for(SECOND);
	ended(0, OK);
	ended(1, OK);
	assert_int_equal(fake.starts, 2);
	assert_int_equal(ns1->stats.timeouts + ns2->stats.timeouts, 0);
}

static void test_reset_fails(void **state)
{
	for (unsigned i = 0; i < 4; i++) {
		setup_disk(state);
		fake.fault = FAKE_NEVER;
		block_submit(ns1, &req[0]);
		fake_run_device();
		fake.fault = FAKE_NEVER;
		block_submit(ns2, &req[1]);
		fake_run_device();
		fake.fault = i == 3 ? FAKE_NEVER : FAKE_NONE;
		fake.fault_admin = true;
		fake.never_stops = i == 0;
		fake.never_ready = i == 1;
		fake.dead = i == 2;
		run_for(TIMEOUT_NS * 3);
		gone_now();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_probe, setup_disk),
	    cmocka_unit_test_setup(test_probe_fails, setup),
	    cmocka_unit_test_setup(test_probe_running, setup),
	    cmocka_unit_test_setup(test_few_interrupts, setup),
	    cmocka_unit_test_setup(test_few_queues, setup),
	    cmocka_unit_test(test_identify),
	    cmocka_unit_test_setup(test_data, setup_disk),
	    cmocka_unit_test_setup(test_impossible, setup_disk),
	    cmocka_unit_test_setup(test_commands, setup_disk),
	    cmocka_unit_test_setup(test_full, setup_disk),
	    cmocka_unit_test_setup(test_error, setup_disk),
	    cmocka_unit_test_setup(test_late, setup_disk),
	    cmocka_unit_test_setup(test_twice, setup_disk),
	    cmocka_unit_test_setup(test_wrong, setup_disk),
	    cmocka_unit_test_setup(test_reset_of_neighbour, setup_disk),
	    cmocka_unit_test_setup(test_submit_in_reset, setup_disk),
	    cmocka_unit_test_setup(test_both_late, setup_disk),
	    cmocka_unit_test_setup(test_gone, setup_disk),
	    cmocka_unit_test_setup(test_pulled_out, setup_disk),
	    cmocka_unit_test_setup(test_fatal, setup_disk),
	    cmocka_unit_test_setup(test_reset_fails, setup_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
