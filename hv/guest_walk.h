/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guest-virtual to guest-physical, as the guest's own paging does it in its present mode: rights, accessed and
 * dirty bits, the error code of the fault. SDM Vol. 3A, chapter "Paging".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/lib/status.h"
#include "hv/lib/types.h"
#include "mm/gpa.h"

struct vcpu;

enum walk_access {
	WALK_WRITE = 1 << 0,
	WALK_USER = 1 << 1, /* CPL 3, and not an implicit access to a system table */
	WALK_FETCH = 1 << 2,
	WALK_IMPLICIT = 1 << 3,  /* a supervisor access to a system structure: SMAP ignores RFLAGS.AC */
	WALK_NO_UPDATE = 1 << 4, /* look only: no accessed or dirty bits, for reports */
};

/* The paging state of a CPU: what a walk depends on. */
struct guest_paging {
	const struct gmem *mem;
	uint64_t cr0, cr3, cr4, efer, rflags;
	uint64_t pdpte[4]; /* PAE outside long mode; as the CPU loaded them */
	uint32_t pkru;     /* with CR4.PKE */
	uint8_t phys_bits;
	bool page1g;
};

void guest_paging_get(struct vcpu *v, struct guest_paging *p);

/*
 * Translates one address, canonical in long mode and below 4 GiB else. Sets accessed and dirty bits. ERR_FAULT:
 * *error is the #PF's error code (PFERR_...). ERR_RANGE: a paging structure isn't in memory. ERR_AGAIN: others
 * kept changing the entries; enter the guest again.
 */
enum status guest_walk(const struct guest_paging *p, gva_t a, uint32_t access, gpa_t *out, uint32_t *error);

/* guest_walk for v in its present state. ERR_FAULT: #PF was raised in v, or enter the guest again. */
enum status guest_translate(struct vcpu *v, gva_t a, uint32_t access, gpa_t *out);

/*
 * Copies between guest-virtual memory and a buffer, across pages; all pages are translated before a byte is
 * written. n is at most one page; addresses wrap as guest_walk's do. ERR_FAULT: #PF was raised in v, or enter
 * the guest again. ERR_RANGE: not RAM (ROM for a write, a device); nothing was copied.
 */
enum status guest_read(struct vcpu *v, gva_t a, void *dst, size_t n, uint32_t access);
enum status guest_write(struct vcpu *v, gva_t a, const void *src, size_t n, uint32_t access);
