/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Chains become requests of the disk, and their results go back. What one notification takes is bounded; a work item goes on.
 * While a request is under way, or the work item is to run, the VM's memory stays: see virtio_blk_drain.
 */
#include "hv/vdev/virtio_blk.h"

#include "hv/lib/panic.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/vm.h"
#include "mm/page_alloc.h"

#define CLASS_CODE      0x018000 /* mass storage, other */

/* What drivers are told that a request may be, and what one that doesn't care may be. */
#define SEG_MAX         (VIRTIO_BLK_QUEUE_SIZE - 2) /* besides header and status */
#define SIZE_MAX_BYTES  0x2000
#define DATA_MAX        MIB(1)
#define RUNS_MAX        (DATA_MAX / PAGE_SIZE + 2 * VIRTIO_BLK_QUEUE_SIZE)
#define UNMAP_MAX       0x2000u /* sectors: 4 MiB */

/* What is done at a time, before others get their turn. */
#define BUDGET_REQUESTS 64
#define BUDGET_BYTES    KIB(256)

static struct virtio_blk *to_blk(struct virtio *d)
{
	return container_of(d, struct virtio_blk, virtio);
}

/* --- results --- */

static uint8_t result(enum status s)
{
	return s == OK ? VIRTIO_BLK_S_OK : s == ERR_UNSUPPORTED ? VIRTIO_BLK_S_UNSUPP : VIRTIO_BLK_S_IOERR;
}

/* One thing less is under way; the lock is held. True: the VM's life-cycle waits for this. */
static bool less_busy(struct virtio_blk *b)
{
	return !--b->busy && b->draining;
}

/* The work item serves these queues. The lock is held. */
static void serve_later(struct virtio_blk *b, uint32_t queues)
{
	b->unserved |= queues;
	if (b->rest_queued)
		return;
	b->rest_queued = true;
	b->busy++;
	work_queue(&b->rest);
}

static uint32_t all_queues(const struct virtio_blk *b)
{
	return BITS(b->config.num_queues - 1, 0);
}

static void free_request(struct virtio_blk *b, struct virtio_blk_request *r)
{
	if (r->more_runs)
		page_free_bytes(r->more_runs, RUNS_MAX * sizeof(*r->more_runs));
	r->more_runs = NULL;
	r->next = b->free;
	b->free = r;
}

/* Gives r's chain back, with its result. The lock is held, the VM's address space loaded. */
static void give_back(struct virtio_blk *b, struct virtio_blk_request *r, uint8_t status)
{
	struct virtio *d = &b->virtio;
	const struct vq_used_elem chain = {.id = r->head, .len = r->written};

	*r->answer = status;
	virtio_give_all(d, r->queue, &chain, 1);
	if (!(b->serving & BIT(r->queue)))
		virtio_signal(d, r->queue);
	free_request(b, r);
}

/* r is no more with the disk. The lock is held, the VM's address space loaded. True: the VM's life-cycle waits for this. */
static inline bool complete(struct virtio_blk *b, struct virtio_blk_request *r)
{
	/* Queues may wait for one. */
	if (!b->free && !b->draining)
		serve_later(b, all_queues(b));
	give_back(b, r, result(r->disk.status));
	return less_busy(b);
}

static void done(struct disk_request *disk)
{
	struct virtio_blk_request *r = container_of(disk, struct virtio_blk_request, disk);
	struct virtio_blk *b = r->owner;
	struct vm *vm = b->virtio.dev.vm, *was = vm_enter_address_space(vm);
	bool waited_for;

	spin_lock(&b->virtio.dev.lock);
	waited_for = complete(b, r);
	/* With the lock: behind it the VM may be gone. */
	vm_enter_address_space(was);
	spin_unlock(&b->virtio.dev.lock);
	if (waited_for)
		vm_device_drained(vm);
}

/* --- requests --- */

