/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Nested page tables: APM Vol. 2, "Nested Paging". Entries are as in the host's long mode, but a guest's access
 * is always a user access ("Nested Paging and VMRUN/#VMEXIT"), so U/S must be set at every
 * level; NX takes effect because the host's EFER.NXE is set. The memory type combines with the guest's PAT.
 */
#include "mm/pagetable.h"

#include "hv/lib/util.h"

#define NPTE_P   BIT(0)
#define NPTE_RW  BIT(1)
#define NPTE_US  BIT(2)
#define NPTE_PWT BIT(3)
#define NPTE_PCD BIT(4)
#define NPTE_A   BIT(5)
#define NPTE_D   BIT(6)
#define NPTE_PS  BIT(7)
#define NPTE_NX  BIT(63)
#define NPTE_PA  BITS(51, 12)

/* By the PAT's power-on contents, as in the host format: nested entries are typed by the host's PAT. */
static const uint64_t type_bits[] = {
    [PT_WB] = 0, [PT_WT] = NPTE_PWT, [PT_WC] = NPTE_PCD, [PT_UC] = NPTE_PCD | NPTE_PWT};

static uint64_t npt_leaf(uint64_t pa, unsigned level, uint32_t prot, enum pt_memtype type)
{
	return pa | NPTE_P | NPTE_US | NPTE_A | NPTE_D | type_bits[type] | (prot & PT_WRITE ? NPTE_RW : 0) |
	       (prot & PT_EXEC ? 0 : NPTE_NX) | (level > 1 ? NPTE_PS : 0);
}

static uint64_t npt_table(uint64_t pa)
{
	return pa | NPTE_P | NPTE_RW | NPTE_US | NPTE_A;
}

static bool npt_is_present(uint64_t entry)
{
	return entry & NPTE_P;
}

static bool npt_is_leaf(uint64_t entry, unsigned level)
{
	return level == 1 || (entry & NPTE_PS);
}

static uint64_t npt_address(uint64_t entry, unsigned level)
{
	return npt_is_leaf(entry, level) ? entry & BITS(51, 12 + 9 * (level - 1)) : entry & NPTE_PA;
}

static uint32_t npt_prot(uint64_t entry)
{
	return PT_READ | (entry & NPTE_RW ? PT_WRITE : 0) | (entry & NPTE_NX ? 0 : PT_EXEC);
}

static enum pt_memtype npt_memtype(uint64_t entry)
{
	switch (entry & (NPTE_PCD | NPTE_PWT)) {
	case NPTE_PWT:
		return PT_WT;
	case NPTE_PCD:
		return PT_WC;
	case NPTE_PCD | NPTE_PWT:
		return PT_UC;
	default:
		return PT_WB;
	}
}

struct pt_format pt_npt = {
    .name = "NPT",
    .max_leaf_level = 3,
    .leaf = npt_leaf,
    .table = npt_table,
    .is_present = npt_is_present,
    .is_leaf = npt_is_leaf,
    .address = npt_address,
    .prot = npt_prot,
    .memtype = npt_memtype,
};
