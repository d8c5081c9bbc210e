/* SPDX-License-Identifier: BSD-2-Clause */
/* Leaves long mode for a piece of 32-bit code and comes back: for guests that test other modes. */
#pragma once

#include <stdint.h>

/* Selectors of mode32's GDT; entries from MODE32_FREE on are the guest's. */
#define MODE32_CODE   0x08
#define MODE32_DATA   0x10
#define MODE32_LONG   0x18
#define MODE32_CODE16 0x20
#define MODE32_DATA16 0x28
#define MODE32_FREE   0x30

extern uint64_t mode32_gdt[32], mode32_idt[256];

/*
 * Calls fn, an address below 4 GiB, in 32-bit protected mode: flat segments, no paging, mode32_gdt and mode32_idt, a
 * 4 KiB stack, interrupts off. It may change all registers but ESP, and must leave paging off and protection on.
 */
void mode32_call(void (*fn)(void));
/* A descriptor: base, limit in its own units, access byte, flags (granularity, size: the high four bits). */
uint64_t mode32_descriptor(uint32_t base, uint32_t limit, uint8_t access, uint8_t flags);
/* An IDT entry. */
uint64_t mode32_gate(uint16_t selector, uint32_t offset, uint8_t access);
