/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The life of VMs: a state machine that advances in bounded steps as host work, the operator's commands,
 * and what follows when a guest ends. Owns vm->state.
 */
#include "hv/vm.h"

#include "hv/files.h"
#include "hv/guest_acpi.h"
#include "hv/lib/fmt.h"
#include "hv/lib/log.h"
#include "hv/lib/panic.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/mgmt/console.h"
#include "hv/ops.h"
#include "hv/pcpu.h"
#include "hv/power.h"
#include "hv/sched.h"
#include "hv/timer.h"
#include "hv/vcpu.h"
#include "hv/virt.h"
#include "hv/x86/insn.h"
#include "hv/vm_memory.h"
#include "hv/xstate.h"
#include "mm/page_alloc.h"

#define RESTART_WINDOW_NS 60000000000ULL /* max_restarts counts in this */

struct vm *vms[MAX_VMS];
uint32_t vm_count;
struct config host_config_file;

static bool ready_said;     /* "ready: …" was printed */
static bool all_ended_said; /* "all guests have ended" was, and no guest has been started since */

static bool state_change(struct vm *vm, enum vm_state from, enum vm_state to)
{
	return __atomic_compare_exchange_n(&vm->state, &from, to, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

const char *vm_state_name(const struct vm *vm)
{
	static const char *const names[] = {
	    [VM_STOPPED] = "stopped",   [VM_REFUSED] = "refused",     [VM_STARTING] = "starting",
	    [VM_RUNNING] = "running",   [VM_PAUSING] = "paused",      [VM_PAUSED] = "paused",
	    [VM_STOPPING] = "stopping", [VM_PRESERVED] = "preserved",
	};

	if (vm->crashed && (vm->state == VM_STOPPED || vm->state == VM_PRESERVED))
		return "crashed";
	return names[vm->state];
}

struct vm *vm_find(const char *name)
{
	for (uint32_t i = 0; i < vm_count; i++) {
		if (!strcmp(vms[i]->cfg->name, name))
			return vms[i];
	}
	return NULL;
}

uint32_t vm_timer_cpu(const struct vm *vm)
{
	return vm->vcpu[0]->cpu->id;
}

/* --- guest time --- */

uint64_t vm_time_ns(const struct vm *vm)
{
	uint64_t stopped = __atomic_load_n(&vm->paused_at_ns, __ATOMIC_RELAXED);

	return (stopped ? stopped : time_now_ns()) - vm->time_base_ns;
}

uint64_t vm_time_to_host_ns(const struct vm *vm, uint64_t t)
{
	return t + vm->time_base_ns;
}

static void guest_time_start(struct vm *vm)
{
	uint64_t tsc = __builtin_ia32_rdtsc();

	vm->time_base_ns = time_now_ns();
	vm->paused_at_ns = 0;
	/* One reading for all: guests look for TSCs that differ. */
	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		vm->vcpu[i]->tsc_offset = -(int64_t)tsc;
}

static void guest_time_stop(struct vm *vm)
{
	if (!vm->paused_at_ns)
		vm->paused_at_ns = time_now_ns();
	vdevs_pause(vm);
}

/* The guest's clocks, TSC included, go on where they stood. */
static void guest_time_continue(struct vm *vm)
{
	uint64_t gap = time_now_ns() - vm->paused_at_ns;

	vm->time_base_ns += gap;
	vm->paused_at_ns = 0;
	for (uint32_t i = 0; i < vm->vcpu_count; i++) {
		struct vcpu *v = vm->vcpu[i];

		v->tsc_offset -= (int64_t)ns_to_tsc(gap);
		ops->tsc_offset(v, v->tsc_offset);
	}
}

/* --- building and taking down --- */

static void refuse(struct vm *vm, const char *why)
{
	if (why != vm->why)
		str_copy(vm->why, sizeof(vm->why), why);
	vm->state = VM_REFUSED;
	log_error("vm %s: refused: %s", vm->cfg->name, vm->why);
}

static void devices_fini(struct vm *vm)
{
	for (uint32_t i = 0; i < vm->vcpu_count; i++) {
		sched_unbind(vm->vcpu[i]);
		vcpu_destroy(vm->vcpu[i]);
		vm->vcpu[i] = NULL;
	}
	vm->vcpu_count = 0;
}

static enum status vcpus_create(struct vm *vm)
{
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
}

/* Looks the files up, checks the kernel and decides where it all goes. */
static enum status plan_load(struct vm *vm, uint64_t rsdp)
{
	const struct vm_config *c = vm->cfg;
	const struct file *kernel = file_find(c->kernel);
	const struct file *initrd = c->initrd[0] ? file_find(c->initrd) : NULL;
	struct linux_file k = {.name = c->kernel}, i = {.name = c->initrd};

	if (!kernel || (c->initrd[0] && !initrd)) {
		fmt_snprintf(vm->why, sizeof(vm->why), "file %s was not loaded by the boot loader",
			     kernel ? c->initrd : c->kernel);
		return ERR_NOENT;
	}
	k.data = kernel->data;
	k.size = kernel->size;
	if (initrd) {
		i.data = initrd->data;
		i.size = initrd->size;
	}
	return load_linux_start(&vm->load, &vm->mem, &k, &i, c->cmdline, rsdp, vm->why, sizeof(vm->why));
}

/* Everything that needs host memory; on failure all of it is given back. */
static enum status build(struct vm *vm)
{
	enum status s = vm_memory_init(vm);

	if (s != OK)
		return s;
	s = plan_load(vm, 0);
	if (s == OK)
		s = cpuid_policy_build(&vm->cpuid, host_cpuid, xstate_supported(), vm->cfg->vcpus, tsc_hz());
	if (s == OK)
		s = ops->vm_init(vm);
	if (s == OK) {
		s = vcpus_create(vm);
		if (s == OK)
			s = vdevs_init(vm);
		if (s == OK)
			return OK;
		devices_fini(vm);
		ops->vm_fini(vm);
	}
	while (vm_memory_free_step(vm) == ERR_AGAIN)
		;
	return s;
}

static enum status begin_start(struct vm *vm)
{
	struct page_stats stats;
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
	page_stats(&stats);
	if (vm->cfg->memory > stats.guest_free) {
		fmt_snprintf(vm->why, sizeof(vm->why), "memory = %luM, but only %luM are free",
			     (vm->cfg->memory >> 20), (stats.guest_free >> 20));
		return ERR_NOMEM;
	}
	s = build(vm);
	if (s != OK && !vm->why[0])
		fmt_snprintf(vm->why, sizeof(vm->why), "can't be built: %s", status_str(s));
	return s;
}

/* Says that Ingot is up, and what an operator who sees it for the first time may type. */
static void say_ready(void)
{
	uint32_t wanted = 0, running = 0;
	const char *guest = "NAME";

	if (__atomic_load_n(&ready_said, __ATOMIC_RELAXED))
		return;
	for (uint32_t i = 0; i < vm_count; i++) {
		struct vm *vm = vms[i];

		if (!vm->cfg->autostart)
			continue;
		if (vm->state == VM_STARTING && !vm->has_run)
			return;
		wanted++;
		if (vm->has_run && !running++)
			guest = vm->cfg->name;
	}
	if (__atomic_exchange_n(&ready_said, true, __ATOMIC_SEQ_CST))
		return;
	log_info("ready: %u of %u guests started", running, wanted);
	log_info("to try: vm list, console %s, help", guest);
	console_start_prompt();
}

static void all_ended_check(void)
{
	bool any = false;

	for (uint32_t i = 0; i < vm_count; i++) {
		switch (vms[i]->state) {
		case VM_STOPPED:
		case VM_REFUSED:
		case VM_PRESERVED:
			break;
		default:
			return;
		}
		any |= vms[i]->has_run;
	}
	if (!any || !ready_said || __atomic_exchange_n(&all_ended_said, true, __ATOMIC_SEQ_CST))
		return;
	log_info("all guests have ended");
	switch (host_config_file.host.on_all_ended) {
	case ALL_ENDED_POWEROFF:
		host_poweroff();
	case ALL_ENDED_REBOOT:
		host_reboot();
	case ALL_ENDED_WAIT:
		break;
	}
}

static void step_to(struct vm *vm, enum vm_step step)
{
	vm->step = step;
	vm->progress_slot = 0;
	vm->progress = 0;
}

/* Power-on: devices, clocks, vCPUs; then the guest runs. */
static void run(struct vm *vm)
{
	guest_time_start(vm);
	for (uint32_t i = 0; i < vm->vcpu_count; i++) {
		struct vcpu *v = vm->vcpu[i];

		vcpu_reset(v);
		msr_reset(v);
		ops->tsc_offset(v, v->tsc_offset);
	}
	vdevs_reset(vm);
	vdevs_resume(vm);
	load_linux_set_regs(&vm->load, vm->vcpu[0]);
	vm->has_run = true;
	vm->crashed = false;
	vm->uptime_start_ns = time_now_ns();
	all_ended_said = false;
	vm->state = VM_RUNNING;
	log_info("vm %s: started", vm->cfg->name);
	say_ready();
	for (uint32_t i = 1; i < vm->vcpu_count; i++)
		vm->vcpu[i]->state = VCPU_WAIT_SIPI;
	sched_wake(vm->vcpu[0]);
}

/* Copies the files, after the ACPI tables; ERR_AGAIN until it is done. */
static enum status load_step(struct vm *vm)
{
	enum status s;

	vm_enter_address_space(vm);
	if (!vm->progress) {
		uint64_t rsdp;

		vm->progress = 1;
		s = guest_acpi_load(&vm->mem, vm->cfg->vcpus, &rsdp);
		if (s == OK)
			s = plan_load(vm, rsdp);
		return s == OK ? ERR_AGAIN : s;
	}
	return load_linux_step(&vm->load);
}

/* One step of VM_STARTING. ERR_AGAIN: there is more. */
static enum status start_step(struct vm *vm)
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
		s = load_step(vm);
		if (s == OK)
			step_to(vm, VM_STEP_RUN);
		break;
	case VM_STEP_RUN:
		run(vm);
		return OK;
	case VM_STEP_PARK:
	case VM_STEP_FREE:
		panic("vm %s: step %d while starting", vm->cfg->name, vm->step);
	}
	return s == OK ? ERR_AGAIN : s;
}

