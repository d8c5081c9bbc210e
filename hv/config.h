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

#define CONFIG_VM_MAX        32
#define CONFIG_NAME_MAX      31
#define CONFIG_FILE_MAX      127
#define CONFIG_CMDLINE_MAX   2047
#define CONFIG_MODULE_MAX    16
#define CONFIG_ARGS_MAX      255
#define CONFIG_CPU_MAX       256
#define CPU_WEIGHT_DEFAULT   256

#define CONFIG_DISK_MAX      64
#define CONFIG_NET_MAX       32
#define CONFIG_SHARED_MAX    16
#define CONFIG_VM_DISK_MAX   16 /* of one guest, and so on */
#define CONFIG_VM_NET_MAX    8
#define CONFIG_VM_SHARED_MAX 4
#define CONFIG_DEVICE_MAX    40  /* name or serial number of a physical disk */
#define CONFIG_LABEL_MAX     108 /* name of a partition: 36 UTF-16 units, as UTF-8 */
#define CONFIG_MAC_SIZE      6
#define CONFIG_GUID_SIZE     16

struct cpu_set {
	uint64_t bits[CONFIG_CPU_MAX / 64];
};

enum config_boot { BOOT_AUTO, BOOT_LINUX, BOOT_MULTIBOOT, BOOT_MULTIBOOT2, BOOT_PVH, BOOT_FLAT };
enum config_end_action { END_DESTROY, END_RESTART, END_PRESERVE };
enum config_all_ended { ALL_ENDED_WAIT, ALL_ENDED_POWEROFF, ALL_ENDED_REBOOT };
enum config_mitigations { MITIGATIONS_AUTO, MITIGATIONS_OFF };
enum config_smt { SMT_ON, SMT_OFF, SMT_CORE };
enum config_changes { CHANGES_KEEP, CHANGES_DROP };
enum config_device { DEVICE_NONE, DEVICE_NAME, DEVICE_PCI, DEVICE_SERIAL };
enum config_partition { PARTITION_NONE, PARTITION_NUMBER, PARTITION_NAME, PARTITION_GUID };
enum config_uplink { UPLINK_NONE, UPLINK_FIRST, UPLINK_PCI };
enum config_console { CONSOLE_COM1, CONSOLE_COM2, CONSOLE_PORT, CONSOLE_PCI };

struct config_module {
	char file[CONFIG_FILE_MAX + 1];
	char args[CONFIG_ARGS_MAX + 1];
	uint32_t line; /* that names it */
};

/*
 * [disk NAME]. What it stands on: a device where device isn't DEVICE_NONE, else a file where file isn't empty, else `size` bytes of
 * zeros. Only with a device there is a partition, only without one there are size and CHANGES_DROP.
 */
struct disk_config {
	char name[CONFIG_NAME_MAX + 1];
	uint32_t line; /* of its section header */
	bool refused;  /* it had mistakes; so are the guests that have it */
	bool readonly;
	char file[CONFIG_FILE_MAX + 1];
	uint32_t file_line;
	enum config_changes changes;
	uint64_t size; /* bytes; 0: as large as the file or the device */
	enum config_device device;
	char device_text[CONFIG_DEVICE_MAX + 1]; /* DEVICE_NAME, DEVICE_SERIAL */
	uint16_t device_bdf;                     /* DEVICE_PCI: bus << 8 | device << 3 | function */
	enum config_partition partition;
	uint32_t partition_number;                 /* from 1 */
	char partition_name[CONFIG_LABEL_MAX + 1]; /* UTF-8 */
	uint8_t partition_guid[CONFIG_GUID_SIZE];  /* as the partition table has it */
};

/* [net NAME] */
struct net_config {
	char name[CONFIG_NAME_MAX + 1];
	uint32_t line;
	bool refused;
	enum config_uplink uplink;
	uint16_t uplink_bdf; /* UPLINK_PCI */
	uint32_t mtu;        /* 68 to 9000 */
	uint32_t
	    storm; /* broadcasts, multicasts and unknown unicasts a second that a port may send; 0: any number */
};

/* [shared NAME]: memory that several guests see. */
struct shared_config {
	char name[CONFIG_NAME_MAX + 1];
	uint32_t line;
	bool refused;
	uint64_t size; /* bytes: a power of two, 4K to 1G */
};

/* What `disk = data`, `net = lan` and `shared = box` of a guest name. Not valid in a guest that is refused: index. */
struct vm_disk {
	char name[CONFIG_NAME_MAX + 1];
	uint32_t line;  /* that names it */
	uint32_t index; /* in struct config's disk */
	bool readonly;  /* for this guest; the disk itself may be so too */
};

struct vm_net {
	char name[CONFIG_NAME_MAX + 1];
	uint32_t line, index;
	bool mac_given;
	uint8_t mac[CONFIG_MAC_SIZE]; /* given, else derived from the names; no two are the same in one net */
	uint16_t vlan;                /* of an access port; 0: none */
	bool trunk;                   /* sends and sees tags */
};

struct vm_shared {
	char name[CONFIG_NAME_MAX + 1];
	uint32_t line, index;
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
	uint32_t disk_count, net_count, shared_count;
	struct vm_disk disk[CONFIG_VM_DISK_MAX]; /* in the order of the guest's devices */
	struct vm_net net[CONFIG_VM_NET_MAX];
	struct vm_shared shared[CONFIG_VM_SHARED_MAX];
	bool hvc0_console; /* a virtio console; hvc0 = console, not none */
	bool balloon;      /* a virtio balloon */
	bool rng;
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
	uint32_t disk_count, net_count, shared_count;
	struct disk_config disk[CONFIG_DISK_MAX];
	struct net_config net[CONFIG_NET_MAX];
	struct shared_config shared[CONFIG_SHARED_MAX];
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
 * what could be understood; a [vm], [disk], [net] or [shared] with mistakes is marked refused, and so is a guest that has a device
 * which is; a wrong [host] key has its default.
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
/* Whether there is a file of this name, relative to the configuration. */
typedef bool (*config_exists_fn)(void *arg, const char *file);
/*
 * Asks for every file that a guest or a disk names; reports those that are not there, by the line that names them, and
 * marks the guests that need them refused. `name` as with config_parse.
 */
void config_check_files(struct config *c, const char *name, config_exists_fn exists, config_error_fn error,
			void *arg);
/* Prints c as a complete ingot.cfg, every default filled in, by calling out for each line. */
void config_print(const struct config *c, void (*out)(void *arg, const char *line), void *arg);
/* One guest's section of it. */
void config_print_vm(const struct vm_config *vm, void (*out)(void *arg, const char *line), void *arg);

static inline bool cpu_set_has(const struct cpu_set *s, unsigned cpu)
{
	return cpu < CONFIG_CPU_MAX && (s->bits[cpu / 64] >> (cpu % 64) & 1);
}
