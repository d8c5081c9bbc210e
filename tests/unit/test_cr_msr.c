/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest's control registers, EFER, XCR0, debug registers and MSRs: what is accepted, what faults, what follows. */
#include "fake_vcpu.h"

#include "hv/cr.h"
#include "hv/insn.h"
#include "hv/msr.h"
#include "hv/pv_eoi.h"
#include "hv/pv_steal.h"
#include "hv/pvclock.h"
#include "hv/x86/kvm_para.h"

#define CODE 0x10000UL

static bool has_speculation_control; /* guests have all other features, but for `lacks` */
static struct cpuid_feature lacks;

bool cpuid_has(const struct cpuid_policy *p, struct cpuid_feature f)
{
	if (f.leaf == lacks.leaf && f.reg == lacks.reg && f.bit == lacks.bit)
		return false;
	if (f.leaf == 0x80000008 && f.reg == CPUID_EBX)
		return false;
	return !(f.leaf == 7 && f.reg == CPUID_EDX) || (f.bit == 26 && has_speculation_control);
}

static uint64_t host_spec_ctrl;

uint64_t speculation_spec_ctrl(void)
{
	return host_spec_ctrl;
}

static uint64_t tpr;

uint64_t vlapic_get_tpr(const struct vcpu *v)
{
	return tpr;
}

void vlapic_set_tpr(struct vcpu *v, uint64_t cr8)
{
	tpr = cr8;
}

bool vlapic_base_set(struct vcpu *v, uint64_t value, unsigned phys_bits)
{
	v->lapic.base = value;
	return true;
}

uint64_t vlapic_tsc_deadline_get(const struct vcpu *v)
{
	return 77;
}

void vlapic_tsc_deadline_set(struct vcpu *v, uint64_t value)
{
}

void vlapic_tsc_changed(struct vcpu *v)
{
}

bool pv_steal_write_msr(struct vcpu *v, uint64_t value)
{
	v->msr.steal_time = value;
	return value != 3;
}

bool pv_eoi_write_msr(struct vcpu *v, uint64_t value)
{
	v->msr.pv_eoi = value;
	return value != 3;
}

bool vlapic_msr_read(struct vcpu *v, uint32_t msr, uint64_t *value)
{
	*value = msr;
	return msr == 0x802;
}

bool vlapic_msr_write(struct vcpu *v, uint32_t msr, uint64_t value)
{
	return msr == 0x80b;
}

uint64_t vm_time_to_host_ns(const struct vm *vm, uint64_t t)
{
	return t + 1500000000;
}

uint64_t time_wall_at_boot(void)
{
	return 1000;
}

static void new_vcpu(enum cpuid_vendor vendor)
{
	fake_vcpu_new();
	has_speculation_control = false;
	lacks = (struct cpuid_feature){};
	fake_vm.cpuid.vendor = vendor;
	fake_vm.cpuid.cr4_mask = CR4_PAE | CR4_PGE | CR4_PSE | CR4_PCIDE | CR4_OSXSAVE | CR4_SMEP | CR4_DE;
	fake_vm.cpuid.efer_mask = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE;
	fake_vm.cpuid.xcr0_mask = 0xe7;
	fake_vm.tsc = (struct guest_tsc){.hz = 2600000000, .multiplier = TSC_MULTIPLIER_ONE};
	msr_init();
	msr_choose(&fake_vm);
	msr_reset(&fake_vcpu);
	fake_reg[VREG_CR0] = CR0_PE | CR0_ET;
	fake_mode = MODE_PROT32;
}

