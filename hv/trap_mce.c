/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Machine checks (SDM Vol. 3B, "Machine-Check Architecture"). Every #MC is fatal: the banks are logged, then
 * the host panics. Corrected errors are left to firmware.
 */
#include "hv/lib/log.h"
#include "hv/lib/panic.h"
#include "hv/panic.h"
#include "hv/pcpu.h"
#include "hv/trap.h"
#include "hv/x86/cpuid.h"
#include "hv/x86/cr.h"
#include "hv/x86/insn.h"
#include "hv/x86/msr.h"

#define MCG_CTL_ALL (~0UL)
#define MC_CTL_ALL  (~0UL)

/* False: no machine-check architecture. Emulators may announce it in CPUID and lack its registers. */
static bool mce_capabilities(uint64_t *cap)
{
	uint32_t need = CPUID_1_EDX_MCE | CPUID_1_EDX_MCA;

	return (cpuid(CPUID_LEAF_FEATURES, 0).edx & need) == need && rdmsr_safe(MSR_IA32_MCG_CAP, cap);
}

/* Logs one bank and empties it; false: it held nothing. */
static bool mce_log_bank(uint32_t bank)
{
	uint64_t status, addr = 0, misc = 0;

	if (!rdmsr_safe(MSR_IA32_MC_STATUS(bank), &status) || (status & MC_STATUS_VAL) == 0)
		return false;
	if ((status & MC_STATUS_ADDRV) != 0 && !rdmsr_safe(MSR_IA32_MC_ADDR(bank), &addr))
		addr = 0;
	if ((status & MC_STATUS_MISCV) != 0 && !rdmsr_safe(MSR_IA32_MC_MISC(bank), &misc))
		misc = 0;
	log_error("machine check: CPU %u bank %u: status 0x%016lx address 0x%lx misc 0x%lx%s%s",
		  this_pcpu()->id, bank, status, addr, misc,
		  (status & MC_STATUS_UC) != 0 ? ", uncorrected" : "",
		  (status & MC_STATUS_PCC) != 0 ? ", processor context corrupt" : "");
	/* A failure leaves the bank as it is, which does no harm. */
	if (!wrmsr_safe(MSR_IA32_MC_STATUS(bank), 0))
		log_warn("machine check: bank %u cannot be cleared", bank);
	return true;
}

void mce_init_cpu(void)
{
	uint64_t cap;

	if (!mce_capabilities(&cap))
		return;
	if ((cap & MCG_CAP_CTL_P) != 0)
		wrmsr(MSR_IA32_MCG_CTL, MCG_CTL_ALL);
	for (uint32_t bank = 0; bank < (cap & MCG_CAP_COUNT); bank++) {
		mce_log_bank(bank);
		/* Some models reserve bank 0's control for firmware, which then has set it. */
		if (!wrmsr_safe(MSR_IA32_MC_CTL(bank), MC_CTL_ALL))
			continue;
	}
	write_cr4(read_cr4() | CR4_MCE);
}

void mce_log(void)
{
	uint64_t cap = 0, status = 0;
	uint32_t found = 0;

	if (!mce_capabilities(&cap) || !rdmsr_safe(MSR_IA32_MCG_STATUS, &status))
		log_error("machine check: this CPU doesn't tell more");
	for (uint32_t bank = 0; bank < (cap & MCG_CAP_COUNT); bank++)
		found += mce_log_bank(bank);
	log_error("machine check: %u banks, MCG_STATUS 0x%lx, RIP is %svalid", found, status,
		  (status & MCG_STATUS_RIPV) != 0 ? "" : "not ");
}

void mce_panic(const struct trap_frame *f)
{
	log_break_lock();
	mce_log();
	panic_trap(f);
}
