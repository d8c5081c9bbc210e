/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's own address space:
 *
 *   0xffffffff80000000  the image: text read-execute, rodata read-only, data no-execute
 *   0xffffc00000000000  slot 384, only in a VM's host CR3: that VM's guest-physical memory
 *   0xffffa00000000000  slot 320: stacks, a guard page below each
 *   0xffff900000000000  slot 288: devices and firmware tables, mapped on demand
 *   0xffff800000000000  slot 256: the direct map: host frames (read-write) and boot modules (read-only)
 *
 * Nothing is mapped both writable and executable, and nothing below slot 256.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "hv/lib/status.h"
#include "hv/lib/types.h"
#include "mm/memmap.h"
#include "mm/pagetable.h"

#define HOST_DIRECT_BASE 0xffff800000000000UL
#define HOST_DEVICE_BASE 0xffff900000000000UL
#define HOST_STACK_BASE  0xffffa00000000000UL
#define HOST_IMAGE_BASE  0xffffffff80000000UL

/*
 * Takes over from the boot page tables: splits RAM into the host zone and the guest zone, builds the
 * tables above, loads CR3, sets CR0.WP and EFER.NXE. `map` must have every range in use marked; `image_pa`
 * is where image_start lies. Panics where there is too little memory. Boot CPU, once.
 */
void host_map_init(struct memmap *map, uint64_t image_pa);
/* On each further CPU: the CR3 of the common address space, and CR0/CR4/EFER bits as the boot CPU has them. */
uint64_t host_map_cr3(void);

/* Direct map: only for host frames and boot modules. */
static inline void *host_ptr(hpa_t pa)
{
	return (void *)(HOST_DIRECT_BASE + pa.v);
}
/* Physical address of anything in the direct map or the image. */
hpa_t host_pa(const void *p);

/* Maps a boot module read-only in the direct map (page-rounded). */
const void *host_map_module(uint64_t pa, uint64_t size);
/* Maps device registers (uncached, or write-combining) or firmware tables (PT_WB, read-only). NULL: no room. */
void *host_map_device(uint64_t pa, uint64_t size, enum pt_memtype type);
const void *host_map_firmware(uint64_t pa, uint64_t size);
void host_unmap(const void *p, uint64_t size);
/* A stack of slot_size bytes of address space, lowest page unmapped; returns its lowest mapped address. */
void *host_map_stack(size_t slot_size);

/* A VM's host view: shares everything above and adds slot 384. The caller maps guest memory into vt. */
enum status host_view_init(struct page_table *vt);
void host_view_fini(struct page_table *vt);

/* Walks the loaded tables: false, with the address, where a leaf is writable and executable, or in slots 0-255. */
bool host_map_check(uint64_t *bad_va);
