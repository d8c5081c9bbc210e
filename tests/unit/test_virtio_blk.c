/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hv/vdev/virtio_blk.c, with the disk and the block core below it: a driver's rings on one side, on the other a slow device that
 * the test lets complete what it wants, when it wants, or never; ends, drains and resets while requests are under way.
 */
#include "fake_vm.h"
#include "fake_frames.h"
#include "fake_pci.h"
#include "fake_transport.h"

#include "hv/config.h"
#include "hv/vdev/virtio_blk.h"
#include "hv/x86/virtio_blk.h"

#define RAM        0x200000
#define QUEUES     2
#define SIZE       VIRTIO_BLK_QUEUE_SIZE
#define QUEUE      0x4000 /* bytes between the rings of two queues: descriptors, 0x1000 available, 0x2000 used */
#define HEADERS    0x10000
#define ANSWERS    0x12000
#define TABLES     0x14000
#define TABLE_SIZE 64
#define BUFFERS    0x20000 /* a page for each request */
#define BIG        0x130000
#define NO_ANSWER  0xee

#define SECTORS    4096
#define SECTOR     BLOCK_SECTOR
#define FLIGHTS    256
#define SECOND     1000000000ULL
#define RUNS       (VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK | VIRTIO_DRIVER_OK)
#define FEATURES                                                                                             \
	(VIRTIO_F_INDIRECT_DESC | VIRTIO_BLK_F_FLUSH | VIRTIO_BLK_F_DISCARD | VIRTIO_BLK_F_WRITE_ZEROES)

struct pcpu test_cpu;
struct config host_config_file;

static struct virtio_blk *blk;
static struct vm *loaded;
static unsigned drained;
static struct work *queued;

/* --- the device below --- */

static struct block_queue device_queue;
static struct block_device device;
static uint8_t medium[SECTORS * SECTOR];
static struct block_request *flying[FLIGHTS];
static unsigned flying_count, room, device_resets;
static enum status reset_status;
/* What poll completes: with which status, if any. */
static int chosen;
static enum status chosen_status;

static void perform(const struct block_request *r)
{
	uint8_t *at = medium + r->sector * SECTOR;

	if (r->op == BLOCK_FLUSH)
		return;
	assert_true(r->sectors && r->sector + r->sectors <= SECTORS);
	if (r->op == BLOCK_DISCARD || r->op == BLOCK_WRITE_ZEROES)
		memset(at, 0, r->sectors * SECTOR);
	else
		for (uint32_t i = 0; i < r->runs; at += r->run[i++].len) {
			assert_true(r->run[i].pa.v + r->run[i].len <= RAM);
			if (r->op == BLOCK_READ)
				memcpy(fake_memory + r->run[i].pa.v, at, r->run[i].len);
			else
				memcpy(at, fake_memory + r->run[i].pa.v, r->run[i].len);
		}
}

static bool device_submit(struct block_device *b, unsigned q, struct block_request *r)
{
	if (flying_count == room)
		return false;
	flying[flying_count++] = r;
	return true;
}

static void device_poll(struct block_device *b, unsigned q)
{
	struct block_request *r;

	if (chosen < 0)
		return;
	r = flying[chosen];
	memmove(&flying[chosen], &flying[chosen + 1], (--flying_count - chosen) * sizeof(flying[0]));
	if (chosen_status == OK)
		perform(r);
	block_complete(b, r, chosen_status);
}

static enum status device_reset(struct block_device *b)
{
	device_resets++;
	flying_count = 0;
	return reset_status;
}

static const struct block_ops device_ops = {
    .submit = device_submit, .poll = device_poll, .reset = device_reset};

/* The device ends its i-th request. */
static void complete(unsigned i, enum status s)
{
	assert_in_range(i, 0, (int)flying_count - 1);
	chosen = (int)i;
	chosen_status = s;
	block_poll(&device, 0);
	chosen = -1;
}

static void complete_all(void)
{
	while (flying_count)
		complete(0, OK);
}

