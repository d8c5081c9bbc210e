/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Driver of virtio block devices: VIRTIO 1.2, "Block Device". One queue for each CPU, as far as the device and its interrupts
 * go. A request is a header, the data, and a byte of status that the device writes.
 */
#include "drivers/virtio_blk.h"

#include "drivers/virtio_device.h"
#include "hv/io/block.h"
#include "hv/lib/fmt.h"
#include "hv/lib/log.h"
#include "hv/lib/string.h"
#include "hv/pcpu.h"
#include "hv/x86/virtio_blk.h"
#include "mm/host_map.h"
#include "mm/page_alloc.h"

#define QUEUES_MAX   16u
#define QUEUE_SIZE   256
#define PIECES_EXTRA 2u /* the header and the status */
#define SECTORS_MAX  4096u
#define BLOCK_MAX    65536
#define TIMEOUT_NS   10000000000ULL
#define POLL_NS      1000000 /* without interrupts */
#define RESET_TRIES  200     /* at the start, of some milliseconds each */
#define ID_WAIT_US   1000000
#define ID_POLL_US   10
#define STATUS_NONE  0xff /* not a status: the device has not written it */

#define FEATURES                                                                                             \
	(VIRTIO_BLK_F_SIZE_MAX | VIRTIO_BLK_F_SEG_MAX | VIRTIO_BLK_F_RO | VIRTIO_BLK_F_BLK_SIZE |            \
	 VIRTIO_BLK_F_FLUSH | VIRTIO_BLK_F_TOPOLOGY | VIRTIO_BLK_F_MQ | VIRTIO_BLK_F_DISCARD |               \
	 VIRTIO_BLK_F_WRITE_ZEROES)

#define CONFIG(v, width, field) virtio_config##width(v, offsetof(struct virtio_blk_config, field))

/* What goes with the data of a request; one for each descriptor, used by the chain that begins there. */
struct extra {
	struct virtio_blk_header header;
	struct virtio_blk_range range;
	char id[VIRTIO_BLK_ID_BYTES];
	uint8_t status;
} __attribute__((aligned(64)));

struct blk_queue {
	struct virtio_queue virtio;
	struct extra *extra;
	struct virtio_blk *blk;
};

struct virtio_blk {
	struct block_device block;
	struct block_queue block_queue[QUEUES_MAX];
	struct virtio_device virtio;
	struct blk_queue queue[QUEUES_MAX];
	uint64_t features; /* agreed on at the start; a reset must bring the same */
	bool zeroes_may_unmap;
};

static unsigned count;

static struct virtio_blk *to_blk(struct block_device *b)
{
	return container_of(b, struct virtio_blk, block);
}

/* --- requests --- */

static const uint32_t types[BLOCK_OPS] = {
    [BLOCK_READ] = VIRTIO_BLK_T_IN,
    [BLOCK_WRITE] = VIRTIO_BLK_T_OUT,
    [BLOCK_FLUSH] = VIRTIO_BLK_T_FLUSH,
    [BLOCK_DISCARD] = VIRTIO_BLK_T_DISCARD,
    [BLOCK_WRITE_ZEROES] = VIRTIO_BLK_T_WRITE_ZEROES,
};

static struct extra *begin(struct blk_queue *q, uint32_t type, uint64_t sector)
{
	struct virtio_ring *ring = &q->virtio.ring;
	struct extra *e = &q->extra[virtio_ring_next(ring)];

	e->header = (struct virtio_blk_header){.type = type, .sector = sector};
	e->status = STATUS_NONE;
	virtio_ring_begin(ring);
	virtio_ring_piece(ring, host_pa(&e->header).v, sizeof(e->header), false);
	return e;
}

static void end(struct blk_queue *q, struct extra *e, void *token)
{
	virtio_ring_piece(&q->virtio.ring, host_pa(&e->status).v, sizeof(e->status), true);
	virtio_ring_end(&q->virtio.ring, token);
	virtio_queue_notify(&q->virtio);
}

