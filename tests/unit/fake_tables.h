/* SPDX-License-Identifier: BSD-2-Clause */
/* Page tables of the host's kind from the real allocator, over an arena of the test's which is where its addresses say. */
#pragma once

#include "mm/page_alloc.h"
#include "mm/pagetable.h"

static inline void *table_alloc(void)
{
	return page_alloc(0);
}

static inline void table_free(void *table)
{
	page_free(table, 0);
}

static inline uint64_t table_pa(const void *table)
{
	return (uint64_t)table;
}

static inline void *table_ptr(uint64_t pa)
{
	return (void *)pa;
}

const struct pt_memory pt_host_memory = {table_alloc, table_free, table_pa, table_ptr};
