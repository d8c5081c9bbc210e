/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The boot memory map: what the firmware reports, sorted, overlaps resolved, with the ranges that boot
 * already uses taken out. Pure: unit-tested on the host.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/lib/status.h"

#define MEMMAP_MAX 1024

enum memmap_type {
	/* Where reports overlap, the later one in this list wins. */
	MEMMAP_HOLE,
	MEMMAP_RAM,
	MEMMAP_ACPI_RECLAIM,
	MEMMAP_RUNTIME,
	MEMMAP_NVS,
	MEMMAP_RESERVED,
	MEMMAP_BAD,
	MEMMAP_USED, /* RAM that holds the image, a module or boot's own data */
};

struct memmap_range {
	uint64_t base, end; /* [base, end) */
	enum memmap_type type;
};

struct memmap {
	uint32_t count;
	struct memmap_range range[MEMMAP_MAX]; /* ascending, disjoint, neighbours of one type merged */
};

void memmap_init(struct memmap *m);
/*
 * Adds a report. RAM is rounded inwards to pages, everything else outwards. ERR_INVAL: len 0 or wraps (the
 * report is left out); ERR_NOMEM: the table is full.
 */
enum status memmap_add(struct memmap *m, uint64_t base, uint64_t len, enum memmap_type type);
/* The type at pa. */
enum memmap_type memmap_type_at(const struct memmap *m, uint64_t pa);
/* Bytes of one type. */
uint64_t memmap_total(const struct memmap *m, enum memmap_type type);
/* Takes size bytes, aligned, of RAM below limit, from the top down; they become MEMMAP_USED. */
enum status memmap_take(struct memmap *m, uint64_t size, uint64_t align, uint64_t limit, uint64_t *base);
