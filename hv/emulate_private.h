/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the emulator's files share: emulate.c (the way through), emulate_forms.c (opcodes), emulate_access.c
 * (operands), emulate_ops.c, emulate_string.c, emulate_stack.c (what instructions do).
 */
#pragma once

#include "hv/emulate.h"
#include "hv/emulate_alu.h"
#include "hv/insn.h"
#include "hv/vcpu.h"

#define PAGE_OFFSET (PAGE_SIZE - 1)

/* What an instruction accesses in memory, and what it allows. */
enum form_flag {
	FORM_MEM = 1 << 0,   /* the operand of ModRM, or of a MOV with an offset */
	FORM_WRITE = 1 << 1, /* which is written, maybe after it was read */
	FORM_SRC = 1 << 2,   /* DS:rSI */
	FORM_DST = 1 << 3,   /* ES:rDI */
	FORM_DST_WRITE = 1 << 4,
	FORM_PUSH = 1 << 5,
	FORM_POP = 1 << 6,
	FORM_STRING = FORM_SRC | FORM_DST,
	FORM_STACK = FORM_PUSH | FORM_POP,
	FORM_LOCK = 1 << 7,     /* a LOCK prefix is allowed */
	FORM_REG = 1 << 8,      /* ModRM may name a register in the place of memory */
	FORM_BIT = 1 << 9,      /* a bit number in a register moves the operand */
	FORM_COMPARE = 1 << 10, /* REPE and REPNE look at ZF */
	FORM_NOTHING = 1 << 11, /* nothing is to be done, and run is NULL */
};

/* Bytes of the operand. */
enum form_size {
	SIZE_PAIR, /* 1 where bit 0 of the opcode is 0, else the operand size */
	SIZE_OP,   /* the operand size */
	SIZE_1,
	SIZE_2,
	SIZE_EXTEND, /* 1 or 2 by bit 0 of the opcode */
	SIZE_SXD,    /* 4, or 2 */
	SIZE_TWICE,  /* 8 or 16 */
	SIZE_STACK,  /* the operand size, but 8 in 64-bit mode */
};

struct emulation;

struct form {
	/* Does it, when all operands are found. ERR_FAULT: raised a fault; nothing has changed. */
	enum status (*run)(struct emulation *m);
	uint16_t flags; /* enum form_flag */
	uint8_t size;   /* enum form_size */
};

/* An operand in memory, page by page. */
struct place {
	unsigned count;
	struct {
		gpa_t at;
		unsigned size;
	} part[2];
};

/* One instruction on its way. */
struct emulation {
	struct vcpu *v;
	struct vm_exit *e;
	const struct insn *insn;
	const struct form *form;
	unsigned size;         /* of the operand, in bytes */
	bool met;              /* an operand lies in the page of the exit */
	bool branched;         /* e->branch_to is set */
	struct place mem;      /* FORM_MEM */
	struct place src, dst; /* FORM_SRC, FORM_DST */
	struct place stack;    /* FORM_PUSH, FORM_POP */
	struct insn own;       /* where insn points, if it is none that v knows, or had to be changed */
};

/* --- emulate_forms.c --- */

/* The number of insn's form, for form_get, and the bytes of its operand; 0: not emulated. */
uint8_t form_find(const struct insn *insn, unsigned *size);
const struct form *form_get(uint8_t number);
/* INS and OUTS, whose operand size the exit tells. */
extern const struct form form_ins, form_outs;

/* --- emulate_access.c --- */

uint64_t reg_read(const struct emulation *m, unsigned n, unsigned size);
/* Writes of 4 bytes clear the upper half, as the CPU's do. */
void reg_write(const struct emulation *m, unsigned n, unsigned size, uint64_t value);
/* The same without AH to BH. */
void reg_merge(struct vcpu *v, unsigned n, unsigned size, uint64_t value);
uint64_t flags_read(const struct emulation *m);
/* Takes the bits of `affected` from `flags`. */
void flags_write(const struct emulation *m, uint64_t affected, uint64_t flags);

/* Finds an operand of m->size bytes in segment seg. OK, or ERR_FAULT with the fault raised, or ERR_RANGE. */
enum status place_find(struct emulation *m, unsigned seg, uint64_t offset, bool write, struct place *p);
/* The same for the operand of ModRM. */
enum status place_find_operand(struct emulation *m, bool write, struct place *p);
uint64_t place_read(struct vcpu *v, const struct place *p);
void place_write(struct vcpu *v, const struct place *p, uint64_t value);
/* One access of up to 8 bytes inside a page. */
uint64_t part_read(struct vcpu *v, uint64_t at, unsigned size);
void part_write(struct vcpu *v, uint64_t at, unsigned size, uint64_t value);

/* --- emulate_string.c --- */

/* With all repetitions. ERR_AGAIN: at least one is done, but not all. */
enum status string_run(struct emulation *m);

/* --- emulate_stack.c --- */

/* Finds what a FORM_STACK instruction pushes to or pops from. Results as place_find. */
enum status stack_find(struct emulation *m);

/* --- what instructions do --- */

enum status do_mov_load(struct emulation *m);
enum status do_mov_store(struct emulation *m);
enum status do_mov_imm(struct emulation *m);
enum status do_mov_sreg(struct emulation *m);
enum status do_movbe_load(struct emulation *m);
enum status do_movbe_store(struct emulation *m);
enum status do_movzx(struct emulation *m);
enum status do_movsx(struct emulation *m);
enum status do_cmov(struct emulation *m);
enum status do_setcc(struct emulation *m);
enum status do_alu_load(struct emulation *m);
enum status do_alu_store(struct emulation *m);
enum status do_alu_imm(struct emulation *m);
enum status do_test_reg(struct emulation *m);
enum status do_test_imm(struct emulation *m);
enum status do_not(struct emulation *m);
enum status do_neg(struct emulation *m);
enum status do_inc_dec(struct emulation *m);
enum status do_bit_reg(struct emulation *m);
enum status do_bit_imm(struct emulation *m);
enum status do_xchg(struct emulation *m);
enum status do_xadd(struct emulation *m);
enum status do_cmpxchg(struct emulation *m);
enum status do_cmpxchg_twice(struct emulation *m);
enum status do_shift(struct emulation *m);
enum status do_shift_double(struct emulation *m);
enum status do_multiply(struct emulation *m);
enum status do_divide(struct emulation *m);
enum status do_imul(struct emulation *m);

enum status do_push(struct emulation *m);
enum status do_push_sreg(struct emulation *m);
enum status do_push_flags(struct emulation *m);
enum status do_push_operand(struct emulation *m);
enum status do_push_imm(struct emulation *m);
enum status do_pop(struct emulation *m);
enum status do_pop_operand(struct emulation *m);
enum status do_leave(struct emulation *m);
enum status do_call(struct emulation *m);
enum status do_call_operand(struct emulation *m);
enum status do_jump_operand(struct emulation *m);
enum status do_return(struct emulation *m);

enum status do_movs(struct emulation *m);
enum status do_stos(struct emulation *m);
enum status do_lods(struct emulation *m);
enum status do_cmps(struct emulation *m);
enum status do_scas(struct emulation *m);
