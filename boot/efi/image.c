/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loads the embedded ingot.elf: System V ABI, "Program Loading". The file is of our own build, so it's
 * checked for being what it should, not for malice.
 */
#include "boot/efi/image.h"
#include <elf.h>
#include "hv/lib/string.h"

#define IMAGE_ALIGN 0x200000ull

extern const char image_elf[], image_elf_end[];

/* The virtual addresses that the image spans. */
static void span(const Elf64_Ehdr *e, const Elf64_Phdr *p, UINT64 *start, UINT64 *end)
{
	*start = ~0ull;
	*end = 0;
	for (unsigned i = 0; i < e->e_phnum; i++) {
		if (p[i].p_type != PT_LOAD)
			continue;
		if (p[i].p_vaddr < *start)
			*start = p[i].p_vaddr;
		if (p[i].p_vaddr + p[i].p_memsz > *end)
			*end = p[i].p_vaddr + p[i].p_memsz;
	}
}

/* Pages below 4 GiB whose address is a multiple of IMAGE_ALIGN; what is left over on both sides goes back. */
static EFI_STATUS allocate_aligned(UINT64 size, UINT64 *pa)
{
	UINTN pages = PAGES(size), slack = IMAGE_ALIGN / PAGE_BYTES, before, after;
	EFI_PHYSICAL_ADDRESS block = BELOW_4G;
	/* Code: firmware that enforces rights lets it be executed. */
	EFI_STATUS s = BS->AllocatePages(AllocateMaxAddress, EfiLoaderCode, pages + slack, &block);

	if (EFI_ERROR(s))
		return s;
	*pa = (block + IMAGE_ALIGN - 1) & ~(IMAGE_ALIGN - 1);
	before = (*pa - block) / PAGE_BYTES;
	after = slack - before;
	if (before > 0)
		BS->FreePages(block, before);
	if (after > 0)
		BS->FreePages(*pa + pages * PAGE_BYTES, after);
	return EFI_SUCCESS;
}

EFI_STATUS image_load(UINT64 *pa, image_entry_fn *entry)
{
	const Elf64_Ehdr *e = (const Elf64_Ehdr *)image_elf;
	const Elf64_Phdr *p = (const Elf64_Phdr *)(image_elf + e->e_phoff);
	UINT64 start, end;
	EFI_STATUS s;

	if ((UINTN)(image_elf_end - image_elf) < sizeof(*e) || memcmp(e->e_ident, ELFMAG, SELFMAG) != 0)
		return EFI_LOAD_ERROR;
	span(e, p, &start, &end);
	if (start >= end || e->e_entry < start || e->e_entry >= end)
		return EFI_LOAD_ERROR;
	s = allocate_aligned(end - start, pa);
	if (EFI_ERROR(s))
		return s;
	SetMem((void *)*pa, end - start, 0);
	for (unsigned i = 0; i < e->e_phnum; i++) {
		if (p[i].p_type == PT_LOAD)
			CopyMem((void *)(*pa + p[i].p_vaddr - start), image_elf + p[i].p_offset,
				p[i].p_filesz);
	}
	*entry = (image_entry_fn)(*pa + e->e_entry - start);
	return EFI_SUCCESS;
}
