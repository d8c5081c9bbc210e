/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The accessors to a VM's guest-physical memory. Every one first proves that each byte it will touch is
 * inside a slot; what the guest changes meanwhile is data, never an address that is trusted.
 */
#include "mm/gpa.h"

#include "hv/lib/string.h"
#include "hv/lib/util.h"

/* A slot ends inside what one PML4 entry maps. */
#define GMEM_LIMIT GIB(512)

enum status gmem_add(struct gmem *m, uint64_t base, uint64_t size, bool readonly)
{
	uint32_t at = 0;

	if (!size || !IS_ALIGNED(base | size, PAGE_SIZE) || base >= GMEM_LIMIT || size > GMEM_LIMIT - base)
		return ERR_INVAL;
	if (m->count == GMEM_SLOT_MAX)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < m->count; i++) {
		const struct gmem_slot *s = &m->slot[i];

		if (base < s->base + s->size && s->base < base + size)
			return ERR_INVAL;
		if (s->base < base)
			at = i + 1;
	}
	memmove(&m->slot[at + 1], &m->slot[at], (m->count - at) * sizeof(m->slot[0]));
	m->slot[at] = (struct gmem_slot){.base = base, .size = size, .readonly = readonly};
	m->count++;
	if (!readonly && size > m->ram_size) {
		m->ram_base = base;
		m->ram_size = size;
	}
	return OK;
}

static inline const struct gmem_slot *find(const struct gmem *m, gpa_t a)
{
	/* The last ones first: they are the large ones. */
	for (const struct gmem_slot *s = m->slot + m->count; s-- != m->slot;)
		if (a.v - s->base < s->size)
			return s;
	return NULL;
}

const struct gmem_slot *gmem_find(const struct gmem *m, gpa_t a)
{
	return find(m, a);
}

/* check, for ranges of any kind. */
[[gnu::noinline]] static enum status check_slots(const struct gmem *m, gpa_t a, size_t n, bool write)
{
	while (n) {
		const struct gmem_slot *s = find(m, a);
		uint64_t part;

		if (!s)
			return ERR_RANGE;
		if (write && s->readonly)
			return ERR_FAULT;
		part = MIN((uint64_t)n, s->base + s->size - a.v);
		a.v += part;
		n -= part;
	}
	return OK;
}

/* Are all n bytes at a memory, and, for a write by the guest's own rules, RAM? Nearly always they are in one slot. */
static inline enum status check(const struct gmem *m, gpa_t a, size_t n, bool write)
{
	const struct gmem_slot *s = find(m, a);

	if (s && n <= s->size - (a.v - s->base) && !(write && s->readonly))
		return OK;
	return check_slots(m, a, n, write);
}

enum status gpa_read(const struct gmem *m, gpa_t a, void *dst, size_t n)
{
	enum status s = check(m, a, n, false);

	if (s == OK && n)
		memcpy(dst, m->base + a.v, n);
	return s;
}

enum status gpa_write(const struct gmem *m, gpa_t a, const void *src, size_t n)
{
	enum status s = check(m, a, n, true);

	if (s == OK && n)
		memcpy(m->base + a.v, src, n);
	return s;
}

enum status gpa_load(const struct gmem *m, gpa_t a, const void *src, size_t n)
{
	enum status s = check(m, a, n, false);

	if (s == OK && n)
		memcpy(m->base + a.v, src, n);
	return s;
}

enum status gpa_zero(const struct gmem *m, gpa_t a, size_t n)
{
	enum status s = check(m, a, n, false);

	if (s == OK && n)
		memset(m->base + a.v, 0, n);
	return s;
}

bool gpa_is_memory_any(const struct gmem *m, gpa_t a, size_t n, bool write)
{
	return n && check(m, a, n, write) == OK;
}

static enum status check_aligned(const struct gmem *m, gpa_t a, size_t n, bool write)
{
	return IS_ALIGNED(a.v, n) ? check(m, a, n, write) : ERR_INVAL;
}

enum status gpa_read64(const struct gmem *m, gpa_t a, uint64_t *v)
{
	enum status s = check_aligned(m, a, sizeof(*v), false);

	if (s == OK)
		*v = __atomic_load_n((uint64_t *)(m->base + a.v), __ATOMIC_RELAXED);
	return s;
}

enum status gpa_read32(const struct gmem *m, gpa_t a, uint32_t *v)
{
	enum status s = check_aligned(m, a, sizeof(*v), false);

	if (s == OK)
		*v = __atomic_load_n((uint32_t *)(m->base + a.v), __ATOMIC_RELAXED);
	return s;
}

enum status gpa_xchg32(const struct gmem *m, gpa_t a, uint32_t desired, uint32_t *old)
{
	enum status s = check_aligned(m, a, sizeof(desired), true);

	if (s == OK)
		*old = __atomic_exchange_n((uint32_t *)(m->base + a.v), desired, __ATOMIC_SEQ_CST);
	return s;
}

enum status gpa_cmpxchg64(const struct gmem *m, gpa_t a, uint64_t expected, uint64_t desired)
{
	enum status s = check_aligned(m, a, sizeof(expected), true);

	if (s != OK)
		return s;
	return __atomic_compare_exchange_n((uint64_t *)(m->base + a.v), &expected, desired, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
		   ? OK
		   : ERR_AGAIN;
}

enum status gpa_cmpxchg32(const struct gmem *m, gpa_t a, uint32_t expected, uint32_t desired)
{
	enum status s = check_aligned(m, a, sizeof(expected), true);

	if (s != OK)
		return s;
	return __atomic_compare_exchange_n((uint32_t *)(m->base + a.v), &expected, desired, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
		   ? OK
		   : ERR_AGAIN;
}
