/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A vCPU's way onto a physical CPU and off it, and the entry itself.
 *
 * From vcpu_load to vcpu_put GIF is 0, so that neither interrupts nor NMIs reach the host while TR, LDTR, FS, GS
 * and the SYSCALL MSRs are the guest's. IF is 1 all that time: VMRUN with V_INTR_MASKING takes it as the
 * host's permission for interrupts to end the guest (APM Vol. 2, "Virtualizing RFLAGS.IF"), and what is pending
 * is taken after vcpu_put. So a round trip has no instruction but VMRUN that an outer hypervisor would trap.
 */
#include "svm/svm.h"

#include "hv/insn_known.h"
#include "hv/lib/panic.h"
#include "hv/trap.h"
#include "hv/vm.h"
#include "hv/x86/insn.h"
#include "hv/x86/msr.h"
#include "hv/x86/rflags.h"
#include "mm/host_map.h"
#include "svm/exit.h"
#include "svm/insn.h"

#define V_TPR_SHIFT 4 /* CR8 is the upper half of the TPR's low byte */

enum status svm_vcpu_init(struct vcpu *v)
{
	struct svm_vcpu *s = to_svm(v);
	struct vmcb *b = &s->vmcb;

	s->vmcb_pa = host_pa(b).v;
	b->iopm_base_pa = svm_iopm_pa;
	b->msrpm_base_pa = host_pa(v->vm->msr_map).v;
	b->n_cr3 = host_pa(v->vm->npt.root).v;
	b->g_pat = PAT_RESET;
	svm_state_reset(s);
	return OK;
}

void svm_vcpu_fini(struct vcpu *v)
{
	CHECK(!to_svm(v)->cpu);
}

void svm_vcpu_reset(struct vcpu *v)
{
	struct svm_vcpu *s = to_svm(v);

	svm_state_sync(s);
	svm_state_reset(s);
	svm_state_reload(s);
}

void svm_state_sync(struct svm_vcpu *s)
{
	if (s->cpu)
		vmsave(s->vmcb_pa);
}

void svm_state_reload(struct svm_vcpu *s)
{
	if (s->cpu)
		vmload(s->vmcb_pa);
}

static void debug_load(const struct vcpu *v)
{
	write_dr0(v->dr[0]);
	write_dr1(v->dr[1]);
	write_dr2(v->dr[2]);
	write_dr3(v->dr[3]);
}

void svm_debug_reload(struct svm_vcpu *s)
{
	if (s->cpu)
		debug_load(&s->base);
}

static void debug_save(struct vcpu *v)
{
	v->dr[0] = read_dr0();
	v->dr[1] = read_dr1();
	v->dr[2] = read_dr2();
	v->dr[3] = read_dr3();
}

/* MSR_TSC_RATIO is for guests alone: the host's RDTSC doesn't look at it. */
static void load_tsc_ratio(struct svm_cpu *cpu, const struct vm *vm)
{
	uint64_t ratio = svm_tsc_ratio(vm->tsc.multiplier);

	if (ratio == cpu->tsc_ratio)
		return;
	wrmsr(MSR_TSC_RATIO, ratio);
	cpu->tsc_ratio = ratio;
}

void svm_vcpu_load(struct vcpu *v)
{
	struct svm_vcpu *s = to_svm(v);
	struct svm_cpu *cpu = svm_this_cpu();

	clgi();
	lidt(&trap_idt_no_ist);
	if (s->clean != cpu) {
		s->clean = cpu;
		s->vmcb.clean = 0;
	}
	s->cpu = cpu;
	cpu->loaded = s;
	s->pending |= PENDING_ASID;
	load_tsc_ratio(cpu, v->vm);
	vmload(s->vmcb_pa);
	if (s->debug_live)
		debug_load(v);
	sti();
}

void svm_vcpu_put(struct vcpu *v)
{
	struct svm_vcpu *s = to_svm(v);
	struct svm_cpu *cpu = s->cpu;

	cli();
	vmsave(s->vmcb_pa);
	if (s->debug_live)
		debug_save(v);
	s->cpu = NULL;
	cpu->loaded = NULL;
	vmload(cpu->host_pa);
	lidt(&trap_idt);
	stgi();
}

void svm_vcpu_unload(struct vcpu *v)
{
	(void)v; /* put leaves nothing behind */
}

void svm_npt_flush(struct vcpu *v)
{
	to_svm(v)->pending |= PENDING_FLUSH;
}

/* Gives s a valid ASID and turns what is owed into the TLB_CONTROL of this entry. */
static void prepare_tlb(struct svm_vcpu *s)
{
	struct asid_pool *pool = &s->cpu->asids;
	struct vmcb *b = &s->vmcb;

	if ((s->pending & PENDING_FLUSH) && svm_caps.flush_by_asid)
		b->tlb_control = TLB_FLUSH_ASID;
	if (!asid_is_valid(pool, &s->asid) || ((s->pending & PENDING_FLUSH) && !svm_caps.flush_by_asid))
		asid_take(pool, &s->asid);
	if (b->asid != s->asid.number) {
		b->asid = s->asid.number;
		b->clean &= ~CLEAN_ASID;
	}
	if (asid_take_flush(pool))
		b->tlb_control = TLB_FLUSH_ALL;
	s->pending &= ~(uint32_t)(PENDING_ASID | PENDING_FLUSH);
	if (b->tlb_control != TLB_KEEP)
		s->pending |= PENDING_KEEP;
}

