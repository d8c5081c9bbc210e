/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The emulator proper: operands in registers, memory or devices, the arithmetic with its flags, and one function
 * per family of instructions. What an instruction does is SDM Vol. 2's; only instructions that software uses
 * on device registers are here.
 */
#include "hv/emulate.h"

#include "hv/event.h"
#include "hv/guest_walk.h"
#include "hv/insn.h"
#include "hv/lib/fmt.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/vm.h"
#include "hv/x86/rflags.h"

/* Spreads RIP over a vCPU's known instructions: 2^32 divided by the golden ratio, the product's top bits. */
#define HASH_FACTOR 0x9e3779b1u
#define HASH_SHIFT  (32 - EMULATE_KNOWN_BITS)

#define REP_MAX     256 /* repetitions in one exit */
#define ACCESS_MAX  8
#define PAGE_OFFSET (PAGE_SIZE - 1)

enum op {
	OP_MOV_LOAD,  /* register <- memory */
	OP_MOV_STORE, /* memory <- register */
	OP_MOV_IMM,
	OP_MOVZX, /* source of one byte, or two */
	OP_MOVSX,
	OP_MOVSXD,
	OP_ALU_STORE, /* memory <- memory op register; number in bits 3-5 of the opcode */
	OP_ALU_LOAD,  /* register <- register op memory */
	OP_ALU_IMM,   /* memory <- memory op immediate; number in ModRM.reg */
	OP_TEST,
	OP_GROUP3,
	OP_GROUP4, /* INC, DEC */
	OP_XCHG,
	OP_XADD,
	OP_CMPXCHG,
	OP_BIT_REG,
	OP_BIT_IMM,
	OP_CACHE, /* CLFLUSH and the like: nothing to do */
	OP_MOVS,
	OP_STOS,
	OP_LODS,
};

enum alu { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP };
enum group3 { GROUP3_TEST, GROUP3_TEST2, GROUP3_NOT, GROUP3_NEG };
enum group4 { GROUP4_INC, GROUP4_DEC };
enum bit_op { BIT_TEST = 4, BIT_SET, BIT_RESET, BIT_COMPLEMENT };
enum { GROUP15_CLWB = 6, GROUP15_CLFLUSH = 7 };

/* Where bit 0 of the opcode tells bytes from words, both are in one row: `pair`. */
struct form {
	uint8_t map, opcode;
	bool pair;
	enum op op;
};

static const struct form forms[] = {
    {MAP_ONE, 0x88, true, OP_MOV_STORE}, {MAP_ONE, 0x8a, true, OP_MOV_LOAD},
    {MAP_ONE, 0xc6, true, OP_MOV_IMM},   {MAP_ONE, 0xa0, true, OP_MOV_LOAD},
    {MAP_ONE, 0xa2, true, OP_MOV_STORE}, {MAP_ONE, 0xa4, true, OP_MOVS},
    {MAP_ONE, 0xaa, true, OP_STOS},      {MAP_ONE, 0xac, true, OP_LODS},
    {MAP_ONE, 0x80, true, OP_ALU_IMM},   {MAP_ONE, 0x83, false, OP_ALU_IMM},
    {MAP_ONE, 0x84, true, OP_TEST},      {MAP_ONE, 0x86, true, OP_XCHG},
    {MAP_ONE, 0xf6, true, OP_GROUP3},    {MAP_ONE, 0xfe, true, OP_GROUP4},
    {MAP_ONE, 0x63, false, OP_MOVSXD},   {MAP_0F, 0xb6, true, OP_MOVZX},
    {MAP_0F, 0xbe, true, OP_MOVSX},      {MAP_0F, 0xc3, false, OP_MOV_STORE}, /* MOVNTI */
    {MAP_0F, 0xb0, true, OP_CMPXCHG},    {MAP_0F, 0xc0, true, OP_XADD},
    {MAP_0F, 0xa3, false, OP_BIT_REG},   {MAP_0F, 0xab, false, OP_BIT_REG},
    {MAP_0F, 0xb3, false, OP_BIT_REG},   {MAP_0F, 0xbb, false, OP_BIT_REG},
    {MAP_0F, 0xba, false, OP_BIT_IMM},   {MAP_0F, 0xae, false, OP_CACHE},
};

