/* SPDX-License-Identifier: BSD-2-Clause */
/* Hands out address space identifiers; see svm/asid.h. */
#include "svm/asid.h"

void asid_pool_init(struct asid_pool *p, uint32_t count)
{
	p->count = count;
	p->next = 1;
	p->generation = 1;
	p->flush = true;
}

void asid_take(struct asid_pool *p, struct asid *a)
{
	if (p->next == p->count) {
		p->generation++;
		p->next = 1;
		p->flush = true;
	}
	*a = (struct asid){.pool = p, .generation = p->generation, .number = p->next++};
}

bool asid_take_flush(struct asid_pool *p)
{
	bool flush = p->flush;

	p->flush = false;
	return flush;
}
