/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tables and parser of the instruction decoder: prefixes, opcode maps, ModRM, SIB, displacement,
 * immediates. Opcodes that no manual defines get the length that their place in the map suggests;
 * the CPU raises #UD for them before anybody asks.
 */
#include "hv/decode.h"

#include "hv/lib/string.h"
#include "hv/ops.h"

/* What follows an opcode: low nibble the immediate, then flags. */
enum {
	NO = 0,
	IB = 1,  /* 8 bits, relative branches too */
	IW = 2,  /* 16 bits */
	IZ = 3,  /* 16 or 32 bits, by operand size */
	IV = 4,  /* 16, 32 or 64 bits, by operand size */
	JZ = 5,  /* as IZ, but 32 bits always in 64-bit mode */
	AP = 6,  /* far pointer: offset by operand size, then a 16-bit selector */
	IE = 7,  /* ENTER: 16 and 8 bits */
	MO = 8,  /* offset of the address size, in place of ModRM */
	G3 = 9,  /* group 3: an immediate only with /0 and /1; opcode bit 0: IZ, else IB */
	IX = 10, /* EXTRQ, INSERTQ with 66 or F2: two times 8 bits; none else */
	ID = 11, /* 32 bits */
	IMM_MASK = 0x0f,
	MR = 0x10, /* ModRM */
	N6 = 0x20, /* not in 64-bit mode */
	MX = 0x40, /* ModRM of which mod reads as 3: moves to and from control and debug registers */
	UD = 0x80, /* no such opcode */
};

#define MB  (MR | IB)
#define MZ  (MR | IZ)
#define M3  (MR | G3)
#define BN  (IB | N6)
#define MX3 (MR | MX)
#define XQ  (MR | IX)

/* clang-format off */
static const uint8_t one_byte[256] = {
	/*       0   1   2   3   4   5   6   7   8   9   a   b   c   d   e   f */
	/* 0 */ MR, MR, MR, MR, IB, IZ, N6, N6, MR, MR, MR, MR, IB, IZ, N6, UD,
	/* 1 */ MR, MR, MR, MR, IB, IZ, N6, N6, MR, MR, MR, MR, IB, IZ, N6, N6,
	/* 2 */ MR, MR, MR, MR, IB, IZ, UD, N6, MR, MR, MR, MR, IB, IZ, UD, N6,
	/* 3 */ MR, MR, MR, MR, IB, IZ, UD, N6, MR, MR, MR, MR, IB, IZ, UD, N6,
	/* 4 */ NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
	/* 5 */ NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
	/* 6 */ N6, N6, MR|N6, MR, UD, UD, UD, UD, IZ, MZ, IB, MB, NO, NO, NO, NO,
	/* 7 */ IB, IB, IB, IB, IB, IB, IB, IB, IB, IB, IB, IB, IB, IB, IB, IB,
	/* 8 */ MB, MZ, MB|N6, MB, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR,
	/* 9 */ NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, AP|N6, NO, NO, NO, NO, NO,
	/* a */ MO, MO, MO, MO, NO, NO, NO, NO, IB, IZ, NO, NO, NO, NO, NO, NO,
	/* b */ IB, IB, IB, IB, IB, IB, IB, IB, IV, IV, IV, IV, IV, IV, IV, IV,
	/* c */ MB, MB, IW, NO, MR|N6, MR|N6, MB, MZ, IE, NO, IW, NO, NO, IB, N6, NO,
	/* d */ MR, MR, MR, MR, BN, BN, N6, NO, MR, MR, MR, MR, MR, MR, MR, MR,
	/* e */ IB, IB, IB, IB, IB, IB, IB, IB, JZ, JZ, AP|N6, IB, NO, NO, NO, NO,
	/* f */ UD, NO, UD, UD, NO, NO, M3, M3, NO, NO, NO, NO, NO, NO, MR, MR,
};

