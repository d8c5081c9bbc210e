/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Moves, arithmetic, bits, exchanges, shifts: what instructions with one operand in memory do with it. It has been
 * found and allowed; each function reads it at most once and then writes it at most once. SDM Vol. 2.
 */
#include "hv/emulate_private.h"

#include "hv/event.h"
#include "hv/x86/desc.h"
#include "hv/x86/rflags.h"

#define ONE_BIT_SHIFTS 0xd0 /* D0, D1; then D2, D3: by CL */
#define CL_SHIFTS      0xd2

static uint64_t mem_read(struct emulation *m)
{
	return place_read(m->v, &m->mem);
}

static void mem_write(struct emulation *m, uint64_t value)
{
	place_write(m->v, &m->mem, value & alu_mask(m->size));
}

static uint64_t operand_reg(const struct emulation *m)
{
	return reg_read(m, m->insn->reg, m->size);
}

/* --- moves --- */

/* A MOV with an offset has no ModRM: its register is the accumulator. */
static unsigned moved_reg(const struct emulation *m)
{
	return m->insn->has_modrm ? m->insn->reg : RAX;
}

enum status do_mov_load(struct emulation *m)
{
	reg_write(m, moved_reg(m), m->size, mem_read(m));
	return OK;
}

enum status do_mov_store(struct emulation *m)
{
	mem_write(m, reg_read(m, moved_reg(m), m->size));
	return OK;
}

enum status do_mov_imm(struct emulation *m)
{
	mem_write(m, m->insn->imm);
	return OK;
}

enum status do_mov_sreg(struct emulation *m)
{
	struct vseg_desc d;

	if (m->insn->reg > SEG_GS)
		return ERR_UNSUPPORTED;
	ops->seg_get(m->v, m->insn->reg, &d);
	mem_write(m, d.selector);
	return OK;
}

static uint64_t swap_bytes(uint64_t value, unsigned size)
{
	return __builtin_bswap64(value) >> (64 - 8 * size);
}

enum status do_movbe_load(struct emulation *m)
{
	reg_write(m, m->insn->reg, m->size, swap_bytes(mem_read(m), m->size));
	return OK;
}

enum status do_movbe_store(struct emulation *m)
{
	mem_write(m, swap_bytes(operand_reg(m), m->size));
	return OK;
}

/* The destination of these has the operand size, which is never one byte. */
enum status do_movzx(struct emulation *m)
{
	reg_merge(m->v, m->insn->reg, m->insn->opsize, mem_read(m));
	return OK;
}

enum status do_movsx(struct emulation *m)
{
	reg_merge(m->v, m->insn->reg, m->insn->opsize, alu_sign_extend(mem_read(m), m->size));
	return OK;
}

/* Reads memory in any case, and clears the upper half of a 32-bit destination in any case. */
enum status do_cmov(struct emulation *m)
{
	uint64_t value = mem_read(m);

	if (!alu_condition(m->insn->opcode, flags_read(m)))
		value = operand_reg(m);
	reg_merge(m->v, m->insn->reg, m->size, value);
	return OK;
}

enum status do_setcc(struct emulation *m)
{
	mem_write(m, alu_condition(m->insn->opcode, flags_read(m)));
	return OK;
}

/* --- arithmetic --- */

/* memory <- memory op value, where the form writes at all */
static enum status modify(struct emulation *m, enum alu op, uint64_t value, uint64_t affected)
{
	uint64_t flags = flags_read(m);
	uint64_t r = alu_binary(op, mem_read(m), value, m->size, &flags);

	if (m->form->flags & FORM_WRITE)
		mem_write(m, r);
	flags_write(m, affected, flags);
	return OK;
}

enum status do_alu_store(struct emulation *m)
{
	return modify(m, m->insn->opcode >> 3 & 7, operand_reg(m), RFLAGS_STATUS);
}

enum status do_alu_imm(struct emulation *m)
{
	return modify(m, m->insn->reg & 7, m->insn->imm, RFLAGS_STATUS);
}

