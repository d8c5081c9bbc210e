/* SPDX-License-Identifier: BSD-2-Clause */
/* The configuration: tokens, values, mistakes and their texts, the boot line, printing and reading back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "hv/lib/ini.h"
#include "hv/lib/log.h"
#include "hv/lib/util.h"
#include "hv/lib/words.h"
#include "tests/unit/config_text.h"

/* text is one [vm a] with memory and kernel and these lines; it has no mistakes. */
static const struct vm_config *good_vm(const char *lines)
{
	char text[8192];

	snprintf(text, sizeof(text), "[vm a]\nmemory = 2M\nkernel = k\n%s\n", lines);
	parse(text);
	if (error_count > 0)
		fail_msg("%s", errors[0]);
	assert_int_equal(config.vm_count, 1);
	assert_false(config.vm[0].refused);
	return &config.vm[0];
}

/* The same with exactly one mistake in line 4. */
static void bad_vm(const char *line, const char *why)
{
	char text[8192], want[600];

	snprintf(text, sizeof(text), "[vm a]\nmemory = 2M\nkernel = k\n%s\n", line);
	parse(text);
	snprintf(want, sizeof(want), "f:4: %s", why);
	assert_int_equal(error_count, 1);
	assert_string_equal(errors[0], want);
	assert_true(config.vm[0].refused);
}

static void bad_host(const char *line, const char *why)
{
	char text[1024], want[600], defaults[4096];

	parse("");
	print();
	strcpy(defaults, printed);
	snprintf(text, sizeof(text), "[host]\n%s\n", line);
	parse(text);
	snprintf(want, sizeof(want), "f:2: %s", why);
	assert_int_equal(error_count, 1);
	assert_string_equal(errors[0], want);
	print();
	assert_string_equal(printed, defaults);
}

static void test_defaults(void **state)
{
	parse("");
	assert_int_equal(error_count, 0);
	assert_int_equal(config.host.console, CONSOLE_COM1);
	assert_int_equal(config.host.baud, 115200);
	assert_int_equal(config.host.escape, 0x1d);
	assert_int_equal(config.host.log, LOG_INFO);
	assert_int_equal(config.host.smt, SMT_ON);
	assert_int_equal(config.host.on_all_ended, ALL_ENDED_WAIT);
	assert_true(cpu_set_has(&config.host.cpuset, 0) && cpu_set_has(&config.host.cpuset, 255));
	assert_true(config.autostart);

	const struct vm_config *vm = good_vm("");
	assert_string_equal(vm->name, "a");
	assert_int_equal(vm->line, 1);
	assert_int_equal(vm->memory, MIB(2));
	assert_int_equal(vm->vcpus, 1);
	assert_string_equal(vm->kernel, "k");
	assert_int_equal(vm->kernel_line, 3);
	assert_string_equal(vm->initrd, "");
	assert_string_equal(vm->cmdline, "console=ttyS0");
	assert_true(vm->autostart && vm->com1_console);
	assert_int_equal(vm->on_poweroff, END_DESTROY);
	assert_int_equal(vm->on_reboot, END_RESTART);
	assert_int_equal(vm->on_crash, END_DESTROY);
	assert_int_equal(vm->max_restarts, 5);
	assert_int_equal(vm->debug_exit, -1);
	assert_int_equal(vm->module_count, 0);
}

static void test_host_values(void **state)
{
	parse("\xef\xbb\xbf[host] # comment\r\nconsole = pci:00:16.3\r\nbaud=9600\nescape = ^a # c\nlog = "
	      "debug\n"
	      "cpuset = 0-3,^2\nsmt = on\non_all_ended = reboot");
	assert_int_equal(error_count, 0);
	assert_int_equal(config.host.console, CONSOLE_PCI);
	assert_int_equal(config.host.console_pci_bdf, 0x16 << 3 | 3);
	assert_int_equal(config.host.baud, 9600);
	assert_int_equal(config.host.escape, 1);
	assert_int_equal(config.host.log, LOG_DEBUG);
	assert_int_equal(config.host.cpuset.bits[0], 0xb);
	assert_int_equal(config.host.cpuset.bits[1], 0);
	assert_int_equal(config.host.smt, SMT_ON);
	assert_int_equal(config.host.on_all_ended, ALL_ENDED_REBOOT);
	parse("[host]\nconsole = port:0x2E8\n");
	assert_int_equal(error_count, 0);
	assert_int_equal(config.host.console, CONSOLE_PORT);
	assert_int_equal(config.host.console_port, 0x2e8);
}

