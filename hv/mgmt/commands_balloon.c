/* SPDX-License-Identifier: BSD-2-Clause */
/* The command `vm balloon`: how much memory a guest is to have, what it has, and what it says of it. */
#include "hv/config_keys.h"
#include "hv/config_setters.h"
#include "hv/lib/util.h"
#include "hv/mgmt/commands.h"
#include "hv/mgmt/console.h"
#include "hv/vm.h"

static uint64_t has(const struct vm *vm)
{
	return vm->cfg->memory - vm->absent;
}

static void set(struct vm *vm, const char *text)
{
	static const struct config_key any = {.type = KEY_SIZE, .max = UINT64_MAX};
	uint64_t free = vm_memory_free(vm), size;
	char why[CONFIG_WHY_MAX];

	if (!config_size_set(&any, &size, text, why))
		command_error("%s", why);
	else if (size > vm->cfg->memory)
		command_error("%s has memory = %luM: it can't have more", vm->cfg->name,
			      vm->cfg->memory >> 20);
	else if (size > has(vm) && size - has(vm) > free)
		command_error("only %luM are free, and it has %luM", free >> 20, has(vm) >> 20);
	else
		virtio_balloon_set_target(vm, size);
}

static void show(const struct vm *vm)
{
	static const struct {
		enum virtio_balloon_stat stat;
		const char *name;
	} lines[] = {
	    {BALLOON_TOTAL, "guest's total"},
	    {BALLOON_FREE, "guest's free"},
	    {BALLOON_AVAILABLE, "available"},
	    {BALLOON_CACHES, "caches"},
	};
	const struct virtio_balloon *b = vm->balloon;

	console_print("%-14s %luK\n%-14s %luK\n", "target", virtio_balloon_target(vm) >> 10, "has",
		      has(vm) >> 10);
	console_print("%-14s %luK\n", "balloon", (uint64_t)b->config.actual << PAGE_SHIFT >> 10);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		if (b->stats_known & BIT(lines[i].stat))
			console_print("%-14s %luK\n", lines[i].name, b->stats[lines[i].stat] >> 10);
}

void command_vm_balloon(int argc, char **argv)
{
	struct vm *vm = command_vm(argv[0]);

	if (vm == NULL)
		return;
	if (!vm->cfg->balloon)
		command_error("%s has no balloon: balloon = no", vm->cfg->name);
	/* Where it is being started its vCPUs come before its balloon. */
	else if (vm->vcpu_count == 0 || !vm->balloon)
		command_error("%s is %s: it has no memory", vm->cfg->name, vm_state_name(vm));
	else if (argc > 1)
		set(vm, argv[1]);
	else
		show(vm);
}