enum status disk_open(struct disk *d, const struct disk_config *cfg, const char *user, bool readonly,
		      char *why, size_t why_size)
{
	*d = (struct disk){
	    .cfg = cfg, .user = user, .block = &device, .sectors = SECTORS, .readonly = readonly};
	return OK;
}

enum status disk_close(struct disk *d)
{
	return OK;
}

/* --- the VM around --- */

struct vm *vm_enter_address_space(struct vm *vm)
{
	struct vm *was = loaded;

	loaded = vm;
	return was;
}

/* Each page a piece of its own. */
unsigned vm_frames(struct vm *vm, gpa_t a, size_t n, struct frame_run *run, unsigned max)
{
	unsigned count = 0;

	assert_ptr_equal(loaded, vm);
	for (size_t part; n; n -= part, a.v += part) {
		part = MIN(n, PAGE_SIZE - a.v % PAGE_SIZE);
		if (count == max)
			return 0;
		run[count++] = (struct frame_run){hpa(a.v), part};
	}
	return count;
}

void vm_device_drained(struct vm *vm)
{
	assert_int_equal(blk->busy, 0);
	drained++;
}

void work_init(struct work *w, work_fn fn)
{
	*w = (struct work){.fn = fn};
}

void work_queue(struct work *w)
{
	assert_null(queued);
	queued = w;
}

/* How often it ran. */
static unsigned run_work(void)
{
	unsigned n = 0;

	for (; queued; n++) {
		struct work *w = queued;

		assert_true(n < 10000);
		queued = NULL;
		w->fn(w);
	}
	return n;
}

/* --- the driver: request n is in queue n / SIZE, its chain at descriptor n % SIZE --- */

static struct vq_used *used(unsigned queue)
{
	return (struct vq_used *)(fake_memory + queue * QUEUE + 0x2000);
}

static uint8_t *buffer(unsigned n)
{
	return fake_memory + BUFFERS + n * PAGE_SIZE;
}

static uint8_t answer(unsigned n)
{
	return fake_memory[ANSWERS + n];
}

static void describe(void *table, unsigned i, uint64_t at, uint32_t len, uint16_t flags, uint16_t next)
{
	((struct vq_desc *)table)[i] = (struct vq_desc){at, len, flags, next};
}

static void *descriptors(unsigned n)
{
	return fake_memory + n / SIZE * QUEUE;
}

static void offer(unsigned n)
{
	struct vq_avail *avail = (struct vq_avail *)(fake_memory + n / SIZE * QUEUE + 0x1000);

	avail->ring[avail->idx % SIZE] = n % SIZE;
	avail->idx++;
}

/* A request of `len` bytes at `at`. */
static void put_at(unsigned n, uint32_t type, uint64_t sector, uint64_t at, uint32_t len)
{
	struct virtio_blk_header h = {.type = type, .sector = sector};
	struct vq_desc *t = (struct vq_desc *)(fake_memory + TABLES + n * TABLE_SIZE);
	bool in = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;
	unsigned i = 0;

	memcpy(fake_memory + HEADERS + n * sizeof(h), &h, sizeof(h));
	fake_memory[ANSWERS + n] = NO_ANSWER;
	describe(t, i++, HEADERS + n * sizeof(h), sizeof(h), VQ_DESC_NEXT, 1);
	if (len)
		describe(t, i++, at, len, VQ_DESC_NEXT | (in ? VQ_DESC_WRITE : 0), 2);
	describe(t, i++, ANSWERS + n, 1, VQ_DESC_WRITE, 0);
	describe(descriptors(n), n % SIZE, TABLES + n * TABLE_SIZE, i * sizeof(*t), VQ_DESC_INDIRECT, 0);
	offer(n);
}

static void put(unsigned n, uint32_t type, uint64_t sector, uint32_t len)
{
	put_at(n, type, sector, BUFFERS + n * PAGE_SIZE, len);
}

static void notify(unsigned queue)
{
	loaded = &fake_vm;
	virtio_notified(&blk->virtio, queue);
	loaded = NULL;
}

