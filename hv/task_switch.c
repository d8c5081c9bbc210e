/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See hv/task_switch.h. SDM Vol. 3A, "Task Switching": the processor has checked the gate and the privileges before
 * the exit ("Treatment of Task Switches" in Vol. 3C); what is left is to save, load and check the tasks' state. SVM's
 * guests switch tasks by themselves.
 */
#include "hv/task_switch.h"

#include "hv/cr.h"
#include "hv/event.h"
#include "hv/guest_walk.h"
#include "hv/lib/util.h"
#include "hv/vm.h"
#include "hv/x86/cr.h"
#include "hv/x86/rflags.h"

struct tss32 {
	uint16_t link, r0;
	uint32_t esp0;
	uint16_t ss0, r1;
	uint32_t esp1;
	uint16_t ss1, r2;
	uint32_t esp2;
	uint16_t ss2, r3;
	uint32_t cr3;
	uint32_t eip, eflags;
	uint32_t gpr[8];
	struct {
		uint16_t selector, r;
	} seg[6]; /* in the order of enum vseg */
	uint16_t ldt, r4;
	uint16_t trap, iomap;
};
static_assert(sizeof(struct tss32) == 104);

/* What a switch saves in the old TSS: EIP to GS, without CR3 and the LDT's selector. */
#define SAVED_FIRST   offsetof(struct tss32, eip)
#define SAVED_SIZE    (offsetof(struct tss32, ldt) - SAVED_FIRST)

#define SELECTOR_RPL  3u
#define SELECTOR_LDT  4u
#define SELECTOR_MASK 0xfffcu /* as in error codes: without the RPL */
#define TSS_TRAP      1u
#define TYPE_LDT      2u
#define TYPE_TSS32    9u
#define TYPE_BUSY     2u
#define TYPE_CODE     8u
#define TYPE_WRITE    2u /* data: writable; code: readable */
#define TYPE_CONFORM  4u /* code: conforming; data: expands down */
#define TYPE_ACCESSED 1u
#define ATTR_V86      0xf3u /* read-write data, DPL 3, present */
#define DR7_LOCAL     (BIT(0) | BIT(2) | BIT(4) | BIT(6) | BIT(8))

struct descriptor {
	uint32_t low, high;
	gva_t at;
};

static enum status fail(struct vcpu *v, uint8_t vector, uint16_t selector)
{
	event_raise_error(v, vector, selector & SELECTOR_MASK);
	return ERR_FAULT;
}

static enum status table_read(struct vcpu *v, uint64_t at, void *dst, size_t n)
{
	return guest_read(v, gva((uint32_t)at), dst, n, WALK_IMPLICIT);
}

static enum status table_write(struct vcpu *v, uint64_t at, const void *src, size_t n)
{
	return guest_write(v, gva((uint32_t)at), src, n, WALK_IMPLICIT);
}

/* The descriptor that selector names; #TS where it is beyond its table. */
static enum status descriptor_read(struct vcpu *v, uint16_t selector, struct descriptor *d)
{
	struct vseg_desc table;
	uint32_t offset = selector & ~(SELECTOR_RPL | SELECTOR_LDT);
	uint64_t raw;
	enum status s;

	ops->seg_get(v, selector & SELECTOR_LDT ? SEG_LDTR : SEG_GDTR, &table);
	if (offset + 7 > table.limit || ((selector & SELECTOR_LDT) && (table.attr & SEG_ATTR_UNUSABLE)))
		return fail(v, EXC_TS, selector);
	d->at = gva((uint32_t)(table.base + offset));
	s = table_read(v, d->at.v, &raw, sizeof(raw));
	d->low = (uint32_t)raw;
	d->high = (uint32_t)(raw >> 32);
	return s;
}

static void descriptor_unpack(const struct descriptor *d, uint16_t selector, struct vseg_desc *seg)
{
	seg->selector = selector;
	seg->base = d->low >> 16 | (d->high & 0xff) << 16 | (d->high & 0xff000000);
	seg->limit = (d->low & 0xffff) | (d->high & 0xf0000);
	seg->attr = d->high >> 8 & 0xf0ff;
	if (seg->attr & SEG_ATTR_G)
		seg->limit = seg->limit << 12 | 0xfff;
}

/* Sets or clears bits of a descriptor's type. */
static enum status type_change(struct vcpu *v, struct descriptor *d, uint32_t set, uint32_t clear)
{
	d->high = (d->high & ~(clear << 8)) | set << 8;
	return table_write(v, d->at.v + 4, &d->high, sizeof(d->high));
}

static void save_state(struct vcpu *v, struct tss32 *t, uint32_t eip, uint32_t eflags)
{
	struct vseg_desc seg;

	t->eip = eip;
	t->eflags = eflags;
	for (unsigned i = 0; i < ARRAY_SIZE(t->gpr); i++)
		t->gpr[i] = (uint32_t)vcpu_gpr(v, i);
	for (unsigned i = 0; i < ARRAY_SIZE(t->seg); i++) {
		ops->seg_get(v, (enum vseg)i, &seg);
		t->seg[i].selector = seg.selector;
		t->seg[i].r = 0;
	}
}