/* An operand in memory, page by page. */
struct place {
	unsigned count;
	struct {
		gpa_t at;
		unsigned size;
	} part[2];
};

struct emulation {
	struct vcpu *v;
	struct vm_exit *e;
	const struct insn *insn;
	struct insn own; /* where insn points, if it is none that v knows, or had to be changed */
	enum op op;
	unsigned size; /* of the operation, in bytes */
	bool met;      /* an operand lies in the page of the exit */
};

static uint64_t mask_of(unsigned size)
{
	return size == 8 ? UINT64_MAX : BITS(size * 8 - 1, 0);
}

static uint64_t sign_extend(uint64_t value, unsigned size)
{
	unsigned shift = 64 - 8 * size;

	return (uint64_t)((int64_t)(value << shift) >> shift);
}

/* --- registers --- */

/* Without REX, byte registers 4-7 are AH, CH, DH, BH. */
static bool high_byte(const struct insn *i, unsigned n, unsigned size)
{
	return size == 1 && !i->rex && n >= 4 && n < 8;
}

static uint64_t reg_read(const struct emulation *m, unsigned n, unsigned size)
{
	if (high_byte(m->insn, n, size))
		return vcpu_gpr(m->v, n - 4) >> 8 & 0xff;
	return vcpu_gpr(m->v, n) & mask_of(size);
}

static void reg_merge(struct vcpu *v, unsigned n, unsigned size, uint64_t value)
{
	value &= mask_of(size);
	if (size < 4)
		value |= vcpu_gpr(v, n) & ~mask_of(size);
	vcpu_gpr_set(v, n, value);
}

static void reg_write(const struct emulation *m, unsigned n, unsigned size, uint64_t value)
{
	if (high_byte(m->insn, n, size))
		vcpu_gpr_set(m->v, n - 4, (vcpu_gpr(m->v, n - 4) & ~0xff00ULL) | (value & 0xff) << 8);
	else
		reg_merge(m->v, n, size, value);
}

/* --- memory and devices --- */

static enum status map(struct emulation *m, gva_t a, unsigned size, bool write, struct place *p)
{
	gpa_t exit_at = m->e->npf.gpa;
	uint32_t access = (vcpu_cpl(m->v) == 3 ? WALK_USER : 0) | (write ? WALK_WRITE : 0);
	unsigned head = (unsigned)MIN((uint64_t)size, PAGE_SIZE - (a.v & PAGE_OFFSET));

	p->count = head < size ? 2 : 1;
	p->part[0].size = head;
	p->part[1].size = size - head;
	for (unsigned i = 0; i < p->count; i++) {
		uint64_t linear = a.v + (i ? head : 0);
		enum status s;

		if (m->insn->mode != INSN_64)
			linear = (uint32_t)linear;
		s = guest_translate(m->v, gva(linear), access, &p->part[i].at);
		if (s != OK)
			return s;
		m->met |= m->e->kind != EXIT_NPF || (p->part[i].at.v ^ exit_at.v) < PAGE_SIZE;
	}
	return OK;
}

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

static uint64_t part_read(struct vcpu *v, uint64_t at, unsigned size)
{
	unsigned unit = device_unit(size);
	uint64_t value = 0;

	if (vlapic_owns(&v->lapic, at) && unit == size)
		return vlapic_mmio_read(v, at & PAGE_OFFSET, size);
	if (gpa_read(&v->vm->mem, gpa(at), &value, size) == OK)
		return value;
	for (unsigned i = 0; i < size; i += unit)
		value |= device_read(v, at + i, unit) << (8 * i);
	return value;
}

static void part_write(struct vcpu *v, uint64_t at, unsigned size, uint64_t value)
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
		device_write(v, at + i, unit, value >> (8 * i) & mask_of(unit));
}

static uint64_t place_read(struct vcpu *v, const struct place *p)
{
	uint64_t value = part_read(v, p->part[0].at.v, p->part[0].size);

	if (p->count == 2)
		value |= part_read(v, p->part[1].at.v, p->part[1].size) << (8 * p->part[0].size);
	return value;
}

