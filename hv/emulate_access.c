/* SPDX-License-Identifier: BSD-2-Clause */
/* Operands: registers, flags, and memory or devices, over page ends and in all modes. */
#include "hv/emulate_private.h"

#include "hv/event.h"
#include "hv/guest_walk.h"
#include "hv/vm.h"
#include "hv/x86/cr.h"
#include "hv/x86/desc.h"
#include "hv/x86/rflags.h"

/* --- registers --- */

/* Without REX, byte registers 4-7 are AH, CH, DH, BH. */
static bool high_byte(const struct insn *i, unsigned n, unsigned size)
{
	return size == 1 && !i->rex && n >= 4 && n < 8;
}

uint64_t reg_read(const struct emulation *m, unsigned n, unsigned size)
{
	if (high_byte(m->insn, n, size))
		return vcpu_gpr(m->v, n - 4) >> 8 & 0xff;
	return vcpu_gpr(m->v, n) & alu_mask(size);
}

void reg_merge(struct vcpu *v, unsigned n, unsigned size, uint64_t value)
{
	value &= alu_mask(size);
	if (size < 4)
		value |= vcpu_gpr(v, n) & ~alu_mask(size);
	vcpu_gpr_set(v, n, value);
}

void reg_write(const struct emulation *m, unsigned n, unsigned size, uint64_t value)
{
	if (high_byte(m->insn, n, size))
		vcpu_gpr_set(m->v, n - 4, (vcpu_gpr(m->v, n - 4) & ~0xff00ULL) | (value & 0xff) << 8);
	else
		reg_merge(m->v, n, size, value);
}

uint64_t flags_read(const struct emulation *m)
{
	return vcpu_reg_get(m->v, VREG_RFLAGS);
}

void flags_write(const struct emulation *m, uint64_t affected, uint64_t flags)
{
	vcpu_reg_set(m->v, VREG_RFLAGS, (flags_read(m) & ~affected) | (flags & affected));
}

/* --- where an operand is --- */

/*
 * Is this the access that made the exit, alone in its instruction? Then the CPU has just translated and allowed
 * it. One at a page's end has to be looked at, since the exit's address may be of its second half.
 */
static bool is_exit_access(const struct emulation *m, uint64_t linear, bool write)
{
	return m->e->kind == EXIT_NPF && ((linear ^ m->e->npf.gpa.v) & PAGE_OFFSET) == 0 &&
	       (linear & PAGE_OFFSET) + m->size <= PAGE_SIZE && write == m->e->npf.write &&
	       !(m->form->flags & ((m->form->flags & FORM_MEM) ? FORM_STACK : FORM_STRING));
}

/* SDM Vol. 3A, "Alignment Checking". */
static bool alignment_fault(const struct emulation *m, uint64_t linear)
{
	return (linear & (m->size - 1)) && vcpu_cpl(m->v) == 3 && (flags_read(m) & RFLAGS_AC) &&
	       (vcpu_reg_get(m->v, VREG_CR0) & CR0_AM);
}

static enum status translate(struct emulation *m, uint64_t linear, bool write, struct place *p)
{
	gpa_t exit_at = m->e->npf.gpa;
	uint32_t access = (vcpu_cpl(m->v) == 3 ? WALK_USER : 0) | (write ? WALK_WRITE : 0);
	unsigned head = (unsigned)MIN((uint64_t)m->size, PAGE_SIZE - (linear & PAGE_OFFSET));

	p->count = head < m->size ? 2 : 1;
	p->part[0].size = head;
	p->part[1].size = m->size - head;
	for (unsigned i = 0; i < p->count; i++) {
		uint64_t a = linear + (i ? head : 0);
		enum status s;

		if (m->insn->mode != INSN_64)
			a = (uint32_t)a;
		s = guest_translate(m->v, gva(a), access, &p->part[i].at);
		if (s != OK)
			return s;
		m->met |= m->e->kind != EXIT_NPF || (p->part[i].at.v ^ exit_at.v) < PAGE_SIZE;
	}
	return OK;
}

