/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The instruction at a vCPU's RIP: fetched from guest memory at each exit, never cached, because the guest may
 * have changed its page tables or the bytes.
 */
#pragma once

#include <stdint.h>
#include "hv/decode.h"
#include "hv/exit.h"
#include "hv/lib/status.h"
#include "hv/lib/types.h"

struct vcpu;

/*
 * Reads up to INSN_MAX bytes at CS:RIP as an instruction fetch does. *count is what could be read before a
 * page that isn't there or the end of CS. ERR_FAULT: not even the first byte; the #PF or #GP was raised.
 * ERR_RANGE: the first byte isn't in memory.
 */
enum status insn_fetch(struct vcpu *v, uint8_t bytes[INSN_MAX], unsigned *count);
/* For reports: what can be read at CS:RIP without raising anything or changing a bit; returns how much. */
unsigned insn_peek(struct vcpu *v, uint8_t bytes[INSN_MAX]);
/* The INSN_MAX bytes from RIP on: the first eight and the last eight of them. */
struct insn_bytes {
	uint64_t first, last;
};
/*
 * Fetches them by the short way, as for an instruction that the CPU has just fetched itself. False: not in
 * 64-bit mode, too near to the page's end, or not in memory; then insn_at_rip does it.
 */
bool insn_bytes_at_rip(struct vcpu *v, struct insn_bytes *b);
/* Decodes what insn_bytes_at_rip fetched. Results as insn_decode. */
enum status insn_decode_bytes(struct insn *insn, const struct insn_bytes *b);
/*
 * Fetches and decodes. ERR_FAULT: a fault was raised, enter the guest again. ERR_INVAL, ERR_RANGE: not an
 * instruction, or not in memory.
 */
enum status insn_at_rip(struct vcpu *v, struct insn *insn);
/*
 * Length of the instruction that exited, in bytes, for exits whose hardware doesn't tell it. Looks at the
 * bytes of the usual short ones itself and decodes else. Results as insn_at_rip.
 */
enum status insn_length(struct vcpu *v, uint8_t *len);

#define INSN_CANONICAL_SHIFT 16 /* 64 - 48 bits of linear address */

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
