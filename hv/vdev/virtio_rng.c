/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fills buffers as they come. Random numbers are slow to get, so a buffer gets few of them, and a driver that keeps
 * refilling the queue while it is served waits for the rest: a vCPU's exit must not last as long as others like.
 */
#include "hv/vdev/virtio_rng.h"

#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/random.h"
#include "hv/vm.h"
#include "mm/page_alloc.h"

#define DEVICE_ID  4
#define CLASS_CODE 0xff0000 /* none of the classes */
#define QUEUE_SIZE 8
#define BYTES      64     /* of each buffer: as many as Linux asks for */
#define BUFFERS    8      /* at a time */
#define REST_NS    100000 /* and then this long nothing */

/* False: there is no buffer, or the device doesn't run. */
static bool fill_one(struct virtio *d)
{
	struct vq_segment seg[QUEUE_SIZE];
	struct vq_chain c = {.seg = seg, .seg_max = QUEUE_SIZE};
	uint8_t bytes[BYTES];
	size_t n;

	if (virtio_take(d, 0, &c) != OK)
		return false;
	n = random_fill(bytes, MIN((uint64_t)BYTES, c.writable_len));
	n = vq_chain_write(&c, &d->dev.vm->mem, 0, bytes, n);
	virtio_give(d, 0, &c, n);
	/* "The device MUST place one or more random bytes into the buffer": there is no room, or no source any more. */
	if (!n)
		virtio_needs_reset(d);
	return true;
}

static void notified(struct virtio *d, unsigned queue)
{
	unsigned n = 0;

	spin_lock(&d->dev.lock);
	do {
		while (n < BUFFERS && fill_one(d))
			n++;
	} while (n < BUFFERS && virtio_listen(d, queue));
	virtio_signal(d, queue);
	if (n == BUFFERS)
		virtio_rest(d, queue, REST_NS);
	spin_unlock(&d->dev.lock);
}

/* No buffer is ever in flight here. */
static void reset(struct virtio *d)
{
	(void)d;
}

static const struct virtio_type type = {.id = DEVICE_ID, .notified = notified, .reset = reset};

enum status virtio_rng_init(struct vm *vm)
{
	struct virtio_rng *r;

	if (!vm->cfg->rng || !random_available())
		return OK;
	r = vm->rng ? vm->rng : page_alloc_bytes(sizeof(*r));
	if (!r)
		return ERR_NOMEM;
	*r = (struct virtio_rng){};
	vdev_init(&r->virtio.dev, vm, "virtio-rng");
	virtio_init(&r->virtio, &type, 0, &r->queue, 1, QUEUE_SIZE);
	vm->rng = r;
	return virtio_function_add(&r->function, &r->virtio, CLASS_CODE);
}

void virtio_rng_reset(struct vm *vm)
{
	if (vm->rng)
		virtio_vm_reset(&vm->rng->virtio);
}

void virtio_rng_pause(struct vm *vm)
{
	if (vm->rng)
		virtio_pause(&vm->rng->virtio);
}

void virtio_rng_resume(struct vm *vm)
{
	if (vm->rng)
		virtio_resume(&vm->rng->virtio);
}
