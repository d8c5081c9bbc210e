/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's disk with what is around it: a driver's rings on one side, on the other a slow device that the test lets complete
 * what it wants, when it wants, or never.
 */
#pragma once

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

static inline void perform(const struct block_request *r)
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

static inline bool device_submit(struct block_device *b, unsigned q, struct block_request *r)
{
	if (flying_count == room)
		return false;
	flying[flying_count++] = r;
	return true;
}

static inline void device_poll(struct block_device *b, unsigned q)
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

static inline enum status device_reset(struct block_device *b)
{
	device_resets++;
	flying_count = 0;
	return reset_status;
}

static const struct block_ops device_ops = {
    .submit = device_submit, .poll = device_poll, .reset = device_reset};

/* The device ends its i-th request. */
static inline void complete(unsigned i, enum status s)
{
	assert_in_range(i, 0, (int)flying_count - 1);
	chosen = (int)i;
	chosen_status = s;
	block_poll(&device, 0);
	chosen = -1;
}

static inline void complete_all(void)
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
static inline unsigned run_work(void)
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

static inline struct vq_used *used(unsigned queue)
{
	return (struct vq_used *)(fake_memory + queue * QUEUE + 0x2000);
}

static inline uint8_t *buffer(unsigned n)
{
	return fake_memory + BUFFERS + n * PAGE_SIZE;
}

static inline uint8_t answer(unsigned n)
{
	return fake_memory[ANSWERS + n];
}

static inline void describe(void *table, unsigned i, uint64_t at, uint32_t len, uint16_t flags, uint16_t next)
{
	((struct vq_desc *)table)[i] = (struct vq_desc){at, len, flags, next};
}

static inline void *descriptors(unsigned n)
{
	return fake_memory + n / SIZE * QUEUE;
}

static inline void offer(unsigned n)
{
	struct vq_avail *avail = (struct vq_avail *)(fake_memory + n / SIZE * QUEUE + 0x1000);

	avail->ring[avail->idx % SIZE] = n % SIZE;
	avail->idx++;
}

/* A request of `len` bytes at `at`. */
static inline void put_at(unsigned n, uint32_t type, uint64_t sector, uint64_t at, uint32_t len)
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

static inline void put(unsigned n, uint32_t type, uint64_t sector, uint32_t len)
{
	put_at(n, type, sector, BUFFERS + n * PAGE_SIZE, len);
}

static inline void notify(unsigned queue)
{
	loaded = &fake_vm;
	virtio_notified(&blk->virtio, queue);
	loaded = NULL;
}

/* The answer to one request, which the device does without a fault. */
static inline uint8_t request(uint32_t type, uint64_t sector, uint32_t len)
{
	put(0, type, sector, len);
	notify(0);
	complete_all();
	return answer(0);
}

static inline uint8_t range_request(uint32_t type, uint64_t sector, uint32_t sectors, uint32_t flags)
{
	struct virtio_blk_range range = {sector, sectors, flags};

	memcpy(buffer(0), &range, sizeof(range));
	return request(type, 0, sizeof(range));
}

static inline void start(uint64_t features)
{
	virtio_accept(&blk->virtio, 0, (uint32_t)features & virtio_offered(&blk->virtio, 0));
	virtio_accept(&blk->virtio, 1, VIRTIO_F_VERSION_1 >> 32);
	virtio_set_status(&blk->virtio, RUNS & ~VIRTIO_DRIVER_OK);
	memset(fake_memory, 0, QUEUES * QUEUE);
	set_up_queues(&blk->virtio, QUEUES, SIZE, 0, QUEUE);
	virtio_set_status(&blk->virtio, RUNS);
	assert_int_equal(virtio_status(&blk->virtio), RUNS);
}

static inline void new_device(bool readonly)
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

static inline int setup(void **state)
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
static inline int teardown(void **state)
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
