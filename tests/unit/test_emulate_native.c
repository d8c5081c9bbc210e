/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The emulator against the CPU that runs the test. Each case is an instruction with random prefixes, addressing,
 * registers and memory; it runs once natively and once emulated, on a fake device and RAM at the same addresses
 * and with the same bytes: all registers, flags and memory must agree. In 64-bit mode both run the same bytes; for
 * 32- and 16-bit mode the CPU runs what the 64-bit encoding of the same operation does. 10^5 cases in all; under
 * the soak 10^6 a form.
 */
#include "native_run.h"
#include "emulate_cases.h"
#include "fake_vcpu.h"
#include "hv/decode.h"
#include "hv/emulate.h"
#include "hv/emulate_alu.h"
#include "hv/io_bus.h"

#define TABLES     0x30000UL
#define CASES      100000
#define CASES_SOAK 1000000

bool cpuid_has(const struct cpuid_policy *p, struct cpuid_feature f)
{
	return true;
}

/* --- the fake device: memory --- */

static uint8_t device[WINDOW];

uint64_t io_bus_read(struct io_bus *b, struct vcpu *v, uint64_t addr, unsigned size)
{
	uint64_t value = 0;

	assert_in_range(addr, DEVICE, DEVICE + WINDOW - size);
	memcpy(&value, device + (addr - DEVICE), size);
	return value;
}

void io_bus_write(struct io_bus *b, struct vcpu *v, uint64_t addr, unsigned size, uint64_t value)
{
	assert_in_range(addr, DEVICE, DEVICE + WINDOW - size);
	memcpy(device + (addr - DEVICE), &value, size);
}

uint64_t vlapic_mmio_read(struct vcpu *v, uint32_t offset, unsigned size)
{
	return 0;
}

void vlapic_mmio_write(struct vcpu *v, uint32_t offset, unsigned size, uint64_t value)
{
}

static uint64_t rng = 1;

static uint64_t rnd(uint64_t below)
{
	return test_random(&rng) % below;
}

/* Values that show sign extension and carries more often than plain random ones do. */
static uint64_t rnd_value(void)
{
	uint64_t v = test_random(&rng);

	switch (rnd(5)) {
	case 0:
		return UINT64_MAX >> (v % 64);
	case 1:
		return -(v % 300);
	default:
		return v;
	}
}

struct trial {
	const struct form_case *c;
	enum insn_mode mode;
	unsigned opsize, size; /* of the operation, of the operand in memory */
	unsigned addrsize;
	unsigned reg;
	uint64_t imm;
	uint64_t mem, stack, src, dst; /* linear addresses */
	uint64_t exit_at;
	uint32_t reserved; /* registers that addresses are not made of */
	uint8_t rep, seg;
	uint8_t bytes[2 * INSN_MAX], modrm[8];
	unsigned n, modrm_n;
	int rip_disp; /* where in modrm a displacement from RIP stands, or -1 */
	uint8_t rex;
	uint64_t gpr[GPR_COUNT], flags;
};

static bool is(const struct trial *t, uint32_t trait)
{
	return t->c->traits & trait;
}

/* --- memory, the same on both sides --- */

static uint8_t *emulated_at(uint64_t a)
{
	return a >= DEVICE ? device + (a - DEVICE) : fake_vm.mem.base + a;
}

static void poke(uint64_t a, uint64_t value, unsigned n)
{
	memcpy((void *)a, &value, n);
	memcpy(emulated_at(a), &value, n);
}

static void refresh(uint64_t a)
{
	uint64_t simple = rnd(2) ? 0x0101010101010101 : UINT64_MAX; /* for CMPS and SCAS to find equals */

	for (int i = -16; i < 32; i += 8)
		poke(a + (uint64_t)i, rnd_value() & simple, 8);
}

static bool memory_same(void)
{
	return !memcmp(native_device, device, WINDOW) && !memcmp(native_ram, fake_vm.mem.base + RAM, WINDOW);
}