enum status do_test_reg(struct emulation *m)
{
	return modify(m, ALU_AND, operand_reg(m), RFLAGS_STATUS);
}

enum status do_test_imm(struct emulation *m)
{
	return modify(m, ALU_AND, m->insn->imm, RFLAGS_STATUS);
}

enum status do_inc_dec(struct emulation *m)
{
	return modify(m, (m->insn->reg & 1) ? ALU_SUB : ALU_ADD, 1, RFLAGS_STATUS & ~RFLAGS_CF);
}

enum status do_alu_load(struct emulation *m)
{
	enum alu op = m->insn->opcode >> 3 & 7;
	uint64_t flags = flags_read(m);
	uint64_t r = alu_binary(op, operand_reg(m), mem_read(m), m->size, &flags);

	if (op != ALU_CMP)
		reg_write(m, m->insn->reg, m->size, r);
	flags_write(m, RFLAGS_STATUS, flags);
	return OK;
}

enum status do_not(struct emulation *m)
{
	mem_write(m, ~mem_read(m));
	return OK;
}

enum status do_neg(struct emulation *m)
{
	uint64_t flags = 0;

	mem_write(m, alu_binary(ALU_SUB, 0, mem_read(m), m->size, &flags));
	flags_write(m, RFLAGS_STATUS, flags);
	return OK;
}

enum status do_shift(struct emulation *m)
{
	uint64_t flags = flags_read(m);
	unsigned count = m->insn->opcode >= CL_SHIFTS        ? vcpu_gpr(m->v, RCX) & 0xff
			 : m->insn->opcode >= ONE_BIT_SHIFTS ? 1
							     : m->insn->imm & 0xff;

	mem_write(m, alu_shift(m->insn->reg & 7, mem_read(m), count, m->size, &flags));
	flags_write(m, RFLAGS_STATUS, flags);
	return OK;
}

enum status do_shift_double(struct emulation *m)
{
	uint64_t flags = flags_read(m);
	unsigned count = (m->insn->opcode & 1) ? vcpu_gpr(m->v, RCX) & 0xff : m->insn->imm & 0xff;

	mem_write(
	    m, alu_shift_double(!(m->insn->opcode & 8), mem_read(m), operand_reg(m), count, m->size, &flags));
	flags_write(m, RFLAGS_STATUS, flags);
	return OK;
}

/* The halves of a double-width value are AL and AH, or rAX and rDX. */
static uint64_t upper_half(const struct emulation *m)
{
	return m->size == 1 ? vcpu_gpr(m->v, RAX) >> 8 & 0xff : vcpu_gpr(m->v, RDX);
}

static void write_halves(const struct emulation *m, uint64_t high, uint64_t low)
{
	if (m->size == 1) {
		reg_merge(m->v, RAX, 2, high << 8 | low);
		return;
	}
	reg_merge(m->v, RAX, m->size, low);
	reg_merge(m->v, RDX, m->size, high);
}

enum status do_multiply(struct emulation *m)
{
	bool is_signed = m->insn->reg & 1;
	uint64_t high, low, flags;

	low = alu_multiply(is_signed, vcpu_gpr(m->v, RAX), mem_read(m), m->size, &high, &flags);
	write_halves(m, high, low);
	flags_write(m, RFLAGS_CF | RFLAGS_OF, flags);
	return OK;
}

enum status do_divide(struct emulation *m)
{
	bool is_signed = m->insn->reg & 1;
	uint64_t high = upper_half(m), low = vcpu_gpr(m->v, RAX);

	if (!alu_divide(is_signed, &high, &low, mem_read(m), m->size)) {
		event_raise(m->v, EXC_DE);
		return ERR_FAULT;
	}
	write_halves(m, high, low);
	return OK;
}

/* IMUL with two operands, or with three, the last of which is an immediate. */
enum status do_imul(struct emulation *m)
{
	uint64_t factor = m->insn->imm_size ? m->insn->imm : operand_reg(m), high, flags;