static void prepare(struct svm_vcpu *s)
{
	if (s->pending & PENDING_KEEP) {
		s->vmcb.tlb_control = TLB_KEEP;
		s->pending &= ~(uint32_t)PENDING_KEEP;
	}
	if (s->pending & (PENDING_ASID | PENDING_FLUSH))
		prepare_tlb(s);
	if (s->pending & PENDING_INTERRUPT)
		svm_interrupt_begin(s);
	if (s->pending & PENDING_STEP)
		svm_step_begin(s);
}

/* The exits that end here. The first access to a debug register makes them the guest's, and is made again. */
static void handle_own_exit(struct svm_vcpu *s, struct vm_exit *e)
{
	if (e->kind == EXIT_DR) {
		svm_debug_set_live(s, true);
		debug_load(&s->base);
		e->kind = EXIT_NONE;
	} else if (e->reason == VMEXIT_IRET) {
		svm_iret_intercepted(s);
		e->kind = EXIT_NONE;
	} else if (e->kind == EXIT_ENTRY_FAILED) {
		s->cpu->asids.flush = true; /* whatever flush was asked for, it may not have been made */
		s->clean = NULL;
	}
}

/* A tail call, and svm_exited its continuation: so neither saves registers that entry.asm saves too. */
[[gnu::noinline]] static enum exit_action run_prepared(struct svm_vcpu *s)
{
	prepare(s);
	return svm_enter(&s->base);
}

static void load_tpr(struct svm_vcpu *s)
{
	struct vmcb *b = &s->vmcb;

	s->tpr = vlapic_tpr(&s->base.lapic);
	b->int_ctl = (b->int_ctl & ~INT_CTL_V_TPR) | (uint8_t)s->tpr >> V_TPR_SHIFT;
	b->clean &= ~CLEAN_TPR;
}

enum exit_action svm_vcpu_run(struct vcpu *v)
{
	struct svm_vcpu *s = to_svm(v);
	struct vmcb *b = &s->vmcb;

	/* A kick that comes behind this waits, since GIF is 0, and ends the guest at once. */
	if (vcpu_is_wanted(v)) {
		if ((s->pending & PENDING_INTERRUPT) | (b->event_inj & EVENT_VALID))
			svm_take_back(s);
		return ACT_RESUME;
	}
	b->rip = v->rip;
	b->rax = v->gpr[RAX];
	if (s->tpr != vlapic_tpr(&v->lapic))
		load_tpr(s);
	return s->pending ? run_prepared(s) : svm_enter(v);
}

/* There is more to the completion of an instruction than RIP. */
static inline uint64_t completes_oddly(const struct vmcb *b)
{
	return b->int_state | (b->rflags & (RFLAGS_TF | RFLAGS_RF));
}

/* More is to be looked at than why the exit came. */
static inline bool exited_oddly(const struct svm_vcpu *s)
{
	return completes_oddly(&s->vmcb) | (s->vmcb.exit_int_info & EVENT_VALID) | s->watch;
}

/* The instruction at RIP by its bytes, if it is one of the last few. */
static inline struct insn_known *known(struct svm_vcpu *s)
{
	return vmcb_long_mode(&s->vmcb) ? insn_known_find(&s->base, s->vmcb.cr3) : NULL;
}

[[gnu::noinline]] static enum exit_action take_any_exit(struct svm_vcpu *s)
{
	struct vm_exit *e = &s->base.last_exit;

	if (s->vmcb.exit_int_info & EVENT_VALID)
		svm_requeue(s);
	if (s->watch & WATCH_INTERRUPT)
		svm_interrupt_end(s);
	if (s->watch & WATCH_EVENT) {
		s->watch &= ~(uint64_t)WATCH_EVENT;
		event_reconsider(&s->base);
	}
	svm_exit_decode(&s->vmcb, svm_caps.nrips, e);
	if (s->watch & WATCH_STEP)
		svm_step_end(s, e);
	if (e->kind == EXIT_UNKNOWN || e->kind == EXIT_DR || e->kind == EXIT_ENTRY_FAILED)
		handle_own_exit(s, e);
	if (e->kind == EXIT_NPF && !completes_oddly(&s->vmcb))
		e->npf.known = known(s);
	return exit_dispatch(&s->base);
}

/* RIP behind the instruction, where the CPU tells it or it is known; 0: the core has to find it. */
static inline uint64_t next_rip(struct svm_vcpu *s)
{
	const struct insn_known *k;

	if (svm_caps.nrips)
		return svm_exit_next(&s->vmcb, s->vmcb.next_rip);
	k = known(s);
	return k ? k->next : 0;
}

enum exit_action svm_exited(struct vcpu *v)
{
	struct svm_vcpu *s = to_svm(v);
	struct vmcb *b = &s->vmcb;
	struct vm_exit *e = &v->last_exit;

	v->rip = b->rip;
	v->gpr[RAX] = b->rax;
	b->clean = CLEAN_ALL;
	if (exited_oddly(s))
		return take_any_exit(s);
	if (svm_exit_is_plain(b->exit_code)) {
		svm_exit_decode_plain(b, e);
		e->next_rip = next_rip(s);
	} else if (b->exit_code == VMEXIT_NPF) {
		svm_exit_decode_npf(b, e);
		e->npf.known = known(s);
		e->next_rip = 0;
	} else if (b->exit_code == VMEXIT_IOIO) {
		svm_exit_decode_io(b, e);
		e->next_rip = svm_exit_next(b, b->exit_info2);
	} else if (b->exit_code == VMEXIT_MSR) {
		svm_exit_decode_msr(b, e);
		e->next_rip = next_rip(s);
	} else if (b->exit_code == VMEXIT_VMMCALL) {
		svm_exit_decode_call(b, e);
		e->next_rip = next_rip(s);
	} else {
		return take_any_exit(s);
	}
	return exit_dispatch(v);
}
