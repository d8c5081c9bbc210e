/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state in which Multiboot and PVH kernels start: 32-bit protected mode. Sources: Multiboot Specification 0.6.96,
 * "Machine state"; Multiboot2 Specification 2.0, "I386 machine state"; Xen, docs/misc/pvh.pandoc, "Boot".
 * What they leave open stays as after a reset: there is no GDT that holds the selectors.
 */
#include "hv/load.h"

#include "hv/lib/util.h"
#include "hv/vcpu.h"
#include "hv/x86/cr.h"
#include "hv/x86/desc.h"
#include "hv/x86/rflags.h"

#define BOOT_CS   0x08
#define BOOT_DS   0x10
#define TSS_LIMIT 0x67

void load_set_protected(const struct load *l, struct vcpu *v)
{
	static const struct vseg_desc code = {
	    .selector = BOOT_CS,
	    .limit = UINT32_MAX,
	    .attr = DESC_TYPE_CODE | DESC_TYPE_READ | DESC_TYPE_ACCESSED | SEG_ATTR_S | SEG_ATTR_P |
		    SEG_ATTR_DB | SEG_ATTR_G,
	};
	static const struct vseg_desc data = {
	    .selector = BOOT_DS,
	    .limit = UINT32_MAX,
	    .attr = DESC_TYPE_WRITE | DESC_TYPE_ACCESSED | SEG_ATTR_S | SEG_ATTR_P | SEG_ATTR_DB | SEG_ATTR_G,
	};
	static const struct vseg_desc task = {.limit = TSS_LIMIT, .attr = DESC_TYPE_TSS_BUSY | SEG_ATTR_P};
	static const struct vseg_desc none = {.attr = SEG_ATTR_UNUSABLE};
	static const enum vseg all[] = {SEG_DS, SEG_ES, SEG_SS, SEG_FS, SEG_GS};

	vcpu_reg_set(v, VREG_CR0, CR0_ET | CR0_PE);
	ops->seg_set(v, SEG_CS, &code);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		ops->seg_set(v, all[i], &data);
	ops->seg_set(v, SEG_TR, &task);
	ops->seg_set(v, SEG_LDTR, &none);
	vcpu_reg_set(v, VREG_RFLAGS, RFLAGS_FIXED);
	v->rip = l->entry;
}
