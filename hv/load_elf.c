/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads ELF kernels: see load_elf.h. Every offset is proven to lie in the file before it is used. */
#include "hv/load_elf.h"

#include "hv/files.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/load.h"

#define EI_CLASS    4
#define EI_DATA     5
#define CLASS_32    1
#define CLASS_64    2
#define DATA_LITTLE 1
#define ET_EXEC     2
#define ET_DYN      3
#define EM_386      3
#define EM_X86_64   62
#define PT_LOAD     1
#define PT_NOTE     4
#define PHNUM_MAX   64

struct ehdr32 {
	uint8_t ident[16];
	uint16_t type, machine;
	uint32_t version, entry, phoff, shoff, flags;
	uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
static_assert(sizeof(struct ehdr32) == 52);

struct ehdr64 {
	uint8_t ident[16];
	uint16_t type, machine;
	uint32_t version;
	uint64_t entry, phoff, shoff;
	uint32_t flags;
	uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
static_assert(sizeof(struct ehdr64) == 64);

struct phdr32 {
	uint32_t type, offset, vaddr, paddr, filesz, memsz, flags, align;
};

struct phdr64 {
	uint32_t type, flags;
	uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

struct note_header {
	uint32_t namesz, descsz, type;
};

static bool in_file(const struct file *f, uint64_t offset, uint64_t size)
{
	return offset <= f->size && size <= f->size - offset;
}

/* n bytes at offset, if they are there. */
static bool fetch(const struct file *f, uint64_t offset, void *out, size_t n)
{
	if (!in_file(f, offset, n))
		return false;
	memcpy(out, (const uint8_t *)f->data + offset, n);
	return true;
}

/* The fields of both classes that matter. */
static bool read_header(struct elf *e, struct ehdr64 *h)
{
	struct ehdr32 h32;

	if (!fetch(e->file, 0, h32.ident, sizeof(h32.ident)))
		return false;
	e->is64 = h32.ident[EI_CLASS] == CLASS_64;
	if (e->is64)
		return fetch(e->file, 0, h, sizeof(*h));
	if (!fetch(e->file, 0, &h32, sizeof(h32)))
		return false;
	*h = (struct ehdr64){.type = h32.type,
			     .machine = h32.machine,
			     .entry = h32.entry,
			     .phoff = h32.phoff,
			     .phentsize = h32.phentsize,
			     .phnum = h32.phnum};
	memcpy(h->ident, h32.ident, sizeof(h->ident));
	return true;
}

const char *elf_open(struct elf *e, const struct file *f)
{
	struct ehdr64 h;

	*e = (struct elf){.file = f};
	if (!read_header(e, &h) || memcmp(h.ident, "\177ELF", 4))
		return "not an ELF file";
	if (h.ident[EI_DATA] != DATA_LITTLE ||
	    (h.ident[EI_CLASS] != CLASS_64 && h.ident[EI_CLASS] != CLASS_32) ||
	    h.machine != (e->is64 ? EM_X86_64 : EM_386))
		return "an ELF file for another kind of CPU";
	if (h.type != ET_EXEC && h.type != ET_DYN)
		return "an ELF file, but not one that can be started";
	e->entry = h.entry;
	e->phoff = h.phoff;
	e->phentsize = h.phentsize;
	e->phnum = h.phnum;
	if (e->phnum == 0 || e->phnum > PHNUM_MAX)
		return "an ELF file with no program headers, or too many";
	if (e->phentsize < (e->is64 ? sizeof(struct phdr64) : sizeof(struct phdr32)) ||
	    !in_file(f, e->phoff, (uint64_t)e->phentsize * e->phnum))
		return "truncated: its program headers lie outside the file";
	return NULL;
}

/* Program header i, which elf_open has proven to be there. */
static struct phdr64 segment(const struct elf *e, uint32_t i)
{
	uint64_t at = e->phoff + (uint64_t)i * e->phentsize;
	struct phdr64 p = {};
	struct phdr32 p32 = {};

	if (e->is64) {
		(void)fetch(e->file, at, &p, sizeof(p));
		return p;
	}
	(void)fetch(e->file, at, &p32, sizeof(p32));
	return (struct phdr64){.type = p32.type,
			       .offset = p32.offset,
			       .vaddr = p32.vaddr,
			       .paddr = p32.paddr,
			       .filesz = p32.filesz,
			       .memsz = p32.memsz};
}

/* A note's value, if it lies at offset; *offset goes to the next note. False: there is no whole note any more. */
static bool take_note(const struct elf *e, uint64_t *offset, uint64_t end, struct note_header *n,
		      uint64_t *name, uint64_t *desc)
{
	if (end - *offset < sizeof(*n) || !fetch(e->file, *offset, n, sizeof(*n)))
		return false;
	*name = *offset + sizeof(*n);
	*desc = *name + ALIGN_UP((uint64_t)n->namesz, 4);
	*offset = *desc + ALIGN_UP((uint64_t)n->descsz, 4);
	return *desc + n->descsz <= end;
}

static bool find_in(const struct elf *e, const struct phdr64 *p, const char *owner, uint32_t type,
		    uint64_t *value)
{
	uint64_t at = p->offset, end = p->offset + p->filesz, name, desc;
	size_t length = strlen(owner) + 1;
	const uint8_t *data = e->file->data;
	struct note_header n;

	if (!in_file(e->file, p->offset, p->filesz))
		return false;
	while (at < end && take_note(e, &at, end, &n, &name, &desc)) {
		if (n.type != type || n.namesz != length || memcmp(data + name, owner, length))
			continue;
		*value = 0;
		if (n.descsz != sizeof(uint32_t) && n.descsz != sizeof(uint64_t))
			return false;
		memcpy(value, data + desc, n.descsz);
		return true;
	}
	return false;
}

bool elf_note(const struct elf *e, const char *owner, uint32_t type, uint64_t *value)
{
	for (uint32_t i = 0; i < e->phnum; i++) {
		struct phdr64 p = segment(e, i);

		if (p.type == PT_NOTE && find_in(e, &p, owner, type, value))
			return true;
	}
	return false;
}

enum status elf_plan(struct load *l, const struct elf *e)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < e->phnum; i++) {
		struct phdr64 p = segment(e, i);
		enum status s;

		if (p.type != PT_LOAD || !p.memsz)
			continue;
		if (p.filesz > p.memsz || !in_file(e->file, p.offset, p.filesz))
			return load_refuse(
			    l, e->file, "broken or truncated: segment %u is %lu bytes at 0x%lx of the file",
			    i, p.filesz, p.offset);
		if (++count > LOAD_SEGMENT_MAX)
			return load_refuse(l, e->file, "more than %u segments", LOAD_SEGMENT_MAX);
		s = load_add_part(l, e->file, p.paddr, p.offset, p.filesz, p.memsz);
		if (s != OK)
			return s;
	}
	return count ? OK : load_refuse(l, e->file, "no segment of it is to be loaded");
}

uint64_t elf_entry(const struct elf *e)
{
	for (uint32_t i = 0; i < e->phnum; i++) {
		struct phdr64 p = segment(e, i);

		if (p.type == PT_LOAD && e->entry >= p.vaddr && e->entry - p.vaddr < p.memsz)
			return p.paddr + (e->entry - p.vaddr);
	}
	return e->entry;
}