static void place_write(struct vcpu *v, const struct place *p, uint64_t value)
{
	part_write(v, p->part[0].at.v, p->part[0].size, value & mask_of(p->part[0].size));
	if (p->count == 2)
		part_write(v, p->part[1].at.v, p->part[1].size, value >> (8 * p->part[0].size));
}

/* Is this the access that made the exit? Then the CPU has just translated and allowed it. */
static bool is_exit_access(const struct emulation *m, uint64_t linear, unsigned size, bool write)
{
	return ((linear ^ m->e->npf.gpa.v) & PAGE_OFFSET) == 0 &&
	       (linear & PAGE_OFFSET) + size <= PAGE_SIZE && write == m->e->npf.write;
}

static void place_at_exit(struct emulation *m, unsigned size, struct place *p)
{
	p->count = 1;
	p->part[0].at = m->e->npf.gpa;
	p->part[0].size = size;
	m->met = true;
}

/* The memory operand of ModRM, or of a MOV with an offset. */
static enum status operand(struct emulation *m, unsigned size, bool write, struct place *p)
{
	gva_t a;
	enum status s;

	/* In 64-bit mode only FS and GS have a base; what lies in one page is canonical all or not at all. */
	if (m->insn->mode == INSN_64 && m->insn->seg == INSN_NO_SEG) {
		a.v = insn_offset(m->v, m->insn);
		if (insn_canonical(a.v) && is_exit_access(m, a.v, size, write)) {
			place_at_exit(m, size, p);
			return OK;
		}
	}
	s = insn_operand(m->v, m->insn, size, write, &a);
	if (s != OK)
		return s;
	if (is_exit_access(m, a.v, size, write)) {
		place_at_exit(m, size, p);
		return OK;
	}
	return map(m, a, size, write, p);
}

/* --- arithmetic --- */

static uint64_t flags_of(uint64_t result, unsigned size)
{
	uint64_t flags = 0;

	result &= mask_of(size);
	if (!result)
		flags |= RFLAGS_ZF;
	if (result >> (size * 8 - 1))
		flags |= RFLAGS_SF;
	if (!__builtin_parity((unsigned)result & 0xff))
		flags |= RFLAGS_PF;
	return flags;
}

static uint64_t add(uint64_t a, uint64_t b, uint64_t carry, unsigned size, uint64_t *flags)
{
	uint64_t mask = mask_of(size), r = (a + b + carry) & mask;
	/* Carries out of each bit: set where both are 1, or one is and the sum's bit is 0. */
	uint64_t carries = (a & b) | ((a | b) & ~r);

	*flags = flags_of(r, size);
	if (carries >> (size * 8 - 1) & 1)
		*flags |= RFLAGS_CF;
	if (carries & BIT(3))
		*flags |= RFLAGS_AF;
	if (((a ^ r) & (b ^ r)) >> (size * 8 - 1) & 1)
		*flags |= RFLAGS_OF;
	return r;
}

static uint64_t subtract(uint64_t a, uint64_t b, uint64_t borrow, unsigned size, uint64_t *flags)
{
	uint64_t mask = mask_of(size), r = (a - b - borrow) & mask;
	uint64_t borrows = (~a & b) | ((~a | b) & r);

	*flags = flags_of(r, size);
	if (borrows >> (size * 8 - 1) & 1)
		*flags |= RFLAGS_CF;
	if (borrows & BIT(3))
		*flags |= RFLAGS_AF;
	if (((a ^ b) & (a ^ r)) >> (size * 8 - 1) & 1)
		*flags |= RFLAGS_OF;
	return r;
}

static uint64_t alu(enum alu op, uint64_t a, uint64_t b, unsigned size, uint64_t *flags)
{
	uint64_t carry = *flags & RFLAGS_CF, r;

	a &= mask_of(size);
	b &= mask_of(size);
	switch (op) {
	case ALU_ADD:
		return add(a, b, 0, size, flags);
	case ALU_ADC:
		return add(a, b, carry, size, flags);
	case ALU_SBB:
		return subtract(a, b, carry, size, flags);
	case ALU_SUB:
	case ALU_CMP:
		return subtract(a, b, 0, size, flags);
	case ALU_OR:
		r = a | b;
		break;
	case ALU_AND:
		r = a & b;
		break;
	default:
		r = a ^ b;
		break;
	}
	*flags = flags_of(r, size);
	return r;
}

