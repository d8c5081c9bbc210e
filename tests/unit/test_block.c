/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/io/block.c with a made-up device that answers late, twice, never, or with an error. */
#include "fake_vm.h"

#include "hv/io/block.h"

#define SLOTS      4 /* of the device, in each queue */
#define QUEUES     2
#define TIMEOUT_NS 1000000000ULL
#define MS         1000000ULL

struct pcpu test_cpu;

static struct block_queue queues[QUEUES];
static struct block_device device;
static struct block_request *slot[QUEUES][SLOTS]; /* what the driver's table has under each tag */
static bool done_by_device[QUEUES][SLOTS];        /* the device says so at the next poll */
static enum status answer;                        /* with which it ends what it does */
static bool at_once, refuses, well;
static unsigned submitted, polls, resets, reset_waits, looks;
static enum status reset_result;
static struct block_request *order[32]; /* as they were submitted */
static struct block_request req[16];
static unsigned done_count[16];
static struct block_request *again; /* submitted by the next done */

static bool submit(struct block_device *b, unsigned queue, struct block_request *r)
{
	unsigned tag = 0;

	while (tag < SLOTS && slot[queue][tag])
		tag++;
	if (tag == SLOTS || refuses)
		return false;
	order[submitted++ % ARRAY_SIZE(order)] = r;
	if (at_once) {
		block_complete(b, r, answer);
		return true;
	}
	r->tag = tag;
	slot[queue][tag] = r;
	return true;
}

/* As a driver does: what the device says twice, the second time finds nothing under its tag. */
static void poll(struct block_device *b, unsigned queue)
{
	polls++;
	for (unsigned tag = 0; tag < SLOTS; tag++) {
		struct block_request *r = slot[queue][tag];

		if (!done_by_device[queue][tag] || !r)
			continue;
		slot[queue][tag] = NULL;
		block_complete(b, r, answer);
	}
}

static enum status reset(struct block_device *b)
{
	resets++;
	if (reset_waits) {
		reset_waits--;
		return ERR_AGAIN;
	}
	memset(slot, 0, sizeof(slot));
	return reset_result;
}

static bool is_well(struct block_device *b)
{
	looks++;
	return well;
}

static const struct block_ops fake_ops = {.submit = submit, .poll = poll, .reset = reset};
static const struct block_ops watched_ops = {
    .submit = submit, .poll = poll, .reset = reset, .is_well = is_well}; /* of a device that can be asked */

static void done(struct block_request *r)
{
	struct block_request *next = again;

	done_count[r - req]++;
	again = NULL;
	if (next)
		block_submit(&device, next);
}

static int setup(void **state)
{
	fake_vm_new(1);
	test_cpu.id = 0;
	list_remove(&device.link);
	device = (struct block_device){.name = "fake0",
				       .ops = &fake_ops,
				       .sectors = 1000,
				       .timeout_ns = TIMEOUT_NS,
				       .queue = queues,
				       .queues = QUEUES};
	block_register(&device);
	memset(slot, 0, sizeof(slot));
	memset(done_by_device, 0, sizeof(done_by_device));
	memset(done_count, 0, sizeof(done_count));
	answer = reset_result = OK;
	at_once = refuses = false;
	submitted = polls = resets = reset_waits = looks = 0;
	well = true;
	again = NULL;
	for (unsigned i = 0; i < ARRAY_SIZE(req); i++)
		req[i] = (struct block_request){
		    .op = BLOCK_READ, .sector = i, .sectors = 1, .done = done, .status = ERR_AGAIN};
	return 0;
}

static void device_ends(unsigned queue, unsigned tag)
{
	done_by_device[queue][tag] = true;
	block_poll(&device, queue);
	done_by_device[queue][tag] = false;
}

static bool idle(void)
{
	for (unsigned i = 0; i < QUEUES; i++)
		if (!list_empty(&queues[i].in_flight) || !list_empty(&queues[i].waiting) ||
		    !list_empty(&queues[i].completed))
			return false;
	return true;
}

static void test_find(void **state)
{
	assert_ptr_equal(block_find("fake0"), &device);
	assert_null(block_find("fake1"));
	assert_ptr_equal(block_next(NULL), &device);
	assert_null(block_next(&device));
}

static void test_completes(void **state)
{
	block_submit(&device, &req[0]);
	assert_int_equal(done_count[0], 0);
	device_ends(0, 0);
	assert_int_equal(done_count[0], 1);
	assert_int_equal(req[0].status, OK);
	assert_true(idle());
	assert_int_equal(device.stats.requests[BLOCK_READ], 1);
	assert_int_equal(device.stats.bytes[BLOCK_READ], 512);
	/* The watch finds nothing to do, and stops. */
	fake_run(10 * TIMEOUT_NS);
	assert_int_equal(resets, 0);
	assert_false(device.watch.armed);
}

