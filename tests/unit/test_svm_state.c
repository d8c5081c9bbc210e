/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * svm/state.c, svm/inject.c, svm/asid.c, svm/msrpm.c, svm/check.c: registers, events and identifiers in a VMCB that
 * no CPU ever sees.
 */
#include "support.h"

#include <stdlib.h>
#include <string.h>
#include "hv/cpuid.h"
#include "hv/vm.h"
#include "hv/x86/cr.h"
#include "hv/x86/msr.h"
#include "hv/x86/rflags.h"
#include "svm/check.h"
#include "svm/msrpm.h"
#include "svm/svm.h"

struct svm_caps svm_caps;
const struct hv_ops *ops;

static struct vm vm;
static struct svm_vcpu *s;
static struct vcpu *v;
static unsigned synced, reloaded, debug_reloaded, kicks;
static struct guest_event requeued;

static struct cpuid_feature lacks; /* leaf 0: nothing */

bool cpuid_has(const struct cpuid_policy *p, struct cpuid_feature f)
{
	return f.leaf != lacks.leaf || f.reg != lacks.reg || f.bit != lacks.bit;
}

void svm_state_sync(struct svm_vcpu *x)
{
	synced++;
}

void svm_state_reload(struct svm_vcpu *x)
{
	reloaded++;
}

void svm_debug_reload(struct svm_vcpu *x)
{
	debug_reloaded++;
}

/* Memory whose every word says where it is. */
enum status gpa_read64(const struct gmem *m, gpa_t a, uint64_t *value)
{
	if (a.v >= (4UL << 30) - 8)
		return ERR_RANGE;
	*value = a.v | 1;
	return OK;
}

void pcpu_kick_self(void)
{
	kicks++;
}

void event_requeue(struct vcpu *x, const struct guest_event *ev)
{
	requeued = *ev;
}

static struct guest_event taken_back;

void event_take_back(struct vcpu *x, const struct guest_event *ev)
{
	taken_back = *ev;
}

static int setup(void **state)
{
	s = aligned_alloc(PAGE_SIZE, ALIGN_UP(sizeof(*s), PAGE_SIZE));
	memset(s, 0, sizeof(*s));
	v = &s->base;
	svm_caps = (struct svm_caps){.asids = 16};
	s->base.vm = &vm;
	svm_state_reset(s);
	s->vmcb.asid = 1;
	synced = reloaded = debug_reloaded = kicks = 0;
	requeued = taken_back = (struct guest_event){};
	return 0;
}

static int teardown(void **state)
{
	free(s);
	return 0;
}

/* What was injected is not forgotten where the guest is not entered. */
static void test_take_back(void **state)
{
	static const struct guest_event events[] = {
	    {.valid = true, .type = EVENT_INTERRUPT, .vector = 0xec},
	    {.valid = true, .type = EVENT_NMI, .vector = EXC_NMI},
	    {.valid = true, .type = EVENT_EXCEPTION, .vector = EXC_GP, .has_error = true, .error = 0x1234},
	};

	svm_take_back(s);
	assert_false(taken_back.valid);
	for (unsigned i = 0; i < 2 * ARRAY_SIZE(events); i++) {
		svm_caps.repeats_eventinj = i % 2;
		svm_inject(v, &events[i / 2]);
		svm_take_back(s);
		assert_memory_equal(&taken_back, &events[i / 2], sizeof(taken_back));
		assert_int_equal(s->vmcb.event_inj, 0);
		assert_int_equal(s->nmi, NMI_OPEN);
		assert_false(s->pending & PENDING_INTERRUPT);
		assert_false(s->vmcb.intercept_misc1 & INTERCEPT_IRET);
		taken_back = (struct guest_event){};
	}
}

static void test_reset(void **state)
{
	struct vseg_desc d;

	assert_int_equal(v->rip, 0xfff0);
	assert_int_equal(svm_reg_get(v, VREG_CR0), 0x60000010);
	assert_int_equal(s->vmcb.cr0, CR0_ET);
	assert_int_equal(s->vmcb.intercept_cr_read, 1); /* the guest must not see that CD is missing */
	assert_int_equal(s->vmcb.intercept_cr_write, 0x111);
	assert_int_equal(svm_reg_get(v, VREG_EFER), 0);
	assert_int_equal(s->vmcb.efer, EFER_SVME);
	assert_int_equal(svm_reg_get(v, VREG_RFLAGS), 2);
	svm_seg_get(v, SEG_CS, &d);
	assert_int_equal(d.selector, 0xf000);
	assert_int_equal(d.base, 0xffff0000);
	assert_int_equal(d.attr, 0x9b);
	svm_seg_get(v, SEG_TR, &d);
	assert_int_equal(d.attr, 0x8b);
	assert_null(svm_check_guest(&s->vmcb));
}

