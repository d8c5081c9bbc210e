/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Resets the machine or switches it off. Only the last step: hv/power.h stops CPUs and guests before.
 * `acpi` may be NULL, or empty.
 */
#pragma once

#include "drivers/acpi.h"
#include "hv/lib/status.h"

/* FADT reset register, port 0xCF9, keyboard controller, triple fault: whichever comes first works. */
[[gnu::noreturn]] void reset_reboot(const struct acpi_info *acpi);
/* ACPI S5. Returns only on failure: ERR_UNSUPPORTED where the tables don't say how, else ERR_TIMEOUT. */
enum status reset_poweroff(const struct acpi_info *acpi);
