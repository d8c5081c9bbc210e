/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The proof, from the tables that the hardware walks, that guests are kept apart: from Ingot and from each other. It
 * trusts the tables' engine to find the leaves, and neither the VMs' own books nor each other's.
 */
#pragma once

#include <stdint.h>
#include "hv/lib/status.h"

struct isolation {
	uint32_t guests;  /* VMs that have memory */
	uint64_t frames;  /* that they reach */
	uint64_t checked; /* bytes of the image that are as at the start */
	char why[160];    /* what is wrong: which guest, which frame */
};

/* Takes the image's sum, for later comparisons. Boot CPU, once. */
void isolation_init(void);
/*
 * OK: each frame that a guest reaches is of the guest zone, in use, and reached at one place of one guest alone, or of memory that it shares; no host
 * mapping is writable and executable; code and constants are unchanged. ERR_FAULT: not so. ERR_NOMEM: no
 * memory for a bit for each frame. Takes time by the size of the memory; only from work that runs alone, since tables
 * must stay as they are.
 */
enum status isolation_check(struct isolation *r);
