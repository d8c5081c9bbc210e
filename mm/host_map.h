/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's own address space:
 *
 *   0xffffffff80000000  the image: text read-execute, rodata read-only, data no-execute
 *   0xffffc00000000000  slot 384, only in a VM's host CR3: that VM's guest-physical memory
 *   0xffffb00000000000  slot 352: windows of CPUs, in which frames of guests are for the time of a copy
 *   0xffffa00000000000  slot 320: stacks, a guard page below each
 *   0xffff900000000000  slot 288: devices and firmware tables, mapped on demand
 *   0xffff800000000000  slots 256-287: the direct map: host frames (read-write) and boot modules (read-only)
 *
 * Nothing is mapped both writable and executable, and nothing below slot 256. Any CPU may call what is
 * declared here, unless it says otherwise.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "hv/lib/status.h"
#include "hv/lib/types.h"
#include "hv/lib/util.h"
#include "hv/x86/insn.h"
#include "mm/memmap.h"
#include "mm/pagetable.h"

#define HOST_DIRECT_BASE 0xffff800000000000UL
#define HOST_DEVICE_BASE 0xffff900000000000UL
#define HOST_STACK_BASE  0xffffa00000000000UL
#define HOST_WINDOW_BASE 0xffffb00000000000UL
#define HOST_IMAGE_BASE  0xffffffff80000000UL

/*
 * Takes over from the boot page tables: splits RAM into the host zone and the guest zone, builds the
 * tables above, loads CR3, sets CR0.WP, CR4.PGE, EFER.NXE and the PAT's power-on types, starts the page allocator. `map` must have
 * every range in use marked, and stays in use; `image_pa` is where image_start lies. From here on nothing is mapped one to
 * one: RAM below 1 MiB, the loader's data and devices need host_map_device. Lowers max_leaf_level of
 * the host format and NPT where the CPU has no 1G pages. Panics where there is too little memory. Boot CPU, once.
 */
void host_map_init(struct memmap *map, uint64_t image_pa);
/* The CR3 of the common address space. A CPU that loads it has those set as the boot CPU has. */
uint64_t host_map_cr3(void);

/* Direct map: only for host frames and boot modules. */
static inline void *host_ptr(hpa_t pa)
{
	return (void *)(HOST_DIRECT_BASE + pa.v);
}
/* Physical address of anything in the direct map or the image. */
hpa_t host_pa(const void *p);

/* Maps a boot module read-only in the direct map (page-rounded). NULL: no memory, or above 16 TiB. */
const void *host_map_module(uint64_t pa, uint64_t size);
/*
 * Maps device registers (PT_UC, or PT_WC for a frame buffer), or RAM that is in no zone (PT_WB), read-write;
 * firmware tables read-only. The address keeps pa's place in its page. NULL: no room, size 0, or an
 * address that the CPU doesn't have. Each mapping gets addresses never used before, so that unmapping needs
 * no other CPU's TLB flushed.
 */
void *host_map_device(uint64_t pa, uint64_t size, enum pt_memtype type);
const void *host_map_firmware(uint64_t pa, uint64_t size);
/* Undoes one of the two above; nobody may use the address any more. NULL is allowed. */
void host_unmap(const void *p, uint64_t size);
/*
 * A stack in its own slot of slot_size bytes (a power of two, aligned to that), zeroed, lowest page
 * unmapped; returns its lowest mapped address, slot_size - PAGE_SIZE below the end. NULL: no memory.
 */
void *host_map_stack(size_t slot_size);

/*
 * Addresses of one CPU for frames that are in no common mapping: HOST_WINDOW_PAGES pages, mapped one by one. A power of two, so
 * that their entries are in one table.
 */
#define HOST_WINDOW_PAGES 16

struct host_window {
	uint8_t *va;
	uint64_t *entry; /* of each page, in the common tables */
	uint64_t rights; /* what an entry has beside the frame */
};

enum status host_window_init(struct host_window *w);
/*
 * Maps the frames of RAM in which n > 0 bytes from pa on lie, side by side from `page` on, on the CPU that owns w; returns the
 * address of pa.
 */
static inline void *host_window_open(struct host_window *w, unsigned page, hpa_t pa, size_t n)
{
	uint64_t within = pa.v % PAGE_SIZE, frame = pa.v - within, *entry = &w->entry[page];

	do {
		*entry++ = frame | w->rights;
		frame += PAGE_SIZE;
	} while (frame < pa.v + n);
	/* The stores come before what the caller does through them. */
	asm volatile("" ::: "memory");
	return w->va + page * PAGE_SIZE + within;
}

/* Undoes it. The CPU has never seen what the pages' next frames are: they need no flush before they are opened again. */
static inline void host_window_close(struct host_window *w, unsigned page, hpa_t pa, size_t n)
{
	uint64_t va = (uint64_t)w->va + page * PAGE_SIZE, end = va + pa.v % PAGE_SIZE + n,
		 *entry = &w->entry[page];

	asm volatile("" ::: "memory");
	do {
		*entry++ = 0;
		invlpg(va);
		va += PAGE_SIZE;
	} while (va < end);
}

/*
 * An address space that shares everything above and has slots 0-255 and 384 of its own: a VM's host view
 * (the caller maps guest memory at GMEM_VM_BASE), or tables to start other CPUs on. Its root: vt->root.
 */
enum status host_view_init(struct page_table *vt);
/* Frees its own tables; no CPU may have it loaded. */
void host_view_fini(struct page_table *vt);

/* Walks the common tables: false, with the address, where a leaf is writable and executable, or in slots 0-255. */
bool host_map_check(uint64_t *bad_va);
