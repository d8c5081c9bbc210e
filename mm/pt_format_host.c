/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * 4-level paging of the host itself: SDM Vol. 3A, "4-Level Paging and 5-Level Paging" (formats of the paging-
 * structure entries); APM Vol. 2, "Long-Mode Page Translation". Memory types by the PAT's
 * power-on contents ("Programming the PAT"): PCD and PWT choose among WB, WT, UC-, UC.
 */
#include "mm/pagetable.h"

#include "hv/lib/util.h"

#define PTE_P   BIT(0)
#define PTE_RW  BIT(1)
#define PTE_PWT BIT(3)
#define PTE_PCD BIT(4)
#define PTE_A   BIT(5)
#define PTE_D   BIT(6)
#define PTE_PS  BIT(7)
#define PTE_G   BIT(8)
#define PTE_XD  BIT(63)
#define PTE_PA  BITS(51, 12)

/* UC- is what write-combining gets: an MTRR may still turn it into WC, which it can't do with UC. */
static const uint64_t type_bits[] = {
    [PT_WB] = 0, [PT_WT] = PTE_PWT, [PT_WC] = PTE_PCD, [PT_UC] = PTE_PCD | PTE_PWT};

/* Accessed and dirty are set from the start: nobody reads them, and the processor need not. */
static uint64_t host_leaf(uint64_t pa, unsigned level, uint32_t prot, enum pt_memtype type)
{
	return pa | PTE_P | PTE_A | PTE_D | type_bits[type] | (prot & PT_WRITE ? PTE_RW : 0) |
	       (prot & PT_EXEC ? 0 : PTE_XD) | (prot & PT_GLOBAL ? PTE_G : 0) | (level > 1 ? PTE_PS : 0);
}

static uint64_t host_table(uint64_t pa)
{
	return pa | PTE_P | PTE_RW | PTE_A;
}

static bool host_is_present(uint64_t entry)
{
	return entry & PTE_P;
}

static bool host_is_leaf(uint64_t entry, unsigned level)
{
	return level == 1 || (entry & PTE_PS);
}

static uint64_t host_address(uint64_t entry, unsigned level)
{
	/* In a large leaf the lowest address bit is the PAT bit, and the others below the page size reserved. */
	return host_is_leaf(entry, level) ? entry & BITS(51, 12 + 9 * (level - 1)) : entry & PTE_PA;
}

static uint32_t host_prot(uint64_t entry)
{
	return PT_READ | (entry & PTE_RW ? PT_WRITE : 0) | (entry & PTE_XD ? 0 : PT_EXEC) |
	       (entry & PTE_G ? PT_GLOBAL : 0);
}

static enum pt_memtype host_memtype(uint64_t entry)
{
	switch (entry & (PTE_PCD | PTE_PWT)) {
	case PTE_PWT:
		return PT_WT;
	case PTE_PCD:
		return PT_WC;
	case PTE_PCD | PTE_PWT:
		return PT_UC;
	default:
		return PT_WB;
	}
}

struct pt_format pt_host = {
    .name = "host",
    .max_leaf_level = 3,
    .leaf = host_leaf,
    .table = host_table,
    .is_present = host_is_present,
    .is_leaf = host_is_leaf,
    .address = host_address,
    .prot = host_prot,
    .memtype = host_memtype,
};

bool pt_host_find(const struct page_table *pt, uint64_t va, struct pt_span *span)
{
	const uint64_t *table = pt->root;
	unsigned shift = 12 + 9 * 3;
	uint64_t entry;

	/* No entry of the root is a leaf, and each of the last level is. */
	for (;;) {
		entry = table[va >> shift & 0x1ff];
		if (!(entry & PTE_P))
			return false;
		if (shift == 12 || (entry & PTE_PS))
			break;
		table = pt->mem->from_pa(entry & PTE_PA);
		shift -= 9;
	}
	span->size = BIT(shift);
	span->va = va & ~(BIT(shift) - 1);
	span->pa = entry & PTE_PA & ~(BIT(shift) - 1);
	return true;
}
