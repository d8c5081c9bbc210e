/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest-physical memory map, the same for every VM: RAM below 3 GiB, a hole for devices up to 4 GiB, the
 * rest of the RAM above, and behind it a window for large devices; the PC's own hole below 1 MiB with a ROM at its end.
 * Devices' addresses are in hv/vdev/platform.h.
 */
#pragma once

#include <stdint.h>
#include "hv/lib/status.h"
#include "hv/lib/util.h"
#include "mm/gpa.h"

#define GUEST_RAM_LOW_END   0xa0000UL /* conventional memory ends; its last page is GUEST_NVS_BASE */
#define GUEST_NVS_BASE      0x9f000UL /* RAM that belongs to the firmware: the FACS */
#define GUEST_NVS_SIZE      0x1000UL
/*
 * Read-only. The lower half is empty, the place of option ROMs: kernels scan it in small steps, which would be
 * an exit each if nothing were there. The upper half holds RSDP and ACPI tables, and at its end the stubs of BIOS services.
 */
#define GUEST_ROM_BASE      0xc0000UL
#define GUEST_ROM_SIZE      0x40000UL
#define GUEST_TABLES_BASE   0xe0000UL
#define GUEST_BIOS_BASE     0xfe000UL /* written for flat images only: hv/load_flat.c */
#define GUEST_BIOS_STUB     2UL       /* bytes of the stub of one interrupt vector */
#define GUEST_BIOS_SIZE     (256 * GUEST_BIOS_STUB)
#define GUEST_BIOS_SEGMENT  0xf000UL /* by which real-mode code reaches it */
#define GUEST_RAM_MID_BASE  0x100000UL
#define GUEST_RAM_MID_END   0xc0000000UL /* RAM below 4 GiB ends here at the latest */
#define GUEST_PCI_HOLE_BASE 0xc0000000UL /* for PCI, up to the IOAPIC */
#define GUEST_PCI_HOLE_END  0xfec00000UL
#define GUEST_RAM_HIGH_BASE 0x100000000UL

#define GUEST_MEMORY_MIN    MIB(2)

/* The first byte behind the RAM that lies below 4 GiB, for a VM of `memory` bytes. */
static inline uint64_t guest_map_low_end(uint64_t memory)
{
	return MIN(memory, GUEST_RAM_MID_END);
}

struct guest_window {
	uint64_t base, size; /* size 0: there is none */
};

/*
 * Where 64-bit BARs may lie beside the hole, for a VM of `memory` bytes and physical addresses of phys_bits bits: all that
 * RAM leaves, in whole GiB, as paging structures map it.
 */
static inline struct guest_window guest_map_pci_high(uint64_t memory, unsigned phys_bits)
{
	uint64_t ram_end = GUEST_RAM_HIGH_BASE + memory - guest_map_low_end(memory);
	uint64_t base = ALIGN_UP(ram_end, GIB(1)), end = BIT(phys_bits);

	return (struct guest_window){base, end > base ? end - base : 0};
}

/*
 * Adds the slots of a VM of `memory` bytes (a multiple of 4 KiB, GUEST_MEMORY_MIN or more) to an empty m. The
 * 128 KiB of VGA memory stay unbacked, and ROM counts too, so a little less than `memory` is RAM.
 */
static inline enum status guest_map_add_slots(struct gmem *m, uint64_t memory)
{
	uint64_t low_end = guest_map_low_end(memory);
	enum status s;

	if (memory < GUEST_MEMORY_MIN || !IS_ALIGNED(memory, PAGE_SIZE))
		return ERR_INVAL;
	s = gmem_add(m, 0, GUEST_RAM_LOW_END, false);
	if (s == OK)
		s = gmem_add(m, GUEST_ROM_BASE, GUEST_ROM_SIZE, true);
	if (s == OK)
		s = gmem_add(m, GUEST_RAM_MID_BASE, low_end - GUEST_RAM_MID_BASE, false);
	if (s == OK && memory > low_end)
		s = gmem_add(m, GUEST_RAM_HIGH_BASE, memory - low_end, false);
	return s;
}
