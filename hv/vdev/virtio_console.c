/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sends a whole buffer for one notification, which is what makes it cheaper than the UART; but not more at a time than a
 * vCPU's exit may last. What is left waits for a timer, or for the console to have room.
 */
#include "hv/vdev/virtio_console.h"

#include "hv/lib/util.h"
#include "hv/mgmt/console.h"
#include "hv/vdev/guest_console.h"
#include "hv/vm.h"
#include "mm/page_alloc.h"

#define DEVICE_ID  3
#define CLASS_CODE 0x078000 /* a communication controller, of no special kind */
#define PIECE      256      /* bytes that are sent at once */
#define PIECES     16       /* at a time; a page, what Linux sends in one buffer */
#define REST_NS    100000   /* and then this long nothing */

enum queue { RECEIVE, TRANSMIT };

/* The next chain. False: there is none, and the driver will say when there is. */
static bool take(struct virtio *d, enum queue queue, struct vq_chain *c)
{
	if (virtio_take(d, queue, c) == OK)
		return true;
	return virtio_listen(d, queue) && virtio_take(d, queue, c) == OK;
}

/* --- output --- */

static bool take_output(struct virtio_console *c)
{
	if (!c->sending) {
		c->out = (struct vq_chain){.seg = c->segment, .seg_max = VIRTIO_CONSOLE_QUEUE};
		c->sending = take(&c->virtio, TRANSMIT, &c->out);
		c->sent = 0;
	}
	return c->sending;
}

static void give_output(struct virtio_console *c)
{
	c->sending = false;
	virtio_give(&c->virtio, TRANSMIT, &c->out, 0);
}

static void send_piece(struct virtio_console *c)
{
	struct vm *vm = c->virtio.dev.vm;
	uint8_t bytes[PIECE];
	size_t n = vq_chain_read(&c->out, &vm->mem, c->sent, bytes, PIECE);

	if (n)
		guest_console_output(vm, GUEST_HVC0, bytes, n);
	c->sent += n;
	if (n == 0 || c->sent >= c->out.readable_len)
		give_output(c);
}

/* With the device's lock held, the VM's address space loaded. */
static void send(struct virtio_console *c)
{
	struct vdev *dev = &c->virtio.dev;
	unsigned n = 0;

	while (take_output(c)) {
		c->held = !console_guest_ready(dev->vm);
		if (c->held)
			break;
		if (n++ == PIECES) {
			virtio_rest(&c->virtio, TRANSMIT, REST_NS);
			break;
		}
		send_piece(c);
	}
	virtio_signal(&c->virtio, TRANSMIT);
}

void virtio_console_output_ready(struct vm *vm)
{
	struct virtio_console *c = vm->console;
	struct vdev *dev;

	if (!c)
		return;
	dev = &c->virtio.dev;
	spin_lock(&dev->lock);
	if (c->held) {
		/* From the timer, which runs when the VM does. */
		c->held = false;
		virtio_rest(&c->virtio, TRANSMIT, 0);
	}
	spin_unlock(&dev->lock);
}

/* --- input --- */

/* False: the driver gives no buffer. */
static bool receive(struct virtio_console *c, const uint8_t *bytes, size_t n, size_t *taken)
{
	struct virtio *d = &c->virtio;
	struct vq_segment segment[VIRTIO_CONSOLE_QUEUE];
	struct vq_chain in = {.seg = segment, .seg_max = VIRTIO_CONSOLE_QUEUE};
	size_t written;

	if (!take(d, RECEIVE, &in))
		return false;
	written = vq_chain_write(&in, &d->dev.vm->mem, 0, bytes + *taken, n - *taken);
	virtio_give(d, RECEIVE, &in, (uint32_t)written);
	*taken += written;
	/* A buffer to read is no place for input. */
	if (!written)
		virtio_needs_reset(d);
	return written;
}

size_t virtio_console_input(struct vm *vm, const uint8_t *bytes, size_t n)
{
	struct virtio_console *c = vm->console;
	struct vdev *dev;
	size_t taken = 0;

	if (!c)
		return 0;
	dev = &c->virtio.dev;
	spin_lock(&dev->lock);
	if (!dev->stopped) {
		struct vm *was = vm_enter_address_space(vm);

		while (taken < n && receive(c, bytes, n, &taken))
			;
		virtio_signal(&c->virtio, RECEIVE);
		vm_enter_address_space(was);
	}
	c->input_refused = taken < n;
	spin_unlock(&dev->lock);
	return taken;
}

static void accept_input(struct virtio_console *c)
{
	if (!c->input_refused)
		return;
	c->input_refused = false;
	console_guest_input_ready(c->virtio.dev.vm);
}

/* --- the device --- */

static void notified(struct virtio *d, unsigned queue)
{
	struct virtio_console *c = container_of(d, struct virtio_console, virtio);

	spin_lock(&d->dev.lock);
	if (queue == RECEIVE)
		accept_input(c);
	else if (!c->held)
		send(c);
	spin_unlock(&d->dev.lock);
}

static void queue_reset(struct virtio *d, unsigned queue)
{
	struct virtio_console *c = container_of(d, struct virtio_console, virtio);

	if (queue == TRANSMIT && c->sending)
		give_output(c);
}

static void reset(struct virtio *d)
{
	struct virtio_console *c = container_of(d, struct virtio_console, virtio);

	queue_reset(d, TRANSMIT);
	c->held = false;
	accept_input(c);
}

static const struct virtio_type type = {
    .id = DEVICE_ID, .notified = notified, .reset = reset, .queue_reset = queue_reset};

enum status virtio_console_init(struct vm *vm)
{
	struct virtio_console *c;

	guest_console_reset(vm);
	if (!vm->cfg->hvc0_console)
		return OK;
	c = vm->console ? vm->console : page_alloc_bytes(sizeof(*c));
	if (!c)
		return ERR_NOMEM;
	*c = (struct virtio_console){};
	vdev_init(&c->virtio.dev, vm, "virtio-console");
	virtio_init(&c->virtio, &type, 0, c->queue, ARRAY_SIZE(c->queue), VIRTIO_CONSOLE_QUEUE);
	vm->console = c;
	return virtio_function_add(&c->function, &c->virtio, CLASS_CODE);
}

void virtio_console_reset(struct vm *vm)
{
	if (!vm->console)
		return;
	guest_console_reset(vm);
	virtio_vm_reset(&vm->console->virtio);
}

void virtio_console_pause(struct vm *vm)
{
	if (vm->console)
		virtio_pause(&vm->console->virtio);
}

void virtio_console_resume(struct vm *vm)
{
	struct virtio_console *c = vm->console;

	if (!c)
		return;
	virtio_resume(&c->virtio);
	spin_lock(&c->virtio.dev.lock);
	accept_input(c);
	spin_unlock(&c->virtio.dev.lock);
}
