/* SPDX-License-Identifier: BSD-2-Clause */
/* Addition and subtraction with all flags, shifts bit by bit, multiplication and division. */
#include "hv/emulate_alu.h"

#include "hv/x86/rflags.h"

static bool top_bit(uint64_t value, unsigned size)
{
	return value >> (size * 8 - 1) & 1;
}

static uint64_t result_flags(uint64_t result, unsigned size)
{
	uint64_t flags = 0;

	result &= alu_mask(size);
	if (!result)
		flags |= RFLAGS_ZF;
	if (top_bit(result, size))
		flags |= RFLAGS_SF;
	if (!__builtin_parity((unsigned)result & 0xff))
		flags |= RFLAGS_PF;
	return flags;
}

static uint64_t add(uint64_t a, uint64_t b, uint64_t carry, unsigned size, uint64_t *flags)
{
	uint64_t r = (a + b + carry) & alu_mask(size);
	/* Carries out of each bit: set where both are 1, or one is and the sum's bit is 0. */
	uint64_t carries = (a & b) | ((a | b) & ~r);

	*flags = result_flags(r, size);
	if (top_bit(carries, size))
		*flags |= RFLAGS_CF;
	if (carries & BIT(3))
		*flags |= RFLAGS_AF;
	if (top_bit((a ^ r) & (b ^ r), size))
		*flags |= RFLAGS_OF;
	return r;
}

static uint64_t subtract(uint64_t a, uint64_t b, uint64_t borrow, unsigned size, uint64_t *flags)
{
	uint64_t r = (a - b - borrow) & alu_mask(size);
	uint64_t borrows = (~a & b) | ((~a | b) & r);

	*flags = result_flags(r, size);
	if (top_bit(borrows, size))
		*flags |= RFLAGS_CF;
	if (borrows & BIT(3))
		*flags |= RFLAGS_AF;
	if (top_bit((a ^ b) & (a ^ r), size))
		*flags |= RFLAGS_OF;
	return r;
}

uint64_t alu_binary(enum alu op, uint64_t a, uint64_t b, unsigned size, uint64_t *flags)
{
	uint64_t carry = *flags & RFLAGS_CF, r;

	a &= alu_mask(size);
	b &= alu_mask(size);
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
	*flags = result_flags(r, size);
	return r;
}

/* One place to the left, `in` from the right. *overflow: the sign has changed. Returns what fell out. */
static bool step_left(uint64_t *a, bool in, unsigned size, bool *overflow)
{
	bool out = top_bit(*a, size);

	*a = (*a << 1 | in) & alu_mask(size);
	*overflow = top_bit(*a, size) != out;
	return out;
}

static bool step_right(uint64_t *a, bool in, unsigned size, bool *overflow)
{
	bool out = *a & 1, sign = top_bit(*a, size);

	*a = *a >> 1 | (uint64_t)in << (size * 8 - 1);
	*overflow = sign != in;
	return out;
}

static uint64_t shift_flags(uint64_t flags, bool carry, bool overflow)
{
	flags &= ~(RFLAGS_CF | RFLAGS_OF);
	return flags | (carry ? RFLAGS_CF : 0) | (overflow ? RFLAGS_OF : 0);
}

uint64_t alu_shift(enum alu_shift op, uint64_t a, unsigned count, unsigned size, uint64_t *flags)
{
	bool carry = *flags & RFLAGS_CF, overflow = false;

	a &= alu_mask(size);
	count &= size == 8 ? 63 : 31;
	if (!count)
		return a;
	for (unsigned i = 0; i < count; i++) {
		switch (op) {
		case SHIFT_ROL:
			carry = step_left(&a, top_bit(a, size), size, &overflow);
			break;
		case SHIFT_ROR:
			carry = step_right(&a, a & 1, size, &overflow);
			break;
		case SHIFT_RCL:
			carry = step_left(&a, carry, size, &overflow);
			break;
		case SHIFT_RCR:
			carry = step_right(&a, carry, size, &overflow);
			break;
		case SHIFT_SHL:
		case SHIFT_SAL:
			carry = step_left(&a, false, size, &overflow);
			break;
		case SHIFT_SHR:
			carry = step_right(&a, false, size, &overflow);
			break;
		case SHIFT_SAR:
			carry = step_right(&a, top_bit(a, size), size, &overflow);
			break;
		}
	}
	*flags = shift_flags(*flags, carry, overflow);
	if (op >= SHIFT_SHL)
		*flags = (*flags & ~(RFLAGS_ZF | RFLAGS_SF | RFLAGS_PF)) | result_flags(a, size);
	return a;
}

