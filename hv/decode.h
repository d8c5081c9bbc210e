/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Instruction decoder: bytes in, fields and length out. Pure; knows the encoding of every opcode map, not
 * what the instructions do. Source: SDM Vol. 2, Appendix A "Opcode Map"; APM Vol. 3, Appendix A.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "hv/lib/status.h"

#define INSN_MAX 15

enum insn_mode { INSN_16, INSN_32, INSN_64 };
enum insn_encoding { INSN_LEGACY, INSN_VEX, INSN_EVEX, INSN_XOP };
/* Opcode maps; numbers 1-3, 5, 6 as EVEX.mmm has them. */
enum insn_map {
	MAP_ONE = 0,
	MAP_0F = 1,
	MAP_0F38 = 2,
	MAP_0F3A = 3,
	MAP_5 = 5,
	MAP_6 = 6,
	MAP_XOP8 = 8,
	MAP_XOP9 = 9,
	MAP_XOPA = 10,
	MAP_3DNOW = 15,
};
#define INSN_NO_SEG 0xff

struct insn {
	uint8_t len;  /* bytes */
	uint8_t mode; /* enum insn_mode that it was decoded for */
	uint8_t encoding, map, opcode;
	uint8_t opsize;   /* 2, 4 or 8, as prefixes, REX.W and the mode say; the opcode may override it */
	uint8_t addrsize; /* 2, 4 or 8 */
	bool lock, opsize_prefix, addrsize_prefix;
	uint8_t rep; /* 0, 0xF2 or 0xF3: the last of them */
	uint8_t seg; /* enum vseg of the last override that counts, or INSN_NO_SEG */
	uint8_t rex; /* 0: none; from VEX and EVEX the W, R, X, B bits are put here */
	bool has_modrm, has_sib;
	uint8_t mod, reg,
	    rm; /* reg and rm with REX.R and REX.B; rm is the base register where mod is not 3 */
	uint8_t base, index, scale; /* registers of a memory operand; scale is the shift */
	bool has_base, has_index, rip_relative;
	int64_t disp;
	uint8_t disp_size;
	uint64_t imm; /* sign-extended from imm_size */
	uint8_t imm_size;
	uint64_t imm2; /* ENTER's level, a far pointer's selector, EXTRQ's and INSERTQ's second byte */
	uint8_t imm2_size;
};

/*
 * Decodes one instruction from bytes[n]. ERR_RANGE: more bytes are needed than n (below INSN_MAX).
 * ERR_INVAL: no such encoding, or longer than INSN_MAX. LOCK is not checked against the opcode.
 */
enum status insn_decode(struct insn *insn, enum insn_mode mode, const uint8_t *bytes, size_t n);
