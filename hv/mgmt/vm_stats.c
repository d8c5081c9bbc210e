/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest's figures. Counters belong to running vCPUs: what is read here may be a moment old. */
#include "hv/mgmt/vm_stats.h"
#include "hv/lib/util.h"
#include "hv/timer.h"
#include "hv/vm.h"

uint64_t vm_stat_uptime(const struct vm *vm)
{
	return vm->vcpu_count > 0 && vm->uptime_start_ns ? time_now_ns() - vm->uptime_start_ns : 0;
}

uint64_t vm_stat_cpu_time(const struct vm *vm)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		sum += vm->vcpu[i]->guest_ns;
	return sum;
}

static uint64_t exits(const struct vm *vm)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < vm->vcpu_count; i++) {
		for (unsigned k = 0; k < EXIT_KIND_COUNT; k++)
			sum += vm->vcpu[i]->exits[k];
	}
	return sum;
}

static uint64_t restarts(const struct vm *vm)
{
	return vm->restarts;
}

/* Without what it has given away by its balloon. */
static uint64_t memory(const struct vm *vm)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < vm->mem.count; i++)
		sum += vm->mem.slot[i].size;
	return sum - vm->absent;
}

/* Second-stage tables and the host's view of its memory. */
static uint64_t page_tables(const struct vm *vm)
{
	return vm->vcpu_count > 0 ? (uint64_t)(vm->npt.tables + vm->view.tables) * PAGE_SIZE : 0;
}

const struct vm_stat vm_stats[] = {
    {"uptime", STAT_NS, vm_stat_uptime},   {"cpu_time", STAT_NS, vm_stat_cpu_time},
    {"restarts", STAT_COUNT, restarts},    {"exits", STAT_COUNT, exits},
    {"memory_mapped", STAT_BYTES, memory}, {"page_tables", STAT_BYTES, page_tables},
};
const size_t vm_stat_count = ARRAY_SIZE(vm_stats);
