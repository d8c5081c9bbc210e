/* SPDX-License-Identifier: BSD-2-Clause */
/* A VM's memory: see vm_memory.h. The progress of a step is kept in vm->progress_slot and vm->progress. */
#include "hv/vm_memory.h"

#include "hv/guest_map.h"
#include "hv/lib/panic.h"
#include "hv/lib/util.h"
#include "hv/ops.h"
#include "hv/pcpu.h"
#include "hv/timer.h"
#include "hv/vm.h"
#include "hv/x86/cr.h"
#include "hv/x86/insn.h"
#include "mm/host_map.h"
#include "mm/page_alloc.h"

#define BLOCKS_PER_STEP 64
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
	vm->npt.keep = true; /* BARs and the APIC's page move while vCPUs run */
	vm->blocks = NULL;
	vm->progress_slot = 0;
	vm->progress = 0;
	return OK;
}

/* Remembers a block, so that it can be given back. */
static enum status remember(struct vm *vm, hpa_t pa, unsigned order)
{
	struct vm_blocks *b = vm->blocks;

	static_assert(sizeof(struct vm_blocks) <= PAGE_SIZE);
	if (!b || b->count == VM_BLOCKS_PER_PAGE) {
		b = page_alloc(0);
		if (!b)
			return ERR_NOMEM;
		b->next = vm->blocks;
		vm->blocks = b;
	}
	b->block[b->count++] = pa.v | order;
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
	s = remember(vm, pa, order);
	if (s != OK) {
		page_free_guest(pa, order);
		return s;
	}
	size = PAGE_SIZE << order;
	s = pt_map(&vm->npt, at, pa.v, size, rights, PT_WB);
	if (s == OK)
		s = pt_map(&vm->view, GMEM_VM_BASE + at, pa.v, size, PT_READ | PT_WRITE, PT_WB);
	vm->progress += size;
	return s;
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

enum status vm_memory_free_step(struct vm *vm)
{
	struct vm_blocks *b = vm->blocks;

	if (!b) {
		for (uint32_t i = 0; i < pcpu_count; i++)
			CHECK(pcpus[i]->address_space != vm);
		pt_fini(&vm->npt);
		host_view_fini(&vm->view);
		return OK;
	}
	for (unsigned i = 0; i < BLOCKS_PER_STEP && b->count; i++) {
		uint64_t block = b->block[--b->count];

		page_free_guest(hpa(ALIGN_DOWN(block, PAGE_SIZE)), block & (PAGE_SIZE - 1));
	}
	if (!b->count) {
		vm->blocks = b->next;
		page_free(b, 0);
	}
	return ERR_AGAIN;
}

unsigned vm_frames(const struct vm *vm, gpa_t a, size_t n, struct frame_run *run, unsigned max)
{
	unsigned count = 0;

	for (size_t done = 0, part; done < n; done += part) {
		uint64_t left;
		hpa_t pa;

		CHECK(pt_host_find(&vm->view, GMEM_VM_BASE + a.v + done, &pa.v, &left));
		part = MIN(n - done, left);
		if (count && run[count - 1].pa.v + run[count - 1].len == pa.v) {
			run[count - 1].len += part;
		} else {
			if (count == max)
				return 0;
			run[count++] = (struct frame_run){pa, part};
		}
	}
	return count;
}

struct vm *vm_enter_address_space(struct vm *vm)
{
	struct pcpu *p = this_pcpu();
	struct vm *was = p->address_space;

	if (was != vm) {
		p->address_space = vm;
		write_cr3(vm ? host_pa(vm->view.root).v : host_map_cr3());
	}
	return was;
}
