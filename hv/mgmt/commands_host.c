/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands about Ingot itself: that it is whole, its log, its configuration, its version, its end. */
#include "hv/config.h"
#include "hv/isolation.h"
#include "hv/lib/fmt.h"
#include "hv/lib/log.h"
#include "hv/lib/string.h"
#include "hv/mgmt/commands.h"
#include "hv/mgmt/console.h"
#include "hv/ops.h"
#include "hv/power.h"
#include "hv/timer.h"
#include "hv/version.h"
#include "hv/virt.h"
#include "hv/vm.h"

void command_check(int argc, char **argv)
{
	struct isolation r;
	enum status s = isolation_check(&r);

	(void)argc;
	(void)argv;
	if (s == ERR_NOMEM) {
		command_error("no memory for the check");
	} else if (s != OK) {
		command_error("%s", r.why);
	} else {
		console_print(
		    "host: %lu KiB of code and constants unchanged, nothing writable and executable\n",
		    r.checked >> 10);
		console_print("guests: %u with %lu frames, each of one guest alone, none of Ingot's\n",
			      r.guests, r.frames);
	}
}

static void log_line(void *arg, const char *line, size_t len)
{
	(void)arg;
	console_print("%.*s\n", (int)len, line);
}

void command_log(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	log_for_each(log_line, NULL);
}

void command_config(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	config_print(&host_config_file, command_line, NULL);
}

void command_version(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	console_print("Ingot %s, %s, TSC %lu MHz\n", INGOT_VERSION,
		      virt_refused() ? "no virtualization" : ops->name, tsc_hz() / 1000000);
	if (boot_cost.total)
		console_print("boot: %lu TSC ticks to the first guest, of them %lu waiting for hardware, %lu "
			      "scrubbing memory\n",
			      boot_cost.total, boot_cost.total_waiting, boot_cost.total_scrubbing);
}

/* True if the operator means it: no guest runs, or -f. Else the error is printed. */
static bool may_end(int argc, char **argv, const char *verb)
{
	char names[160] = "";
	size_t n = 0;

	if (argc == 1 && strcmp(argv[0], "-f") == 0)
		return true;
	if (argc == 1) {
		command_error("usage: %s [-f]", verb);
		return false;
	}
	for (uint32_t i = 0; i < vm_count && n < sizeof(names); i++) {
		if (vms[i]->vcpu_count > 0)
			n += (size_t)fmt_snprintf(names + n, sizeof(names) - n, "%s%s", n ? ", " : "",
						  vms[i]->cfg->name);
	}
	if (n == 0)
		return true;
	command_error("guests are running (%s): %s -f", names, verb);
	return false;
}

void command_reboot(int argc, char **argv)
{
	if (may_end(argc, argv, "reboot"))
		host_reboot();
}

void command_poweroff(int argc, char **argv)
{
	if (may_end(argc, argv, "poweroff"))
		host_poweroff();
}
