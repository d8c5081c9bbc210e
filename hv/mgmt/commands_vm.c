/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands about guests: their consoles, their lives, what they are made of. */
#include "hv/lib/fmt.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/mgmt/commands.h"
#include "hv/mgmt/console.h"
#include "hv/mgmt/guest_text.h"
#include "hv/mgmt/vm_stats.h"
#include "hv/pcpu.h"
#include "hv/timer.h"
#include "hv/vdev/guest_console.h"
#include "hv/vm.h"

#define DURATION_MAX 32
#define SHARE_MIN_NS 1000000000ULL
#define LOG_PIECE    256  /* bytes of a guest's log at once */
#define LOG_ROOM     8192 /* room for the text that they can become, and more */

/* --- consoles --- */

void command_console(int argc, char **argv)
{
	struct vm *vm = command_vm(argv[0]);

	(void)argc;
	if (vm == NULL)
		return;
	if (!guest_console_present(vm))
		command_error("%s has no console: com1 = none, hvc0 = none", vm->cfg->name);
	else if (vm->vcpu_count == 0)
		command_error("%s is %s: vm log %s shows what it has written", vm->cfg->name,
			      vm_state_name(vm), vm->cfg->name);
	else
		console_attach(vm);
}

static void set_muted(const char *name, bool muted)
{
	if (strcmp(name, "all") == 0) {
		for (uint32_t i = 0; i < vm_count; i++)
			console_mute(vms[i], muted);
		return;
	}
	struct vm *vm = command_vm(name);
	if (vm)
		console_mute(vm, muted);
}

void command_mute(int argc, char **argv)
{
	(void)argc;
	set_muted(argv[0], true);
}

void command_unmute(int argc, char **argv)
{
	(void)argc;
	set_muted(argv[0], false);
}

/* The guest's log goes out piece by piece, as the line takes it. */
static struct {
	struct vm *vm;
	uint64_t pos;
	struct guest_text text;
} log_output;

static void print_log_line(void)
{
	struct guest_text *t = &log_output.text;

	console_print("%.*s\n", (int)t->len, t->line);
	guest_text_clear(t);
}

static bool continue_log(void)
{
	uint8_t bytes[LOG_PIECE];
	size_t n = 0;

	if (!console_has_room(LOG_ROOM))
		return true;
	n = console_guest_log(log_output.vm, &log_output.pos, bytes, sizeof(bytes));
	for (size_t i = 0; i < n;) {
		enum guest_text_result r = guest_text_put(&log_output.text, bytes[i]);

		i += r != TEXT_LINE_AGAIN;
		if (r != TEXT_MORE)
			print_log_line();
	}
	if (n == 0 && log_output.text.len > 0)
		print_log_line();
	return n > 0;
}

void command_vm_log(int argc, char **argv)
{
	(void)argc;
	log_output.vm = command_vm(argv[0]);
	if (log_output.vm == NULL)
		return;
	log_output.pos = 0;
	guest_text_init(&log_output.text);
	command_continue_with(continue_log);
}

/* --- lives --- */

static void change(const char *name, enum status (*fn)(struct vm *vm), const char *verb)
{
	struct vm *vm = command_vm(name);
	enum status s;

	if (vm == NULL)
		return;
	s = fn(vm);
	if (s == ERR_BUSY)
		command_error("%s is %s: it can't be %s", vm->cfg->name, vm_state_name(vm), verb);
	else if (s != OK)
		command_error("%s can't be %s: %s", vm->cfg->name, verb,
			      vm->why[0] ? vm->why : status_str(s));
}

void command_vm_start(int argc, char **argv)
{
	(void)argc;
	change(argv[0], vm_start, "started");
}

void command_vm_pause(int argc, char **argv)
{
	(void)argc;
	change(argv[0], vm_pause, "paused");
}

void command_vm_resume(int argc, char **argv)
{
	(void)argc;
	change(argv[0], vm_resume, "resumed");
}

void command_vm_reset(int argc, char **argv)
{
	(void)argc;
	change(argv[0], vm_reset, "reset");
}

void command_vm_shutdown(int argc, char **argv)
{
	(void)argc;
	change(argv[0], vm_shutdown, "shut down");
}

void command_vm_destroy(int argc, char **argv)
{
	(void)argc;
	change(argv[0], vm_destroy, "destroyed");
}

/* --- what there is --- */

/* CPU time of each guest when it was listed last, or some seconds before. */
static struct {
	uint64_t at_ns, cpu_ns;
} listed[MAX_VMS];

