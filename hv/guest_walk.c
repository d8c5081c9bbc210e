/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The walk of the guest's paging structures for its modes: none, 32-bit, PAE, 4-level, 5-level. Each entry is read
 * once; accessed and dirty bits are set only after all rights were found, and only if the entry is still the
 * one that was read.
 */
#include "hv/guest_walk.h"

#include "hv/event.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/ops.h"
#include "hv/vm.h"
#include "hv/x86/cr.h"
#include "hv/x86/insn.h"
#include "hv/x86/msr.h"
#include "hv/x86/rflags.h"

/* Bits of a paging-structure entry, SDM Vol. 3A, "4-Level Paging and 5-Level Paging". */
#define PTE_P            BIT(0)
#define PTE_RW           BIT(1)
#define PTE_US           BIT(2)
#define PTE_A            BIT(5)
#define PTE_D            BIT(6)
#define PTE_PS           BIT(7)
#define PTE_XD           BIT(63)
#define PTE_ADDR         BITS(51, 12)
#define PDE32_LARGE_ADDR BITS(31, 22)

#define PTE_KEY_SHIFT    59
#define PTE_KEY          15

#define LEVEL_MAX        5
#define UPDATE_MAX       16 /* times that a walk starts over because an entry changed under it */

struct walk {
	const struct guest_paging *p;
	uint32_t access;
	unsigned levels;              /* entries visited */
	uint64_t entry_at[LEVEL_MAX]; /* their addresses */
	uint64_t entry[LEVEL_MAX];
	bool leaf[LEVEL_MAX];
	bool wide;       /* entries of 8 bytes */
	uint64_t rights; /* PTE_RW, PTE_US: and; PTE_XD: or */
};

static bool nx_enabled(const struct guest_paging *p)
{
	return (p->efer & EFER_NXE) && (p->cr4 & CR4_PAE);
}

static uint32_t error_code(const struct guest_paging *p, uint32_t access, uint32_t cause)
{
	uint32_t e = cause;

	if (access & WALK_WRITE)
		e |= PFERR_W;
	if (access & WALK_USER)
		e |= PFERR_U;
	/* The bit is defined only where a fetch can be told apart. */
	if ((access & WALK_FETCH) && (nx_enabled(p) || (p->cr4 & CR4_SMEP)))
		e |= PFERR_I;
	return e;
}

/* SDM Vol. 3A, "Determination of Access Rights". */
static bool access_allowed(const struct walk *w)
{
	const struct guest_paging *p = w->p;
	bool user_page = w->rights & PTE_US;
	bool writable = w->rights & PTE_RW;

	if ((w->access & WALK_FETCH) && (w->rights & PTE_XD) && nx_enabled(p))
		return false;
	if (w->access & WALK_USER)
		return user_page && (writable || !(w->access & WALK_WRITE));
	if (user_page) {
		if (w->access & WALK_FETCH)
			return !(p->cr4 & CR4_SMEP);
		if ((p->cr4 & CR4_SMAP) && ((w->access & WALK_IMPLICIT) || !(p->rflags & RFLAGS_AC)))
			return false;
	}
	return writable || !(w->access & WALK_WRITE) || !(p->cr0 & CR0_WP);
}

/* SDM Vol. 3A, "Protection Keys": data accesses to user pages; the key is in the entry that maps the page. */
static bool key_allows(const struct walk *w)
{
	const struct guest_paging *p = w->p;
	unsigned key = w->entry[w->levels - 1] >> PTE_KEY_SHIFT & PTE_KEY;
	uint32_t rights = p->pkru >> 2 * key;

	if (!(p->cr4 & CR4_PKE) || !(p->efer & EFER_LMA) || !(w->rights & PTE_US) || (w->access & WALK_FETCH))
		return true;
	if (rights & PKRU_AD)
		return false;
	return !(rights & PKRU_WD) || !(w->access & WALK_WRITE) ||
	       (!(w->access & WALK_USER) && !(p->cr0 & CR0_WP));
}

/* Reads the entry at `at` and notes it. OK, ERR_RANGE, or ERR_FAULT where it isn't present. */
static enum status visit(struct walk *w, uint64_t at, bool leaf, uint64_t *entry)
{
	enum status s;
	uint32_t narrow = 0;

	if (w->wide) {
		s = gpa_read64(w->p->mem, gpa(at), entry);
	} else {
		s = gpa_read32(w->p->mem, gpa(at), &narrow);
		*entry = narrow;
	}
	if (s != OK)
		return ERR_RANGE;
	if (!(*entry & PTE_P))
		return ERR_FAULT;
	w->entry_at[w->levels] = at;
	w->entry[w->levels] = *entry;
	w->leaf[w->levels++] = leaf;
	w->rights = ((w->rights & *entry) & (PTE_RW | PTE_US)) | ((w->rights | *entry) & PTE_XD);
	return OK;
}

