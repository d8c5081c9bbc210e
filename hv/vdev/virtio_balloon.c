/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A notification of pages to take does nothing but have the VM come to rest; its chains are taken there, a bounded number of
 * pages in a step, and given back once the frames are gone: so nothing that the driver does with a page while it waits for the
 * answer is lost later. Page numbers are the guest's word: what is no RAM, or given already, changes nothing.
 *
 * Not offered: VIRTIO_BALLOON_F_MUST_TELL_HOST, as a page that is used again has a frame when it is touched: there is nothing to
 * be told before, and the deflate queue is only answered. VIRTIO_BALLOON_F_DEFLATE_ON_OOM and the reporting of free pages, with
 * which a guest may at any time take back what others were given meanwhile.
 */
#include "hv/vdev/virtio_balloon.h"

#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/vm.h"
#include "hv/vm_absent.h"
#include "mm/page_alloc.h"

#define DEVICE_ID      5
#define CLASS_CODE     0xff0000 /* none of the classes */

#define F_STATS_VQ     BIT(1)

#define PAGES_PER_STEP 128
#define ANSWERS        64     /* of the deflate queue, at a time */
#define REST_NS        100000 /* and then this long nothing */
#define STATS_NS       (5 * NS_PER_S)
#define STATS_MAX      32 /* entries of a buffer that are looked at */

enum { INFLATE, DEFLATE, STATS };

/* "Statistics": tag and value, packed. */
struct stat {
	uint16_t tag;
	uint64_t value;
} __attribute__((packed));

static struct virtio_balloon *to_balloon(struct virtio *d)
{
	return container_of(d, struct virtio_balloon, virtio);
}

/* The next chain. False: there is none, and the driver will say when there is. */
static bool take(struct virtio *d, unsigned queue, struct vq_chain *c)
{
	if (virtio_take(d, queue, c) == OK)
		return true;
	return virtio_listen(d, queue) && virtio_take(d, queue, c) == OK;
}

static void give(struct virtio *d, unsigned queue, const struct vq_chain *c)
{
	virtio_give(d, queue, c, 0);
	virtio_signal(d, queue);
}

/* --- pages that the guest gives; the VM is at rest --- */

/* A chain to take pages of. False: there is none. */
static bool find_chain(struct virtio_balloon *b)
{
	if (!b->taking) {
		b->chain = (struct vq_chain){.seg = b->segment, .seg_max = VIRTIO_BALLOON_ENTRIES};
		b->taking = take(&b->virtio, INFLATE, &b->chain);
		b->taken = 0;
	}
	return b->taking;
}

/* Some numbers of pages of the chain, whose frames are gone at the next call; 0: that was all of it, it is given back. */
static unsigned next_numbers(struct virtio_balloon *b, uint32_t number[PAGES_PER_STEP])
{
	size_t len = PAGES_PER_STEP * sizeof(number[0]);
	unsigned n =
	    vq_chain_read(&b->chain, &b->virtio.dev.vm->mem, b->taken, number, len) / sizeof(number[0]);

	b->taken += n * sizeof(number[0]);
	if (!n) {
		b->taking = false;
		give(&b->virtio, INFLATE, &b->chain);
	}
	return n;
}

enum status virtio_balloon_rest_step(struct vm *vm)
{
	struct virtio_balloon *b = vm->balloon;
	uint32_t number[PAGES_PER_STEP];
	unsigned n = 0;
	bool any;

	if (!b)
		return OK;
	vm_enter_address_space(vm);
	spin_lock(&b->virtio.dev.lock);
	any = find_chain(b);
	if (any)
		n = next_numbers(b, number);
	spin_unlock(&b->virtio.dev.lock);
	/* This CPU, too, forgets where the frames were. */
	vm_enter_address_space(NULL);
	for (unsigned i = 0; i < n; i++)
		vm_absent_release(vm, gpa((uint64_t)number[i] << PAGE_SHIFT));
	return any ? ERR_AGAIN : OK;
}

/* --- pages that it uses again --- */

static void acknowledge(struct virtio_balloon *b)
{
	struct virtio *d = &b->virtio;
	struct vq_segment segment[VIRTIO_BALLOON_ENTRIES];
	struct vq_chain c = {.seg = segment, .seg_max = VIRTIO_BALLOON_ENTRIES};
	unsigned n = 0;

	while (n < ANSWERS && take(d, DEFLATE, &c)) {
		virtio_give(d, DEFLATE, &c, 0);
		n++;
	}
	virtio_signal(d, DEFLATE);
	if (n == ANSWERS)
		virtio_rest(d, DEFLATE, REST_NS);
}

/* --- statistics --- */

/* A buffer of them, of which there is one. */
static void take_stats(struct virtio_balloon *b)
{
	struct virtio *d = &b->virtio;
	struct vm *vm = d->dev.vm;
	struct vq_segment segment[VIRTIO_BALLOON_ENTRIES];
	struct vq_chain c = {.seg = segment, .seg_max = VIRTIO_BALLOON_ENTRIES};
	struct stat s[STATS_MAX];
	unsigned n;

	if (b->stats_held || !take(d, STATS, &c))
		return;
	b->stats_held = true;
	b->stats_head = c.head;
	n = vq_chain_read(&c, &vm->mem, 0, s, sizeof(s)) / sizeof(s[0]);
	for (unsigned i = 0; i < n; i++) {
		if (s[i].tag >= BALLOON_STATS)
			continue;
		b->stats[s[i].tag] = s[i].value;
		b->stats_known |= BIT(s[i].tag);
	}
	b->stats_due_ns = vm_time_ns(vm) + STATS_NS;
	vdev_timer_arm(&d->dev, &b->stats_timer, b->stats_due_ns);
}

