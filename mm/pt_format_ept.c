/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Extended page tables: SDM Vol. 3C, "The Extended Page Table Mechanism (EPT)", tables "Format of an EPT
 * ... Entry"; memory types: "EPT and Memory Typing". "Ignore PAT" stays clear, so that the guest's PAT
 * narrows write-back as it would on real RAM.
 */
#include "mm/pagetable.h"

#include "hv/lib/util.h"

#define EPT_READ       BIT(0)
#define EPT_WRITE      BIT(1)
#define EPT_EXEC       BIT(2)
#define EPT_RIGHTS     (EPT_READ | EPT_WRITE | EPT_EXEC)
#define EPT_TYPE_SHIFT 3
#define EPT_TYPE       BITS(5, 3)
#define EPT_LARGE      BIT(7)
#define EPT_PA         BITS(51, 12)

/* SDM Vol. 3C, "EPT and Memory Typing": encodings as in the PAT. */
static const uint64_t type_code[] = {[PT_WB] = 6, [PT_WT] = 4, [PT_WC] = 1, [PT_UC] = 0};

static uint64_t ept_leaf(uint64_t pa, unsigned level, uint32_t prot, enum pt_memtype type)
{
	return pa | EPT_READ | (prot & PT_WRITE ? EPT_WRITE : 0) | (prot & PT_EXEC ? EPT_EXEC : 0) |
	       type_code[type] << EPT_TYPE_SHIFT | (level > 1 ? EPT_LARGE : 0);
}

static uint64_t ept_table(uint64_t pa)
{
	return pa | EPT_RIGHTS;
}

/* An entry is not present if bits 2:0 are all 0. */
static bool ept_is_present(uint64_t entry)
{
	return entry & EPT_RIGHTS;
}

static bool ept_is_leaf(uint64_t entry, unsigned level)
{
	return level == 1 || (entry & EPT_LARGE);
}

static uint64_t ept_address(uint64_t entry, unsigned level)
{
	return ept_is_leaf(entry, level) ? entry & BITS(51, 12 + 9 * (level - 1)) : entry & EPT_PA;
}

static uint32_t ept_prot(uint64_t entry)
{
	return (entry & EPT_READ ? PT_READ : 0) | (entry & EPT_WRITE ? PT_WRITE : 0) |
	       (entry & EPT_EXEC ? PT_EXEC : 0);
}

static enum pt_memtype ept_memtype(uint64_t entry)
{
	uint64_t code = (entry & EPT_TYPE) >> EPT_TYPE_SHIFT;

	for (enum pt_memtype t = PT_WB; t < PT_UC; t++)
		if (type_code[t] == code)
			return t;
	return PT_UC;
}

struct pt_format pt_ept = {
    .name = "EPT",
    .max_leaf_level = 3,
    .leaf = ept_leaf,
    .table = ept_table,
    .is_present = ept_is_present,
    .is_leaf = ept_is_leaf,
    .address = ept_address,
    .prot = ept_prot,
    .memtype = ept_memtype,
};
