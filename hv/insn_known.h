/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The short way to an instruction that exits often, in 64-bit mode. A vCPU keeps a few instructions with the paging
 * entries that led to them, and at each exit reads the same entries and the same bytes again: where
 * all are what they were, so is the instruction. Rights need no second check, since the CPU has just fetched it.
 */
#pragma once

#include "hv/insn.h"
#include "hv/vm.h"

/* Spreads RIP over a vCPU's known instructions: 2^32 divided by the golden ratio, the product's top bits. */
#define INSN_HASH_FACTOR 0x9e3779b1u
#define INSN_HASH_SHIFT  (32 - INSN_KNOWN_BITS)

/* Walks, fetches and measures anew. False: k was not filled, insn_at_rip must do it. */
bool insn_known_take(struct vcpu *v, struct insn_known *k);
/* Decodes k's bytes into k->insn. False: they are no instruction. */
bool insn_known_decode(struct insn_known *k);

/* What is read is compared and nothing else, so that a plain access does, whatever the guest does meanwhile. */
static inline uint64_t insn_known_read(const struct gmem *m, gpa_t a)
{
	return *(const gpa_unaligned64 *)(m->base + a.v);
}

static inline uint64_t insn_known_differs(const struct gmem *m, const struct insn_step *step)
{
	return insn_known_read(m, step->at) ^ step->entry;
}

/* Every address in k was found to be memory when k was taken, and a VM's memory stays where it is. */
static inline bool insn_known_holds(struct vcpu *v, const struct insn_known *k, uint64_t cr3)
{
	const struct gmem *m = &v->vm->mem;
	uint64_t changed = (k->rip ^ v->rip) | (k->cr3 ^ cr3);

	changed |= insn_known_differs(m, &k->path[0]) | insn_known_differs(m, &k->path[1]) |
		   insn_known_differs(m, &k->path[2]) | (insn_known_read(m, k->at) ^ k->bytes[0]);
	if (k->all)
		changed |= insn_known_differs(m, &k->path[3]) |
			   (insn_known_read(m, gpa(k->at.v + sizeof(k->bytes[0]))) ^ k->bytes[1]);
	return !changed;
}

static inline struct insn_known *insn_known_place(struct vcpu *v)
{
	uint32_t n = (uint32_t)v->rip * INSN_HASH_FACTOR >> INSN_HASH_SHIFT;

	/* The offset in bytes at once: the compiler would work it out several times. */
	return (struct insn_known *)((char *)v->known + n * sizeof(struct insn_known));
}

/* For a back end, in 64-bit mode: the instruction at RIP, fetched anew, or NULL: it is none of the known. */
static inline struct insn_known *insn_known_find(struct vcpu *v, uint64_t cr3)
{
	struct insn_known *k = insn_known_place(v);

	return k->next && insn_known_holds(v, k, cr3) ? k : NULL;
}

/* The instruction at RIP; len 0: the bytes there are none. NULL: the short way doesn't go, insn_at_rip must do it. */
static inline struct insn_known *insn_known_at_rip(struct vcpu *v)
{
	struct insn_known *k = insn_known_place(v);

	/* RIP has more than 32 bits in 64-bit mode alone. */
	if (!(v->rip >> 32) && !ops->long_mode(v))
		return NULL;
	return (k->len && insn_known_holds(v, k, ops->reg_get(v, VREG_CR3))) || insn_known_take(v, k) ? k
												      : NULL;
}
