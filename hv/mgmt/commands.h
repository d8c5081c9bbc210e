/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of the prompt's commands, and what their functions share. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vm;

#define COMMAND_ARGS_MAX 4

enum command_completion { COMPLETE_NOTHING, COMPLETE_VM, COMPLETE_VM_OR_ALL, COMPLETE_COMMAND };

struct command {
	const char *name; /* one word, or two as in "vm list" */
	const char *args; /* for the help: "NAME [VCPU]" */
	const char *help;
	void (*run)(int argc, char **argv); /* argv[0] is the first argument */
	int min_args, max_args;
	enum command_completion complete; /* of its first argument */
};

extern const struct command commands[];
extern const size_t command_count;

/* NULL: there is no such command. */
const struct command *command_find(const char *name);

/* Prints `error: …`. */
[[gnu::format(printf, 1, 2)]] void command_error(const char *fmt, ...);
/* The guest called so; NULL, and the error is printed: there is none. */
struct vm *command_vm(const char *name);
/* The shell calls next again and again until it returns false; other lines wait so long. */
void command_continue_with(bool (*next)(void));
/* For functions that print line by line through a callback. */
void command_line(void *arg, const char *line);

/* hours:minutes:seconds */
const char *command_duration(uint64_t ns, char *buf, size_t size);

/* hv/mgmt/commands_vm.c */
void command_console(int argc, char **argv);
void command_mute(int argc, char **argv);
void command_unmute(int argc, char **argv);
void command_vm_list(int argc, char **argv);
void command_vm_show(int argc, char **argv);
void command_vm_log(int argc, char **argv);
void command_vm_start(int argc, char **argv);
void command_vm_pause(int argc, char **argv);
void command_vm_resume(int argc, char **argv);
void command_vm_reset(int argc, char **argv);
void command_vm_shutdown(int argc, char **argv);
void command_vm_destroy(int argc, char **argv);

/* hv/mgmt/commands_balloon.c */
void command_vm_balloon(int argc, char **argv);

/* hv/mgmt/commands_stats.c */
void command_regs(int argc, char **argv);
void command_exits(int argc, char **argv);
void command_cpus(int argc, char **argv);
void command_mem(int argc, char **argv);

/* hv/mgmt/commands_host.c */
void command_check(int argc, char **argv);
void command_log(int argc, char **argv);
void command_config(int argc, char **argv);
void command_version(int argc, char **argv);
void command_reboot(int argc, char **argv);
void command_poweroff(int argc, char **argv);

/* hv/mgmt/commands_pci.c */
void command_pci(int argc, char **argv);

/* hv/mgmt/commands_disk.c */
void command_disk(int argc, char **argv);

/* hv/mgmt/commands_net.c */
void command_net(int argc, char **argv);
void command_net_link(int argc, char **argv);
