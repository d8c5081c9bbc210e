/* SPDX-License-Identifier: BSD-2-Clause */
/* What all virtio devices do alike. Model: VIRTIO 1.2, "Basic Facilities of a Virtio Device". */
#include "hv/vdev/virtio.h"

#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/vm.h"
#include "hv/x86/insn.h"

#define SERVED_NS  1000000 /* a queue is served so long at a time, and hardly longer */
#define LAST_LOOKS 8       /* so many serve a full queue of a network device */

#define COMMON_FEATURES                                                                                      \
	(VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX | VIRTIO_F_VERSION_1 | VIRTIO_F_RING_RESET)

static void look_by_timer(struct timer *t);

void virtio_init(struct virtio *d, const struct virtio_type *type, uint64_t features, struct virtqueue *queue,
		 uint16_t count, uint16_t size_max)
{
	d->type = type;
	d->offered = features | COMMON_FEATURES;
	d->queue = queue;
	d->queue_count = count;
	for (unsigned i = 0; i < count; i++)
		vq_init(&queue[i], &d->dev.vm->mem, size_max);
	d->watched = 0;
	timer_init(&d->look, look_by_timer);
	d->next = d->dev.vm->virtio;
	d->dev.vm->virtio = d;
}

/* --- for types --- */

bool virtio_has(const struct virtio *d, uint64_t feature)
{
	return (d->accepted & feature) && (d->status & VIRTIO_FEATURES_OK);
}

/* --- watched queues --- */

static void watch(struct virtio *d, unsigned queue, uint64_t ns)
{
	uint64_t at = vm_time_ns(d->dev.vm) + ns;

	if (!d->watched)
		__atomic_fetch_add(&d->dev.vm->virtio_watched, 1, __ATOMIC_RELAXED);
	d->watched |= (uint32_t)BIT(queue);
	vq_mute(&d->queue[queue]);
	if (d->look_armed && d->look_at_ns <= at)
		return;
	d->look_armed = true;
	d->look_at_ns = at;
	vdev_timer_arm(&d->dev, &d->look, at);
}

static void unwatch(struct virtio *d, unsigned queue)
{
	if (!(d->watched & BIT(queue)))
		return;
	d->watched &= ~(uint32_t)BIT(queue);
	if (!d->watched)
		__atomic_fetch_sub(&d->dev.vm->virtio_watched, 1, __ATOMIC_RELAXED);
}

/*
 * Each look by the timer is an exit, and so is each notification: a stream wants few of either. But neither the receiver's
 * buffers may run out meanwhile nor this queue, and a single small packet waits for a look too.
 */
static void choose_look(struct virtqueue *q, uint64_t now)
{
	uint64_t ns = now - q->since_ns, bytes, chains;

	if (q->look_ns && ns < VIRTIO_LOOK_MAX_NS)
		return;
	/* In VIRTIO_LOOK_MAX_NS. */
	bytes = ns ? q->bytes * VIRTIO_LOOK_MAX_NS / ns : 0;
	chains = ns ? (uint16_t)(q->next_avail - q->since_avail) * (uint64_t)VIRTIO_LOOK_MAX_NS / ns : 0;
	q->look_ns = VIRTIO_LOOK_NS;
	if (bytes >= VIRTIO_STREAM_BYTES) {
		uint64_t most = MIN(VIRTIO_LOOK_BYTES * VIRTIO_LOOK_MAX_NS / bytes,
				    q->size / 4 * (uint64_t)VIRTIO_LOOK_MAX_NS / MAX(chains, 1UL));

		q->look_ns = MAX(q->look_ns, MIN(most, (uint64_t)VIRTIO_LOOK_MAX_NS));
	}
	q->bytes = 0;
	q->since_ns = now;
	q->since_avail = q->next_avail;
}

bool virtio_wait(struct virtio *d, unsigned queue)
{
	struct virtqueue *q = &d->queue[queue];
	uint64_t now = time_now_ns(), before = q->moved_ns, close;

	if (!virtio_running(d))
		return false;
	choose_look(q, now);
	if (q->next_avail != q->waited)
		q->moved_ns = now;
	q->waited = q->next_avail;
	/* One that is watched has pauses: acknowledgements come after a turn of the other guest. */
	close = d->watched & BIT(queue) ? VIRTIO_LOOKS * q->look_ns : q->look_ns;
	if (before && now - before < close) {
		watch(d, queue, q->look_ns);
		return false;
	}
	unwatch(d, queue);
	return vq_listen(q);
}

void virtio_rest(struct virtio *d, unsigned queue, uint64_t ns)
{
	if (!virtio_running(d))
		return;
	watch(d, queue, ns);
}