/* The answer to one request, which the device does without a fault. */
static uint8_t request(uint32_t type, uint64_t sector, uint32_t len)
{
	put(0, type, sector, len);
	notify(0);
	complete_all();
	return answer(0);
}

static uint8_t range_request(uint32_t type, uint64_t sector, uint32_t sectors, uint32_t flags)
{
	struct virtio_blk_range range = {sector, sectors, flags};

	memcpy(buffer(0), &range, sizeof(range));
	return request(type, 0, sizeof(range));
}

static void start(uint64_t features)
{
	virtio_accept(&blk->virtio, 0, (uint32_t)features & virtio_offered(&blk->virtio, 0));
	virtio_accept(&blk->virtio, 1, VIRTIO_F_VERSION_1 >> 32);
	virtio_set_status(&blk->virtio, RUNS & ~VIRTIO_DRIVER_OK);
	for (unsigned i = 0; i < QUEUES; i++) {
		struct virtqueue *q = virtio_queue(&blk->virtio, i);

		memset(fake_memory + i * QUEUE, 0, QUEUE);
		q->size = SIZE;
		q->desc = gpa(i * QUEUE);
		q->driver = gpa(i * QUEUE + 0x1000);
		q->device = gpa(i * QUEUE + 0x2000);
		virtio_enable_queue(&blk->virtio, i);
	}
	virtio_set_status(&blk->virtio, RUNS);
	assert_int_equal(virtio_status(&blk->virtio), RUNS);
}

static void new_device(bool readonly)
{
	fake_bus_new();
	fake_cfg.disk[0].readonly = readonly;
	assert_int_equal(virtio_blk_init(&fake_vm), OK);
	blk = fake_vm.blk[0];
	blk->virtio.transport = &transport;
	virtio_blk_reset(&fake_vm);
	virtio_blk_resume(&fake_vm);
	run_work();
}

static int setup(void **state)
{
	uint64_t seed = 7;

	fake_vm_new(QUEUES);
	fake_vm.mem = (struct gmem){.base = fake_memory};
	assert_int_equal(gmem_add(&fake_vm.mem, 0, RAM, false), OK);
	device = (struct block_device){.name = "slow0",
				       .ops = &device_ops,
				       .sectors = SECTORS,
				       .logical_size = SECTOR,
				       .physical_size = SECTOR,
				       .limits = {.sectors = 2048,
						  .runs = 512,
						  .run_align = 4,
						  .pa_max = UINT64_MAX,
						  .discard_sectors = 64,
						  .zeroes_sectors = 64},
				       .write_cache = true,
				       .timeout_ns = SECOND,
				       .queue = &device_queue,
				       .queues = 1};
	block_init(&device);
	for (size_t i = 0; i < sizeof(medium); i++)
		medium[i] = (uint8_t)test_random(&seed);
	flying_count = device_resets = 0;
	room = FLIGHTS;
	reset_status = OK;
	chosen = -1;
	queued = NULL;
	strcpy(host_config_file.disk[0].name, "data");
	fake_cfg = (struct vm_config){.vcpus = QUEUES, .disk_count = 1};
	new_device(false);
	forget_calls();
	drained = 0;
	loaded = NULL;
	return 0;
}

/* Whatever happened: nothing is left over. */
static int teardown(void **state)
{
	unsigned free_requests = 0;

	complete_all();
	run_work();
	assert_null(loaded);
	assert_int_equal(blk->busy, 0);
	for (const struct virtio_blk_request *r = blk->free; r; r = r->next)
		free_requests++;
	assert_int_equal(free_requests, VIRTIO_BLK_REQUESTS);
	assert_int_equal(fake_blocks, 0);
	assert_true(virtio_blk_drain(&fake_vm));
	assert_int_equal(virtio_blk_fini(&fake_vm), OK);
	return 0;
}

/* --- requests and their answers --- */

