/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The way of an instruction through the emulator: its bytes, its form, its operands, what it does, and what comes
 * of that. Aligned moves of 32 and 64 bits and stores of 16, which drivers use on device registers, have a shorter way.
 */
#include "hv/emulate_private.h"

#include "hv/event.h"
#include "hv/insn_known.h"
#include "hv/lib/fmt.h"
#include "hv/lib/util.h"
#include "hv/vm.h"
#include "hv/x86/desc.h"

/* Exits in a row that an instruction doesn't explain. */
#define UNEXPLAINED_MAX 64

enum opcode { MOV_STORE = 0x89, MOV_LOAD = 0x8b, MOV_LOAD_RAX = 0xa1, MOV_STORE_RAX = 0xa3, MOV_IMM = 0xc7 };

/* --- the report --- */

static enum exit_action give_up(struct vcpu *v, const struct vm_exit *e, const char *what)
{
	uint8_t bytes[INSN_MAX];
	char text[INSN_MAX * 3 + 1] = "";
	unsigned count = insn_peek(v, bytes);

	for (unsigned i = 0; i < count; i++)
		fmt_snprintf(text + i * 3, sizeof(text) - i * 3, "%02x ", bytes[i]);
	if (e->kind == EXIT_NPF)
		vm_crash(v, "%s of 0x%llx, which is not RAM: %s: %s", e->npf.write ? "a write" : "a read",
			 (unsigned long long)e->npf.gpa.v, what, text);
	else
		vm_crash(v, "string I/O at port 0x%x: %s: %s", e->io.port, what, text);
	return ACT_STOPPED;
}

/* Tries it again, but not for ever: another vCPU may have changed the instruction or its page tables since. */
static enum exit_action unexplained(struct vcpu *v, const struct vm_exit *e, const char *what)
{
	uint64_t now = v->exits[e->kind];

	v->unexplained = v->unexplained_exit + 1 == now ? v->unexplained + 1 : 1;
	v->unexplained_exit = now;
	if (v->unexplained < UNEXPLAINED_MAX)
		return ACT_RESUME;
	v->unexplained = 0;
	return give_up(v, e, what);
}

/* --- all instructions --- */

/* A bit number in a register reaches beyond the operand, both ways. */
static void move_to_bit(struct emulation *m)
{
	int64_t number = (int64_t)alu_sign_extend(reg_read(m, m->insn->reg, m->size), m->size);
	int64_t bits = m->size * 8;

	m->own = *m->insn;
	m->insn = &m->own;
	m->own.disp += (number >> __builtin_ctzll((uint64_t)bits)) * m->size;
}

/* POP computes an address from the stack pointer after it has popped: SDM Vol. 2B, "POP". */
static void move_with_stack(struct emulation *m)
{
	if (!m->insn->has_base || m->insn->base != RSP)
		return;
	m->own = *m->insn;
	m->insn = &m->own;
	m->own.disp += m->size;
}

/* Everything that can fault, in the order in which the CPU would. */
static enum status find_operands(struct emulation *m)
{
	uint16_t flags = m->form->flags;
	bool mem = (flags & FORM_MEM) && !(m->insn->has_modrm && m->insn->mod == 3);
	enum status s = OK;

	if (flags & FORM_BIT)
		move_to_bit(m);
	if (flags & FORM_POP) {
		s = stack_find(m);
		move_with_stack(m);
	}
	if (s == OK && mem)
		s = place_find_operand(m, flags & FORM_WRITE, &m->mem);
	if (s == OK && (flags & FORM_PUSH))
		s = stack_find(m);
	return s;
}

static enum status execute(struct emulation *m)
{
	enum status s;

	if (m->insn->lock && !(m->form->flags & FORM_LOCK)) {
		event_raise(m->v, EXC_UD);
		return ERR_FAULT;
	}
	if (m->form->flags & FORM_STRING)
		return string_run(m);
	if (m->form->flags & FORM_NOTHING)
		return OK;
	s = find_operands(m);
	if (s == OK && !m->met)
		return ERR_NOENT;
	return s == OK ? m->form->run(m) : s;
}

static enum exit_action finish(struct emulation *m, enum status s)
{
	switch (s) {
	case OK:
		m->e->insn_len = m->insn->len;
		return m->branched ? ACT_BRANCH : ACT_ADVANCE;
	case ERR_AGAIN:
		return ACT_REPEAT;
	case ERR_FAULT:
		return ACT_RESUME;
	case ERR_NOENT:
		return unexplained(m->v, m->e, "the instruction at RIP makes no such access");
	case ERR_UNSUPPORTED:
	case ERR_INVAL:
		return unexplained(m->v, m->e, "an instruction that is not emulated");
	default:
		return give_up(m->v, m->e, "page tables or code outside memory");
	}
}

/* An instruction's form by all rules, with k (or NULL) as the place where that is remembered. */
static enum status recognise(struct emulation *m, struct insn_known *k)
{
	uint8_t form;
	enum status s;

	if (k) {
		m->insn = &k->insn;
		s = k->insn.len || insn_known_decode(k) ? OK : ERR_INVAL;
	} else {
		m->insn = &m->own;
		s = insn_at_rip(m->v, &m->own);
	}
	if (s != OK)
		return s;
	form = form_find(m->insn, &m->size);
	m->form = form_get(form);
	return form ? OK : ERR_UNSUPPORTED;
}