static void segment_null(struct vcpu *v, enum vseg seg, uint16_t selector)
{
	ops->seg_set(v, seg, &(struct vseg_desc){.selector = selector, .attr = SEG_ATTR_UNUSABLE});
}

static enum status ldt_load(struct vcpu *v, uint16_t selector)
{
	struct descriptor d;
	struct vseg_desc seg;
	enum status s;

	segment_null(v, SEG_LDTR, selector);
	if (!(selector & SELECTOR_MASK))
		return OK;
	if (selector & SELECTOR_LDT)
		return fail(v, EXC_TS, selector);
	s = descriptor_read(v, selector, &d);
	if (s != OK)
		return s;
	descriptor_unpack(&d, selector, &seg);
	if ((seg.attr & (SEG_ATTR_TYPE | SEG_ATTR_S)) != TYPE_LDT || !(seg.attr & SEG_ATTR_P))
		return fail(v, EXC_TS, selector);
	ops->seg_set(v, SEG_LDTR, &seg);
	return OK;
}

/* Type and privilege of a descriptor for a segment register, when CS is loaded with `cpl`. */
static bool segment_fits(enum vseg seg, uint32_t attr, unsigned rpl, unsigned cpl)
{
	unsigned dpl = attr >> 5 & 3;
	bool code = attr & TYPE_CODE;

	if (!(attr & SEG_ATTR_S))
		return false;
	switch (seg) {
	case SEG_CS:
		return code && (attr & TYPE_CONFORM ? dpl <= rpl : dpl == rpl);
	case SEG_SS:
		return !code && (attr & TYPE_WRITE) && dpl == cpl && rpl == cpl;
	default:
		if (code && !(attr & TYPE_WRITE))
			return false;
		return (code && (attr & TYPE_CONFORM)) || (dpl >= rpl && dpl >= cpl);
	}
}

static enum status segment_load(struct vcpu *v, enum vseg seg, uint16_t selector, unsigned cpl)
{
	struct descriptor d;
	struct vseg_desc new;
	enum status s;

	if (!(selector & SELECTOR_MASK)) {
		if (seg == SEG_CS || seg == SEG_SS)
			return fail(v, EXC_TS, selector);
		return OK; /* unusable already */
	}
	s = descriptor_read(v, selector, &d);
	if (s != OK)
		return s;
	descriptor_unpack(&d, selector, &new);
	if (!segment_fits(seg, new.attr, selector & SELECTOR_RPL, cpl))
		return fail(v, EXC_TS, selector);
	if (!(new.attr &SEG_ATTR_P))
		return fail(v, seg == SEG_SS ? EXC_SS : EXC_NP, selector);
	if (!(new.attr &TYPE_ACCESSED)) {
		s = type_change(v, &d, TYPE_ACCESSED, 0);
		if (s != OK)
			return s;
		new.attr |= TYPE_ACCESSED;
	}
	ops->seg_set(v, seg, &new);
	return OK;
}

static void segment_v86(struct vcpu *v, enum vseg seg, uint16_t selector)
{
	ops->seg_set(
	    v, seg,
	    &(struct vseg_desc){
		.selector = selector, .base = (uint32_t)selector << 4, .limit = 0xffff, .attr = ATTR_V86});
}

/*
 * The new task's state. The switch is made once CR3 and the general registers are loaded: a fault of a segment is the
 * new task's, and finds the registers that were not loaded yet unusable.
 */
static enum status load_state(struct vcpu *v, const struct tss32 *t, uint32_t eflags)
{
	static const enum vseg order[] = {SEG_CS, SEG_SS, SEG_DS, SEG_ES, SEG_FS, SEG_GS};
	unsigned cpl = eflags & RFLAGS_VM ? 3 : t->seg[SEG_CS].selector & SELECTOR_RPL;
	enum status s;

	if ((vcpu_reg_get(v, VREG_CR0) & CR0_PG) && !cr3_write(v, t->cr3))
		return fail(v, EXC_TS, 0);
	v->rip = t->eip;
	vcpu_reg_set(v, VREG_RFLAGS, eflags);
	for (unsigned i = 0; i < ARRAY_SIZE(t->gpr); i++)
		vcpu_gpr_set(v, i, t->gpr[i]);
	if (eflags & RFLAGS_VM) {
		for (unsigned i = 0; i < ARRAY_SIZE(order); i++)
			segment_v86(v, order[i], t->seg[order[i]].selector);
		return ldt_load(v, t->ldt);
	}
	for (unsigned i = 2; i < ARRAY_SIZE(order); i++)
		segment_null(v, order[i], t->seg[order[i]].selector);
	s = ldt_load(v, t->ldt);
	for (unsigned i = 0; i < ARRAY_SIZE(order) && s == OK; i++)
		s = segment_load(v, order[i], t->seg[order[i]].selector, cpl);
	return s;
}

/* An exception with an error code came through a task gate: the handler's task finds it on its stack. */
static enum status push_error(struct vcpu *v, uint32_t error)
{
	struct vseg_desc ss;
	uint32_t esp = (uint32_t)vcpu_gpr(v, RSP) - sizeof(error);
	enum status s;

