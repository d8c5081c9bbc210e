/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The console multiplexer with a fake clock and a fake line: torn lines, floods, pastes, the prompt, attaching.
 * What comes out goes through a tiny terminal, so that the tests see what an operator sees.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "hv/mgmt/mux.h"

#define ESCAPE    0x1d
#define MS        1000000ULL
#define LINES_MAX 20000

static struct mux m;
static struct mux_guest guests[3];
static char command_buf[1 << 18];
static uint64_t now;

/* The terminal: finished lines, and the current one with its cursor. */
static char *screen[LINES_MAX];
static unsigned screen_count;
static char row[8192];
static unsigned row_len, row_at;
static unsigned esc;
static char raw[1 << 20];
static size_t raw_len;

static void terminal(char c)
{
	raw[raw_len++] = c;
	if (esc == 1) {
		esc = c == '[' ? 2 : 0;
	} else if (esc == 2) {
		if (c >= '@')
			esc = 0;
		if (c == 'K')
			row_len = row_at;
	} else if (c == '\x1b') {
		esc = 1;
	} else if (c == '\r') {
		row_at = 0;
	} else if (c == '\b') {
		row_at--;
	} else if (c == '\n') {
		row[row_len] = '\0';
		assert_true(screen_count < LINES_MAX);
		screen[screen_count++] = strdup(row);
		row_at = row_len = 0;
	} else {
		row[row_at++] = c;
		if (row_at > row_len)
			row_len = row_at;
	}
}

/* The line takes up to n bytes. */
static void drain(size_t n)
{
	while (n-- > 0 && byte_ring_used(&m.stage) > 0)
		terminal((char)byte_ring_take(&m.stage));
}

/* Everything that is due at this time. */
static uint64_t settle(void)
{
	uint64_t deadline;

	for (;;) {
		deadline = mux_compose(&m, now);
		if (byte_ring_used(&m.stage) == 0)
			return deadline;
		drain(MUX_STAGE_SIZE);
	}
}

static void advance(uint64_t ns)
{
	now += ns;
	settle();
}

static const char *current_row(void)
{
	row[row_len] = '\0';
	return row;
}

static void say(unsigned n, const char *text)
{
	while (*text)
		mux_guest_put(&m, n, (uint8_t)*text++);
}

static void host(const char *text)
{
	mux_host_line(&m, text, strlen(text));
}

static void command(const char *text)
{
	mux_command_write(&m, text, strlen(text));
}

static void type(const char *text)
{
	uint8_t key;
	enum edit_result r;

	mux_type(&m, (const uint8_t *)text, strlen(text));
	mux_route(&m);
	while (mux_take_key(&m, &key)) {
		r = line_edit_key(&m.edit, key);
		mux_prompt_changed(&m, r);
		if (r == EDIT_ENTER)
			line_edit_clear(&m.edit);
	}
}

static void expect_lines(const char *const *want, unsigned count)
{
	for (unsigned i = 0; i < count && i < screen_count; i++)
		assert_string_equal(screen[i], want[i]);
	assert_int_equal(screen_count, count);
}
#define EXPECT(...)                                                                                          \
	expect_lines((const char *[]){__VA_ARGS__}, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *))

static int setup(void **state)
{
	static const char *const names[] = {"web", "db", "mail"};

	memset(guests, 0, sizeof(guests));
	mux_init(&m, ESCAPE, command_buf, sizeof(command_buf));
	for (unsigned i = 0; i < 3; i++)
		mux_add_guest(&m, i, &guests[i], names[i]);
	while (screen_count > 0)
		free(screen[--screen_count]);
	row_len = row_at = esc = 0;
	raw_len = 0;
	now = 1000 * MS;
	return 0;
}

static int cleanup(void **state)
{
	while (screen_count > 0)
		free(screen[--screen_count]);
	return 0;
}

static void test_lines(void **state)
{
	say(0, "hello\r\nab");
	say(1, "x\n");
	settle();
	say(0, "cd\n\n");
	host("[1.000000] ingot: note");
	settle();
	EXPECT("web| hello", "db| x", "[1.000000] ingot: note", "web| abcd", "web| ");
	assert_string_equal(current_row(), "");
}