static bool all_parked(const struct vm *vm)
{
	for (uint32_t i = 0; i < vm->vcpu_count; i++) {
		enum vcpu_state s = __atomic_load_n(&vm->vcpu[i]->state, __ATOMIC_SEQ_CST);

		if (s != VCPU_PARKED && s != VCPU_OFF)
			return false;
	}
	return true;
}

static void park_all(struct vm *vm)
{
	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		vcpu_request(vm->vcpu[i], VREQ_PARK);
}

void vm_vcpu_parked(struct vm *vm)
{
	work_queue(&vm->life);
}

/* What the configuration wants after an end of this kind. */
static enum config_end_action action_after(struct vm *vm)
{
	switch (vm->end) {
	case VM_END_POWEROFF:
		return vm->cfg->on_poweroff;
	case VM_END_REBOOT:
		return vm->cfg->on_reboot;
	case VM_END_CRASH:
		return vm->cfg->on_crash;
	case VM_END_RESET:
		return END_RESTART;
	case VM_END_DEBUG_EXIT:
	case VM_END_DESTROY:
		return END_DESTROY;
	}
	return END_DESTROY;
}

/* True: one more restart is within max_restarts a minute. */
static bool may_restart(struct vm *vm)
{
	uint64_t now = time_now_ns();

	if (vm->end == VM_END_RESET)
		return true;
	if (!vm->restarts_in_window || now - vm->restart_window_ns > RESTART_WINDOW_NS) {
		vm->restart_window_ns = now;
		vm->restarts_in_window = 0;
	}
	return vm->restarts_in_window++ < vm->cfg->max_restarts;
}