static void test_long_mode(void **state)
{
	new_vcpu(CPUID_VENDOR_INTEL);
	assert_true(cr4_write(&fake_vcpu, CR4_PAE));
	assert_true(cr3_write(&fake_vcpu, 0x1000));
	assert_true(efer_write(&fake_vcpu, EFER_LME));
	assert_int_equal(fake_reg[VREG_EFER], EFER_LME);
	fake_forget();
	assert_true(cr0_write(&fake_vcpu, CR0_PE | CR0_PG));
	assert_int_equal(fake_reg[VREG_EFER], EFER_LME | EFER_LMA);
	assert_int_equal(fake_reg[VREG_CR0], CR0_PE | CR0_PG | CR0_ET);
	assert_true(fake_flushes > 0);
	/* LME can't change while paging is on; PAE can't go; PCIDs come and need CR3's low bits 0. */
	assert_false(efer_write(&fake_vcpu, 0));
	assert_false(cr4_write(&fake_vcpu, 0));
	fake_reg[VREG_CR3] = 0x1001;
	assert_false(cr4_write(&fake_vcpu, CR4_PAE | CR4_PCIDE));
	fake_reg[VREG_CR3] = 0x1000;
	assert_true(cr4_write(&fake_vcpu, CR4_PAE | CR4_PCIDE));
	assert_false(cr0_write(&fake_vcpu, CR0_PE));
	assert_true(cr4_write(&fake_vcpu, CR4_PAE));
	/* Not from 64-bit code; from compatibility mode it works and LMA goes. */
	fake_seg[SEG_CS].attr = SEG_ATTR_L;
	assert_false(cr0_write(&fake_vcpu, CR0_PE));
	fake_seg[SEG_CS].attr = 0;
	assert_true(cr0_write(&fake_vcpu, CR0_PE));
	assert_int_equal(fake_reg[VREG_EFER], EFER_LME);
	/* Without PAE long mode can't begin. */
	fake_reg[VREG_CR4] = 0;
	assert_false(cr0_write(&fake_vcpu, CR0_PE | CR0_PG));
}

static void test_cr_checks(void **state)
{
	new_vcpu(CPUID_VENDOR_INTEL);
	assert_false(cr0_write(&fake_vcpu, CR0_PG));
	assert_false(cr0_write(&fake_vcpu, CR0_PE | CR0_NW));
	assert_false(cr0_write(&fake_vcpu, CR0_PE | 1UL << 32));
	assert_true(cr0_write(&fake_vcpu, CR0_PE | CR0_NW | CR0_CD));
	assert_false(cr4_write(&fake_vcpu, CR4_VMXE));
	assert_false(cr4_write(&fake_vcpu, 1UL << 40));
	assert_false(efer_write(&fake_vcpu, EFER_SVME));
	fake_reg[VREG_EFER] = EFER_LMA | EFER_LME;
	assert_false(cr3_write(&fake_vcpu, 1UL << 41));
	fake_reg[VREG_CR4] = CR4_PCIDE;
	assert_true(cr3_write(&fake_vcpu, CR3_NOFLUSH | 0x2001));
	assert_int_equal(fake_reg[VREG_CR3], 0x2001);
}

static void test_pae_entries(void **state)
{
	new_vcpu(CPUID_VENDOR_INTEL);
	fake_reg[VREG_CR4] = CR4_PAE;
	fake_reg[VREG_CR3] = 0x2020;
	fake_poke64(0x2020, 0x3001);
	fake_poke64(0x2028, 0x4001);
	assert_true(cr0_write(&fake_vcpu, CR0_PE | CR0_PG));
	assert_int_equal(fake_reg[VREG_PDPTE0], 0x3001);
	assert_int_equal(fake_reg[VREG_PDPTE1], 0x4001);
	fake_poke64(0x2028, 0x4003); /* reserved bit 1 */
	assert_false(cr3_write(&fake_vcpu, 0x2020));
	fake_poke64(0x2028, 0x4002); /* not present: anything goes */
	assert_true(cr3_write(&fake_vcpu, 0x2020));
	assert_false(cr3_write(&fake_vcpu, 0x30000000)); /* outside memory */
}

