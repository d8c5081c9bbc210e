/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The instruction at a vCPU's RIP: fetched from guest memory at each exit, because the guest may have changed its
 * page tables or the bytes. hv/insn_known.h is the short way for those that exit often.
 */
#pragma once

#include <stdint.h>
#include "hv/decode.h"
#include "hv/exit.h"
#include "hv/lib/status.h"
#include "hv/lib/types.h"

struct vcpu;

/* For reports: what can be read at CS:RIP without raising anything or changing a bit; returns how much. */
unsigned insn_peek(struct vcpu *v, uint8_t bytes[INSN_MAX]);
#define INSN_KNOWN_BITS   5
#define INSN_KNOWN_COUNT  (1u << INSN_KNOWN_BITS)
#define INSN_KNOWN_LEVELS 4

/* What hv/emulate.c has found out about an instruction; kind 0: nothing yet. */
struct insn_plan {
	uint8_t kind, form, size;
	uint8_t reg, base, index, scale;
	uint64_t disp;
};

/* A paging entry, and where it lies. */
struct insn_step {
	gpa_t at;
	uint64_t entry;
};

/* An instruction that a vCPU met, and the way to it: hv/insn_known.h. */
struct insn_known {
	uint64_t rip, cr3;
	struct insn_step
	    path[INSN_KNOWN_LEVELS]; /* from the top; the last one repeated where there are fewer */
	gpa_t at;
	uint64_t bytes[2];
	uint64_t next;    /* RIP behind it; 0: no instruction, or nothing known */
	uint8_t len;      /* 0: the same */
	bool all;         /* the last paging entry and the second half of the bytes matter too */
	struct insn insn; /* len 0: not decoded */
	struct insn_plan plan;
} __attribute__((aligned(256))); /* so that they are quickly found */

/*
 * Fetches and decodes. ERR_FAULT: a fault was raised, enter the guest again. ERR_INVAL, ERR_RANGE: not an
 * instruction, or not in memory.
 */
enum status insn_at_rip(struct vcpu *v, struct insn *insn);
/*
 * Length of the instruction that exited, in bytes, for exits whose hardware doesn't tell it. Results as
 * insn_at_rip.
 */
enum status insn_length(struct vcpu *v, uint8_t *len);

#define INSN_CANONICAL_SHIFT 16 /* 64 - 48 bits of linear address */

/* In every mode; with 5-level paging there are more. */
static inline bool insn_canonical(uint64_t a)
{
	return (uint64_t)((int64_t)(a << INSN_CANONICAL_SHIFT) >> INSN_CANONICAL_SHIFT) == a;
}

/* The offset of insn's memory operand in its segment. */
uint64_t insn_offset(struct vcpu *v, const struct insn *insn);
/*
 * The linear address of insn's memory operand of `size` bytes, with the checks of segments and canonical form
 * (stack faults for SS). ERR_FAULT: #GP or #SS was raised.
 */
enum status insn_operand(struct vcpu *v, const struct insn *insn, unsigned size, bool write, gva_t *out);
/* The same for an offset in segment seg: for string instructions and the stack. */
enum status insn_segment(struct vcpu *v, unsigned seg, uint64_t offset, unsigned size, bool write,
			 gva_t *out);
