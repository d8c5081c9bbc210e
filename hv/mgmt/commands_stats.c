/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands that look inside: registers, exits, physical CPUs, memory. */
#include "hv/exit.h"
#include "hv/host.h"
#include "hv/lib/fmt.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/mgmt/commands.h"
#include "hv/mgmt/console.h"
#include "hv/pcpu.h"
#include "hv/speculation.h"
#include "hv/timer.h"
#include "hv/vm.h"
#include "hv/vm_report.h"

#define PAUSE_LIMIT_NS 1000000000ULL /* regs: so long a guest may take to stop */
#define EXITS_LINE     2048

/* --- regs --- */

/* A running guest is paused first; the command goes on when it stands. */
static struct {
	struct vm *vm;
	uint32_t first, last; /* vCPUs */
	uint64_t give_up_ns;
} regs;

static void print_regs(void)
{
	vm_enter_address_space(regs.vm);
	for (uint32_t i = regs.first; i <= regs.last; i++) {
		console_print("vcpu %u\n", i);
		vm_report_vcpu(regs.vm->vcpu[i], command_line, NULL);
	}
	vm_enter_address_space(NULL);
}

static bool continue_regs(void)
{
	switch (regs.vm->state) {
	case VM_PAUSED:
		print_regs();
		if (vm_resume(regs.vm) != OK)
			command_error("%s can't be resumed", regs.vm->cfg->name);
		return false;
	case VM_PAUSING:
		if (time_now_ns() < regs.give_up_ns)
			return true;
		command_error("%s does not stop", regs.vm->cfg->name);
		return false;
	default:
		command_error("%s is %s now", regs.vm->cfg->name, vm_state_name(regs.vm));
		return false;
	}
}

/* The number in s, UINT32_MAX: there is none. */
static uint32_t number(const char *s)
{
	uint32_t v = 0;

	if (*s == '\0' || strlen(s) > 4)
		return UINT32_MAX;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return UINT32_MAX;
		v = v * 10 + (uint32_t)(*s - '0');
	}
	return v;
}

void command_regs(int argc, char **argv)
{
	struct vm *vm = command_vm(argv[0]);

	if (vm == NULL)
		return;
	regs.vm = vm;
	regs.first = argc > 1 ? number(argv[1]) : 0;
	regs.last = argc > 1 ? regs.first : vm->vcpu_count - 1;
	if (vm->vcpu_count == 0 || (!vm_runs(vm) && vm->state != VM_PAUSED && vm->state != VM_PRESERVED)) {
		command_error("%s is %s: it has no registers", vm->cfg->name, vm_state_name(vm));
	} else if (regs.first >= vm->vcpu_count) {
		command_error("%s has no vCPU %.8s: they are 0 to %u", vm->cfg->name, argv[1],
			      vm->vcpu_count - 1);
	} else if (!vm_runs(vm)) {
		print_regs();
	} else if (vm_pause(vm) == OK) {
		regs.give_up_ns = time_now_ns() + PAUSE_LIMIT_NS;
		command_continue_with(continue_regs);
	} else {
		command_error("%s is %s now", vm->cfg->name, vm_state_name(vm));
	}
}

/* --- exits --- */

static uint64_t exits_of_kind(const struct vm *vm, unsigned kind)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		sum += vm->vcpu[i]->exits[kind];
	return sum;
}

void command_exits(int argc, char **argv)
{
	static char text[EXITS_LINE]; /* too big for the host stack */
	const struct vm *vm = command_vm(argv[0]);
	int n;

	(void)argc;
	if (vm == NULL)
		return;
	if (vm->vcpu_count == 0) {
		command_error("%s is %s: it has no CPUs", vm->cfg->name, vm_state_name(vm));
		return;
	}
	n = fmt_snprintf(text, sizeof(text), "%-18s %12s", "EXIT", "TOTAL");
	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		n += fmt_snprintf(text + n, sizeof(text) - (size_t)n, " %9s%-2u", "VCPU", i);
	command_line(NULL, text);
	for (unsigned k = 0; k < EXIT_KIND_COUNT; k++) {
		if (exits_of_kind(vm, k) == 0)
			continue;
		n = fmt_snprintf(text, sizeof(text), "%-18s %12lu", exit_kind_name(k), exits_of_kind(vm, k));
		for (uint32_t i = 0; i < vm->vcpu_count; i++)
			n +=
			    fmt_snprintf(text + n, sizeof(text) - (size_t)n, " %11lu", vm->vcpu[i]->exits[k]);
		command_line(NULL, text);
	}
}
static_assert(18 + 13 + VM_MAX_VCPUS * 21 < EXITS_LINE, "the widest table");

/* --- cpus --- */

static uint32_t per_mille(uint64_t part, uint64_t whole)
{
	return whole >= 1000 ? (uint32_t)MIN(part / (whole / 1000), 1000UL) : 0;
}

void command_cpus(int argc, char **argv)
{
	uint64_t now = time_now_ns();

	(void)argc;
	(void)argv;
	console_print("%-4s %5s %-8s %7s %7s %6s %10s %6s  %s\n", "CPU", "APIC", "VIRT", "GUESTS", "IDLE",
		      "VCPUS", "IRQS", "NMIS", "REASON");
	for (uint32_t i = 0; i < pcpu_count; i++) {
		const struct pcpu *p = pcpus[i];
		uint32_t guest = per_mille(p->guest_ns, now), idle = per_mille(p->idle_ns, now);

		console_print("%-4u %5u %-8s %4u.%u%% %4u.%u%% %6u %10lu %6lu  %s\n", p->id, p->apic_id,
			      !p->online   ? "offline"
			      : p->virt_on ? "on"
					   : "off",
			      guest / 10, guest % 10, idle / 10, idle % 10, p->bound, p->irq_count,
			      p->nmi_count, p->virt_refused ? p->virt_refused : "");
	}
	console_print("\n%-14s %-5s  %s\n", "MITIGATION", "STATE", "REASON");
	for (unsigned m = 0; m < MITIGATION_COUNT; m++)
		console_print("%-14s %-5s  %s\n", mitigation_name(m), speculation_on(m) ? "on" : "off",
			      speculation_why(m));
}

/* --- mem --- */

static void print_zone(const char *name, uint64_t total, uint64_t free)
{
	console_print("%-16s %12luK %12luK %12luK\n", name, total >> 10, (total - free) >> 10, free >> 10);
}

void command_mem(int argc, char **argv)
{
	struct host_memory s;

	(void)argc;
	(void)argv;
	host_memory(&s);
	console_print("%-16s %13s %13s %13s\n", "MEMORY", "TOTAL", "USED", "FREE");
	print_zone("host", s.host_total, s.host_free);
	print_zone("guests", s.guest_total, s.guest_free);
}