static const uint8_t map_0f[256] = {
	/*       0   1   2   3   4   5   6   7   8   9   a   b   c   d   e   f */
	/* 0 */ MR, MR, MR, MR, UD, NO, NO, NO, NO, NO, UD, NO, UD, MR, NO, MB,
	/* 1 */ MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR,
	/* 2 */ MX3, MX3, MX3, MX3, UD, UD, UD, UD, MR, MR, MR, MR, MR, MR, MR, MR,
	/* 3 */ NO, NO, NO, NO, NO, NO, UD, NO, UD, UD, UD, UD, UD, UD, UD, UD,
	/* 4 */ MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR,
	/* 5 */ MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR,
	/* 6 */ MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR,
	/* 7 */ MB, MB, MB, MB, MR, MR, MR, NO, XQ, MR, UD, UD, MR, MR, MR, MR,
	/* 8 */ JZ, JZ, JZ, JZ, JZ, JZ, JZ, JZ, JZ, JZ, JZ, JZ, JZ, JZ, JZ, JZ,
	/* 9 */ MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR,
	/* a */ NO, NO, NO, MR, MB, MR, MR, MR, NO, NO, NO, MR, MB, MR, MR, MR,
	/* b */ MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MB, MR, MR, MR, MR, MR,
	/* c */ MR, MR, MB, MR, MB, MB, MB, MR, NO, NO, NO, NO, NO, NO, NO, NO,
	/* d */ MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR,
	/* e */ MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR,
	/* f */ MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR,
};
/* clang-format on */

enum prefix_byte {
	PREFIX_ES = 0x26,
	PREFIX_CS = 0x2e,
	PREFIX_SS = 0x36,
	PREFIX_DS = 0x3e,
	PREFIX_FS = 0x64,
	PREFIX_GS = 0x65,
	PREFIX_OPSIZE = 0x66,
	PREFIX_ADDRSIZE = 0x67,
	PREFIX_LOCK = 0xf0,
	PREFIX_REPNE = 0xf2,
	PREFIX_REP = 0xf3,
	ESCAPE_0F = 0x0f,
	ESCAPE_38 = 0x38,
	ESCAPE_3A = 0x3a,
	ESCAPE_EVEX = 0x62,
	ESCAPE_XOP = 0x8f,
	ESCAPE_VEX3 = 0xc4,
	ESCAPE_VEX2 = 0xc5,
	OPCODE_3DNOW = 0x0f,
	VZEROALL = 0x77,
};

enum rex_bit { REX_B = 1, REX_X = 2, REX_R = 4, REX_W = 8, REX = 0x40 };

struct reader {
	const uint8_t *bytes;
	size_t n, pos;
	enum status status; /* the first failure */
};

static uint8_t peek(const struct reader *r, size_t ahead)
{
	return r->pos + ahead < r->n ? r->bytes[r->pos + ahead] : 0;
}

/* The next `size` bytes, little endian, sign-extended. */
static int64_t take(struct reader *r, unsigned size)
{
	uint64_t v = 0;

	if (r->status != OK || size == 0)
		return 0;
	if (r->pos + size > r->n) {
		r->status = r->pos + size > INSN_MAX ? ERR_INVAL : ERR_RANGE;
		return 0;
	}
	if (r->pos + sizeof(v) <= r->n) {
		__builtin_memcpy(&v, r->bytes + r->pos, sizeof(v));
	} else {
		for (unsigned i = 0; i < size; i++)
			v |= (uint64_t)r->bytes[r->pos + i] << (8 * i);
	}
	r->pos += size;
	return (int64_t)(v << (64 - 8 * size)) >> (64 - 8 * size);
}

static uint8_t take8(struct reader *r)
{
	if (r->status == OK && r->pos < r->n)
		return r->bytes[r->pos++];
	return (uint8_t)take(r, 1);
}

static void take_prefixes(struct reader *r, struct insn *i, enum insn_mode mode)
{
	for (;;) {
		uint8_t b = peek(r, 0);
		uint8_t seg = INSN_NO_SEG;

		switch (b) {
		case PREFIX_ES:
			seg = SEG_ES;
			break;
		case PREFIX_CS:
			seg = SEG_CS;
			break;
		case PREFIX_SS:
			seg = SEG_SS;
			break;
		case PREFIX_DS:
			seg = SEG_DS;
			break;
		case PREFIX_FS:
			seg = SEG_FS;
			break;
		case PREFIX_GS:
			seg = SEG_GS;
			break;
		case PREFIX_OPSIZE:
			i->opsize_prefix = true;
			break;
		case PREFIX_ADDRSIZE:
			i->addrsize_prefix = true;
			break;
		case PREFIX_LOCK:
			i->lock = true;
			break;
		case PREFIX_REPNE:
		case PREFIX_REP:
			i->rep = b;
			break;
		default:
			if (mode != INSN_64 || (b & 0xf0) != REX)
				return;
			/* It counts only right before the opcode: another prefix behind it cancels it. */
			i->rex = b;
			take8(r);
			if (r->status != OK)
				return;
			continue;
		}
		take8(r);
		if (r->status != OK)
			return;
		i->rex = 0;
		if (seg != INSN_NO_SEG && (mode != INSN_64 || seg >= SEG_FS))
			i->seg = seg;
	}
}