static void put_data(struct virtio_ring *ring, const struct block_request *r)
{
	for (uint32_t i = 0; i < r->runs; i++)
		virtio_ring_piece(ring, r->run[i].pa.v, r->run[i].len, r->op == BLOCK_READ);
}

static void put_range(struct virtio_blk *k, struct virtio_ring *ring, struct extra *e,
		      const struct block_request *r)
{
	bool unmap = r->op == BLOCK_WRITE_ZEROES && r->may_unmap && k->zeroes_may_unmap;

	e->range = (struct virtio_blk_range){
	    .sector = r->sector, .sectors = r->sectors, .flags = unmap ? VIRTIO_BLK_RANGE_UNMAP : 0};
	virtio_ring_piece(ring, host_pa(&e->range).v, sizeof(e->range), false);
}

static bool submit(struct block_device *b, unsigned queue, struct block_request *r)
{
	struct virtio_blk *k = to_blk(b);
	struct blk_queue *q = &k->queue[queue];
	struct virtio_ring *ring = &q->virtio.ring;
	bool has_data = r->op == BLOCK_READ || r->op == BLOCK_WRITE;
	struct extra *e;

	if (r->op == BLOCK_FLUSH && !b->write_cache) {
		block_complete(b, r, OK);
		return true;
	}
	/* A broken ring takes nothing: the core will reset the device. */
	if (ring->broken || virtio_ring_room(ring) < PIECES_EXTRA + (has_data ? r->runs : 1))
		return false;
	e = begin(q, types[r->op], has_data ? r->sector : 0);
	if (has_data)
		put_data(ring, r);
	else if (r->op != BLOCK_FLUSH)
		put_range(k, ring, e, r);
	end(q, e, r);
	return true;
}

/* Without all that it was to write, its status among it, what it says counts for nothing. */
static enum status result(const struct block_request *r, uint8_t status, uint32_t written)
{
	uint32_t expected = (r->op == BLOCK_READ ? r->sectors * BLOCK_SECTOR : 0) + sizeof(status);

	if (status == VIRTIO_BLK_S_UNSUPP)
		return ERR_UNSUPPORTED;
	return status == VIRTIO_BLK_S_OK && written == expected ? OK : ERR_IO;
}

static void poll(struct block_device *b, unsigned queue)
{
	struct blk_queue *q = &to_blk(b)->queue[queue];
	uint32_t written;
	uint16_t head;
	void *token;

	while (virtio_ring_take(&q->virtio.ring, &token, &head, &written) == OK) {
		struct block_request *r = token;

		block_complete(b, r, result(r, *(volatile uint8_t *)&q->extra[head].status, written));
	}
}

static void interrupt(void *arg)
{
	struct blk_queue *q = arg;

	block_poll(&q->blk->block, q->virtio.index);
}

/* --- the start, at boot and after a reset --- */

static enum status set_queues(struct virtio_blk *k)
{
	for (unsigned i = 0; i < k->block.queues; i++) {
		struct blk_queue *q = &k->queue[i];
		enum status s = virtio_device_queue(&k->virtio, &q->virtio, QUEUE_SIZE);

		if (s != OK)
			return s;
		if (!q->extra)
			q->extra = page_alloc_bytes(q->virtio.ring.size * sizeof(struct extra));
		if (!q->extra)
			return ERR_NOMEM;
	}
	virtio_device_ready(&k->virtio);
	return OK;
}

static enum status reset(struct block_device *b)
{
	struct virtio_blk *k = to_blk(b);
	enum status s = virtio_device_reset(&k->virtio, FEATURES);

	if (s == ERR_AGAIN)
		return s;
	if (s == OK && k->virtio.features != k->features)
		s = ERR_UNSUPPORTED;
	if (s == OK)
		s = set_queues(k);
	if (s != OK)
		pci_enable(k->virtio.pci, false);
	return s;
}

static bool is_well(struct block_device *b)
{
	return virtio_device_is_well(&to_blk(b)->virtio);
}

static const struct block_ops ops = {.submit = submit, .poll = poll, .reset = reset, .is_well = is_well};

