/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ingot.cfg, parsed and checked. Pure: the same code is in the image, in the `make config` tool and in
 * the unit tests. Every default is filled in; nothing here is changed after parsing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "hv/cpuid_table.h"

#define CONFIG_VM_MAX      32
#define CONFIG_NAME_MAX    31
#define CONFIG_FILE_MAX    127
#define CONFIG_CMDLINE_MAX 2047
#define CONFIG_MODULE_MAX  16
#define CONFIG_ARGS_MAX    255
#define CONFIG_CPU_MAX     256
#define CPU_WEIGHT_DEFAULT 256

struct cpu_set {
	uint64_t bits[CONFIG_CPU_MAX / 64];
};

enum config_boot { BOOT_AUTO, BOOT_LINUX, BOOT_MULTIBOOT, BOOT_MULTIBOOT2, BOOT_PVH, BOOT_FLAT };
enum config_end_action { END_DESTROY, END_RESTART, END_PRESERVE };
enum config_all_ended { ALL_ENDED_WAIT, ALL_ENDED_POWEROFF, ALL_ENDED_REBOOT };
enum config_mitigations { MITIGATIONS_AUTO, MITIGATIONS_OFF };
enum config_smt { SMT_ON, SMT_OFF, SMT_CORE };
enum config_console { CONSOLE_COM1, CONSOLE_COM2, CONSOLE_PORT, CONSOLE_PCI };

struct config_module {
	char file[CONFIG_FILE_MAX + 1];
	char args[CONFIG_ARGS_MAX + 1];
	uint32_t line; /* that names it */
};

struct vm_config {
	char name[CONFIG_NAME_MAX + 1];
	uint32_t line;   /* of its section header */
	bool refused;    /* it had errors: listed, never started */
	uint64_t memory; /* bytes */
	uint32_t vcpus;
	struct cpu_set cpuset;
	uint32_t cpu_weight; /* 1 to 65535 */
	uint32_t cap;        /* percent of one CPU, for all vCPUs together; 0: none */
	enum config_boot boot;
	char kernel[CONFIG_FILE_MAX + 1];
	char initrd[CONFIG_FILE_MAX + 1];  /* empty: none */
	uint32_t kernel_line, initrd_line; /* that name them */
	uint32_t module_count;
	struct config_module module[CONFIG_MODULE_MAX];
	char cmdline[CONFIG_CMDLINE_MAX + 1];
	bool autostart;
	bool com1_console; /* com1 = console, not none */
	enum config_end_action on_poweroff, on_reboot, on_crash;
	uint32_t max_restarts; /* a minute */
	int32_t debug_exit;    /* port, -1: none */
	struct cpuid_choice cpuid;
	uint64_t tsc_frequency; /* Hz; 0: the host's */
};

struct host_config {
	enum config_console console;
	uint16_t console_port;    /* with CONSOLE_PORT */
	uint16_t console_pci_bdf; /* with CONSOLE_PCI: bus << 8 | device << 3 | function */
	uint32_t baud;
	uint8_t escape; /* the control byte */
	int log;        /* enum log_level */
	struct cpu_set cpuset;
	enum config_smt smt;
	enum config_mitigations mitigations;
	enum config_all_ended on_all_ended;
};

struct config {
	struct host_config host;
	uint32_t vm_count;
	struct vm_config vm[CONFIG_VM_MAX];
	bool autostart; /* false: autostart=no on the boot line */
	uint32_t errors;
};

/*
 * One mistake; text is complete: "ingot.cfg:12: unknown key 'memry' in [vm web]; did you mean 'memory'?"
 * Where a function below takes one, NULL means that mistakes are not reported.
 */
typedef void (*config_error_fn)(void *arg, const char *text);

/*
 * Parses text[len] (any bytes) of the file called `name` in messages. Reports every mistake, fills *c with
 * what could be understood; a [vm] with mistakes is marked refused, a wrong [host] key has its default.
 * c->errors counts them. Not re-entrant: its working memory is static.
 */
void config_parse(struct config *c, const char *name, const char *text, size_t len, config_error_fn error,
		  void *arg);
/* Defaults, as an empty file gives. */
void config_defaults(struct config *c);
/*
 * The boot line's overrides (config= console= baud= log= autostart=). `file` gets config='s value, or
 * "ingot.cfg" (NULL: not wanted). Call it before config_parse for `file`, and after it to apply the rest.
 */
void config_boot_line(struct config *c, const char *cmdline, char *file, size_t file_size,
		      config_error_fn error, void *arg);
/*
 * Asks for every file that a guest names; reports those that are not there, by the line that names them, and
 * marks their guests refused. `name` as with config_parse.
 */
void config_check_files(struct config *c, const char *name, bool (*exists)(void *arg, const char *file),
			config_error_fn error, void *arg);
/* Prints c as a complete ingot.cfg, every default filled in, by calling out for each line. */
void config_print(const struct config *c, void (*out)(void *arg, const char *line), void *arg);
/* One guest's section of it. */
void config_print_vm(const struct vm_config *vm, void (*out)(void *arg, const char *line), void *arg);

static inline bool cpu_set_has(const struct cpu_set *s, unsigned cpu)
{
	return cpu < CONFIG_CPU_MAX && (s->bits[cpu / 64] >> (cpu % 64) & 1);
}