static uint64_t flags_read(const struct emulation *m)
{
	return vcpu_reg_get(m->v, VREG_RFLAGS);
}

static void flags_write(const struct emulation *m, uint64_t affected, uint64_t flags)
{
	vcpu_reg_set(m->v, VREG_RFLAGS, (flags_read(m) & ~affected) | (flags & affected));
}

/* --- families of instructions; each returns OK when done, else nothing has changed --- */

static enum status do_move(struct emulation *m)
{
	bool load = m->op == OP_MOV_LOAD;
	unsigned reg = m->insn->has_modrm ? m->insn->reg : RAX;
	struct place p;
	enum status s = operand(m, m->size, !load, &p);

	if (s != OK)
		return s;
	if (load)
		reg_write(m, reg, m->size, place_read(m->v, &p));
	else
		place_write(m->v, &p,
			    m->op == OP_MOV_IMM ? m->insn->imm & mask_of(m->size)
						: reg_read(m, reg, m->size));
	return OK;
}

static enum status do_extend(struct emulation *m)
{
	unsigned from = m->op == OP_MOVSXD ? 4 : (m->insn->opcode & 1) ? 2 : 1;
	struct place p;
	enum status s = operand(m, from, false, &p);
	uint64_t value;

	if (s != OK)
		return s;
	value = place_read(m->v, &p);
	/* The destination has the full operand size: no high-byte register here. */
	reg_merge(m->v, m->insn->reg, m->insn->opsize, m->op == OP_MOVZX ? value : sign_extend(value, from));
	return OK;
}

static enum status do_alu_load(struct emulation *m)
{
	enum alu op = m->insn->opcode >> 3 & 7;
	uint64_t flags = flags_read(m), r;
	struct place p;
	enum status s = operand(m, m->size, false, &p);

	if (s != OK)
		return s;
	r = alu(op, reg_read(m, m->insn->reg, m->size), place_read(m->v, &p), m->size, &flags);
	if (op != ALU_CMP)
		reg_write(m, m->insn->reg, m->size, r);
	flags_write(m, RFLAGS_STATUS, flags);
	return OK;
}

/* memory <- memory op value */
static enum status modify(struct emulation *m, enum alu op, uint64_t value, bool store, uint64_t affected)
{
	uint64_t flags = flags_read(m), r;
	struct place p;
	enum status s = operand(m, m->size, store, &p);

	if (s != OK)
		return s;
	r = alu(op, place_read(m->v, &p), value, m->size, &flags);
	if (store)
		place_write(m->v, &p, r);
	flags_write(m, affected, flags);
	return OK;
}

static enum status do_not_neg(struct emulation *m)
{
	uint64_t flags = flags_read(m), value;
	struct place p;
	enum status s = operand(m, m->size, true, &p);

	if (s != OK)
		return s;
	value = place_read(m->v, &p);
	if ((m->insn->reg & 7) == GROUP3_NOT) {
		place_write(m->v, &p, ~value & mask_of(m->size));
		return OK;
	}
	place_write(m->v, &p, alu(ALU_SUB, 0, value, m->size, &flags));
	flags_write(m, RFLAGS_STATUS, flags);
	return OK;
}

static enum status do_group3(struct emulation *m)
{
	switch (m->insn->reg & 7) {
	case GROUP3_TEST:
	case GROUP3_TEST2:
		return modify(m, ALU_AND, m->insn->imm, false, RFLAGS_STATUS);
	case GROUP3_NOT:
	case GROUP3_NEG:
		return do_not_neg(m);
	default:
		return ERR_UNSUPPORTED;
	}
}

static enum status do_group4(struct emulation *m)
{
	switch (m->insn->reg & 7) {
	case GROUP4_INC:
		return modify(m, ALU_ADD, 1, true, RFLAGS_STATUS & ~RFLAGS_CF);
	case GROUP4_DEC:
		return modify(m, ALU_SUB, 1, true, RFLAGS_STATUS & ~RFLAGS_CF);
	default:
		return ERR_UNSUPPORTED;
	}
}

