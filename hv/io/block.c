/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests on their way to drivers and back; the watch over their time. A request is on one of its queue's lists: waiting,
 * in flight, completed. done is called without any lock, so that it may submit again.
 */
#include "hv/io/block.h"

#include "hv/lib/log.h"
#include "hv/lib/panic.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/pcpu.h"

#define RESETS_MAX     3              /* because of one request, which then fails */
#define LOOK_NS        100000000ULL   /* ask a device so often whether it is well */
#define RESET_RETRY_NS 10000000ULL    /* ask a device so often whether its reset is over */
#define RESET_MAX_NS   30000000000ULL /* and give it up after this */
#define QUIET_NS       1000000000ULL  /* between two lines about errors of one device */
#define WAIT_US        10

static struct list devices = LIST_INIT(devices); /* constant once guests run */

/* --- the devices --- */

static void watch(struct timer *t);

void block_init(struct block_device *b)
{
	CHECK(b->ops->perform ? b->queues == 1 && !b->write_cache : b->queues && b->timeout_ns);
	for (unsigned i = 0; i < b->queues; i++) {
		b->queue[i].lock = (struct spinlock){};
		list_init(&b->queue[i].in_flight);
		list_init(&b->queue[i].waiting);
		list_init(&b->queue[i].completed);
	}
	timer_init(&b->watch, watch);
}

void block_register(struct block_device *b)
{
	block_init(b);
	list_insert_before(&devices, &b->link);
	log_info("disk %s: %s %s, %lu MiB%s", b->name, b->model, b->serial, b->sectors >> 11,
		 b->readonly ? ", read-only" : "");
}

struct block_device *block_next(const struct block_device *b)
{
	struct list *next = b ? b->link.next : devices.next;

	return next == &devices ? NULL : list_entry(next, struct block_device, link);
}

struct block_device *block_find(const char *name)
{
	struct block_device *b = block_next(NULL);

	while (b && strcmp(b->name, name))
		b = block_next(b);
	return b;
}

/* --- ends of requests --- */

