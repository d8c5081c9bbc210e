/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guest-physical memory of one VM: which ranges are RAM or ROM, and the only accessors to their bytes. An
 * accessor checks bounds and copies; gpa_range alone gives a pointer. Pages of RAM that have no frame get one by the access
 * (hv/vm_absent.h). The VM's host address space must be loaded
 * (hv/vm.h: vm_enter_address_space); in it, guest-physical address a is at base + a.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "hv/lib/status.h"
#include "hv/lib/types.h"

#define GMEM_SLOT_MAX 8
#define GMEM_VM_BASE  0xffffc00000000000UL /* PML4 slot 384: where a VM's own host view maps its memory */

struct gmem_slot {
	uint64_t base, size; /* guest-physical, multiples of 4 KiB */
	bool readonly;       /* ROM: the guest's writes are dropped, as on a PC */
};

struct gmem {
	uint8_t *base;
	uint64_t ram_base, ram_size; /* of the largest slot of RAM, where most accesses are */
	uint32_t count;
	struct gmem_slot slot[GMEM_SLOT_MAX]; /* ascending, disjoint */
};

/*
 * Adds a slot; ERR_INVAL where it overlaps, isn't whole pages, or ends above 512 GiB; ERR_NOMEM where the
 * table is full.
 */
enum status gmem_add(struct gmem *m, uint64_t base, uint64_t size, bool readonly);
/* The slot that holds a, or NULL: the address is not backed by memory. */
const struct gmem_slot *gmem_find(const struct gmem *m, gpa_t a);

/* Copies; ERR_RANGE, with nothing copied, where any byte isn't memory. A range may span adjacent slots. */
enum status gpa_read(const struct gmem *m, gpa_t a, void *dst, size_t n);
/* As the guest's own write would: ERR_FAULT, with nothing written, where any byte is in ROM. */
enum status gpa_write(const struct gmem *m, gpa_t a, const void *src, size_t n);
/* gpa_is_memory, wherever it is. */
bool gpa_is_memory_any(const struct gmem *m, gpa_t a, size_t n, bool write);

/* Are all of n > 0 bytes at a in the largest slot of RAM? The short way: nearly always they are, and else may still be memory. */
static inline bool gpa_is_main_ram(const struct gmem *m, gpa_t a, size_t n)
{
	uint64_t offset = a.v - m->ram_base;

	return offset < m->ram_size && n - 1 < m->ram_size - offset;
}

/* Are all of n > 0 bytes at a memory, and RAM if `write`? */
static inline bool gpa_is_memory(const struct gmem *m, gpa_t a, size_t n, bool write)
{
	return gpa_is_main_ram(m, a, n) || gpa_is_memory_any(m, a, n, write);
}

/*
 * Where n bytes at a are, for data that is not to be copied: n > 0, all of it memory, and RAM if `write`; else NULL. The
 * pointer is good wherever the VM's host address space is loaded, until its memory is given back. What is behind it the
 * guest may change at any moment.
 */
static inline void *gpa_range(const struct gmem *m, gpa_t a, size_t n, bool write)
{
	return gpa_is_memory(m, a, n, write) ? m->base + a.v : NULL;
}
/* For loaders: writes ROM too. */
enum status gpa_load(const struct gmem *m, gpa_t a, const void *src, size_t n);
enum status gpa_zero(const struct gmem *m, gpa_t a, size_t n);
/* Naturally aligned (else ERR_INVAL) 4- and 8-byte accesses, one bus access each: for paging structures. */
enum status gpa_read64(const struct gmem *m, gpa_t a, uint64_t *v);
enum status gpa_read32(const struct gmem *m, gpa_t a, uint32_t *v);
typedef uint64_t gpa_unaligned64 __attribute__((aligned(1)));

/*
 * 8 bytes at a, aligned or not, that cross no page; false: not memory. *slot is where to look first, and where they were: the
 * short way of frequent exits. Else the last slots come first, because they are the large ones.
 */
static inline bool gpa_peek64(const struct gmem *m, const struct gmem_slot **slot, gpa_t a, uint64_t *v)
{
	if (a.v - (*slot)->base >= (*slot)->size) {
		const struct gmem_slot *s = m->slot + m->count;

		do {
			if (s-- == m->slot)
				return false;
		} while (a.v - s->base >= s->size);
		*slot = s;
	}
	*v = *(const volatile gpa_unaligned64 *)(m->base + a.v);
	return true;
}
/* Atomically sets *a to desired if it holds expected; ERR_AGAIN if it held something else. RAM only. */
enum status gpa_cmpxchg64(const struct gmem *m, gpa_t a, uint64_t expected, uint64_t desired);
enum status gpa_cmpxchg32(const struct gmem *m, gpa_t a, uint32_t expected, uint32_t desired);
/* Atomically sets *a to desired; *old is what was there. RAM only. */
enum status gpa_xchg32(const struct gmem *m, gpa_t a, uint32_t desired, uint32_t *old);