/* An operand of `size` bytes, one in four over the page's end. */
static uint64_t pick_place(uint64_t window, unsigned size, bool may_split)
{
	uint64_t a = window + MIDDLE - 0x400 + rnd(0x800);

	if (rnd(4) == 0)
		a = window + MIDDLE - rnd(size + 1);
	/* Locked accesses over a cache line's end are slow, or forbidden, on some machines. */
	return may_split ? a : ALIGN_DOWN(a, (uint64_t)size);
}

/* --- encoding --- */

static void put(struct trial *t, uint64_t value, unsigned n)
{
	memcpy(t->bytes + t->n, &value, n);
	t->n += n;
}

static void put_modrm(struct trial *t, uint64_t value, unsigned n)
{
	memcpy(t->modrm + t->modrm_n, &value, n);
	t->modrm_n += n;
}

static unsigned pick_reg(struct trial *t, unsigned not )
{
	unsigned r;

	do
		r = (unsigned)rnd(t->mode == INSN_64 ? 16 : 8);
	while ((t->reserved >> r & 1) || r == not );
	return r;
}

/* The part of a register that addresses are made of; in the rest of it anything may be. */
static void set_address_reg(struct trial *t, unsigned r, uint64_t value)
{
	if (t->mode == INSN_64 && t->addrsize == 4)
		value = (value & UINT32_MAX) | test_random(&rng) << 32;
	t->gpr[r] = t->mode == INSN_64 ? value : (uint32_t)value;
}

static unsigned segment_of(const struct trial *t, bool stack)
{
	return t->seg != INSN_NO_SEG ? t->seg : stack ? SEG_SS : SEG_DS;
}

/* ModRM, SIB and displacement that lead to offset ea (for `stack`: in SS), with registers that fit. */
static void address_wide(struct trial *t, uint64_t mem)
{
	enum { BASE, BASE_INDEX, INDEX, ABSOLUTE, RIP, KINDS } kind = rnd(t->mode == INSN_64 ? KINDS : RIP);
	unsigned base = pick_reg(t, GPR_COUNT), index = RSP, scale = (unsigned)rnd(4), mod = (unsigned)rnd(3);
	uint64_t ea, disp = mod == 1 ? (uint64_t)(int8_t)rnd(256) : (uint64_t)(int32_t)test_random(&rng);
	bool fixed = is(t, STACK) && kind == BASE; /* the stack pointer, which has its value already */

	if (fixed) {
		base = RSP;
		mod = 2;
	}
	if (kind == BASE_INDEX || kind == INDEX)
		do
			index = pick_reg(t, kind == BASE_INDEX ? base : (unsigned)GPR_COUNT);
		while (index == RSP);
	if (kind >= INDEX || (mod == 0 && (base & 7) == RBP))
		mod = kind >= INDEX ? 0 : 1;
	if (kind < INDEX && mod == 0)
		disp = 0;
	if (kind < INDEX && mod == 1)
		disp = (uint64_t)(int8_t)disp;
	ea = mem;
	if (t->mode != INSN_64)
		ea = (uint32_t)(mem -
				fake_seg[segment_of(t, kind < INDEX && (base == RSP || base == RBP))].base);
	if (fixed)
		disp = ea - t->gpr[RSP] - (t->c->opcode == 0x8f ? t->size : 0);
	if (kind == INDEX) {
		disp = (uint64_t)(int32_t)((disp & ~((1ULL << scale) - 1)) | (ea & ((1ULL << scale) - 1)));
		set_address_reg(t, index, (uint64_t)((int64_t)(ea - disp) >> scale));
	} else if (kind == ABSOLUTE) {
		disp = ea;
	} else if (kind < INDEX && !fixed) {
		uint64_t rest = ea - disp;

		if (kind == BASE_INDEX)
			rest -= t->gpr[index] << scale;
		set_address_reg(t, base, rest);
	}

	if (kind == RIP || (kind == ABSOLUTE && t->mode != INSN_64)) {
		put_modrm(t, 5 | (t->reg & 7) << 3, 1);
		t->rip_disp = kind == RIP ? (int)t->modrm_n : -1;
		put_modrm(t, disp, 4);
		return;
	}
	t->rex |= kind < INDEX && base >= 8 ? 1 : 0;
	t->rex |= index >= 8 ? 2 : 0;
	if (kind == BASE && (base & 7) != RSP) {
		put_modrm(t, mod << 6 | (t->reg & 7) << 3 | (base & 7), 1);
	} else {
		put_modrm(t, mod << 6 | (t->reg & 7) << 3 | 4, 1);
		put_modrm(t, scale << 6 | (index & 7) << 3 | (kind < INDEX ? base & 7 : 5), 1);
	}
	put_modrm(t, disp, kind >= INDEX ? 4 : mod == 0 ? 0 : mod == 1 ? 1 : 4);
}

