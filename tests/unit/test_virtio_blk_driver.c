/* SPDX-License-Identifier: BSD-2-Clause */
/* drivers/virtio_blk.c: what it tells a device, and what it makes of what the device says. */
#include "fake_virtio_device.h"

#include "drivers/virtio_blk.h"
#include "hv/io/block.h"
#include "hv/pcpu.h"
#include "hv/x86/virtio_blk.h"

#define SECTORS    0x123456
#define QUEUE_SIZE 64
#define SEGMENTS   20
#define RUN        0x10000 /* where data lies */

struct pcpu *pcpus[MAX_PCPUS];
uint32_t pcpu_count = 3;

static struct pci_device pci;
static struct virtio_blk_config *const config = (struct virtio_blk_config *)fake.config;
static struct block_device *disk;
static unsigned completions, polled;
static struct block_request *completed;
static enum status completed_status;
static uint8_t id_status;
static bool answers_id;

void block_register(struct block_device *b)
{
	disk = b;
}

void block_complete(struct block_device *b, struct block_request *r, enum status status)
{
	assert_ptr_equal(b, disk);
	completions++;
	completed = r;
	completed_status = status;
}

void block_poll(struct block_device *b, unsigned queue)
{
	polled |= 1u << queue;
}

/* Answers the request for the serial number. */
static void give_id(struct virtio_queue *q)
{
	uint16_t head = fake_take(0);
	const struct virtio_blk_header *h = fake_data(fake_desc(0, head, 0));

	assert_int_equal(h->type, VIRTIO_BLK_T_GET_ID);
	assert_int_equal(fake_desc(0, head, 1)->len, VIRTIO_BLK_ID_BYTES);
	if (!answers_id)
		return;
	memcpy(fake_data(fake_desc(0, head, 1)), "SN-1\x01 and more than it", VIRTIO_BLK_ID_BYTES);
	*(uint8_t *)fake_data(fake_desc(0, head, 2)) = id_status;
	fake_answer(0, head, VIRTIO_BLK_ID_BYTES + 1);
}

static enum status probe(void)
{
	enum status s;

	fake.on_notify = give_id;
	s = virtio_blk_probe(&pci);
	fake.on_notify = NULL;
	return s;
}

static int setup(void **state)
{
	memset(&fake, 0, sizeof(fake));
	fake.offered = VIRTIO_F_VERSION_1 | VIRTIO_BLK_F_SEG_MAX | VIRTIO_BLK_F_FLUSH | VIRTIO_BLK_F_MQ |
		       VIRTIO_BLK_F_DISCARD | VIRTIO_BLK_F_WRITE_ZEROES;
	fake.queue_size = QUEUE_SIZE;
	fake.queues = fake.irqs = 2;
	config->capacity = SECTORS;
	config->seg_max = SEGMENTS;
	config->num_queues = 2;
	config->max_discard_sectors = 999;
	config->max_write_zeroes_sectors = 777;
	config->write_zeroes_may_unmap = 1;
	pci = (struct pci_device){.bdf = 0x20, .msix = 0x40, .irqs = 3};
	disk = NULL;
	completed = NULL;
	completions = polled = 0;
	id_status = VIRTIO_BLK_S_OK;
	answers_id = true;
	return 0;
}

static int setup_disk(void **state)
{
	setup(state);
	return probe() != OK || !disk;
}

static int teardown(void **state)
{
	fake_free_all();
	return 0;
}

static struct block_request request(enum block_op op, const struct frame_run *run, uint32_t runs)
{
	return (struct block_request){
	    .op = op, .sector = 0x100000001, .sectors = 8, .run = run, .runs = runs};
}

static const struct frame_run runs[SEGMENTS] = {{{RUN}, 1024}, {{2 * RUN}, 3072}};

/* Submits to queue 1 and has it taken by the device: its first descriptor. */
static uint16_t submit(struct block_request *r)
{
	unsigned notified = fake.notified[1];

	assert_true(disk->ops->submit(disk, 1, r));
	assert_int_equal(fake.notified[1], notified + 1);
	return fake_take(1);
}

static void status_byte(uint16_t head, unsigned pieces, uint8_t status)
{
	*(uint8_t *)fake_data(fake_desc(1, head, pieces - 1)) = status;
}

