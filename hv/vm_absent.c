/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames leave a VM only while it is at rest, which is as if it had ended: nothing has the page in a TLB or under DMA. They come
 * back at any time, since processors don't remember what was not mapped. A page that leaves is mapped by tables of its own from
 * then on, in the view and in the second stage, so that to map it again needs no memory but the frame.
 */
#include "hv/vm_absent.h"

#include "hv/frame.h"
#include "hv/lib/panic.h"
#include "hv/lib/util.h"
#include "hv/pcpu.h"
#include "hv/vcpu.h"
#include "hv/vm.h"
#include "hv/x86/insn.h"
#include "mm/host_map.h"
#include "mm/page_alloc.h"

enum status vm_absent_init(struct vm *vm)
{
	vm->absent = 0;
	vm->starved = false;
	vm->spare = vm->cfg->balloon ? page_alloc(0) : NULL;
	return vm->cfg->balloon && !vm->spare ? ERR_NOMEM : OK;
}

void vm_absent_fini(struct vm *vm)
{
	if (vm->spare)
		page_free(vm->spare, 0);
	vm->spare = NULL;
}

bool vm_absent_is_spare(const struct vm *vm, hpa_t pa)
{
	return vm->spare && pa.v == host_pa(vm->spare).v;
}

/* --- a frame leaves --- */

/* Nothing maps the page any more. False: everything is as it was. */
static bool unmap(struct vm *vm, uint64_t at, uint64_t pa)
{
	uint64_t va = GMEM_VM_BASE + at;

	if (pt_unmap(&vm->view, va, PAGE_SIZE) != OK)
		return false;
	if (pt_unmap(&vm->npt, at, PAGE_SIZE) == OK)
		return true;
	CHECK(pt_map(&vm->view, va, pa, PAGE_SIZE, PT_READ | PT_WRITE, PT_WB) ==
	      OK); /* its table has stayed */
	return false;
}

void vm_absent_release(struct vm *vm, gpa_t a)
{
	const struct gmem_slot *slot = gmem_find(&vm->mem, a);
	uint64_t at = ALIGN_DOWN(a.v, PAGE_SIZE), pa;
	struct pt_leaf leaf;

	if (!slot || slot->readonly)
		return;
	for (uint32_t i = 0; i < pcpu_count; i++)
		CHECK(pcpus[i]->address_space != vm);
	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		CHECK(__atomic_load_n(&vm->vcpu[i]->requests, __ATOMIC_RELAXED) & VREQ_FLUSH);
	spin_lock(&vm->npt_lock);
	if (!vm->starved && pt_lookup(&vm->view, GMEM_VM_BASE + at, &leaf)) {
		pa = leaf.pa + at % leaf.size;
		if (unmap(vm, at, pa)) {
			vm->absent += PAGE_SIZE;
			page_free_guest(hpa(pa), 0);
		}
	}
	spin_unlock(&vm->npt_lock);
}

/* --- a frame comes --- */

/* A page that has just been released has tables for all but the frame. */
static void map(struct page_table *pt, uint64_t va, uint64_t pa, uint32_t rights)
{
	CHECK(pt_map(pt, va, pa, PAGE_SIZE, rights, PT_WB) == OK);
}

/* Lock held. Zeroed before anything maps it: others may look at once. */
static enum status take_frame(struct vm *vm, uint64_t at)
{
	hpa_t pa;

	if (page_alloc_guest(0, &pa) != OK)
		return ERR_NOMEM;
	frame_zero(pa, PAGE_SIZE);
	map(&vm->view, GMEM_VM_BASE + at, pa.v, PT_READ | PT_WRITE);
	map(&vm->npt, at, pa.v, PT_READ | PT_WRITE | PT_EXEC);
	vm->absent -= PAGE_SIZE;
	return OK;
}

enum status vm_absent_supply(struct vm *vm, gpa_t a)
{
	uint64_t at = ALIGN_DOWN(a.v, PAGE_SIZE);
	enum status s = OK;
	struct pt_leaf leaf;

	spin_lock(&vm->npt_lock);
	if (!pt_lookup(&vm->view, GMEM_VM_BASE + at, &leaf))
		s = take_frame(vm, at);
	spin_unlock(&vm->npt_lock);
	if (s != OK) {
		__atomic_store_n(&vm->starved, true, __ATOMIC_RELAXED);
		work_queue(&vm->life); /* not vm_end: who comes here may hold a device's lock */
	}
	return s;
}

/* The access of a VM that has come to its end is made somewhere; its guest never sees it. */
static void use_spare(struct vm *vm, uint64_t at)
{
	struct pt_leaf leaf;

	spin_lock(&vm->npt_lock);
	if (!pt_lookup(&vm->view, GMEM_VM_BASE + at, &leaf))
		map(&vm->view, GMEM_VM_BASE + at, host_pa(vm->spare).v, PT_READ | PT_WRITE);
	spin_unlock(&vm->npt_lock);
}

bool vm_absent_fault(uint64_t va)
{
	struct pcpu *p = this_pcpu();
	struct vm *vm = p->address_space;
	gpa_t a = gpa(va - GMEM_VM_BASE);

	if (!vm || !vm->spare || !gmem_find(&vm->mem, a))
		return false;
	if (vm_absent_supply(vm, a) != OK)
		use_spare(vm, ALIGN_DOWN(a.v, PAGE_SIZE));
	if (p->current)
		write_cr2(p->current->cr2_kept);
	return true;
}

void vm_absent_keep_cr2(struct vcpu *v)
{
	if (v)
		v->cr2_kept = read_cr2();
}
