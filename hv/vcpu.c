/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Virtual CPUs: creation, reset, the loop from entry to exit, and the switch of the state that the
 * hardware leaves alone.
 *
 * Who saves what, and when:
 *
 *   state                                   VMX                  SVM                  where
 *   RIP, RSP, RFLAGS, CR0/3/4, segments     VMCS, each exit      VMCB, each exit      hardware
 *   RAX                                     entry.asm            VMCB                 vmx/, svm/
 *   other general registers                 entry.asm, each exit entry.asm, each exit vmx/, svm/
 *   EFER, PAT                               VMCS                 VMCB                 hardware
 *   FS/GS bases, SYSENTER                   VMCS                 VMSAVE, put          vmx/, svm/
 *   STAR, LSTAR, CSTAR, SFMASK, KernelGS    vCPU switch          VMSAVE, put          vmx/, svm/
 *   DR7, DEBUGCTL                           VMCS                 VMCB                 hardware
 *   CR2, DR6                                vCPU switch          VMCB                 vmx/, svm/
 *   DR0-3                                   vCPU switch          vCPU switch          vmx/, svm/
 *   x87, SSE, AVX, PKRU (XSAVE), XCR0       vCPU switch          vCPU switch          hv/xstate.c
 *   TSC_AUX, SPEC_CTRL                      vCPU switch          vCPU switch          hv/xstate.c
 *   XSS                                     0 in host and guest  0 in host and guest  hv/xstate.c
 *
 * "vCPU switch": when this CPU goes over to another vCPU, or its VM is parked. Until then the host runs
 * with the guest's values, none of which it uses.
 */
#include "hv/vcpu.h"

#include "hv/cpuid.h"
#include "hv/exit_advance.h"
#include "hv/lib/log.h"
#include "hv/lib/panic.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/pcpu.h"
#include "hv/pv_eoi.h"
#include "hv/pvclock.h"
#include "hv/sched.h"
#include "hv/speculation.h"
#include "hv/vm.h"
#include "hv/xstate.h"
#include "hv/x86/cr.h"
#include "hv/x86/insn.h"
#include "hv/x86/kvm_para.h"
#include "hv/x86/msr.h"
#include "hv/x86/rflags.h"
#include "mm/page_alloc.h"

enum status vcpu_create(struct vm *vm, uint32_t id, struct vcpu **out)
{
	struct vcpu *v = page_alloc_bytes(ops->vcpu_size);
	enum status s;

	if (!v)
		return ERR_NOMEM;
	v->vm = vm;
	v->id = id;
	list_init(&v->run_link);
	v->xsave = page_alloc_bytes(xstate_size());
	if (!v->xsave) {
		page_free_bytes(v, ops->vcpu_size);
		return ERR_NOMEM;
	}
	s = ops->vcpu_init(v);
	if (s != OK) {
		page_free_bytes(v->xsave, xstate_size());
		page_free_bytes(v, ops->vcpu_size);
		return s;
	}
	vlapic_init(v);
	*out = v;
	return OK;
}

void vcpu_destroy(struct vcpu *v)
{
	vlapic_fini(v);
	ops->vcpu_fini(v);
	page_free_bytes(v->xsave, xstate_size());
	page_free_bytes(v, ops->vcpu_size);
}

/* The windows that were asked for go with what they were for. */
static void forget_events(struct vcpu *v)
{
	ops->interrupt_window(v, false);
	ops->nmi_window(v, false);
	memset(&v->events, 0, sizeof(v->events));
}

void vcpu_reset(struct vcpu *v)
{
	memset(v->gpr, 0, sizeof(v->gpr));
	memset(v->dr, 0, sizeof(v->dr));
	forget_events(v);
	v->requests = 0;
	v->msrs = (struct vcpu_msrs){};
	v->steal = (struct pv_steal){};
	v->waited_ns = 0;
	pv_eoi_reset(v);
	v->xcr0 = XCR0_X87;
	xstate_reset(v->xsave);
	v->halted = v->unhalted = false;
	v->wait_sipi = v->id != 0;
	vlapic_reset(v);
	ops->vcpu_reset(v);
}

/* Brings v's switched state into the hardware, or takes it out (v NULL). */
static void switch_to(struct pcpu *p, struct vcpu *v)
{
	struct vcpu *old = p->current;

	if (old == v)
		return;
	if (old) {
		xstate_save(old);
		ops->vcpu_unload(old);
	}
	if (v)
		xstate_load(v);
	/* Whoever sees this may run the old one elsewhere. */
	__atomic_store_n(&p->current, v, __ATOMIC_RELEASE);
}