static void set_sizes(struct insn *i, enum insn_mode mode)
{
	if (mode == INSN_64) {
		i->opsize = (i->rex & REX_W) ? 8 : i->opsize_prefix ? 2 : 4;
		i->addrsize = i->addrsize_prefix ? 4 : 8;
	} else {
		i->opsize = (mode == INSN_32) != i->opsize_prefix ? 4 : 2;
		i->addrsize = (mode == INSN_32) != i->addrsize_prefix ? 4 : 2;
	}
}

/* VEX, EVEX and XOP: the bytes up to the opcode. Returns what follows the opcode. */
static uint8_t take_vector_opcode(struct reader *r, struct insn *i, uint8_t escape, enum insn_mode mode)
{
	uint8_t p0, inverted;
	uint8_t flags = MR;

	/* SDM Vol. 2A, "VEX and the LOCK Prefix", "VEX and the 66H, F2H, and F3H Prefixes", "... the REX Prefix". */
	if (i->lock || i->rep || i->opsize_prefix || i->rex)
		r->status = ERR_INVAL;
	p0 = take8(r);
	inverted = (uint8_t)~p0;
	i->rex = REX;
	if (escape == ESCAPE_VEX2) {
		i->encoding = INSN_VEX;
		i->map = MAP_0F;
		i->rex |= (inverted >> 5) & REX_R;
	} else {
		uint8_t p1 = take8(r);

		i->rex |= (inverted >> 5) & (REX_R | REX_X | REX_B);
		i->rex |= (p1 >> 4) & REX_W;
		i->encoding = escape == ESCAPE_VEX3 ? INSN_VEX : escape == ESCAPE_EVEX ? INSN_EVEX : INSN_XOP;
		i->map = p0 & (escape == ESCAPE_EVEX ? 7 : 0x1f);
		if (escape == ESCAPE_EVEX)
			take8(r);
	}
	if (mode != INSN_64)
		i->rex = 0;
	i->opcode = take8(r);

	switch (i->map) {
	case MAP_0F:
		if (i->opcode == VZEROALL && i->encoding == INSN_VEX)
			return NO;
		return MR | ((map_0f[i->opcode] & IMM_MASK) == IB ? IB : NO);
	case MAP_0F38:
		return flags;
	case MAP_5:
	case MAP_6:
		return i->encoding == INSN_EVEX ? flags : UD;
	case MAP_0F3A:
		return MB;
	case MAP_XOP8:
		return i->encoding == INSN_XOP ? MB : UD;
	case MAP_XOP9:
		return i->encoding == INSN_XOP ? flags : UD;
	case MAP_XOPA:
		return i->encoding == INSN_XOP ? MR | ID : UD;
	default:
		return UD;
	}
}

static bool is_vector_escape(const struct reader *r, uint8_t b, enum insn_mode mode)
{
	switch (b) {
	case ESCAPE_VEX2:
	case ESCAPE_VEX3:
	case ESCAPE_EVEX:
		/* Outside 64-bit mode LDS, LES and BOUND have no register form; that is where these live. */
		return mode == INSN_64 || (peek(r, 0) & 0xc0) == 0xc0;
	case ESCAPE_XOP:
		return (peek(r, 0) & 0x1f) >= MAP_XOP8;
	default:
		return false;
	}
}

/* Takes the opcode; returns what follows it. */
static uint8_t take_opcode(struct reader *r, struct insn *i, enum insn_mode mode)
{
	uint8_t b = take8(r);

	if (is_vector_escape(r, b, mode))
		return take_vector_opcode(r, i, b, mode);
	i->map = MAP_ONE;
	i->opcode = b;
	if (b != ESCAPE_0F)
		return one_byte[b];

	i->map = MAP_0F;
	i->opcode = b = take8(r);
	if (b == ESCAPE_38) {
		i->map = MAP_0F38;
		i->opcode = take8(r);
		return MR;
	}
	if (b == ESCAPE_3A) {
		i->map = MAP_0F3A;
		i->opcode = take8(r);
		return MB;
	}
	if (b == OPCODE_3DNOW)
		i->map = MAP_3DNOW; /* its real opcode is the byte at the end */
	return map_0f[b];
}