static void test_read_write(void **state)
{
	start(FEATURES);
	memset(buffer(0), 0x5a, PAGE_SIZE);
	put(0, VIRTIO_BLK_T_OUT, 100, PAGE_SIZE);
	put(1, VIRTIO_BLK_T_IN, 200, PAGE_SIZE);
	notify(0);
	assert_int_equal(flying_count, 2);
	assert_int_equal(flying[0]->op, BLOCK_WRITE);
	assert_false(flying[0]->fua);
	assert_int_equal(flying[1]->op, BLOCK_READ);
	assert_int_equal(flying[1]->sector, 200);
	/* They take their time: the driver hears nothing. */
	assert_int_equal(used(0)->idx, 0);
	assert_int_equal(used_calls[0], 0);
	assert_int_equal(answer(0), NO_ANSWER);
	complete(0, OK);
	assert_int_equal(used(0)->idx, 1);
	assert_int_equal(used_calls[0], 1);
	assert_int_equal(used(0)->ring[0].id, 0);
	assert_int_equal(used(0)->ring[0].len, 1);
	assert_int_equal(answer(0), VIRTIO_BLK_S_OK);
	assert_memory_equal(medium + 100 * SECTOR, buffer(0), PAGE_SIZE);
	complete(0, OK);
	assert_int_equal(used(0)->ring[1].id, 1);
	assert_int_equal(used(0)->ring[1].len, PAGE_SIZE + 1);
	assert_memory_equal(buffer(1), medium + 200 * SECTOR, PAGE_SIZE);
	/* Of many pieces: more than a request has room for. */
	put_at(2, VIRTIO_BLK_T_IN, 8, BIG + 0x204, 0x80000);
	notify(0);
	assert_int_equal(flying_count, 1);
	assert_true(flying[0]->runs > VIRTIO_BLK_RUNS);
	complete(0, OK);
	assert_int_equal(answer(2), VIRTIO_BLK_S_OK);
	assert_memory_equal(fake_memory + BIG + 0x204, medium + 8 * SECTOR, 0x80000);
}

