/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest's clock: the host's, but standing still while the VM is paused. Every TSC of the VM goes with it. */
#include "hv/vm_time.h"

#include "hv/ops.h"
#include "hv/pcpu.h"
#include "hv/timer.h"
#include "hv/vcpu.h"
#include "hv/vm.h"

uint32_t vm_timer_cpu(const struct vm *vm)
{
	return vm->vcpu[0]->cpu->id;
}

uint64_t vm_time_ns(const struct vm *vm)
{
	uint64_t stopped = __atomic_load_n(&vm->paused_at_ns, __ATOMIC_RELAXED);

	return (stopped ? stopped : time_now_ns()) - vm->time_base_ns;
}

uint64_t vm_time_to_host_ns(const struct vm *vm, uint64_t t)
{
	return t + vm->time_base_ns;
}

void vm_time_start(struct vm *vm)
{
	uint64_t tsc = tsc_scale(vm->tsc.multiplier, __builtin_ia32_rdtsc());

	vm->time_base_ns = time_now_ns();
	vm->paused_at_ns = 0;
	/* One reading for all: guests look for TSCs that differ. */
	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		vm->vcpu[i]->tsc_offset = -(int64_t)tsc;
}

void vm_time_stop(struct vm *vm)
{
	if (!vm->paused_at_ns)
		vm->paused_at_ns = time_now_ns();
}

void vm_time_continue(struct vm *vm)
{
	uint64_t gap = time_now_ns() - vm->paused_at_ns;
	uint64_t ticks = tsc_scale(vm->tsc.multiplier, ns_to_tsc(gap));

	vm->time_base_ns += gap;
	vm->paused_at_ns = 0;
	for (uint32_t i = 0; i < vm->vcpu_count; i++) {
		struct vcpu *v = vm->vcpu[i];

		v->tsc_offset -= (int64_t)ticks;
		ops->tsc_offset(v, v->tsc_offset);
	}
}
