/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state in which Multiboot and PVH kernels start: 32-bit protected mode. Sources: Multiboot Specification 0.6.96,
 * "Machine state"; Multiboot2 Specification 2.0, "I386 machine state"; Xen, docs/misc/pvh.pandoc, "Boot".
 * What they leave open stays as after a reset: there is no GDT that holds the selectors.
 */
#include "hv/load.h"

#include "hv/vcpu.h"
#include "hv/x86/cr.h"
#include "hv/x86/rflags.h"

void load_set_protected(const struct load *l, struct vcpu *v)
{
	static const struct load_segments segments = {.code = 0x08, .data = 0x10, .code_size = SEG_ATTR_DB};

	vcpu_reg_set(v, VREG_CR0, CR0_ET | CR0_PE);
	load_set_segments(v, &segments);
	vcpu_reg_set(v, VREG_RFLAGS, RFLAGS_FIXED);
	v->rip = l->entry;
}