/* INIT puts a vCPU into the wait for a SIPI; see SDM Vol. 3A, "Processor State After Reset" and INIT. */
static void take_init(struct vcpu *v)
{
	uint64_t cr0 = vcpu_reg_get(v, VREG_CR0);

	memset(v->gpr, 0, sizeof(v->gpr));
	memset(v->dr, 0, sizeof(v->dr));
	forget_events(v);
	ops->vcpu_reset(v);
	vcpu_reg_set(v, VREG_CR0, CR0_ET | (cr0 & (CR0_CD | CR0_NW)));
	vlapic_init_signal(v);
	pvclock_reset(v);
	pv_steal_reset(v);
	pv_eoi_reset(v);
	v->halted = v->unhalted = false;
	v->wait_sipi = v->id != 0;
}

/* A SIPI starts at VV000h; one that comes outside the wait is ignored. */
static void take_sipi(struct vcpu *v)
{
	struct vseg_desc cs;

	if (!v->wait_sipi)
		return;
	ops->seg_get(v, SEG_CS, &cs);
	cs.selector = (uint16_t)(v->sipi_vector << 8);
	cs.base = (uint64_t)v->sipi_vector << 12;
	ops->seg_set(v, SEG_CS, &cs);
	v->rip = 0;
	v->wait_sipi = false;
}

void vcpu_init_signal(struct vcpu *v)
{
	__atomic_fetch_and(&v->requests, ~(uint32_t)VREQ_SIPI, __ATOMIC_SEQ_CST);
	vcpu_request(v, VREQ_INIT);
}

/*
 * Whether v waits for a SIPI is for v to say, once it has taken the INIT that may be on its way (take_sipi). Until
 * then the first SIPI counts.
 */
void vcpu_sipi(struct vcpu *v, uint8_t vector)
{
	if (__atomic_load_n(&v->requests, __ATOMIC_SEQ_CST) & VREQ_SIPI)
		return;
	v->sipi_vector = vector;
	vcpu_request(v, VREQ_SIPI);
}

void vcpu_unhalt(struct vcpu *v)
{
	__atomic_store_n(&v->unhalted, true, __ATOMIC_RELAXED);
	vcpu_request(v, VREQ_EVENT);
}

void vcpu_request(struct vcpu *v, uint32_t bits)
{
	enum vcpu_state state;
	struct pcpu *p;

	__atomic_fetch_or(&v->requests, bits, __ATOMIC_SEQ_CST);
	/* Should v move from p meanwhile, it looks at its requests before it is entered elsewhere. */
	p = __atomic_load_n(&v->cpu, __ATOMIC_SEQ_CST);
	if (!p)
		return; /* not bound: its VM is being built or taken down */
	state = __atomic_load_n(&v->state, __ATOMIC_SEQ_CST);
	if (state == VCPU_HALTED || state == VCPU_WAIT_SIPI || (state == VCPU_CAPPED && (bits & VREQ_PARK)))
		sched_wake(v);
	else if (p != this_pcpu() && p->current == v)
		pcpu_request(p, 0);
}

static bool ends_halt(struct vcpu *v)
{
	bool unhalted = __atomic_exchange_n(&v->unhalted, false, __ATOMIC_RELAXED);

	return unhalted || event_pending(v);
}

enum vcpu_place vcpu_place(const struct vcpu *v)
{
	struct pcpu *p = this_pcpu();

	if (__atomic_load_n(&v->cpu, __ATOMIC_SEQ_CST) != p)
		return VCPU_ELSEWHERE;
	switch (__atomic_load_n(&v->state, __ATOMIC_SEQ_CST)) {
	case VCPU_READY:
		return p->current == v ? VCPU_HERE : VCPU_WAITING;
	case VCPU_HALTED:
	case VCPU_WAIT_SIPI:
		return VCPU_HERE;
	case VCPU_CAPPED:
	case VCPU_OFF:
	case VCPU_PARKED:
		return VCPU_WAITING;
	}
	return VCPU_WAITING;
}

/* Deals with v->requests. False: v can't be entered now. */
static bool take_requests(struct vcpu *v, enum vcpu_leave *why)
{
	uint32_t r;

	/* What it asks for is then among the requests. */
	if (v->lapic.eoi_offered)
		pv_eoi_collect(v);
	r = __atomic_exchange_n(&v->requests, 0, __ATOMIC_SEQ_CST);
	if (r & VREQ_PARK) {
		/* What else has come is for when it goes on. */
		__atomic_fetch_or(&v->requests, r & ~(uint32_t)VREQ_PARK, __ATOMIC_SEQ_CST);
		*why = LEAVE_PARKED;
		return false;
	}
	if (r & VREQ_FLUSH)
		ops->npt_flush(v);
	if (r & VREQ_INIT)
		take_init(v);
	if (r & VREQ_SIPI)
		take_sipi(v);
	if (v->halted && ends_halt(v))
		v->halted = false;
	if (v->halted || v->wait_sipi) {
		*why = LEAVE_ASLEEP;
		return false;
	}
	*why = LEAVE_READY;
	event_inject_next(v);
	if (v->pv_eoi)
		pv_eoi_offer(v);
	return true;
}