static void test_sanitized(void **state)
{
	say(0, "\x1b[31mred\x1b[0m\x1b]0;title\x07 \x1b(Bq\x1b"
	       "7 \x01\x7f\t|\n");
	say(0, "ok \xc3\xa4 \xe2\x82\xac \xff \xc2\x9b"
	       "1m \xe2\x82x \xed\xa0\x80\n");
	say(0, "10%\r20%\r\n");
	settle();
	EXPECT("web| red q \\x01\\x7f\t|",
	       "web| ok \xc3\xa4 \xe2\x82\xac \\xff \\xc2\\x9b1m \\xe2\\x82x \\xed\\xa0\\x80", "web| 10%",
	       "web| 20%");
}

static void test_partial(void **state)
{
	say(0, "login: ");
	uint64_t due = settle();
	assert_int_equal(due, now + 200 * MS);
	advance(199 * MS);
	assert_int_equal(screen_count, 0);
	advance(1 * MS);
	EXPECT("web| login: ");
	say(0, "root");
	settle();
	say(0, "\r\n");
	settle();
	EXPECT("web| login: ", "web| root");
	/* The end of a line that has been shown is not a line of its own; the next empty one is. */
	say(0, "# ");
	settle();
	advance(200 * MS);
	say(0, "\r\n\r\n");
	settle();
	EXPECT("web| login: ", "web| root", "web| # ", "web| ");
}

/* Bytes that trickle in: the line is shown after the silence, or a second at the latest. */
static void test_trickle(void **state)
{
	for (int i = 0; i < 9; i++) {
		say(0, ".");
		settle();
		advance(100 * MS);
	}
	assert_int_equal(screen_count, 0);
	say(0, ".");
	settle();
	advance(100 * MS);
	EXPECT("web| ..........");
}

static void test_long_line(void **state)
{
	char text[3001];

	memset(text, 'y', 3000);
	text[3000] = '\0';
	say(0, text);
	say(0, "\n");
	settle();
	assert_int_equal(screen_count, 3);
	assert_int_equal(strlen(screen[0]), 5 + GUEST_LINE_MAX);
	assert_int_equal(strlen(screen[2]), 5 + 3000 - 2 * GUEST_LINE_MAX);
}

static void test_prompt(void **state)
{
	m.prompt_on = true;
	settle();
	assert_string_equal(current_row(), "ingot> ");
	type("vm l");
	settle();
	assert_string_equal(current_row(), "ingot> vm l");
	say(0, "hello\n");
	settle();
	assert_string_equal(current_row(), "");
	advance(50 * MS);
	/* Redrawn below the line that came between. */
	EXPECT("web| hello");
	assert_string_equal(current_row(), "ingot> vm l");
	type("ist\x1b[D\x1b[Dxx");
	settle();
	assert_string_equal(current_row(), "ingot> vm lixxst");
	assert_int_equal(row_at, strlen("ingot> vm lixx"));
	type("\r");
	m.prompt_busy = true;
	command("out\n");
	say(1, "late\n");
	settle();
	EXPECT("web| hello", "ingot> vm lixxst", "out", "db| late");
	assert_string_equal(current_row(), "");
	m.prompt_busy = false;
	settle();
	assert_string_equal(current_row(), "ingot> ");
	type("abc\x03");
	settle();
	EXPECT("web| hello", "ingot> vm lixxst", "out", "db| late", "ingot> ^C");
}

/* Echoes are only what was typed: a script at the other end isn't buried in control sequences. */
static void test_echo(void **state)
{
	m.prompt_on = true;
	settle();
	raw_len = 0;
	type("vm ");
	settle();
	type("list\r");
	settle();
	raw[raw_len] = '\0';
	assert_string_equal(raw, "vm list\r\ningot> ");
}

static void test_long_prompt(void **state)
{
	char text[200];

	m.prompt_on = true;
	memset(text, 'a', 150);
	strcpy(text + 150, "END");
	type(text);
	settle();
	assert_int_equal(strlen(current_row()), 7 + 72);
	assert_non_null(strstr(current_row(), "aEND"));
	type("\x01");
	settle();
	assert_int_equal(row_at, 7);
	type("\r");
	settle();
	assert_int_equal(strlen(screen[screen_count - 1]), 7 + 153);
}

