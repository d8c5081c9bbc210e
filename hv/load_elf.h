/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ELF kernels of 32 and 64 bit, for the formats that use them: segments and notes. Source: System V Application
 * Binary Interface, chapters 4 and 5, "ELF Header" and "Program Header".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "hv/lib/status.h"

struct file;
struct load;

struct elf {
	const struct file *file;
	bool is64;
	uint64_t entry, phoff;
	uint32_t phentsize, phnum;
};

/*
 * Checks the ELF header and that the program headers lie in the file. NULL: *e is filled, else what is wrong.
 */
const char *elf_open(struct elf *e, const struct file *f);
/* The value of the note of that owner and type, 4 or 8 bytes long. False: there is none that is whole. */
bool elf_note(const struct elf *e, const char *owner, uint32_t type, uint64_t *value);
/* Plans all segments that are to be loaded, at their physical addresses. */
enum status elf_plan(struct load *l, const struct elf *e);
/* The entry point as a physical address: it is a virtual one where its segment's addresses differ. */
uint64_t elf_entry(const struct elf *e);