/* Adds n bytes at a to r's runs, which are `max`; false: they don't fit. */
static bool add_runs(struct vm *vm, struct virtio_blk_request *r, uint32_t max, gpa_t a, uint32_t n)
{
	struct disk_request *q = &r->disk;
	struct frame_run *next = &q->run[q->runs];
	unsigned count = vm_frames(vm, a, n, next, max - q->runs);

	if (!count)
		return false;
	if (q->runs && next[-1].pa.v + next[-1].len == next->pa.v) {
		next[-1].len += next->len;
		memmove(next, next + 1, --count * sizeof(*next));
	}
	q->runs += count;
	return true;
}

/* The frames of bytes `skip` to `skip + n - 1` of segments i to end - 1. */
static bool find_runs(struct vm *vm, struct virtio_blk_request *r, uint32_t max, const struct vq_chain *c,
		      uint64_t skip, uint32_t n)
{
	uint32_t i = r->disk.op == BLOCK_READ ? c->readable : 0;

	r->disk.runs = 0;
	for (; n; i++) {
		const struct vq_segment *s = &c->seg[i];
		uint32_t part;

		if (skip >= s->len) {
			skip -= s->len;
			continue;
		}
		part = MIN(n, (uint32_t)(s->len - skip));
		if (!add_runs(vm, r, max, gpa(s->at.v + skip), part))
			return false;
		n -= part;
		skip = 0;
	}
	return true;
}

/* In r->run; where that is too short, in memory of their own. */
static enum status find_memory(struct vm *vm, struct virtio_blk_request *r, const struct vq_chain *c,
			       uint64_t skip, uint64_t n)
{
	uint32_t max = ARRAY_SIZE(r->run);

	if (n % BLOCK_SECTOR || n > DATA_MAX)
		return ERR_INVAL;
	r->disk.sectors = n / BLOCK_SECTOR;
	r->disk.run = r->run;
	while (!find_runs(vm, r, max, c, skip, n)) {
		if (r->more_runs)
			return ERR_INVAL;
		r->more_runs = page_alloc_bytes(RUNS_MAX * sizeof(*r->more_runs));
		if (!r->more_runs)
			return ERR_NOMEM;
		r->disk.run = r->more_runs;
		max = RUNS_MAX;
	}
	return OK;
}

static enum status find_range(struct vm *vm, struct virtio_blk_request *r, const struct vq_chain *c)
{
	struct virtio_blk_range range;
	bool zeroes = r->disk.op == BLOCK_WRITE_ZEROES;

	/* max_discard_seg and max_write_zeroes_seg are 1. */
	if (c->readable_len != sizeof(struct virtio_blk_header) + sizeof(range) ||
	    vq_chain_read(c, &vm->mem, sizeof(struct virtio_blk_header), &range, sizeof(range)) !=
		sizeof(range))
		return ERR_INVAL;
	if (range.flags & ~(zeroes ? VIRTIO_BLK_RANGE_UNMAP : 0))
		return ERR_UNSUPPORTED;
	if (range.sectors > UNMAP_MAX)
		return ERR_INVAL;
	r->disk.sector = range.sector;
	r->disk.sectors = range.sectors;
	r->disk.may_unmap = range.flags & VIRTIO_BLK_RANGE_UNMAP;
	return OK;
}

/* The disk's name, which is no request of it: ERR_AGAIN, it is done. */
static enum status get_id(struct virtio_blk *b, const struct vq_chain *c)
{
	char id[VIRTIO_BLK_ID_BYTES] = {};

	if (c->writable_len != sizeof(id) + 1)
		return ERR_INVAL;
	memcpy(id, b->disk.cfg->name, str_nlen(b->disk.cfg->name, sizeof(id)));
	vq_chain_write(c, &b->virtio.dev.vm->mem, 0, id, sizeof(id));
	return ERR_AGAIN;
}

