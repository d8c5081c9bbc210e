/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Instructions that push and pop, with the stack or the operand in device memory, and the near calls, jumps and
 * returns among them. Far ones, and moves into segment registers, are not emulated.
 */
#include "hv/emulate_private.h"

#include "hv/event.h"
#include "hv/x86/desc.h"
#include "hv/x86/rflags.h"

#define REX_B        1
#define MOD_REGISTER 3

/* Bytes of the stack pointer: the stack segment's B bit tells. */
static unsigned pointer_size(const struct emulation *m)
{
	struct vseg_desc ss;

	if (m->insn->mode == INSN_64)
		return 8;
	ops->seg_get(m->v, SEG_SS, &ss);
	return (ss.attr & SEG_ATTR_DB) ? 4 : 2;
}

/* LEAVE pops from where rBP points. */
static unsigned pointer_reg(const struct emulation *m)
{
	return m->form->run == do_leave ? RBP : RSP;
}

enum status stack_find(struct emulation *m)
{
	bool push = m->form->flags & FORM_PUSH;
	uint64_t offset = vcpu_gpr(m->v, pointer_reg(m)) - (push ? m->size : 0);

	return place_find(m, SEG_SS, offset & alu_mask(pointer_size(m)), push, &m->stack);
}

static enum status push(struct emulation *m, uint64_t value)
{
	place_write(m->v, &m->stack, value & alu_mask(m->size));
	reg_merge(m->v, RSP, pointer_size(m), vcpu_gpr(m->v, RSP) - m->size);
	return OK;
}

/* The stack pointer behind what was popped, and as many bytes further. */
static void release(struct emulation *m, unsigned bytes)
{
	reg_merge(m->v, RSP, pointer_size(m), vcpu_gpr(m->v, pointer_reg(m)) + m->size + bytes);
}

static uint64_t pop(struct emulation *m)
{
	uint64_t value = place_read(m->v, &m->stack);

	release(m, 0);
	return value;
}

/* The register in the opcode's low bits. */
static unsigned opcode_reg(const struct emulation *m)
{
	return (m->insn->opcode & 7) | ((m->insn->rex & REX_B) ? 8 : 0);
}

static uint64_t operand_read(struct emulation *m)
{
	if (m->insn->mod == MOD_REGISTER)
		return reg_read(m, m->insn->rm, m->size);
	return place_read(m->v, &m->mem);
}

enum status do_push(struct emulation *m)
{
	return push(m, vcpu_gpr(m->v, opcode_reg(m)));
}

enum status do_push_sreg(struct emulation *m)
{
	struct vseg_desc d;

	ops->seg_get(m->v, m->insn->opcode >> 3 & 7, &d);
	return push(m, d.selector);
}

enum status do_push_flags(struct emulation *m)
{
	if (vcpu_mode(m->v) == MODE_V86) /* IOPL and VME would have a say */
		return ERR_UNSUPPORTED;
	return push(m, flags_read(m) & ~(RFLAGS_VM | RFLAGS_RF));
}

enum status do_push_operand(struct emulation *m)
{
	return push(m, operand_read(m));
}

enum status do_push_imm(struct emulation *m)
{
	return push(m, m->insn->imm);
}

enum status do_pop(struct emulation *m)
{
	reg_merge(m->v, opcode_reg(m), m->size, pop(m));
	return OK;
}

enum status do_pop_operand(struct emulation *m)
{
	uint64_t value = pop(m);

	if (m->insn->mod == MOD_REGISTER)
		reg_merge(m->v, m->insn->rm, m->size, value);
	else
		place_write(m->v, &m->mem, value);
	return OK;
}

enum status do_leave(struct emulation *m)
{
	reg_merge(m->v, RBP, m->size, pop(m));
	return OK;
}

/* --- near branches --- */

/* Checks the target as the CPU does before anything is pushed or popped. */
static enum status branch(struct emulation *m, uint64_t target)
{
	struct vseg_desc cs;
	bool ok;

	if (m->insn->mode == INSN_64) {
		if (m->size != 8) /* with 66 the vendors differ */
			return ERR_UNSUPPORTED;
		ok = insn_canonical(target);
	} else {
		ops->seg_get(m->v, SEG_CS, &cs);
		target &= alu_mask(m->size);
		ok = target <= cs.limit;
	}
	if (!ok) {
		event_raise_error(m->v, EXC_GP, 0);
		return ERR_FAULT;
	}
	m->e->branch_to = target;
	m->branched = true;
	return OK;
}

static uint64_t next_rip(const struct emulation *m)
{
	return m->v->rip + m->insn->len;
}

static enum status call(struct emulation *m, uint64_t target)
{
	enum status s = branch(m, target);

	return s == OK ? push(m, next_rip(m)) : s;
}

enum status do_call(struct emulation *m)
{
	return call(m, next_rip(m) + m->insn->imm);
}

enum status do_call_operand(struct emulation *m)
{
	return call(m, operand_read(m));
}

enum status do_jump_operand(struct emulation *m)
{
	return branch(m, operand_read(m));
}

/* With an immediate, that many bytes of arguments are released. */
enum status do_return(struct emulation *m)
{
	enum status s = branch(m, place_read(m->v, &m->stack));

	if (s == OK)
		release(m, m->insn->imm & UINT16_MAX);
	return s;
}