/* XCHG, XADD, CMPXCHG: a register and memory change together. */
static enum status do_exchange(struct emulation *m)
{
	uint64_t reg = reg_read(m, m->insn->reg, m->size), flags = flags_read(m), old, sum, acc;
	struct place p;
	enum status s = operand(m, m->size, true, &p);

	if (s != OK)
		return s;
	old = place_read(m->v, &p);
	switch (m->op) {
	case OP_XCHG:
		place_write(m->v, &p, reg);
		reg_write(m, m->insn->reg, m->size, old);
		return OK;
	case OP_XADD:
		sum = alu(ALU_ADD, old, reg, m->size, &flags);
		reg_write(m, m->insn->reg, m->size, old);
		place_write(m->v, &p, sum);
		break;
	default:
		acc = vcpu_gpr(m->v, RAX) & mask_of(m->size);
		alu(ALU_CMP, acc, old, m->size, &flags);
		/* The destination gets a write cycle in both cases: SDM Vol. 2A, "CMPXCHG". */
		place_write(m->v, &p, acc == old ? reg : old);
		if (acc != old)
			reg_merge(m->v, RAX, m->size, old);
		break;
	}
	flags_write(m, RFLAGS_STATUS, flags);
	return OK;
}

/* A bit number in a register reaches beyond the operand, both ways. */
static void offset_by_bit(struct emulation *m, uint64_t number)
{
	int64_t bits = (int64_t)m->size * 8;
	int64_t n = (int64_t)sign_extend(number, m->size);

	m->own = *m->insn;
	m->insn = &m->own;
	m->own.disp += (n >> __builtin_ctzll((uint64_t)bits)) * (int64_t)m->size;
}

static enum status do_bit(struct emulation *m)
{
	bool by_reg = m->op == OP_BIT_REG;
	enum bit_op op = by_reg ? m->insn->opcode >> 3 & 7 : m->insn->reg & 7;
	uint64_t number = by_reg ? reg_read(m, m->insn->reg, m->size) : m->insn->imm & 0xff;
	uint64_t bit = BIT(number & (m->size * 8 - 1)), value;
	struct place p;
	enum status s;

	if (op < BIT_TEST)
		return ERR_UNSUPPORTED;
	if (by_reg)
		offset_by_bit(m, number);
	s = operand(m, m->size, op != BIT_TEST, &p);
	if (s != OK)
		return s;
	value = place_read(m->v, &p);
	flags_write(m, RFLAGS_CF, (value & bit) ? RFLAGS_CF : 0);
	if (op == BIT_SET)
		place_write(m->v, &p, value | bit);
	else if (op == BIT_RESET)
		place_write(m->v, &p, value & ~bit);
	else if (op == BIT_COMPLEMENT)
		place_write(m->v, &p, value ^ bit);
	return OK;
}

static enum status do_cache(struct emulation *m)
{
	unsigned n = m->insn->reg & 7;

	m->met = true;
	return n == GROUP15_CLFLUSH || (n == GROUP15_CLWB && m->insn->opsize_prefix) ? OK : ERR_UNSUPPORTED;
}

/* --- string instructions --- */

static uint64_t index_read(const struct emulation *m, unsigned reg)
{
	return vcpu_gpr(m->v, reg) & mask_of(m->insn->addrsize);
}

static void index_step(const struct emulation *m, unsigned reg)
{
	uint64_t step = (flags_read(m) & RFLAGS_DF) ? -(uint64_t)m->size : m->size;

	reg_merge(m->v, reg, m->insn->addrsize, index_read(m, reg) + step);
}

static enum status string_place(struct emulation *m, unsigned reg, bool write, struct place *p)
{
	unsigned seg = reg == RDI ? SEG_ES : m->insn->seg != INSN_NO_SEG ? m->insn->seg : SEG_DS;
	gva_t a;
	enum status s = insn_segment(m->v, seg, index_read(m, reg), m->size, write, &a);

	return s == OK ? map(m, a, m->size, write, p) : s;
}

static enum status once_movs(struct emulation *m)
{
	struct place from, to;
	enum status s = string_place(m, RSI, false, &from);