	reg_merge(m->v, m->insn->reg, m->size,
		  alu_multiply(true, mem_read(m), factor, m->size, &high, &flags));
	flags_write(m, RFLAGS_CF | RFLAGS_OF, flags);
	return OK;
}

/* --- bits; FORM_BIT has moved the operand to the bit --- */

enum bit_op { BIT_TEST = 4, BIT_SET, BIT_RESET, BIT_COMPLEMENT };

static enum status do_bit(struct emulation *m, enum bit_op op, uint64_t number)
{
	uint64_t bit = BIT(number & (m->size * 8 - 1)), value = mem_read(m);

	flags_write(m, RFLAGS_CF, (value & bit) ? RFLAGS_CF : 0);
	if (op == BIT_SET)
		mem_write(m, value | bit);
	else if (op == BIT_RESET)
		mem_write(m, value & ~bit);
	else if (op == BIT_COMPLEMENT)
		mem_write(m, value ^ bit);
	return OK;
}

enum status do_bit_reg(struct emulation *m)
{
	return do_bit(m, m->insn->opcode >> 3 & 7, operand_reg(m));
}

enum status do_bit_imm(struct emulation *m)
{
	return do_bit(m, m->insn->reg & 7, m->insn->imm);
}

/* --- exchanges: a register and memory change together --- */

enum status do_xchg(struct emulation *m)
{
	uint64_t old = mem_read(m);

	mem_write(m, operand_reg(m));
	reg_write(m, m->insn->reg, m->size, old);
	return OK;
}

enum status do_xadd(struct emulation *m)
{
	uint64_t old = mem_read(m), flags = 0;
	uint64_t sum = alu_binary(ALU_ADD, old, operand_reg(m), m->size, &flags);

	reg_write(m, m->insn->reg, m->size, old);
	mem_write(m, sum);
	flags_write(m, RFLAGS_STATUS, flags);
	return OK;
}

/* The destination gets a write cycle in both cases: SDM Vol. 2A, "CMPXCHG". */
enum status do_cmpxchg(struct emulation *m)
{
	uint64_t old = mem_read(m), flags = 0;
	uint64_t acc = vcpu_gpr(m->v, RAX) & alu_mask(m->size);

	alu_binary(ALU_CMP, acc, old, m->size, &flags);
	mem_write(m, acc == old ? operand_reg(m) : old);
	if (acc != old)
		reg_merge(m->v, RAX, m->size, old);
	flags_write(m, RFLAGS_STATUS, flags);
	return OK;
}

static uint64_t pair_of(const struct emulation *m, unsigned high, unsigned low)
{
	return vcpu_gpr(m->v, high) << 32 | (uint32_t)vcpu_gpr(m->v, low);
}

static bool cmpxchg8(struct emulation *m)
{
	uint64_t old = mem_read(m);
	bool same = old == pair_of(m, RDX, RAX);

	mem_write(m, same ? pair_of(m, RCX, RBX) : old);
	if (!same) {
		vcpu_gpr_set(m->v, RAX, (uint32_t)old);
		vcpu_gpr_set(m->v, RDX, old >> 32);
	}
	return same;
}

/* The operand is aligned, so that it lies in one page. */
static bool cmpxchg16(struct emulation *m)
{
	uint64_t at = m->mem.part[0].at.v;
	uint64_t low = part_read(m->v, at, 8), high = part_read(m->v, at + 8, 8);
	bool same = low == vcpu_gpr(m->v, RAX) && high == vcpu_gpr(m->v, RDX);

	part_write(m->v, at, 8, same ? vcpu_gpr(m->v, RBX) : low);
	part_write(m->v, at + 8, 8, same ? vcpu_gpr(m->v, RCX) : high);
	if (!same) {
		vcpu_gpr_set(m->v, RAX, low);
		vcpu_gpr_set(m->v, RDX, high);
	}
	return same;
}

enum status do_cmpxchg_twice(struct emulation *m)
{
	bool same = m->size == 16 ? cmpxchg16(m) : cmpxchg8(m);

	flags_write(m, RFLAGS_ZF, same ? RFLAGS_ZF : 0);
	return OK;
}
