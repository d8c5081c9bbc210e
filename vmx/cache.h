/* SPDX-License-Identifier: BSD-2-Clause */
/* VMCS fields that are read at most once an exit and written through. x's VMCS is current. */
#pragma once

#include "vmx/insn.h"
#include "vmx/vmx.h"

static inline enum vmcs_field vmx_cached_field(enum vmx_cached n)
{
	static const enum vmcs_field field[CACHED_COUNT] = {
	    [CACHED_RSP] = VMCS_GUEST_RSP,
	    [CACHED_RFLAGS] = VMCS_GUEST_RFLAGS,
	    [CACHED_INTERRUPTIBILITY] = VMCS_GUEST_INTERRUPTIBILITY,
	};

	return field[n];
}

static inline uint64_t vmx_cached_read(struct vmx_vcpu *x, enum vmx_cached n)
{
	if (!(x->cached & (1u << n))) {
		x->cache[n] = vmcs_read(vmx_cached_field(n));
		x->cached |= 1u << n;
	}
	return x->cache[n];
}

static inline void vmx_cached_write(struct vmx_vcpu *x, enum vmx_cached n, uint64_t value)
{
	vmcs_write(vmx_cached_field(n), value);
	x->cache[n] = value;
	x->cached |= 1u << n;
}
