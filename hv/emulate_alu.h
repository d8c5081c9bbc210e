/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The arithmetic of the emulator: operands of 1, 2, 4 or 8 bytes in, result and flags out. Pure. Flags that the
 * manual leaves undefined get some value. SDM Vol. 2, the operations of the instructions.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/lib/util.h"

/* Numbers as in bits 3-5 of the opcode, or in ModRM.reg of group 1. */
enum alu { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP };
/* ModRM.reg of group 2. */
enum alu_shift { SHIFT_ROL, SHIFT_ROR, SHIFT_RCL, SHIFT_RCR, SHIFT_SHL, SHIFT_SHR, SHIFT_SAL, SHIFT_SAR };

static inline uint64_t alu_mask(unsigned size)
{
	return size == 8 ? UINT64_MAX : BITS(size * 8 - 1, 0);
}

static inline uint64_t alu_sign_extend(uint64_t value, unsigned size)
{
	unsigned shift = 64 - 8 * size;

	return (uint64_t)((int64_t)(value << shift) >> shift);
}

/* a op b. *flags: CF in; the status flags out, all others 0. */
uint64_t alu_binary(enum alu op, uint64_t a, uint64_t b, unsigned size, uint64_t *flags);
/* a shifted by count, masked as the CPU does. *flags: all of RFLAGS in and out. */
uint64_t alu_shift(enum alu_shift op, uint64_t a, unsigned count, unsigned size, uint64_t *flags);
/* SHLD and SHRD: the bits that move in come from b. */
uint64_t alu_shift_double(bool left, uint64_t a, uint64_t b, unsigned count, unsigned size, uint64_t *flags);
/* a * b; *high is the upper half. Returns the lower one. *flags: CF and OF out, all others 0. */
uint64_t alu_multiply(bool is_signed, uint64_t a, uint64_t b, unsigned size, uint64_t *high, uint64_t *flags);
/* high:low / divisor: quotient into *low, remainder into *high. False: #DE, nothing changed. */
bool alu_divide(bool is_signed, uint64_t *high, uint64_t *low, uint64_t divisor, unsigned size);
/* Does condition cc (the low 4 bits of Jcc, SETcc, CMOVcc) hold? */
bool alu_condition(unsigned cc, uint64_t flags);
