/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loads what a guest is started from: finds its files, finds out what its kernel is, or checks that it is what
 * `boot` says, lets that format decide where everything goes, and copies it there in bounded steps. The formats
 * are in hv/load_*.c. Files are hostile input: nothing outside a file is read, nothing outside RAM is written.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "hv/config.h"
#include "hv/files.h"
#include "hv/lib/status.h"
#include "mm/gpa.h"

struct vcpu;
struct load;

/* A way to start a kernel. */
struct load_format {
	const char *word; /* of `boot` */
	const char *what; /* with its article: "a Linux bzImage" */
	/* Does the file begin like one? Any bytes. */
	bool (*probe)(const struct file *kernel);
	/* Checks everything and decides where it goes, by load_add_part; copies nothing. */
	enum status (*plan)(struct load *l);
	/* The parts are in place: writes the tables that the guest is given. */
	enum status (*finish)(struct load *l);
	/* The entry state of vCPU 0, after ops->vcpu_reset. */
	void (*set_regs)(const struct load *l, struct vcpu *v);
};

extern const struct load_format load_linux, load_multiboot, load_multiboot2, load_pvh, load_flat;

/* A range of guest memory: data_size bytes of a file, then zeros. */
struct load_part {
	uint64_t gpa, size;
	const uint8_t *data;
	uint64_t data_size;
};

struct load_module {
	const struct file *file;
	const char *args;
	uint64_t gpa; /* where it goes: the format's choice */
};

#define LOAD_SEGMENT_MAX 16
#define LOAD_MODULE_MAX  (CONFIG_MODULE_MAX + 1)

struct load {
	const struct gmem *mem;
	const struct vm_config *cfg;
	uint64_t rsdp; /* the gpa of the guest's RSDP */
	const struct load_format *format;
	const struct file *kernel;
	uint32_t module_count;
	struct load_module module[LOAD_MODULE_MAX]; /* the initrd first, if there is one */
	uint32_t part_count;
	struct load_part part[LOAD_SEGMENT_MAX + LOAD_MODULE_MAX];
	uint64_t entry; /* where vCPU 0 begins: the format's choice */
	uint64_t info;  /* what the format tells the guest lies here, LOAD_INFO_SIZE bytes */

	uint32_t part_now; /* being copied */
	uint64_t part_done;
	bool finished;
	char *why;
	size_t why_size;
};

/*
 * Finds and checks everything that cfg names and decides where it goes; copies nothing. What the pointers name
 * must stay until loading has ended. On an error, `why` names the file and says what is wrong.
 */
enum status load_plan(struct load *l, const struct gmem *mem, const struct vm_config *cfg, uint64_t rsdp,
		      char *why, size_t why_size);
/* Does the next part, at most 256 KiB of copying. ERR_AGAIN: call again. With the VM's address space loaded. */
enum status load_step(struct load *l);
void load_set_regs(const struct load *l, struct vcpu *v);

/* For the formats. */

/* Writes "f's name: text" into l->why; ERR_INVAL. */
[[gnu::format(printf, 3, 4)]] enum status load_refuse(const struct load *l, const struct file *f,
						      const char *fmt, ...);
/*
 * Plans `size` bytes at gpa: data_size bytes of f from offset on, which the caller has checked against f, then zeros. Refuses
 * what is not free RAM.
 */
enum status load_add_part(struct load *l, const struct file *f, uint64_t gpa, uint64_t offset,
			  uint64_t data_size, uint64_t size);
/* Refuses a kernel whose l->entry lies in none of the parts, or above 4 GiB. Before its modules are placed. */
enum status load_check_entry(const struct load *l);
/* True if all of the range is RAM that the guest may use as it likes. */
bool load_is_ram(const struct gmem *mem, uint64_t gpa, uint64_t size);

/*
 * For formats whose kernels are entered in 32-bit protected mode and are told of modules: places the modules behind the
 * kernel, each on a page of its own, then l->info. Everything lies below 4 GiB.
 */
enum status load_place_modules(struct load *l);

/* Room for what any of the formats tells its kernel. */
#define LOAD_INFO_SIZE KIB(16)

/* Fills l->info from its beginning; the first error stays. */
struct load_writer {
	const struct load *l;
	uint64_t next;
	enum status status;
};
struct load_writer load_writer(const struct load *l);
/* Appends n bytes, aligned to 8; returns their gpa. data NULL: zeros. */
uint64_t load_put(struct load_writer *w, const void *data, size_t n);
uint64_t load_put_string(struct load_writer *w, const char *text);

/* Flat segments with these selectors, the last two the task's; no LDT. */
struct load_segments {
	uint16_t code, data;
	uint32_t code_size; /* SEG_ATTR_DB or SEG_ATTR_L: 32 or 64 bits */
	uint16_t task;
	uint64_t task_base;
};
#define LOAD_TSS_LIMIT 0x67 /* the least: SDM Vol. 3A, "TSS Descriptor" */
void load_set_segments(struct vcpu *v, const struct load_segments *s);

/* 32-bit protected mode without paging, flat segments, interrupts off; RIP is l->entry. */
void load_set_protected(const struct load *l, struct vcpu *v);

enum load_map_type { LOAD_MAP_RAM = 1, LOAD_MAP_RESERVED = 2, LOAD_MAP_NVS = 4 };
#define LOAD_MAP_MAX (GMEM_SLOT_MAX + 2)

/* The guest's memory map. All protocols number the types as INT 15h, AX=E820h does. */
struct load_map {
	uint32_t count;
	struct {
		uint64_t base, size;
		enum load_map_type type;
	} entry[LOAD_MAP_MAX];
};
void load_map_fill(struct load_map *map, const struct gmem *mem);
/* KiB of RAM from 1 MiB on, up to the first hole. */
uint32_t load_memory_upper(const struct gmem *mem);

#define LOAD_NAME "Ingot" /* as the loader that kernels are told of */