uint64_t alu_shift_double(bool left, uint64_t a, uint64_t b, unsigned count, unsigned size, uint64_t *flags)
{
	bool carry = false, overflow = false, ignored;

	a &= alu_mask(size);
	b &= alu_mask(size);
	count &= size == 8 ? 63 : 31;
	if (!count)
		return a;
	for (unsigned i = 0; i < count; i++) {
		if (left)
			carry = step_left(&a, step_left(&b, false, size, &ignored), size, &overflow);
		else
			carry = step_right(&a, step_right(&b, false, size, &ignored), size, &overflow);
	}
	*flags = shift_flags(*flags, carry, overflow);
	*flags = (*flags & ~(RFLAGS_ZF | RFLAGS_SF | RFLAGS_PF)) | result_flags(a, size);
	return a;
}

uint64_t alu_multiply(bool is_signed, uint64_t a, uint64_t b, unsigned size, uint64_t *high, uint64_t *flags)
{
	uint64_t low, fits;
	__int128 product;

	if (is_signed)
		product = (__int128)(int64_t)alu_sign_extend(a, size) * (int64_t)alu_sign_extend(b, size);
	else
		product = (__int128)((unsigned __int128)(a & alu_mask(size)) * (b & alu_mask(size)));
	low = (uint64_t)product & alu_mask(size);
	*high = (uint64_t)(product >> (size * 8)) & alu_mask(size);
	fits = is_signed && top_bit(low, size) ? alu_mask(size) : 0;
	*flags = *high == fits ? 0 : RFLAGS_CF | RFLAGS_OF;
	return low;
}

/* The 128-bit dividend high:low, of which the upper half is less than the divisor. */
static uint64_t divide_wide(uint64_t high, uint64_t low, uint64_t divisor, uint64_t *remainder)
{
	uint64_t quotient;

	asm("divq %[d]" : "=a"(quotient), "=d"(*remainder) : "a"(low), "d"(high), [d] "r"(divisor) : "cc");
	return quotient;
}

bool alu_divide(bool is_signed, uint64_t *high, uint64_t *low, uint64_t divisor, unsigned size)
{
	uint64_t mask = alu_mask(size), d = divisor & mask, quotient, remainder;
	unsigned __int128 dividend = (unsigned __int128)(*high & mask) << (size * 8) | (*low & mask);
	bool negative = is_signed && top_bit(*high & mask, size);
	bool negative_d = is_signed && top_bit(d, size);

	if (negative) {
		dividend = -dividend;
		if (size < 8)
			dividend &= BITS(size * 16 - 1, 0);
	}
	if (negative_d)
		d = -d & mask;
	if ((uint64_t)(dividend >> (size * 8)) >= d) /* d of 0 too */
		return false;
	quotient = divide_wide((uint64_t)(dividend >> 64), (uint64_t)dividend, d, &remainder);
	/* A signed quotient reaches from -2^(n-1) to 2^(n-1) - 1. */
	if (is_signed && quotient > (mask >> 1) + (negative != negative_d))
		return false;
	*low = (negative != negative_d ? -quotient : quotient) & mask;
	*high = (negative ? -remainder : remainder) & mask;
	return true;
}

bool alu_condition(unsigned cc, uint64_t flags)
{
	bool less = !(flags & RFLAGS_SF) != !(flags & RFLAGS_OF), holds;

	switch (cc >> 1 & 7) {
	case 0:
		holds = flags & RFLAGS_OF;
		break;
	case 1:
		holds = flags & RFLAGS_CF;
		break;
	case 2:
		holds = flags & RFLAGS_ZF;
		break;
	case 3:
		holds = flags & (RFLAGS_CF | RFLAGS_ZF);
		break;
	case 4:
		holds = flags & RFLAGS_SF;
		break;
	case 5:
		holds = flags & RFLAGS_PF;
		break;
	case 6:
		holds = less;
		break;
	default:
		holds = less || (flags & RFLAGS_ZF);
		break;
	}
	return holds != (cc & 1);
}
