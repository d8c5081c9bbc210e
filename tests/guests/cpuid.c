/* SPDX-License-Identifier: BSD-2-Clause */
/* CPUID: that a hypervisor is announced, and that what guests don't have is hidden whole. */
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "tests/guests/lib/guest.h"

/* A feature that no guest sees, by leaf, register and bit. */
static const struct hidden {
	const char *name;
	uint32_t leaf, subleaf;
	char reg;
	uint8_t bit;
} hidden[] = {
    {"cpuid/no-vmx", 1, 0, 'c', 5},          {"cpuid/no-monitor", 1, 0, 'c', 3},
    {"cpuid/no-pdcm", 1, 0, 'c', 15},        {"cpuid/no-ds", 1, 0, 'd', 21},
    {"cpuid/no-hle", 7, 0, 'b', 4},          {"cpuid/no-rtm", 7, 0, 'b', 11},
    {"cpuid/no-pt", 7, 0, 'b', 25},          {"cpuid/no-mpx", 7, 0, 'b', 14},
    {"cpuid/no-waitpkg", 7, 0, 'c', 5},      {"cpuid/no-amx-tile", 7, 0, 'd', 24},
    {"cpuid/no-amx-bf16", 7, 0, 'd', 22},    {"cpuid/no-amx-int8", 7, 0, 'd', 25},
    {"cpuid/no-svm", 0x80000001, 0, 'c', 2}, {"cpuid/no-perfctr-core", 0x80000001, 0, 'c', 23},
};

static uint32_t pick(const struct cpuid_regs *r, char reg)
{
	return reg == 'a' ? r->eax : reg == 'b' ? r->ebx : reg == 'c' ? r->ecx : r->edx;
}

static void check_signature(void)
{
	struct cpuid_regs r = cpuid(0x40000000, 0);
	char text[13] = {};

	memcpy(text, &r.ebx, 4);
	memcpy(text + 4, &r.ecx, 4);
	memcpy(text + 8, &r.edx, 4);
	guest_printf("hypervisor: %s\n", text);
	EXPECT("cpuid/signature", !strcmp(text, "IngotIngotHV"));
	EXPECT("cpuid/hypervisor-bit", cpuid(1, 0).ecx >> 31);
}

static void check_ranges(void)
{
	struct cpuid_regs beyond = cpuid(cpuid(0, 0).eax + 1, 0), past = cpuid(0x80000000 + 0x1000, 0);

	EXPECT("cpuid/basic-max", cpuid(0, 0).eax >= 0xd);
	/* Intel repeats the highest basic leaf beyond the range, AMD gives zeros; both are a CPU's behaviour. */
	EXPECT("cpuid/beyond-defined", beyond.eax == cpuid(cpuid(0, 0).eax, 0).eax || !beyond.eax);
	(void)past;
	EXPECT("cpuid/no-perfmon-leaf", !(cpuid(0xa, 0).eax & 0xff));
}

/* OSXSAVE follows CR4, not the host's. */
static void check_osxsave(void)
{
	uint64_t cr4 = read_cr4();

	if (!(cpuid(1, 0).ecx & CPUID_1_ECX_XSAVE)) {
		guest_printf("SKIP cpuid/osxsave: no XSAVE here\n");
		return;
	}
	write_cr4(cr4 & ~CR4_OSXSAVE);
	EXPECT("cpuid/osxsave-off", !(cpuid(1, 0).ecx & CPUID_1_ECX_OSXSAVE));
	write_cr4(cr4 | CR4_OSXSAVE);
	EXPECT("cpuid/osxsave-on", cpuid(1, 0).ecx & CPUID_1_ECX_OSXSAVE);
	EXPECT("cpuid/xsave-size", cpuid(0xd, 0).ebx >= 576);
}

void test_main(void)
{
	check_signature();
	check_ranges();
	for (size_t i = 0; i < ARRAY_SIZE(hidden); i++) {
		struct cpuid_regs r = cpuid(hidden[i].leaf, hidden[i].subleaf);

		guest_expect(hidden[i].name, !(pick(&r, hidden[i].reg) >> hidden[i].bit & 1),
			     "the feature is hidden");
	}
	check_osxsave();
	EXPECT("cpuid/apic-id", cpuid(1, 0).ebx >> 24 == 0);
}