static void test_cr0(void **state)
{
	svm_reg_set(v, VREG_CR0, CR0_PE | CR0_ET);
	assert_int_equal(s->vmcb.intercept_cr_read, 0);
	assert_int_equal(s->vmcb.intercept_cr_write, 0x110);
	assert_int_equal(svm_reg_get(v, VREG_CR0), CR0_PE | CR0_ET);
	svm_reg_set(v, VREG_CR0, CR0_PE | CR0_ET | CR0_CD);
	assert_int_equal(s->vmcb.cr0, CR0_PE | CR0_ET);
	assert_int_equal(svm_reg_get(v, VREG_CR0), CR0_PE | CR0_ET | CR0_CD);
}

/* A change that flushes on a CPU must flush here, and one that doesn't need not. */
static void test_flush(void **state)
{
	s->pending = 0;
	svm_reg_set(v, VREG_CR4, CR4_OSFXSR);
	assert_int_equal(s->pending, 0);
	svm_reg_set(v, VREG_CR4, CR4_OSFXSR | CR4_PGE);
	assert_int_equal(s->pending, PENDING_FLUSH);
	s->pending = 0;
	svm_reg_set(v, VREG_CR4, CR4_OSFXSR);
	assert_int_equal(s->pending, PENDING_FLUSH);
	s->pending = 0;
	svm_reg_set(v, VREG_EFER, EFER_NXE);
	assert_int_equal(s->pending, PENDING_FLUSH);
	s->pending = 0;
	svm_reg_set(v, VREG_CR3, 0x5000);
	assert_int_equal(s->pending, PENDING_FLUSH);
}

static void test_clean_bits(void **state)
{
	static const struct vseg_desc d = {.attr = 0x93};

	s->vmcb.clean = CLEAN_ALL;
	svm_reg_set(v, VREG_CR3, 0x5000);
	assert_int_equal(s->vmcb.clean, CLEAN_ALL & ~CLEAN_CRX);
	s->vmcb.clean = CLEAN_ALL;
	svm_reg_set(v, VREG_DR6, 0);
	assert_int_equal(s->vmcb.clean, CLEAN_ALL & ~CLEAN_DRX);
	s->vmcb.clean = CLEAN_ALL;
	svm_seg_set(v, SEG_DS, &d);
	assert_int_equal(s->vmcb.clean, CLEAN_ALL & ~CLEAN_SEG);
	s->vmcb.clean = CLEAN_ALL;
	svm_seg_set(v, SEG_IDTR, &d);
	assert_int_equal(s->vmcb.clean, CLEAN_ALL & ~CLEAN_DT);
	s->vmcb.clean = CLEAN_ALL;
	svm_tsc_offset(v, -5);
	assert_int_equal(s->vmcb.clean, CLEAN_ALL & ~CLEAN_INTERCEPTS);
	assert_int_equal(s->vmcb.tsc_offset, -5);
	s->vmcb.clean = CLEAN_ALL;
	svm_interrupt_window(v, true);
	assert_int_equal(s->vmcb.clean, CLEAN_ALL & ~(CLEAN_INTERCEPTS | CLEAN_TPR));
	s->vmcb.clean = CLEAN_ALL;
	svm_msr_set(v, VMSR_PAT, 0x0606060606060606);
	assert_false(s->vmcb.clean & CLEAN_NP);
}

/* A multiplier has 48 bits behind the point, MSR_TSC_RATIO 32, and 8 before it. */
static void test_tsc_ratio(void **state)
{
	assert_int_equal(svm_tsc_multiplier(TSC_MULTIPLIER_ONE / 2), 0); /* a CPU without it */
	svm_caps.tsc_rate = true;
	assert_int_equal(svm_tsc_multiplier(TSC_MULTIPLIER_ONE / 3), TSC_MULTIPLIER_ONE / 3 & ~0xffffUL);
	assert_int_equal(svm_tsc_multiplier(256 * TSC_MULTIPLIER_ONE), 0);
	assert_int_equal(svm_tsc_ratio(TSC_MULTIPLIER_ONE), 1UL << 32);
	assert_int_equal(svm_tsc_ratio(svm_tsc_multiplier(256 * TSC_MULTIPLIER_ONE - 1)), (1UL << 40) - 1);
}