/* Two guests, hypervisor lines and typing at random, on a line that takes a few bytes at a time. */
static void test_torn(void **state)
{
	static char text[2][256];
	unsigned at[2] = {0}, count[3] = {0}, seen[3] = {0}, typed = 0;

	srand(7);
	m.prompt_on = true;
	for (unsigned g = 0; g < 2; g++)
		sprintf(text[g], "%u line %u abcdefghijklmnopqrstuvwxyz\r\n", g, count[g]);
	for (int i = 0; i < 200000; i++) {
		unsigned g = (unsigned)rand() % 2;

		if (mux_guest_ready(&m, g)) {
			mux_guest_put(&m, g, (uint8_t)text[g][at[g]++]);
			if (text[g][at[g]] == '\0') {
				count[g]++;
				at[g] = 0;
				sprintf(text[g], "%u line %u abcdefghijklmnopqrstuvwxyz\r\n", g, count[g]);
			}
		}
		if (rand() % 500 == 0) {
			char line[64];

			sprintf(line, "[0.1] ingot: line %u", count[2]++);
			host(line);
		}
		if (rand() % 1000 == 0 && typed++ < 200)
			type("k");
		if (rand() % 3 == 0)
			mux_compose(&m, now);
		drain((size_t)rand() % 8);
		now += 100000;
	}
	settle();
	for (unsigned i = 0; i < screen_count; i++) {
		char want[256];

		if (screen[i][0] == '[') {
			sprintf(want, "[0.1] ingot: line %u", seen[2]++);
		} else {
			unsigned g = screen[i][0] == 'd';

			sprintf(want, "%s| %u line %u abcdefghijklmnopqrstuvwxyz", g ? "db" : "web", g,
				seen[g]++);
		}
		assert_string_equal(screen[i], want);
	}
	assert_int_equal(seen[0], count[0]);
	assert_int_equal(seen[1], count[1]);
	assert_int_equal(seen[2], count[2]);
	assert_true(count[0] > 1000 && count[1] > 1000 && count[2] > 100);
	/* Fair: neither guest was served much more than the other. */
	assert_true(count[0] * 10 > count[1] * 9 && count[1] * 10 > count[0] * 9);
}

/* A guest that never stops, on a slow line: the neighbour's line, a command and the echo come within a few lines. */
static void test_flood(void **state)
{
	unsigned before;

	m.prompt_on = true;
	settle();
	for (int i = 0; i < 5000; i++) {
		while (mux_guest_ready(&m, 0))
			say(0, "flood flood flood flood\n");
		mux_compose(&m, now);
		drain(10);
		now += 1 * MS;
	}
	while (mux_guest_ready(&m, 0))
		say(0, "flood flood flood flood\n");
	assert_true(mux_guest_ready(&m, 1));
	assert_false(mux_guest_release(&m, 0));
	before = screen_count;
	say(1, "neighbour\n");
	type("hi");
	for (int i = 0; i < 100; i++) {
		mux_compose(&m, now);
		drain(10);
		now += 1 * MS;
	}
	bool neighbour = false;
	for (unsigned i = before; i < screen_count; i++)
		neighbour |= strcmp(screen[i], "db| neighbour") == 0;
	assert_true(neighbour);
	assert_true(screen_count - before < 60);
	raw[raw_len] = '\0';
	assert_non_null(strstr(raw, "ingot> hi"));
	/* Nothing of the flood was dropped: it was held back. */
	mux_set_muted(&m, 0, true);
	assert_true(mux_guest_release(&m, 0));
	assert_false(mux_guest_release(&m, 0));
	assert_true(mux_guest_ready(&m, 0));
	for (unsigned i = 0; i < screen_count; i++)
		assert_null(strstr(screen[i], "left out"));
}

/* A guest that doesn't care whether its transmitter is ready loses its own bytes only, and it is said. */
static void test_overrun(void **state)
{
	for (int i = 0; i < 20000; i++)
		say(0, "0123456\n");
	settle();
	assert_string_equal(screen[0], "web| [94464 bytes left out]");
	assert_string_equal(screen[1], "web| 0123456");
	assert_int_equal(screen_count, 1 + MUX_RING_SIZE / 8);
}