/* PAE and 4-level: from the table at `table` down from `level`. */
static enum status walk_wide(struct walk *w, uint64_t table, unsigned level, uint64_t a, uint64_t *out,
			     uint32_t *cause)
{
	const struct guest_paging *p = w->p;
	uint64_t reserved = BITS(51, 0) & ~BITS(p->phys_bits - 1, 0);

	if (!(p->efer & EFER_LMA))
		reserved |= BITS(62, 52);
	if (!(p->efer & EFER_NXE))
		reserved |= PTE_XD;
	w->wide = true;
	for (;; level--) {
		unsigned shift = PAGE_SHIFT + 9 * (level - 1);
		uint64_t entry, bad = reserved;
		enum status s = visit(w, table + ((a >> shift) & 511) * 8, level == 1, &entry);
		bool leaf;

		if (s != OK)
			return s;
		leaf = level == 1 || (level <= 3 && (entry & PTE_PS));
		if (level >= 4 || (level == 3 && !p->page1g))
			bad |= PTE_PS;
		if (leaf && level > 1)
			bad |= BITS(shift - 1, 13); /* bit 12 is PAT */
		if (entry & bad) {
			*cause = PFERR_P | PFERR_RSVD;
			return ERR_FAULT;
		}
		if (leaf) {
			w->leaf[w->levels - 1] = true;
			*out = (entry & PTE_ADDR & ~(BIT(shift) - 1)) | (a & (BIT(shift) - 1));
			return OK;
		}
		table = entry & PTE_ADDR;
	}
}

static enum status walk_32bit(struct walk *w, uint64_t a, uint64_t *out, uint32_t *cause)
{
	const struct guest_paging *p = w->p;
	unsigned pse36_bits = MIN(p->phys_bits, 40u) - 32;
	uint64_t entry;
	enum status s = visit(w, (p->cr3 & BITS(31, 12)) + (a >> 22) * 4, false, &entry);

	if (s != OK)
		return s;
	if ((entry & PTE_PS) && (p->cr4 & CR4_PSE)) {
		/* Bits 13 and up hold the address above 4 GiB; those between it and bit 22 are reserved. */
		if (entry & BITS(21, 13) & ~BITS(12 + pse36_bits, 13)) {
			*cause = PFERR_P | PFERR_RSVD;
			return ERR_FAULT;
		}
		w->leaf[0] = true;
		*out = (entry & PDE32_LARGE_ADDR) | (entry & BITS(12 + pse36_bits, 13)) << 19 |
		       (a & BITS(21, 0));
		return OK;
	}
	s = visit(w, (entry & BITS(31, 12)) + ((a >> 12) & 1023) * 4, true, &entry);
	if (s == OK)
		*out = (entry & BITS(31, 12)) | (a & BITS(11, 0));
	return s;
}

/* Sets what is missing of the accessed and dirty bits. ERR_AGAIN: an entry has changed. */
static enum status update_entries(const struct walk *w)
{
	for (unsigned i = 0; i < w->levels; i++) {
		uint64_t old = w->entry[i];
		uint64_t set = PTE_A | ((w->leaf[i] && (w->access & WALK_WRITE)) ? PTE_D : 0);
		enum status s;

		if ((old & set) == set)
			continue;
		if (w->wide)
			s = gpa_cmpxchg64(w->p->mem, gpa(w->entry_at[i]), old, old | set);
		else
			s = gpa_cmpxchg32(w->p->mem, gpa(w->entry_at[i]), (uint32_t)old,
					  (uint32_t)(old | set));
		if (s == ERR_AGAIN)
			return s;
		/* Structures in ROM keep their bits as they are. */
	}
	return OK;
}

static enum status walk_once(const struct guest_paging *p, uint64_t a, uint32_t access, uint64_t *out,
			     uint32_t *error)
{
	struct walk w = {.p = p, .access = access, .rights = PTE_RW | PTE_US};
	uint32_t cause = 0;
	enum status s;

	if (p->efer & EFER_LMA) {
		s = walk_wide(&w, p->cr3 & PTE_ADDR, p->cr4 & CR4_LA57 ? 5 : 4, a, out, &cause);
	} else if (p->cr4 & CR4_PAE) {
		uint64_t pdpte = p->pdpte[a >> 30 & 3];

		s = !(pdpte & PTE_P) ? ERR_FAULT : walk_wide(&w, pdpte & PTE_ADDR, 2, a, out, &cause);
	} else {
		s = walk_32bit(&w, a, out, &cause);
	}
	if (s == OK && !access_allowed(&w)) {
		cause = PFERR_P;
		s = ERR_FAULT;
	}
	if ((s == OK || cause == PFERR_P) && !key_allows(&w)) {
		cause = PFERR_P | PFERR_PK;
		s = ERR_FAULT;
	}
	if (s == ERR_FAULT)
		*error = error_code(p, access, cause);
	if (s == OK && !(access & WALK_NO_UPDATE))
		s = update_entries(&w);
	return s;
}

