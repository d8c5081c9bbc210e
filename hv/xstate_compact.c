/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A trial of the compacted format: SDM Vol. 1, "Extended Region of an XSAVE Area". Bochs 2.7 puts the first component
 * right behind the XMM registers, over the header: an XRSTOR then raises #GP or loads a wrong state. A Linux guest that
 * is given XSAVEC or XSAVES there loses vector registers whenever it goes from one process to another.
 */
#include "hv/xstate_compact.h"

#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/x86/cpuid.h"
#include "hv/x86/insn.h"
#include "hv/xstate.h"
#include "mm/page_alloc.h"

#define COMPONENT_FIRST 2 /* x87 and SSE are in the legacy region */
#define COMPONENTS      63

/* The component's first bytes, which differ from everything else in the area. */
static uint32_t mark_of(unsigned component)
{
	return 0x01010101 * (component + 1);
}

static void mark(uint8_t *standard, uint64_t components)
{
	xstate_reset(standard);
	for (unsigned i = COMPONENT_FIRST; i < COMPONENTS; i++) {
		if (components & BIT(i))
			*(uint32_t *)(standard + cpuid(CPUID_LEAF_XSTATE, i).ebx) = mark_of(i);
	}
	*(uint64_t *)(standard + XSAVE_BV) = components;
}

static bool is_marked(const uint8_t *compacted, uint64_t components)
{
	uint32_t at = XSAVE_LEGACY_SIZE;

	for (unsigned i = COMPONENT_FIRST; i < COMPONENTS; i++) {
		struct cpuid_regs r;

		if (!(components & BIT(i)))
			continue;
		r = cpuid(CPUID_LEAF_XSTATE, i);
		if (r.ecx & CPUID_D_ECX_ALIGN64)
			at = ALIGN_UP(at, 64U);
		if (*(const uint32_t *)(compacted + at) != mark_of(i))
			return false;
		at += r.eax;
	}
	return true;
}

bool xstate_compact_works(uint64_t components, uint32_t area_size)
{
	uint8_t *standard = page_alloc_bytes(area_size), *compacted = page_alloc_bytes(area_size);
	bool works = false;

	if (standard && compacted) {
		mark(standard, components);
		xrstor(standard, components);
		xsavec(compacted, components);
		works = is_marked(compacted, components);
		xstate_reset(standard);
		xrstor(standard, components);
	}
	if (standard)
		page_free_bytes(standard, area_size);
	if (compacted)
		page_free_bytes(compacted, area_size);
	return works;
}