/* Ends come in an order of their own, and each queue gets its own. */
static void test_out_of_order(void **state)
{
	static const unsigned order[] = {3, 1, 0, 2, 1, 0}, ids[] = {3, 1, 0};

	start(FEATURES);
	for (unsigned i = 0; i < 3; i++) {
		put(i, VIRTIO_BLK_T_IN, i, SECTOR);
		put(SIZE + i, VIRTIO_BLK_T_IN, 10 + i, SECTOR);
	}
	put(3, VIRTIO_BLK_T_IN, 3, SECTOR);
	notify(0);
	notify(1);
	assert_int_equal(flying_count, 7);
	for (unsigned i = 0; i < ARRAY_SIZE(ids); i++)
		complete(order[i], OK);
	for (unsigned i = 0; i < ARRAY_SIZE(ids); i++)
		assert_int_equal(used(0)->ring[i].id, ids[i]);
	assert_int_equal(used(1)->idx, 0);
	for (unsigned i = 3; i < ARRAY_SIZE(order); i++)
		complete(flying_count == 1 ? 0 : order[i], OK);
	complete_all();
	assert_int_equal(used(0)->idx, 4);
	assert_int_equal(used(1)->idx, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_memory_equal(buffer(SIZE + i), medium + (10 + i) * SECTOR, SECTOR);
}

static void test_flush(void **state)
{
	start(FEATURES);
	put(0, VIRTIO_BLK_T_FLUSH, 0, 0);
	notify(0);
	assert_int_equal(flying[0]->op, BLOCK_FLUSH);
	assert_int_equal(answer(0), NO_ANSWER);
	complete(0, OK);
	assert_int_equal(answer(0), VIRTIO_BLK_S_OK);
	put(1, VIRTIO_BLK_T_FLUSH, 0, 0);
	notify(0);
	complete(0, ERR_IO);
	assert_int_equal(answer(1), VIRTIO_BLK_S_IOERR);
}

/* A driver that knows no flush: a write is answered when it is on the medium. */
static void test_write_through(void **state)
{
	start(VIRTIO_F_INDIRECT_DESC);
	put(0, VIRTIO_BLK_T_OUT, 0, SECTOR);
	notify(0);
	complete(0, OK);
	assert_int_equal(answer(0), NO_ANSWER);
	assert_int_equal(flying_count, 1);
	assert_int_equal(flying[0]->op, BLOCK_FLUSH);
	complete(0, OK);
	assert_int_equal(answer(0), VIRTIO_BLK_S_OK);
}

static void test_ranges(void **state)
{
	start(FEATURES);
	put(1, VIRTIO_BLK_T_DISCARD, 0, sizeof(struct virtio_blk_range));
	*(struct virtio_blk_range *)buffer(1) = (struct virtio_blk_range){32, 16, 0};
	notify(0);
	/* It was read once. */
	*(struct virtio_blk_range *)buffer(1) = (struct virtio_blk_range){UINT64_MAX, UINT32_MAX, 0};
	assert_int_equal(flying[0]->op, BLOCK_DISCARD);
	assert_int_equal(flying[0]->sector, 32);
	assert_int_equal(flying[0]->sectors, 16);
	complete_all();
	assert_int_equal(answer(1), VIRTIO_BLK_S_OK);
	put(1, VIRTIO_BLK_T_WRITE_ZEROES, 0, sizeof(struct virtio_blk_range));
	*(struct virtio_blk_range *)buffer(1) = (struct virtio_blk_range){0, 8, VIRTIO_BLK_RANGE_UNMAP};
	notify(0);
	assert_int_equal(flying[0]->op, BLOCK_WRITE_ZEROES);
	assert_true(flying[0]->may_unmap);
	complete_all();
	assert_int_equal(answer(1), VIRTIO_BLK_S_OK);
	/* More than the device takes at once. */
	assert_int_equal(range_request(VIRTIO_BLK_T_WRITE_ZEROES, 100, 200, 0), VIRTIO_BLK_S_OK);
	for (unsigned i = 100 * SECTOR; i < 300 * SECTOR; i++)
		assert_int_equal(medium[i], 0);
	assert_int_equal(range_request(VIRTIO_BLK_T_DISCARD, 0, 0, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(range_request(VIRTIO_BLK_T_DISCARD, SECTORS - 1, 2, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(range_request(VIRTIO_BLK_T_DISCARD, UINT64_MAX, 2, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(range_request(VIRTIO_BLK_T_DISCARD, 0, UINT32_MAX, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(range_request(VIRTIO_BLK_T_DISCARD, 0, 8, VIRTIO_BLK_RANGE_UNMAP),
			 VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(range_request(VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 2), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(request(VIRTIO_BLK_T_DISCARD, 0, sizeof(struct virtio_blk_range) - 1),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_DISCARD, 0, 2 * sizeof(struct virtio_blk_range)),
			 VIRTIO_BLK_S_IOERR);
}

static void test_id(void **state)
{
	start(FEATURES);
	memset(buffer(0), 0xff, PAGE_SIZE);
	assert_int_equal(request(VIRTIO_BLK_T_GET_ID, 0, VIRTIO_BLK_ID_BYTES), VIRTIO_BLK_S_OK);
	assert_memory_equal(buffer(0), "data\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", VIRTIO_BLK_ID_BYTES);
	assert_int_equal(buffer(0)[VIRTIO_BLK_ID_BYTES], 0xff);
	assert_int_equal(request(VIRTIO_BLK_T_GET_ID, 0, VIRTIO_BLK_ID_BYTES - 1), VIRTIO_BLK_S_IOERR);
}

static void test_wrong_requests(void **state)
{
	start(FEATURES);
	assert_int_equal(request(VIRTIO_BLK_T_IN, SECTORS, SECTOR), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_IN, SECTORS - 1, 2 * SECTOR), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, UINT64_MAX, SECTOR), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, SECTOR + 1), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(99, 0, SECTOR), VIRTIO_BLK_S_UNSUPP);
	put_at(1, VIRTIO_BLK_T_IN, 0, 0, MIB(1) + SECTOR);
	notify(0);
	assert_int_equal(flying_count, 0);
	assert_int_equal(fake_memory[ANSWERS + 1], VIRTIO_BLK_S_IOERR);
	assert_int_equal(virtio_status(&blk->virtio), RUNS);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, SECTOR), VIRTIO_BLK_S_OK);
}

/* Where there is no way to answer. */
static void test_bad_headers(void **state)
{
	static const struct {
		uint32_t len;
		uint16_t flags;
	} first[] = {{15, VQ_DESC_NEXT}, {16, 0}, {16, VQ_DESC_WRITE}, {17, VQ_DESC_NEXT | VQ_DESC_INDIRECT}};

	for (unsigned i = 0; i < ARRAY_SIZE(first); i++) {
		start(FEATURES);
		put(1, VIRTIO_BLK_T_IN, 0, SECTOR);
		notify(0);
		describe(descriptors(0), 0, HEADERS, first[i].len, first[i].flags, 2);
		describe(descriptors(0), 2, ANSWERS, 1, VQ_DESC_WRITE, 0);
		offer(0);
		notify(0);
		assert_int_equal(virtio_status(&blk->virtio), RUNS | VIRTIO_DEVICE_NEEDS_RESET);
		put(3, VIRTIO_BLK_T_IN, 0, SECTOR);
		notify(0);
		/* What was under way before ends, and nothing begins. */
		assert_int_equal(flying_count, 1);
		complete_all();
		virtio_set_status(&blk->virtio, 0);
		assert_int_equal(virtio_status(&blk->virtio), 0);
	}
	start(FEATURES);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, SECTOR), VIRTIO_BLK_S_OK);
}

/* "MUST set the status byte to VIRTIO_BLK_S_IOERR for a write request if the VIRTIO_BLK_F_RO feature is offered". */
static void test_readonly(void **state)
{
	assert_int_equal(virtio_blk_fini(&fake_vm), OK);
	new_device(true);
	assert_true(virtio_offered(&blk->virtio, 0) & VIRTIO_BLK_F_RO);
	start(FEATURES);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, SECTOR), VIRTIO_BLK_S_IOERR);
	assert_int_equal(range_request(VIRTIO_BLK_T_DISCARD, 0, 8, 0), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, SECTOR), VIRTIO_BLK_S_OK);
	assert_int_equal(request(VIRTIO_BLK_T_FLUSH, 0, 0), VIRTIO_BLK_S_OK);
}