/* Makes c, whose header is h, a request of the disk. */
static enum status translate(struct virtio_blk *b, struct virtio_blk_request *r, const struct vq_chain *c,
			     const struct virtio_blk_header *h)
{
	struct vm *vm = b->virtio.dev.vm;

	/* "If the VIRTIO_BLK_F_FLUSH feature is not negotiated", the cache is to be written through. */
	r->disk.fua = !virtio_has(&b->virtio, VIRTIO_BLK_F_FLUSH);
	r->disk.may_unmap = false;
	r->disk.sector = h->sector;
	r->disk.sectors = 0;
	r->disk.done = done;
	switch (h->type) {
	case VIRTIO_BLK_T_IN:
		r->disk.op = BLOCK_READ;
		return find_memory(vm, r, c, 0, c->writable_len - 1);
	case VIRTIO_BLK_T_OUT:
		r->disk.op = BLOCK_WRITE;
		return find_memory(vm, r, c, sizeof(*h), c->readable_len - sizeof(*h));
	case VIRTIO_BLK_T_FLUSH:
		r->disk.op = BLOCK_FLUSH;
		return OK;
	case VIRTIO_BLK_T_DISCARD:
		r->disk.op = BLOCK_DISCARD;
		return find_range(vm, r, c);
	case VIRTIO_BLK_T_WRITE_ZEROES:
		r->disk.op = BLOCK_WRITE_ZEROES;
		return find_range(vm, r, c);
	case VIRTIO_BLK_T_GET_ID:
		return get_id(b, c);
	default:
		return ERR_UNSUPPORTED;
	}
}

/* False: the driver wrote less. Mostly it lies in one piece; read once, since the driver may write meanwhile. */
static bool read_header(const struct gmem *m, const struct vq_chain *c, struct virtio_blk_header *h)
{
	const volatile gpa_unaligned64 *at;

	if (!c->readable || c->seg[0].len < sizeof(*h))
		return vq_chain_read(c, m, 0, h, sizeof(*h)) == sizeof(*h);
	at = (const volatile gpa_unaligned64 *)vq_segment_ptr(m, &c->seg[0]);
	h->type = (uint32_t)at[0];
	h->sector = at[1];
	return true;
}

/*
 * Takes the next chain of the queue. ERR_AGAIN: that is done already; ERR_NOENT: there is none, or none can be taken. The lock is
 * held.
 */
static inline enum status take(struct virtio_blk *b, unsigned queue, struct virtio_blk_request **out)
{
	struct virtio *d = &b->virtio;
	struct virtio_blk_request *r = b->free;
	struct vq_chain c = {.seg = b->seg, .seg_max = ARRAY_SIZE(b->seg)};
	struct vq_segment *last;
	struct virtio_blk_header h;
	enum status s;

	/* When one gets free, all queues are looked at. */
	if (!r || b->draining || !vq_waits(&d->queue[queue]) || virtio_take(d, queue, &c) != OK)
		return ERR_NOENT;
	/* Without these there is no way to tell the driver what is wrong. */
	if (!c.writable_len || !read_header(&d->dev.vm->mem, &c, &h)) {
		virtio_give(d, queue, &c, 0);
		virtio_needs_reset(d);
		return ERR_NOENT;
	}
	b->free = r->next;
	last = &c.seg[c.count - 1];
	r->queue = queue;
	r->head = c.head;
	r->answer = vq_segment_ptr(&d->dev.vm->mem, last) + last->len - 1;
	r->written = MIN(c.writable_len, (uint64_t)UINT32_MAX);
	s = translate(b, r, &c, &h);
	if (s != OK) {
		give_back(b, r, s == ERR_AGAIN ? VIRTIO_BLK_S_OK : result(s));
		return ERR_AGAIN;
	}
	b->busy++;
	*out = r;
	return OK;
}

static uint64_t cost(const struct virtio_blk_request *r)
{
	return r->disk.op == BLOCK_FLUSH ? 0 : (uint64_t)r->disk.sectors * BLOCK_SECTOR;
}

