/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which opcodes are emulated: for each the function that does it, what it accesses in memory and how wide.
 * SDM Vol. 2, Appendix A "Opcode Map".
 */
#include "hv/emulate_private.h"

#include "hv/ops.h"

enum form_number {
	F_NONE,
	F_MOV_LOAD,
	F_MOV_STORE,
	F_MOV_IMM,
	F_MOV_SREG,
	F_MOVNTI,
	F_MOVBE_LOAD,
	F_MOVBE_STORE,
	F_MOVZX,
	F_MOVSX,
	F_MOVSXD,
	F_CMOV,
	F_SETCC,
	F_ALU_LOAD,
	F_ALU_STORE,
	F_ALU_IMM,
	F_CMP_STORE, /* the same without a write */
	F_CMP_IMM,
	F_TEST_REG,
	F_TEST_IMM,
	F_NOT,
	F_NEG,
	F_INC_DEC,
	F_BIT_REG,
	F_BIT_IMM,
	F_BT_REG,
	F_BT_IMM,
	F_XCHG,
	F_XADD,
	F_CMPXCHG,
	F_CMPXCHG_TWICE,
	F_SHIFT,
	F_SHIFT_DOUBLE,
	F_MULTIPLY,
	F_DIVIDE,
	F_IMUL,
	F_CLFLUSH, /* and CLFLUSHOPT */
	F_CLWB,
	F_PUSH_REG,
	F_PUSH_SREG,
	F_PUSH_FLAGS,
	F_PUSH_OPERAND,
	F_PUSH_IMM,
	F_POP_REG,
	F_POP_OPERAND,
	F_LEAVE,
	F_CALL,
	F_CALL_OPERAND,
	F_JUMP_OPERAND,
	F_RETURN,
	F_MOVS,
	F_STOS,
	F_LODS,
	F_CMPS,
	F_SCAS,
	F_COUNT,
	G_ALU = 0x80, /* groups: ModRM.reg tells the form */
	G_POP,
	G_MOV,
	G_SHIFT,
	G_UNARY,
	G_INC_DEC,
	G_INDIRECT,
	G_BIT,
	G_CACHE,
	G_TWICE,
};
#define GROUP_FLAG 0x80

#define LOAD       FORM_MEM
#define STORE      (FORM_MEM | FORM_WRITE)
#define MODIFY     (FORM_MEM | FORM_WRITE | FORM_LOCK)

