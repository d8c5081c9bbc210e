/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One page-table engine with three formats: the host's own (and a VM's host view), EPT, NPT. It owns the
 * tables' pages and nothing that they map. It does no TLB maintenance: whoever cuts a mapping flushes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/lib/status.h"
#include "hv/lib/types.h"

enum pt_prot {
	PT_READ = 1 << 0,
	PT_WRITE = 1 << 1,
	PT_EXEC = 1 << 2,
	PT_GLOBAL = 1 << 3, /* host format only */
};

enum pt_memtype { PT_WB, PT_WT, PT_WC, PT_UC };

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
};

extern struct pt_format pt_host, pt_ept, pt_npt;
extern const struct pt_memory pt_host_memory; /* over page_alloc */

enum status pt_init(struct page_table *pt, const struct pt_format *fmt, const struct pt_memory *mem);
/*
 * Maps [va, va+len) to pa with the largest leaves that alignment and the format allow. All three are
 * multiples of 4 KiB; nothing of the range may be mapped yet (ERR_EXIST). ERR_NOMEM leaves the range unmapped.
 */
enum status pt_map(struct page_table *pt, uint64_t va, uint64_t pa, uint64_t len, uint32_t prot,
		   enum pt_memtype type);
/* Unmaps [va, va+len), splitting larger leaves; what isn't mapped is passed over. Frees empty tables. */
enum status pt_unmap(struct page_table *pt, uint64_t va, uint64_t len);
/* Changes the rights of [va, va+len), all of which must be mapped. */
enum status pt_protect(struct page_table *pt, uint64_t va, uint64_t len, uint32_t prot);

struct pt_leaf {
	uint64_t pa, size; /* of the whole leaf */
	uint32_t prot;
};
/* The leaf that maps va. */
bool pt_lookup(const struct page_table *pt, uint64_t va, struct pt_leaf *leaf);
/* Calls fn for each leaf, ascending. */
void pt_walk(const struct page_table *pt, void (*fn)(void *arg, uint64_t va, const struct pt_leaf *leaf),
	     void *arg);
/* Frees every table; what they mapped stays. */
void pt_fini(struct page_table *pt);