void virtio_look_at(struct virtio *d)
{
	uint32_t queues = __atomic_load_n(&d->watched, __ATOMIC_RELAXED);

	for (unsigned i = 0; queues >> i; i++)
		if (queues & BIT(i))
			virtio_notified(d, i);
}

void virtio_look(struct vm *vm)
{
	for (struct virtio *d = vm->virtio; d; d = d->next)
		virtio_look_at(d);
}

static bool is_served(struct virtio *d, unsigned queue)
{
	bool served;

	spin_lock(&d->dev.lock);
	served = d->type->is_served(d, queue);
	spin_unlock(&d->dev.lock);
	return served;
}

/* Is there something in a queue that is watched? */
static bool waits(struct virtio *d)
{
	bool found = false;

	spin_lock(&d->dev.lock);
	for (unsigned i = 0; i < d->queue_count && !found; i++)
		found = (d->watched & BIT(i)) && vq_waits(&d->queue[i]);
	spin_unlock(&d->dev.lock);
	return found;
}

void virtio_look_last_at(struct virtio *d)
{
	uint64_t end = time_now_ns() + SERVED_NS;
	unsigned looks = 0;

	for (unsigned i = 0; d->type->is_served && i < d->queue_count; i++)
		while (is_served(d, i) && time_now_ns() < end)
			cpu_pause();
	/* By one look a bounded part of a queue is served. */
	do
		virtio_look_at(d);
	while (++looks < LAST_LOOKS && waits(d));
}

void virtio_look_last(struct vm *vm)
{
	for (struct virtio *d = vm->virtio; d; d = d->next)
		virtio_look_last_at(d);
}

static void look_by_timer(struct timer *t)
{
	struct virtio *d = container_of(t, struct virtio, look);
	struct vm *was = vm_enter_address_space(d->dev.vm);

	bool stopped;

	spin_lock(&d->dev.lock);
	d->look_armed = stopped = d->dev.stopped;
	spin_unlock(&d->dev.lock);
	if (!stopped)
		virtio_look_at(d);
	vm_enter_address_space(was);
}

void virtio_pause(struct virtio *d)
{
	vdev_stop(&d->dev, &d->look);
}

void virtio_resume(struct virtio *d)
{
	spin_lock(&d->dev.lock);
	d->dev.stopped = false;
	d->look_armed = d->watched;
	d->look_at_ns = vm_time_ns(d->dev.vm);
	if (d->watched)
		vdev_timer_arm(&d->dev, &d->look, d->look_at_ns);
	spin_unlock(&d->dev.lock);
}

/* --- reset --- */

static void end_queue_reset(struct virtqueue *q)
{
	if (q->resetting && !vq_in_flight(q))
		vq_init(q, q->mem, q->size_max);
}

static void end_reset(struct virtio *d)
{
	for (unsigned i = 0; i < d->queue_count; i++)
		if (vq_in_flight(&d->queue[i]))
			return;
	for (unsigned i = 0; i < d->queue_count; i++) {
		unwatch(d, i);
		vq_init(&d->queue[i], d->queue[i].mem, d->queue[i].size_max);
	}
	d->accepted = 0;
	d->status = 0;
	d->resetting = false;
	d->transport->reset(d->transport);
}

/* Fewer chains of this queue are in flight. */
static void chains_left(struct virtio *d, unsigned queue)
{
	if (d->resetting)
		end_reset(d);
	else
		end_queue_reset(&d->queue[queue]);
}

void virtio_give_all(struct virtio *d, unsigned queue, const struct vq_used_elem *chain, uint16_t n)
{
	vq_give_all(&d->queue[queue], chain, n);
	chains_left(d, queue);
}

void virtio_give(struct virtio *d, unsigned queue, const struct vq_chain *c, uint32_t written)
{
	struct vq_used_elem chain = {.id = c->head, .len = written};

	virtio_give_all(d, queue, &chain, 1);
}

void virtio_put_back(struct virtio *d, unsigned queue, uint16_t n)
{
	vq_put_back(&d->queue[queue], n);
	chains_left(d, queue);
}

void virtio_signal(struct virtio *d, unsigned queue)
{
	if (virtio_running(d) && vq_must_signal(&d->queue[queue]))
		d->transport->used(d->transport, queue);
}

bool virtio_listen(struct virtio *d, unsigned queue)
{
	unwatch(d, queue);
	return virtio_running(d) && vq_listen(&d->queue[queue]);
}

static void notify_config(struct virtio *d)
{
	if ((d->status & VIRTIO_DRIVER_OK) && !d->resetting)
		d->transport->config_changed(d->transport);
}

void virtio_needs_reset(struct virtio *d)
{
	if (d->resetting || (d->status & VIRTIO_DEVICE_NEEDS_RESET))
		return;
	d->status |= VIRTIO_DEVICE_NEEDS_RESET;
	notify_config(d);
}