/* A device that completes within submit, as memory does; done submits the next. */
static void test_at_once(void **state)
{
	at_once = true;
	again = &req[1];
	block_submit(&device, &req[0]);
	assert_int_equal(done_count[0], 1);
	assert_int_equal(done_count[1], 1);
	assert_true(idle());
	assert_false(device.watch.armed);
}

static void test_queue_of_cpu(void **state)
{
	test_cpu.id = 3;
	block_submit(&device, &req[0]);
	assert_ptr_equal(slot[1][0], &req[0]);
	device_ends(1, 0);
	assert_int_equal(done_count[0], 1);
}

static void test_waits_for_room(void **state)
{
	for (unsigned i = 0; i < 7; i++)
		block_submit(&device, &req[i]);
	assert_int_equal(submitted, SLOTS);
	device_ends(0, 2);
	assert_int_equal(done_count[2], 1);
	assert_int_equal(submitted, SLOTS + 1);
	assert_ptr_equal(slot[0][2], &req[4]);
	/* In order. */
	for (unsigned i = 0; i < SLOTS; i++)
		device_ends(0, i);
	for (unsigned i = 0; i < SLOTS; i++)
		device_ends(0, i);
	for (unsigned i = 0; i < 7; i++) {
		assert_int_equal(done_count[i], 1);
		assert_ptr_equal(order[i], &req[i]);
	}
	assert_true(idle());
}

/* What a device says for a request that it transferred in part, or not: its driver's to see, and one line of the log. */
static void test_error(void **state)
{
	unsigned lines = fake_log_warnings;

	answer = ERR_IO;
	for (unsigned i = 0; i < 3; i++) {
		block_submit(&device, &req[i]);
		device_ends(0, 0);
		assert_int_equal(req[i].status, ERR_IO);
		assert_int_equal(done_count[i], 1);
	}
	assert_int_equal(device.stats.errors, 3);
	assert_int_equal(device.stats.bytes[BLOCK_READ], 0);
	assert_int_equal(fake_log_warnings, lines + 1);
	fake_run(1001 * MS);
	block_submit(&device, &req[3]);
	device_ends(0, 0);
	assert_int_equal(fake_log_warnings, lines + 2);
	assert_string_equal(fake_log_last, "disk fake0: read of 1 sectors at 3 failed: device error");
}

/* Its interrupt was lost: the watch finds it, and nothing is reset. */
static void test_late(void **state)
{
	block_submit(&device, &req[0]);
	done_by_device[0][0] = true;
	fake_run(TIMEOUT_NS + MS);
	assert_int_equal(done_count[0], 1);
	assert_int_equal(req[0].status, OK);
	assert_int_equal(resets, 0);
}

static void test_duplicate(void **state)
{
	block_submit(&device, &req[0]);
	block_submit(&device, &req[1]);
	device_ends(0, 0);
	device_ends(0, 0);
	assert_int_equal(done_count[0], 1);
	assert_int_equal(done_count[1], 0);
	device_ends(0, 1);
	assert_int_equal(done_count[1], 1);
}

/* The device forgets one: it is reset, and gets all again, but not for ever. */
static void test_never(void **state)
{
	block_submit(&device, &req[0]);
	fake_run(TIMEOUT_NS / 2);
	block_submit(&device, &req[1]);
	fake_run(TIMEOUT_NS / 2 + MS);
	assert_int_equal(resets, 1);
	assert_ptr_equal(order[2], &req[0]);
	assert_ptr_equal(order[3], &req[1]);
	assert_int_equal(req[1].resets, 0); /* it wasn't late */
	device_ends(0, 1);
	assert_int_equal(done_count[1], 1);
	fake_run(4 * TIMEOUT_NS);
	assert_int_equal(done_count[0], 1);
	assert_int_equal(req[0].status, ERR_TIMEOUT);
	assert_int_equal(resets, 3);
	assert_int_equal(device.stats.timeouts, 3);
	assert_true(idle());
	/* It is as good as new. */
	block_submit(&device, &req[2]);
	device_ends(0, 0);
	assert_int_equal(req[2].status, OK);
}

/* Two that are late answer after the reset, each on its queue. */
static void test_reset_takes_time(void **state)
{
	reset_waits = 3;
	block_submit(&device, &req[0]);
	test_cpu.id = 1;
	block_submit(&device, &req[1]);
	fake_run(TIMEOUT_NS + 15 * MS);
	assert_int_equal(resets, 2);
	block_submit(&device, &req[2]); /* meanwhile: it waits */
	assert_int_equal(submitted, 2);
	/* A completion that the device still tells of, while it is being reset, is not looked at. */
	polls = 0;
	device_ends(0, 0);
	assert_int_equal(polls, 0);
	fake_run(100 * MS);
	assert_int_equal(resets, 4);
	assert_int_equal(submitted, 5);
	device_ends(0, 0);
	device_ends(1, 0);
	device_ends(1, 1);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(done_count[i], 1);
	assert_true(idle());
}