[[gnu::noinline]] static enum exit_action emulate_any(struct vcpu *v, struct vm_exit *e, struct insn_known *k)
{
	struct emulation m;
	enum status s;

	m.v = v;
	m.e = e;
	m.met = m.branched = false;
	s = recognise(&m, k);
	return finish(&m, s == OK ? execute(&m) : s);
}

/* --- aligned moves in 64-bit mode, which cross no page, can't fault a second time and keep no part of a register --- */

enum plan_kind { PLAN_NONE, PLAN_LONG_WAY, PLAN_LOAD, PLAN_STORE, PLAN_STORE_IMM };
#define PLAN_NO_REG 0xff

[[gnu::noinline]] static void make_plan(struct insn_known *k)
{
	struct insn_plan *p = &k->plan;
	const struct insn *i = &k->insn;

	p->kind = PLAN_LONG_WAY;
	if (!i->len && !insn_known_decode(k))
		return;
	if (i->encoding != INSN_LEGACY || i->map != MAP_ONE || i->addrsize != 8 || i->mod == 3 || i->lock ||
	    i->seg != INSN_NO_SEG || i->reg == RSP || (i->has_base && i->base == RSP))
		return;
	if ((i->opcode == MOV_LOAD || i->opcode == MOV_LOAD_RAX) && i->opsize != 2)
		p->kind = PLAN_LOAD;
	else if (i->opcode == MOV_STORE || i->opcode == MOV_STORE_RAX)
		p->kind = PLAN_STORE;
	else if (i->opcode == MOV_IMM && !(i->reg & 7))
		p->kind = PLAN_STORE_IMM;
	p->size = i->opsize;
	p->reg = i->reg;
	p->base = i->has_base ? i->base : PLAN_NO_REG;
	p->index = i->has_index ? i->index : PLAN_NO_REG;
	p->scale = i->scale;
	p->disp = (uint64_t)i->disp + (i->rip_relative ? k->rip + i->len : 0);
}

/* Is the access that made the exit this one? */
static inline bool plan_fits(const struct vcpu *v, const struct vm_exit *e, const struct insn_plan *p)
{
	uint64_t a = p->disp;

	if (p->base != PLAN_NO_REG)
		a += v->gpr[p->base];
	if (p->index != PLAN_NO_REG)
		a += v->gpr[p->index] << p->scale;
	return ((a ^ e->npf.gpa.v) & PAGE_OFFSET) == 0 && (a & (p->size - 1U)) == 0 && insn_canonical(a) &&
	       e->npf.write == (p->kind != PLAN_LOAD);
}

/* Not inlined, as with what follows: each has just the frame that it needs. */
[[gnu::noinline]] static enum exit_action plan_load(struct vcpu *v, uint64_t at, const struct insn_plan *p)
{
	v->gpr[p->reg] = vlapic_owns(&v->lapic, at) ? vlapic_mmio_read(v, at & PAGE_OFFSET, p->size)
						    : part_read(v, at, p->size);
	return ACT_ADVANCE;
}

[[gnu::noinline]] static void device_store(struct vcpu *v, uint64_t at, unsigned size, uint64_t value)
{
	const struct io_range *r = io_bus_recent(&v->vm->mmio, at);

	if (io_range_holds(r, at, size))
		r->write(r->dev, v, at, size, value);
	else
		part_write(v, at, size, value);
}

[[gnu::noinline]] static enum exit_action plan_store(struct vcpu *v, uint64_t at, const struct insn_plan *p,
						     uint64_t value)
{
	value &= UINT64_MAX >> (64 - 8 * p->size);
	if (vlapic_owns(&v->lapic, at))
		vlapic_mmio_write(v, at & PAGE_OFFSET, p->size, value);
	else
		device_store(v, at, p->size, value);
	return ACT_ADVANCE;
}

static inline enum exit_action plan_run(struct vcpu *v, uint64_t at, const struct insn_known *k)
{
	if (k->plan.kind == PLAN_LOAD)
		return plan_load(v, at, &k->plan);
	return plan_store(v, at, &k->plan, k->plan.kind == PLAN_STORE ? v->gpr[k->plan.reg] : k->insn.imm);
}

[[gnu::noinline]] static enum exit_action emulate_unmet(struct vcpu *v, struct vm_exit *e)
{
	struct insn_known *k = insn_known_at_rip(v);

	if (!k)
		return emulate_any(v, e, NULL);
	if (k->plan.kind == PLAN_NONE)
		make_plan(k);
	if (k->plan.kind == PLAN_LONG_WAY || !plan_fits(v, e, &k->plan))
		return emulate_any(v, e, k);
	e->insn_len = k->len;
	return plan_run(v, e->npf.gpa.v, k);
}

enum exit_action emulate_mmio(struct vcpu *v, struct vm_exit *e)
{
	const struct insn_known *k = e->npf.known;

	if (!k || k->plan.kind <= PLAN_LONG_WAY || !plan_fits(v, e, &k->plan))
		return emulate_unmet(v, e);
	e->next_rip = k->next;
	return plan_run(v, e->npf.gpa.v, k);
}

enum exit_action emulate_string_io(struct vcpu *v, struct vm_exit *e)
{
	struct emulation m;
	enum status s;

	m.v = v;
	m.e = e;
	m.branched = false;
	s = recognise(&m, insn_known_at_rip(v));
	if (s == OK || s == ERR_UNSUPPORTED) { /* the exit tells the rest */
		m.form = e->io.in ? &form_ins : &form_outs;
		m.size = (uint8_t)exit_io_size(e);
		s = string_run(&m);
	}
	return finish(&m, s);
}
