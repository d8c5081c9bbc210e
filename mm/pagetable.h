/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One page-table engine with three formats: the host's own (and a VM's host view), EPT, NPT. It owns the
 * tables' pages and nothing that they map. It does no TLB maintenance: whoever cuts a mapping flushes. It takes no
 * lock: the caller keeps changes of one page_table apart. Processors may walk it meanwhile.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/lib/status.h"
#include "hv/lib/types.h"

enum pt_prot {
	PT_READ = 1 << 0, /* always wanted: no format here has memory that can't be read */
	PT_WRITE = 1 << 1,
	PT_EXEC = 1 << 2,
	PT_GLOBAL = 1 << 3, /* host format only */
};

/* PT_WC needs write-combining MTRRs where a format has no type of its own for it (host, NPT). */
enum pt_memtype { PT_WB, PT_WT, PT_WC, PT_UC };

/* Bits of an address that four levels translate; the rest copies bit 47 or is zero. */
#define PT_VA_BITS 48

struct pt_format {
	const char *name;
	uint8_t
	    max_leaf_level; /* 1: 4K only, 2: up to 2M, 3: up to 1G; lowered at boot where the CPU lacks 1G */
	uint64_t (*leaf)(uint64_t pa, unsigned level, uint32_t prot, enum pt_memtype type);
	uint64_t (*table)(uint64_t pa);
	bool (*is_present)(uint64_t entry);
	bool (*is_leaf)(uint64_t entry, unsigned level);
	uint64_t (*address)(uint64_t entry, unsigned level);
	uint32_t (*prot)(uint64_t entry);
	enum pt_memtype (*memtype)(uint64_t entry);
};

/* Where table pages come from; tests inject their own. Pages are 4 KiB, zeroed. */
struct pt_memory {
	void *(*alloc)(void);
	void (*free)(void *table);
	uint64_t (*to_pa)(const void *table);
	void *(*from_pa)(uint64_t pa);
};

struct page_table {
	const struct pt_format *fmt;
	const struct pt_memory *mem;
	uint64_t *root;  /* level 4 */
	uint32_t tables; /* pages in use, root included */
	/* All tables stay, though they may be empty: for mappings that come and go while processors walk them. */
	bool keep;
	bool keep_top; /* level-3 tables stay when they get empty: other roots refer to them */
};

extern struct pt_format pt_host, pt_ept, pt_npt;
extern const struct pt_memory pt_host_memory; /* over page_alloc */

/* What a leaf maps: size bytes from va on are at pa. */
struct pt_span {
	uint64_t va, pa, size;
};
/* Where va leads and nothing else, by a table of pt_host's. False: nowhere. */
bool pt_host_find(const struct page_table *pt, uint64_t va, struct pt_span *span);

enum status pt_init(struct page_table *pt, const struct pt_format *fmt, const struct pt_memory *mem);
/*
 * Maps [va, va+len) to pa with the largest leaves that alignment and the format allow. All three are
 * multiples of 4 KiB; nothing of the range may be mapped yet (ERR_EXIST). On an error the range is as it was.
 */
enum status pt_map(struct page_table *pt, uint64_t va, uint64_t pa, uint64_t len, uint32_t prot,
		   enum pt_memtype type);
/*
 * Unmaps [va, va+len), splitting larger leaves; what isn't mapped is passed over. Frees empty tables.
 * ERR_NOMEM: a leaf could not be split, all is still mapped; not possible where va and its end are ends of leaves.
 */
enum status pt_unmap(struct page_table *pt, uint64_t va, uint64_t len);
/* Changes the rights of [va, va+len), all of which must be mapped (ERR_NOENT). ERR_NOMEM as pt_unmap. */
enum status pt_protect(struct page_table *pt, uint64_t va, uint64_t len, uint32_t prot);

struct pt_leaf {
	uint64_t pa, size; /* of the whole leaf */
	uint32_t prot;
	enum pt_memtype type;
};
/* The leaf that maps va. False: there is none; leaf->size is what the absent entry would cover, all of it unmapped. */
bool pt_lookup(const struct page_table *pt, uint64_t va, struct pt_leaf *leaf);
/* The entry of the 4 KiB page at va, for a caller that changes what it maps; NULL: there is no table with it. */
uint64_t *pt_leaf_entry(const struct page_table *pt, uint64_t va);
/* Calls fn for each leaf, ascending; va is canonical in the host format. */
void pt_walk(const struct page_table *pt, void (*fn)(void *arg, uint64_t va, const struct pt_leaf *leaf),
	     void *arg);
/* Frees every table; what they mapped stays. */
void pt_fini(struct page_table *pt);

/* Puts an empty level-3 table into each absent slot first..last of the root, for other roots to share. */
enum status pt_fill_root(struct page_table *pt, unsigned first, unsigned last);
