/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a VM is made of, taken and given back in bounded steps: memory, vCPUs, devices, the loaded files.
 * When that happens is hv/vm.c's.
 */
#include "hv/vm_build.h"

#include "hv/guest_acpi.h"
#include "hv/lib/fmt.h"
#include "hv/lib/panic.h"
#include "hv/lib/string.h"
#include "hv/ops.h"
#include "hv/sched.h"
#include "hv/timer.h"
#include "hv/vcpu.h"
#include "hv/virt.h"
#include "hv/vm.h"
#include "hv/vm_absent.h"
#include "hv/vm_memory.h"
#include "hv/x86/cpuid.h"
#include "hv/x86/insn.h"
#include "hv/xstate.h"
#include "mm/page_alloc.h"

#define KHZ 1000UL

static void step_to(struct vm *vm, enum vm_step step)
{
	vm->step = step;
	vm->progress_slot = 0;
	vm->progress = 0;
}

static void devices_fini(struct vm *vm)
{
	sched_cap_fini(vm);
	for (uint32_t i = 0; i < vm->vcpu_count; i++) {
		sched_unbind(vm->vcpu[i]);
		vcpu_destroy(vm->vcpu[i]);
		vm->vcpu[i] = NULL;
	}
	vm->vcpu_count = 0;
}

static enum status vcpus_create(struct vm *vm)
{
	sched_cap_init(vm);
	for (uint32_t i = 0; i < vm->cfg->vcpus; i++) {
		struct pcpu *p = sched_place(vm->cfg->cpuset.bits);
		enum status s;

		if (!p) {
			str_copy(vm->why, sizeof(vm->why), "no CPU of its cpuset is usable here");
			return ERR_RANGE;
		}
		s = vcpu_create(vm, i, &vm->vcpu[i]);
		if (s != OK)
			return s;
		vm->vcpu_count = i + 1;
		sched_bind(vm->vcpu[i], p);
	}
	return OK;
}

static void host_cpuid(uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out)
{
	*out = cpuid(leaf, subleaf);
	if (leaf == CPUID_LEAF_XSTATE && subleaf == 1 && !xstate_compacts())
		out->eax &= ~(CPUID_D1_EAX_XSAVEC | CPUID_D1_EAX_XSAVES);
}

/* What the configuration asks for must be there after all that the host and the back end lack. */
static enum status check_features(struct vm *vm)
{
	const char *missing = cpuid_missing(&vm->cpuid, &vm->cfg->cpuid);

	if (!missing)
		return OK;
	fmt_snprintf(vm->why, sizeof(vm->why), "cpuid = +%s: this machine doesn't have it", missing);
	ops->vm_fini(vm);
	return ERR_UNSUPPORTED;
}

/* The host's, or what the configuration asks for. */
static enum status choose_tsc(struct vm *vm)
{
	uint64_t host = tsc_hz(), hz = vm->cfg->tsc_frequency ? vm->cfg->tsc_frequency : host;
	uint64_t multiplier = hz == host ? TSC_MULTIPLIER_ONE : ops->tsc_multiplier(tsc_multiplier(host, hz));

	vm->tsc = (struct guest_tsc){hz, multiplier, clock_ratio(hz, NS_PER_S)};
	if (multiplier)
		return OK;
	fmt_snprintf(vm->why, sizeof(vm->why),
		     "tsc_frequency = %luK: the TSC has %luK here, and this CPU can't scale it", hz / KHZ,
		     host / KHZ);
	return ERR_UNSUPPORTED;
}

/* Everything that needs host memory; on failure all of it is given back. */
static enum status build(struct vm *vm)
{
	enum status s = vm_memory_init(vm);

	if (s != OK)
		return s;
	s = load_plan(&vm->load, &vm->mem, vm->cfg, 0, vm->why, sizeof(vm->why));
	if (s == OK)
		s = choose_tsc(vm);
	if (s == OK)
		s = cpuid_policy_build(&vm->cpuid, host_cpuid, xstate_supported(), &vm->cfg->cpuid,
				       vm->cfg->vcpus, vm->tsc.hz);
	if (s == OK)
		s = ops->vm_init(vm);
	if (s == OK)
		s = check_features(vm);
	if (s == OK) {
		msr_choose(vm);
		s = vcpus_create(vm);
		if (s == OK)
			s = vdevs_init(vm);
		if (s == OK)
			return OK;
		while (vdevs_fini_step(vm) == ERR_AGAIN)
			; /* little: none has done anything yet */
		devices_fini(vm);
		ops->vm_fini(vm);
	}
	CHECK(vm_memory_free_step(vm) == OK); /* no block has been taken yet */
	return s;
}

enum status vm_build(struct vm *vm)
{
	uint64_t free;
	enum status s;

	vm->why[0] = 0;
	if (vm->cfg->refused) {
		str_copy(vm->why, sizeof(vm->why), "its section of the configuration has errors");
		return ERR_INVAL;
	}
	if (virt_refused()) {
		str_copy(vm->why, sizeof(vm->why), virt_refused());
		return ERR_UNSUPPORTED;
	}
	free = vm_memory_free(vm);
	if (vm->cfg->memory > free) {
		fmt_snprintf(vm->why, sizeof(vm->why), "memory = %luM, but only %luM are free",
			     (vm->cfg->memory >> 20), (free >> 20));
		return ERR_NOMEM;
	}
	s = build(vm);
	if (s != OK && !vm->why[0])
		fmt_snprintf(vm->why, sizeof(vm->why), "can't be built: %s", status_str(s));
	if (s == OK)
		step_to(vm, VM_STEP_TAKE_MEMORY);
	return s;
}

/* Copies the files, after the ACPI tables; ERR_AGAIN until it is done. */
static enum status load_files_step(struct vm *vm)
{
	enum status s;

	vm_enter_address_space(vm);
	if (!vm->progress) {
		uint64_t rsdp;

		vm->progress = 1;
		s = guest_acpi_load(&vm->mem, vm->cfg->vcpus, vm->pci.high, &rsdp);
		if (s == OK)
			s = load_plan(&vm->load, &vm->mem, vm->cfg, rsdp, vm->why, sizeof(vm->why));
		return s == OK ? ERR_AGAIN : s;
	}
	s = load_step(&vm->load);
	if (vm->starved) {
		str_copy(vm->why, sizeof(vm->why), VM_STARVED);
		return ERR_NOMEM;
	}
	return s;
}

void vm_build_again(struct vm *vm)
{
	step_to(vm, VM_STEP_LOAD);
}

enum status vm_build_step(struct vm *vm)
{
	enum status s = OK;

	switch (vm->step) {
	case VM_STEP_TAKE_MEMORY:
		s = vm_memory_take_step(vm);
		if (s == OK)
			step_to(vm, VM_STEP_SCRUB);
		break;
	case VM_STEP_SCRUB:
		s = vm_memory_scrub_step(vm);
		if (s == OK)
			step_to(vm, VM_STEP_LOAD);
		break;
	case VM_STEP_LOAD:
		return load_files_step(vm);
	}
	return s == OK ? ERR_AGAIN : s;
}

enum status vm_unbuild_step(struct vm *vm)
{
	if (vdevs_fini_step(vm) == ERR_AGAIN)
		return ERR_AGAIN;
	if (vm->vcpu_count) {
		devices_fini(vm);
		ops->vm_fini(vm);
		vm->progress_slot = 0;
		vm->progress = 0;
	}
	return vm_memory_free_step(vm);
}
