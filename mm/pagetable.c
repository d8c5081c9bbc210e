/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The page-table engine: four levels of 512 entries, recursive, the meaning of an entry's bits left to
 * the format. Changes that may fail (making tables, splitting leaves) come before those that may not.
 */
#include "mm/pagetable.h"

#include "hv/lib/panic.h"
#include "hv/lib/util.h"

#define TOP_LEVEL 4
#define ENTRIES   512u

/* What one entry of a level maps. */
static uint64_t entry_size(unsigned level)
{
	return PAGE_SIZE << (9 * (level - 1));
}

static unsigned entry_index(uint64_t va, unsigned level)
{
	return (va / entry_size(level)) % ENTRIES;
}

static uint64_t *child_of(const struct page_table *pt, uint64_t entry, unsigned level)
{
	return pt->mem->from_pa(pt->fmt->address(entry, level));
}

/* Processors may be walking the tables: an entry changes by one store, after what it refers to. */
static void entry_set(uint64_t *entry, uint64_t value)
{
	__atomic_store_n(entry, value, __ATOMIC_RELEASE);
}

static uint64_t *table_new(struct page_table *pt)
{
	uint64_t *table = pt->mem->alloc();

	if (table)
		pt->tables++;
	return table;
}

static void table_free(struct page_table *pt, uint64_t *table)
{
	pt->mem->free(table);
	pt->tables--;
}

static bool table_empty(const struct page_table *pt, const uint64_t *table)
{
	for (unsigned i = 0; i < ENTRIES; i++)
		if (pt->fmt->is_present(table[i]))
			return false;
	return true;
}

/* Frees the table that an entry of `level` refers to and everything below it. */
static void free_below(struct page_table *pt, uint64_t *entry, unsigned level)
{
	uint64_t *table = child_of(pt, *entry, level);

	entry_set(entry, 0);
	for (unsigned i = 0; level > 2 && i < ENTRIES; i++)
		if (pt->fmt->is_present(table[i]) && !pt->fmt->is_leaf(table[i], level - 1))
			free_below(pt, &table[i], level - 1);
	table_free(pt, table);
}

static void free_if_empty(struct page_table *pt, uint64_t *entry, unsigned level)
{
	if (pt->keep || (level == TOP_LEVEL && pt->keep_top))
		return;
	if (table_empty(pt, child_of(pt, *entry, level)))
		free_below(pt, entry, level);
}

/* Clears what is mapped in [va, end), which cuts no leaf in two. */
static void clear(struct page_table *pt, uint64_t *table, unsigned level, uint64_t va, uint64_t end)
{
	for (uint64_t next; va < end; va = next) {
		uint64_t *entry = &table[entry_index(va, level)];

		next = MIN(end, ALIGN_DOWN(va, entry_size(level)) + entry_size(level));
		if (!pt->fmt->is_present(*entry))
			continue;
		if (pt->fmt->is_leaf(*entry, level)) {
			CHECK(next - va == entry_size(level));
			entry_set(entry, 0);
			continue;
		}
		clear(pt, child_of(pt, *entry, level), level - 1, va, next);
		free_if_empty(pt, entry, level);
	}
}

struct mapping {
	uint64_t offset; /* pa - va */
	uint32_t prot;
	enum pt_memtype type;
};

static enum status map(struct page_table *pt, uint64_t *table, unsigned level, uint64_t va, uint64_t end,
		       const struct mapping *m);

/* Maps [va, end), inside what one entry of `level` covers. */
static enum status map_entry(struct page_table *pt, uint64_t *entry, unsigned level, uint64_t va,
			     uint64_t end, const struct mapping *m)
{
	uint64_t pa = va + m->offset;
	enum status s;

	if (pt->fmt->is_present(*entry) && pt->fmt->is_leaf(*entry, level))
		return ERR_EXIST;
	if (!pt->fmt->is_present(*entry)) {
		uint64_t *child;

		if (level <= pt->fmt->max_leaf_level && end - va == entry_size(level) &&
		    IS_ALIGNED(pa, entry_size(level))) {
			entry_set(entry, pt->fmt->leaf(pa, level, m->prot, m->type));
			return OK;
		}
		child = table_new(pt);
		if (!child)
			return ERR_NOMEM;
		entry_set(entry, pt->fmt->table(pt->mem->to_pa(child)));
	}
	s = map(pt, child_of(pt, *entry, level), level - 1, va, end, m);
	if (s != OK)
		free_if_empty(pt, entry, level);
	return s;
}