static void test_host_overrun(void **state)
{
	char line[64];

	for (int i = 0; i < 2000; i++) {
		sprintf(line, "[0.1] ingot: line %04d", i);
		host(line);
	}
	settle();
	assert_int_equal(screen_count, 1 + MUX_LINES_SIZE / 23);
	assert_string_equal(screen[0], "[1288 lines left out: log]");
	assert_string_equal(screen[screen_count - 1], "[0.1] ingot: line 1999");
}

/* What guest n takes from its queue, at most 16 bytes at a time as a UART does. */
static size_t take_input(unsigned n, char *out)
{
	size_t len = 0;

	while (len < 16 && byte_ring_used(&guests[n].in) > 0)
		out[len++] = (char)byte_ring_take(&guests[n].in);
	return len;
}

static void test_paste(void **state)
{
	static char paste[4097], got[8192];
	size_t len = 0;

	for (unsigned i = 0; i < 4096; i++)
		paste[i] = (char)('!' + i % 90);
	mux_attach(&m, 0);
	settle();
	for (unsigned i = 0; i < 4096; i += 64) {
		mux_type(&m, (const uint8_t *)paste + i, 64);
		mux_route(&m);
		if (i % 512 == 0)
			len += take_input(0, got + len);
	}
	/* Leaving does not take back what was typed before. */
	type("\x1d");
	assert_int_equal(m.attached, MUX_NOBODY);
	while (byte_ring_used(&guests[0].in) > 0)
		len += take_input(0, got + len);
	assert_int_equal(len, 4096);
	assert_memory_equal(got, paste, 4096);
}

/* A paste to the prompt: every line becomes a command, in order. */
static void test_paste_prompt(void **state)
{
	char text[4097] = "";
	unsigned lines = 0, got = 0;
	uint8_t key;

	while (strlen(text) < 4000)
		sprintf(text + strlen(text), "help %u\n", lines++);
	mux_type(&m, (const uint8_t *)text, strlen(text));
	while (mux_take_key(&m, &key)) {
		if (line_edit_key(&m.edit, key) == EDIT_ENTER) {
			char want[32];

			sprintf(want, "help %u", got++);
			assert_string_equal(m.edit.line, want);
			line_edit_clear(&m.edit);
		}
	}
	assert_int_equal(got, lines);
}

static void test_attach(void **state)
{
	m.prompt_on = true;
	settle();
	say(0, "one\r\n\x1b[1mtwo\r\nlogin: ");
	settle();
	advance(300 * MS);
	setup(NULL);
	m.prompt_on = true;
	say(0, "one\r\n\x1b[1mtwo\r\nlogin: ");
	mux_attach(&m, 0);
	settle();
	EXPECT("[web: leave with ^]]", "one", "two");
	assert_string_equal(current_row(), "login: ");
	/* Raw and exclusive: others and the hypervisor are kept. */
	say(1, "a\nb\n");
	host("[2.000000] ingot: vm mail: stopped: powered off");
	say(0, "x");
	settle();
	EXPECT("[web: leave with ^]]", "one", "two");
	assert_string_equal(current_row(), "login: x");
	type("root\x1dmem");
	settle();
	assert_int_equal(m.attached, MUX_NOBODY);
	assert_int_equal(byte_ring_used(&guests[0].in), 4);
	EXPECT("[web: leave with ^]]", "one", "two", "login: x", "[web left]",
	       "db has written 2 lines meanwhile: vm log db",
	       "[2.000000] ingot: vm mail: stopped: powered off");
	assert_string_equal(current_row(), "ingot> mem");
}

/* Replay begins at a line's start, a few KiB back. */
static void test_replay(void **state)
{
	for (int i = 0; i < 3000; i++)
		say(2, "0123456789\n");
	mux_set_muted(&m, 2, true);
	mux_attach(&m, 2);
	settle();
	assert_string_equal(screen[1], "0123456789");
	assert_int_equal(screen_count, 1 + MUX_REPLAY / 11);
}