static void test_host_mistakes(void **state)
{
	bad_host("console = com3", "'console' in [host]: 'com3' is not a serial line: com1, com2, port:0x3f8 "
				   "or pci:00:16.3; 'com1' is used");
	bad_host("console = pci:00:20.0", "'console' in [host]: 'pci:00:20.0' is not a serial line: com1, "
					  "com2, port:0x3f8 or pci:00:16.3; 'com1' is used");
	bad_host("baud = 101",
		 "'baud' in [host]: '101' is not a speed that the line has: 115200, 57600, 38400, 19200, "
		 "9600 ...; '115200' is used");
	bad_host("log = verbose",
		 "'log' in [host]: 'verbose' is none of error, warn, info, debug; 'info' is used");
	bad_host("log = wran", "'log' in [host]: 'wran' is none of error, warn, info, debug; did you mean "
			       "'warn'?; 'info' is used");
	bad_host("cpuset = 1,^1", "'cpuset' in [host]: '1,^1' leaves no CPU; 'all' is used");
	bad_host("cpuset = 0-256",
		 "'cpuset' in [host]: there is no CPU 256: the last possible is 255; 'all' is used");
	bad_host("escape = x", "'escape' in [host]: 'x' is not a control character, as in ^]; '^]' is used");
	bad_host("memory = 1M", "'memory' belongs into [vm NAME], not into [host]");
	bad_host("smt = core", "'smt' in [host]: 'core' is not built in yet; 'on' is used");
	bad_host("buad = 1", "unknown key 'buad' in [host]; did you mean 'baud'?");
	bad_host("serial = com1", "unknown key 'serial' in [host]; did you mean 'console'?");
}

static void test_vm_values(void **state)
{
	const struct vm_config *vm = good_vm("vcpus=64\ncpuset = all,^0\nboot=linux\ninitrd = "
					     "a/b.img\nmodule = m/1 some  args # c\nmodule = n\n"
					     "cmdline = a=b # not this\ncmdline = \"c # d \"\"e\"\"\" # nor "
					     "this\ncmdline = x#y\nautostart = no\n"
					     "com1 = none\non_poweroff = preserve\non_reboot = "
					     "destroy\non_crash = restart\nmax_restarts=0\ndebug_exit=0xf4");

	assert_int_equal(vm->vcpus, 64);
	assert_false(cpu_set_has(&vm->cpuset, 0));
	assert_true(cpu_set_has(&vm->cpuset, 1));
	assert_int_equal(vm->boot, BOOT_LINUX);
	assert_string_equal(vm->initrd, "a/b.img");
	assert_int_equal(vm->initrd_line, 7);
	assert_int_equal(vm->module_count, 2);
	assert_string_equal(vm->module[0].file, "m/1");
	assert_string_equal(vm->module[0].args, "some  args");
	assert_int_equal(vm->module[0].line, 8);
	assert_string_equal(vm->module[1].file, "n");
	assert_string_equal(vm->module[1].args, "");
	assert_string_equal(vm->cmdline, "a=b c # d \"e\" x#y");
	assert_false(vm->autostart || vm->com1_console);
	assert_int_equal(vm->on_poweroff, END_PRESERVE);
	assert_int_equal(vm->on_reboot, END_DESTROY);
	assert_int_equal(vm->on_crash, END_RESTART);
	assert_int_equal(vm->max_restarts, 0);
	assert_int_equal(vm->debug_exit, 0xf4);
	assert_true(good_vm("tsc_frequency = 2400M")->tsc_frequency == 2400000000);
	assert_true(good_vm("tsc_frequency = 2095993K")->tsc_frequency == 2095993000);
	assert_true(good_vm("tsc_frequency = 1000G")->tsc_frequency == 1000000000000);
	assert_true(good_vm("tsc_frequency = host")->tsc_frequency == 0);
	assert_string_equal(good_vm("cmdline =")->cmdline, "");
	assert_string_equal(good_vm("cmdline = \"\"")->cmdline, "");
}