static void say_end(struct vm *vm)
{
	const char *name = vm->cfg->name;

	switch (vm->end) {
	case VM_END_CRASH:
		log_error("vm %s: crashed: %s", name, vm->why);
		return;
	case VM_END_DEBUG_EXIT:
		log_info("vm %s: debug exit, status %d", name, vm->end_status);
		fmt_snprintf(vm->why, sizeof(vm->why), "debug exit, status %d", vm->end_status);
		break;
	case VM_END_POWEROFF:
		str_copy(vm->why, sizeof(vm->why), "powered off");
		break;
	case VM_END_REBOOT:
		str_copy(vm->why, sizeof(vm->why), "rebooted");
		break;
	case VM_END_RESET:
		log_info("vm %s: reset", name);
		return;
	case VM_END_DESTROY:
		str_copy(vm->why, sizeof(vm->why), "destroyed");
		break;
	}
}

static void preserve(struct vm *vm)
{
	vm->state = VM_PRESERVED;
	if (!vm->crashed)
		log_info("vm %s: stopped: %s; its memory is preserved", vm->cfg->name, vm->why);
	console_guest_ended(vm);
	all_ended_check();
}

static void restart(struct vm *vm)
{
	vm->restarts++;
	if (vm->end != VM_END_RESET)
		log_info("vm %s: restarting", vm->cfg->name);
	step_to(vm, VM_STEP_LOAD);
	vm->state = VM_STARTING;
	work_queue(&vm->life);
}

