/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest-state area as values, and the checks that VM entry makes on it: which one fails? Pure. */
#pragma once

#include <stdint.h>
#include "vmx/vmcs.h"

/* Members are named as the fields: GUEST_CR0, GUEST_CS_LIMIT ... */
struct vmx_guest_state {
#define X(name, encoding) uint64_t name;
	VMCS_GUEST_FIELDS(X)
	VMCS_OPTIONAL_GUEST_FIELDS(X)
#undef X
	uint32_t entry_controls, pin_controls, entry_intr_info;
	uint64_t cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
	uint8_t physical_bits; /* CPUID.80000008H:EAX[7:0] */
};

/*
 * The first check that fails, in the order of SDM Vol. 3C, "Checking and Loading Guest State": a text that names
 * the field. NULL: none of those known here. For unrestricted guests with EPT.
 */
const char *vmx_guest_state_check(const struct vmx_guest_state *g);
