/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest's accesses to MSRs, by msr_table: the row is found by an index, and does what its kind says. */
#include "hv/msr.h"

#include "hv/event.h"
#include "hv/guest_map.h"
#include "hv/lib/panic.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/msr_table.h"
#include "hv/speculation.h"
#include "hv/vm.h"
#include "hv/x86/cpuid.h"
#include "hv/x86/kvm_para.h"
#include "hv/x86/msr.h"

#define MISC_ENABLE_INIT (MISC_ENABLE_FAST_STRING | MISC_ENABLE_BTS_UNAVAIL | MISC_ENABLE_PEBS_UNAVAIL)
#define MTRR_FIXED_WB    0x0606060606060606UL
#define MTRR_FIXED_WP    0x0505050505050505UL
#define MSR_HIGH_BASE    0xc0000000u /* EFER, SYSCALL, segment bases */
#define MSR_AMD_BASE     0xc0010000u

/* The ranges that have rows, and an index into msr_table for each MSR of them: an exit looks up, and doesn't search. */
static const struct {
	uint32_t first, count;
} blocks[] = {
    {0, MSR_X2APIC_LAST + 1},   {MSR_HIGH_BASE, 0x200}, {MSR_AMD_BASE, 0x1200},
    {MSR_KVM_WALL_CLOCK, 0x10}, {MSR_IA32_XSS, 1},
};
#define INDEX_SIZE   (MSR_X2APIC_LAST + 1 + 0x200 + 0x1200 + 0x10 + 1)
#define VENDOR_COUNT (CPUID_VENDOR_OTHER + 1)

static uint8_t row_of[VENDOR_COUNT][INDEX_SIZE];

/* Where msr is in an index; INDEX_SIZE: in no block. */
static inline uint32_t place_of(uint32_t msr)
{
	uint32_t before = 0;

#pragma GCC unroll 5
	for (size_t i = 0; i < ARRAY_SIZE(blocks); i++) {
		if (msr - blocks[i].first < blocks[i].count)
			return before + (msr - blocks[i].first);
		before += blocks[i].count;
	}
	return INDEX_SIZE;
}

static bool is_for(const struct msr_row *r, enum cpuid_vendor vendor)
{
	return r->scope == CPUID_BOTH || (r->scope == CPUID_INTEL && vendor == CPUID_VENDOR_INTEL) ||
	       (r->scope == CPUID_AMD && vendor == CPUID_VENDOR_AMD);
}

static void index_row(uint8_t *index, uint8_t n)
{
	const struct msr_row *r = &msr_table[n];
	uint32_t first = place_of(r->first), last = place_of(r->last);

	CHECK(first < INDEX_SIZE && last < INDEX_SIZE && last - first == r->last - r->first);
	for (uint32_t i = first; i <= last; i++) {
		CHECK(!index[i]); /* two rows for one MSR */
		index[i] = n;
	}
}

void msr_init(void)
{
	memset(row_of, 0, sizeof(row_of));
	for (enum cpuid_vendor vendor = 0; vendor < VENDOR_COUNT; vendor++) {
		for (uint8_t n = 1; n < msr_table_rows; n++) {
			if (is_for(&msr_table[n], vendor))
				index_row(row_of[vendor], n);
		}
	}
}

static inline const struct msr_row *find(struct vcpu *v, uint32_t msr)
{
	uint32_t place = place_of(msr);

	if (__builtin_expect(place >= INDEX_SIZE, 0))
		return &msr_table[0];
	return &msr_table[v->vm->msr_rows[v->vm->msr_index[place]]];
}

static bool is_there(const struct cpuid_policy *p, const struct msr_row *r)
{
	if (!r->with[0].leaf)
		return true;
	for (size_t i = 0; i < MSR_WITH_MAX && r->with[i].leaf; i++) {
		if (cpuid_has(p, r->with[i]))
			return true;
	}
	return false;
}

void msr_choose(struct vm *vm)
{
	vm->msr_index = row_of[vm->cpuid.vendor];
	for (size_t n = 0; n < msr_table_rows; n++)
		vm->msr_rows[n] = is_there(&vm->cpuid, &msr_table[n]) ? (uint8_t)n : 0;
}

void msr_passthrough(const struct vm *vm, void *map, void (*allow)(void *map, uint32_t msr, uint8_t rights))
{
	for (size_t n = 1; n < msr_table_rows; n++) {
		const struct msr_row *r = &msr_table[n];

		if (r->host_bits && speculation_spec_ctrl())
			continue;
		if (r->pass && is_for(r, vm->cpuid.vendor) && is_there(&vm->cpuid, r))
			allow(map, r->first, r->pass);
	}
}