static void address_16(struct trial *t, uint64_t mem)
{
	static const int regs[8][2] = {{RBX, RSI}, {RBX, RDI}, {RBP, RSI}, {RBP, RDI},
				       {RSI, -1},  {RDI, -1},  {RBP, -1},  {RBX, -1}};
	unsigned mod, rm, seg;
	uint64_t disp, ea;

	do {
		mod = (unsigned)rnd(3);
		rm = (unsigned)rnd(8);
		disp = mod == 1 ? (uint64_t)(int8_t)rnd(256) : mod == 2 || rm == 6 ? rnd(0x10000) : 0;
		ea = disp;
		if (mod || rm != 6)
			ea += t->gpr[regs[rm][0]] + (regs[rm][1] >= 0 ? t->gpr[regs[rm][1]] : 0);
		ea &= 0xffff;
	} while (ea < 0x1000 || ea > 0xe000);
	seg = segment_of(t, regs[rm][0] == RBP && (mod || rm != 6));
	fake_seg[seg].base = mem - ea;
	put_modrm(t, mod << 6 | (t->reg & 7) << 3 | rm, 1);
	put_modrm(t, disp, mod == 1 ? 1 : mod == 2 || rm == 6 ? 2 : 0);
}

static const uint8_t seg_prefix[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65};

static void put_prefixes(struct trial *t, bool lock)
{
	unsigned usual = t->mode == INSN_16 ? 2 : 4;

	if (lock)
		put(t, 0xf0, 1);
	if (t->rep)
		put(t, t->rep, 1);
	if (t->mode == INSN_64 && rnd(8) == 0)
		put(t, seg_prefix[rnd(4)], 1); /* counts for nothing */
	if (t->seg != INSN_NO_SEG)
		put(t, seg_prefix[t->seg], 1);
	if (!is(t, BYTE) && t->opsize != 8 && t->opsize != usual)
		put(t, 0x66, 1);
	if (t->addrsize != (t->mode == INSN_64 ? 8 : usual))
		put(t, 0x67, 1);
	if (t->opsize == 8 && !(is(t, STACK | BRANCH)))
		t->rex |= 0x48;
	if (t->reg >= 8)
		t->rex |= 4;
	if (t->rex)
		put(t, 0x40 | t->rex, 1);
}

static void put_opcode(struct trial *t)
{
	if (t->c->opcode >> 8)
		put(t, 0x0f, 1);
	if (t->c->opcode >> 8 == 0x38)
		put(t, 0x38, 1);
	put(t, t->c->opcode & 0xff, 1);
}

static unsigned imm_size(const struct trial *t)
{
	if (t->c->opcode == 0xc2)
		return 2;
	return is(t, IMM8) ? 1 : t->c->opcode == 0xe8 ? 4 : !is(t, IMM) ? 0 : t->opsize == 2 ? 2 : 4;
}

static void put_insn(struct trial *t, bool lock)
{
	t->n = 0;
	put_prefixes(t, lock);
	put_opcode(t);
	if (t->rip_disp >= 0) {
		uint32_t disp = (uint32_t)(t->mem - (CODE + t->n + t->modrm_n + imm_size(t)));

		memcpy(t->modrm + t->rip_disp, &disp, sizeof(disp));
	}
	for (unsigned i = 0; i < t->modrm_n; i++)
		put(t, t->modrm[i], 1);
	put(t, t->imm, imm_size(t));
}

