/* SPDX-License-Identifier: BSD-2-Clause */
/* ELF kernels made up for tests: a header, program headers behind it, whatever the test puts behind those. */
#pragma once

#include "fake_load.h"

#define ELF_IMAGE_SIZE 0x3000

static uint8_t image[ELF_IMAGE_SIZE];
static bool elf64;
static unsigned elf_phnum;

static inline void put(unsigned at, uint64_t value, unsigned size)
{
	memcpy(image + at, &value, size);
}

static inline void elf_begin(bool is64, uint64_t entry)
{
	for (unsigned i = 0; i < sizeof(image); i++)
		image[i] = (uint8_t)(i * 7 + i / 256);
	memset(image, 0, 0x1000);
	elf64 = is64;
	elf_phnum = 0;
	put(0, 0x464c457f, 4);
	put(4, is64 ? 2 : 1, 1);
	put(5, 1, 1);
	put(6, 1, 1);
	put(16, 2, 2);
	put(18, is64 ? 62 : 3, 2);
	put(24, entry, is64 ? 8 : 4);
	put(is64 ? 32 : 28, is64 ? 64 : 52, is64 ? 8 : 4);
	put(is64 ? 54 : 42, is64 ? 56 : 32, 2);
	fake_load_new(image, sizeof(image));
}

static inline unsigned elf_phdr(unsigned i)
{
	return elf64 ? 64 + i * 56 : 52 + i * 32;
}

static inline void elf_segment(uint32_t type, uint64_t offset, uint64_t vaddr, uint64_t paddr,
			       uint64_t filesz, uint64_t memsz)
{
	unsigned at = elf_phdr(elf_phnum++), n = elf64 ? 8 : 4;

	put(at, type, 4);
	at += elf64 ? 8 : 4;
	put(at, offset, n);
	put(at + n, vaddr, n);
	put(at + 2 * n, paddr, n);
	put(at + 3 * n, filesz, n);
	put(at + 4 * n, memsz, n);
	put(elf64 ? 56 : 44, elf_phnum, 2);
}

/* At offset `at`: a note with a value of n bytes. */
static inline void elf_note_at(unsigned at, const char *owner, uint32_t type, uint64_t value, unsigned n)
{
	put(at, strlen(owner) + 1, 4);
	put(at + 4, n, 4);
	put(at + 8, type, 4);
	memcpy(image + at + 12, owner, strlen(owner) + 1);
	put(at + 12 + (unsigned)ALIGN_UP(strlen(owner) + 1, 4), value, n);
}
