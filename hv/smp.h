/* SPDX-License-Identifier: BSD-2-Clause */
/* Starts and stops the application processors (SDM Vol. 3A, "Multiple-Processor (MP) Initialization"). */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/lib/status.h"
#include "mm/memmap.h"

/* Before host_map_init: takes the pages below 1 MiB that the trampoline needs. ERR_NOMEM: one CPU only. */
enum status smp_reserve(struct memmap *map);
/*
 * Boot CPU: starts every CPU of the list but itself, one after the other, and returns how many are online, the
 * boot CPU included. Each ends in pcpu_main. A CPU that doesn't come up in time is reported and left out.
 */
uint32_t smp_start(const uint32_t *apic_ids, uint32_t count);
/*
 * Stops all other CPUs by NMI: each leaves virtualization and halts for ever. For panic, reboot and power-off.
 * Waits at most 100 ms; returns how many didn't answer.
 */
uint32_t smp_stop_others(void);
/* The NMI handler asks: true once smp_stop_others was called by another CPU. */
bool smp_stopping(void);
/* Leaves virtualization on this CPU and halts it for ever. */
[[gnu::noreturn]] void smp_stop_self(void);