enum status guest_walk(const struct guest_paging *p, gva_t a, uint32_t access, gpa_t *out, uint32_t *error)
{
	enum status s = ERR_AGAIN;

	if (!(p->cr0 & CR0_PG)) {
		*out = gpa(a.v & UINT32_MAX);
		return OK;
	}
	for (unsigned i = 0; i < UPDATE_MAX && s == ERR_AGAIN; i++)
		s = walk_once(p, a.v, access, &out->v, error);
	return s;
}

void guest_paging_get(struct vcpu *v, struct guest_paging *p)
{
	p->mem = &v->vm->mem;
	p->cr0 = vcpu_reg_get(v, VREG_CR0);
	p->cr3 = vcpu_reg_get(v, VREG_CR3);
	p->cr4 = vcpu_reg_get(v, VREG_CR4);
	p->efer = vcpu_reg_get(v, VREG_EFER);
	p->rflags = vcpu_reg_get(v, VREG_RFLAGS);
	p->pkru = p->cr4 & CR4_PKE ? rdpkru() : 0; /* v is loaded: the register holds its value */
	p->phys_bits = v->vm->cpuid.phys_bits;
	p->page1g = v->vm->cpuid.page1g;
	if ((p->cr0 & CR0_PG) && (p->cr4 & CR4_PAE) && !(p->efer & EFER_LMA)) {
		for (unsigned i = 0; i < ARRAY_SIZE(p->pdpte); i++)
			p->pdpte[i] = vcpu_reg_get(v, VREG_PDPTE0 + i);
	}
}

static enum status translate(struct vcpu *v, const struct guest_paging *p, gva_t a, uint32_t access,
			     gpa_t *out)
{
	uint32_t error;
	enum status s = guest_walk(p, a, access, out, &error);

	if (s == ERR_FAULT && !(access & WALK_NO_UPDATE))
		event_raise_pf(v, a.v, error);
	return s == ERR_AGAIN ? ERR_FAULT : s;
}

enum status guest_translate(struct vcpu *v, gva_t a, uint32_t access, gpa_t *out)
{
	struct guest_paging p;

	guest_paging_get(v, &p);
	return translate(v, &p, a, access, out);
}

struct span {
	gpa_t first, second;
	size_t head, tail; /* bytes in each page */
};

static enum status translate_span(struct vcpu *v, gva_t a, size_t n, uint32_t access, struct span *span)
{
	struct guest_paging p;
	enum status s;

	guest_paging_get(v, &p);
	span->head = MIN(n, PAGE_SIZE - (a.v & (PAGE_SIZE - 1)));
	span->tail = n - span->head;
	s = translate(v, &p, a, access, &span->first);
	if (s == OK && span->tail) {
		uint64_t next = a.v + span->head;

		if (!(p.efer & EFER_LMA))
			next &= UINT32_MAX;
		s = translate(v, &p, gva(next), access, &span->second);
	}
	return s;
}

enum status guest_read(struct vcpu *v, gva_t a, void *dst, size_t n, uint32_t access)
{
	struct span span;
	enum status s = translate_span(v, a, n, access, &span);

	if (s == OK)
		s = gpa_read(&v->vm->mem, span.first, dst, span.head);
	if (s == OK && span.tail)
		s = gpa_read(&v->vm->mem, span.second, (uint8_t *)dst + span.head, span.tail);
	return s;
}

static bool is_ram(const struct gmem *m, gpa_t a)
{
	const struct gmem_slot *slot = gmem_find(m, a);

	return slot && !slot->readonly;
}

enum status guest_write(struct vcpu *v, gva_t a, const void *src, size_t n, uint32_t access)
{
	const struct gmem *m = &v->vm->mem;
	struct span span;
	enum status s = translate_span(v, a, n, access | WALK_WRITE, &span);

	if (s != OK)
		return s;
	/* Slots are made of whole pages, so one address speaks for its page. */
	if (!is_ram(m, span.first) || (span.tail && !is_ram(m, span.second)))
		return ERR_RANGE;
	s = gpa_write(m, span.first, src, span.head);
	if (s == OK && span.tail)
		s = gpa_write(m, span.second, (const uint8_t *)src + span.head, span.tail);
	return s;
}