/* The same chain offered twice is done twice: the driver's to sort out. */
static void test_offered_twice(void **state)
{
	start(FEATURES);
	put(0, VIRTIO_BLK_T_IN, 0, SECTOR);
	offer(0);
	notify(0);
	assert_int_equal(flying_count, 2);
	complete_all();
	assert_int_equal(used(0)->idx, 2);
	assert_int_equal(used(0)->ring[0].id, 0);
	assert_int_equal(used(0)->ring[1].id, 0);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, SECTOR), VIRTIO_BLK_S_OK);
}

/* --- a device that fails --- */

static void test_errors(void **state)
{
	start(FEATURES);
	put(0, VIRTIO_BLK_T_IN, 0, SECTOR);
	put(1, VIRTIO_BLK_T_OUT, 0, SECTOR);
	put(2, VIRTIO_BLK_T_IN, 0, SECTOR);
	notify(0);
	complete(0, ERR_IO);
	complete(0, ERR_UNSUPPORTED);
	assert_int_equal(answer(0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(answer(1), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(answer(2), NO_ANSWER);
	assert_int_equal(blk->disk.stats.errors, 2);
}

/* It never answers: it is reset and asked again; one that then answers is well, one that never does fails. */
static void test_never(void **state)
{
	start(FEATURES);
	put(0, VIRTIO_BLK_T_IN, 0, SECTOR);
	notify(0);
	fake_run(SECOND + SECOND / 2);
	assert_int_equal(device_resets, 1);
	assert_int_equal(answer(0), NO_ANSWER);
	complete(0, OK);
	assert_int_equal(answer(0), VIRTIO_BLK_S_OK);
	put(1, VIRTIO_BLK_T_IN, 0, SECTOR);
	notify(0);
	fake_run(10 * SECOND);
	assert_int_equal(answer(1), VIRTIO_BLK_S_IOERR);
	assert_int_equal(flying_count, 0);
	/* It is gone for good. */
	put(2, VIRTIO_BLK_T_IN, 0, SECTOR);
	notify(0);
	reset_status = ERR_IO;
	fake_run(10 * SECOND);
	assert_int_equal(answer(2), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, SECTOR), VIRTIO_BLK_S_IOERR);
}

/* --- much --- */

static void test_more_than_requests(void **state)
{
	start(FEATURES);
	room = 40;
	for (unsigned n = 0; n < 2 * SIZE; n++)
		put(n, VIRTIO_BLK_T_IN, n, SECTOR);
	notify(0);
	notify(1);
	/* One notification does not do all: others get their turn. */
	assert_in_range(blk->busy, 2, 2 * 64 + 1);
	run_work();
	assert_int_equal(blk->busy, VIRTIO_BLK_REQUESTS);
	assert_int_equal(flying_count, 40);
	while (flying_count) {
		complete(flying_count / 2, OK);
		run_work();
	}
	assert_int_equal(used(0)->idx, SIZE);
	assert_int_equal(used(1)->idx, SIZE);
	for (unsigned n = 0; n < 2 * SIZE; n++) {
		assert_int_equal(answer(n), VIRTIO_BLK_S_OK);
		assert_memory_equal(buffer(n), medium + n * SECTOR, SECTOR);
	}
}

/* --- the ends of things --- */

static void test_reset_in_flight(void **state)
{
	start(FEATURES);
	for (unsigned n = 0; n < 3; n++)
		put(n, VIRTIO_BLK_T_IN, n, SECTOR);
	notify(0);
	complete(1, OK);
	virtio_set_status(&blk->virtio, 0);
	/* Until the device has let go of the memory, the driver sees it going on. */
	assert_int_equal(virtio_status(&blk->virtio), RUNS);
	put(3, VIRTIO_BLK_T_IN, 0, SECTOR);
	notify(0);
	assert_int_equal(flying_count, 2);
	complete(1, OK);
	assert_int_equal(virtio_status(&blk->virtio), RUNS);
	complete(0, ERR_IO);
	assert_int_equal(virtio_status(&blk->virtio), 0);
	assert_int_equal(transport_resets, 1);
	assert_int_equal(used(0)->idx, 1);
	assert_int_equal(used_calls[0], 1);
	start(FEATURES);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, SECTOR), VIRTIO_BLK_S_OK);
}

