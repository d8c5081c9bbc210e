/* SPDX-License-Identifier: BSD-2-Clause */
/* Ending the whole machine: see power.h. */
#include "hv/power.h"

#include "drivers/reset.h"
#include "hv/lib/log.h"
#include "hv/mgmt/console.h"
#include "hv/smp.h"
#include "hv/virt.h"

static const struct acpi_info *tables;

void power_init(const struct acpi_info *acpi)
{
	tables = acpi;
}

static void leave_virtualization(void)
{
	uint32_t silent = smp_stop_others();

	/* A CPU may have been stopped while it held the log's or the console's lock. */
	log_break_lock();
	console_panic_mode();
	if (silent)
		log_warn("%u CPUs did not stop", silent);
	virt_disable();
}

void host_reboot(void)
{
	log_info("rebooting");
	leave_virtualization();
	reset_reboot(tables);
}

void host_poweroff(void)
{
	log_info("switching off");
	leave_virtualization();
	log_error("the power can't be switched off: %s; rebooting", status_str(reset_poweroff(tables)));
	reset_reboot(tables);
}