/* Serves the queue, a bounded part. The VM's address space is loaded. */
static void serve(struct virtio_blk *b, unsigned queue)
{
	struct virtio *d = &b->virtio;
	struct virtio_blk_request *r;
	uint64_t bytes = 0;
	unsigned n = 0;
	bool waited_for = false;

	spin_lock(&d->dev.lock);
	/* Who serves it looks again before it ends. */
	if (b->serving & BIT(queue)) {
		spin_unlock(&d->dev.lock);
		return;
	}
	b->serving |= BIT(queue);
	do {
		enum status s;
		bool at_once;

		while (n < BUDGET_REQUESTS && bytes < BUDGET_BYTES && (s = take(b, queue, &r)) != ERR_NOENT) {
			n++;
			if (s != OK)
				continue;
			bytes += cost(r);
			spin_unlock(&d->dev.lock);
			at_once = disk_submit(&b->disk, &r->disk);
			spin_lock(&d->dev.lock);
			if (at_once)
				waited_for |= complete(b, r);
		}
		if (n == BUDGET_REQUESTS || bytes >= BUDGET_BYTES)
			serve_later(b, BIT(queue));
	} while (!(b->unserved & BIT(queue)) && b->free && !b->draining && virtio_listen(d, queue));
	b->serving &= ~(uint32_t)BIT(queue);
	virtio_signal(d, queue);
	spin_unlock(&d->dev.lock);
	if (waited_for)
		vm_device_drained(d->dev.vm);
}

static void notified(struct virtio *d, unsigned queue)
{
	serve(to_blk(d), queue);
}

/* The next queue that is to be served, in turn. The lock is held. */
static unsigned next_unserved(struct virtio_blk *b)
{
	do
		b->turn = (b->turn + 1) % b->config.num_queues;
	while (!(b->unserved & BIT(b->turn)));
	b->unserved &= ~(uint32_t)BIT(b->turn);
	return b->turn;
}

static void rest(struct work *w)
{
	struct virtio_blk *b = container_of(w, struct virtio_blk, rest);
	struct vm *vm = b->virtio.dev.vm, *was = vm_enter_address_space(vm);
	struct spinlock *lock = &b->virtio.dev.lock;
	bool waited_for = false;
	unsigned queue;

	spin_lock(lock);
	queue = next_unserved(b);
	spin_unlock(lock);
	serve(b, queue);
	spin_lock(lock);
	b->rest_queued = b->unserved;
	if (b->rest_queued)
		work_queue(w);
	else
		waited_for = less_busy(b);
	vm_enter_address_space(was);
	spin_unlock(lock);
	if (waited_for)
		vm_device_drained(vm);
}

/* What is under way comes back by itself, soon. */
static void reset(struct virtio *d)
{
	(void)d;
}

static const struct virtio_type type = {.id = VIRTIO_ID_BLOCK, .notified = notified, .reset = reset};

/* --- the device --- */

static void describe(struct virtio_blk *b, unsigned queues)
{
	const struct block_device *device = b->disk.block;
	const struct block_limits *l = &device->limits;

	b->config = (struct virtio_blk_config){
	    .capacity = b->disk.sectors,
	    .size_max = SIZE_MAX_BYTES,
	    .seg_max = SEG_MAX,
	    .blk_size = device->logical_size,
	    .writeback = device->write_cache,
	    .num_queues = queues,
	    .max_discard_sectors = MIN(l->discard_sectors, UNMAP_MAX),
	    .max_discard_seg = 1,
	    .discard_sector_alignment = MAX(device->physical_size, device->logical_size) / BLOCK_SECTOR,
	    .max_write_zeroes_sectors = MIN(l->zeroes_sectors, UNMAP_MAX),
	    .max_write_zeroes_seg = 1,
	    .write_zeroes_may_unmap = true,
	};
	while (device->logical_size << b->config.physical_block_exp < device->physical_size)
		b->config.physical_block_exp++;
}