/* SDM Vol. 2A, Table "16-Bit Addressing Forms with the ModR/M Byte". */
static void take_memory16(struct reader *r, struct insn *i)
{
	static const uint8_t base[8] = {3, 3, 5, 5, 6, 7, 5, 3};
	static const uint8_t index[4] = {6, 7, 6, 7};
	uint8_t rm = i->rm & 7;

	i->has_base = !(i->mod == 0 && rm == 6);
	i->base = base[rm];
	i->has_index = rm < 4;
	if (i->has_index)
		i->index = index[rm];
	i->disp_size = i->mod == 1 ? 1 : i->mod == 2 || !i->has_base ? 2 : 0;
	i->disp = take(r, i->disp_size);
}

static void take_memory(struct reader *r, struct insn *i, enum insn_mode mode)
{
	uint8_t rex_b = (i->rex & REX_B) ? 8 : 0;
	uint8_t base = i->rm & 7;

	if (base == 4) {
		uint8_t sib = take8(r);

		i->has_sib = true;
		i->scale = sib >> 6;
		i->index = (uint8_t)((sib >> 3 & 7) | ((i->rex & REX_X) ? 8 : 0));
		i->has_index = i->index != 4;
		base = sib & 7;
	}
	i->disp_size = i->mod == 1 ? 1 : i->mod == 2 ? 4 : 0;
	i->has_base = true;
	i->base = base | rex_b;
	if (base == 5 && i->mod == 0) {
		i->disp_size = 4;
		i->has_base = false;
		i->rip_relative = mode == INSN_64 && !i->has_sib;
	}
	i->disp = take(r, i->disp_size);
}

static void take_modrm(struct reader *r, struct insn *i, enum insn_mode mode, uint8_t flags)
{
	uint8_t modrm = take8(r);

	i->has_modrm = true;
	i->mod = (flags & MX) ? 3 : modrm >> 6;
	i->reg = (uint8_t)((modrm >> 3 & 7) | ((i->rex & REX_R) ? 8 : 0));
	i->rm = (uint8_t)((modrm & 7) | ((i->rex & REX_B) ? 8 : 0));
	if (i->mod == 3)
		return;
	if (i->addrsize == 2)
		take_memory16(r, i);
	else
		take_memory(r, i, mode);
}

static void take_imm(struct reader *r, struct insn *i, enum insn_mode mode, uint8_t kind)
{
	uint8_t z = i->opsize == 2 ? 2 : 4;

	switch (kind) {
	case IB:
		i->imm_size = 1;
		break;
	case IW:
		i->imm_size = 2;
		break;
	case IZ:
		i->imm_size = z;
		break;
	case IV:
		i->imm_size = i->opsize;
		break;
	case JZ:
		i->imm_size = mode == INSN_64 ? 4 : z;
		break;
	case AP:
		i->imm_size = z;
		i->imm2_size = 2;
		break;
	case IE:
		i->imm_size = 2;
		i->imm2_size = 1;
		break;
	case MO:
		i->disp_size = i->addrsize;
		i->disp = take(r, i->disp_size);
		break;
	case G3:
		if ((i->reg & 7) <= 1)
			i->imm_size = (i->opcode & 1) ? z : 1;
		break;
	case IX:
		if (i->opsize_prefix || i->rep == PREFIX_REPNE)
			i->imm_size = i->imm2_size = 1;
		break;
	case ID:
		i->imm_size = 4;
		break;
	default:
		break;
	}
	i->imm = (uint64_t)take(r, i->imm_size);
	i->imm2 = (uint64_t)take(r, i->imm2_size);
}

enum status insn_decode(struct insn *insn, enum insn_mode mode, const uint8_t *bytes, size_t n)
{
	struct reader r = {.bytes = bytes, .n = n < INSN_MAX ? n : INSN_MAX, .status = OK};
	uint8_t flags;

	*insn = (struct insn){.seg = INSN_NO_SEG, .mode = (uint8_t)mode};
	take_prefixes(&r, insn, mode);
	set_sizes(insn, mode);
	flags = take_opcode(&r, insn, mode);
	if (insn->encoding != INSN_LEGACY)
		set_sizes(insn, mode);
	if (r.status == OK && ((flags & UD) || (mode == INSN_64 && (flags & N6))))
		r.status = ERR_INVAL;
	if (flags & MR)
		take_modrm(&r, insn, mode, flags);
	take_imm(&r, insn, mode, flags & IMM_MASK);
	if (r.status != OK)
		return r.status;
	if (insn->map == MAP_3DNOW) {
		insn->opcode = (uint8_t)insn->imm;
		insn->imm_size = 0;
	}
	insn->len = (uint8_t)r.pos;
	return OK;
}
