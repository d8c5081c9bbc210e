/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers come back from every way to save and restore them that CPUID offers: each component of the extended state
 * alone, and all together.
 */
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "tests/guests/lib/guest.h"

#define AREA    8192
#define HEADER  512 /* XSTATE_BV, XCOMP_BV */
#define PATTERN 0x5a

static uint8_t filled[AREA] __attribute__((aligned(64))), initial[AREA] __attribute__((aligned(64)));
static uint8_t area[AREA] __attribute__((aligned(64))), seen[AREA] __attribute__((aligned(64)));
static uint64_t components;

#define INSN(name)                                                                                           \
	static void name(void *p)                                                                            \
	{                                                                                                    \
		asm volatile(#name "64 (%0)" ::"r"(p), "a"((uint32_t)components), "d"(0) : "memory");        \
	}
INSN(xsaveopt)
INSN(xsaves)
INSN(xrstors)

static void save_standard(void *p)
{
	xsave(p, components);
}

static void save_compacted(void *p)
{
	xsavec(p, components);
}

static void restore(void *p)
{
	xrstor(p, components);
}

static const struct way {
	const char *name;
	uint32_t feature; /* bit of leaf 0xd, subleaf 1, EAX; 0: always there */
	void (*save)(void *p);
	void (*restore)(void *p);
} ways[] = {
    {"xsave", 0, save_standard, restore},
    {"xsaveopt", CPUID_D1_EAX_XSAVEOPT, xsaveopt, restore},
    {"xsavec", CPUID_D1_EAX_XSAVEC, save_compacted, restore},
    {"xsaves", CPUID_D1_EAX_XSAVES, xsaves, xrstors},
};

static unsigned place_of(unsigned component)
{
	return component == 1 ? 160 : cpuid(CPUID_LEAF_XSTATE, component).ebx;
}

static unsigned size_of(unsigned component)
{
	if (component == 1)
		return 256;
	return BIT(component) == XCR0_PKRU ? 4 : cpuid(CPUID_LEAF_XSTATE, component).eax;
}

static const struct way *way; /* that guest_catch calls */

static void call_restore(uint64_t arg)
{
	(void)arg;
	way->restore(area);
}

/* Fills the components of `used`, and looks whether they are there again after the state was set back in between. */
static bool survives(uint64_t used)
{
	memcpy(filled + HEADER, &used, sizeof(used));
	restore(filled);
	memset(area, 0, sizeof(area));
	way->save(area);
	restore(initial);
	if (guest_catch(call_restore, 0) >= 0)
		return false;
	memset(seen, 0, sizeof(seen));
	xsave(seen, components);
	for (unsigned i = 1; i < 63; i++) {
		if ((used & BIT(i)) && memcmp(seen + place_of(i), filled + place_of(i), size_of(i)))
			return false;
	}
	return true;
}

static void state_enable(void)
{
	write_cr0((read_cr0() | CR0_MP) & ~(CR0_EM | CR0_TS));
	write_cr4(read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE);
	components = cpuid(CPUID_LEAF_XSTATE, 0).eax;
	xsetbv(0, components);
	xsave(initial, components);
	memset(initial + HEADER, 0, 64);
	memcpy(filled, initial, sizeof(filled));
	for (unsigned i = 1; i < 63; i++) {
		if (components & BIT(i))
			memset(filled + place_of(i), PATTERN, size_of(i));
	}
}

void test_main(void)
{
	uint32_t features;

	if (!(cpuid(1, 0).ecx & CPUID_1_ECX_XSAVE)) {
		guest_printf("no XSAVE\n");
		return;
	}
	features = cpuid(CPUID_LEAF_XSTATE, 1).eax;
	state_enable();
	for (way = ways; way < ways + ARRAY_SIZE(ways); way++) {
		if (way->feature && !(features & way->feature)) {
			guest_printf("%s: not offered\n", way->name);
			continue;
		}
		for (unsigned i = 1; i < 63; i++) {
			if (components & BIT(i))
				EXPECT(way->name, survives(BIT(i)));
		}
		EXPECT(way->name, survives(components));
	}
}
