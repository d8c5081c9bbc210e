/* SPDX-License-Identifier: BSD-2-Clause */
/* The forms of instructions that test_emulate_native.c tries, and which flags the manual defines for each. */
#pragma once

#include <stdint.h>
#include "hv/x86/rflags.h"

enum trait {
	BYTE = 1 << 0, /* operands of one byte */
	LOCK = 1 << 1, /* may have a LOCK prefix */
	IMM8 = 1 << 2,
	IMM = 1 << 3, /* of the operand size, at most 4 bytes */
	BIT_REG = 1 << 4,
	BY_CL = 1 << 5,
	SHIFTS = 1 << 6,
	DIVIDES = 1 << 7,
	MOFFS = 1 << 8,
	STRING = 1 << 9,
	STACK = 1 << 10,
	TWICE = 1 << 11,  /* CMPXCHG8B, CMPXCHG16B */
	NO_MEM = 1 << 12, /* no ModRM */
	NO_66 = 1 << 13,
	BRANCH = 1 << 14, /* what is in memory is a target */
	ONLY64 = 1 << 15,
	IMPLIED_LOCK = 1 << 16,
};
#define ANY    (-1)

#define ALL    RFLAGS_STATUS
#define LOGIC  (RFLAGS_STATUS & ~RFLAGS_AF)
#define CARRY  (RFLAGS_CF | RFLAGS_ZF)
#define MULS   (RFLAGS_CF | RFLAGS_OF)
#define ROTATE (RFLAGS_STATUS & ~RFLAGS_OF)
#define SHIFT  (RFLAGS_STATUS & ~(RFLAGS_OF | RFLAGS_AF))

struct form_case {
	uint16_t opcode; /* map in the upper byte: 0, 0x0f, 0x38 for 0F 38 */
	int8_t group;    /* ModRM.reg, or ANY register */
	uint32_t traits;
	uint64_t flags; /* that the manual defines */
};

/* clang-format off */
#define ALU_CASES(n, flags, lock) \
	{(n), ANY, BYTE | (lock), (flags)}, {(n) + 1, ANY, (lock), (flags)}, {(n) + 2, ANY, BYTE, (flags)}, {(n) + 3, ANY, 0, (flags)}, \
	{0x80, (n) >> 3, BYTE | IMM8 | (lock), (flags)}, {0x81, (n) >> 3, IMM | (lock), (flags)}, {0x83, (n) >> 3, IMM8 | (lock), (flags)}
#define SHIFT_CASES(n, flags) \
	{0xc0, (n), BYTE | IMM8 | SHIFTS, (flags)}, {0xc1, (n), IMM8 | SHIFTS, (flags)}, \
	{0xd0, (n), BYTE | SHIFTS, (flags)}, {0xd1, (n), SHIFTS, (flags)}, \
	{0xd2, (n), BYTE | BY_CL | SHIFTS, (flags)}, {0xd3, (n), BY_CL | SHIFTS, (flags)}
#define CONDITIONS(n, traits) \
	{(n), ANY, (traits), ALL}, {(n) + 1, ANY, (traits), ALL}, {(n) + 2, ANY, (traits), ALL}, {(n) + 3, ANY, (traits), ALL}, \
	{(n) + 4, ANY, (traits), ALL}, {(n) + 5, ANY, (traits), ALL}, {(n) + 6, ANY, (traits), ALL}, {(n) + 7, ANY, (traits), ALL}, \
	{(n) + 8, ANY, (traits), ALL}, {(n) + 9, ANY, (traits), ALL}, {(n) + 10, ANY, (traits), ALL}, {(n) + 11, ANY, (traits), ALL}, \
	{(n) + 12, ANY, (traits), ALL}, {(n) + 13, ANY, (traits), ALL}, {(n) + 14, ANY, (traits), ALL}, {(n) + 15, ANY, (traits), ALL}

