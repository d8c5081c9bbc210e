/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine as management sees it: see host.h. */
#include "hv/host.h"
#include "mm/page_alloc.h"

void host_memory(struct host_memory *m)
{
	struct page_stats s;

	page_stats(&s);
	*m = (struct host_memory){s.host_total, s.host_free, s.guest_total, s.guest_free};
}

void *host_alloc(size_t bytes)
{
	return page_alloc_bytes(bytes);
}
