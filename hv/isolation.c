/* SPDX-License-Identifier: BSD-2-Clause */
/* Walks the second-stage tables of all VMs, and marks each frame in one bitmap: see isolation.h. */
#include "hv/isolation.h"

#include "hv/lib/fmt.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/shared.h"
#include "hv/vdev/platform.h"
#include "hv/vm.h"
#include "hv/x86/image.h"
#include "mm/host_map.h"
#include "mm/page_alloc.h"

struct walk {
	struct isolation *r;
	const struct vm *vm;
	uint8_t *seen; /* a bit for each frame below the end of the guest zone */
};

static uint64_t image_sum_at_start;

/* Order counts: two words that changed places are noticed. */
static uint64_t image_sum(void)
{
	uint64_t sum = 0;

#pragma GCC unroll 8
	for (const uint64_t *p = (const uint64_t *)text_start; p < (const uint64_t *)rodata_end; p++)
		sum = (sum << 1 | sum >> 63) + *p;
	return sum;
}

void isolation_init(void)
{
	image_sum_at_start = image_sum();
}

/* Marks frames first..first+n-1. False: one of them was marked before. */
static bool mark(uint8_t *seen, uint64_t first, uint64_t n)
{
	for (uint64_t f = first; f < first + n;) {
		bool whole = IS_ALIGNED(f, 8) && first + n - f >= 8;
		uint8_t bits = whole ? 0xff : (uint8_t)(1u << f % 8);

		if (seen[f / 8] & bits)
			return false;
		seen[f / 8] |= bits;
		f += whole ? 8 : 1;
	}
	return true;
}

/* The one page of a VM's that is not its memory. */
static bool is_apic_page(const struct vm *vm, uint64_t gpa, const struct pt_leaf *leaf)
{
	return vm->apic_page && gpa == PLATFORM_LAPIC_BASE && leaf->pa == host_pa(vm->apic_page).v &&
	       leaf->size == PAGE_SIZE && !(leaf->prot & PT_EXEC);
}

/* Memory that the VM shares with others: they may reach it too. */
static bool is_shared(const struct vm *vm, const struct pt_leaf *leaf)
{
	for (uint32_t i = 0; i < vm->cfg->shared_count; i++)
		if (shared_contains(&shared_region[vm->cfg->shared[i].index], hpa(leaf->pa), leaf->size))
			return true;
	return false;
}

static void check_leaf(void *arg, uint64_t gpa, const struct pt_leaf *leaf)
{
	struct walk *w = arg;
	const char *wrong = NULL;

	if (w->r->why[0] || is_apic_page(w->vm, gpa, leaf) || is_shared(w->vm, leaf))
		return;
	if (!page_guest_in_use(hpa(leaf->pa), leaf->size))
		wrong = "which is not memory of a guest";
	else if (!mark(w->seen, leaf->pa >> PAGE_SHIFT, leaf->size >> PAGE_SHIFT))
		wrong = "which is reached twice";
	w->r->frames += leaf->size >> PAGE_SHIFT;
	if (wrong)
		fmt_snprintf(w->r->why, sizeof(w->r->why), "vm %s reaches 0x%lx at 0x%lx, %s",
			     w->vm->cfg->name, leaf->pa, gpa, wrong);
}

static enum status check_guests(struct isolation *r)
{
	uint64_t bytes = ALIGN_UP(page_guest_end() >> PAGE_SHIFT, 8) / 8;
	struct walk w = {.r = r};

	if (!bytes)
		return OK;
	w.seen = page_alloc_bytes(bytes);
	if (!w.seen)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < vm_count; i++) {
		if (!vms[i]->npt.root)
			continue;
		r->guests++;
		w.vm = vms[i];
		pt_walk(&vms[i]->npt, check_leaf, &w);
	}
	page_free_bytes(w.seen, bytes);
	return r->why[0] ? ERR_FAULT : OK;
}

enum status isolation_check(struct isolation *r)
{
	uint64_t bad_va;

	*r = (struct isolation){.checked = (uint64_t)(rodata_end - text_start)};
	if (image_sum() != image_sum_at_start) {
		str_copy(r->why, sizeof(r->why), "Ingot's code or constants have changed");
		return ERR_FAULT;
	}
	if (!host_map_check(&bad_va)) {
		fmt_snprintf(r->why, sizeof(r->why), "the host mapping at 0x%lx is writable and executable",
			     bad_va);
		return ERR_FAULT;
	}
	return check_guests(r);
}
