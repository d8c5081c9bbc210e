/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VM's memory: see vm_memory.h. The progress of a step is kept in vm->progress_slot and vm->progress. Which frames a VM has is
 * what its host view maps.
 */
#include "hv/vm_memory.h"

#include "hv/guest_map.h"
#include "hv/lib/panic.h"
#include "hv/lib/util.h"
#include "hv/ops.h"
#include "hv/pcpu.h"
#include "hv/timer.h"
#include "hv/vcpu.h"
#include "hv/vm.h"
#include "hv/vm_absent.h"
#include "hv/x86/cr.h"
#include "hv/x86/insn.h"
#include "mm/host_map.h"
#include "mm/page_alloc.h"

#define BLOCKS_PER_STEP 64
#define LEAVES_PER_STEP 256
#define SCRUB_PER_STEP  MIB(2)

enum status vm_memory_init(struct vm *vm)
{
	enum status s;

	vm->mem = (struct gmem){.base = (uint8_t *)GMEM_VM_BASE};
	s = guest_map_add_slots(&vm->mem, vm->cfg->memory);
	if (s != OK)
		return s;
	s = host_view_init(&vm->view);
	if (s != OK)
		return s;
	s = pt_init(&vm->npt, ops->npt_format, &pt_host_memory);
	if (s != OK) {
		host_view_fini(&vm->view);
		return s;
	}
	s = vm_absent_init(vm);
	if (s != OK) {
		pt_fini(&vm->npt);
		host_view_fini(&vm->view);
		return s;
	}
	/* BARs, the APIC's page, and pages that were absent are mapped while processors walk the tables. */
	vm->npt.keep = vm->view.keep = true;
	vm->progress_slot = 0;
	vm->progress = 0;
	return OK;
}

/* The largest block that may lie at gpa: naturally aligned and no longer than what is left. */
static unsigned largest_order(uint64_t gpa, uint64_t left)
{
	unsigned order = PAGE_ORDER_MAX;

	while (order && (!IS_ALIGNED(gpa, PAGE_SIZE << order) || PAGE_SIZE << order > left))
		order--;
	return order;
}

static enum status take_block(struct vm *vm, const struct gmem_slot *slot)
{
	uint64_t at = slot->base + vm->progress;
	unsigned order = largest_order(at, slot->size - vm->progress);
	uint32_t rights = PT_READ | PT_EXEC | (slot->readonly ? 0 : PT_WRITE);
	uint64_t size;
	enum status s;
	hpa_t pa;

	while ((s = page_alloc_guest(order, &pa)) != OK) {
		if (!order)
			return s;
		order--;
	}
	size = PAGE_SIZE << order;
	/* The view first: what is in it is given back at the end. */
	s = pt_map(&vm->view, GMEM_VM_BASE + at, pa.v, size, PT_READ | PT_WRITE, PT_WB);
	if (s != OK) {
		page_free_guest(pa, order);
		return s;
	}
	vm->progress += size;
	return pt_map(&vm->npt, at, pa.v, size, rights, PT_WB);
}

enum status vm_memory_take_step(struct vm *vm)
{
	for (unsigned i = 0; i < BLOCKS_PER_STEP; i++) {
		const struct gmem_slot *slot = &vm->mem.slot[vm->progress_slot];
		enum status s;

		if (vm->progress_slot == vm->mem.count)
			return OK;
		s = take_block(vm, slot);
		if (s != OK)
			return s;
		if (vm->progress == slot->size) {
			vm->progress_slot++;
			vm->progress = 0;
		}
	}
	return ERR_AGAIN;
}

enum status vm_memory_scrub_step(struct vm *vm)
{
	const struct gmem_slot *slot = &vm->mem.slot[vm->progress_slot];
	uint64_t n, start;
	enum status s;

	if (vm->progress_slot == vm->mem.count)
		return OK;
	n = MIN(slot->size - vm->progress, SCRUB_PER_STEP);
	vm_enter_address_space(vm);
	start = rdtsc();
	s = gpa_zero(&vm->mem, gpa(slot->base + vm->progress), n);
	__atomic_fetch_add(&boot_cost.scrubbing, rdtsc() - start, __ATOMIC_RELAXED);
	if (s != OK)
		return s;
	vm->progress += n;
	if (vm->progress == slot->size) {
		vm->progress_slot++;
		vm->progress = 0;
	}
	return ERR_AGAIN;
}

