/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The SVM back end: is it there, turning it on and off on a CPU, and the table of its operations.
 * Source: APM Vol. 2, "Enabling SVM" and "Secure Virtual Machine".
 */
#include "svm/svm.h"

#include "hv/lib/panic.h"
#include "hv/lib/string.h"
#include "hv/msr.h"
#include "hv/pcpu.h"
#include "hv/trap.h"
#include "hv/vm.h"
#include "hv/x86/cpuid.h"
#include "hv/x86/insn.h"
#include "hv/x86/msr.h"
#include "mm/host_map.h"
#include "mm/page_alloc.h"
#include "svm/insn.h"
#include "svm/msrpm.h"

#define ASIDS_MIN 2 /* the host's and one more */

struct svm_caps svm_caps;
uint64_t svm_iopm_pa;

static struct svm_cpu *svm_cpus[MAX_PCPUS];

struct svm_cpu *svm_this_cpu(void)
{
	return svm_cpus[this_pcpu()->id];
}

/* QEMU's TCG tells by the signature of the hypervisor's leaf. */
static bool is_tcg(void)
{
	struct cpuid_regs r = cpuid(CPUID_LEAF_HYPERVISOR, 0);
	uint32_t signature[] = {r.ebx, r.ecx, r.edx};

	return (cpuid(CPUID_LEAF_FEATURES, 0).ecx & CPUID_1_ECX_HYPERVISOR) &&
	       memcmp(signature, "TCGTCGTCGTCG", sizeof(signature)) == 0;
}

/* What Ingot can't do without; each text names the bit and the cure. NULL: all is there. */
static const char *missing(struct svm_caps *caps)
{
	struct cpuid_regs r;
	uint64_t vm_cr;

	if (cpuid(CPUID_LEAF_EXT_MAX, 0).eax < CPUID_LEAF_EXT_FEATURES ||
	    !(cpuid(CPUID_LEAF_EXT_FEATURES, 0).ecx & CPUID_80000001_ECX_SVM))
		return "this CPU has no SVM (CPUID 80000001h ECX bit 2 is 0); in a virtual machine, "
		       "give it the feature (QEMU: -cpu max,+svm)";
	if (!rdmsr_safe(MSR_VM_CR, &vm_cr))
		vm_cr = 0;
	if ((vm_cr & (VM_CR_SVMDIS | VM_CR_LOCK)) == (VM_CR_SVMDIS | VM_CR_LOCK))
		return "the firmware has disabled SVM and locked that (VM_CR.SVMDIS, MSR C0010114h bit 4); "
		       "turn on SVM or AMD-V in the firmware setup and switch the power off and on";
	if (cpuid(CPUID_LEAF_EXT_MAX, 0).eax < CPUID_LEAF_SVM)
		return "CPUID has no SVM leaf (8000000Ah)";
	r = cpuid(CPUID_LEAF_SVM, 0);
	if (!(r.edx & CPUID_8000000A_EDX_NP))
		return "this CPU has SVM without nested paging (CPUID 8000000Ah EDX bit 0 is 0); it takes an "
		       "AMD CPU of 2007 or later, or in a virtual machine the feature (QEMU: -cpu "
		       "max,+svm,+npt)";
	if (r.ebx < ASIDS_MIN)
		return "this CPU has no address space identifier for a guest (CPUID 8000000Ah EBX is below "
		       "2)";
	*caps = (struct svm_caps){
	    .asids = r.ebx,
	    .nrips = r.edx & CPUID_8000000A_EDX_NRIPS,
	    .flush_by_asid = r.edx & CPUID_8000000A_EDX_FLUSH_BY_ASID,
	    .pause_filter =
		(r.edx & CPUID_8000000A_EDX_PAUSE_FILTER) && (r.edx & CPUID_8000000A_EDX_PAUSE_THRESHOLD),
	    .lbrv = r.edx & CPUID_8000000A_EDX_LBRV,
	    .tsc_rate = r.edx & CPUID_8000000A_EDX_TSC_RATE,
	    .repeats_eventinj = is_tcg(),
	};
	return NULL;
}

static bool make_iopm(void)
{
	uint8_t *iopm = page_alloc_bytes(IOPM_SIZE);

	if (!iopm)
		return false;
	memset(iopm, 0xff, IOPM_SIZE);
	svm_iopm_pa = host_pa(iopm).v;
	return true;
}

static enum status svm_probe(const char **why)
{
	*why = missing(&svm_caps);
	if (*why)
		return ERR_UNSUPPORTED;
	if (!make_iopm()) {
		*why = "no memory for SVM's I/O permission map";
		return ERR_NOMEM;
	}
	return OK;
}

/* VM_CR.SVMDIS where it isn't locked: firmware's default, not its decision. */
static bool clear_svmdis(void)
{
	uint64_t vm_cr;

	if (!rdmsr_safe(MSR_VM_CR, &vm_cr) || !(vm_cr & VM_CR_SVMDIS))
		return true;
	return wrmsr_safe(MSR_VM_CR, vm_cr & ~VM_CR_SVMDIS) && !(rdmsr(MSR_VM_CR) & VM_CR_SVMDIS);
}