static uint64_t features(const struct virtio_blk *b)
{
	const struct block_device *device = b->disk.block;
	uint64_t f = VIRTIO_BLK_F_SIZE_MAX | VIRTIO_BLK_F_SEG_MAX | VIRTIO_BLK_F_BLK_SIZE |
		     VIRTIO_BLK_F_TOPOLOGY | VIRTIO_BLK_F_MQ;

	if (b->disk.readonly)
		return f | VIRTIO_BLK_F_RO | (device->write_cache ? VIRTIO_BLK_F_FLUSH : 0);
	return f | (device->write_cache ? VIRTIO_BLK_F_FLUSH : 0) |
	       (device->limits.discard_sectors ? VIRTIO_BLK_F_DISCARD : 0) |
	       (device->limits.zeroes_sectors ? VIRTIO_BLK_F_WRITE_ZEROES : 0);
}

static enum status add_device(struct vm *vm, struct virtio_blk *b)
{
	unsigned queues = MIN(vm->cfg->vcpus, (uint32_t)VIRTIO_BLK_QUEUES_MAX);

	describe(b, queues);
	vdev_init(&b->virtio.dev, vm, "virtio-blk");
	b->virtio.config = (const uint8_t *)&b->config;
	b->virtio.config_size = sizeof(b->config);
	virtio_init(&b->virtio, &type, features(b), b->queue, queues, VIRTIO_BLK_QUEUE_SIZE);
	work_init(&b->rest, rest);
	for (unsigned i = 0; i < VIRTIO_BLK_REQUESTS; i++) {
		b->request[i].owner = b;
		free_request(b, &b->request[i]);
	}
	return virtio_function_add(&b->function, &b->virtio, CLASS_CODE);
}

enum status virtio_blk_init(struct vm *vm)
{
	for (uint32_t i = 0; i < vm->cfg->disk_count; i++) {
		const struct vm_disk *want = &vm->cfg->disk[i];
		struct virtio_blk *b = page_alloc_bytes(sizeof(*b));
		enum status s;

		if (!b)
			return ERR_NOMEM;
		s = disk_open(&b->disk, &host_config_file.disk[want->index], vm->cfg->name, want->readonly,
			      vm->why, sizeof(vm->why));
		if (s != OK) {
			page_free_bytes(b, sizeof(*b));
			return s;
		}
		vm->blk[vm->blk_count++] = b;
		s = add_device(vm, b);
		if (s != OK)
			return s;
	}
	return OK;
}

void virtio_blk_reset(struct vm *vm)
{
	for (uint32_t i = 0; i < vm->blk_count; i++)
		virtio_vm_reset(&vm->blk[i]->virtio);
}

bool virtio_blk_drain(struct vm *vm)
{
	bool drained = true;

	for (uint32_t i = 0; i < vm->blk_count; i++) {
		struct virtio_blk *b = vm->blk[i];

		spin_lock(&b->virtio.dev.lock);
		b->draining = true;
		drained &= !b->busy;
		spin_unlock(&b->virtio.dev.lock);
	}
	return drained;
}

void virtio_blk_resume(struct vm *vm)
{
	for (uint32_t i = 0; i < vm->blk_count; i++) {
		struct virtio_blk *b = vm->blk[i];

		spin_lock(&b->virtio.dev.lock);
		b->draining = false;
		/* Some may have been left. */
		serve_later(b, all_queues(b));
		spin_unlock(&b->virtio.dev.lock);
	}
}

enum status virtio_blk_fini(struct vm *vm)
{
	while (vm->blk_count) {
		struct virtio_blk *b = vm->blk[vm->blk_count - 1];
		enum status s;

		/* What is under way would write to memory that is another's by then: see virtio_blk_drain. */
		CHECK(!b->busy);
		s = disk_close(&b->disk);
		if (s != OK)
			return s;
		page_free_bytes(b, sizeof(*b));
		vm->blk_count--;
	}
	return OK;
}