static void test_description(void **state)
{
	assert_string_equal(disk->serial, "SN-1");
	assert_int_equal(disk->sectors, SECTORS);
	assert_int_equal(disk->logical_size, 512);
	assert_int_equal(disk->physical_size, 512);
	assert_int_equal(disk->limits.runs, SEGMENTS);
	assert_int_equal(disk->limits.discard_sectors, 999);
	assert_int_equal(disk->limits.zeroes_sectors, 777);
	assert_true(disk->write_cache);
	assert_false(disk->readonly);
	assert_int_equal(disk->queues, 2);
	assert_int_equal(disk->poll_ns, 0);
	assert_int_equal(disk->bdf, 0x20);
	fake.irq[1].fn(fake.irq[1].arg);
	assert_int_equal(polled, 2);
}

static void test_large_blocks(void **state)
{
	fake.offered |= VIRTIO_BLK_F_BLK_SIZE | VIRTIO_BLK_F_TOPOLOGY | VIRTIO_BLK_F_RO;
	config->blk_size = 4096;
	config->physical_block_exp = 200;
	config->seg_max = 1000;
	assert_int_equal(probe(), OK);
	assert_int_equal(disk->logical_size, 4096);
	assert_int_equal(disk->physical_size, 65536);
	assert_int_equal(disk->limits.runs, QUEUE_SIZE - 2);
	assert_int_equal(disk->limits.discard_sectors, 992);
	assert_true(disk->readonly);
}

static void test_poor_device(void **state)
{
	fake.offered = VIRTIO_F_VERSION_1;
	fake.irqs = 0;
	id_status = VIRTIO_BLK_S_UNSUPP;
	assert_int_equal(probe(), OK);
	assert_string_equal(disk->serial, "");
	assert_int_equal(disk->queues, 1);
	assert_int_not_equal(disk->poll_ns, 0);
	assert_int_equal(disk->limits.runs, 1);
	assert_int_equal(disk->limits.discard_sectors, 0);
	assert_false(disk->write_cache);
}

static void assert_refused(enum status s)
{
	assert_int_equal(probe(), s);
	assert_null(disk);
	assert_false(fake.master);
	assert_int_equal(fake.allocations, 0);
}

static void test_no_answer(void **state)
{
	answers_id = false;
	assert_refused(ERR_TIMEOUT);
}

static void test_no_reset(void **state)
{
	fake.reset_status = ERR_AGAIN;
	assert_refused(ERR_TIMEOUT);
}

static void test_not_modern(void **state)
{
	fake.reset_status = ERR_UNSUPPORTED;
	assert_refused(ERR_UNSUPPORTED);
}

static void test_odd_block_size(void **state)
{
	fake.offered |= VIRTIO_BLK_F_BLK_SIZE;
	config->blk_size = 520;
	assert_refused(ERR_UNSUPPORTED);
}

static void test_capacity_wild(void **state)
{
	config->capacity = UINT64_MAX;
	assert_refused(ERR_UNSUPPORTED);
}

static void test_no_segments(void **state)
{
	config->seg_max = 0;
	assert_refused(ERR_UNSUPPORTED);
}

static void test_read(void **state)
{
	struct block_request r = request(BLOCK_READ, runs, 2);
	uint16_t head = submit(&r);
	const struct virtio_blk_header *h = fake_data(fake_desc(1, head, 0));

	assert_int_equal(h->type, VIRTIO_BLK_T_IN);
	assert_int_equal(h->sector, 0x100000001);
	assert_int_equal(fake_desc(1, head, 0)->len, 16);
	assert_int_equal(fake_desc(1, head, 0)->flags, VQ_DESC_NEXT);
	assert_int_equal(fake_desc(1, head, 1)->addr, RUN);
	assert_int_equal(fake_desc(1, head, 1)->len, 1024);
	assert_int_equal(fake_desc(1, head, 1)->flags, VQ_DESC_NEXT | VQ_DESC_WRITE);
	assert_int_equal(fake_desc(1, head, 2)->addr, 2 * RUN);
	assert_int_equal(fake_desc(1, head, 2)->len, 3072);
	assert_int_equal(fake_desc(1, head, 3)->len, 1);
	assert_int_equal(fake_desc(1, head, 3)->flags, VQ_DESC_WRITE);

	disk->ops->poll(disk, 1);
	assert_int_equal(completions, 0);
	status_byte(head, 4, VIRTIO_BLK_S_OK);
	fake_answer(1, head, 4097);
	disk->ops->poll(disk, 1);
	assert_ptr_equal(completed, &r);
	assert_int_equal(completed_status, OK);
}

