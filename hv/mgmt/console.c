/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The console: the multiplexer's lock, its work item, its clock and its device. Guests, interrupts and the
 * log put bytes into rings under the lock; one CPU at a time, in console_work, does everything else, and the
 * shell's commands run there too, without the lock.
 */
#include "hv/mgmt/console.h"
#include <stdarg.h>
#include "hv/host.h"
#include "hv/lib/fmt.h"
#include "hv/lib/lock.h"
#include "hv/lib/log.h"
#include "hv/lib/panic.h"
#include "hv/lib/string.h"
#include "hv/mgmt/mux.h"
#include "hv/mgmt/shell.h"
#include "hv/pcpu.h"
#include "hv/timer.h"
#include "hv/vdev/guest_console.h"
#include "hv/vm.h"
#include "hv/work.h"

#define COMMAND_SIZE 0x40000     /* bytes of a command's output that may wait for the line */
#define ROUNDS       4           /* of one work item: it must not keep guests from their CPU */
#define DRAIN_MAX    128         /* bytes to the device in one round */
#define INPUT_CHUNK  64          /* bytes that are offered to a guest's port at once */
#define POLL_NS      10000000ULL /* how often a waiting command looks again */

static_assert(MUX_GUEST_MAX >= MAX_VMS);

static struct spinlock lock; /* guards *mux, but for its line editor, which only console_work uses */
static struct mux *mux;
static const struct console_device *device;
static struct work work;
static struct timer timer; /* armed by console_work alone */
static bool woken;         /* the work item is queued */
static bool panicking;

static void wake(void)
{
	if (!__atomic_exchange_n(&woken, true, __ATOMIC_SEQ_CST))
		work_queue(&work);
}

static void wake_if(bool news)
{
	if (news)
		wake();
}

/* --- producers --- */

static void write_line_polled(const char *line, size_t len)
{
	if (device == NULL)
		return;
	device->write_polled((const uint8_t *)line, len);
	device->write_polled((const uint8_t *)"\r\n", 2);
}

/* The log's sink; its lock is held. */
static void log_line(const char *line, size_t len)
{
	bool news;

	if (__atomic_load_n(&panicking, __ATOMIC_RELAXED)) {
		write_line_polled(line, len);
		return;
	}
	spin_lock(&lock);
	news = mux_host_line(mux, line, len);
	spin_unlock(&lock);
	wake_if(news);
}

void console_guest_output(struct vm *vm, const uint8_t *bytes, size_t n)
{
	bool news = false;

	spin_lock(&lock);
	for (size_t i = 0; i < n; i++)
		news |= mux_guest_put(mux, vm->index, bytes[i]);
	spin_unlock(&lock);
	wake_if(news);
}

bool console_guest_ready(struct vm *vm)
{
	bool ready;

	spin_lock(&lock);
	ready = mux_guest_ready(mux, vm->index);
	spin_unlock(&lock);
	return ready;
}

void console_guest_input_ready(struct vm *vm)
{
	spin_lock(&lock);
	mux->guest[vm->index]->input_full = false;
	spin_unlock(&lock);
	wake();
}

void console_guest_ended(struct vm *vm)
{
	spin_lock(&lock);
	mux_guest_ended(mux, vm->index);
	spin_unlock(&lock);
	wake();
}

void console_input(const uint8_t *bytes, size_t n)
{
	spin_lock(&lock);
	mux_type(mux, bytes, n);
	spin_unlock(&lock);
	wake();
}

void console_tx_ready(void)
{
	/* A look without the lock is enough: whoever stages bytes offers them to the device afterwards. */
	wake_if(byte_ring_used(&mux->stage) > 0);
}

/* --- the work item --- */

/* Lets the attached guest and the editor have what was typed. True: a line is complete. */
static bool take_input(char line[static EDIT_LINE_MAX + 1])
{
	uint8_t key;
	bool idle;

	spin_lock(&lock);
	mux_route(mux);
	idle = mux->prompt_on && !mux->prompt_busy && byte_ring_used(&mux->command) == 0;
	while (idle && mux_take_key(mux, &key)) {
		enum edit_result r = line_edit_key(&mux->edit, key);

		mux_prompt_changed(mux, r);
		if (r == EDIT_COMPLETE) {
			spin_unlock(&lock);
			shell_complete(&mux->edit);
			spin_lock(&lock);
			mux_prompt_changed(mux, EDIT_CHANGED);
			break;
		}
		if (r == EDIT_ENTER) {
			str_copy(line, EDIT_LINE_MAX + 1, mux->edit.line);
			line_edit_clear(&mux->edit);
			spin_unlock(&lock);
			return true;
		}
	}
	spin_unlock(&lock);
	return false;
}

static void run_commands(void)
{
	char line[EDIT_LINE_MAX + 1];

	if (take_input(line))
		shell_run(line);
	if (shell_is_busy())
		shell_continue();
	spin_lock(&lock);
	mux->prompt_busy = shell_is_busy();
	spin_unlock(&lock);
}

/* Offers guest n what was typed for it. True: it took all of it, and there is more. */
static bool feed_guest(unsigned n)
{
	struct mux_guest *g = mux->guest[n];
	uint8_t bytes[INPUT_CHUNK];
	size_t count = 0, took;

	spin_lock(&lock);
	while (!g->input_full && count < sizeof(bytes) && count < byte_ring_used(&g->in)) {
		bytes[count] = byte_ring_at(&g->in, g->in.tail + count);
		count++;
	}
	/* Before the offer: the guest may say that it has room again while guest_console_input is returning. */
	g->input_full = count > 0;
	uint64_t tail = g->in.tail;
	spin_unlock(&lock);
	if (count == 0)
		return false;

	took = guest_console_input(vms[n], bytes, count);

	spin_lock(&lock);
	if (g->in.tail == tail) /* else its queue was dropped, it has ended */
		g->in.tail += took;
	if (took == count)
		g->input_full = false;
	bool more = took == count && byte_ring_used(&g->in) > 0;
	spin_unlock(&lock);
	return more;
}