/* Every vCPU is parked: say what happened and do what the configuration wants. */
static void ended(struct vm *vm)
{
	enum config_end_action action = action_after(vm);

	guest_time_stop(vm);
	vm->crashed = vm->end == VM_END_CRASH;
	say_end(vm);
	if (action == END_RESTART && !may_restart(vm)) {
		log_error("vm %s: more than %u restarts in a minute, preserved", vm->cfg->name,
			  vm->cfg->max_restarts);
		action = END_PRESERVE;
	}
	switch (action) {
	case END_RESTART:
		restart(vm);
		return;
	case END_PRESERVE:
		preserve(vm);
		return;
	case END_DESTROY:
		step_to(vm, VM_STEP_FREE);
		work_queue(&vm->life);
		return;
	}
}

static void free_step(struct vm *vm)
{
	if (vm->vcpu_count) {
		devices_fini(vm);
		ops->vm_fini(vm);
	}
	if (vm_memory_free_step(vm) == ERR_AGAIN) {
		work_queue(&vm->life);
		return;
	}
	vm->state = VM_STOPPED;
	if (!vm->crashed)
		log_info("vm %s: stopped: %s", vm->cfg->name, vm->why);
	console_guest_ended(vm);
	all_ended_check();
}

/* A start went wrong on its way: everything is given back, the reason kept. */
static void start_failed(struct vm *vm, enum status s)
{
	if (!vm->why[0])
		fmt_snprintf(vm->why, sizeof(vm->why), "can't be started: %s", status_str(s));
	devices_fini(vm);
	ops->vm_fini(vm);
	vm_enter_address_space(NULL);
	while (vm_memory_free_step(vm) == ERR_AGAIN)
		;
	refuse(vm, vm->why);
	console_guest_ended(vm);
	say_ready();
	all_ended_check();
}

static void starting(struct vm *vm)
{
	enum status s = start_step(vm);

	vm_enter_address_space(NULL);
	if (s == ERR_AGAIN)
		work_queue(&vm->life);
	else if (s != OK)
		start_failed(vm, s);
}

