/* SPDX-License-Identifier: BSD-2-Clause */
/* The frames of shared memory: taken at boot, cleared once, never given back. */
#include "hv/shared.h"

#include "hv/frame.h"
#include "hv/lib/log.h"
#include "hv/lib/util.h"
#include "mm/page_alloc.h"

struct shared shared_region[CONFIG_SHARED_MAX];

static bool is_wanted(const struct config *c, uint32_t index)
{
	for (uint32_t i = 0; i < c->vm_count; i++)
		for (uint32_t n = 0; !c->vm[i].refused && n < c->vm[i].shared_count; n++)
			if (c->vm[i].shared[n].index == index)
				return true;
	return false;
}

static unsigned order_of(uint64_t size)
{
	unsigned order = 0;

	while (PAGE_SIZE << order < size)
		order++;
	return order;
}

void shared_init(const struct config *c)
{
	for (uint32_t i = 0; i < c->shared_count; i++) {
		const struct shared_config *cfg = &c->shared[i];

		if (!is_wanted(c, i))
			continue;
		if (page_alloc_guest(order_of(cfg->size), &shared_region[i].memory) != OK) {
			log_error("shared %s: no %luK of memory in one piece", cfg->name, cfg->size >> 10);
			continue;
		}
		shared_region[i].size = cfg->size;
		frame_zero(shared_region[i].memory, cfg->size);
	}
}

bool shared_contains(const struct shared *s, hpa_t pa, uint64_t size)
{
	return pa.v >= s->memory.v && pa.v - s->memory.v < s->size && s->size - (pa.v - s->memory.v) >= size;
}