static void assert_gone(unsigned requests)
{
	for (unsigned i = 0; i < requests; i++) {
		assert_int_equal(done_count[i], 1);
		assert_int_equal(req[i].status, ERR_NOENT);
	}
	assert_true(idle());
	assert_true(device.gone);
	block_submit(&device, &req[15]);
	assert_int_equal(done_count[15], 1);
	assert_int_equal(req[15].status, ERR_NOENT);
}

static void test_gone(void **state)
{
	reset_result = ERR_IO;
	for (unsigned i = 0; i < 6; i++)
		block_submit(&device, &req[i]);
	fake_run(2 * TIMEOUT_NS);
	assert_gone(6);
	assert_false(device.watch.armed);
}

static void test_reset_never_ends(void **state)
{
	reset_waits = UINT32_MAX;
	block_submit(&device, &req[0]);
	fake_run(60 * TIMEOUT_NS);
	assert_gone(1);
}

/* A device that says that it has failed is reset at once, and gets its requests again. */
static void test_failed(void **state)
{
	device.ops = &watched_ops;
	for (unsigned i = 0; i < 6; i++)
		block_submit(&device, &req[i]);
	fake_run(500 * MS);
	assert_int_equal(resets, 0);
	assert_in_range(looks, 4, 6);
	well = false;
	reset_waits = 3;
	fake_run(105 * MS);
	assert_int_equal(resets, 1);
	well = true;
	fake_run(100 * MS);
	assert_int_equal(resets, 4);
	assert_int_equal(submitted, 2 * SLOTS);
	assert_int_equal(device.stats.resets, 1);
	assert_int_equal(device.stats.timeouts, 0);
	for (unsigned i = 0; i < SLOTS; i++)
		device_ends(0, i);
	for (unsigned i = 0; i < 2; i++)
		device_ends(0, i);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(req[i].status, OK);
	assert_true(idle());
}

/* Each time with the same request: it fails in the end. */
static void test_failed_again(void **state)
{
	device.ops = &watched_ops;
	well = false;
	block_submit(&device, &req[0]);
	fake_run(TIMEOUT_NS / 2);
	assert_int_equal(done_count[0], 1);
	assert_int_equal(req[0].status, ERR_IO);
	assert_int_equal(resets, 3);
	assert_false(device.gone);
	assert_true(idle());
}

/* Not after its time: at once, and with one line. */
static void test_vanished(void **state)
{
	unsigned lines = fake_log_warnings;

	device.ops = &watched_ops;
	for (unsigned i = 0; i < 6; i++)
		block_submit(&device, &req[i]);
	well = false;
	reset_result = ERR_NOENT;
	fake_run(120 * MS);
	assert_int_equal(fake_log_warnings, lines + 2); /* and one of the requests that failed */
	assert_gone(6);
	fake_run(TIMEOUT_NS);
	assert_int_equal(resets, 1);
	assert_false(device.watch.armed);
}

/* An interrupt tells, with nothing in flight; the reset, which finds it out, takes its time. */
static void test_suspected(void **state)
{
	device.ops = &watched_ops;
	block_suspect(&device);
	fake_run(MS);
	assert_int_equal(looks, 1);
	assert_int_equal(resets, 0);
	assert_false(device.watch.armed);
	well = false;
	reset_waits = 10;
	reset_result = ERR_NOENT;
	block_suspect(&device);
	fake_run(200 * MS);
	assert_int_equal(resets, 11);
	assert_gone(0);
	block_suspect(&device);
	fake_run(TIMEOUT_NS);
	assert_int_equal(resets, 11);
}

/* However often it is polled. */
static void test_asked_seldom(void **state)
{
	device.ops = &watched_ops;
	device.poll_ns = MS;
	block_submit(&device, &req[0]);
	fake_run(TIMEOUT_NS / 2);
	assert_in_range(polls, 490, 510);
	assert_in_range(looks, 4, 6);
}

/* It says that it has no room, with nothing in flight, before and after a reset. */
static void test_takes_nothing(void **state)
{
	refuses = true;
	block_submit(&device, &req[0]);
	fake_run(TIMEOUT_NS);
	assert_int_equal(resets, 1);
	assert_gone(1);
}

static void test_polled(void **state)
{
	device.poll_ns = MS;
	block_submit(&device, &req[0]);
	fake_run(5 * MS + MS / 2);
	assert_int_equal(polls, 5);
	done_by_device[0][0] = true;
	fake_run(MS);
	assert_int_equal(done_count[0], 1);
	polls = 0;
	fake_run(10 * MS);
	assert_int_equal(polls, 0);
}