static enum status map(struct page_table *pt, uint64_t *table, unsigned level, uint64_t va, uint64_t end,
		       const struct mapping *m)
{
	uint64_t start = va;

	for (uint64_t next; va < end; va = next) {
		enum status s;

		next = MIN(end, ALIGN_DOWN(va, entry_size(level)) + entry_size(level));
		s = map_entry(pt, &table[entry_index(va, level)], level, va, next, m);
		if (s != OK) {
			clear(pt, table, level, start, va);
			return s;
		}
	}
	return OK;
}

/* Splits leaves until va is the end of one. */
static enum status split_at(struct page_table *pt, uint64_t va)
{
	uint64_t *table = pt->root;

	for (unsigned level = TOP_LEVEL; !IS_ALIGNED(va, entry_size(level)); level--) {
		uint64_t *entry = &table[entry_index(va, level)];

		if (!pt->fmt->is_present(*entry))
			return OK;
		if (pt->fmt->is_leaf(*entry, level)) {
			uint64_t pa = pt->fmt->address(*entry, level);
			uint64_t *child = table_new(pt);

			if (!child)
				return ERR_NOMEM;
			for (unsigned i = 0; i < ENTRIES; i++)
				child[i] = pt->fmt->leaf(pa + i * entry_size(level - 1), level - 1,
							 pt->fmt->prot(*entry), pt->fmt->memtype(*entry));
			entry_set(entry, pt->fmt->table(pt->mem->to_pa(child)));
		}
		table = child_of(pt, *entry, level);
	}
	return OK;
}

static bool all_mapped(const struct page_table *pt, const uint64_t *table, unsigned level, uint64_t va,
		       uint64_t end)
{
	for (uint64_t next; va < end; va = next) {
		uint64_t entry = table[entry_index(va, level)];

		next = MIN(end, ALIGN_DOWN(va, entry_size(level)) + entry_size(level));
		if (!pt->fmt->is_present(entry))
			return false;
		if (!pt->fmt->is_leaf(entry, level) &&
		    !all_mapped(pt, child_of(pt, entry, level), level - 1, va, next))
			return false;
	}
	return true;
}

static void protect(struct page_table *pt, uint64_t *table, unsigned level, uint64_t va, uint64_t end,
		    uint32_t prot)
{
	for (uint64_t next; va < end; va = next) {
		uint64_t *entry = &table[entry_index(va, level)];

		next = MIN(end, ALIGN_DOWN(va, entry_size(level)) + entry_size(level));
		if (!pt->fmt->is_leaf(*entry, level))
			protect(pt, child_of(pt, *entry, level), level - 1, va, next, prot);
		else
			entry_set(entry, pt->fmt->leaf(pt->fmt->address(*entry, level), level, prot,
						       pt->fmt->memtype(*entry)));
	}
}

/* The 48 bits of va that are translated; with them, the end of a range never wraps. */
static uint64_t range_start(uint64_t va, uint64_t len)
{
	uint64_t start = va & BITS(PT_VA_BITS - 1, 0);

	CHECK(IS_ALIGNED(va | len, PAGE_SIZE) && len <= BIT(PT_VA_BITS) - start);
	return start;
}

enum status pt_init(struct page_table *pt, const struct pt_format *fmt, const struct pt_memory *mem)
{
	*pt = (struct page_table){.fmt = fmt, .mem = mem};
	pt->root = table_new(pt);
	return pt->root ? OK : ERR_NOMEM;
}

enum status pt_map(struct page_table *pt, uint64_t va, uint64_t pa, uint64_t len, uint32_t prot,
		   enum pt_memtype type)
{
	uint64_t start = range_start(va, len);
	const struct mapping m = {.offset = pa - start, .prot = prot, .type = type};

	CHECK(IS_ALIGNED(pa, PAGE_SIZE) && (prot & PT_READ));
	return map(pt, pt->root, TOP_LEVEL, start, start + len, &m);
}