static void test_xcr0(void **state)
{
	static const uint64_t good[] = {1, 3, 7, 0xe7}, bad[] = {0, 2, 5, 0x27, 0xe3, 0x207, 0x1f};

	new_vcpu(CPUID_VENDOR_INTEL);
	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(xcr0_write(&fake_vcpu, good[i]));
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(xcr0_write(&fake_vcpu, bad[i]));
	assert_int_equal(fake_vcpu.xcr0, 0xe7);
	assert_int_equal(xsetbv_handle(&fake_vcpu), ACT_RESUME);
	assert_int_equal(fake_raised.vector, EXC_UD);
	fake_reg[VREG_CR4] = CR4_OSXSAVE;
	fake_vcpu.gpr[RCX] = 1;
	fake_vcpu.gpr[RAX] = 7;
	assert_int_equal(xsetbv_handle(&fake_vcpu), ACT_RESUME);
	assert_int_equal(fake_raised.vector, EXC_GP);
}

static enum exit_action cr_insn(const char *bytes, size_t n)
{
	struct vm_exit e = {.kind = EXIT_CR, .cr = {.gpr = EXIT_GPR_DECODE, .access = CR_WRITE}};
	enum exit_action act;

	fake_poke(CODE, bytes, n);
	fake_vcpu.rip = CODE;
	fake_mode = MODE_LONG;
	act = cr_handle(&fake_vcpu, &e);
	if (act == ACT_ADVANCE)
		assert_int_equal(e.insn_len, n);
	return act;
}

static void test_cr_instructions(void **state)
{
	new_vcpu(CPUID_VENDOR_AMD);
	fake_vcpu.gpr[RBX] = CR0_PE | CR0_MP;
	assert_int_equal(cr_insn("\x0f\x22\xc3", 3), ACT_ADVANCE); /* mov cr0, rbx */
	assert_int_equal(fake_reg[VREG_CR0], CR0_PE | CR0_MP | CR0_ET);
	assert_int_equal(cr_insn("\x0f\x20\xc1", 3), ACT_ADVANCE); /* mov rcx, cr0 */
	assert_int_equal(fake_vcpu.gpr[RCX], CR0_PE | CR0_MP | CR0_ET);
	fake_reg[VREG_CR0] |= CR0_TS;
	assert_int_equal(cr_insn("\x0f\x06", 2), ACT_ADVANCE); /* clts */
	assert_false(fake_reg[VREG_CR0] & CR0_TS);
	fake_vcpu.gpr[RAX] = CR0_TS; /* lmsw ax: PE stays */
	assert_int_equal(cr_insn("\x0f\x01\xf0", 3), ACT_ADVANCE);
	assert_int_equal(fake_reg[VREG_CR0], CR0_PE | CR0_TS | CR0_ET);
	fake_vcpu.gpr[RDI] = 0x20000;
	fake_poke64(0x20000, CR0_PE | CR0_EM);
	assert_int_equal(cr_insn("\x0f\x01\x37", 3), ACT_ADVANCE); /* lmsw [rdi] */
	assert_int_equal(fake_reg[VREG_CR0], CR0_PE | CR0_EM | CR0_ET);
	assert_int_equal(cr_insn("\x0f\x01\x67\x08", 4), ACT_ADVANCE); /* smsw [rdi+8] */
	assert_int_equal(fake_peek64(0x20008), CR0_PE | CR0_EM | CR0_ET);
	fake_vcpu.gpr[R9] = 5;
	assert_int_equal(cr_insn("\x45\x0f\x22\xc1", 4), ACT_ADVANCE); /* mov cr8, r9 */
	assert_int_equal(tpr, 5);
	assert_int_equal(cr_insn("\xf0\x0f\x20\xc2", 4), ACT_ADVANCE); /* lock mov rdx, cr0: CR8 */
	assert_int_equal(fake_vcpu.gpr[RDX], 5);
	fake_vcpu.gpr[R9] = 16;
	assert_int_equal(cr_insn("\x45\x0f\x22\xc1", 4), ACT_RESUME);
	assert_int_equal(fake_raised.vector, EXC_GP);
	assert_int_equal(cr_insn("\x90", 1), ACT_STOPPED);

	/* User mode may read by SMSW; what another vCPU writes over it meanwhile gets no further. */
	fake_cpl = 3;
	assert_int_equal(cr_insn("\x0f\x01\xe0", 3), ACT_ADVANCE); /* smsw eax */
	fake_vcpu.gpr[RBX] = CR0_PE;
	assert_int_equal(cr_insn("\x0f\x22\xc3", 3), ACT_RESUME); /* mov cr0, rbx */
	assert_int_equal(fake_raised.vector, EXC_GP);
	assert_int_equal(cr_insn("\x0f\x01\xf0", 3), ACT_RESUME); /* lmsw ax */
}

