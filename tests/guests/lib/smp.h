/* SPDX-License-Identifier: BSD-2-Clause */
/* Further vCPUs for tiny guests: each is started by INIT and SIPI and runs one function. */
#pragma once

#include <stdbool.h>

#define GUEST_CPUS_MAX 8

/*
 * Starts the CPU with this APIC ID (1 to GUEST_CPUS_MAX - 1), which runs fn(id) in 64-bit mode with interrupts off
 * and the boot CPU's tables, and then halts for ever. False: it didn't come up within a second.
 */
bool guest_cpu_start(unsigned id, void (*fn)(unsigned id));