/* FUA on a device without: done after the flush behind the write. */
static void test_fua_by_flush(void **state)
{
	device.write_cache = true;
	req[0].op = BLOCK_WRITE;
	req[0].fua = true;
	block_submit(&device, &req[0]);
	device_ends(0, 0);
	assert_int_equal(done_count[0], 0);
	assert_int_equal(submitted, 2);
	assert_int_equal(order[1]->op, BLOCK_FLUSH);
	device_ends(0, 0);
	assert_int_equal(done_count[0], 1);
	assert_int_equal(req[0].op, BLOCK_WRITE);
	assert_int_equal(device.stats.requests[BLOCK_WRITE], 1);
	/* Of zeroes too. */
	req[1].op = BLOCK_WRITE_ZEROES;
	req[1].fua = true;
	block_submit(&device, &req[1]);
	device_ends(0, 0);
	assert_int_equal(done_count[1], 0);
	assert_int_equal(order[3]->op, BLOCK_FLUSH);
	device_ends(0, 0);
	assert_int_equal(done_count[1], 1);
	assert_int_equal(req[1].op, BLOCK_WRITE_ZEROES);
	/* The flush fails: so does the write. */
	block_submit(&device, &req[0]);
	device_ends(0, 0);
	answer = ERR_IO;
	device_ends(0, 0);
	assert_int_equal(req[0].status, ERR_IO);
	assert_int_equal(req[0].op, BLOCK_WRITE);
}

static void test_fua_of_device(void **state)
{
	device.write_cache = device.fua = true;
	req[0].op = BLOCK_WRITE;
	req[0].fua = true;
	block_submit(&device, &req[0]);
	device_ends(0, 0);
	assert_int_equal(done_count[0], 1);
	assert_int_equal(submitted, 1);
}

static void test_wait_at_boot(void **state)
{
	struct block_request r = {.op = BLOCK_READ, .sectors = 1};

	at_once = true;
	assert_int_equal(block_submit_wait(&device, &r), OK);
	at_once = false;
	assert_int_equal(block_submit_wait(&device, &r), ERR_TIMEOUT);
	assert_int_equal(resets, 3);
}

/* --- a device that does all at once --- */

static enum status perform(struct block_device *b, const struct block_request *r)
{
	assert_int_not_equal(b->queue->lock.next, b->queue->lock.owner); /* held */
	submitted++;
	return answer;
}

static const struct block_ops memory_ops = {.perform = perform};

static void test_perform(void **state)
{
	const struct block_request r = {.op = BLOCK_WRITE, .sectors = 3, .status = ERR_AGAIN};

	list_remove(&device.link);
	device = (struct block_device){.name = "fake0", .ops = &memory_ops, .queue = queues, .queues = 1};
	block_register(&device);
	assert_int_equal(block_perform(&device, &r), OK);
	answer = ERR_NOMEM;
	assert_int_equal(block_perform(&device, &r), ERR_NOMEM);
	assert_int_equal(submitted, 2);
	assert_int_equal(r.status, ERR_AGAIN); /* neither it nor `done` is touched */
	assert_int_equal(device.stats.requests[BLOCK_WRITE], 2);
	assert_int_equal(device.stats.bytes[BLOCK_WRITE], 3 * BLOCK_SECTOR);
	assert_int_equal(device.stats.errors, 1);
	assert_int_equal(device.queue->lock.next, device.queue->lock.owner);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_find, setup),
	    cmocka_unit_test_setup(test_perform, setup),
	    cmocka_unit_test_setup(test_completes, setup),
	    cmocka_unit_test_setup(test_at_once, setup),
	    cmocka_unit_test_setup(test_queue_of_cpu, setup),
	    cmocka_unit_test_setup(test_waits_for_room, setup),
	    cmocka_unit_test_setup(test_error, setup),
	    cmocka_unit_test_setup(test_late, setup),
	    cmocka_unit_test_setup(test_duplicate, setup),
	    cmocka_unit_test_setup(test_never, setup),
	    cmocka_unit_test_setup(test_reset_takes_time, setup),
	    cmocka_unit_test_setup(test_gone, setup),
	    cmocka_unit_test_setup(test_reset_never_ends, setup),
	    cmocka_unit_test_setup(test_failed, setup),
	    cmocka_unit_test_setup(test_failed_again, setup),
	    cmocka_unit_test_setup(test_vanished, setup),
	    cmocka_unit_test_setup(test_suspected, setup),
	    cmocka_unit_test_setup(test_asked_seldom, setup),
	    cmocka_unit_test_setup(test_takes_nothing, setup),
	    cmocka_unit_test_setup(test_polled, setup),
	    cmocka_unit_test_setup(test_fua_by_flush, setup),
	    cmocka_unit_test_setup(test_fua_of_device, setup),
	    cmocka_unit_test_setup(test_wait_at_boot, setup),
	};

	list_init(&device.link);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
