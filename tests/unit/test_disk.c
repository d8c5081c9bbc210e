/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/io/disk.c: requests cut and copied for devices that take little, against a plain array; bounds and rights; ends. */
#include "fake_vm.h"
#include "fake_frames.h"

#include "hv/io/disk.h"

#define SECTORS 600
#define FIRST   40 /* of the partition, on the device */
#define LENGTH  500
#define RUNS    12
#define ROUNDS  1500

struct pcpu test_cpu;

static struct block_queue queue;
static struct block_device device;
static struct disk disk = {.block = &device};
static uint8_t medium[SECTORS * BLOCK_SECTOR], model[SECTORS * BLOCK_SECTOR];
static struct block_request *flying;
static enum { PERFORMS, WITHIN_SUBMIT, LATER, WHEN } when; /* does the device complete */
static unsigned parts, fails_after;                        /* the part that fails, from 1; 0: none */
static unsigned ends;
static bool unmaps;

/* What the driver of such a device may rely on. */
static void assert_within_limits(const struct block_request *r)
{
	const struct block_limits *l = &device.limits;
	uint64_t bytes = 0;

	assert_int_equal(r->sectors % (device.logical_size / BLOCK_SECTOR), 0);
	assert_true(r->sectors && r->sector >= FIRST && r->sector + r->sectors <= FIRST + LENGTH);
	if (when == PERFORMS)
		return;
	if (r->op == BLOCK_DISCARD || r->op == BLOCK_WRITE_ZEROES) {
		assert_true(r->sectors <= (r->op == BLOCK_DISCARD ? l->discard_sectors : l->zeroes_sectors));
		return;
	}
	assert_true(r->sectors <= l->sectors && r->runs && r->runs <= l->runs);
	for (uint32_t i = 0; i < r->runs; i++) {
		const struct frame_run *run = &r->run[i];

		assert_true(run->len && IS_ALIGNED(run->pa.v, l->run_align) &&
			    IS_ALIGNED(run->len, l->run_align));
		if (i && l->run_joint)
			assert_true(IS_ALIGNED(run->pa.v, l->run_joint) &&
				    IS_ALIGNED(run[-1].pa.v + run[-1].len, l->run_joint));
		assert_true(run->pa.v + run->len - 1 <= l->pa_max);
		bytes += run->len;
	}
	assert_int_equal(bytes, r->sectors * BLOCK_SECTOR);
}

static enum status perform(struct block_device *b, const struct block_request *r)
{
	uint8_t *at = medium + r->sector * BLOCK_SECTOR;

	if (r->op == BLOCK_FLUSH)
		return OK;
	assert_within_limits(r);
	assert_int_equal(r->may_unmap, unmaps);
	if (++parts == fails_after)
		return ERR_IO;
	if (r->op == BLOCK_DISCARD || r->op == BLOCK_WRITE_ZEROES) {
		memset(at, 0, r->sectors * BLOCK_SECTOR);
		return OK;
	}
	for (uint32_t i = 0; i < r->runs; at += r->run[i++].len) {
		if (r->op == BLOCK_READ)
			memcpy(fake_at(r->run[i].pa, r->run[i].len), at, r->run[i].len);
		else
			memcpy(at, fake_at(r->run[i].pa, r->run[i].len), r->run[i].len);
	}
	return OK;
}

static bool submit(struct block_device *b, unsigned q, struct block_request *r)
{
	if (when == LATER)
		flying = r;
	else
		block_complete(b, r, perform(b, r));
	return true;
}

static void poll(struct block_device *b, unsigned q)
{
	struct block_request *r = flying;

	flying = NULL;
	block_complete(b, r, perform(b, r));
}

static enum status reset(struct block_device *b)
{
	return OK;
}

static const struct block_ops fake_ops = {.submit = submit, .poll = poll, .reset = reset};
static const struct block_ops fake_memory_ops = {.perform = perform};

static void done(struct disk_request *r)
{
	ends++;
}

static void set_when(unsigned to)
{
	when = to;
	device.ops = when == PERFORMS ? &fake_memory_ops : &fake_ops;
}

static int setup(void **state)
{
	uint64_t seed = 11;

	device = (struct block_device){.ops = &fake_ops,
				       .sectors = SECTORS,
				       .logical_size = BLOCK_SECTOR,
				       .limits = {.sectors = 16,
						  .runs = 3,
						  .run_align = 4,
						  .pa_max = UINT64_MAX,
						  .discard_sectors = 7,
						  .zeroes_sectors = 9},
				       .timeout_ns = 1000000000,
				       .queue = &queue,
				       .queues = 1};
	block_init(&device);
	disk = (struct disk){.block = &device, .first = FIRST, .sectors = LENGTH};
	for (size_t i = 0; i < sizeof(medium); i++)
		medium[i] = model[i] = test_random(&seed);
	set_when(WITHIN_SUBMIT);
	parts = fails_after = 0;
	fake_blocks_max = FAKE_BLOCKS;
	return 0;
}