	ops->seg_get(v, SEG_SS, &ss);
	s = guest_write(v, gva((uint32_t)(ss.base + esp)), &error, sizeof(error),
			vcpu_cpl(v) == 3 ? WALK_USER : 0);
	if (s == OK)
		vcpu_gpr_set(v, RSP, esp);
	return s;
}

struct task {
	struct descriptor desc;
	struct vseg_desc tr;
	struct tss32 tss;
};

/* The new task's TSS, looked up and checked. */
static enum status new_task(struct vcpu *v, const struct vm_exit *e, struct task *t)
{
	uint16_t selector = e->task.selector;
	uint32_t type, wanted = TYPE_TSS32 | (e->task.from_iret ? TYPE_BUSY : 0);
	enum status s;

	if ((selector & SELECTOR_LDT) || !(selector & SELECTOR_MASK))
		return fail(v, EXC_TS, selector);
	s = descriptor_read(v, selector, &t->desc);
	if (s != OK)
		return s;
	descriptor_unpack(&t->desc, selector, &t->tr);
	type = t->tr.attr & (SEG_ATTR_TYPE | SEG_ATTR_S);
	if ((type | TYPE_BUSY) == ((TYPE_TSS32 & 7) | TYPE_BUSY))
		return ERR_UNSUPPORTED;
	if (type != wanted)
		return fail(v, EXC_TS, selector);
	if (!(t->tr.attr & SEG_ATTR_P))
		return fail(v, EXC_NP, selector);
	if (t->tr.limit < sizeof(t->tss) - 1)
		return fail(v, EXC_TS, selector);
	return table_read(v, t->tr.base, &t->tss, sizeof(t->tss));
}

/* Writes what the old task leaves behind, and what the descriptors and the new TSS say of it. */
static enum status leave_old(struct vcpu *v, const struct vm_exit *e, struct task *t, uint32_t eip)
{
	bool nests = !e->task.from_iret && !e->task.from_jump;
	uint32_t eflags = (uint32_t)vcpu_reg_get(v, VREG_RFLAGS);
	struct descriptor old_desc;
	struct vseg_desc old;
	struct tss32 saved;
	enum status s;

	ops->seg_get(v, SEG_TR, &old);
	save_state(v, &saved, eip, e->task.from_iret ? eflags & ~(uint32_t)RFLAGS_NT : eflags);
	s = descriptor_read(v, old.selector, &old_desc);
	if (s == OK)
		s = table_write(v, old.base + SAVED_FIRST, (uint8_t *)&saved + SAVED_FIRST, SAVED_SIZE);
	if (s == OK && nests) {
		t->tss.link = old.selector;
		s = table_write(v, t->tr.base, &t->tss.link, sizeof(t->tss.link));
	}
	if (s == OK && !nests)
		s = type_change(v, &old_desc, 0, TYPE_BUSY);
	if (s == OK && !e->task.from_iret)
		s = type_change(v, &t->desc, TYPE_BUSY, 0);
	return s;
}

static enum status enter_new(struct vcpu *v, const struct vm_exit *e, struct task *t)
{
	bool nests = !e->task.from_iret && !e->task.from_jump;
	uint32_t eflags = (t->tss.eflags & ~(uint32_t)RFLAGS_RESERVED) | RFLAGS_FIXED;
	enum status s;

	t->tr.attr |= TYPE_BUSY;
	ops->seg_set(v, SEG_TR, &t->tr);
	(void)ops->insn_completed(v);
	vcpu_reg_set(v, VREG_CR0, vcpu_reg_get(v, VREG_CR0) | CR0_TS);
	vcpu_reg_set(v, VREG_DR7, vcpu_reg_get(v, VREG_DR7) & ~DR7_LOCAL);
	s = load_state(v, &t->tss, nests ? eflags | RFLAGS_NT : eflags);
	if (s == OK && e->task.has_error)
		s = push_error(v, e->task.error);
	if (s == OK && (t->tss.trap & TSS_TRAP)) {
		vcpu_reg_set(v, VREG_DR6, vcpu_reg_get(v, VREG_DR6) | DR6_BT);
		event_raise(v, EXC_DB);
	}
	return s;
}

enum exit_action task_switch_handle(struct vcpu *v, const struct vm_exit *e)
{
	/* Where the old task goes on: behind the instruction that made the switch, if one did. */
	uint32_t eip = (uint32_t)v->rip + e->insn_len;
	struct task t;
	enum status s = new_task(v, e, &t);

	if (s == OK)
		s = leave_old(v, e, &t, eip);
	if (s == OK)
		s = enter_new(v, e, &t);
	if (s == OK || s == ERR_FAULT)
		return ACT_RESUME;
	vm_crash(v,
		 s == ERR_UNSUPPORTED ? "a task switch to a 16-bit TSS, selector 0x%x"
				      : "a task switch to selector 0x%x, whose structures are not in RAM",
		 e->task.selector);
	return ACT_STOPPED;
}
