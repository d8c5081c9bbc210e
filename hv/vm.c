/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The life of VMs: a state machine that advances in bounded steps as host work, the operator's commands,
 * and what follows when a guest ends. Owns vm->state. What a VM is made of is hv/vm_build.c's.
 */
#include "hv/vm.h"

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
#include "hv/vm_absent.h"
#include "hv/vm_build.h"
#include "hv/vm_time.h"
#include "mm/page_alloc.h"

#define RESTART_WINDOW_NS 60000000000ULL /* max_restarts counts in this */

struct vm *vms[MAX_VMS];
uint32_t vm_count;
struct config host_config_file;

static bool ready_said;     /* "ready: …" was printed */
static bool all_ended_said; /* "all guests have ended" was, and no guest has been started since */

/* Whoever sees the new state sees what was written before it. */
static void state_set(struct vm *vm, enum vm_state to)
{
	__atomic_store_n(&vm->state, to, __ATOMIC_SEQ_CST);
}

static bool state_change(struct vm *vm, enum vm_state from, enum vm_state to)
{
	bool changed;

	spin_lock(&vm->state_lock);
	changed = vm->state == from;
	if (changed)
		state_set(vm, to);
	spin_unlock(&vm->state_lock);
	return changed;
}

const char *vm_state_name(const struct vm *vm)
{
	static const char *const names[] = {
	    [VM_STOPPED] = "stopped",     [VM_REFUSED] = "refused",   [VM_STARTING] = "starting",
	    [VM_RUNNING] = "running",     [VM_RESTING] = "running",   [VM_PAUSING] = "paused",
	    [VM_PAUSED] = "paused",       [VM_STOPPING] = "stopping", [VM_FREEING] = "stopping",
	    [VM_PRESERVED] = "preserved",
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

uint64_t vm_memory_free(const struct vm *vm)
{
	struct page_stats s;
	uint64_t promised = 0;

	page_stats(&s);
	for (uint32_t i = 0; i < vm_count; i++)
		if (vms[i] != vm && vms[i]->vcpu_count && vms[i]->balloon)
			promised += virtio_balloon_owed(vms[i]);
	return s.guest_free > promised ? s.guest_free - promised : 0;
}

/* --- steps --- */

static void refuse(struct vm *vm)
{
	state_set(vm, VM_REFUSED);
	log_error("vm %s: refused: %s", vm->cfg->name, vm->why);
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
		if (!vm->has_run && (vm->state == VM_STARTING || vm->state == VM_FREEING))
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

/* Power-on: devices, clocks, vCPUs; then the guest runs. */
static void run(struct vm *vm)
{
	vm_time_start(vm);
	for (uint32_t i = 0; i < vm->vcpu_count; i++) {
		struct vcpu *v = vm->vcpu[i];

		vcpu_reset(v);
		msr_reset(v);
		ops->tsc_offset(v, v->tsc_offset);
	}
	vdevs_reset(vm);
	vdevs_resume(vm);
	load_set_regs(&vm->load, vm->vcpu[0]);
	vm->has_run = true;
	vm->crashed = false;
	vm->rest_wanted = false;
	vm->uptime_start_ns = time_now_ns();
	all_ended_said = false;
	state_set(vm, VM_RUNNING);
	log_info("vm %s: started", vm->cfg->name);
	say_ready();
	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		sched_start(vm->vcpu[i]);
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

/* No vCPU runs, and no device has anything under way that reads or writes the VM's memory. */
static bool at_rest(struct vm *vm)
{
	return all_parked(vm) && vdevs_drain(vm);
}

void vm_vcpu_parked(struct vm *vm)
{
	work_queue(&vm->life);
}

void vm_rest(struct vm *vm)
{
	__atomic_store_n(&vm->rest_wanted, true, __ATOMIC_RELAXED);
	if (!state_change(vm, VM_RUNNING, VM_RESTING))
		return;
	park_all(vm);
	work_queue(&vm->life);
}

void vm_device_drained(struct vm *vm)
{
	work_queue(&vm->life);
}

/* What the configuration wants after an end of this kind. */
static enum config_end_action action_after(struct vm *vm)
{
	if (vm->starved) /* its memory is not what it was */
		return END_DESTROY;
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
	case VM_END_NOT_STARTED:
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
	case VM_END_NOT_STARTED:
		return;
	case VM_END_DESTROY:
		str_copy(vm->why, sizeof(vm->why), "destroyed");
		break;
	}
}

static void preserve(struct vm *vm)
{
	state_set(vm, VM_PRESERVED);
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
	vm_build_again(vm);
	state_set(vm, VM_STARTING);
	work_queue(&vm->life);
}

/* All is at rest: say what happened and do what the configuration wants. */
static void ended(struct vm *vm)
{
	enum config_end_action action = action_after(vm);

	vm_time_stop(vm);
	vdevs_pause(vm);
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
		state_set(vm, VM_FREEING);
		work_queue(&vm->life);
		return;
	}
}

static void freeing(struct vm *vm)
{
	if (vm_unbuild_step(vm) == ERR_AGAIN) {
		work_queue(&vm->life);
		return;
	}
	if (vm->end == VM_END_NOT_STARTED) {
		refuse(vm);
	} else {
		state_set(vm, VM_STOPPED);
		if (!vm->crashed)
			log_info("vm %s: stopped: %s", vm->cfg->name, vm->why);
	}
	console_guest_ended(vm);
	say_ready();
	all_ended_check();
}

/* A start went wrong on its way: everything is given back, the reason kept. */
static void start_failed(struct vm *vm, enum status s)
{
	if (!vm->why[0])
		fmt_snprintf(vm->why, sizeof(vm->why), "can't be started: %s", status_str(s));
	vm->end = VM_END_NOT_STARTED;
	state_set(vm, VM_FREEING);
	work_queue(&vm->life);
}

static void starting(struct vm *vm)
{
	enum status s = vm_build_step(vm);

	vm_enter_address_space(NULL);
	if (s == ERR_AGAIN)
		work_queue(&vm->life);
	else if (s == OK)
		run(vm);
	else
		start_failed(vm, s);
}

/* Clocks and vCPUs of a VM that stands still go on. */
static void go_on(struct vm *vm, enum vm_state from)
{
	vm_time_continue(vm);
	vdevs_resume(vm);
	if (!state_change(vm, from, VM_RUNNING))
		return; /* it has come to an end meanwhile */
	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		sched_start(vm->vcpu[i]);
}

/* At rest for devices that wanted it. */
static void resting(struct vm *vm)
{
	/* They take away what vCPUs may have in their TLBs. */
	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		vcpu_request(vm->vcpu[i], VREQ_FLUSH);
	if (vdevs_rest_step(vm) == ERR_AGAIN) {
		work_queue(&vm->life);
		return;
	}
	__atomic_store_n(&vm->rest_wanted, false, __ATOMIC_RELAXED);
	go_on(vm, VM_RESTING);
}

static void vm_life(struct work *w)
{
	struct vm *vm = container_of(w, struct vm, life);

	if (__atomic_load_n(&vm->starved, __ATOMIC_RELAXED))
		vm_end_crash(vm, VM_STARVED);
	switch (vm->state) {
	case VM_STARTING:
		starting(vm);
		return;
	case VM_PAUSING:
		if (!at_rest(vm))
			return;
		/* Before the state says so: whoever sees VM_PAUSED may resume at once. */
		vm_time_stop(vm);
		vdevs_pause(vm);
		log_info("vm %s: paused", vm->cfg->name);
		(void)state_change(vm, VM_PAUSING, VM_PAUSED);
		return;
	case VM_RESTING:
		if (!at_rest(vm))
			return;
		vm_time_stop(vm);
		vdevs_pause(vm);
		resting(vm);
		return;
	case VM_STOPPING:
		if (at_rest(vm))
			ended(vm);
		return;
	case VM_FREEING:
		freeing(vm);
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

/* May vm come to an end now? Not if it is coming to one already: the first reason counts. */
static bool can_end(const struct vm *vm)
{
	return vm_runs(vm) || vm->state == VM_PAUSING || vm->state == VM_PAUSED || vm->state == VM_PRESERVED;
}

/* why: with VM_END_CRASH. */
static void end(struct vm *vm, enum vm_end how, int status, const char *why)
{
	bool ends;

	spin_lock(&vm->state_lock);
	ends = can_end(vm);
	if (ends) {
		vm->end = how;
		vm->end_status = status;
		if (why)
			str_copy(vm->why, sizeof(vm->why), why);
		state_set(vm, VM_STOPPING);
	}
	spin_unlock(&vm->state_lock);
	if (!ends)
		return;
	park_all(vm);
	work_queue(&vm->life);
}

void vm_end(struct vm *vm, enum vm_end how, int status)
{
	end(vm, how, status, NULL);
}

void vm_end_crash(struct vm *vm, const char *why)
{
	end(vm, VM_END_CRASH, 0, why);
}

/* --- the operator's commands --- */

enum status vm_start(struct vm *vm)
{
	if (!state_change(vm, VM_STOPPED, VM_STARTING) && !state_change(vm, VM_REFUSED, VM_STARTING))
		return ERR_BUSY;
	vm->restarts = 0;
	vm->restarts_in_window = 0;
	if (vm_build(vm) != OK) {
		refuse(vm);
		return ERR_INVAL;
	}
	work_queue(&vm->life);
	return OK;
}

enum status vm_pause(struct vm *vm)
{
	/* What a device wants done at rest waits until it goes on. */
	if (state_change(vm, VM_RUNNING, VM_PAUSING))
		park_all(vm);
	else if (!state_change(vm, VM_RESTING, VM_PAUSING))
		return ERR_BUSY;
	work_queue(&vm->life);
	return OK;
}

enum status vm_resume(struct vm *vm)
{
	if (vm->state != VM_PAUSED)
		return ERR_BUSY;
	log_info("vm %s: resumed", vm->cfg->name);
	go_on(vm, VM_PAUSED);
	if (vm->rest_wanted)
		vm_rest(vm);
	return OK;
}

enum status vm_reset(struct vm *vm)
{
	if (!vm_runs(vm) && vm->state != VM_PAUSED && vm->state != VM_PRESERVED)
		return ERR_BUSY;
	vm_end(vm, VM_END_RESET, 0);
	return OK;
}

enum status vm_shutdown(struct vm *vm)
{
	if (!vm_runs(vm))
		return ERR_BUSY;
	vpm_power_button(vm);
	return OK;
}

enum status vm_destroy(struct vm *vm)
{
	if (!vm_runs(vm) && vm->state != VM_PAUSED && vm->state != VM_PRESERVED)
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