enum status pt_unmap(struct page_table *pt, uint64_t va, uint64_t len)
{
	uint64_t start = range_start(va, len);
	enum status s = split_at(pt, start);

	if (s == OK)
		s = split_at(pt, start + len);
	if (s == OK)
		clear(pt, pt->root, TOP_LEVEL, start, start + len);
	return s;
}

uint64_t *pt_leaf_entry(const struct page_table *pt, uint64_t va)
{
	uint64_t *table = pt->root;

	for (unsigned level = TOP_LEVEL; level > 1; level--) {
		uint64_t entry = table[entry_index(va, level)];

		if (!pt->fmt->is_present(entry) || pt->fmt->is_leaf(entry, level))
			return NULL;
		table = child_of(pt, entry, level);
	}
	return &table[entry_index(va, 1)];
}

enum status pt_protect(struct page_table *pt, uint64_t va, uint64_t len, uint32_t prot)
{
	uint64_t start = range_start(va, len);
	enum status s;

	CHECK(prot & PT_READ);
	if (!all_mapped(pt, pt->root, TOP_LEVEL, start, start + len))
		return ERR_NOENT;
	s = split_at(pt, start);
	if (s == OK)
		s = split_at(pt, start + len);
	if (s == OK)
		protect(pt, pt->root, TOP_LEVEL, start, start + len, prot);
	return s;
}

static void leaf_of(const struct page_table *pt, uint64_t entry, unsigned level, struct pt_leaf *leaf)
{
	leaf->pa = pt->fmt->address(entry, level);
	leaf->size = entry_size(level);
	leaf->prot = pt->fmt->prot(entry);
	leaf->type = pt->fmt->memtype(entry);
}

bool pt_lookup(const struct page_table *pt, uint64_t va, struct pt_leaf *leaf)
{
	const uint64_t *table = pt->root;

	for (unsigned level = TOP_LEVEL;; level--) {
		uint64_t entry = table[entry_index(va, level)];

		if (!pt->fmt->is_present(entry)) {
			*leaf = (struct pt_leaf){.size = entry_size(level)};
			return false;
		}
		if (pt->fmt->is_leaf(entry, level)) {
			leaf_of(pt, entry, level, leaf);
			return true;
		}
		table = child_of(pt, entry, level);
	}
}

static void walk(const struct page_table *pt, const uint64_t *table, unsigned level, uint64_t va,
		 void (*fn)(void *arg, uint64_t va, const struct pt_leaf *leaf), void *arg)
{
	for (unsigned i = 0; i < ENTRIES; i++, va += entry_size(level)) {
		struct pt_leaf leaf;

		if (level == TOP_LEVEL && i == ENTRIES / 2 && pt->fmt == &pt_host)
			va |= BITS(63, PT_VA_BITS);
		if (!pt->fmt->is_present(table[i]))
			continue;
		if (!pt->fmt->is_leaf(table[i], level)) {
			walk(pt, child_of(pt, table[i], level), level - 1, va, fn, arg);
			continue;
		}
		leaf_of(pt, table[i], level, &leaf);
		fn(arg, va, &leaf);
	}
}

void pt_walk(const struct page_table *pt, void (*fn)(void *arg, uint64_t va, const struct pt_leaf *leaf),
	     void *arg)
{
	walk(pt, pt->root, TOP_LEVEL, 0, fn, arg);
}

void pt_fini(struct page_table *pt)
{
	for (unsigned i = 0; i < ENTRIES; i++)
		if (pt->fmt->is_present(pt->root[i]))
			free_below(pt, &pt->root[i], TOP_LEVEL);
	table_free(pt, pt->root);
	pt->root = NULL;
}

enum status pt_fill_root(struct page_table *pt, unsigned first, unsigned last)
{
	CHECK(first <= last && last < ENTRIES);
	for (unsigned i = first; i <= last; i++) {
		uint64_t *table;

		if (pt->fmt->is_present(pt->root[i]))
			continue;
		table = table_new(pt);
		if (!table)
			return ERR_NOMEM;
		entry_set(&pt->root[i], pt->fmt->table(pt->mem->to_pa(table)));
	}
	return OK;
}
