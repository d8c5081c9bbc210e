/* SPDX-License-Identifier: BSD-2-Clause */
/* The prompt: the line editor's keys and history, finding commands, their arguments, completion. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "hv/lib/fmt.h"
#include "hv/mgmt/commands.h"
#include "hv/mgmt/console.h"
#include "hv/mgmt/line_edit.h"
#include "hv/mgmt/shell.h"
#include "hv/vm.h"

static char output[65536];
static char called[128];
static struct line_edit edit;

struct vm *vms[MAX_VMS];
uint32_t vm_count;
static struct vm_config configs[3] = {{.name = "web"}, {.name = "webmail"}, {.name = "db"}};
static struct vm guests[3];

struct vm *vm_find(const char *name)
{
	for (uint32_t i = 0; i < vm_count; i++) {
		if (strcmp(vms[i]->cfg->name, name) == 0)
			return vms[i];
	}
	return NULL;
}

void console_puts(const char *text)
{
	strcat(output, text);
}

void console_print(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(output + strlen(output), sizeof(output) - strlen(output), fmt, ap);
	va_end(ap);
}

/* Every command but help only says that it was called. */
#define FAKE(fn)                                                                                             \
	void command_##fn(int argc, char **argv)                                                             \
	{                                                                                                    \
		snprintf(called, sizeof(called), #fn "%s%s%s%s", argc > 0 ? " " : "",                        \
			 argc > 0 ? argv[0] : "", argc > 1 ? " " : "", argc > 1 ? argv[1] : "");             \
	}
FAKE(console)
FAKE(mute)
FAKE(unmute)
FAKE(vm_balloon)
FAKE(vm_list)
FAKE(vm_show)
FAKE(vm_log)
FAKE(vm_start)
FAKE(vm_pause)
FAKE(vm_resume)
FAKE(vm_reset)
FAKE(vm_shutdown)
FAKE(vm_destroy)
FAKE(regs)
FAKE(exits)
FAKE(cpus)
FAKE(mem)
FAKE(pci)
FAKE(disk)
FAKE(net)
FAKE(net_link)
FAKE(check)
FAKE(log)
FAKE(config)
FAKE(version)
FAKE(reboot)
FAKE(poweroff)

static int setup(void **state)
{
	for (vm_count = 0; vm_count < 3; vm_count++) {
		guests[vm_count].cfg = &configs[vm_count];
		vms[vm_count] = &guests[vm_count];
	}
	line_edit_init(&edit);
	output[0] = called[0] = '\0';
	return 0;
}

static void run(const char *text)
{
	char line[EDIT_LINE_MAX + 1];

	output[0] = called[0] = '\0';
	snprintf(line, sizeof(line), "%s", text);
	shell_run(line);
}

static enum edit_result keys(const char *text)
{
	enum edit_result r = EDIT_NOTHING;

	while (*text)
		r = line_edit_key(&edit, (uint8_t)*text++);
	return r;
}

static void test_run(void **state)
{
	run("  vm   list ");
	assert_string_equal(called, "vm_list");
	run("regs web 1");
	assert_string_equal(called, "regs web 1");
	run("poweroff -f");
	assert_string_equal(called, "poweroff -f");
	run("");
	run("   ");
	assert_string_equal(output, "");
}

static void test_errors(void **state)
{
	run("vm pause");
	assert_string_equal(output, "error: usage: vm pause NAME\n");
	run("mem now");
	assert_string_equal(output, "error: usage: mem\n");
	run("hlep");
	assert_string_equal(output, "error: there is no command 'hlep'; did you mean 'help'?\n");
	run("vm lits");
	assert_string_equal(output, "error: there is no command 'vm lits'; did you mean 'vm list'?\n");
	run("frobnicate it all and then some more words");
	assert_string_equal(output, "error: there is no command 'frobnicate': help\n");
	assert_string_equal(called, "");
	output[0] = '\0';
	assert_null(command_vm("wbe"));
	assert_string_equal(output, "error: there is no guest 'wbe'; did you mean 'web'?\n");
}

/* A line as long as the editor takes, of one word or of many. */
static void test_long_lines(void **state)
{
	char line[EDIT_LINE_MAX + 1];

	memset(line, 'x', EDIT_LINE_MAX);
	line[EDIT_LINE_MAX] = '\0';
	run(line);
	assert_memory_equal(output, "error: there is no command 'xxx", 31);
	for (int i = 0; i < EDIT_LINE_MAX; i++)
		line[i] = i % 2 ? ' ' : 'x';
	run(line);
	assert_memory_equal(output, "error:", 6);
}