static const struct form_case cases[] = {
	{0x88, ANY, BYTE, ALL}, {0x89, ANY, 0, ALL}, {0x8a, ANY, BYTE, ALL}, {0x8b, ANY, 0, ALL},
	{0xc6, 0, BYTE | IMM8, ALL}, {0xc7, 0, IMM, ALL},
	{0xa0, 0, BYTE | MOFFS, ALL}, {0xa1, 0, MOFFS, ALL}, {0xa2, 0, BYTE | MOFFS, ALL}, {0xa3, 0, MOFFS, ALL},
	{0x0fc3, ANY, NO_66, ALL}, {0x38f0, ANY, 0, ALL}, {0x38f1, ANY, 0, ALL},
	{0x63, ANY, ONLY64, ALL},
	{0x0fb6, ANY, 0, ALL}, {0x0fb7, ANY, 0, ALL}, {0x0fbe, ANY, 0, ALL}, {0x0fbf, ANY, 0, ALL},
	CONDITIONS(0x0f40, 0), CONDITIONS(0x0f90, BYTE),
	ALU_CASES(0x00, ALL, LOCK), ALU_CASES(0x08, LOGIC, LOCK), ALU_CASES(0x10, ALL, LOCK), ALU_CASES(0x18, ALL, LOCK),
	ALU_CASES(0x20, LOGIC, LOCK), ALU_CASES(0x28, ALL, LOCK), ALU_CASES(0x30, LOGIC, LOCK), ALU_CASES(0x38, ALL, 0),
	{0x84, ANY, BYTE, LOGIC}, {0x85, ANY, 0, LOGIC}, {0xf6, 0, BYTE | IMM8, LOGIC}, {0xf7, 0, IMM, LOGIC}, {0xf7, 1, IMM, LOGIC},
	{0xf6, 2, BYTE | LOCK, ALL}, {0xf7, 2, LOCK, ALL}, {0xf6, 3, BYTE | LOCK, ALL}, {0xf7, 3, LOCK, ALL},
	{0xfe, 0, BYTE | LOCK, ALL}, {0xff, 0, LOCK, ALL}, {0xfe, 1, BYTE | LOCK, ALL}, {0xff, 1, LOCK, ALL},
	{0x86, ANY, BYTE | LOCK | IMPLIED_LOCK, ALL}, {0x87, ANY, LOCK | IMPLIED_LOCK, ALL},
	{0x0fb0, ANY, BYTE | LOCK, ALL}, {0x0fb1, ANY, LOCK, ALL}, {0x0fc0, ANY, BYTE | LOCK, ALL}, {0x0fc1, ANY, LOCK, ALL},
	{0x0fc7, 1, TWICE | LOCK | NO_66, ALL},
	{0x0fa3, ANY, BIT_REG, CARRY}, {0x0fab, ANY, BIT_REG | LOCK, CARRY}, {0x0fb3, ANY, BIT_REG | LOCK, CARRY},
	{0x0fbb, ANY, BIT_REG | LOCK, CARRY},
	{0x0fba, 4, IMM8, CARRY}, {0x0fba, 5, IMM8 | LOCK, CARRY}, {0x0fba, 6, IMM8 | LOCK, CARRY}, {0x0fba, 7, IMM8 | LOCK, CARRY},
	SHIFT_CASES(0, ROTATE), SHIFT_CASES(1, ROTATE), SHIFT_CASES(2, ROTATE), SHIFT_CASES(3, ROTATE),
	SHIFT_CASES(4, SHIFT), SHIFT_CASES(5, SHIFT), SHIFT_CASES(6, SHIFT), SHIFT_CASES(7, SHIFT),
	{0x0fa4, ANY, IMM8 | SHIFTS, SHIFT}, {0x0fa5, ANY, BY_CL | SHIFTS, SHIFT},
	{0x0fac, ANY, IMM8 | SHIFTS, SHIFT}, {0x0fad, ANY, BY_CL | SHIFTS, SHIFT},
	{0xf6, 4, BYTE, MULS}, {0xf7, 4, 0, MULS}, {0xf6, 5, BYTE, MULS}, {0xf7, 5, 0, MULS},
	{0xf6, 6, BYTE | DIVIDES, 0}, {0xf7, 6, DIVIDES, 0}, {0xf6, 7, BYTE | DIVIDES, 0}, {0xf7, 7, DIVIDES, 0},
	{0x0faf, ANY, 0, MULS}, {0x69, ANY, IMM, MULS}, {0x6b, ANY, IMM8, MULS},
	{0xa4, 0, BYTE | STRING, ALL}, {0xa5, 0, STRING, ALL}, {0xa6, 0, BYTE | STRING, ALL}, {0xa7, 0, STRING, ALL},
	{0xaa, 0, BYTE | STRING, ALL}, {0xab, 0, STRING, ALL}, {0xac, 0, BYTE | STRING, ALL}, {0xad, 0, STRING, ALL},
	{0xae, 0, BYTE | STRING, ALL}, {0xaf, 0, STRING, ALL},
	{0x50, 0, STACK | NO_MEM, ALL}, {0x54, 0, STACK | NO_MEM, ALL}, {0x57, 0, STACK | NO_MEM, ALL},
	{0x58, 0, STACK | NO_MEM, ALL}, {0x5c, 0, STACK | NO_MEM, ALL}, {0x5f, 0, STACK | NO_MEM, ALL},
	{0x68, 0, STACK | NO_MEM | IMM, ALL}, {0x6a, 0, STACK | NO_MEM | IMM8, ALL},
	{0xff, 6, STACK, ALL}, {0x8f, 0, STACK, ALL}, {0xc9, 0, STACK | NO_MEM, ALL},
	{0xe8, 0, STACK | NO_MEM | NO_66 | BRANCH, ALL}, {0xff, 2, STACK | NO_66 | BRANCH, ALL}, {0xff, 4, NO_66 | BRANCH | ONLY64, ALL},
	{0xc2, 0, STACK | NO_MEM | NO_66 | BRANCH, ALL}, {0xc3, 0, STACK | NO_MEM | NO_66 | BRANCH, ALL},
};
/* clang-format on */
