/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * String instructions and string I/O. One repetition at a time is found, allowed and done, registers included, so
 * that a fault or the end of an exit's share leaves exactly what is done.
 */
#include "hv/emulate_private.h"

#include "hv/vm.h"
#include "hv/x86/rflags.h"

#define REPETITIONS 256 /* in one exit */
#define REPNE       0xf2

static uint64_t index_read(const struct emulation *m, unsigned reg)
{
	return vcpu_gpr(m->v, reg) & alu_mask(m->insn->addrsize);
}

static void index_add(const struct emulation *m, unsigned reg, uint64_t n)
{
	reg_merge(m->v, reg, m->insn->addrsize, index_read(m, reg) + n);
}

static enum status find(struct emulation *m)
{
	uint16_t flags = m->form->flags;
	enum status s = OK;

	if (flags & FORM_SRC)
		s = place_find(m, m->insn->seg != INSN_NO_SEG ? m->insn->seg : SEG_DS, index_read(m, RSI),
			       false, &m->src);
	if (s == OK && (flags & FORM_DST))
		s = place_find(m, SEG_ES, index_read(m, RDI), flags & FORM_DST_WRITE, &m->dst);
	return s;
}

/* One repetition. ERR_NOENT: it has nothing to do with the exit. */
static enum status once(struct emulation *m)
{
	uint64_t step = (flags_read(m) & RFLAGS_DF) ? -(uint64_t)m->size : m->size;
	enum status s;

	m->met = false;
	s = find(m);
	if (s == OK && !m->met)
		s = ERR_NOENT;
	if (s == OK)
		s = m->form->run(m);
	if (s != OK)
		return s;
	if (m->form->flags & FORM_SRC)
		index_add(m, RSI, step);
	if (m->form->flags & FORM_DST)
		index_add(m, RDI, step);
	return OK;
}

/* Do REPE and REPNE go on? */
static bool compares_on(const struct emulation *m)
{
	return !(m->form->flags & FORM_COMPARE) || !(flags_read(m) & RFLAGS_ZF) == (m->insn->rep == REPNE);
}

enum status string_run(struct emulation *m)
{
	/* A single step is trapped after each repetition. */
	unsigned most = (flags_read(m) & RFLAGS_TF) ? 1 : REPETITIONS;

	if (!m->insn->rep)
		return once(m);
	for (unsigned i = 0; i < most; i++) {
		enum status s;

		if (!index_read(m, RCX))
			return OK;
		s = once(m);
		/* The rest is in RAM: the CPU does that itself. */
		if (s == ERR_NOENT && i)
			return ERR_AGAIN;
		if (s != OK)
			return s;
		index_add(m, RCX, -1UL);
		if (!compares_on(m))
			return OK;
	}
	return index_read(m, RCX) ? ERR_AGAIN : OK;
}

enum status do_movs(struct emulation *m)
{
	place_write(m->v, &m->dst, place_read(m->v, &m->src));
	return OK;
}

enum status do_stos(struct emulation *m)
{
	place_write(m->v, &m->dst, vcpu_gpr(m->v, RAX) & alu_mask(m->size));
	return OK;
}

enum status do_lods(struct emulation *m)
{
	reg_merge(m->v, RAX, m->size, place_read(m->v, &m->src));
	return OK;
}

static enum status compare(struct emulation *m, uint64_t a, uint64_t b)
{
	uint64_t flags = 0;

	alu_binary(ALU_CMP, a, b, m->size, &flags);
	flags_write(m, RFLAGS_STATUS, flags);
	return OK;
}

enum status do_cmps(struct emulation *m)
{
	uint64_t src = place_read(m->v, &m->src);

	return compare(m, src, place_read(m->v, &m->dst));
}

enum status do_scas(struct emulation *m)
{
	return compare(m, vcpu_gpr(m->v, RAX), place_read(m->v, &m->dst));
}

static enum status do_ins(struct emulation *m)
{
	place_write(m->v, &m->dst, io_bus_read(&m->v->vm->ports, m->v, m->e->io.port, m->size));
	return OK;
}

static enum status do_outs(struct emulation *m)
{
	io_bus_write(&m->v->vm->ports, m->v, m->e->io.port, m->size, place_read(m->v, &m->src));
	return OK;
}

const struct form form_ins = {do_ins, FORM_DST | FORM_DST_WRITE, SIZE_PAIR};
const struct form form_outs = {do_outs, FORM_SRC, SIZE_PAIR};