static enum status svm_cpu_enable(const char **why)
{
	struct pcpu *p = this_pcpu();
	struct svm_cpu *cpu = svm_cpus[p->id];
	struct svm_caps caps;

	*why = missing(&caps);
	if (*why)
		return ERR_UNSUPPORTED;
	if (memcmp(&caps, &svm_caps, sizeof(caps))) {
		*why = "its SVM features (CPUID 8000000Ah) differ from the boot CPU's";
		return ERR_UNSUPPORTED;
	}
	if (!clear_svmdis()) {
		*why = "SVM is disabled (VM_CR.SVMDIS, MSR C0010114h bit 4) and can't be turned on; turn on "
		       "SVM or "
		       "AMD-V in the firmware setup";
		return ERR_UNSUPPORTED;
	}
	if (!cpu)
		cpu = page_alloc_bytes(sizeof(*cpu));
	if (!cpu) {
		*why = "no memory for its SVM state";
		return ERR_NOMEM;
	}
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SVME);
	if (!(rdmsr(MSR_EFER) & EFER_SVME)) {
		page_free_bytes(cpu, sizeof(*cpu));
		*why = "EFER.SVME (bit 12) stays 0 when it is set";
		return ERR_UNSUPPORTED;
	}
	wrmsr(MSR_VM_HSAVE_PA, host_pa(cpu->host_save).v);
	cpu->host_pa = host_pa(&cpu->host).v;
	asid_pool_init(&cpu->asids, caps.asids);
	cpu->tsc_ratio = svm_tsc_ratio(TSC_MULTIPLIER_ONE);
	if (caps.tsc_rate)
		wrmsr(MSR_TSC_RATIO, cpu->tsc_ratio);
	vmsave(cpu->host_pa);
	svm_cpus[p->id] = cpu;
	return OK;
}

/*
 * EFER.SVME must not be cleared while GIF is 0 (APM Vol. 2, "Enabling SVM"): nothing could set it again. A
 * vCPU that is loaded loses what it has in the hardware; that happens on the way down only.
 */
static void svm_cpu_disable(void)
{
	struct svm_cpu *cpu = svm_this_cpu();
	uint64_t efer = rdmsr(MSR_EFER);

	if (!cpu || !(efer & EFER_SVME))
		return;
	cli();
	if (cpu->loaded) {
		vmload(cpu->host_pa);
		lidt(&trap_idt);
	}
	stgi();
	wrmsr(MSR_EFER, efer & ~EFER_SVME);
	wrmsr(MSR_VM_HSAVE_PA, 0);
}

static void allow_msr(void *map, uint32_t msr, uint8_t rights)
{
	CHECK(msrpm_allow(map, msr, rights & MSR_READ, rights & MSR_WRITE));
}

/* The I/O permission map is shared by all VMs, and the nested page table is the core's. */
static enum status svm_vm_init(struct vm *vm)
{
	vm->msr_map = page_alloc_bytes(MSRPM_SIZE);
	if (!vm->msr_map)
		return ERR_NOMEM;
	memset(vm->msr_map, 0xff, MSRPM_SIZE);
	msr_passthrough(vm, vm->msr_map, allow_msr);
	return OK;
}

static void svm_vm_fini(struct vm *vm)
{
	page_free_bytes(vm->msr_map, MSRPM_SIZE);
	vm->msr_map = NULL;
}

const struct hv_ops svm_ops = {
    .name = "SVM",
    .vcpu_size = sizeof(struct svm_vcpu),
    .npt_format = &pt_npt,
    .probe = svm_probe,
    .cpu_enable = svm_cpu_enable,
    .cpu_disable = svm_cpu_disable,
    .vm_init = svm_vm_init,
    .vm_fini = svm_vm_fini,
    .vcpu_init = svm_vcpu_init,
    .vcpu_fini = svm_vcpu_fini,
    .vcpu_reset = svm_vcpu_reset,
    .vcpu_load = svm_vcpu_load,
    .vcpu_put = svm_vcpu_put,
    .vcpu_unload = svm_vcpu_unload,
    .vcpu_run = svm_vcpu_run,
    .reg_get = svm_reg_get,
    .reg_set = svm_reg_set,
    .seg_get = svm_seg_get,
    .seg_set = svm_seg_set,
    .long_mode = svm_long_mode,
    .cpl = svm_cpl,
    .msr_get = svm_msr_get,
    .msr_set = svm_msr_set,
    .blocking = svm_blocking,
    .insn_completed = svm_insn_completed,
    .inject = svm_inject,
    .interrupt_window = svm_interrupt_window,
    .nmi_window = svm_nmi_window,
    .lapic_changed = svm_lapic_changed,
    .lapic_waits = svm_lapic_waits,
    .tsc_offset = svm_tsc_offset,
    .tsc_multiplier = svm_tsc_multiplier,
    .npt_flush = svm_npt_flush,
    .describe_exit = svm_describe_exit,
    .dump = svm_dump,
};