static void test_vm_mistakes(void **state)
{
	bad_vm("memry = 1M", "unknown key 'memry' in [vm a]; did you mean 'memory'?");
	bad_vm("ramdisk = x", "unknown key 'ramdisk' in [vm a]; did you mean 'initrd'?");
	bad_vm("vcpu = 2", "unknown key 'vcpu' in [vm a]; did you mean 'vcpus'?");
	bad_vm("flubber = 2", "unknown key 'flubber' in [vm a]");
	bad_vm("baud = 9600", "'baud' belongs into [host], not into [vm a]");
	bad_vm("pci = x", "'pci' in [vm a] is not built in yet");
	bad_vm("hostdev = x", "unknown key 'hostdev' in [vm a]; 'pci' would be it, but is not built in yet");
	bad_vm("vif = x", "unknown key 'vif' in [vm a]; did you mean 'net'?");
	bad_vm("boot = uefi", "'boot' in [vm a]: 'uefi' is not built in yet");
	bad_vm("boot = bios", "'boot' in [vm a]: 'bios' is not built in yet");
	bad_vm("boot = linus", "'boot' in [vm a]: 'linus' is none of auto, linux, multiboot, multiboot2, "
			       "pvh, flat; did you mean 'linux'?");
	bad_vm("kernel = l", "'kernel' in [vm a] is given twice: first in line 3");
	bad_vm("vcpus = 0", "'vcpus' in [vm a]: '0' is not a number from 1 to 64");
	bad_vm("vcpus = 65", "'vcpus' in [vm a]: '65' is not a number from 1 to 64");
	bad_vm("vcpus = 99999999999999999999",
	       "'vcpus' in [vm a]: '99999999999999999999' is not a number from 1 to 64");
	bad_vm("vcpus =", "'vcpus' in [vm a]: it has no value");
	bad_vm("cpuset = 0-", "'cpuset' in [vm a]: '0-' is not a list of CPUs, as in 0-3,^2");
	bad_vm("cpuset = 3-1", "'cpuset' in [vm a]: 3-1 runs backwards");
	bad_vm("initrd = /x", "'initrd' in [vm a]: '/x' must be relative to the configuration's folder");
	bad_vm("initrd = a/../x", "'initrd' in [vm a]: 'a/../x' has a part that is empty, '.' or '..'");
	bad_vm("initrd = a b", "'initrd' in [vm a]: a file's name has no blanks");
	bad_vm("initrd = a\\b", "'initrd' in [vm a]: folders are divided by '/', not by '\\'");
	bad_vm("autostart = on", "'autostart' in [vm a]: 'on' is none of yes, no; did you mean 'no'?");
	bad_vm("debug_exit = 0x10000",
	       "'debug_exit' in [vm a]: '0x10000' is not a port, as in 0xf4, nor none");
	bad_vm("tsc_frequency = 2.4G",
	       "'tsc_frequency' in [vm a]: '2.4G' is not a frequency, as in 2400M, nor host");
	bad_vm("tsc_frequency = 2400",
	       "'tsc_frequency' in [vm a]: '2400' is not a frequency, as in 2400M, nor host");
	bad_vm("tsc_frequency = 999K", "'tsc_frequency' in [vm a]: '999K' is too little: at least 1M");
	bad_vm("tsc_frequency = 18446744073709551615G",
	       "'tsc_frequency' in [vm a]: '18446744073709551615G' is too much: at most 1000G");
	bad_vm("tsc_khz = 1", "unknown key 'tsc_khz' in [vm a]; did you mean 'tsc_frequency'?");
	bad_vm("cmdline = \"abc", "'cmdline' in [vm a]: no closing '\"'");
	bad_vm("cmdline = \"abc\" d", "'cmdline' in [vm a]: text after the closing '\"'");
	bad_vm("cmdline = a\x01", "'cmdline' in [vm a]: the line has a control character");
	bad_vm("cmdline = a\xff", "'cmdline' in [vm a]: the line has bytes that are not UTF-8");
	bad_vm("cmdline", "expected 'key = value'");
	bad_vm("= 3", "no key before '='");
}