/* The order of a leaf, which is a block of its own. */
static unsigned leaf_order(const struct pt_leaf *leaf)
{
	return (unsigned)__builtin_ctzll(leaf->size / PAGE_SIZE);
}

/* Gives back the first leaf of what is left of a slot, or passes over a hole. */
static void free_some(struct vm *vm, const struct gmem_slot *slot)
{
	uint64_t at = slot->base + vm->progress;
	struct pt_leaf leaf;

	if (pt_lookup(&vm->view, GMEM_VM_BASE + at, &leaf) && !vm_absent_is_spare(vm, hpa(leaf.pa)))
		page_free_guest(hpa(leaf.pa), leaf_order(&leaf));
	vm->progress = ALIGN_DOWN(at, leaf.size) + leaf.size - slot->base;
	if (vm->progress >= slot->size) {
		vm->progress_slot++;
		vm->progress = 0;
	}
}

enum status vm_memory_free_step(struct vm *vm)
{
	/* First, so that isolation_check finds no frame in them that is not its own any more. */
	if (vm->npt.root)
		pt_fini(&vm->npt);
	for (unsigned i = 0; i < LEAVES_PER_STEP && vm->progress_slot < vm->mem.count; i++)
		free_some(vm, &vm->mem.slot[vm->progress_slot]);
	if (vm->progress_slot < vm->mem.count)
		return ERR_AGAIN;
	for (uint32_t i = 0; i < pcpu_count; i++)
		CHECK(pcpus[i]->address_space != vm);
	host_view_fini(&vm->view);
	vm_absent_fini(vm);
	return OK;
}

/* What of vm's view maps `va`. False: nothing. */
static bool find(struct vm *vm, uint64_t va, struct pt_span *span)
{
	struct pcpu *p = this_pcpu();

	if (p->address_space != vm)
		return pt_host_find(&vm->view, va, span);
	/* Nothing of a view that is loaded anywhere is ever mapped elsewhere, or not any more: hv/vm_absent.c. */
	if (va - p->found.va >= p->found.size && !pt_host_find(&vm->view, va, &p->found))
		return false;
	*span = p->found;
	return true;
}

[[gnu::noinline]] static unsigned find_all(struct vm *vm, uint64_t va, size_t n, struct frame_run *run,
					   unsigned max)
{
	unsigned count = 0;

	for (uint32_t part; n; n -= part, va += part) {
		struct pt_span span;
		uint64_t pa;

		while (!find(vm, va, &span))
			if (vm_absent_supply(vm, gpa(va - GMEM_VM_BASE)) != OK)
				return 0;
		part = (uint32_t)MIN(n, span.va + span.size - va);
		pa = span.pa + (va - span.va);
		if (count && run[count - 1].pa.v + run[count - 1].len == pa) {
			run[count - 1].len += part;
		} else {
			if (count == max)
				return 0;
			run[count++] = (struct frame_run){hpa(pa), part};
		}
	}
	return count;
}

unsigned vm_frames(struct vm *vm, gpa_t a, size_t n, struct frame_run *run, unsigned max)
{
	uint64_t va = GMEM_VM_BASE + a.v;
	const struct pcpu *p = this_pcpu();
	uint64_t within = va - p->found.va;

	if (p->address_space != vm || within >= p->found.size || n > p->found.size - within || !max)
		return find_all(vm, va, n, run, max);
	*run = (struct frame_run){hpa(p->found.pa + within), (uint32_t)n};
	return 1;
}

struct vm *vm_enter_address_space(struct vm *vm)
{
	struct pcpu *p = this_pcpu();
	struct vm *was = p->address_space;

	if (was != vm) {
		vm_absent_keep_cr2(p->current);
		p->address_space = vm;
		p->found.size = 0;
		write_cr3(vm ? host_pa(vm->view.root).v : host_map_cr3());
	}
	return was;
}
