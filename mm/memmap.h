/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The boot memory map: what the firmware reports, sorted, overlaps resolved, with the ranges that boot
 * already uses taken out, and RAM divided into the host's and the guests'. Pure: unit-tested on the host.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/lib/status.h"

/* n reports make at most 2n - 1 ranges: enough for all that a boot_info holds, and for the zones. */
#define MEMMAP_MAX 1536

enum memmap_type {
	/* Where reports overlap, the later one in this list wins. */
	MEMMAP_HOLE,
	MEMMAP_RAM,
	MEMMAP_HOST,  /* RAM of the host zone: set by memmap_split_zones, not reported */
	MEMMAP_GUEST, /* RAM of the guest zone: likewise */
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
 * report is left out); ERR_NOMEM: the table is full (part of the report may be in it).
 */
enum status memmap_add(struct memmap *m, uint64_t base, uint64_t len, enum memmap_type type);
/* All of [base, end) is of one type. */
bool memmap_covers(const struct memmap *m, uint64_t base, uint64_t end, enum memmap_type type);
/* Bytes of one type. */
uint64_t memmap_total(const struct memmap *m, enum memmap_type type);
/*
 * Takes size bytes (a multiple of 4 KiB), aligned (a power of two), of RAM below limit, from the top down; they
 * become MEMMAP_USED. ERR_NOMEM: no such range.
 */
enum status memmap_take(struct memmap *m, uint64_t size, uint64_t align, uint64_t limit, uint64_t *base);
/*
 * Divides the RAM above 1 MiB. The guest zone gets whole aligned 2 MiB blocks only; the host zone gets
 * the odd ends, and blocks until it has host_bytes (or all that there is): from 4 GiB downwards, because
 * gigabyte blocks lie rather above it, then from 4 GiB upwards. RAM below 1 MiB stays MEMMAP_RAM, for
 * the start of the other CPUs. Returns the size of the host zone.
 */
uint64_t memmap_split_zones(struct memmap *m, uint64_t host_bytes);