static void add(uint64_t *counter, uint64_t n)
{
	__atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

static struct block_request *first(const struct list *l)
{
	return list_entry(l->next, struct block_request, link);
}

static void move(struct block_request *r, struct list *before)
{
	list_remove(&r->link);
	list_insert_before(before, &r->link);
}

static void end(struct block_device *b, struct block_request *r, enum status status)
{
	if (r->flushing) {
		r->op = r->was;
		r->flushing = false;
	}
	r->status = status;
	move(r, &b->queue[r->queue].completed);
}

static bool is_write(const struct block_request *r)
{
	return r->op == BLOCK_WRITE || r->op == BLOCK_WRITE_ZEROES;
}

void block_complete(struct block_device *b, struct block_request *r, enum status status)
{
	if (status == OK && is_write(r) && r->fua && b->write_cache && !b->fua) {
		r->flushing = true;
		r->was = r->op;
		r->op = BLOCK_FLUSH;
		move(r, &b->queue[r->queue].waiting);
		return;
	}
	end(b, r, status);
}

[[gnu::cold]] static void say_failed(struct block_device *b, const struct block_request *r,
				     enum status status)
{
	static const char *const what[BLOCK_OPS] = {
	    [BLOCK_READ] = "read",
	    [BLOCK_WRITE] = "write",
	    [BLOCK_FLUSH] = "flush",
	    [BLOCK_DISCARD] = "discard",
	    [BLOCK_WRITE_ZEROES] = "write of zeroes",
	};
	uint64_t now = time_now_ns(), quiet = __atomic_load_n(&b->quiet_ns, __ATOMIC_RELAXED);

	/* What a guest may cause as often as it likes must not flood the console. */
	if (now < quiet || !__atomic_compare_exchange_n(&b->quiet_ns, &quiet, now + QUIET_NS, false,
							__ATOMIC_RELAXED, __ATOMIC_RELAXED))
		return;
	if (r->op == BLOCK_FLUSH)
		log_error("disk %s: flush failed: %s", b->name, status_str(status));
	else
		log_error("disk %s: %s of %u sectors at %lu failed: %s", b->name, what[r->op], r->sectors,
			  r->sector, status_str(status));
}

static inline void count(struct block_device *b, const struct block_request *r, enum status status)
{
	add(&b->stats.requests[r->op], 1);
	if (status == OK) {
		add(&b->stats.bytes[r->op], (uint64_t)r->sectors * BLOCK_SECTOR);
	} else {
		add(&b->stats.errors, 1);
		say_failed(b, r, status);
	}
}

/* Calls done of each. No lock is held. */
static void finish(struct block_device *b, struct list *ended)
{
	while (!list_empty(ended)) {
		struct block_request *r = first(ended);

		list_remove(&r->link);
		count(b, r, r->status);
		r->done(r);
	}
}

/* --- submission; the queue's lock is held --- */

/* False: no room. */
static bool hand_over(struct block_device *b, unsigned queue, struct block_request *r)
{
	struct block_queue *q = &b->queue[queue];

	r->due_ns = time_now_ns() + b->timeout_ns;
	move(r, &q->in_flight); /* before the driver has it: it may complete at once */
	if (b->ops->submit(b, queue, r))
		return true;
	move(r, q->waiting.next);
	return false;
}

static void start_waiting(struct block_device *b, unsigned queue)
{
	struct block_queue *q = &b->queue[queue];

	while (!list_empty(&q->waiting)) {
		if (b->gone)
			end(b, first(&q->waiting), ERR_NOENT);
		else if (b->resetting || !hand_over(b, queue, first(&q->waiting)))
			return;
	}
}

static bool busy(const struct block_queue *q)
{
	return !list_empty(&q->in_flight) || !list_empty(&q->waiting);
}

static void arm(struct block_device *b);

/* Lets go of the queue, ends what is complete, and has the rest watched. */
static void leave(struct block_device *b, struct block_queue *q)
{
	struct list ended = LIST_INIT(ended);
	bool rest = busy(q);

	list_append(&ended, &q->completed);
	spin_unlock(&q->lock);
	if (rest && !__atomic_exchange_n(&b->watched, true, __ATOMIC_SEQ_CST))
		arm(b);
	finish(b, &ended);
}

/* Nothing is ever on the lists of such a device, and there is nothing to watch. */
enum status block_perform(struct block_device *b, const struct block_request *r)
{
	enum status s;

	spin_lock(&b->queue->lock);
	s = b->ops->perform(b, r);
	spin_unlock(&b->queue->lock);
	count(b, r, s);
	return s;
}

void block_submit(struct block_device *b, struct block_request *r)
{
	unsigned queue = b->queues == 1 ? 0 : this_pcpu()->id % b->queues;
	struct block_queue *q = &b->queue[queue];
	bool room;

	r->queue = queue;
	r->resets = 0;
	r->flushing = false;
	spin_lock(&q->lock);
	room = list_empty(&q->waiting);
	list_insert_before(&q->waiting, &r->link);
	/* What waits already is tried when something completes. */
	if (room)
		start_waiting(b, queue);
	leave(b, q);
}

void block_poll(struct block_device *b, unsigned queue)
{
	struct block_queue *q = &b->queue[queue];

	spin_lock(&q->lock);
	if (!list_empty(&q->in_flight) && !b->resetting)
		b->ops->poll(b, queue);
	start_waiting(b, queue);
	leave(b, q);
}

/* --- the watch --- */

/*
 * When the oldest of all queues is due; at once, if something waits though nothing is in flight; UINT64_MAX: there is nothing
 * to wait for.
 */
static uint64_t due(struct block_device *b)
{
	uint64_t due_ns = UINT64_MAX;

	for (unsigned i = 0; i < b->queues; i++) {
		struct block_queue *q = &b->queue[i];

		spin_lock(&q->lock);
		if (!list_empty(&q->in_flight))
			due_ns = MIN(due_ns, first(&q->in_flight)->due_ns);
		else if (!list_empty(&q->waiting))
			due_ns = 0;
		spin_unlock(&q->lock);
	}
	return due_ns;
}

/* `watched` is the caller's, who alone arms the timer so. */
static void arm(struct block_device *b)
{
	uint64_t now = time_now_ns(), at = b->poll_ns ? now + b->poll_ns : due(b);

	if (b->ops->is_well)
		at = MIN(at, now + LOOK_NS);
	timer_arm(&b->watch, this_pcpu()->id, b->resetting ? now + RESET_RETRY_NS : at);
}

static void lock_all(struct block_device *b)
{
	for (unsigned i = 0; i < b->queues; i++)
		spin_lock(&b->queue[i].lock);
}

static void unlock_all(struct block_device *b)
{
	for (unsigned i = 0; i < b->queues; i++)
		spin_unlock(&b->queue[i].lock);
}

/* The reset is over: what was in flight goes before what waited, but not what has been the reason too often. */
static void send_again(struct block_device *b, unsigned queue, uint64_t now)
{
	struct block_queue *q = &b->queue[queue];

	while (!list_empty(&q->in_flight)) {
		struct block_request *r = list_entry(q->in_flight.prev, struct block_request, link);

		if ((b->failed || r->due_ns <= now) && ++r->resets == RESETS_MAX)
			end(b, r, b->failed ? ERR_IO : ERR_TIMEOUT);
		else
			move(r, q->waiting.next);
	}
	start_waiting(b, queue);
}

static void give_up(struct block_device *b, enum status why)
{
	b->gone = true;
	log_error("disk %s: gone: %s", b->name, status_str(why));
}

/* The device has come out of its reset, or not: the locks of all queues are held. */
static void end_reset(struct block_device *b, enum status s, uint64_t now)
{
	bool stuck = false;

	b->resetting = false;
	if (s != OK)
		give_up(b, s);
	for (unsigned i = 0; i < b->queues; i++) {
		send_again(b, i, now);
		stuck |= list_empty(&b->queue[i].in_flight) && !list_empty(&b->queue[i].waiting);
	}
	if (!stuck)
		return;
	/* It takes nothing although it has nothing. */
	give_up(b, ERR_BUSY);
	for (unsigned i = 0; i < b->queues; i++)
		send_again(b, i, now);
}

static void begin_reset(struct block_device *b, bool failed, uint64_t now)
{
	b->resetting = true;
	b->failed = failed;
	b->reset_end_ns = now + RESET_MAX_NS;
	add(&b->stats.timeouts, !failed);
	add(&b->stats.resets, 1);
}

/* Begins a reset, for one of two reasons, or goes on with it. */
static void reset(struct block_device *b, bool failed)
{
	struct list ended = LIST_INIT(ended);
	uint64_t now = time_now_ns();
	enum status s;
	bool begins;

	lock_all(b);
	begins = !b->resetting;
	if (begins)
		begin_reset(b, failed, now);
	s = b->ops->reset(b);
	if (begins && s != ERR_NOENT)
		log_warn("disk %s: %s: reset", b->name, failed ? "has failed" : "does not answer");
	if (s != ERR_AGAIN || now >= b->reset_end_ns)
		end_reset(b, s, now);
	for (unsigned i = 0; i < b->queues; i++)
		list_append(&ended, &b->queue[i].completed);
	unlock_all(b);
	finish(b, &ended);
}

/* Its registers are slow, so that it is not asked as often as a device may be polled. */
static bool is_well(struct block_device *b)
{
	uint64_t now = time_now_ns();
	bool well;

	if (!b->ops->is_well || now < __atomic_load_n(&b->look_ns, __ATOMIC_RELAXED))
		return true;
	__atomic_store_n(&b->look_ns, now + LOOK_NS, __ATOMIC_RELAXED);
	lock_all(b);
	well = b->gone || b->ops->is_well(b);
	unlock_all(b);
	return well;
}

/* Polls, for completions whose interrupt was lost or never comes; then looks whether the device works, and who is late. */
static void look(struct block_device *b)
{
	bool failed = false;

	if (!b->resetting) {
		for (unsigned i = 0; i < b->queues; i++)
			block_poll(b, i);
		failed = !is_well(b);
		if (!failed && due(b) > time_now_ns())
			return;
	}
	reset(b, failed);
}

static bool has_rest(struct block_device *b)
{
	return b->resetting || due(b) != UINT64_MAX;
}

static void watch(struct timer *t)
{
	struct block_device *b = container_of(t, struct block_device, watch);

	look(b);
	if (!has_rest(b)) {
		__atomic_store_n(&b->watched, false, __ATOMIC_SEQ_CST);
		/* Something may have been submitted since, and been left to this function. */
		if (!has_rest(b) || __atomic_exchange_n(&b->watched, true, __ATOMIC_SEQ_CST))
			return;
	}
	arm(b);
}

void block_suspect(struct block_device *b)
{
	__atomic_store_n(&b->look_ns, 0, __ATOMIC_RELAXED);
	if (!__atomic_exchange_n(&b->watched, true, __ATOMIC_SEQ_CST))
		timer_arm(&b->watch, this_pcpu()->id, time_now_ns());
}

/* --- at boot --- */

static void no_one_waits(struct block_request *r)
{
	(void)r;
}

enum status block_submit_wait(struct block_device *b, struct block_request *r)
{
	r->status = ERR_AGAIN;
	r->done = no_one_waits;
	block_submit(b, r);
	while (r->status == ERR_AGAIN) {
		delay_us(WAIT_US);
		look(b);
	}
	return r->status;
}