/* From here to go_out a kick finds v in the guest, or on the way there, where requests are looked at. */
static void come_in(struct pcpu *p, struct vcpu *v)
{
	speculation_guest_enters(p, v->vm);
	ops->vcpu_load(v);
	pcpu_set_flag(&p->in_guest, true);
}

static void go_out(struct pcpu *p, struct vcpu *v)
{
	pcpu_set_flag(&p->in_guest, false);
	ops->vcpu_put(v);
}

/*
 * v halts, and nobody else wants its CPU: they wait together, and v need not be brought back. Whatever would have
 * woken v comes as a request.
 */
static void wait_here(struct pcpu *p, struct vcpu *v)
{
	go_out(p, v);
	sched_wait_begins(p, v);
	pcpu_wait(p, &v->requests);
	sched_wait_ends(p);
	come_in(p, v);
}

/* Somebody wants something of v or of its CPU. False: v isn't to be entered now. */
[[gnu::noinline]] static bool answer_requests(struct vcpu *v, enum vcpu_leave *why)
{
	struct pcpu *p = v->cpu;

	while (!__atomic_load_n(&p->requests, __ATOMIC_SEQ_CST)) {
		if (take_requests(v, why))
			return true;
		if (*why != LEAVE_ASLEEP || v->wait_sipi || !sched_is_alone(p))
			return false;
		wait_here(p, v);
	}
	return false;
}

static inline bool may_enter(struct vcpu *v, enum vcpu_leave *why)
{
	return !vcpu_is_wanted(v) || answer_requests(v, why);
}

/* Calls ops->vcpu_run, after which only RSP and RBP are what they were. */
static inline enum exit_action run_guest(struct vcpu *v)
{
	enum exit_action act;

	asm volatile("call *%c[run](%%rax)"
		     : "=a"(act), "+D"(v)
		     : "0"(ops), [run] "i"(offsetof(struct hv_ops, vcpu_run))
		     : "rbx", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "cc",
		       "memory");
	return act;
}

/* What an exit asks for, where that is more than to go on. False: v isn't to be entered again now. */
[[gnu::noinline]] static bool finish_exit(struct vcpu *v, enum exit_action act, enum vcpu_leave *why)
{
	if (act <= ACT_ADVANCE_LAST)
		act = exit_advance_and(v, act);
	if (act == ACT_YIELD)
		*why = LEAVE_YIELD;
	return act == ACT_RESUME;
}

enum vcpu_leave vcpu_execute(struct vcpu *v)
{
	struct pcpu *p = this_pcpu();
	enum vcpu_leave why = LEAVE_READY;

	boot_cost_guest_enters();
	if (p->current && p->current != v)
		pv_steal_displaced(p->current);
	vm_enter_address_space(v->vm);
	switch_to(p, v);
	pv_steal_running(v);
	if (v->lapic.timer_look)
		vlapic_timer_follow(v);
	event_reconsider(v);
	come_in(p, v);
	while (may_enter(v, &why)) {
		enum exit_action act;

		do
			act = run_guest(v);
		while (act == ACT_ADVANCE && exit_advance_quick(v));
		if (!finish_exit(v, act, &why))
			break;
	}
	go_out(p, v);
	if (why == LEAVE_PARKED) {
		switch_to(p, NULL);
		vm_enter_address_space(NULL);
	}
	return why;
}

enum cpu_mode vcpu_mode(struct vcpu *v)
{
	struct vseg_desc cs;

	if (ops->long_mode(v))
		return MODE_LONG;
	if (!(vcpu_reg_get(v, VREG_CR0) & CR0_PE))
		return MODE_REAL;
	if (vcpu_reg_get(v, VREG_RFLAGS) & RFLAGS_VM)
		return MODE_V86;
	ops->seg_get(v, SEG_CS, &cs);
	if (vcpu_reg_get(v, VREG_EFER) & EFER_LMA)
		return cs.attr & SEG_ATTR_DB ? MODE_COMPAT32 : MODE_COMPAT16;
	return cs.attr & SEG_ATTR_DB ? MODE_PROT32 : MODE_PROT16;
}

uint64_t vcpu_tsc(const struct vcpu *v)
{
	return tsc_scale(v->vm->tsc.multiplier, __builtin_ia32_rdtsc()) + (uint64_t)v->tsc_offset;
}