/* The CPU keeps no PDPTEs: they are what memory has. */
static void test_pdptes(void **state)
{
	svm_reg_set(v, VREG_CR3, 0x12345678);
	assert_int_equal(svm_reg_get(v, VREG_PDPTE0), 0x12345661);
	assert_int_equal(svm_reg_get(v, VREG_PDPTE3), 0x12345679);
	svm_reg_set(v, VREG_CR3, 0xffffffe0);
	assert_int_equal(svm_reg_get(v, VREG_PDPTE3), 0);
}

static void assert_segment(const struct vseg_desc *got, const struct vseg_desc *want)
{
	assert_int_equal(got->selector, want->selector);
	assert_int_equal(got->limit, want->limit);
	assert_int_equal(got->attr, want->attr);
	assert_int_equal(got->base, want->base);
}

static void test_segments(void **state)
{
	struct vseg_desc d = {.selector = 0x33, .limit = 0xffffffff, .attr = 0xa0fb, .base = 0}, r;

	svm_seg_set(v, SEG_CS, &d);
	assert_int_equal(s->vmcb.cs.attrib, 0xafb);
	svm_seg_get(v, SEG_CS, &r);
	assert_segment(&r, &d);
	/* SS carries the CPL. */
	d.attr = 0xc0f3;
	svm_seg_set(v, SEG_SS, &d);
	assert_int_equal(s->vmcb.cpl, 3);
	s->vmcb.cpl = 1;
	svm_seg_get(v, SEG_SS, &r);
	assert_int_equal(r.attr, 0xc0b3);
	d.attr = SEG_ATTR_UNUSABLE | 0x93;
	svm_seg_set(v, SEG_ES, &d);
	assert_false(s->vmcb.es.attrib & 0x80);
	svm_seg_get(v, SEG_ES, &r);
	assert_true(r.attr & SEG_ATTR_UNUSABLE);
	assert_int_equal(synced + reloaded, 0);
	svm_seg_set(v, SEG_FS, &d);
	assert_int_equal(synced, 1);
	assert_int_equal(reloaded, 1);
	svm_seg_get(v, SEG_GDTR, &r);
	assert_int_equal(r.limit, 0xffff);
	assert_false(r.attr & SEG_ATTR_UNUSABLE);
}

static void test_msrs(void **state)
{
	for (unsigned m = 0; m < VMSR_COUNT; m++)
		svm_msr_set(v, m, 0x1000 + m);
	for (unsigned m = 0; m < VMSR_COUNT; m++)
		assert_int_equal(svm_msr_get(v, m), 0x1000 + m);
	assert_int_equal(s->vmcb.star, 0x1000 + VMSR_STAR);
	assert_int_equal(s->vmcb.sysenter_esp, 0x1000 + VMSR_SYSENTER_ESP);
	assert_int_equal(s->vmcb.fs.base, 0x1000 + VMSR_FS_BASE);
}

/* DR0-3 are the last guest's until this one uses them: it must not see them, nor arm them by DR7. */
static void test_debug_lazy(void **state)
{
	assert_int_equal(s->vmcb.intercept_dr_read & 0xf, 0xf);
	assert_int_equal(s->vmcb.intercept_dr_write & 0x8f, 0x8f);
	svm_reg_set(v, VREG_DR7, DR7_GE);
	assert_false(s->debug_live);
	svm_reg_set(v, VREG_DR7, DR7_L(2));
	assert_true(s->debug_live);
	assert_int_equal(debug_reloaded, 1);
	assert_int_equal(s->vmcb.dr7, DR7_L(2) | DR7_FIXED);
	assert_int_equal(s->vmcb.intercept_dr_read | s->vmcb.intercept_dr_write, 0);
}

static void inject(uint8_t type, uint8_t vector)
{
	svm_inject(v, &(struct guest_event){.valid = true, .type = type, .vector = vector});
}