static const struct form forms[F_COUNT] = {
    [F_MOV_LOAD] = {do_mov_load, LOAD, SIZE_PAIR},
    [F_MOV_STORE] = {do_mov_store, STORE, SIZE_PAIR},
    [F_MOV_IMM] = {do_mov_imm, STORE, SIZE_PAIR},
    [F_MOV_SREG] = {do_mov_sreg, STORE, SIZE_2},
    [F_MOVNTI] = {do_mov_store, STORE, SIZE_OP},
    [F_MOVBE_LOAD] = {do_movbe_load, LOAD, SIZE_OP},
    [F_MOVBE_STORE] = {do_movbe_store, STORE, SIZE_OP},
    [F_MOVZX] = {do_movzx, LOAD, SIZE_EXTEND},
    [F_MOVSX] = {do_movsx, LOAD, SIZE_EXTEND},
    [F_MOVSXD] = {do_movsx, LOAD, SIZE_SXD},
    [F_CMOV] = {do_cmov, LOAD, SIZE_OP},
    [F_SETCC] = {do_setcc, STORE, SIZE_1},
    [F_ALU_LOAD] = {do_alu_load, LOAD, SIZE_PAIR},
    [F_ALU_STORE] = {do_alu_store, MODIFY, SIZE_PAIR},
    [F_ALU_IMM] = {do_alu_imm, MODIFY, SIZE_PAIR},
    [F_CMP_STORE] = {do_alu_store, LOAD, SIZE_PAIR},
    [F_CMP_IMM] = {do_alu_imm, LOAD, SIZE_PAIR},
    [F_TEST_REG] = {do_test_reg, LOAD, SIZE_PAIR},
    [F_TEST_IMM] = {do_test_imm, LOAD, SIZE_PAIR},
    [F_NOT] = {do_not, MODIFY, SIZE_PAIR},
    [F_NEG] = {do_neg, MODIFY, SIZE_PAIR},
    [F_INC_DEC] = {do_inc_dec, MODIFY, SIZE_PAIR},
    [F_BIT_REG] = {do_bit_reg, MODIFY | FORM_BIT, SIZE_OP},
    [F_BIT_IMM] = {do_bit_imm, MODIFY, SIZE_OP},
    [F_BT_REG] = {do_bit_reg, LOAD | FORM_BIT, SIZE_OP},
    [F_BT_IMM] = {do_bit_imm, LOAD, SIZE_OP},
    [F_XCHG] = {do_xchg, MODIFY, SIZE_PAIR},
    [F_XADD] = {do_xadd, MODIFY, SIZE_PAIR},
    [F_CMPXCHG] = {do_cmpxchg, MODIFY, SIZE_PAIR},
    [F_CMPXCHG_TWICE] = {do_cmpxchg_twice, MODIFY, SIZE_TWICE},
    [F_SHIFT] = {do_shift, STORE, SIZE_PAIR},
    [F_SHIFT_DOUBLE] = {do_shift_double, STORE, SIZE_OP},
    [F_MULTIPLY] = {do_multiply, LOAD, SIZE_PAIR},
    [F_DIVIDE] = {do_divide, LOAD, SIZE_PAIR},
    [F_IMUL] = {do_imul, LOAD, SIZE_OP},
    [F_CLFLUSH] = {NULL, FORM_NOTHING, SIZE_1},
    [F_CLWB] = {NULL, FORM_NOTHING, SIZE_1},
    [F_PUSH_REG] = {do_push, FORM_PUSH, SIZE_STACK},
    [F_PUSH_SREG] = {do_push_sreg, FORM_PUSH, SIZE_STACK},
    [F_PUSH_FLAGS] = {do_push_flags, FORM_PUSH, SIZE_STACK},
    [F_PUSH_OPERAND] = {do_push_operand, FORM_PUSH | FORM_MEM | FORM_REG, SIZE_STACK},
    [F_PUSH_IMM] = {do_push_imm, FORM_PUSH, SIZE_STACK},
    [F_POP_REG] = {do_pop, FORM_POP, SIZE_STACK},
    [F_POP_OPERAND] = {do_pop_operand, FORM_POP | FORM_MEM | FORM_WRITE | FORM_REG, SIZE_STACK},
    [F_LEAVE] = {do_leave, FORM_POP, SIZE_STACK},
    [F_CALL] = {do_call, FORM_PUSH, SIZE_STACK},
    [F_CALL_OPERAND] = {do_call_operand, FORM_PUSH | FORM_MEM | FORM_REG, SIZE_STACK},
    [F_JUMP_OPERAND] = {do_jump_operand, FORM_MEM, SIZE_STACK},
    [F_RETURN] = {do_return, FORM_POP, SIZE_STACK},
    [F_MOVS] = {do_movs, FORM_SRC | FORM_DST | FORM_DST_WRITE, SIZE_PAIR},
    [F_STOS] = {do_stos, FORM_DST | FORM_DST_WRITE, SIZE_PAIR},
    [F_LODS] = {do_lods, FORM_SRC, SIZE_PAIR},
    [F_CMPS] = {do_cmps, FORM_SRC | FORM_DST | FORM_COMPARE, SIZE_PAIR},
    [F_SCAS] = {do_scas, FORM_DST | FORM_COMPARE, SIZE_PAIR},
};

/* The eight ALU instructions fill the first quarter of the map, in the same forms. */
#define ALU_FORMS(n, store) [(n)...(n) + 1] = (store), [(n) + 2 ...(n) + 3] = F_ALU_LOAD

static const uint8_t one_byte[256] = {
    ALU_FORMS(0x00, F_ALU_STORE),
    ALU_FORMS(0x08, F_ALU_STORE),
    ALU_FORMS(0x10, F_ALU_STORE),
    ALU_FORMS(0x18, F_ALU_STORE),
    ALU_FORMS(0x20, F_ALU_STORE),
    ALU_FORMS(0x28, F_ALU_STORE),
    ALU_FORMS(0x30, F_ALU_STORE),
    ALU_FORMS(0x38, F_CMP_STORE),
    [0x06] = F_PUSH_SREG,
    [0x0e] = F_PUSH_SREG,
    [0x16] = F_PUSH_SREG,
    [0x1e] = F_PUSH_SREG,
    [0x50 ... 0x57] = F_PUSH_REG,
    [0x58 ... 0x5f] = F_POP_REG,
    [0x63] = F_MOVSXD,
    [0x68] = F_PUSH_IMM,
    [0x69] = F_IMUL,
    [0x6a] = F_PUSH_IMM,
    [0x6b] = F_IMUL,
    [0x80 ... 0x83] = G_ALU,
    [0x84 ... 0x85] = F_TEST_REG,
    [0x86 ... 0x87] = F_XCHG,
    [0x88 ... 0x89] = F_MOV_STORE,
    [0x8a ... 0x8b] = F_MOV_LOAD,
    [0x8c] = F_MOV_SREG,
    [0x8f] = G_POP,
    [0x9c] = F_PUSH_FLAGS,
    [0xa0 ... 0xa1] = F_MOV_LOAD,
    [0xa2 ... 0xa3] = F_MOV_STORE,
    [0xa4 ... 0xa5] = F_MOVS,
    [0xa6 ... 0xa7] = F_CMPS,
    [0xaa ... 0xab] = F_STOS,
    [0xac ... 0xad] = F_LODS,
    [0xae ... 0xaf] = F_SCAS,
    [0xc0 ... 0xc1] = G_SHIFT,
    [0xc2 ... 0xc3] = F_RETURN,
    [0xc6 ... 0xc7] = G_MOV,
    [0xc9] = F_LEAVE,
    [0xd0 ... 0xd3] = G_SHIFT,
    [0xe8] = F_CALL,
    [0xf6 ... 0xf7] = G_UNARY,
    [0xfe] = G_INC_DEC,
    [0xff] = G_INDIRECT,
};

