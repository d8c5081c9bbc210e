/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of the prompt's commands, its help, and what their functions share. */
#include "hv/mgmt/commands.h"
#include <stdarg.h>
#include "hv/lib/fmt.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/lib/words.h"
#include "hv/mgmt/console.h"
#include "hv/vm.h"

#define NS_PER_S 1000000000ULL

static void command_help(int argc, char **argv);

/* clang-format off */
const struct command commands[] = {
	{"help", "[COMMAND]", "this list, or one of its lines", command_help, 0, 2, COMPLETE_COMMAND},
	{"console", "NAME", "shows recent output of a guest, then connects you to its serial port until the escape key",
	 command_console, 1, 1, COMPLETE_VM},
	{"mute", "NAME|all", "no longer shows a guest's output here; vm log has it", command_mute, 1, 1, COMPLETE_VM_OR_ALL},
	{"unmute", "NAME|all", "shows it again", command_unmute, 1, 1, COMPLETE_VM_OR_ALL},
	{"vm list", "", "all guests; CPU is the share of one CPU since the last vm list", command_vm_list, 0, 0, COMPLETE_NOTHING},
	{"vm show", "NAME", "a guest's configuration, state, memory map and figures", command_vm_show, 1, 1, COMPLETE_VM},
	{"vm log", "NAME", "what a guest has written, the last 64 KiB", command_vm_log, 1, 1, COMPLETE_VM},
	{"vm start", "NAME", "starts a guest that is stopped", command_vm_start, 1, 1, COMPLETE_VM},
	{"vm pause", "NAME", "stops its clocks and CPUs until vm resume", command_vm_pause, 1, 1, COMPLETE_VM},
	{"vm resume", "NAME", "lets a paused guest go on", command_vm_resume, 1, 1, COMPLETE_VM},
	{"vm reset", "NAME", "the reset button", command_vm_reset, 1, 1, COMPLETE_VM},
	{"vm shutdown", "NAME", "the power button: the guest shuts itself down", command_vm_shutdown, 1, 1, COMPLETE_VM},
	{"vm destroy", "NAME", "a power cut", command_vm_destroy, 1, 1, COMPLETE_VM},
	{"vm balloon", "NAME [SIZE]", "asks a guest to make do with so much memory, as in 512M; alone: what it has, and says of it",
	 command_vm_balloon, 1, 2, COMPLETE_VM},
	{"regs", "NAME [VCPU]", "a guest's registers; a running guest is paused for the moment", command_regs, 1, 2, COMPLETE_VM},
	{"exits", "NAME", "how often its CPUs left to Ingot, by reason", command_exits, 1, 1, COMPLETE_VM},
	{"cpus", "", "the physical CPUs, and what is done against leaks by speculation", command_cpus, 0, 0, COMPLETE_NOTHING},
	{"mem", "", "memory: Ingot's own, the guests'", command_mem, 0, 0, COMPLETE_NOTHING},
	{"pci", "", "the machine's PCI devices, and which driver of Ingot has them", command_pci, 0, 0, COMPLETE_NOTHING},
	{"disk", "", "the disks of the configuration and of the machine, and what was done with them", command_disk, 0, 0, COMPLETE_NOTHING},
	{"net", "", "the switches: ports, packets, losses, addresses learnt; and the machine's cards", command_net, 0, 0, COMPLETE_NOTHING},
	{"net link", "PORT up|down", "plugs a guest's network cable in or out", command_net_link, 2, 2, COMPLETE_NOTHING},
	{"check", "", "walks the page tables: no guest reaches Ingot's memory or another guest's", command_check, 0, 0, COMPLETE_NOTHING},
	{"log", "", "Ingot's messages since it started, the last 512", command_log, 0, 0, COMPLETE_NOTHING},
	{"config", "", "the configuration in force, every default filled in", command_config, 0, 0, COMPLETE_NOTHING},
	{"version", "", "what this is", command_version, 0, 0, COMPLETE_NOTHING},
	{"reboot", "[-f]", "restarts the machine; -f: even while guests run", command_reboot, 0, 1, COMPLETE_NOTHING},
	{"poweroff", "[-f]", "switches the machine off; -f: even while guests run", command_poweroff, 0, 1, COMPLETE_NOTHING},
};
/* clang-format on */
const size_t command_count = ARRAY_SIZE(commands);

const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < command_count; i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

static void print_help(const struct command *c)
{
	char usage[32];

	fmt_snprintf(usage, sizeof(usage), "%s %s", c->name, c->args);
	console_print("%-22s %s\n", usage, c->help);
}

/* `help vm` prints all that begins so. */
static void command_help(int argc, char **argv)
{
	char name[64] = "";
	bool any = false;

	if (argc == 1)
		str_copy(name, sizeof(name), argv[0]);
	else if (argc == 2)
		fmt_snprintf(name, sizeof(name), "%s %s", argv[0], argv[1]);
	size_t n = strlen(name);
	for (size_t i = 0; i < command_count; i++) {
		const char *c = commands[i].name;

		if (n > 0 && (strncmp(c, name, n) != 0 || (c[n] != '\0' && c[n] != ' ')))
			continue;
		print_help(&commands[i]);
		any = true;
	}
	if (!any)
		command_error("there is no command '%s'", name);
}

void command_error(const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	fmt_vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	console_print("error: %s\n", text);
}

struct vm *command_vm(const char *name)
{
	const char *best = NULL;
	unsigned best_distance = WORD_FAR;
	struct vm *vm = vm_find(name);

	if (vm)
		return vm;
	for (uint32_t i = 0; i < vm_count; i++) {
		unsigned d = word_distance(vms[i]->cfg->name, name);

		if (d < best_distance) {
			best = vms[i]->cfg->name;
			best_distance = d;
		}
	}
	if (word_is_near(name, best_distance))
		command_error("there is no guest '%s'; did you mean '%s'?", name, best);
	else
		command_error("there is no guest '%s'", name);
	return NULL;
}

void command_line(void *arg, const char *line)
{
	(void)arg;
	console_puts(line);
	console_puts("\n");
}

const char *command_duration(uint64_t ns, char *buf, size_t size)
{
	uint64_t s = ns / NS_PER_S;

	fmt_snprintf(buf, size, "%lu:%02lu:%02lu", s / 3600, s / 60 % 60, s % 60);
	return buf;
}