static void test_write(void **state)
{
	struct block_request r = request(BLOCK_WRITE, runs, 2);
	uint16_t head = submit(&r);
	const struct virtio_blk_header *h = fake_data(fake_desc(1, head, 0));

	assert_int_equal(h->type, VIRTIO_BLK_T_OUT);
	assert_int_equal(fake_desc(1, head, 2)->flags, VQ_DESC_NEXT);
	status_byte(head, 4, VIRTIO_BLK_S_OK);
	fake_answer(1, head, 1);
	disk->ops->poll(disk, 1);
	assert_int_equal(completed_status, OK);
}

static void test_flush(void **state)
{
	struct block_request r = request(BLOCK_FLUSH, NULL, 0);
	uint16_t head = submit(&r);
	const struct virtio_blk_header *h = fake_data(fake_desc(1, head, 0));

	assert_int_equal(h->type, VIRTIO_BLK_T_FLUSH);
	assert_int_equal(h->sector, 0);
	assert_int_equal(fake_desc(1, head, 1)->flags, VQ_DESC_WRITE);
	assert_int_equal(completions, 0);
	status_byte(head, 2, VIRTIO_BLK_S_OK);
	fake_answer(1, head, 1);
	disk->ops->poll(disk, 1);
	assert_int_equal(completed_status, OK);
}

/* A device without a cache is not asked. */
static void test_flush_without_cache(void **state)
{
	struct block_request r = request(BLOCK_FLUSH, NULL, 0);

	fake.offered &= ~VIRTIO_BLK_F_FLUSH;
	assert_int_equal(probe(), OK);
	assert_true(disk->ops->submit(disk, 1, &r));
	assert_false(fake_has(1));
	assert_int_equal(completions, 1);
	assert_int_equal(completed_status, OK);
}

static void expect_range(enum block_op op, bool may_unmap, uint32_t type, uint32_t flags)
{
	struct block_request r = request(op, NULL, 0);
	const struct virtio_blk_header *h;
	const struct virtio_blk_range *range;
	uint16_t head;

	r.may_unmap = may_unmap;
	head = submit(&r);
	h = fake_data(fake_desc(1, head, 0));
	range = fake_data(fake_desc(1, head, 1));
	assert_int_equal(h->type, type);
	assert_int_equal(h->sector, 0);
	assert_int_equal(fake_desc(1, head, 1)->len, sizeof(*range));
	assert_int_equal(fake_desc(1, head, 1)->flags, VQ_DESC_NEXT);
	assert_int_equal(range->sector, 0x100000001);
	assert_int_equal(range->sectors, 8);
	assert_int_equal(range->flags, flags);
	status_byte(head, 3, VIRTIO_BLK_S_UNSUPP);
	fake_answer(1, head, 1);
	disk->ops->poll(disk, 1);
	assert_int_equal(completed_status, ERR_UNSUPPORTED);
}

static void test_ranges(void **state)
{
	expect_range(BLOCK_DISCARD, false, VIRTIO_BLK_T_DISCARD, 0);
	expect_range(BLOCK_WRITE_ZEROES, false, VIRTIO_BLK_T_WRITE_ZEROES, 0);
	expect_range(BLOCK_WRITE_ZEROES, true, VIRTIO_BLK_T_WRITE_ZEROES, VIRTIO_BLK_RANGE_UNMAP);
}

/* A read of 4096 bytes, whose answer is this; 256: the device writes no status. */
static enum status read_answered(unsigned status, uint32_t written)
{
	struct block_request r = request(BLOCK_READ, runs, 2);
	uint16_t head = submit(&r);

	if (status < 256)
		status_byte(head, 4, (uint8_t)status);
	fake_answer(1, head, written);
	disk->ops->poll(disk, 1);
	assert_ptr_equal(completed, &r);
	return completed_status;
}

static void test_errors(void **state)
{
	assert_int_equal(read_answered(VIRTIO_BLK_S_IOERR, 4097), ERR_IO);
	assert_int_equal(read_answered(VIRTIO_BLK_S_IOERR, 1), ERR_IO);
	assert_int_equal(read_answered(77, 4097), ERR_IO);
	assert_int_equal(read_answered(256, 4097), ERR_IO);
	assert_int_equal(read_answered(VIRTIO_BLK_S_OK, 4096), ERR_IO);
	assert_int_equal(read_answered(VIRTIO_BLK_S_OK, 1), ERR_IO);
	assert_int_equal(read_answered(VIRTIO_BLK_S_OK, 0), ERR_IO);
	assert_int_equal(read_answered(VIRTIO_BLK_S_OK, 4097), OK);
}

