/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/io/block_memory.c against a plain array, and the frames that it takes. */
#include "fake_vm.h"
#include "fake_frames.h"

#include "hv/io/block_memory.h"

#define SIZE      (MIB(2) + 5 * PAGE_SIZE) /* two tables */
#define SECTORS   (SIZE / BLOCK_SECTOR)
#define FILE_SIZE (MIB(2) + 700)
#define ROUNDS    30000
#define RUNS      4

struct pcpu test_cpu;

static struct block_memory disk;
static uint8_t file[FILE_SIZE], model[SIZE];

static enum status request(enum block_op op, uint64_t sector, uint32_t sectors, const struct frame_run *run,
			   uint32_t runs, bool may_unmap)
{
	const struct block_request r = {
	    .op = op, .sector = sector, .sectors = sectors, .run = run, .runs = runs, .may_unmap = may_unmap};

	return block_perform(&disk.block, &r);
}

static enum status request_at(enum block_op op, uint64_t sector, uint32_t sectors, uint64_t pa)
{
	struct frame_run run = {hpa(pa), sectors * BLOCK_SECTOR};

	return request(op, sector, sectors, &run, 1, true);
}

static int setup(void **state)
{
	uint64_t seed = 3;

	fake_taken_max = FAKE_FRAMES - FAKE_GUEST;
	for (size_t i = 0; i < FILE_SIZE; i++)
		model[i] = file[i] = test_random(&seed);
	memset(model + FILE_SIZE, 0, SIZE - FILE_SIZE);
	assert_int_equal(block_memory_init(&disk, "data", file, FILE_SIZE, SIZE, false), OK);
	return 0;
}

static int teardown(void **state)
{
	enum status s;

	while ((s = block_memory_free_step(&disk)) == ERR_AGAIN)
		;
	assert_int_equal(s, OK);
	assert_int_equal(fake_taken_count, 0);
	assert_int_equal(fake_blocks, 0);
	return 0;
}

static void assert_as_model(void)
{
	for (uint64_t s = 0; s < SECTORS; s += 8) {
		assert_int_equal(request_at(BLOCK_READ, s, 8, 0x10000), OK);
		assert_memory_equal(fake_memory + 0x10000, model + s * BLOCK_SECTOR, 8 * BLOCK_SECTOR);
	}
}

static void test_is_the_file(void **state)
{
	assert_int_equal(disk.block.sectors, SECTORS);
	assert_as_model();
	assert_int_equal(fake_taken_count, 0);
}

/* The pieces of memory that n bytes go to or come from: disjoint, some not aligned. Returns how many. */
static unsigned pieces(uint64_t *seed, struct frame_run *run, uint32_t n)
{
	unsigned count = 0;

	while (n) {
		uint32_t len = count == RUNS - 1 ? n : 1 + test_random(seed) % n;

		run[count] = (struct frame_run){hpa(count * 0x20000 + test_random(seed) % PAGE_SIZE), len};
		n -= len;
		count++;
	}
	return count;
}

static void gather(const struct frame_run *run, unsigned runs, uint8_t *to)
{
	for (unsigned i = 0; i < runs; to += run[i++].len)
		frame_read(to, run[i].pa, run[i].len);
}

static void test_as_an_array(void **state)
{
	static uint8_t buffer[64 * BLOCK_SECTOR];
	struct frame_run run[RUNS];
	uint64_t seed = 5;

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint32_t n = 1 + test_random(&seed) % 40;
		uint64_t at = test_random(&seed) % (SECTORS - n), bytes = n * BLOCK_SECTOR;
		uint8_t *m = model + at * BLOCK_SECTOR;
		unsigned runs = pieces(&seed, run, bytes);

		switch (test_random(&seed) % 8) {
		case 0:
			assert_int_equal(request(BLOCK_DISCARD, at, n, NULL, 0, false), OK);
			memset(m, 0, bytes);
			break;
		case 1:
			assert_int_equal(request(BLOCK_WRITE_ZEROES, at, n, NULL, 0, i % 2), OK);
			memset(m, 0, bytes);
			break;
		case 2:
		case 3:
			for (unsigned k = 0; k < runs; k++)
				memset(fake_memory + run[k].pa.v, (int)(i + k), run[k].len);
			gather(run, runs, m);
			assert_int_equal(request(BLOCK_WRITE, at, n, run, runs, false), OK);
			break;
		default:
			assert_int_equal(request(BLOCK_READ, at, n, run, runs, false), OK);
			gather(run, runs, buffer);
			assert_memory_equal(buffer, m, bytes);
			break;
		}
		assert_int_equal(disk.frames, fake_taken_count);
	}
	assert_as_model();
	assert_int_equal(request(BLOCK_FLUSH, 0, 0, NULL, 0, false), OK);
}

static void test_frames_come_and_go(void **state)
{
	/* Of a page that is zeros beyond the file, of one of the file, of one that is written in part. */
	assert_int_equal(request_at(BLOCK_WRITE, SECTORS - 8, 8, 0), OK);
	assert_int_equal(request_at(BLOCK_WRITE, 0, 8, 0), OK);
	assert_int_equal(request_at(BLOCK_WRITE, 9, 1, 0), OK);
	assert_int_equal(fake_taken_count, 3);
	assert_int_equal(request(BLOCK_WRITE_ZEROES, 0, 8, NULL, 0, false), OK);
	assert_int_equal(fake_taken_count, 3);
	assert_int_equal(request(BLOCK_DISCARD, 0, 16, NULL, 0, false), OK);
	assert_int_equal(request(BLOCK_WRITE_ZEROES, SECTORS - 8, 8, NULL, 0, true), OK);
	assert_int_equal(fake_taken_count, 0);
	/* What was trimmed of the file stays so. */
	memset(model, 0, 16 * BLOCK_SECTOR);
	assert_as_model();
	/* A blank page that is zeroed takes none. */
	assert_int_equal(request(BLOCK_WRITE_ZEROES, SECTORS - 8, 8, NULL, 0, false), OK);
	assert_int_equal(fake_taken_count, 0);
}

/* The guest zone is used up, or Ingot's own memory: an error, and what was there is there. */
static void test_no_memory(void **state)
{
	fake_taken_max = 1;
	assert_int_equal(request_at(BLOCK_WRITE, 0, 16, 0), ERR_NOMEM);
	memcpy(model, fake_memory, 8 * BLOCK_SECTOR);
	assert_int_equal(request_at(BLOCK_WRITE, 100, 1, 0), ERR_NOMEM);
	assert_int_equal(request(BLOCK_WRITE_ZEROES, 100, 1, NULL, 0, true), ERR_NOMEM);
	assert_as_model();
	fake_blocks_max = fake_blocks;
	assert_int_equal(request_at(BLOCK_WRITE, SECTORS - 1, 1, 0), ERR_NOMEM);
	assert_int_equal(request(BLOCK_DISCARD, SECTORS - 40, 40, NULL, 0, true), ERR_NOMEM);
	fake_blocks_max = FAKE_BLOCKS;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_is_the_file, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_as_an_array, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_frames_come_and_go, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