static enum status first_reset(struct virtio_blk *k)
{
	enum status s = ERR_AGAIN;

	for (unsigned i = 0; i < RESET_TRIES && s == ERR_AGAIN; i++)
		s = virtio_device_reset(&k->virtio, FEATURES);
	k->features = k->virtio.features;
	return s == ERR_AGAIN ? ERR_TIMEOUT : s;
}

/* As many queues as there are CPUs, each with its interrupt; with none at all one that is polled. */
static void choose_queues(struct virtio_blk *k, struct pci_device *d)
{
	unsigned wanted = MIN(pcpu_count, QUEUES_MAX), n = 0;

	if (virtio_device_has(&k->virtio, VIRTIO_BLK_F_MQ))
		wanted = MIN(wanted, (unsigned)CONFIG(&k->virtio, 16, num_queues));
	else
		wanted = 1;
	/* Without MSI-X virtio has only the pin. */
	while (d->msix && n < wanted && pci_irq_connect(d, n, n, interrupt, &k->queue[n]) == OK)
		n++;
	k->block.poll_ns = n ? 0 : POLL_NS;
	k->block.queues = (uint16_t)MAX(n, 1u);
	for (unsigned i = 0; i < k->block.queues; i++) {
		k->queue[i].blk = k;
		k->queue[i].virtio.index = (uint16_t)i;
		k->queue[i].virtio.vector = n ? (uint16_t)i : VIRTIO_PCI_NO_VECTOR;
	}
}

static void free_all(struct virtio_blk *k)
{
	for (unsigned i = 0; i < k->block.queues; i++) {
		struct blk_queue *q = &k->queue[i];

		if (q->extra)
			page_free_bytes(q->extra, q->virtio.ring.size * sizeof(struct extra));
		virtio_queue_free(&q->virtio);
	}
	page_free_bytes(k, sizeof(*k));
}

/* --- what it is --- */

static bool describe_sizes(struct virtio_blk *k)
{
	struct virtio_device *v = &k->virtio;
	struct block_device *b = &k->block;
	uint32_t exponent =
	    virtio_device_has(v, VIRTIO_BLK_F_TOPOLOGY) ? CONFIG(v, 8, physical_block_exp) : 0;

	b->sectors = CONFIG(v, 64, capacity);
	b->logical_size =
	    virtio_device_has(v, VIRTIO_BLK_F_BLK_SIZE) ? CONFIG(v, 32, blk_size) : BLOCK_SECTOR;
	if (b->logical_size < BLOCK_SECTOR || b->logical_size > BLOCK_MAX ||
	    !IS_ALIGNED(b->logical_size, b->logical_size))
		return false;
	b->physical_size = b->logical_size;
	for (; exponent && b->physical_size < BLOCK_MAX; exponent--)
		b->physical_size *= 2;
	return b->sectors && b->sectors <= UINT64_MAX / BLOCK_SECTOR;
}

/* Requests whose sectors are whole logical blocks, at most `sectors`. */
static uint32_t whole_blocks(const struct block_device *b, uint32_t sectors)
{
	return ALIGN_DOWN(sectors, b->logical_size / BLOCK_SECTOR);
}

static void describe_limits(struct virtio_blk *k)
{
	struct virtio_device *v = &k->virtio;
	struct block_device *b = &k->block;
	uint32_t segments = virtio_device_has(v, VIRTIO_BLK_F_SEG_MAX) ? CONFIG(v, 32, seg_max) : 1;
	uint32_t sectors = SECTORS_MAX;

	for (unsigned i = 0; i < b->queues; i++)
		segments = MIN(segments, k->queue[i].virtio.ring.size - PIECES_EXTRA);
	/* A request that is not longer than a segment has none that is. */
	if (virtio_device_has(v, VIRTIO_BLK_F_SIZE_MAX))
		sectors = MIN(sectors, CONFIG(v, 32, size_max) / BLOCK_SECTOR);
	b->limits = (struct block_limits){
	    .sectors = whole_blocks(b, sectors),
	    .runs = segments,
	    .run_align = 1,
	    .pa_max = UINT64_MAX,
	};
	if (virtio_device_has(v, VIRTIO_BLK_F_DISCARD))
		b->limits.discard_sectors = whole_blocks(b, CONFIG(v, 32, max_discard_sectors));
	if (virtio_device_has(v, VIRTIO_BLK_F_WRITE_ZEROES))
		b->limits.zeroes_sectors = whole_blocks(b, CONFIG(v, 32, max_write_zeroes_sectors));
	k->zeroes_may_unmap = CONFIG(v, 8, write_zeroes_may_unmap);
}

