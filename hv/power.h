/* SPDX-License-Identifier: BSD-2-Clause */
/* Ending the whole machine: every CPU leaves virtualization first. */
#pragma once

struct acpi_info;

/* How this machine is reset and switched off; acpi stays in use. */
void power_init(const struct acpi_info *acpi);

/* Stops the other CPUs, turns VMX or SVM off everywhere, and resets or switches off. Interrupts off. */
[[gnu::noreturn]] void host_reboot(void);
[[gnu::noreturn]] void host_poweroff(void);