static void run_request(struct disk_request *r)
{
	ends = 0;
	unmaps = r->may_unmap;
	r->done = done;
	if (disk_submit(&disk, r))
		done(r);
	while (flying)
		block_poll(&device, 0);
	assert_int_equal(ends, 1);
	assert_int_equal(fake_blocks, 0);
}

static enum status simple(enum block_op op, uint64_t sector, uint32_t sectors)
{
	struct frame_run run = {hpa(0), sectors * BLOCK_SECTOR};
	struct disk_request r = {.op = op, .sector = sector, .sectors = sectors, .run = &run, .runs = 1};

	run_request(&r);
	return r.status;
}

/* Pieces for n bytes, of any alignment. */
static unsigned pieces(uint64_t *seed, struct frame_run *run, uint32_t n)
{
	unsigned count = 0, align = 1u << test_random(seed) % 13;

	while (n) {
		uint32_t at = ALIGN_DOWN(test_random(seed) % PAGE_SIZE, align),
			 len = 1 + test_random(seed) % 12000;

		if (test_random(seed) % 2)
			len = ALIGN_UP(len, align);
		len = count == RUNS - 1 ? n : MIN(len, n);
		run[count] = (struct frame_run){hpa(count * 0x20000 + at), len};
		n -= len;
		count++;
	}
	return count;
}

static void copy(const struct frame_run *run, unsigned runs, uint8_t *buffer, bool out)
{
	for (unsigned i = 0; i < runs; buffer += run[i++].len) {
		if (out)
			frame_write(run[i].pa, buffer, run[i].len);
		else
			frame_read(buffer, run[i].pa, run[i].len);
	}
}

static void random_limits(uint64_t *seed)
{
	static const uint32_t aligns[] = {1, 2, 4, 512}, joints[] = {0, 0, 512, 4096};
	uint32_t block = test_random(seed) % 4 ? BLOCK_SECTOR : 2048;

	device.logical_size = block;
	device.limits.sectors = block / BLOCK_SECTOR * (1 + test_random(seed) % 40);
	device.limits.runs = 1 + test_random(seed) % 6;
	device.limits.run_align = aligns[test_random(seed) % 4];
	device.limits.run_joint = joints[test_random(seed) % 4];
	device.limits.discard_sectors = block / BLOCK_SECTOR * (1 + test_random(seed) % 10);
	device.limits.zeroes_sectors = block / BLOCK_SECTOR * (1 + test_random(seed) % 10);
}

static void test_as_an_array(void **state)
{
	static uint8_t buffer[64 * BLOCK_SECTOR];
	struct frame_run run[RUNS], kept[RUNS];
	uint64_t seed = 5;

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct disk_request r = {
		    .op = test_random(&seed) % BLOCK_OPS, .may_unmap = i % 2, .run = run};
		uint32_t unit;
		uint8_t *m;

		random_limits(&seed);
		set_when(test_random(&seed) % WHEN);
		unit = device.logical_size / BLOCK_SECTOR;
		r.sectors = unit * (1 + test_random(&seed) % (64 / unit));
		r.sector = ALIGN_DOWN(test_random(&seed) % (LENGTH - r.sectors + 1), unit);
		m = model + (FIRST + r.sector) * BLOCK_SECTOR;
		r.runs = pieces(&seed, run, r.sectors * BLOCK_SECTOR);
		memcpy(kept, run, sizeof(run));
		if (r.op == BLOCK_WRITE) {
			for (size_t k = 0; k < r.sectors * BLOCK_SECTOR; k++)
				m[k] = test_random(&seed);
			copy(kept, r.runs, m, true);
		} else if (r.op == BLOCK_DISCARD || r.op == BLOCK_WRITE_ZEROES) {
			memset(m, 0, r.sectors * BLOCK_SECTOR);
		}
		unit = r.runs;
		run_request(&r);
		assert_int_equal(r.status, OK);
		if (r.op == BLOCK_READ) {
			copy(kept, unit, buffer, false);
			assert_memory_equal(buffer, m, r.sectors * BLOCK_SECTOR);
		}
		assert_memory_equal(medium, model, sizeof(medium));
	}
}