static void test_help(void **state)
{
	run("help");
	for (size_t i = 0; i < command_count; i++)
		assert_non_null(strstr(output, commands[i].help));
	run("help vm pause");
	assert_non_null(strstr(output, "vm pause NAME"));
	assert_null(strstr(output, "vm list"));
	run("help vm");
	assert_non_null(strstr(output, "vm list"));
	assert_null(strstr(output, "poweroff"));
	run("help nothing");
	assert_string_equal(output, "error: there is no command 'nothing'\n");
}

static void complete(const char *typed, const char *want, const char *listed)
{
	line_edit_init(&edit);
	output[0] = '\0';
	assert_int_equal(keys(typed), EDIT_COMPLETE);
	shell_complete(&edit);
	assert_string_equal(edit.line, want);
	assert_string_equal(output, listed);
}

static void test_complete(void **state)
{
	complete("ve\t", "version ", "");
	complete("v\t", "v", "vm  version  \n");
	complete("vm pa\t", "vm pause ", "");
	complete("vm re\t", "vm res", "");
	complete("vm pause d\t", "vm pause db ", "");
	complete("vm pause w\t", "vm pause web", "");
	complete("vm pause web\t", "vm pause web", "web  webmail  \n");
	complete("mute a\t", "mute all ", "");
	complete("console a\t", "console a", "");
	complete("help vm sh\t", "help vm sh", "show  shutdown  \n");
	complete("nothing x\t", "nothing x", "");
	complete("mem \t", "mem ", "");
	complete("vm pause db \t", "vm pause db ", "");
	/* Only what stands before the cursor counts. */
	complete("ve x\x1b[D\x1b[D\t", "version  x", "");
}

static void test_keys(void **state)
{
	assert_int_equal(keys("abc"), EDIT_APPENDED);
	assert_int_equal(keys("\x02X"), EDIT_CHANGED);
	assert_string_equal(edit.line, "abXc");
	keys("\x01\x04");
	assert_string_equal(edit.line, "bXc");
	keys("\x05\x7f\x08");
	assert_string_equal(edit.line, "b");
	keys(" two  three  \x17");
	assert_string_equal(edit.line, "b two  ");
	keys("\x1b[H\x1b[3~\x1b[C\x0b");
	assert_string_equal(edit.line, " ");
	keys("zz\x1bOD\x15");
	assert_string_equal(edit.line, "z");
	assert_int_equal(keys("\x03"), EDIT_CANCEL);
	assert_string_equal(edit.line, "");
	assert_int_equal(keys("\x0c"), EDIT_REDRAW);
	assert_int_equal(keys("\x7f"), EDIT_NOTHING);
	assert_int_equal(keys("\x01\x02\x04\x0b\x1b[D\x1b[C\x1b[99~\x1b[1;5X"), EDIT_NOTHING);
	assert_int_equal(keys("\x1b[\r"), EDIT_ENTER);
	/* CR LF is one Enter, and so is each alone. */
	assert_int_equal(keys("\r"), EDIT_ENTER);
	assert_int_equal(keys("\n"), EDIT_NOTHING);
	assert_int_equal(keys("\n"), EDIT_ENTER);
}

static void test_full_line(void **state)
{
	for (int i = 0; i < EDIT_LINE_MAX + 50; i++)
		line_edit_key(&edit, 'x');
	assert_int_equal(edit.len, EDIT_LINE_MAX);
	assert_int_equal(strlen(edit.line), EDIT_LINE_MAX);
	line_edit_insert(&edit, "more");
	assert_int_equal(edit.len, EDIT_LINE_MAX);
}

static void enter(const char *line)
{
	keys(line);
	line_edit_clear(&edit);
}

static void test_history(void **state)
{
	char line[16];

	assert_int_equal(keys("\x1b[A"), EDIT_NOTHING);
	enter("one");
	enter("two");
	enter("two");
	enter("");
	keys("dra\x1b[A");
	assert_string_equal(edit.line, "two");
	keys("\x10");
	assert_string_equal(edit.line, "one");
	keys("\x10");
	assert_string_equal(edit.line, "one");
	keys("\x1b[B\x1b[B");
	assert_string_equal(edit.line, "dra");
	assert_int_equal(keys("\x0e"), EDIT_NOTHING);
	keys("\x03");
	for (int i = 0; i < EDIT_HISTORY + 5; i++) {
		snprintf(line, sizeof(line), "line %d", i);
		enter(line);
	}
	for (int i = 0; i < EDIT_HISTORY + 10; i++)
		keys("\x1b[A");
	assert_string_equal(edit.line, "line 5");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_run, setup),        cmocka_unit_test_setup(test_errors, setup),
	    cmocka_unit_test_setup(test_long_lines, setup), cmocka_unit_test_setup(test_help, setup),
	    cmocka_unit_test_setup(test_complete, setup),   cmocka_unit_test_setup(test_keys, setup),
	    cmocka_unit_test_setup(test_full_line, setup),  cmocka_unit_test_setup(test_history, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