/* The same operation in 64-bit mode with the operand at its linear address. */
static void make_native(const struct trial *t, struct trial *n, bool lock)
{
	*n = *t;
	n->mode = INSN_64;
	n->addrsize = 8;
	n->seg = INSN_NO_SEG;
	n->rex = 0;
	n->rip_disp = -1;
	n->modrm_n = 0;
	if (is(t, MOFFS)) {
		put_modrm(n, t->mem, 8);
	} else if (!is(t, STRING)) {
		put_modrm(n, 0x2504 | (t->reg & 7) << 3, 2);
		put_modrm(n, t->mem, 4);
	} else {
		n->gpr[RSI] = t->src;
		n->gpr[RDI] = t->dst;
		n->gpr[RCX] &= alu_mask(t->addrsize);
	}
	put_insn(n, lock);
}

/* --- one case --- */

static void pick_sizes(struct trial *t)
{
	uint32_t low = t->c->opcode & 0xff;

	t->mode = is(t, STACK | ONLY64) || rnd(2) ? INSN_64 : rnd(2) ? INSN_32 : INSN_16;
	do
		t->opsize = 2U << rnd(t->mode == INSN_64 ? 3 : 2);
	while ((is(t, NO_66) && t->opsize == 2) || (is(t, STACK | BRANCH) && t->opsize == 4));
	if (is(t, BYTE))
		t->opsize = 1;
	t->size = t->opsize;
	if (is(t, TWICE))
		t->size = t->opsize == 8 ? 16 : 8;
	else if (t->c->opcode >> 8 == 0x0f && ((low & ~9U) == 0xb6))
		t->size = (low & 1) ? 2 : 1;
	else if (t->c->opcode == 0x63)
		t->size = t->opsize == 2 ? 2 : 4;
	t->addrsize = t->mode == INSN_64 ? (rnd(4) ? 8 : 4) : rnd(2) ? 2 : 4;
}

static void pick_registers(struct trial *t)
{
	for (unsigned i = 0; i < GPR_COUNT; i++)
		t->gpr[i] = t->mode == INSN_64 ? rnd_value() : (uint32_t)rnd_value();
	t->flags = RFLAGS_FIXED | RFLAGS_IF | (test_random(&rng) & RFLAGS_STATUS);
	t->reg = t->c->group != ANY ? (unsigned)t->c->group : (unsigned)rnd(t->mode == INSN_64 ? 16 : 8);
	t->imm = test_random(&rng);
	t->rex = t->mode == INSN_64 && rnd(4) == 0 ? 0x40 : 0;
	t->seg = t->mode != INSN_64 && rnd(3) == 0 ? (uint8_t)rnd(6) : INSN_NO_SEG;
	if (t->seg == SEG_CS)
		t->seg = INSN_NO_SEG; /* can't be written */
	t->rip_disp = -1;
	if (is(t, BIT_REG)) {
		t->gpr[t->reg] = rnd(8000) - 4000;
		if (t->mode != INSN_64)
			t->gpr[t->reg] = (uint32_t)t->gpr[t->reg];
		t->reserved |= 1U << t->reg;
	}
	if (is(t, BY_CL))
		t->reserved |= 1 << RCX;
	/* Double shifts by more than the operand are undefined. */
	if (is(t, SHIFTS) && t->c->opcode >> 8 && t->opsize == 2) {
		t->gpr[RCX] &= 15;
		t->imm &= 15;
	}
	if (is(t, DIVIDES)) {
		t->reserved |= 1 << RAX | 1 << RDX;
		if (rnd(2)) {
			t->gpr[RDX] = t->reg == 7
					  ? (uint64_t)((int64_t)alu_sign_extend(t->gpr[RAX], t->size) >> 63)
					  : 0;
			if (t->mode != INSN_64)
				t->gpr[RDX] = (uint32_t)t->gpr[RDX];
		}
		if (t->size == 1 && rnd(2))
			t->gpr[RAX] &= 0xff;
	}
	if (is(t, TWICE) || t->c->opcode >> 1 == 0x0fb0 >> 1)
		t->reserved |= 1 << RAX | 1 << RDX | 1 << RCX | 1 << RBX;
}