static void test_dr(void **state)
{
	struct vm_exit e = {.kind = EXIT_DR, .dr = {.number = 7, .gpr = RAX, .write = true}};

	new_vcpu(CPUID_VENDOR_INTEL);
	fake_mode = MODE_LONG;
	fake_vcpu.gpr[RAX] = 0xffff;
	assert_int_equal(dr_handle(&fake_vcpu, &e), ACT_ADVANCE);
	assert_int_equal(fake_reg[VREG_DR7], 0x27ff);
	/* GD is now set: the next access traps and clears it. */
	assert_int_equal(dr_handle(&fake_vcpu, &e), ACT_RESUME);
	assert_int_equal(fake_raised.vector, EXC_DB);
	assert_true(fake_reg[VREG_DR6] & DR6_BD);
	assert_false(fake_reg[VREG_DR7] & DR7_GD);
	fake_vcpu.gpr[RAX] = 1UL << 32;
	assert_int_equal(dr_handle(&fake_vcpu, &e), ACT_RESUME);
	assert_int_equal(fake_raised.vector, EXC_GP);
	e.dr.number = 5; /* DR7's other name, unless CR4.DE */
	fake_vcpu.gpr[RAX] = 0;
	assert_int_equal(dr_handle(&fake_vcpu, &e), ACT_ADVANCE);
	assert_int_equal(fake_reg[VREG_DR7], DR7_FIXED);
	fake_reg[VREG_CR4] = CR4_DE;
	assert_int_equal(dr_handle(&fake_vcpu, &e), ACT_RESUME);
	assert_int_equal(fake_raised.vector, EXC_UD);
}

static uint64_t get(uint32_t msr)
{
	uint64_t value = 0;

	assert_true(msr_read(&fake_vcpu, msr, &value));
	return value;
}

static bool faults(uint32_t msr)
{
	uint64_t value;

	return !msr_read(&fake_vcpu, msr, &value) && !msr_write(&fake_vcpu, msr, 0);
}

