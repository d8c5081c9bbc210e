/* SPDX-License-Identifier: BSD-2-Clause */
/* What CPUID hides is not there: its instructions are #UD, its bits of control registers and its MSRs are #GP. */
#include "hv/lib/util.h"
#include "tests/guests/lib/guest.h"

#define UD 6
#define GP 13

static uint64_t value;

static void read(uint64_t msr)
{
	(void)rdmsr((uint32_t)msr);
}

static void write(uint64_t msr)
{
	wrmsr((uint32_t)msr, value);
}

static void set_cr4(uint64_t bits)
{
	write_cr4(read_cr4() | bits);
}

static void set_xcr0(uint64_t bits)
{
	write_cr4(read_cr4() | CR4_OSXSAVE);
	xsetbv(0, XCR0_X87 | XCR0_SSE | bits);
}

static void set_efer(uint64_t bits)
{
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | bits);
}

#define INSN(name, text)                                                                                     \
	static void name(uint64_t arg)                                                                       \
	{                                                                                                    \
		(void)arg;                                                                                   \
		asm volatile(text ::"a"(0), "c"(0), "d"(0) : "memory", "cc");                                \
	}
INSN(insn_xbegin, ".byte 0xc7, 0xf8, 0, 0, 0, 0")
INSN(insn_xtest, ".byte 0x0f, 0x01, 0xd6")
INSN(insn_tpause, ".byte 0x66, 0x0f, 0xae, 0xf1")
INSN(insn_umwait, ".byte 0xf2, 0x0f, 0xae, 0xf1")
INSN(insn_umonitor, ".byte 0xf3, 0x0f, 0xae, 0xf0")
INSN(insn_monitor, ".byte 0x0f, 0x01, 0xc8")
INSN(insn_mwait, ".byte 0x0f, 0x01, 0xc9")
INSN(insn_tilerelease, ".byte 0xc4, 0xe2, 0x78, 0x49, 0xc0")
INSN(insn_encls, ".byte 0x0f, 0x01, 0xcf")
INSN(insn_getsec, ".byte 0x0f, 0x37")
INSN(insn_vmptrst, ".byte 0x0f, 0xc7, 0x3c, 0x24")
INSN(insn_vmload, ".byte 0x0f, 0x01, 0xda")
INSN(insn_clgi, ".byte 0x0f, 0x01, 0xdd")
INSN(insn_rdpmc, "rdpmc")

static const struct {
	const char *name;
	void (*fn)(uint64_t arg);
	uint64_t arg;
	int vector;
	bool not_qemu; /* QEMU 7.2 takes the bytes for another instruction, or does not intercept it */
} faults[] = {
    {"hidden/tsx-xbegin", insn_xbegin, 0, UD, true},
    {"hidden/tsx-xtest", insn_xtest, 0, UD, false},
    {"hidden/waitpkg-tpause", insn_tpause, 0, UD, true},
    {"hidden/waitpkg-umwait", insn_umwait, 0, UD, true},
    {"hidden/waitpkg-umonitor", insn_umonitor, 0, UD, true},
    {"hidden/monitor", insn_monitor, 0, UD, false},
    {"hidden/mwait", insn_mwait, 0, UD, false},
    {"hidden/amx-tilerelease", insn_tilerelease, 0, UD, false},
    {"hidden/amx-xcr0", set_xcr0, 3UL << 17, GP, true},
    {"hidden/mpx-xcr0", set_xcr0, 3UL << 3, GP, true},
    {"hidden/sgx-encls", insn_encls, 0, UD, false},
    {"hidden/smx-getsec", insn_getsec, 0, UD, false},
    {"hidden/vmx-vmptrst", insn_vmptrst, 0, UD, false},
    {"hidden/svm-vmload", insn_vmload, 0, UD, false},
    {"hidden/svm-clgi", insn_clgi, 0, UD, false},
    {"hidden/pmu-rdpmc", insn_rdpmc, 0, GP, false},
    {"hidden/vmx-cr4", set_cr4, BIT(13), GP, false},
    {"hidden/smx-cr4", set_cr4, BIT(14), GP, false},
    {"hidden/cet-cr4", set_cr4, BIT(23), GP, false},
    {"hidden/pks-cr4", set_cr4, BIT(24), GP, false},
    {"hidden/uintr-cr4", set_cr4, BIT(25), GP, false},
    {"hidden/svm-efer", set_efer, EFER_SVME, GP, false},
    {"hidden/pmu-pmc0", read, MSR_IA32_PMC0, GP, false},
    {"hidden/pmu-global", read, MSR_IA32_PERF_GLOBAL_CTRL, GP, false},
    {"hidden/pmu-pebs", read, MSR_IA32_PEBS_ENABLE, GP, false},
    {"hidden/pmu-amd", read, 0xc0010000, GP, false},
    {"hidden/pmu-ibs", read, 0xc0011030, GP, false},
    {"hidden/lbr-tos", read, MSR_LASTBRANCH_TOS, GP, false},
    {"hidden/lbr-arch", read, 0x14ce, GP, false},
    {"hidden/pt-ctl", read, 0x570, GP, false},
    {"hidden/umwait-control", read, MSR_IA32_UMWAIT_CONTROL, GP, false},
    {"hidden/amx-xfd", read, 0x1c4, GP, false},
    {"hidden/tsx-ctrl", read, MSR_IA32_TSX_CTRL, GP, false},
    {"hidden/cet-s", read, MSR_IA32_S_CET, GP, false},
    {"hidden/lbr-debugctl", write, MSR_IA32_DEBUGCTL, GP, false}, /* value 1: LBR */
};

void test_main(void)
{
	bool qemu = cpuid(0, 0).ebx == 0x68747541; /* "Auth" */

	value = 1;
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		if (qemu && faults[i].not_qemu)
			guest_printf("SKIP %s: QEMU's TCG\n", faults[i].name);
		else
			guest_expect_equal(faults[i].name, (uint64_t)guest_catch(faults[i].fn, faults[i].arg),
					   (uint64_t)faults[i].vector);
	}
}