static const uint8_t map_0f[256] = {
    [0x40 ... 0x4f] = F_CMOV,
    [0x90 ... 0x9f] = F_SETCC,
    [0xa0] = F_PUSH_SREG,
    [0xa3] = F_BT_REG,
    [0xa4 ... 0xa5] = F_SHIFT_DOUBLE,
    [0xa8] = F_PUSH_SREG,
    [0xab] = F_BIT_REG,
    [0xac ... 0xad] = F_SHIFT_DOUBLE,
    [0xae] = G_CACHE,
    [0xaf] = F_IMUL,
    [0xb0 ... 0xb1] = F_CMPXCHG,
    [0xb3] = F_BIT_REG,
    [0xb6 ... 0xb7] = F_MOVZX,
    [0xba] = G_BIT,
    [0xbb] = F_BIT_REG,
    [0xbe ... 0xbf] = F_MOVSX,
    [0xc0 ... 0xc1] = F_XADD,
    [0xc3] = F_MOVNTI,
    [0xc7] = G_TWICE,
};

static const uint8_t groups[][8] = {
    [G_ALU & ~GROUP_FLAG] = {F_ALU_IMM, F_ALU_IMM, F_ALU_IMM, F_ALU_IMM, F_ALU_IMM, F_ALU_IMM, F_ALU_IMM,
			     F_CMP_IMM},
    [G_POP & ~GROUP_FLAG] = {F_POP_OPERAND},
    [G_MOV & ~GROUP_FLAG] = {F_MOV_IMM},
    [G_SHIFT & ~GROUP_FLAG] = {F_SHIFT, F_SHIFT, F_SHIFT, F_SHIFT, F_SHIFT, F_SHIFT, F_SHIFT, F_SHIFT},
    [G_UNARY & ~
	GROUP_FLAG] = {F_TEST_IMM, F_TEST_IMM, F_NOT, F_NEG, F_MULTIPLY, F_MULTIPLY, F_DIVIDE, F_DIVIDE},
    [G_INC_DEC & ~GROUP_FLAG] = {F_INC_DEC, F_INC_DEC},
    [G_INDIRECT & ~
	GROUP_FLAG] = {F_INC_DEC, F_INC_DEC, F_CALL_OPERAND, F_NONE, F_JUMP_OPERAND, F_NONE, F_PUSH_OPERAND},
    [G_BIT & ~GROUP_FLAG] = {[4] = F_BT_IMM, [5 ... 7] = F_BIT_IMM},
    [G_CACHE & ~GROUP_FLAG] = {[6] = F_CLWB, [7] = F_CLFLUSH},
    [G_TWICE & ~GROUP_FLAG] = {[1] = F_CMPXCHG_TWICE},
};

static unsigned operand_size(const struct insn *i, enum form_size rule)
{
	switch (rule) {
	case SIZE_PAIR:
		return (i->opcode & 1) ? i->opsize : 1;
	case SIZE_OP:
		return i->opsize;
	case SIZE_1:
		return 1;
	case SIZE_2:
		return 2;
	case SIZE_EXTEND:
		return (i->opcode & 1) ? 2 : 1;
	case SIZE_SXD:
		return i->opsize == 2 ? 2 : 4;
	case SIZE_TWICE:
		return i->opsize == 8 ? 16 : 8;
	case SIZE_STACK:
		return i->mode == INSN_64 && i->opsize == 4 ? 8 : i->opsize;
	}
	return i->opsize;
}

/* MOVBE; with F2 these are CRC32. */
static uint8_t find_0f38(const struct insn *i)
{
	if (i->rep)
		return F_NONE;
	return i->opcode == 0xf0 ? F_MOVBE_LOAD : i->opcode == 0xf1 ? F_MOVBE_STORE : F_NONE;
}

uint8_t form_find(const struct insn *i, unsigned *size)
{
	uint8_t n = F_NONE;

	if (i->encoding == INSN_LEGACY)
		n = i->map == MAP_ONE    ? one_byte[i->opcode]
		    : i->map == MAP_0F   ? map_0f[i->opcode]
		    : i->map == MAP_0F38 ? find_0f38(i)
					 : F_NONE;
	if (n & GROUP_FLAG)
		n = groups[n & ~GROUP_FLAG][i->reg & 7];
	if (i->has_modrm && i->mod == 3 && !(forms[n].flags & FORM_REG))
		return F_NONE;
	/* Outside 64-bit mode 63 is ARPL; without 66, 0F AE /6 is XSAVEOPT. */
	if ((n == F_MOVSXD && i->mode != INSN_64) || (n == F_CLWB && !i->opsize_prefix))
		return F_NONE;
	*size = operand_size(i, forms[n].size);
	return n;
}

const struct form *form_get(uint8_t number)
{
	return &forms[number];
}