static void test_msr_unlisted(void **state)
{
	static const uint32_t hidden[] = {
	    MSR_IA32_VMX_BASIC, MSR_VM_HSAVE_PA,      0xda1,
	    MSR_IA32_PMC0,      MSR_IA32_PERFEVTSEL0, MSR_IA32_ARCH_CAPABILITIES,
	    MSR_IA32_TSX_CTRL,  MSR_IA32_SMBASE,      0x12345,
	    0xc0000105,         0x40000000,           0xffffffff};

	for (enum cpuid_vendor vendor = CPUID_VENDOR_INTEL; vendor <= CPUID_VENDOR_AMD; vendor++) {
		new_vcpu(vendor);
		for (unsigned i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
			assert_true(faults(hidden[i]));
	}
	/* Of one vendor only. */
	new_vcpu(CPUID_VENDOR_INTEL);
	assert_true(faults(MSR_HWCR));
	assert_int_equal(get(MSR_IA32_FEATURE_CONTROL), FEATURE_CONTROL_LOCK);
	new_vcpu(CPUID_VENDOR_AMD);
	assert_true(faults(MSR_IA32_FEATURE_CONTROL));
	assert_true(faults(MSR_IA32_MISC_ENABLE));
	assert_int_equal(get(MSR_HWCR), HWCR_TSCFREQSEL);
	assert_false(msr_write(&fake_vcpu, MSR_VM_CR, 0));
	/* The exit raises #GP(0). */
	fake_vcpu.gpr[RCX] = 0x12345;
	assert_int_equal(msr_read_handle(&fake_vcpu), ACT_RESUME);
	assert_int_equal(fake_raised.vector, EXC_GP);
	fake_forget();
	assert_int_equal(msr_write_handle(&fake_vcpu), ACT_RESUME);
	assert_int_equal(fake_raised.vector, EXC_GP);
}

static void test_msr_memory_types(void **state)
{
	new_vcpu(CPUID_VENDOR_INTEL);
	assert_true(msr_write(&fake_vcpu, MSR_IA32_PAT, PAT_RESET));
	assert_int_equal(fake_msr[VMSR_PAT], PAT_RESET);
	assert_false(msr_write(&fake_vcpu, MSR_IA32_PAT, 0x02));
	assert_int_equal(get(MSR_IA32_MTRRCAP) & MTRRCAP_VCNT, MSR_MTRR_VAR_COUNT);
	/* Firmware's: RAM write-back, the hole below 4 GiB uncached. */
	assert_int_equal(get(MSR_IA32_MTRR_DEF_TYPE), 0xc06);
	assert_int_equal(get(MSR_IA32_MTRR_PHYSBASE(0)), 0xc0000000);
	assert_int_equal(get(MSR_IA32_MTRR_PHYSMASK(0)), 0xffc0000800);
	assert_int_equal(get(MSR_IA32_MTRR_FIX16K_A0000), 0);
	assert_int_equal(get(MSR_IA32_MTRR_FIX4K_F8000), 0x0505050505050505);
	assert_true(msr_write(&fake_vcpu, MSR_IA32_MTRR_FIX4K_F8000, 0x0606060606060606));
	assert_int_equal(get(MSR_IA32_MTRR_FIX4K_F8000), 0x0606060606060606);
	assert_false(msr_write(&fake_vcpu, MSR_IA32_MTRR_FIX4K_F8000, 0x07));
	assert_false(msr_write(&fake_vcpu, MSR_IA32_MTRR_PHYSBASE(7), 0x02));
	assert_false(msr_write(&fake_vcpu, MSR_IA32_MTRR_PHYSBASE(7), 1UL << 40));
	assert_true(msr_write(&fake_vcpu, MSR_IA32_MTRR_PHYSBASE(7), 0x10000006));
	assert_true(msr_write(&fake_vcpu, MSR_IA32_MTRR_PHYSMASK(7), 0xfff0000800));
	assert_int_equal(get(MSR_IA32_MTRR_PHYSBASE(7)), 0x10000006);
	assert_false(msr_write(&fake_vcpu, MSR_IA32_MTRR_PHYSMASK(7), 0xfff0000801));
	assert_true(faults(MSR_IA32_MTRR_PHYSBASE(8)));
	assert_false(msr_write(&fake_vcpu, MSR_IA32_MTRR_DEF_TYPE, 0x1000));
}

static void test_msr_others(void **state)
{
	new_vcpu(CPUID_VENDOR_INTEL);
	assert_int_equal(get(0x802), 0x802);
	assert_true(msr_write(&fake_vcpu, 0x80b, 0));
	assert_true(faults(0x8ff));
	assert_int_equal(get(MSR_IA32_TSC_DEADLINE), 77);
	/* The bases must be canonical. */
	assert_false(msr_write(&fake_vcpu, MSR_LSTAR, 1UL << 47));
	assert_true(msr_write(&fake_vcpu, MSR_LSTAR, 0xffff800000000000));
	assert_int_equal(fake_msr[VMSR_LSTAR], 0xffff800000000000);
	/* TSC and its adjustment move together. */
	assert_true(msr_write(&fake_vcpu, MSR_IA32_TSC_ADJUST, 1UL << 60));
	assert_int_equal(fake_vcpu.tsc_offset, 1UL << 60);
	assert_true(msr_write(&fake_vcpu, MSR_IA32_TSC, 0));
	assert_true(get(MSR_IA32_TSC) < 1UL << 40);
	assert_true((int64_t)get(MSR_IA32_TSC_ADJUST) < 0);
	/* They count guest ticks: what the host's count is makes no difference. */
	fake_vm.tsc.multiplier = 3 * TSC_MULTIPLIER_ONE / 2;
	assert_true(msr_write(&fake_vcpu, MSR_IA32_TSC, 5000));
	assert_in_range(get(MSR_IA32_TSC), 5000, 1UL << 40);
	/* Machine check banks take zeros. */
	assert_true(msr_write(&fake_vcpu, MSR_IA32_MC_CTL(0), ~0UL));
	assert_false(msr_write(&fake_vcpu, MSR_IA32_MC_STATUS(0), 1));
	assert_true(msr_write(&fake_vcpu, MSR_IA32_MC_STATUS(0), 0));
	assert_true(faults(MSR_IA32_MC_CTL(MSR_MC_BANKS)));
	assert_true(msr_write(&fake_vcpu, MSR_IA32_BIOS_SIGN_ID, 0));
	assert_false(msr_write(&fake_vcpu, MSR_EFER, EFER_SVME));
}

static void choose_without(struct cpuid_feature f)
{
	lacks = f;
	msr_choose(&fake_vm);
}

/* A row that belongs to a feature is there with it alone. */
static void test_msr_features(void **state)
{
	new_vcpu(CPUID_VENDOR_INTEL);
	assert_false(faults(MSR_IA32_MTRR_DEF_TYPE));
	choose_without(FEATURE_MTRR);
	assert_true(faults(MSR_IA32_MTRR_DEF_TYPE));
	assert_true(faults(MSR_IA32_MTRR_PHYSBASE(3)));
	assert_true(faults(MSR_IA32_MTRRCAP));
	choose_without(FEATURE_TSC_DEADLINE);
	assert_true(faults(MSR_IA32_TSC_DEADLINE));
	assert_false(faults(MSR_IA32_MTRRCAP));
	choose_without(FEATURE_KVMCLOCK);
	assert_true(faults(MSR_KVM_SYSTEM_TIME));
	assert_int_equal(get(MSR_IA32_XSS), 0);
	assert_false(msr_write(&fake_vcpu, MSR_IA32_XSS, BIT(8)));
	choose_without(FEATURE_XSAVES);
	assert_true(faults(MSR_IA32_XSS));
	choose_without(FEATURE_X2APIC);
	assert_false(msr_write(&fake_vcpu, MSR_IA32_APIC_BASE, fake_vcpu.lapic.base | APIC_BASE_X2APIC));
	new_vcpu(CPUID_VENDOR_AMD);
	assert_int_equal(get(MSR_OSVW_STATUS), 0);
	fake_vm.cpuid.family = 0x10;
	assert_int_equal(get(MSR_OSVW_STATUS), 1);
	choose_without(FEATURE_OSVW);
	assert_true(faults(MSR_OSVW_ID_LENGTH));
}

static struct {
	uint32_t msr;
	uint8_t rights;
} passed[32];
static unsigned passed_count;

static void allow(void *map, uint32_t msr, uint8_t rights)
{
	assert_ptr_equal(map, passed);
	assert_in_range(passed_count, 0, ARRAY_SIZE(passed) - 1);
	passed[passed_count].msr = msr;
	passed[passed_count++].rights = rights;
}

static uint8_t rights_of(uint32_t msr)
{
	for (unsigned i = 0; i < passed_count; i++) {
		if (passed[i].msr == msr)
			return passed[i].rights;
	}
	return 0;
}

static void test_msr_passthrough(void **state)
{
	new_vcpu(CPUID_VENDOR_INTEL);
	passed_count = 0;
	msr_passthrough(&fake_vm, passed, allow);
	assert_int_equal(passed_count, 11);
	assert_int_equal(rights_of(MSR_LSTAR), MSR_READ | MSR_WRITE);
	assert_int_equal(rights_of(MSR_TSC_AUX), MSR_READ | MSR_WRITE);
	assert_int_equal(rights_of(MSR_IA32_SPEC_CTRL), 0);
	has_speculation_control = true;
	lacks = FEATURE_RDTSCP;
	passed_count = 0;
	msr_passthrough(&fake_vm, passed, allow);
	assert_int_equal(passed_count, 12);
	assert_int_equal(rights_of(MSR_TSC_AUX), 0);
	assert_int_equal(rights_of(MSR_IA32_SPEC_CTRL), MSR_READ | MSR_WRITE);
	assert_int_equal(rights_of(MSR_IA32_PRED_CMD), MSR_WRITE);
	/* The host keeps a bit of it set: accesses exit, and the guest sees its own value. */
	host_spec_ctrl = SPEC_CTRL_IBRS;
	passed_count = 0;
	msr_passthrough(&fake_vm, passed, allow);
	assert_int_equal(rights_of(MSR_IA32_SPEC_CTRL), 0);
	msr_choose(&fake_vm);
	assert_int_equal(get(MSR_IA32_SPEC_CTRL), 0);
	host_spec_ctrl = 0;
}

/* No access that exits reaches a register of the machine: here WRMSR and RDMSR would end the test. */
static void test_msr_sweep(void **state)
{
	static const uint32_t first[] = {0, 0x40000000, 0x4b564d00, 0xc0000000, 0xc0010000};
	unsigned known = 0;

	for (enum cpuid_vendor vendor = CPUID_VENDOR_INTEL; vendor <= CPUID_VENDOR_OTHER; vendor++) {
		new_vcpu(vendor);
		for (unsigned i = 0; i < ARRAY_SIZE(first); i++) {
			for (uint32_t msr = first[i]; msr < first[i] + 0x2000; msr++) {
				uint64_t value = 0;

				known += msr_read(&fake_vcpu, msr, &value);
				(void)msr_write(&fake_vcpu, msr, ~0UL);
				(void)msr_write(&fake_vcpu, msr, 0);
				(void)msr_write(&fake_vcpu, msr, value);
			}
		}
	}
	assert_true(known > 100);
}

static uint64_t convert(uint64_t ticks, struct pvclock_scale s)
{
	ticks = s.shift < 0 ? ticks >> -s.shift : ticks << s.shift;
	return (uint64_t)(((unsigned __int128)ticks * s.mul) >> 32);
}

static void test_pvclock(void **state)
{
	static const uint64_t hz[] = {1000000,    50000000,   999999999, 1000000000,
				      1000000001, 2596133000, 5000000000};
	struct {
		uint32_t version, pad;
		uint64_t tsc, ns;
		uint32_t mul;
		int8_t shift;
		uint8_t flags;
	} t;
	static struct vcpu second;

	for (unsigned i = 0; i < sizeof(hz) / sizeof(hz[0]); i++) {
		struct pvclock_scale s = pvclock_scale(hz[i]);

		assert_true(s.mul >> 31); /* as precise as it can be */
		assert_in_range(convert(hz[i], s), 999999997, 1000000001);
	}
	new_vcpu(CPUID_VENDOR_AMD);
	assert_true(msr_write(&fake_vcpu, MSR_KVM_SYSTEM_TIME, 0x20001));
	assert_int_equal(get(MSR_KVM_SYSTEM_TIME), 0x20001);
	memcpy(&t, fake_vm.mem.base + 0x20000, sizeof(t));
	assert_int_equal(t.version, 2);
	assert_int_equal(t.tsc, 0); /* guest time 0 */
	assert_int_equal(t.ns, 0);
	assert_int_equal(t.shift, -1);
	assert_int_equal(t.flags, 1);
	assert_int_equal(t.mul, pvclock_scale(2600000000).mul); /* the guest's rate, not the host's */
	/* A guest that writes its TSC gets a new record. */
	assert_true(msr_write(&fake_vcpu, MSR_IA32_TSC, 0));
	memcpy(&t, fake_vm.mem.base + 0x20000, sizeof(t));
	assert_int_equal(t.version, 4);
	assert_int_equal(t.tsc, fake_vcpu.msr.tsc_adjust);
	assert_true(t.tsc != 0);
	/* Readings of vCPUs whose TSCs are apart can't be compared: each record says so. */
	memset(&second, 0, sizeof(second));
	second.vm = &fake_vm;
	second.msr.pvclock = 0x30001;
	second.msr.tsc_adjust = fake_vcpu.msr.tsc_adjust + 1;
	fake_vm.vcpu[1] = &second;
	fake_vm.vcpu_count = 2;
	assert_true(msr_write(&fake_vcpu, MSR_IA32_TSC, 0));
	memcpy(&t, fake_vm.mem.base + 0x20000, sizeof(t));
	assert_int_equal(t.flags, 0);
	memcpy(&t, fake_vm.mem.base + 0x30000, sizeof(t));
	assert_int_equal(t.flags, 0);
	assert_int_equal(t.version, 2);
	second.msr.tsc_adjust = fake_vcpu.msr.tsc_adjust;
	pvclock_tsc_changed(&fake_vm);
	memcpy(&t, fake_vm.mem.base + 0x30000, sizeof(t));
	assert_int_equal(t.flags, 1);
	pvclock_reset(&second);
	pvclock_tsc_changed(&fake_vm);
	memcpy(&t, fake_vm.mem.base + 0x30000, sizeof(t));
	assert_int_equal(t.version, 4);
	/* The wall clock at guest time 0. */
	assert_true(msr_write(&fake_vcpu, MSR_KVM_WALL_CLOCK, 0x20100));
	assert_int_equal(fake_peek64(0x20104), 1001 | 500000000UL << 32);
	/* ROM, nowhere, odd places */
	assert_false(msr_write(&fake_vcpu, MSR_KVM_SYSTEM_TIME, GUEST_ROM_BASE | 1));
	assert_false(msr_write(&fake_vcpu, MSR_KVM_SYSTEM_TIME, 0xd0000001));
	assert_false(msr_write(&fake_vcpu, MSR_KVM_SYSTEM_TIME, 0x20003));
	assert_false(msr_write(&fake_vcpu, MSR_KVM_WALL_CLOCK, ~0UL));
	assert_int_equal(get(MSR_KVM_SYSTEM_TIME), 0x20001);
	assert_true(msr_write(&fake_vcpu, MSR_KVM_SYSTEM_TIME, 0));
}

static void test_kvm_msrs(void **state)
{
	new_vcpu(CPUID_VENDOR_INTEL);
	assert_int_equal(get(MSR_KVM_POLL_CONTROL), 1);
	assert_true(msr_write(&fake_vcpu, MSR_KVM_POLL_CONTROL, 0));
	assert_int_equal(get(MSR_KVM_POLL_CONTROL), 0);
	assert_false(msr_write(&fake_vcpu, MSR_KVM_POLL_CONTROL, 2));
	assert_true(msr_write(&fake_vcpu, MSR_KVM_STEAL_TIME, 0x40));
	assert_int_equal(get(MSR_KVM_STEAL_TIME), 0x40);
	assert_false(msr_write(&fake_vcpu, MSR_KVM_STEAL_TIME, 3));
	assert_true(msr_write(&fake_vcpu, MSR_KVM_PV_EOI, 0x44));
	assert_int_equal(get(MSR_KVM_PV_EOI), 0x44);
	assert_false(msr_write(&fake_vcpu, MSR_KVM_PV_EOI, 3));
	/* Asynchronous page faults and migration control are not offered. */
	for (uint32_t msr = 0x4b564d06; msr <= 0x4b564d08; msr++)
		assert_false(msr_write(&fake_vcpu, msr, 0));
	assert_false(msr_write(&fake_vcpu, 0x4b564d02, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_long_mode),       cmocka_unit_test(test_cr_checks),
	    cmocka_unit_test(test_pae_entries),     cmocka_unit_test(test_xcr0),
	    cmocka_unit_test(test_cr_instructions), cmocka_unit_test(test_dr),
	    cmocka_unit_test(test_msr_unlisted),    cmocka_unit_test(test_msr_memory_types),
	    cmocka_unit_test(test_msr_others),      cmocka_unit_test(test_msr_features),
	    cmocka_unit_test(test_msr_passthrough), cmocka_unit_test(test_msr_sweep),
	    cmocka_unit_test(test_pvclock),         cmocka_unit_test(test_kvm_msrs),
	};

	return cmocka_run_group_tests_name("cr_msr", tests, NULL, NULL);
}
