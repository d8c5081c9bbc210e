/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Flaws of processors that let one guest learn of another or of the host, and what is done against them: decided once,
 * by model and by what the processor says of itself. The decision is pure; hv/speculation.c acts.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/cpuid_table.h"

enum mitigation {
	MITIGATION_L1D_FLUSH,     /* flush the L1 data cache before another guest may look into it */
	MITIGATION_CLEAR_BUFFERS, /* VERW at the same places clears the buffers behind it */
	MITIGATION_IBPB,          /* forget the indirect branches of another VM */
	MITIGATION_IBRS, /* the host's own branches are kept apart from the guest's: SPEC_CTRL.IBRS stays set */
	MITIGATION_AUTO_IBRS,   /* the same, by EFER.AIBRSE */
	MITIGATION_SMALL_PAGES, /* second-stage tables have no large pages, which could be executed */
	MITIGATION_COUNT,
};

/* The processor, as CPUID and IA32_ARCH_CAPABILITIES (0 where it is not there) describe it. */
struct mitigation_cpu {
	enum cpuid_vendor vendor;
	uint32_t family, model;
	uint32_t leaf7_edx, sizes_ebx, ext2_eax; /* CPUID 7, 80000008h, 80000021h */
	uint64_t arch_capabilities;
};

struct mitigation_state {
	bool on;
	const char *why; /* a text, whether it is on or not */
};

/* automatic: what the processor needs is on; else everything is off. */
void mitigations_decide(const struct mitigation_cpu *cpu, bool automatic,
			struct mitigation_state out[MITIGATION_COUNT]);
/* "l1d-flush", ... */
const char *mitigation_name(enum mitigation m);