/* Flat but for random bases; the stack and code at 0. */
static void pick_segments(struct trial *t)
{
	for (unsigned s = 0; s <= SEG_GS; s++)
		fake_seg[s] = (struct vseg_desc){
		    .limit = UINT32_MAX,
		    .attr = (s == SEG_CS ? 0xb : 3) | SEG_ATTR_S | SEG_ATTR_P | SEG_ATTR_DB,
		    .base = s == SEG_CS || t->mode == INSN_64 ? 0 : (uint32_t)test_random(&rng) & ~0xfU};
	fake_mode = t->mode == INSN_64 ? MODE_LONG : t->mode == INSN_32 ? MODE_PROT32 : MODE_PROT16;
}

static uint64_t to_bit(const struct trial *t)
{
	int64_t bits = t->opsize * 8;

	return (uint64_t)(((int64_t)alu_sign_extend(t->gpr[t->reg], t->opsize) >>
			   __builtin_ctzll((uint64_t)bits)) *
			  t->opsize);
}

static void pick_operand(struct trial *t)
{
	bool lock = is(t, LOCK) && rnd(4) == 0;
	bool ram = is(t, STACK) && !is(t, NO_MEM) && rnd(2);

	t->stack = pick_place(ram ? DEVICE : rnd(2) && !is(t, NO_MEM) ? RAM : DEVICE, 8, true);
	t->mem = pick_place(ram ? RAM : DEVICE, t->size, !lock && !is(t, IMPLIED_LOCK) && t->size < 16);
	t->exit_at = is(t, NO_MEM) || ram ? t->stack : t->mem;
	if (is(t, BIT_REG)) {
		t->exit_at = t->mem + to_bit(t);
		lock = lock && !(t->exit_at & (t->size - 1));
		refresh(t->exit_at);
	}
	refresh(t->mem);
	refresh(t->stack);
	if (is(t, STACK)) {
		bool pops = t->c->opcode == 0x8f || t->c->opcode == 0xc9 || (t->c->opcode & ~7U) == 0x58 ||
			    (t->c->opcode & ~1U) == 0xc2;

		t->gpr[RSP] = t->stack + (pops ? 0 : t->size);
		if (t->c->opcode == 0xc9)
			t->gpr[RBP] = t->stack;
		t->reserved |= 1 << RSP | 1 << RBP;
	}
	if (is(t, MOFFS)) {
		uint64_t offset = t->mem - (t->mode == INSN_64 ? 0 : fake_seg[segment_of(t, false)].base);

		if (t->addrsize == 2) {
			offset = 0x1000 + rnd(0xd000);
			fake_seg[segment_of(t, false)].base = t->mem - offset;
		}
		put_modrm(t, offset, t->addrsize);
	} else if (!is(t, NO_MEM)) {
		if (t->addrsize == 2)
			address_16(t, t->mem);
		else
			address_wide(t, t->mem);
	}
	if (t->c->opcode == 0xe8)
		t->imm = 0; /* to the next instruction */
	put_insn(t, lock);
	if (is(t, BRANCH) && t->c->opcode != 0xe8)
		poke(t->c->opcode == 0xff ? t->mem : t->stack, CODE + t->n, 8);
	/* Comparisons that hold are rare else. */
	if (t->c->opcode >> 1 == 0x0fb0 >> 1 && rnd(2))
		poke(t->mem, t->gpr[RAX], t->size);
	if (is(t, TWICE) && rnd(2)) {
		poke(t->mem, t->gpr[RAX], t->size / 2);
		poke(t->mem + t->size / 2, t->gpr[RDX], t->size / 2);
	}
}

