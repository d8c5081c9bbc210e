/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest's figures: one table of names and units, for the console and for machines that read. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct vm;

enum stat_unit { STAT_COUNT, STAT_NS, STAT_BYTES };

struct vm_stat {
	const char *name; /* stable: tools read it */
	enum stat_unit unit;
	uint64_t (*get)(const struct vm *vm);
};

extern const struct vm_stat vm_stats[];
extern const size_t vm_stat_count;

/* Nanoseconds since the guest was started; 0 while it isn't. */
uint64_t vm_stat_uptime(const struct vm *vm);
/* CPU time that its vCPUs have had since then. */
uint64_t vm_stat_cpu_time(const struct vm *vm);
