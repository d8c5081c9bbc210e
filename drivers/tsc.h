/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Measures how fast the time-stamp counter runs, against whatever clock of known speed the machine has.
 * Owns nothing afterwards: the host clock is hv/timer.h's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "drivers/acpi.h"

/*
 * Hertz. Measures against the HPET, the PM timer or the PIT, checks it with a second one of them, and takes what
 * CPUID 15h/16h say where that agrees. Polls for about 8 ms. Boot CPU, after host_map_init. Panics where no
 * clock runs.
 */
uint64_t tsc_calibrate(const struct acpi_info *acpi);
/* CPUID 80000007h: it runs at one rate in all states of the CPU. */
bool tsc_is_invariant(void);