static bool feed_guests(void)
{
	bool more = false;

	for (unsigned n = 0; n < vm_count; n++)
		more |= feed_guest(n);
	return more;
}

/* Guests that were told to hold back, and need not any longer. */
static void release_guests(void)
{
	for (unsigned n = 0; n < vm_count; n++) {
		spin_lock(&lock);
		bool release = mux_guest_release(mux, n);
		spin_unlock(&lock);
		if (release)
			guest_console_output_ready(vms[n]);
	}
}

/*
 * Moves staged bytes to the device, bounded. False: the device is full, and says when it has room. The stage is
 * only changed by console_work.
 */
static bool drain_stage(void)
{
	struct byte_ring *stage = &mux->stage;
	const uint8_t *bytes;
	size_t sent = 0, n, took;

	while (sent < DRAIN_MAX && (n = byte_ring_peek(stage, &bytes)) > 0) {
		took = device ? device->write(bytes, n) : n;
		if (took == 0)
			return false;
		spin_lock(&lock);
		stage->tail += took;
		spin_unlock(&lock);
		sent += took;
	}
	return true;
}

/* True: more could be done at once. */
static bool step(uint64_t *deadline)
{
	bool more;

	run_commands();
	more = feed_guests();
	spin_lock(&lock);
	*deadline = mux_compose(mux, time_now_ns());
	more |= byte_ring_used(&mux->stage) > 0;
	spin_unlock(&lock);
	return drain_stage() && more;
}

static void on_timer(struct timer *t)
{
	(void)t;
	wake();
}

static void console_steps(void)
{
	uint64_t deadline = UINT64_MAX;
	bool more = true;

	for (unsigned i = 0; i < ROUNDS && more; i++)
		more = step(&deadline);
	release_guests();
	if (shell_is_busy())
		deadline = MIN(deadline, time_now_ns() + POLL_NS);
	if (more)
		wake();
	else if (deadline != UINT64_MAX)
		timer_arm(&timer, this_pcpu()->id, deadline);
}

static void console_work(struct work *w)
{
	(void)w;
	__atomic_store_n(&woken, false, __ATOMIC_SEQ_CST);
	console_steps();
}

/* --- set-up --- */

void console_init(const struct console_device *dev, uint8_t escape_byte)
{
	void *command = host_alloc(COMMAND_SIZE);

	mux = host_alloc(sizeof(*mux));
	CHECK(mux && command);
	mux_init(mux, escape_byte, command, COMMAND_SIZE);
	device = dev;
	work_init_alone(&work, console_work); /* its commands start, resume and look at guests */
	timer_init(&timer, on_timer);
	log_set_sink(log_line);
}

void console_start_prompt(void)
{
	spin_lock(&lock);
	mux->prompt_on = true;
	spin_unlock(&lock);
	wake();
}

enum status console_guest_add(struct vm *vm)
{
	struct mux_guest *g = host_alloc(sizeof(*g));

	if (g == NULL)
		return ERR_NOMEM;
	spin_lock(&lock);
	mux_add_guest(mux, vm->index, g, vm->cfg->name);
	spin_unlock(&lock);
	return OK;
}

void console_panic_mode(void)
{
	const uint8_t *bytes;
	size_t n;

	if (__atomic_exchange_n(&panicking, true, __ATOMIC_SEQ_CST) || mux == NULL || device == NULL)
		return;
	/* The lock may be held for ever: the other CPUs have been stopped. */
	while ((n = byte_ring_peek(&mux->stage, &bytes)) > 0) {
		device->write_polled(bytes, n);
		mux->stage.tail += n;
	}
	device->write_polled((const uint8_t *)"\r\n", 2);
	while (byte_ring_used(&mux->lines) > 0) {
		uint8_t c = byte_ring_take(&mux->lines);

		device->write_polled(c == '\n' ? (const uint8_t *)"\r\n" : &c, c == '\n' ? 2 : 1);
	}
}

/* --- for commands --- */

void console_puts(const char *text)
{
	spin_lock(&lock);
	mux_command_write(mux, text, strlen(text));
	spin_unlock(&lock);
}

void console_print(const char *fmt, ...)
{
	static char text[1024]; /* commands run one at a time */
	va_list ap;

	va_start(ap, fmt);
	fmt_vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	console_puts(text);
}

bool console_has_room(size_t bytes)
{
	spin_lock(&lock);
	bool room = byte_ring_room(&mux->command) >= bytes;
	spin_unlock(&lock);
	return room;
}

void console_attach(struct vm *vm)
{
	spin_lock(&lock);
	mux_attach(mux, vm->index);
	spin_unlock(&lock);
}

void console_mute(struct vm *vm, bool muted)
{
	spin_lock(&lock);
	mux_set_muted(mux, vm->index, muted);
	spin_unlock(&lock);
}

bool console_is_muted(const struct vm *vm)
{
	return mux->guest[vm->index]->muted;
}

size_t console_guest_log(const struct vm *vm, uint64_t *pos, uint8_t *bytes, size_t size)
{
	const struct mux_guest *g = mux->guest[vm->index];
	size_t n = 0;

	spin_lock(&lock);
	*pos = MAX(*pos, mux_log_start(g));
	while (n < size && *pos < g->out.head)
		bytes[n++] = byte_ring_at(&g->out, (*pos)++);
	spin_unlock(&lock);
	return n;
}