static void test_guest_ends(void **state)
{
	m.prompt_on = true;
	mux_attach(&m, 1);
	type("abc");
	say(1, "Power down");
	mux_guest_ended(&m, 1);
	assert_int_equal(byte_ring_used(&guests[1].in), 0);
	settle();
	EXPECT("[db: leave with ^]]", "Power down", "[db has ended]");
	assert_string_equal(current_row(), "ingot> ");
}

/* The same where everything was shown before: its end alone must bring the next step about. */
static void test_quiet_guest_ends(void **state)
{
	m.prompt_on = true;
	mux_attach(&m, 1);
	say(1, "Power down\n");
	settle();
	mux_guest_ended(&m, 1);
	settle();
	EXPECT("[db: leave with ^]]", "Power down", "[db has ended]");
	assert_string_equal(current_row(), "ingot> ");
}

/* The escape key always works: the guest takes nothing, and every queue is full. */
static void test_escape_always(void **state)
{
	uint8_t junk[4096];

	memset(junk, 'j', sizeof(junk));
	mux_attach(&m, 0);
	for (int i = 0; i < 3; i++) {
		mux_type(&m, junk, sizeof(junk));
		mux_route(&m);
	}
	assert_int_equal(m.attached, 0);
	type("\x1d");
	assert_int_equal(m.attached, MUX_NOBODY);

	mux_attach(&m, 0);
	for (int i = 0; i < 10; i++) {
		mux_type(&m, junk, sizeof(junk));
		mux_route(&m);
	}
	assert_int_equal(byte_ring_room(&m.typed), 0);
	type("\x1d");
	assert_int_equal(m.attached, MUX_NOBODY);
	settle();
	assert_string_equal(current_row(), "");
	m.prompt_on = true;
	type("help");
	settle();
	assert_string_equal(current_row(), "ingot> help");
}

static void test_mute(void **state)
{
	mux_set_muted(&m, 0, true);
	say(0, "silent\n");
	settle();
	assert_int_equal(screen_count, 0);
	mux_set_muted(&m, 0, false);
	say(0, "loud\n");
	settle();
	EXPECT("web| loud");
	assert_int_equal(mux_log_start(&guests[0]), 0);
	assert_memory_equal(guests[0].out_buf, "silent\nloud\n", 12);
}

static void test_command_output(void **state)
{
	static char big[sizeof(command_buf)];
	unsigned lines = 0;

	while (lines < 10000) {
		sprintf(big, "line %u\n", lines++);
		command(big);
	}
	say(0, "x\n");
	settle();
	assert_int_equal(screen_count, 10001);
	for (unsigned i = 0; i < lines; i++) {
		sprintf(big, "line %u", i);
		assert_string_equal(screen[i], big);
	}
	memset(big, 'z', 1023);
	big[1023] = '\n';
	for (unsigned i = 0; i < 256; i++)
		mux_command_write(&m, big, 1024);
	command("more\n");
	settle();
	assert_string_equal(screen[screen_count - 1], "error: the rest of the output was cut");
}

/* Wake-ups: the middle of an unfinished line is no news. */
static void test_wake(void **state)
{
	assert_true(mux_guest_put(&m, 0, 'a'));
	settle();
	assert_false(mux_guest_put(&m, 0, 'b'));
	assert_true(mux_guest_put(&m, 0, '\n'));
	settle();
	mux_set_muted(&m, 0, true);
	assert_false(mux_guest_put(&m, 0, '\n'));
	assert_true(mux_host_line(&m, "x", 1));
	mux_attach(&m, 1);
	assert_false(mux_host_line(&m, "x", 1));
	assert_true(mux_guest_put(&m, 1, 'c'));
	assert_false(mux_guest_put(&m, 2, '\n'));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, cleanup)
	    T(test_lines),         T(test_sanitized),    T(test_partial),
	    T(test_trickle),       T(test_long_line),    T(test_prompt),
	    T(test_echo),          T(test_long_prompt),  T(test_torn),
	    T(test_flood),         T(test_overrun),      T(test_host_overrun),
	    T(test_paste),         T(test_paste_prompt), T(test_attach),
	    T(test_replay),        T(test_guest_ends),   T(test_quiet_guest_ends),
	    T(test_escape_always), T(test_mute),         T(test_command_output),
	    T(test_wake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