static void test_inject(void **state)
{
	inject(EVENT_INTERRUPT, 0x41);
	assert_int_equal(s->vmcb.event_inj, EVENT_VALID | 0x41);
	svm_inject(v,
		   &(struct guest_event){
		       .valid = true, .type = EVENT_EXCEPTION, .vector = 13, .has_error = true, .error = 9});
	assert_int_equal(s->vmcb.event_inj, 0x900000b0dULL | EVENT_VALID);
	assert_panics(inject(EVENT_SOFT_INTERRUPT, 0x80));
}

static void test_blocking(void **state)
{
	assert_int_equal(svm_blocking(v), BLOCK_IF);
	s->vmcb.rflags |= RFLAGS_IF;
	assert_int_equal(svm_blocking(v), 0);
	s->vmcb.int_state = INT_STATE_SHADOW;
	assert_int_equal(svm_blocking(v), BLOCK_SHADOW);
	(void)svm_insn_completed(v);
	assert_int_equal(svm_blocking(v), 0);
}

/* An NMI blocks until its IRET was executed, and the window comes after it, by a single step. */
static void test_nmi(void **state)
{
	struct vm_exit e = {.kind = EXIT_EXCEPTION, .exc.vector = EXC_DB};

	s->pending = 0;
	s->vmcb.rflags |= RFLAGS_IF;
	inject(EVENT_NMI, EXC_NMI);
	assert_int_equal(svm_blocking(v), BLOCK_NMI);
	assert_true(s->vmcb.intercept_misc1 & INTERCEPT_IRET);
	svm_nmi_window(v, true);
	assert_int_equal(s->pending, 0);

	s->vmcb.event_inj = 0;
	v->rip = 0x2000;
	svm_iret_intercepted(s);
	assert_int_equal(svm_blocking(v), BLOCK_NMI);
	assert_false(s->vmcb.intercept_misc1 & INTERCEPT_IRET);
	assert_int_equal(s->pending, PENDING_STEP);

	/* The IRET faults on a page that isn't there: nothing has happened. */
	svm_step_begin(s);
	assert_true(s->vmcb.rflags & RFLAGS_TF);
	svm_step_end(s, &(struct vm_exit){.kind = EXIT_NPF});
	assert_false(s->vmcb.rflags & RFLAGS_TF);
	assert_int_equal(s->pending, PENDING_STEP);
	assert_int_equal(svm_blocking(v), BLOCK_NMI);

	/* It is executed, and its frame has TF set: that stays. */
	svm_step_begin(s);
	v->rip = 0x8000;
	s->vmcb.dr6 |= DR6_BS;
	svm_step_end(s, &e);
	assert_int_equal(e.kind, EXIT_NMI_WINDOW);
	assert_true(s->vmcb.rflags & RFLAGS_TF);
	assert_int_equal(s->vmcb.dr6, DR6_INIT);
	assert_int_equal(svm_blocking(v), 0);
}

/* With no NMI waiting the IRET runs freely and unblocks. */
static void test_nmi_iret(void **state)
{
	s->pending = 0;
	s->vmcb.rflags |= RFLAGS_IF;
	inject(EVENT_NMI, EXC_NMI);
	v->rip = 0x2000;
	svm_iret_intercepted(s);
	assert_int_equal(s->pending, 0);
	assert_int_equal(svm_blocking(v), BLOCK_NMI);
	v->rip = 0x3000;
	assert_int_equal(svm_blocking(v), 0);
}

/* The guest's own single step is not swallowed. */
static void test_nmi_step_guest(void **state)
{
	struct vm_exit e = {.kind = EXIT_EXCEPTION, .exc.vector = EXC_DB};

	s->vmcb.rflags |= RFLAGS_TF;
	svm_nmi_window(v, true);
	svm_step_begin(s);
	s->vmcb.dr6 |= DR6_BS;
	svm_step_end(s, &e);
	assert_int_equal(e.kind, EXIT_EXCEPTION);
	assert_true(s->vmcb.rflags & RFLAGS_TF);
	assert_true(s->vmcb.dr6 & DR6_BS);
	/* No step where an event is injected: its frame would show the flag. The CPU's own interrupt ends the guest. */
	s->vmcb.rflags &= ~RFLAGS_TF;
	assert_int_equal(kicks, 0);
	inject(EVENT_EXCEPTION, EXC_DB);
	svm_step_begin(s);
	assert_false(s->vmcb.rflags & RFLAGS_TF);
	assert_int_equal(kicks, 1);
	assert_true(s->watch & WATCH_EVENT);
}