/* The VM's memory is wanted back: drain says no until the last request has ended, and the life-cycle is told then. */
static void test_drain(void **state)
{
	start(FEATURES);
	put(0, VIRTIO_BLK_T_IN, 0, SECTOR);
	put(1, VIRTIO_BLK_T_OUT, 1, SECTOR);
	notify(0);
	assert_false(virtio_blk_drain(&fake_vm));
	/* Nothing new begins. */
	put(2, VIRTIO_BLK_T_IN, 2, SECTOR);
	notify(0);
	run_work();
	assert_int_equal(flying_count, 2);
	complete(1, OK);
	assert_int_equal(drained, 0);
	assert_false(virtio_blk_drain(&fake_vm));
	complete(0, OK);
	assert_int_equal(drained, 1);
	assert_true(virtio_blk_drain(&fake_vm));
	assert_null(queued);
	/* The VM goes on after all: what was left is done. */
	virtio_blk_resume(&fake_vm);
	run_work();
	assert_int_equal(flying_count, 1);
	complete_all();
	assert_int_equal(answer(2), VIRTIO_BLK_S_OK);
}

/* The work item reads the rings too. */
static void test_drain_with_work(void **state)
{
	start(FEATURES);
	for (unsigned n = 0; n < 100; n++)
		put(n, VIRTIO_BLK_T_GET_ID, 0, VIRTIO_BLK_ID_BYTES);
	notify(0);
	assert_non_null(queued);
	assert_int_equal(flying_count, 0);
	assert_false(virtio_blk_drain(&fake_vm));
	assert_int_equal(drained, 0);
	run_work();
	assert_int_equal(drained, 1);
	assert_true(virtio_blk_drain(&fake_vm));
	assert_true(used(0)->idx < 100);
	virtio_blk_resume(&fake_vm);
	run_work();
	assert_int_equal(used(0)->idx, 100);
}