	if (s == OK)
		s = string_place(m, RDI, true, &to);
	if (s != OK)
		return s;
	place_write(m->v, &to, place_read(m->v, &from));
	index_step(m, RSI);
	index_step(m, RDI);
	return OK;
}

static enum status once_stos(struct emulation *m)
{
	struct place to;
	enum status s = string_place(m, RDI, true, &to);

	if (s != OK)
		return s;
	place_write(m->v, &to, vcpu_gpr(m->v, RAX) & mask_of(m->size));
	index_step(m, RDI);
	return OK;
}

static enum status once_lods(struct emulation *m)
{
	struct place from;
	enum status s = string_place(m, RSI, false, &from);

	if (s != OK)
		return s;
	reg_merge(m->v, RAX, m->size, place_read(m->v, &from));
	index_step(m, RSI);
	return OK;
}

static enum status once_ins(struct emulation *m)
{
	struct place to;
	enum status s = string_place(m, RDI, true, &to);

	if (s != OK)
		return s;
	place_write(m->v, &to, io_bus_read(&m->v->vm->ports, m->v, m->e->io.port, m->size));
	index_step(m, RDI);
	return OK;
}

static enum status once_outs(struct emulation *m)
{
	struct place from;
	enum status s = string_place(m, RSI, false, &from);

	if (s != OK)
		return s;
	io_bus_write(&m->v->vm->ports, m->v, m->e->io.port, m->size, place_read(m->v, &from));
	index_step(m, RSI);
	return OK;
}

/* OK: finished. ERR_AGAIN: the count isn't zero yet; the instruction starts again where it is. */
static enum status repeat(struct emulation *m, enum status (*once)(struct emulation *m))
{
	if (!m->insn->rep)
		return once(m);
	for (unsigned i = 0; i < REP_MAX; i++) {
		uint64_t count = index_read(m, RCX);
		enum status s;

		if (!count)
			return OK;
		s = once(m);
		if (s != OK)
			return s;
		reg_merge(m->v, RCX, m->insn->addrsize, count - 1);
	}
	return index_read(m, RCX) ? ERR_AGAIN : OK;
}

/* --- dispatch --- */

static bool find_form(struct emulation *m)
{
	const struct insn *i = m->insn;

	m->size = i->opsize;
	if (i->encoding != INSN_LEGACY || (i->has_modrm && i->mod == 3))
		return false;
	/* The eight ALU instructions fill the first quarter of the map, in the same six forms. */
	if (i->map == MAP_ONE && i->opcode < 0x40 && (i->opcode & 7) < 4) {
		m->op = (i->opcode & 2) ? OP_ALU_LOAD : OP_ALU_STORE;
		if (!(i->opcode & 1))
			m->size = 1;
		return true;
	}
	for (size_t n = 0; n < ARRAY_SIZE(forms); n++) {
		const struct form *f = &forms[n];

		if (f->map != i->map || f->opcode != (f->pair ? i->opcode & ~1 : i->opcode))
			continue;
		m->op = f->op;
		if (f->pair && !(i->opcode & 1))
			m->size = 1;
		return m->op != OP_MOVSXD || i->mode == INSN_64;
	}
	return false;
}

static enum status execute(struct emulation *m)
{
	enum alu op = m->insn->opcode >> 3 & 7;

	switch (m->op) {
	case OP_MOV_LOAD:
	case OP_MOV_STORE:
	case OP_MOV_IMM:
		return do_move(m);
	case OP_MOVZX:
	case OP_MOVSX:
	case OP_MOVSXD:
		return do_extend(m);
	case OP_ALU_STORE:
		return modify(m, op, reg_read(m, m->insn->reg, m->size), op != ALU_CMP, RFLAGS_STATUS);
	case OP_ALU_LOAD:
		return do_alu_load(m);
	case OP_ALU_IMM:
		op = m->insn->reg & 7;
		return modify(m, op, m->insn->imm, op != ALU_CMP, RFLAGS_STATUS);
	case OP_TEST:
		return modify(m, ALU_AND, reg_read(m, m->insn->reg, m->size), false, RFLAGS_STATUS);
	case OP_GROUP3:
		return do_group3(m);
	case OP_GROUP4:
		return do_group4(m);
	case OP_XCHG:
	case OP_XADD:
	case OP_CMPXCHG:
		return do_exchange(m);
	case OP_BIT_REG:
	case OP_BIT_IMM:
		return do_bit(m);
	case OP_CACHE:
		return do_cache(m);
	case OP_MOVS:
		return repeat(m, once_movs);
	case OP_STOS:
		return repeat(m, once_stos);
	case OP_LODS:
		return repeat(m, once_lods);
	}
	return ERR_UNSUPPORTED;
}