static void test_requeue(void **state)
{
	s->vmcb.rflags |= RFLAGS_IF;
	inject(EVENT_NMI, EXC_NMI);
	s->vmcb.exit_int_info = EVENT_VALID | EVENT_NMI << EVENT_TYPE_SHIFT | EXC_NMI;
	svm_requeue(s);
	assert_true(requeued.valid);
	assert_int_equal(requeued.type, EVENT_NMI);
	assert_int_equal(svm_blocking(v), 0);
	assert_false(s->vmcb.intercept_misc1 & INTERCEPT_IRET);
}

static void test_interrupt_window(void **state)
{
	svm_interrupt_window(v, true);
	assert_true(s->vmcb.intercept_misc1 & INTERCEPT_VINTR);
	assert_true(s->vmcb.int_ctl & INT_CTL_V_IRQ);
	assert_true(s->vmcb.int_ctl & INT_CTL_V_IGN_TPR);
	assert_true(s->vmcb.int_ctl & INT_CTL_V_INTR_MASKING);
	svm_interrupt_window(v, false);
	assert_false(s->vmcb.intercept_misc1 & INTERCEPT_VINTR);
	assert_int_equal(s->vmcb.int_ctl, INT_CTL_V_INTR_MASKING);
}

/* An interrupt is a virtual one; what the CPU has not taken at the exit goes back. */
static void test_interrupt(void **state)
{
	svm_caps.repeats_eventinj = true;
	s->pending = 0;
	s->vmcb.clean = CLEAN_ALL;
	inject(EVENT_INTERRUPT, 0x41);
	assert_int_equal(s->pending, PENDING_INTERRUPT);
	svm_interrupt_begin(s);
	assert_int_equal(s->pending, 0);
	assert_int_equal(s->vmcb.event_inj, 0);
	assert_int_equal(s->vmcb.v_intr_vector, 0x41);
	assert_true(s->vmcb.int_ctl & INT_CTL_V_IRQ);
	assert_false(s->vmcb.intercept_misc1 & INTERCEPT_VINTR);
	assert_false(s->vmcb.clean & CLEAN_TPR);

	s->vmcb.int_ctl &= ~INT_CTL_V_IRQ; /* taken */
	svm_interrupt_end(s);
	assert_false(requeued.valid);
	assert_int_equal(s->vmcb.int_ctl, INT_CTL_V_INTR_MASKING);
	assert_int_equal(s->watch, 0);

	inject(EVENT_INTERRUPT, 0x42);
	svm_interrupt_begin(s);
	svm_step_begin(s); /* its frame would show the flag */
	assert_false(s->vmcb.rflags & RFLAGS_TF);
	svm_interrupt_end(s);
	assert_int_equal(requeued.type, EVENT_INTERRUPT);
	assert_int_equal(requeued.vector, 0x42);
	assert_int_equal(s->vmcb.int_ctl, INT_CTL_V_INTR_MASKING);

	/* Where the guest has gone on, its delivery faulted: it is lost. */
	requeued.valid = false;
	inject(EVENT_INTERRUPT, 0x43);
	svm_interrupt_begin(s);
	v->rip += 0x1000;
	svm_interrupt_end(s);
	assert_false(requeued.valid);
}

/* With a window asked for, V_IRQ is that, and stays. */
static void test_interrupt_and_window(void **state)
{
	svm_caps.repeats_eventinj = true;
	inject(EVENT_INTERRUPT, 0x43);
	svm_interrupt_window(v, true);
	svm_interrupt_begin(s);
	assert_int_equal(s->vmcb.event_inj, EVENT_VALID | 0x43);
	assert_int_equal(s->watch, 0);
	assert_true(s->vmcb.int_ctl & INT_CTL_V_IRQ);
	assert_true(s->vmcb.intercept_misc1 & INTERCEPT_VINTR);
}

