/* SPDX-License-Identifier: BSD-2-Clause */
/* Flat segments, as every boot protocol with a mode of 32 or 64 bits wants them. */
#include "hv/load.h"

#include "hv/lib/util.h"
#include "hv/vcpu.h"
#include "hv/x86/desc.h"

void load_set_segments(struct vcpu *v, const struct load_segments *s)
{
	const struct vseg_desc code = {
	    .selector = s->code,
	    .limit = UINT32_MAX,
	    .attr = DESC_TYPE_CODE | DESC_TYPE_READ | DESC_TYPE_ACCESSED | SEG_ATTR_S | SEG_ATTR_P |
		    SEG_ATTR_G | s->code_size,
	};
	const struct vseg_desc data = {
	    .selector = s->data,
	    .limit = UINT32_MAX,
	    .attr = DESC_TYPE_WRITE | DESC_TYPE_ACCESSED | SEG_ATTR_S | SEG_ATTR_P | SEG_ATTR_DB | SEG_ATTR_G,
	};
	const struct vseg_desc task = {
	    .selector = s->task,
	    .limit = LOAD_TSS_LIMIT,
	    .attr = DESC_TYPE_TSS_BUSY | SEG_ATTR_P,
	    .base = s->task_base,
	};
	static const struct vseg_desc none = {.attr = SEG_ATTR_UNUSABLE};
	static const enum vseg all[] = {SEG_DS, SEG_ES, SEG_SS, SEG_FS, SEG_GS};

	ops->seg_set(v, SEG_CS, &code);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		ops->seg_set(v, all[i], &data);
	ops->seg_set(v, SEG_TR, &task);
	ops->seg_set(v, SEG_LDTR, &none);
}