/* A request that has to go to the device in parts is under way until the last one ends. */
static void test_drain_parts(void **state)
{
	start(FEATURES);
	device.limits.sectors = 2;
	put(0, VIRTIO_BLK_T_IN, 0, 3 * SECTOR);
	notify(0);
	assert_false(virtio_blk_drain(&fake_vm));
	complete(0, OK);
	assert_false(virtio_blk_drain(&fake_vm));
	complete(0, OK);
	assert_true(virtio_blk_drain(&fake_vm));
	assert_int_equal(answer(0), VIRTIO_BLK_S_OK);
}

/* It is freed only when nothing of it is under way: else what ends would write to what is another's by then. */
static void test_fini_in_flight(void **state)
{
	start(FEATURES);
	put(0, VIRTIO_BLK_T_IN, 0, SECTOR);
	notify(0);
	assert_panics((void)virtio_blk_fini(&fake_vm));
}

/* Everything at once, at random: each request is answered once, or its reset ends. */
static void test_random_order(void **state)
{
	unsigned rounds = test_soak() ? 200000 : 4000, in_ring[QUEUES] = {};
	uint64_t seed = 3;

	start(FEATURES);
	for (unsigned i = 0; i < rounds; i++) {
		unsigned q = test_random(&seed) % QUEUES, done = used(q)->idx;

		switch (test_random(&seed) % 8) {
		case 0:
		case 1:
		case 2:
			if ((uint16_t)(in_ring[q] - done) < SIZE)
				put(q * SIZE + in_ring[q]++ % SIZE, test_random(&seed) % 16,
				    test_random(&seed) % SECTORS, SECTOR * (test_random(&seed) % 9));
			break;
		case 3:
			notify(q);
			break;
		case 4:
		case 5:
			if (flying_count)
				complete(test_random(&seed) % flying_count,
					 test_random(&seed) % 4 ? OK : ERR_IO);
			break;
		case 6:
			run_work();
			break;
		default:
			if (test_random(&seed) % 16)
				break;
			virtio_blk_drain(&fake_vm);
			complete_all();
			run_work();
			assert_true(virtio_blk_drain(&fake_vm));
			virtio_blk_reset(&fake_vm);
			assert_int_equal(virtio_status(&blk->virtio), 0);
			virtio_blk_resume(&fake_vm);
			start(FEATURES);
			memset(in_ring, 0, sizeof(in_ring));
		}
	}
	for (unsigned q = 0; q < QUEUES; q++)
		notify(q);
	while (flying_count || queued) {
		complete_all();
		run_work();
	}
	for (unsigned q = 0; q < QUEUES; q++)
		assert_int_equal(used(q)->idx, (uint16_t)in_ring[q]);
	assert_int_equal(virtio_status(&blk->virtio), RUNS);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    CASE(test_read_write),         CASE(test_out_of_order),    CASE(test_flush),
	    CASE(test_write_through),      CASE(test_ranges),          CASE(test_id),
	    CASE(test_wrong_requests),     CASE(test_bad_headers),     CASE(test_readonly),
	    CASE(test_offered_twice),      CASE(test_errors),          CASE(test_never),
	    CASE(test_more_than_requests), CASE(test_reset_in_flight), CASE(test_drain),
	    CASE(test_drain_with_work),    CASE(test_drain_parts),     CASE(test_fini_in_flight),
	    CASE(test_random_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