static void set_index(struct trial *t, unsigned reg, unsigned seg, uint64_t linear)
{
	uint64_t offset = linear - (t->mode == INSN_64 ? 0 : fake_seg[seg].base);

	if (t->addrsize == 2) {
		offset = 0x4000 + rnd(0x8000);
		fake_seg[seg].base = linear - offset;
		t->gpr[reg] = (t->gpr[reg] & ~0xffffULL) | offset;
		return;
	}
	set_address_reg(t, reg, offset);
}

static bool has_src(const struct trial *t)
{
	return t->c->opcode < 0xa8 || (t->c->opcode & ~1U) == 0xac;
}

static bool has_dst(const struct trial *t)
{
	return (t->c->opcode & ~1U) != 0xac;
}

static void pick_string(struct trial *t)
{
	bool both = has_src(t) && has_dst(t), dst_device = !has_src(t) || rnd(2);

	t->rep = rnd(3) == 0 ? 0 : rnd(2) ? 0xf3 : 0xf2;
	t->src = pick_place(dst_device && rnd(2) ? RAM : DEVICE, t->size, true);
	t->dst = pick_place(dst_device ? DEVICE : RAM, t->size, true);
	if (t->seg == SEG_ES && both)
		t->seg = INSN_NO_SEG; /* one base for two places */
	t->gpr[RCX] = 1 + rnd(40);
	if (t->addrsize < 8)
		t->gpr[RCX] |=
		    test_random(&rng) << (8 * t->addrsize) & (t->mode == INSN_64 ? UINT64_MAX : UINT32_MAX);
	t->flags |= rnd(2) ? RFLAGS_DF : 0;
	refresh(t->src);
	refresh(t->dst);
	set_index(t, RSI, segment_of(t, false), t->src);
	if (!(t->seg == SEG_ES && !has_dst(t)))
		set_index(t, RDI, SEG_ES, t->dst);
	put_insn(t, false);
}

/* Where the next access of a string instruction exits. */
static uint64_t string_exit(const struct trial *t)
{
	bool dst = has_dst(t) && t->dst >= DEVICE;
	unsigned reg = dst ? RDI : RSI;
	uint64_t moved = (fake_vcpu.gpr[reg] - t->gpr[reg]) & alu_mask(t->addrsize);

	return (dst ? t->dst : t->src) + alu_sign_extend(moved, t->addrsize);
}

static enum exit_action emulate(const struct trial *t, struct vm_exit *e)
{
	enum exit_action act;

	memcpy(fake_vcpu.gpr, t->gpr, sizeof(t->gpr));
	fake_reg[VREG_RSP] = t->gpr[RSP];
	fake_reg[VREG_RFLAGS] = t->flags;
	fake_reg[VREG_CR3] = rnd(2) ? TABLES : 0; /* with tables, it is remembered by its bytes */
	fake_poke(CODE, t->bytes, INSN_MAX);
	fake_vcpu.rip = CODE;
	fake_forget();
	do {
		*e = (struct vm_exit){.kind = EXIT_NPF, .npf = {.write = rnd(2)}};
		e->npf.gpa = gpa(is(t, STRING) ? string_exit(t) : t->exit_at);
		act = emulate_mmio(&fake_vcpu, e);
	} while (is(t, STRING) && act == ACT_REPEAT);
	return act;
}

static void explain(const struct trial *t, const char *what)
{
	fprintf(stderr, "%s, mode %d, at 0x%lx:", what,
		t->mode == INSN_64   ? 64
		: t->mode == INSN_32 ? 32
				     : 16,
		t->exit_at);
	for (unsigned i = 0; i < t->n; i++)
		fprintf(stderr, " %02x", t->bytes[i]);
	fprintf(stderr, "\nflags 0x%lx -> 0x%lx, native 0x%lx; %s; raised %d %s\n", t->flags,
		fake_reg[VREG_RFLAGS], native->flags, memory_same() ? "same memory" : "other memory",
		fake_raised.vector, fake_crash);
	for (unsigned i = 0; i < GPR_COUNT; i++)
		fprintf(stderr, "r%u 0x%lx -> 0x%lx, native 0x%lx\n", i, t->gpr[i],
			i == RSP ? fake_reg[VREG_RSP] : fake_vcpu.gpr[i], native->gpr[i]);
	fail();
}