/* ASCII that can be shown, without blanks at its end. */
static void copy_id(char *to, const char *id)
{
	unsigned n = 0;

	while (n < VIRTIO_BLK_ID_BYTES && id[n] > ' ' && id[n] <= '~') {
		to[n] = id[n];
		n++;
	}
	to[n] = '\0';
}

static enum status describe(struct virtio_blk *k)
{
	struct block_device *b = &k->block;

	if (!describe_sizes(k))
		return ERR_UNSUPPORTED;
	describe_limits(k);
	if (!b->limits.sectors || !b->limits.runs)
		return ERR_UNSUPPORTED;
	fmt_snprintf(b->name, sizeof(b->name), "virtio%u", count++);
	str_copy(b->model, sizeof(b->model), "virtio");
	b->bdf = k->virtio.pci->bdf;
	b->ops = &ops;
	b->write_cache = virtio_device_has(&k->virtio, VIRTIO_BLK_F_FLUSH);
	b->readonly = virtio_device_has(&k->virtio, VIRTIO_BLK_F_RO);
	b->timeout_ns = TIMEOUT_NS;
	b->queue = k->block_queue;
	return OK;
}

/* Its serial number, which a device need not have. */
static enum status ask_id(struct virtio_blk *k)
{
	struct blk_queue *q = &k->queue[0];
	struct virtio_ring *ring = &q->virtio.ring;
	struct extra *e = begin(q, VIRTIO_BLK_T_GET_ID, 0);
	enum status s = ERR_NOENT;
	uint32_t written;
	uint16_t head;
	void *token;

	virtio_ring_piece(ring, host_pa(e->id).v, sizeof(e->id), true);
	end(q, e, k);
	for (unsigned us = 0; us < ID_WAIT_US && s == ERR_NOENT; us += ID_POLL_US) {
		delay_us(ID_POLL_US);
		s = virtio_ring_take(ring, &token, &head, &written);
	}
	if (s == OK && *(volatile uint8_t *)&e->status == VIRTIO_BLK_S_OK)
		copy_id(k->block.serial, e->id);
	return s == ERR_NOENT ? ERR_TIMEOUT : s;
}

/* Before it has interrupts, so that none comes for a device that fails here: one queue, polled. */
static enum status try_out(struct virtio_blk *k)
{
	enum status s = first_reset(k);

	k->block.queues = 1;
	k->queue[0].virtio.vector = VIRTIO_PCI_NO_VECTOR;
	if (s == OK)
		s = set_queues(k);
	return s == OK ? ask_id(k) : s;
}

static enum status set_up(struct virtio_blk *k, struct pci_device *d)
{
	enum status s = virtio_device_init(&k->virtio, d);

	if (s == OK)
		s = try_out(k);
	if (s == OK)
		s = first_reset(k);
	if (s != OK)
		return s;
	choose_queues(k, d);
	s = set_queues(k);
	return s == OK ? describe(k) : s;
}

enum status virtio_blk_probe(struct pci_device *d)
{
	struct virtio_blk *k = page_alloc_bytes(sizeof(*k));
	enum status s;

	if (!k)
		return ERR_NOMEM;
	s = set_up(k, d);
	if (s == OK) {
		block_register(&k->block);
		return OK;
	}
	/* Before its memory is another's, the device must have lost it. */
	pci_enable(d, false);
	free_all(k);
	return s;
}