/* What suits the device goes there as it is. */
static void test_no_copy(void **state)
{
	fake_blocks_max = 0;
	assert_int_equal(simple(BLOCK_READ, 3, 16), OK);
	assert_int_equal(parts, 1);
	assert_int_equal(simple(BLOCK_WRITE, 0, 33), OK);
	assert_int_equal(parts, 1 + 3);
}

static void test_no_memory_to_copy(void **state)
{
	struct frame_run run = {hpa(1), 8 * BLOCK_SECTOR};
	struct disk_request r = {.op = BLOCK_READ, .sectors = 8, .run = &run, .runs = 1};

	fake_blocks_max = 0;
	run_request(&r);
	assert_int_equal(r.status, ERR_NOMEM);
	/* The host's own lies out of the device's reach too. */
	fake_blocks_max = FAKE_BLOCKS;
	device.limits.pa_max = 0xfff;
	run = (struct frame_run){hpa(PAGE_SIZE), 8 * BLOCK_SECTOR};
	run_request(&r);
	assert_int_equal(r.status, ERR_NOMEM);
	assert_int_equal(parts, 0);
}

static void test_bounds(void **state)
{
	assert_int_equal(simple(BLOCK_READ, LENGTH - 1, 1), OK);
	assert_int_equal(simple(BLOCK_READ, LENGTH, 1), ERR_RANGE);
	assert_int_equal(simple(BLOCK_READ, LENGTH - 1, 2), ERR_RANGE);
	assert_int_equal(simple(BLOCK_WRITE, UINT64_MAX, 2), ERR_RANGE);
	assert_int_equal(simple(BLOCK_WRITE, UINT64_MAX - 1, 1), ERR_RANGE);
	assert_int_equal(simple(BLOCK_DISCARD, 0, LENGTH + 1), ERR_RANGE);
	assert_int_equal(simple(BLOCK_READ, LENGTH, 0), OK);
	device.logical_size = 4096;
	assert_int_equal(simple(BLOCK_READ, 8, 8), OK);
	assert_int_equal(simple(BLOCK_READ, 4, 8), ERR_INVAL);
	assert_int_equal(simple(BLOCK_READ, 8, 4), ERR_INVAL);
	assert_int_equal(parts, 2);
	assert_int_equal(disk.stats.errors, 7);
}

static void test_rights(void **state)
{
	device.limits.discard_sectors = device.limits.zeroes_sectors = 0;
	assert_int_equal(simple(BLOCK_DISCARD, 0, 1), ERR_UNSUPPORTED);
	assert_int_equal(simple(BLOCK_WRITE_ZEROES, 0, 1), ERR_UNSUPPORTED);
	device.limits.discard_sectors = device.limits.zeroes_sectors = 1;
	disk.readonly = true;
	assert_int_equal(simple(BLOCK_DISCARD, 0, 1), ERR_UNSUPPORTED);
	assert_int_equal(simple(BLOCK_WRITE_ZEROES, 0, 1), ERR_UNSUPPORTED);
	assert_int_equal(simple(BLOCK_WRITE, 0, 1), ERR_INVAL);
	assert_int_equal(parts, 0);
	assert_int_equal(simple(BLOCK_READ, 0, 1), OK);
}

/* The second of several parts fails: so does all, once, and no more is sent. */
static void test_error(void **state)
{
	for (unsigned i = 0; i < WHEN; i++) {
		set_when(i);
		parts = 0;
		fails_after = 2;
		if (when == PERFORMS)
			fails_after = 1;
		assert_int_equal(simple(BLOCK_READ, 0, 64), ERR_IO);
		assert_int_equal(parts, fails_after);
	}
	assert_int_equal(disk.stats.errors, WHEN);
	assert_int_equal(disk.stats.requests[BLOCK_READ], WHEN);
}

/* A flush goes to a device with a cache alone. */
static void test_flush(void **state)
{
	assert_int_equal(simple(BLOCK_FLUSH, 0, 0), OK);
	assert_int_equal(device.stats.requests[BLOCK_FLUSH], 0);
	device.write_cache = true;
	set_when(LATER);
	assert_int_equal(simple(BLOCK_FLUSH, 0, 0), OK);
	assert_int_equal(device.stats.requests[BLOCK_FLUSH], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_as_an_array, setup),
	    cmocka_unit_test_setup(test_no_copy, setup),
	    cmocka_unit_test_setup(test_no_memory_to_copy, setup),
	    cmocka_unit_test_setup(test_bounds, setup),
	    cmocka_unit_test_setup(test_rights, setup),
	    cmocka_unit_test_setup(test_error, setup),
	    cmocka_unit_test_setup(test_flush, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