static uint64_t defined_flags(const struct trial *t)
{
	unsigned low = t->c->opcode & 0xff, count;
	uint64_t flags = t->c->flags;

	if (!is(t, SHIFTS))
		return flags;
	count = is(t, BY_CL) ? t->gpr[RCX] & 0xff : is(t, IMM8) ? t->imm & 0xff : 1;
	count &= t->opsize == 8 ? 63 : 31;
	if (!count)
		return RFLAGS_STATUS;
	if (count == 1)
		flags |= RFLAGS_OF;
	if (low >= 0xc0 && t->reg >= 4 && count >= t->opsize * 8)
		flags &= ~RFLAGS_CF;
	return flags;
}

/* What the CPU left in the index registers and rCX, where those had other values there. */
static void translate_results(const struct trial *t, const struct trial *n)
{
	static const unsigned moved[] = {RSI, RDI, RCX};

	for (unsigned i = 0; is(t, STRING) && i < ARRAY_SIZE(moved); i++) {
		unsigned r = moved[i];
		uint64_t value = t->gpr[r] + (native->gpr[r] - n->gpr[r]);

		if (native->gpr[r] == n->gpr[r])
			native->gpr[r] = t->gpr[r];
		else
			native->gpr[r] =
			    t->addrsize == 2 ? (t->gpr[r] & ~0xffffULL) | (value & 0xffff) : (uint32_t)value;
	}
}

static void run_case(const struct form_case *c)
{
	struct trial t = {.c = c}, n;
	struct vm_exit e;
	enum exit_action act;
	bool same;

	pick_sizes(&t);
	pick_registers(&t);
	pick_segments(&t);
	if (is(&t, STRING))
		pick_string(&t);
	else
		pick_operand(&t);
	if (t.n > INSN_MAX)
		return;
	n = t;
	if (t.mode != INSN_64)
		make_native(&t, &n, t.bytes[0] == 0xf0);
	act = emulate(&t, &e);
	memcpy(native->gpr, n.gpr, sizeof(n.gpr));
	native->flags = t.flags;
	native_run(n.bytes, n.n);
	if (t.mode != INSN_64)
		translate_results(&t, &n);

	if (native->fault ? act != ACT_RESUME || fake_raised.vector != EXC_DE
			  : act != (is(&t, BRANCH) ? ACT_BRANCH : ACT_ADVANCE))
		explain(&t, "no such end");
	if (act != ACT_RESUME && e.insn_len != t.n)
		explain(&t, "other length");
	if (is(&t, BRANCH) && e.branch_to != CODE + t.n)
		explain(&t, "other target");
	fake_vcpu.gpr[RSP] = fake_reg[VREG_RSP];
	same = !memcmp(fake_vcpu.gpr, native->gpr, sizeof(native->gpr)) && memory_same() &&
	       !((fake_reg[VREG_RFLAGS] ^ native->flags) & defined_flags(&t));
	if (!same)
		explain(&t, "differs");
}

static void test_forms(void **state)
{
	unsigned each = test_soak() ? CASES_SOAK : CASES / ARRAY_SIZE(cases) + 1;

	fake_vcpu_new();
	fake_poke64(TABLES, (TABLES + PAGE_SIZE) | 7);
	fake_poke64(TABLES + PAGE_SIZE, 0x80 | 7); /* one page of 1 GiB */
	native_prepare();
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
		for (unsigned k = 0; k < each; k++)
			run_case(&cases[i]);
	if (test_soak())
		printf("soak: %zu forms, %u cases each, agree with this CPU\n", ARRAY_SIZE(cases), each);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_forms)};

	return cmocka_run_group_tests_name("emulate_native", tests, NULL, NULL);
}