static void test_sizes(void **state)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
	    {"512", "'512' has no unit: K, M or G; did you mean '512M'?"},
	    {"512m", "'512m' has no unit that is known: K, M or G; did you mean '512M'?"},
	    {"512MB", "'512MB' has no unit that is known: K, M or G; did you mean '512M'?"},
	    {"M", "'M' is not a size, as in 512M"},
	    {"-1M", "'-1M' is not a size, as in 512M"},
	    {"2047K", "'2047K' is too little: at least 2M"},
	    {"2050K", "'2050K' is not a multiple of 4K"},
	    {"4097G", "'4097G' is too much: at most 4096G"},
	    {"18446744073709551615G", "'18446744073709551615G' is too much: at most 4096G"},
	};
	char text[200], want[300];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(text, sizeof(text), "[vm a]\nkernel = k\nmemory = %s\n", bad[i].text);
		snprintf(want, sizeof(want), "f:3: 'memory' in [vm a]: %s", bad[i].why);
		parse(text);
		assert_int_equal(error_count, 1);
		assert_string_equal(errors[0], want);
	}
	parse("[vm a]\nkernel=k\nmemory=2052K\n[vm b]\nmemory=4096G\nkernel=k\n");
	assert_int_equal(error_count, 0);
	assert_int_equal(config.vm[0].memory, KIB(2052));
	assert_int_equal(config.vm[1].memory, GIB(4096));
}

static void test_sections(void **state)
{
	parse("x = 1\n[vm]\nmemory=2M\nkernel=k\n[vm a/b]\nmemory=2M\nkernel=k\n[vm c]\nmemory=2M\nkernel=k\n"
	      "[vm c]\nmemory=2M\nvcpus=0\n[hots]\nbaud=9600\n[host]\n[vn d]\nkernel=k\n[weird]\nz=1\n[vm "
	      "e\nmemory=2M\nkernel=k\n"
	      "[vm all]\nmemory=2M\nkernel=k\n[vm fine]\nmemory=2M\nkernel=k\n");
	const char *want[] = {
	    "f:1: 'x' stands before the first section",
	    "f:2: [vm] has no name, as in [vm web]",
	    "f:5: 'a/b' is not a name: it may have letters, digits and ._-",
	    "f:11: [vm c] is given twice: first in line 8",
	    "f:13: 'vcpus' in [vm c]: '0' is not a number from 1 to 64",
	    "f:11: [vm c] has no 'kernel', which is required",
	    "f:14: unknown section [hots]; did you mean [host]?",
	    "f:16: [host] is given twice: first in line 14",
	    "f:17: unknown section [vn d]; did you mean [vm d]?",
	    "f:17: [vm d] has no 'memory', which is required",
	    "f:19: unknown section [weird]; there are [host], [vm NAME], [disk NAME], [net NAME] and [shared "
	    "NAME]",
	    "f:21: no ']' at the end of the section's name",
	    "f:24: 'all' is a word of the console, not a name",
	};
	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		assert_string_equal(errors[i], want[i]);
	assert_int_equal(error_count, ARRAY_SIZE(want));
	/* The guests with mistakes are refused, the last is not. */
	assert_int_equal(config.vm_count, 4);
	for (uint32_t i = 0; i < 3; i++)
		assert_true(config.vm[i].refused);
	assert_string_equal(config.vm[3].name, "fine");
	assert_false(config.vm[3].refused);
	assert_int_equal(config.host.baud, 9600);
}

/* A hundred mistakes: a hundred messages, each with its own line. */
static void test_hundred(void **state)
{
	char text[8192] = "[vm a]\nmemory = 2M\nkernel = k\n", want[64];

	for (int i = 0; i < 100; i++)
		sprintf(text + strlen(text), i % 2 ? "word%d = 1\n" : "mem%dry = 1\n", i);
	parse(text);
	assert_int_equal(error_count, 100);
	for (int i = 0; i < 100; i++) {
		sprintf(want, "f:%d: unknown key ", i + 4);
		assert_memory_equal(errors[i], want, strlen(want));
	}
}