static void vm_life(struct work *w)
{
	struct vm *vm = container_of(w, struct vm, life);

	switch (vm->state) {
	case VM_STARTING:
		starting(vm);
		return;
	case VM_PAUSING:
		if (!all_parked(vm))
			return;
		/* Before the state says so: whoever sees VM_PAUSED may resume at once. */
		guest_time_stop(vm);
		log_info("vm %s: paused", vm->cfg->name);
		(void)state_change(vm, VM_PAUSING, VM_PAUSED);
		return;
	case VM_STOPPING:
		if (vm->step == VM_STEP_FREE)
			free_step(vm);
		else if (all_parked(vm))
			ended(vm);
		return;
	case VM_STOPPED:
	case VM_REFUSED:
	case VM_RUNNING:
	case VM_PAUSED:
	case VM_PRESERVED:
		return;
	}
}

/* --- ends --- */

void vm_end(struct vm *vm, enum vm_end how, int status)
{
	if (!state_change(vm, VM_RUNNING, VM_STOPPING) && !state_change(vm, VM_PAUSING, VM_STOPPING) &&
	    !state_change(vm, VM_PAUSED, VM_STOPPING) && !state_change(vm, VM_PRESERVED, VM_STOPPING))
		return; /* it is ending already: the first reason counts */
	vm->end = how;
	vm->end_status = status;
	step_to(vm, VM_STEP_PARK);
	park_all(vm);
	work_queue(&vm->life);
}

/* --- the operator's commands --- */

enum status vm_start(struct vm *vm)
{
	if (!state_change(vm, VM_STOPPED, VM_STARTING) && !state_change(vm, VM_REFUSED, VM_STARTING))
		return ERR_BUSY;
	vm->restarts = 0;
	vm->restarts_in_window = 0;
	if (begin_start(vm) != OK) {
		refuse(vm, vm->why);
		return ERR_INVAL;
	}
	step_to(vm, VM_STEP_TAKE_MEMORY);
	work_queue(&vm->life);
	return OK;
}

enum status vm_pause(struct vm *vm)
{
	if (!state_change(vm, VM_RUNNING, VM_PAUSING))
		return ERR_BUSY;
	park_all(vm);
	work_queue(&vm->life);
	return OK;
}

enum status vm_resume(struct vm *vm)
{
	if (vm->state != VM_PAUSED)
		return ERR_BUSY;
	guest_time_continue(vm);
	vdevs_resume(vm);
	vm->state = VM_RUNNING;
	log_info("vm %s: resumed", vm->cfg->name);
	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		sched_wake(vm->vcpu[i]);
	return OK;
}

enum status vm_reset(struct vm *vm)
{
	if (vm->state != VM_RUNNING && vm->state != VM_PAUSED && vm->state != VM_PRESERVED)
		return ERR_BUSY;
	vm_end(vm, VM_END_RESET, 0);
	return OK;
}

enum status vm_shutdown(struct vm *vm)
{
	if (vm->state != VM_RUNNING)
		return ERR_BUSY;
	vpm_power_button(vm);
	return OK;
}

enum status vm_destroy(struct vm *vm)
{
	if (vm->state != VM_RUNNING && vm->state != VM_PAUSED && vm->state != VM_PRESERVED)
		return ERR_BUSY;
	vm_end(vm, VM_END_DESTROY, 0);
	return OK;
}

/* --- start-up --- */

void vm_init_all(void)
{
	for (uint32_t i = 0; i < host_config_file.vm_count; i++) {
		struct vm *vm = page_alloc_bytes(sizeof(*vm));

		if (vm) {
			vm->cfg = &host_config_file.vm[i];
			vm->index = vm_count;
		}
		if (!vm || console_guest_add(vm) != OK) {
			log_error("vm %s: refused: no host memory for it", host_config_file.vm[i].name);
			continue;
		}
		work_init(&vm->life, vm_life);
		vms[vm_count++] = vm;
	}
}

void vm_autostart(void)
{
	for (uint32_t i = 0; i < vm_count; i++) {
		struct vm *vm = vms[i];

		if (vm->cfg->refused || (vm->cfg->autostart && host_config_file.autostart))
			(void)vm_start(vm);
	}
	say_ready();
}
