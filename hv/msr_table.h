/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of a guest's MSRs, the whole of what it sees: a row says for which vendor, with which feature of the guest, how
 * it is kept, which bits may be written, and which accesses go to the hardware without an exit. hv/msr.c goes by it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "hv/cpuid.h"

struct vcpu;

enum msr_kind {
	ROW_CONST,     /* reads as `value`; a write is #GP */
	ROW_IGNORED,   /* reads as `value`; writes have no effect */
	ROW_STORED,    /* in struct vcpu at `offset`; writes of bits outside `value` are #GP */
	ROW_VENDOR,    /* ops->msr_get/set of enum vmsr `offset`; bits outside `value` are #GP */
	ROW_CANONICAL, /* the same; the value must be a canonical address */
	ROW_FUNCTION,
};

#define MSR_WITH_MAX 6

struct msr_row {
	uint32_t first, last;
	enum cpuid_scope scope;
	enum msr_kind kind;
	uint64_t value;
	size_t offset;
	struct cpuid_feature
	    with[MSR_WITH_MAX]; /* the guest must have one of these; the first has leaf 0: needs none */
	uint8_t pass;           /* enum msr_rights: accesses that make no exit */
	bool host_bits;         /* but they do where the host keeps bits of it set */
	bool (*read)(struct vcpu *v, uint32_t msr, uint64_t *value);
	bool (*write)(struct vcpu *v, uint32_t msr, uint64_t value);
} __attribute__((aligned(128))); /* so that one is quickly found */

/* What no other row lists is row 0: #GP. */
extern const struct msr_row msr_table[];
extern const size_t msr_table_rows;
