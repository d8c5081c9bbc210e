/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pieces of machine code that are run in a known state, at CPL 0 or 3, and how each ended: for guests whose output is compared with
 * the same guest's on the bare machine. A line a piece, "= name …", with what has changed.
 */
#pragma once

#include <stdint.h>
#include "tests/guests/lib/guest.h"

/* User addresses: the program's first 2 MiB of memory once more, and a table of small pages, PROBE_PAGE(n). */
#define PROBE_USER    0x4000000000UL
#define PROBE_PAGE(n) (PROBE_USER + 0x200000 + (n)*4096UL)

/* What the pages are when a piece starts. */
enum probe_page {
	PROBE_APIC, /* the local APIC; RSI */
	PROBE_RAM,  /* 4 KiB; RDI. PROBE_NONE behind it is not mapped */
	PROBE_NONE,
	PROBE_STACK,
	PROBE_FREE, /* from here on the guest's own */
};

/* The local APIC's initial count: 32 bits that read as they were written, whatever they are. LVT timer is masked. */
#define PROBE_COUNT 0x380

enum probe_how {
	PROBE_CPL3 = 1,
	PROBE_STEP = 2, /* with RFLAGS.TF */
	PROBE_IOPL3 = 4,
	PROBE_AC = 8,    /* with RFLAGS.AC */
	PROBE_NMIS = 16, /* the handler of an NMI sends one more */
};

/* Once: own page tables, GDT, IDT, TSS. Registers that the loader may have left in different states are set. */
void probe_init(void);
/* A page of the table: entry as the hardware has it. */
void probe_map(unsigned page, uint64_t entry);
uint64_t probe_entry(unsigned page);
/* The table's own entry, in the table above: the flags W, U and NX. */
void probe_directory(uint64_t flags);
/* Page `page` as it is when a piece starts: present, writable, user, no execution. */
uint64_t probe_default(unsigned page);
/* Makes the gate of a vector whole, not present, or one whose stack is not mapped. */
enum probe_gate { PROBE_GATE_WHOLE, PROBE_GATE_ABSENT, PROBE_GATE_STACK };
void probe_gate(uint8_t vector, enum probe_gate what);
/* Runs code, which ends with PROBE_END or a fault, and prints its line. The flags of `ignore` are not printed. */
void probe(const char *name, const char *code, unsigned how, uint64_t ignore);
/* The same without a line; returns the frame, whose vector is PROBE_END_VECTOR at the end. */
const struct trap *probe_run(const char *code, unsigned how);

/* From this vector up to PROBE_END_VECTOR interrupts are handled, and the piece goes on. */
#define PROBE_INTERRUPT  0x50
#define PROBE_EVENTS     32     /* so many interrupts, NMIs, steps and breakpoints; one more ends the piece */
#define PROBE_ICR_NMI    0x4400 /* to the APIC of ICR2, which is 0 */
#define PROBE_END_VECTOR 0xf0
#define PROBE_END        "int $0xf0"

/* A label `code_id` with a piece of code, at the top level of a file. */
#define PROBE_CODE(id, text)                                                                                 \
	extern const char code_##id[];                                                                       \
	asm(".pushsection .text\ncode_" #id ":\n" text "\n" PROBE_END "\n.popsection");