void virtio_config_changed(struct virtio *d)
{
	d->config_unseen = true;
	notify_config(d);
}

/* --- for transports --- */

void virtio_reset(struct virtio *d)
{
	if (d->resetting)
		return;
	d->resetting = true;
	for (unsigned i = 0; i < d->queue_count; i++)
		vq_stop(&d->queue[i]);
	d->type->reset(d);
	/* The last chain given back may have ended it already. */
	if (d->resetting)
		end_reset(d);
}

void virtio_vm_reset(struct virtio *d)
{
	spin_lock(&d->dev.lock);
	virtio_reset(d);
	spin_unlock(&d->dev.lock);
}

uint8_t virtio_status(const struct virtio *d)
{
	return d->status;
}

/* A subset of what was offered, and no driver of the time before the standard. */
static bool features_agreed(const struct virtio *d)
{
	return !(d->accepted & ~d->offered) && (d->accepted & VIRTIO_F_VERSION_1);
}

void virtio_set_status(struct virtio *d, uint8_t status)
{
	if (!status)
		virtio_reset(d);
	if (d->resetting)
		return;
	d->status |= status & (VIRTIO_ACKNOWLEDGE | VIRTIO_FAILED);
	if ((status & VIRTIO_DRIVER) && (d->status & VIRTIO_ACKNOWLEDGE))
		d->status |= VIRTIO_DRIVER;
	if ((status & VIRTIO_FEATURES_OK) && (d->status & VIRTIO_DRIVER) && features_agreed(d))
		d->status |= VIRTIO_FEATURES_OK;
	if ((status & VIRTIO_DRIVER_OK) && (d->status & VIRTIO_FEATURES_OK))
		d->status |= VIRTIO_DRIVER_OK;
}

static uint32_t word(uint64_t features, uint32_t select)
{
	return select < 2 ? (uint32_t)(features >> 32 * select) : 0;
}

uint32_t virtio_offered(const struct virtio *d, uint32_t select)
{
	return word(d->offered, select);
}

uint32_t virtio_accepted(const struct virtio *d, uint32_t select)
{
	return word(d->accepted, select);
}

void virtio_accept(struct virtio *d, uint32_t select, uint32_t features)
{
	unsigned shift = 32 * (select & 1);

	/* Once agreed on they stay. */
	if (select >= 2 || (d->status & VIRTIO_FEATURES_OK) || d->resetting)
		return;
	d->accepted = (d->accepted & ~(BITS(31, 0) << shift)) | (uint64_t)features << shift;
}

struct virtqueue *virtio_queue(const struct virtio *d, uint32_t queue)
{
	return queue < d->queue_count ? &d->queue[queue] : NULL;
}

struct virtqueue *virtio_queue_to_set(const struct virtio *d, uint32_t queue)
{
	struct virtqueue *q = virtio_queue(d, queue);

	return q && !q->enabled && !q->resetting && !d->resetting ? q : NULL;
}

void virtio_enable_queue(struct virtio *d, uint32_t queue)
{
	struct virtqueue *q = virtio_queue_to_set(d, queue);

	/* What its rings look like is part of what is agreed on. */
	if (!q || !(d->status & VIRTIO_FEATURES_OK))
		return;
	if (vq_enable(q, virtio_has(d, VIRTIO_F_EVENT_IDX), virtio_has(d, VIRTIO_F_INDIRECT_DESC)) != OK)
		virtio_needs_reset(d);
}

bool virtio_reset_queue(struct virtio *d, uint32_t queue)
{
	struct virtqueue *q = virtio_queue(d, queue);

	if (!q || q->resetting || d->resetting || !virtio_has(d, VIRTIO_F_RING_RESET))
		return false;
	q->resetting = true;
	(void)vq_stop(q);
	unwatch(d, queue);
	if (d->type->queue_reset)
		d->type->queue_reset(d, queue);
	end_queue_reset(q);
	return true;
}

void virtio_notified(struct virtio *d, uint32_t queue)
{
	bool wanted;

	spin_lock(&d->dev.lock);
	wanted = virtio_running(d) && queue < d->queue_count && d->queue[queue].enabled;
	spin_unlock(&d->dev.lock);
	if (wanted)
		d->type->notified(d, queue);
}

uint64_t virtio_config_read(struct virtio *d, uint32_t offset, unsigned size)
{
	uint64_t v = 0;

	/* Changed between two reads of parts of it: what the driver has put together is of two kinds. */
	d->generation += d->config_unseen;
	d->config_unseen = false;
	if (offset < d->config_size)
		memcpy(&v, d->config + offset, MIN(size, d->config_size - offset));
	return v;
}

void virtio_config_write(struct virtio *d, uint32_t offset, unsigned size, uint64_t value)
{
	if (d->type->config_write && !d->resetting)
		d->type->config_write(d, offset, size, value);
}
