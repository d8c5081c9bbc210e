/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Physical memory in two zones of buddy blocks. Host frames are in the host's direct map and hold
 * Ingot's own data; guest frames are in no common mapping, so that no stray host access can reach them.
 * Owns the frames; what they hold and map is their owner's matter. Any CPU may call it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "hv/lib/status.h"
#include "hv/lib/types.h"
#include "mm/memmap.h"

#define PAGE_ORDER_MAX 18 /* 2^18 pages: 1 GiB */

struct page_stats {
	uint64_t host_total, host_free, guest_total, guest_free; /* bytes */
};

/*
 * Builds both zones from the MEMMAP_HOST and MEMMAP_GUEST ranges of m, which stays in use. Physical
 * address 0 is at direct_base in the direct map. Host memory [used_base, used_end) is in use already, and
 * the allocator's own tables come out of the host range right behind it. Panics where they don't fit.
 */
void page_alloc_init(const struct memmap *m, uint64_t direct_base, uint64_t used_base, uint64_t used_end);

/* Host frames: 2^order pages, aligned to their size, zeroed, through the direct map. NULL: none left. */
void *page_alloc(unsigned order);
void page_free(void *p, unsigned order);
/* The same by bytes, rounded up to whole pages (not to a power of two: the tail is given back). */
void *page_alloc_bytes(size_t bytes);
void page_free_bytes(void *p, size_t bytes);

/* A guest block of exactly 2^order pages; not scrubbed yet: vm_start scrubs what it was given. */
enum status page_alloc_guest(unsigned order, hpa_t *out);
void page_free_guest(hpa_t block, unsigned order);

/* All of [pa, pa+size), whole pages, is of the guest zone, and none of it is free. */
bool page_guest_in_use(hpa_t pa, uint64_t size);
/* The first physical address behind the guest zone; 0: there is none. */
uint64_t page_guest_end(void);

void page_stats(struct page_stats *s);
