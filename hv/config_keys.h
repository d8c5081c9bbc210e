/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of ingot.cfg's keys: the parser, the printer, the suggestions and the manual's table all come
 * from it. hv/config_value.c knows the value types.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum config_section { SECTION_HOST, SECTION_VM, SECTION_DISK, SECTION_NET, SECTION_SHARED, SECTION_COUNT };

enum key_type {
	KEY_SIZE, /* uint64_t, bytes; min and max in bytes, a multiple of 4K; "none", where that is the default, gives 0 */
	KEY_POWER,     /* KEY_SIZE, a power of two */
	KEY_UINT,      /* uint32_t, min to max */
	KEY_BAUD,      /* uint32_t, a divisor of 115200 */
	KEY_WORD,      /* an enum, by words */
	KEY_FLAG,      /* a bool, by words */
	KEY_CPUS,      /* struct cpu_set */
	KEY_FILE,      /* char[CONFIG_FILE_MAX + 1]; "none", where that is the default, gives "" */
	KEY_MODULE,    /* struct config_module[]; repeats */
	KEY_TEXT,      /* char[CONFIG_CMDLINE_MAX + 1]; repeats, joined by blanks */
	KEY_HZ,        /* uint64_t, ticks a second, min to max; "host" gives 0 */
	KEY_PORT,      /* int32_t, -1: none */
	KEY_ESCAPE,    /* uint8_t, a control character as ^X */
	KEY_CONSOLE,   /* struct host_config's console fields */
	KEY_CPUID,     /* struct cpuid_choice */
	KEY_DEVICE,    /* struct disk_config's device fields */
	KEY_PARTITION, /* its partition fields */
	KEY_UPLINK,    /* struct net_config's uplink fields */
	KEY_DISK,      /* struct vm_disk[], KEY_NET: vm_net[], KEY_SHARED: vm_shared[]; they repeat */
	KEY_NET,
	KEY_SHARED,
	KEY_LATER, /* not built in yet: no field */
};

#define WORD_LATER (-1) /* value of a word that is not built in yet */

struct config_word {
	const char *word; /* NULL ends the list */
	int value;
};

struct config_key {
	enum config_section section;
	enum key_type type;
	const char *name;
	const char *def; /* as it would be written; NULL: required */
	const char *help;
	size_t offset;      /* in the section's struct: host_config, vm_config, disk_config ... */
	size_t line_offset; /* KEY_FILE: of a uint32_t, the line that names it */
	uint64_t min, max;
	const struct config_word *words;
};

#define CONFIG_KEY_COUNT 45

extern const struct config_key config_keys[CONFIG_KEY_COUNT];

/* Words of other systems (xl.cfg, libvirt, QEMU, bhyve) and the key that they mean here. */
struct config_synonym {
	enum config_section section;
	const char *theirs, *ours;
};
extern const struct config_synonym config_synonyms[];
extern const size_t config_synonym_count;

/* NULL: there is no such key. */
const struct config_key *config_key_find(enum config_section section, const char *name);
/* The key that was probably meant by an unknown name, or NULL. */
const struct config_key *config_key_nearest(enum config_section section, const char *name);