static enum exit_action give_up(struct emulation *m, const char *what)
{
	uint8_t bytes[INSN_MAX];
	char text[INSN_MAX * 3 + 1] = "";
	unsigned count = 0;

	if (insn_fetch(m->v, bytes, &count) != OK)
		count = 0;
	for (unsigned i = 0; i < count && i < (m->insn->len ? m->insn->len : INSN_MAX); i++)
		fmt_snprintf(text + i * 3, sizeof(text) - i * 3, "%02x ", bytes[i]);
	if (m->e->kind == EXIT_NPF)
		vm_crash(m->v, "%s of 0x%llx, which is not RAM: %s: %s",
			 m->e->npf.write ? "a write" : "a read", (unsigned long long)m->e->npf.gpa.v, what,
			 text);
	else
		vm_crash(m->v, "string I/O at port 0x%x: %s: %s", m->e->io.port, what, text);
	return ACT_STOPPED;
}

static enum exit_action finish(struct emulation *m, enum status s)
{
	switch (s) {
	case OK:
		if (!m->met)
			return give_up(m, "the instruction at RIP makes no such access");
		m->e->insn_len = m->insn->len;
		return ACT_ADVANCE;
	case ERR_AGAIN:
	case ERR_FAULT:
		return ACT_RESUME;
	case ERR_UNSUPPORTED:
		return give_up(m, "an instruction that is not emulated");
	default:
		return give_up(m, "page tables outside memory");
	}
}

/*
 * What an instruction means follows from its bytes alone, and those are fetched at each exit: the decoder's and
 * find_form's results for the last few are kept. False: not in memory by the short way, or not known as a form.
 */
static bool recall(struct emulation *m, struct vcpu *v, struct vm_exit *e)
{
	struct emulate_known *k = &v->known[(uint32_t)v->rip * HASH_FACTOR >> HASH_SHIFT];
	struct insn_bytes b;

	m->v = v;
	m->e = e;
	m->met = false;
	if (!insn_bytes_at_rip(v, &b))
		return false;
	m->insn = &k->insn;
	if (k->bytes.first == b.first && k->bytes.last == b.last && k->insn.len) {
		m->op = k->op;
		m->size = k->size;
		return true;
	}
	k->bytes = b;
	if (insn_decode_bytes(&k->insn, &b) != OK || !find_form(m)) {
		k->insn.len = 0;
		return false;
	}
	k->op = (uint8_t)m->op;
	k->size = (uint8_t)m->size;
	return true;
}

/* Fetches and decodes by the whole of the rules. False: *act is what to do. */
static bool begin(struct emulation *m, struct vcpu *v, struct vm_exit *e, enum exit_action *act)
{
	enum status s;

	m->v = v;
	m->e = e;
	m->met = false;
	m->own.len = 0;
	m->insn = &m->own;
	s = insn_at_rip(m->v, &m->own);
	if (s == OK)
		return true;
	*act = s == ERR_FAULT ? ACT_RESUME : give_up(m, "the instruction at RIP can't be read");
	return false;
}

enum exit_action emulate_mmio(struct vcpu *v, struct vm_exit *e)
{
	struct emulation m;
	enum exit_action act;

	if (recall(&m, v, e))
		return finish(&m, execute(&m));
	if (!begin(&m, v, e, &act))
		return act;
	if (!find_form(&m))
		return finish(&m, ERR_UNSUPPORTED);
	return finish(&m, execute(&m));
}

enum exit_action emulate_string_io(struct vcpu *v, struct vm_exit *e)
{
	struct emulation m;
	enum exit_action act;

	if (!begin(&m, v, e, &act))
		return act;
	m.size = e->io.size;
	m.met = true;
	return finish(&m, repeat(&m, e->io.in ? once_ins : once_outs));
}