/*
 * Share of one CPU since then, or since the start, in tenths of a percent. CPU time is counted when a vCPU leaves
 * its CPU: over a moment it would mean nothing.
 */
static uint64_t cpu_share(const struct vm *vm)
{
	uint64_t now = time_now_ns(), cpu = vm_stat_cpu_time(vm);
	uint64_t since = listed[vm->index].at_ns, before = listed[vm->index].cpu_ns;

	if (since < vm->uptime_start_ns) {
		since = vm->uptime_start_ns;
		before = 0;
	}
	if (now - since >= SHARE_MIN_NS) {
		listed[vm->index].at_ns = now;
		listed[vm->index].cpu_ns = cpu;
	}
	uint64_t us = (now - since) / 1000;
	return us && cpu > before ? MIN((cpu - before) / us, vm->vcpu_count * 1000UL) : 0;
}

static void list_one(const struct vm *vm)
{
	char share[16] = "-", uptime[DURATION_MAX] = "-", memory[16] = "-";

	if (vm->vcpu_count > 0) {
		uint64_t tenths = cpu_share(vm);

		fmt_snprintf(share, sizeof(share), "%lu.%lu%%", tenths / 10, tenths % 10);
		command_duration(vm_stat_uptime(vm), uptime, sizeof(uptime));
	}
	if (vm->cfg->memory > 0)
		fmt_snprintf(memory, sizeof(memory), "%luM", vm->cfg->memory >> 20);
	console_print("%-16s %-9s %5u %8s %7s %10s  %s\n", vm->cfg->name, vm_state_name(vm), vm->cfg->vcpus,
		      memory, share, uptime, vm->why);
}

void command_vm_list(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	console_print("%-16s %-9s %5s %8s %7s %10s  %s\n", "NAME", "STATE", "VCPUS", "MEMORY", "CPU",
		      "UPTIME", "REASON");
	for (uint32_t i = 0; i < vm_count; i++)
		list_one(vms[i]);
}

static void show_stats(const struct vm *vm)
{
	char text[DURATION_MAX];

	for (size_t i = 0; i < vm_stat_count; i++) {
		const struct vm_stat *s = &vm_stats[i];
		uint64_t v = s->get(vm);

		switch (s->unit) {
		case STAT_COUNT:
			fmt_snprintf(text, sizeof(text), "%lu", v);
			break;
		case STAT_NS:
			command_duration(v, text, sizeof(text));
			break;
		case STAT_BYTES:
			fmt_snprintf(text, sizeof(text), "%luK", v >> 10);
			break;
		}
		console_print("%-14s %s\n", s->name, text);
	}
}

static const char *vcpu_state_name(const struct vcpu *v)
{
	switch (v->state) {
	case VCPU_OFF:
		return "off";
	case VCPU_WAIT_SIPI:
		return "waits for SIPI";
	case VCPU_READY:
		return v->halted ? "halted" : "ready"; /* on its CPU */
	case VCPU_HALTED:
		return "halted";
	case VCPU_CAPPED:
		return "waits for its cap";
	case VCPU_PARKED:
		return "parked";
	}
	return "?";
}

static void show_memory(const struct vm *vm)
{
	for (uint32_t i = 0; i < vm->mem.count; i++) {
		const struct gmem_slot *s = &vm->mem.slot[i];

		console_print("memory         0x%09lx-0x%09lx %s\n", s->base, s->base + s->size - 1,
			      s->readonly ? "ROM" : "RAM");
	}
}

static void show_vcpus(const struct vm *vm)
{
	char time[DURATION_MAX];

	for (uint32_t i = 0; i < vm->vcpu_count; i++) {
		const struct vcpu *v = vm->vcpu[i];

		console_print("vcpu %-9u on cpu %u, %s, cpu_time %s\n", i, v->cpu ? v->cpu->id : 0,
			      vcpu_state_name(v), command_duration(v->guest_ns, time, sizeof(time)));
	}
}

void command_vm_show(int argc, char **argv)
{
	const struct vm *vm = command_vm(argv[0]);

	(void)argc;
	if (vm == NULL)
		return;
	config_print_vm(vm->cfg, command_line, NULL);
	console_print("\n%-14s %s%s%s\n", "state", vm_state_name(vm), vm->why[0] ? ": " : "", vm->why);
	console_print("%-14s %s\n", "output", console_is_muted(vm) ? "muted" : "shown");
	show_stats(vm);
	show_memory(vm);
	show_vcpus(vm);
}