static enum status find_linear(struct emulation *m, uint64_t linear, bool write, struct place *p)
{
	/* SDM Vol. 2A, "CMPXCHG8B/CMPXCHG16B". */
	if (m->size == 16 && (linear & (m->size - 1))) {
		event_raise_error(m->v, EXC_GP, 0);
		return ERR_FAULT;
	}
	if (alignment_fault(m, linear)) {
		event_raise_error(m->v, EXC_AC, 0);
		return ERR_FAULT;
	}
	if (is_exit_access(m, linear, write)) {
		p->count = 1;
		p->part[0].at = m->e->npf.gpa;
		p->part[0].size = m->size;
		m->met = true;
		return OK;
	}
	return translate(m, linear, write, p);
}

enum status place_find(struct emulation *m, unsigned seg, uint64_t offset, bool write, struct place *p)
{
	gva_t a;
	enum status s = insn_segment(m->v, seg, offset, m->size, write, &a);

	return s == OK ? find_linear(m, a.v, write, p) : s;
}

enum status place_find_operand(struct emulation *m, bool write, struct place *p)
{
	gva_t a;
	enum status s = insn_operand(m->v, m->insn, m->size, write, &a);

	return s == OK ? find_linear(m, a.v, write, p) : s;
}

/* --- what is there --- */

static uint64_t device_read(struct vcpu *v, uint64_t at, unsigned size)
{
	if (vlapic_owns(&v->lapic, at))
		return vlapic_mmio_read(v, at & PAGE_OFFSET, size);
	return io_bus_read(&v->vm->mmio, v, at, size);
}

static void device_write(struct vcpu *v, uint64_t at, unsigned size, uint64_t value)
{
	if (vlapic_owns(&v->lapic, at))
		vlapic_mmio_write(v, at & PAGE_OFFSET, size, value);
	else
		io_bus_write(&v->vm->mmio, v, at, size, value);
}

/* Devices take accesses of 1, 2, 4 and 8 bytes; what a page end has cut otherwise goes byte by byte. */
static unsigned device_unit(unsigned size)
{
	return (size & (size - 1)) ? 1 : size;
}

uint64_t part_read(struct vcpu *v, uint64_t at, unsigned size)
{
	unsigned unit = device_unit(size);
	uint64_t value = 0;

	if (vlapic_owns(&v->lapic, at) && unit == size)
		return vlapic_mmio_read(v, at & PAGE_OFFSET, size);
	/* A part crosses no page, and so lies in memory as a whole or not at all. */
	if (gmem_find(&v->vm->mem, gpa(at))) {
		(void)!gpa_read(&v->vm->mem, gpa(at), &value, size);
		return value;
	}
	for (unsigned i = 0; i < size; i += unit)
		value |= device_read(v, at + i, unit) << (8 * i);
	return value;
}

void part_write(struct vcpu *v, uint64_t at, unsigned size, uint64_t value)
{
	unsigned unit = device_unit(size);

	if (vlapic_owns(&v->lapic, at) && unit == size) {
		vlapic_mmio_write(v, at & PAGE_OFFSET, size, value);
		return;
	}
	/* Writes to ROM are dropped, as on a PC. */
	if (gmem_find(&v->vm->mem, gpa(at))) {
		(void)!gpa_write(&v->vm->mem, gpa(at), &value, size);
		return;
	}
	for (unsigned i = 0; i < size; i += unit)
		device_write(v, at + i, unit, value >> (8 * i) & alu_mask(unit));
}

uint64_t place_read(struct vcpu *v, const struct place *p)
{
	uint64_t value = part_read(v, p->part[0].at.v, p->part[0].size);

	if (p->count == 2)
		value |= part_read(v, p->part[1].at.v, p->part[1].size) << (8 * p->part[0].size);
	return value;
}

void place_write(struct vcpu *v, const struct place *p, uint64_t value)
{
	part_write(v, p->part[0].at.v, p->part[0].size, value & alu_mask(p->part[0].size));
	if (p->count == 2)
		part_write(v, p->part[1].at.v, p->part[1].size, value >> (8 * p->part[0].size));
}