static void test_asids(void **state)
{
	struct asid_pool p, other;
	struct asid a = {}, b = {}, c = {};

	asid_pool_init(&p, 3);
	asid_pool_init(&other, 3);
	assert_false(asid_is_valid(&p, &a));
	assert_true(asid_take_flush(&p)); /* whoever ran before us */
	assert_false(asid_take_flush(&p));
	asid_take(&p, &a);
	asid_take(&p, &b);
	assert_int_equal(a.number, 1);
	assert_int_equal(b.number, 2);
	assert_true(asid_is_valid(&p, &a) && asid_is_valid(&p, &b));
	assert_false(asid_is_valid(&other, &a));
	assert_false(asid_take_flush(&p));
	/* A third: a new generation, in which nobody else's number is valid. */
	asid_take(&p, &c);
	assert_int_equal(c.number, 1);
	assert_true(asid_is_valid(&p, &c));
	assert_false(asid_is_valid(&p, &a) || asid_is_valid(&p, &b));
	assert_true(asid_take_flush(&p));
	/* The smallest CPU: each change of guest is a generation. */
	asid_pool_init(&p, 2);
	for (unsigned i = 0; i < 100; i++) {
		asid_take(&p, &a);
		assert_int_equal(a.number, 1);
		assert_true(asid_take_flush(&p));
	}
}

static void test_msrpm(void **state)
{
	static uint8_t map[MSRPM_SIZE], expected[MSRPM_SIZE];

	memset(map, 0xff, sizeof(map));
	memset(expected, 0xff, sizeof(expected));
	assert_true(msrpm_allow(map, 0xc0000100, true, true)); /* FS base: byte 0x800 + 0x40 */
	expected[0x840] = 0xfc;
	assert_true(msrpm_allow(map, 0x1fff, false, true));
	expected[0x7ff] = 0x7f;
	assert_true(msrpm_allow(map, 0xc0010001, true, false));
	expected[0x1000] = 0xfb;
	assert_memory_equal(map, expected, sizeof(map));
	assert_false(msrpm_allow(map, 0x2000, true, true));
	assert_false(msrpm_allow(map, 0xc0002000, true, true));
	assert_false(msrpm_allow(map, 0xbfffffff, true, true));
	assert_memory_equal(map, expected, sizeof(map));
}

/* Each check names its field; afterwards the state is good again. */
static void test_check(void **state)
{
	struct vmcb *b = &s->vmcb, good = *b;

#define REFUSED(field, value, text)                                                                          \
	do {                                                                                                 \
		b->field = (value);                                                                          \
		assert_non_null(svm_check_guest(b));                                                         \
		assert_non_null(strstr(svm_check_guest(b), text));                                           \
		*b = good;                                                                                   \
		assert_null(svm_check_guest(b));                                                             \
	} while (0)

	REFUSED(efer, 0, "SVME");
	REFUSED(efer, EFER_SVME | BIT(63), "EFER");
	REFUSED(cr0, CR0_NW | CR0_ET, "CR0.NW");
	REFUSED(cr0, BIT(32), "CR0");
	REFUSED(cr4, BIT(32), "CR4");
	REFUSED(dr6, BIT(32), "DR6");
	REFUSED(dr7, BIT(63), "DR7");
	REFUSED(asid, 0, "ASID");
	REFUSED(intercept_misc2, 0, "VMRUN");
	REFUSED(event_inj, EVENT_VALID | 1 << EVENT_TYPE_SHIFT, "EVENTINJ");
	REFUSED(event_inj, EVENT_VALID | 3 << EVENT_TYPE_SHIFT | EXC_NMI, "EVENTINJ");
	good.efer = EFER_SVME | EFER_LME;
	good.cr0 = CR0_PE | CR0_PG;
	good.cr4 = CR4_PAE;
	*b = good;
	REFUSED(cr4, 0, "PAE");
	REFUSED(cr0, CR0_PG, "CR0.PE");
	REFUSED(cs.attrib, 0x69b, "CS.L");
	REFUSED(cr3, BIT(52), "CR3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	    CASE(test_take_back),
	    CASE(test_reset),
	    CASE(test_cr0),
	    CASE(test_flush),
	    CASE(test_clean_bits),
	    CASE(test_segments),
	    CASE(test_msrs),
	    CASE(test_debug_lazy),
	    CASE(test_inject),
	    CASE(test_blocking),
	    CASE(test_nmi),
	    CASE(test_nmi_iret),
	    CASE(test_nmi_step_guest),
	    CASE(test_requeue),
	    CASE(test_interrupt_window),
	    CASE(test_interrupt),
	    CASE(test_interrupt_and_window),
	    CASE(test_asids),
	    CASE(test_msrpm),
	    CASE(test_check),
	    CASE(test_pdptes),
	    CASE(test_tsc_ratio),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