static void give_stats(struct virtio_balloon *b)
{
	struct vq_chain c = {.head = b->stats_head};

	b->stats_held = false;
	give(&b->virtio, STATS, &c);
}

/* It is time to ask for new ones, or to look: Linux offers its buffer before the device runs, and its notification is lost. */
static void turn_stats(struct virtio_balloon *b)
{
	b->stats_due_ns = vm_time_ns(b->virtio.dev.vm) + STATS_NS;
	if (b->stats_held)
		give_stats(b);
	else if (virtio_has(&b->virtio, F_STATS_VQ))
		take_stats(b);
}

/* --- the device --- */

static void stats_due(struct timer *t)
{
	struct virtio_balloon *b = container_of(t, struct virtio_balloon, stats_timer);
	struct vdev *dev = &b->virtio.dev;
	struct vm *was = vm_enter_address_space(dev->vm);

	spin_lock(&dev->lock);
	if (!dev->stopped) {
		if (vm_time_ns(dev->vm) >= b->stats_due_ns)
			turn_stats(b);
		vdev_timer_arm(dev, &b->stats_timer, b->stats_due_ns);
	}
	spin_unlock(&dev->lock);
	vm_enter_address_space(was);
}

static void notified(struct virtio *d, unsigned queue)
{
	struct virtio_balloon *b = to_balloon(d);

	if (queue == INFLATE) {
		vm_rest(d->dev.vm);
		return;
	}
	spin_lock(&d->dev.lock);
	if (queue == STATS)
		take_stats(b);
	else
		acknowledge(b);
	spin_unlock(&d->dev.lock);
}

static void reset(struct virtio *d)
{
	struct virtio_balloon *b = to_balloon(d);

	b->config.actual = 0;
	b->stats_known = 0;
	if (b->taking)
		virtio_give(d, INFLATE, &b->chain, 0);
	if (b->stats_held)
		virtio_give(d, STATS, &(struct vq_chain){.head = b->stats_head}, 0);
	b->taking = b->stats_held = false;
}

/* Pages are taken while the VM is at rest: then no driver resets. */
static void queue_reset(struct virtio *d, unsigned queue)
{
	struct virtio_balloon *b = to_balloon(d);

	if (queue != STATS || !b->stats_held)
		return;
	b->stats_held = false;
	virtio_give(d, STATS, &(struct vq_chain){.head = b->stats_head}, 0);
}

static void config_write(struct virtio *d, uint32_t offset, unsigned size, uint64_t value)
{
	struct virtio_balloon *b = to_balloon(d);

	if (offset == offsetof(struct virtio_balloon_config, actual) && size == sizeof(b->config.actual))
		b->config.actual = (uint32_t)value;
}

static const struct virtio_type type = {.id = DEVICE_ID,
					.notified = notified,
					.reset = reset,
					.queue_reset = queue_reset,
					.config_write = config_write};

void virtio_balloon_set_target(struct vm *vm, uint64_t bytes)
{
	struct virtio_balloon *b = vm->balloon;
	struct vdev *dev = &b->virtio.dev;

	spin_lock(&dev->lock);
	b->config.num_pages = (uint32_t)((vm->cfg->memory - bytes) >> PAGE_SHIFT);
	b->config_changed = dev->stopped;
	if (!dev->stopped)
		virtio_config_changed(&b->virtio);
	spin_unlock(&dev->lock);
}

uint64_t virtio_balloon_target(const struct vm *vm)
{
	return vm->cfg->memory - ((uint64_t)vm->balloon->config.num_pages << PAGE_SHIFT);
}

uint64_t virtio_balloon_owed(const struct vm *vm)
{
	uint64_t target = virtio_balloon_target(vm), has = vm->cfg->memory - vm->absent;

	return target > has ? target - has : 0;
}

enum status virtio_balloon_init(struct vm *vm)
{
	struct virtio_balloon *b;

	if (!vm->cfg->balloon)
		return OK;
	b = vm->balloon ? vm->balloon : page_alloc_bytes(sizeof(*b));
	if (!b)
		return ERR_NOMEM;
	*b = (struct virtio_balloon){};
	vdev_init(&b->virtio.dev, vm, "virtio-balloon");
	virtio_init(&b->virtio, &type, F_STATS_VQ, b->queue, VIRTIO_BALLOON_QUEUES, VIRTIO_BALLOON_ENTRIES);
	b->virtio.config = (const uint8_t *)&b->config;
	b->virtio.config_size = sizeof(b->config);
	timer_init(&b->stats_timer, stats_due);
	vm->balloon = b;
	return virtio_function_add(&b->function, &b->virtio, CLASS_CODE);
}

void virtio_balloon_reset(struct vm *vm)
{
	if (vm->balloon)
		virtio_vm_reset(&vm->balloon->virtio);
}

void virtio_balloon_pause(struct vm *vm)
{
	if (!vm->balloon)
		return;
	virtio_pause(&vm->balloon->virtio);
	vdev_stop(&vm->balloon->virtio.dev, &vm->balloon->stats_timer);
}

void virtio_balloon_resume(struct vm *vm)
{
	struct virtio_balloon *b = vm->balloon;
	struct vdev *dev;

	if (!b)
		return;
	virtio_resume(&b->virtio);
	dev = &b->virtio.dev;
	spin_lock(&dev->lock);
	if (b->config_changed)
		virtio_config_changed(&b->virtio);
	b->config_changed = false;
	vdev_timer_arm(dev, &b->stats_timer, b->stats_due_ns);
	spin_unlock(&dev->lock);
}