static void test_limits(void **state)
{
	static char text[200000];
	char *p = text;

	for (int i = 0; i < CONFIG_VM_MAX + 1; i++)
		p += sprintf(p, "[vm a%d]\nmemory=2M\nkernel=k\n", i);
	parse(text);
	assert_int_equal(error_count, 1);
	assert_string_equal(errors[0], "f:97: [vm a32] is one too many: at most 32 guests");
	assert_int_equal(config.vm_count, 32);
	assert_false(config.vm[31].refused);

	p = text + sprintf(text, "[vm a]\nmemory=2M\nkernel=k\ncmdline = ");
	memset(p, 'x', CONFIG_CMDLINE_MAX);
	p[CONFIG_CMDLINE_MAX] = '\0';
	parse(text);
	assert_int_equal(error_count, 0);
	assert_int_equal(strlen(config.vm[0].cmdline), CONFIG_CMDLINE_MAX);
	strcpy(p + CONFIG_CMDLINE_MAX, "y\n");
	parse(text);
	assert_int_equal(error_count, 1);
	assert_string_equal(errors[0], "f:4: 'cmdline' in [vm a]: the whole is longer than 2047 bytes");
	memset(p, 'x', 9000);
	strcpy(p + 9000, "\nvcpus = 3\n");
	parse(text);
	assert_int_equal(error_count, 1);
	assert_string_equal(errors[0], "f:4: 'cmdline' in [vm a]: the line is longer than 5119 bytes");
	assert_int_equal(config.vm[0].vcpus, 3);

	p = text + sprintf(text, "[vm a]\nmemory=2M\nkernel=");
	memset(p, 'x', 128);
	p[128] = '\0';
	parse(text);
	assert_string_equal(errors[0],
			    "f:3: 'kernel' in [vm a]: 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...' is "
			    "longer than 127 bytes");
	p = text + sprintf(text, "[vm a]\nmemory=2M\nkernel=k\n");
	for (int i = 0; i < CONFIG_MODULE_MAX + 1; i++)
		p += sprintf(p, "module=m%d\n", i);
	parse(text);
	assert_int_equal(error_count, 1);
	assert_string_equal(errors[0], "f:20: 'module' in [vm a]: more than 16 modules");
}

static void test_nul(void **state)
{
	static const char text[] = "[vm a]\nmemory=2M\0\nkernel=k\n\0\n";

	parse_bytes(text, sizeof(text) - 1);
	assert_int_equal(error_count, 2);
	assert_string_equal(errors[0], "f:2: 'memory' in [vm a]: the line has a NUL byte");
	assert_string_equal(errors[1], "f:4: the line has a NUL byte");
}

static void test_print_back(void **state)
{
	static char first[sizeof(printed)];

	parse("[vm a]\nmemory=1536M\nkernel=k\nmodule = a \"x\"\nmodule = b # c\ncmdline = \" a \"\"b\"\" # "
	      "c \"\n"
	      "cpuset = 0-3,8,200-255\n[vm "
	      "b]\nmemory=1G\nkernel=k\ncmdline=\"\"\n[host]\nconsole=port:1016\nescape=^a\n");
	assert_int_equal(error_count, 0);
	print();
	strcpy(first, printed);
	assert_non_null(strstr(first, "memory = 1536M\n"));
	assert_non_null(strstr(first, "cpuset = 0-3,8,200-255\n"));
	assert_non_null(strstr(first, "module = a \"x\"\nmodule = b\n"));
	assert_non_null(strstr(first, "cmdline = \" a \"\"b\"\" # c \"\n"));
	assert_non_null(strstr(first, "cmdline = \"\"\n"));
	assert_non_null(strstr(first, "console = port:0x3f8\n"));
	assert_non_null(strstr(first, "escape = ^A\n"));
	parse(first);
	assert_int_equal(error_count, 0);
	print();
	assert_string_equal(printed, first);
}