/* As many requests as the ring takes; each gets room again when one is done. */
static void test_room(void **state)
{
	struct block_request r[QUEUE_SIZE / 4 + 1];
	uint16_t first;

	for (unsigned i = 0; i < QUEUE_SIZE / 4; i++) {
		r[i] = request(BLOCK_READ, runs, 2);
		assert_true(disk->ops->submit(disk, 1, &r[i]));
	}
	r[QUEUE_SIZE / 4] = request(BLOCK_READ, runs, 2);
	assert_false(disk->ops->submit(disk, 1, &r[QUEUE_SIZE / 4]));
	first = fake_take(1);
	status_byte(first, 4, VIRTIO_BLK_S_OK);
	fake_answer(1, first, 4097);
	disk->ops->poll(disk, 1);
	assert_ptr_equal(completed, &r[0]);
	assert_true(disk->ops->submit(disk, 1, &r[QUEUE_SIZE / 4]));
}

/* What was never asked, or twice answered, completes nothing; then nothing is taken until the reset. */
static void test_duplicate(void **state)
{
	struct block_request r = request(BLOCK_READ, runs, 2), other = r;
	uint16_t head = submit(&r);

	submit(&other);
	status_byte(head, 4, VIRTIO_BLK_S_OK);
	fake_answer(1, head, 4097);
	fake_answer(1, head, 4097);
	disk->ops->poll(disk, 1);
	assert_int_equal(completions, 1);
	assert_ptr_equal(completed, &r);
	assert_false(disk->ops->submit(disk, 1, &r));

	assert_int_equal(disk->ops->reset(disk), OK);
	assert_true(fake.ready);
	head = submit(&other);
	status_byte(head, 4, VIRTIO_BLK_S_OK);
	fake_answer(1, head, 4097);
	disk->ops->poll(disk, 1);
	assert_int_equal(completions, 2);
	assert_ptr_equal(completed, &other);
}

static void test_wrong_id(void **state)
{
	struct block_request r = request(BLOCK_READ, runs, 2);
	uint16_t head = submit(&r);

	fake_answer(1, head + 1, 1);
	disk->ops->poll(disk, 1);
	assert_int_equal(completions, 0);
	assert_false(disk->ops->submit(disk, 1, &r));
}

/* An answer after the reset is none: the ring is new. */
static void test_late(void **state)
{
	struct block_request r = request(BLOCK_READ, runs, 2);
	struct vq_used *used;
	uint16_t head = submit(&r);

	used = fake.queue[1]->ring.used;
	assert_int_equal(disk->ops->reset(disk), OK);
	used->ring[0] = (struct vq_used_elem){head, 4097};
	used->idx = 1;
	disk->ops->poll(disk, 1);
	assert_int_equal(completions, 0);
}

static void test_reset_fails(void **state)
{
	uint64_t offered = fake.offered;

	fake.master = true;
	fake.reset_status = ERR_AGAIN;
	assert_int_equal(disk->ops->reset(disk), ERR_AGAIN);
	fake.reset_status = OK;
	fake.offered &= ~VIRTIO_BLK_F_FLUSH;
	assert_int_equal(disk->ops->reset(disk), ERR_UNSUPPORTED);
	assert_false(fake.master);
	fake.offered = offered;
	fake.master = true;
	fake.reset_status = ERR_NOENT;
	assert_int_equal(disk->ops->reset(disk), ERR_NOENT);
	assert_false(fake.master);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_description, setup_disk, teardown),
	    cmocka_unit_test_setup_teardown(test_large_blocks, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_poor_device, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_no_answer, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_no_reset, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_not_modern, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_odd_block_size, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_capacity_wild, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_no_segments, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_read, setup_disk, teardown),
	    cmocka_unit_test_setup_teardown(test_write, setup_disk, teardown),
	    cmocka_unit_test_setup_teardown(test_flush, setup_disk, teardown),
	    cmocka_unit_test_setup_teardown(test_flush_without_cache, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_ranges, setup_disk, teardown),
	    cmocka_unit_test_setup_teardown(test_errors, setup_disk, teardown),
	    cmocka_unit_test_setup_teardown(test_room, setup_disk, teardown),
	    cmocka_unit_test_setup_teardown(test_duplicate, setup_disk, teardown),
	    cmocka_unit_test_setup_teardown(test_wrong_id, setup_disk, teardown),
	    cmocka_unit_test_setup_teardown(test_late, setup_disk, teardown),
	    cmocka_unit_test_setup_teardown(test_reset_fails, setup_disk, teardown),
	};

	return cmocka_run_group_tests_name("virtio_blk_driver", tests, NULL, NULL);
}