static uint64_t *stored(struct vcpu *v, const struct msr_row *r)
{
	return (uint64_t *)((uint8_t *)v + r->offset);
}

static bool row_read(struct vcpu *v, const struct msr_row *r, uint32_t msr, uint64_t *value)
{
	switch (r->kind) {
	case ROW_CONST:
	case ROW_IGNORED:
		*value = r->value;
		return true;
	case ROW_STORED:
		*value = *stored(v, r);
		return true;
	case ROW_VENDOR:
	case ROW_CANONICAL:
		*value = ops->msr_get(v, (enum vmsr)r->offset);
		return true;
	case ROW_FUNCTION:
		return r->read && r->read(v, msr, value);
	}
	return false;
}

bool msr_read(struct vcpu *v, uint32_t msr, uint64_t *value)
{
	return row_read(v, find(v, msr), msr, value);
}

static bool is_canonical(const struct cpuid_policy *p, uint64_t a)
{
	unsigned shift = 64 - p->linear_bits;

	return (uint64_t)((int64_t)(a << shift) >> shift) == a;
}

bool msr_write(struct vcpu *v, uint32_t msr, uint64_t value)
{
	const struct msr_row *r = find(v, msr);

	if (r->write)
		return r->write(v, msr, value);
	switch (r->kind) {
	case ROW_CONST:
	case ROW_FUNCTION:
		return false;
	case ROW_IGNORED:
		return true;
	case ROW_STORED:
		if (value & ~r->value)
			return false;
		*stored(v, r) = value;
		return true;
	case ROW_VENDOR:
		if (value & ~r->value)
			return false;
		ops->msr_set(v, (enum vmsr)r->offset, value);
		return true;
	case ROW_CANONICAL:
		if (!is_canonical(&v->vm->cpuid, value))
			return false;
		ops->msr_set(v, (enum vmsr)r->offset, value);
		return true;
	}
	return false;
}

void msr_reset(struct vcpu *v)
{
	struct msr_state *m = &v->msr;

	memset(m, 0, sizeof(*m));
	for (enum vmsr r = VMSR_KERNEL_GS_BASE; r <= VMSR_SYSENTER_EIP; r++)
		ops->msr_set(v, r, 0);
	ops->msr_set(v, VMSR_PAT, PAT_RESET);
	m->poll_control = KVM_POLL_ENABLE;
	m->misc_enable = MISC_ENABLE_INIT;
	m->hwcr = HWCR_TSCFREQSEL;
	m->de_cfg = DE_CFG_LFENCE_SERIALIZE;
	/* As firmware leaves it: RAM is write-back, VGA and the hole for devices uncached, ROM write-protected. */
	m->mtrr_def_type = MEMTYPE_WB | MTRR_DEF_TYPE_FE | MTRR_DEF_TYPE_E;
	for (unsigned i = 0; i < ARRAY_SIZE(m->mtrr_fixed); i++)
		m->mtrr_fixed[i] = i < 2 ? MTRR_FIXED_WB : i == 2 ? 0 : MTRR_FIXED_WP;
	m->mtrr_base[0] = GUEST_PCI_HOLE_BASE | MEMTYPE_UC;
	m->mtrr_mask[0] =
	    (BITS(v->vm->cpuid.phys_bits - 1, 0) & ~(GUEST_RAM_HIGH_BASE - GUEST_PCI_HOLE_BASE - 1)) |
	    MTRR_PHYSMASK_VALID;
}

static inline enum exit_action answer(struct vcpu *v, uint64_t value)
{
	v->gpr[RAX] = (uint32_t)value;
	v->gpr[RDX] = value >> 32;
	return ACT_ADVANCE;
}

/* Not inlined, so that the other way has no frame. */
[[gnu::noinline]] static enum exit_action read_any(struct vcpu *v, const struct msr_row *r, uint32_t msr)
{
	uint64_t value;

	if (row_read(v, r, msr, &value))
		return answer(v, value);
	event_raise_error(v, EXC_GP, 0);
	return ACT_RESUME;
}

enum exit_action msr_read_handle(struct vcpu *v)
{
	uint32_t msr = (uint32_t)v->gpr[RCX];
	const struct msr_row *r = find(v, msr);

	if (r->kind != ROW_STORED)
		return read_any(v, r, msr);
	return answer(v, *stored(v, r));
}

enum exit_action msr_write_handle(struct vcpu *v)
{
	uint64_t value = (uint32_t)v->gpr[RAX] | v->gpr[RDX] << 32;

	if (!msr_write(v, (uint32_t)v->gpr[RCX], value)) {
		event_raise_error(v, EXC_GP, 0);
		return ACT_RESUME;
	}
	return ACT_ADVANCE;
}