static void test_boot_line(void **state)
{
	char file[32];

	parse("[host]\nbaud = 9600\n");
	config_boot_line(&config, "  config=a/b.cfg console=com2 log=debug   autostart=no baud=57600 ", file,
			 sizeof(file), keep_error, NULL);
	assert_int_equal(error_count, 0);
	assert_string_equal(file, "a/b.cfg");
	assert_int_equal(config.host.console, CONSOLE_COM2);
	assert_int_equal(config.host.baud, 57600);
	assert_int_equal(config.host.log, LOG_DEBUG);
	assert_false(config.autostart);
	config_boot_line(&config, "", file, sizeof(file), keep_error, NULL);
	assert_string_equal(file, "ingot.cfg");
	config_boot_line(&config,
			 "config=12345678901234567890123456789012 baud=1x foo autostart=maybe config=", file,
			 sizeof(file), keep_error, NULL);
	assert_string_equal(file, "ingot.cfg");
	assert_int_equal(error_count, 5);
	assert_string_equal(errors[0],
			    "boot line: the name of the configuration is too long; 'ingot.cfg' is used");
	assert_string_equal(
	    errors[2], "boot line: unknown word 'foo'; there are config= console= baud= log= autostart=");
	assert_int_equal(config.host.baud, 57600);
	config_boot_line(&config, "foo", NULL, 0, NULL, NULL);
}

static bool only_k(void *arg, const char *file)
{
	return strcmp(file, "k") == 0;
}

static void test_files(void **state)
{
	static const char text[] =
	    "[vm a]\nmemory=2M\nkernel=k\n[vm b]\nmemory=2M\nkernel=x\ninitrd=k\nmodule=none\n[vm c]\n"
	    "memory=2M\nkernel=k\nmodule=k args\nmodule=y args\ndisk=d\ndisk=e readonly\n[disk d]\nfile = k\n"
	    "changes = drop\n[disk e]\nsize=1M\nfile = none\n[vm d]\nmemory=2M\nkernel=k\ndisk=f\n[disk "
	    "f]\nfile=z\n";
	struct ini ini;
	const char *file;
	char all[200] = "";

	parse(text);
	assert_int_equal(error_count, 0);
	config_check_files(&config, "f", only_k, keep_error, NULL);
	assert_int_equal(error_count, 3);
	assert_string_equal(errors[0], "f:6: [vm b]: there is no file 'x' (kernel)");
	assert_string_equal(errors[1], "f:13: [vm c]: there is no file 'y' (module)");
	assert_false(config.vm[0].refused);
	assert_string_equal(errors[2], "f:27: [disk f]: there is no file 'z' (file)");
	assert_true(config.vm[1].refused && config.vm[2].refused && config.vm[3].refused);
	assert_true(config.disk[2].refused);
	assert_false(config.disk[0].refused || config.disk[1].refused);

	ini_init(&ini, text, sizeof(text) - 1);
	while (ini_next_file(&ini, &file))
		strcat(strcat(all, file), " ");
	assert_string_equal(all, "k x k k k y k k z ");
}

static void test_words(void **state)
{
	assert_int_equal(word_distance("memory", "memory"), 0);
	assert_int_equal(word_distance("MEMORY", "memory"), 0);
	assert_int_equal(word_distance("memry", "memory"), 1);
	assert_int_equal(word_distance("emmory", "memory"), 1);
	assert_int_equal(word_distance("kitten", "sitting"), 3);
	assert_int_equal(word_distance("", "a"), WORD_FAR);
	assert_int_equal(word_distance("abcdefghijklmnopqrstuvwxyzabcdefgh", "a"), WORD_FAR);
	assert_false(word_is_near("a", 1));
	assert_true(word_is_near("lgo", 1));
	assert_false(word_is_near("lgo", 2));
	assert_true(word_is_near("kernle", 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_defaults),      cmocka_unit_test(test_host_values),
	    cmocka_unit_test(test_host_mistakes), cmocka_unit_test(test_vm_values),
	    cmocka_unit_test(test_vm_mistakes),   cmocka_unit_test(test_sizes),
	    cmocka_unit_test(test_sections),      cmocka_unit_test(test_hundred),
	    cmocka_unit_test(test_limits),        cmocka_unit_test(test_nul),
	    cmocka_unit_test(test_print_back),    cmocka_unit_test(test_boot_line),
	    cmocka_unit_test(test_files),         cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
