/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pages of a VM's RAM that have no frame, because the guest gave them away by its balloon. Whatever touches one first brings a
 * fresh frame of zeros: the guest (an exit), or Ingot for it, while it emulates an instruction, follows a device's descriptors or
 * writes into a guest's buffer (a page fault of the host's: no accessor need look, and no loop over descriptors brings more than
 * it touches). Where the machine has no frame left, the guest ends.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/lib/status.h"
#include "hv/lib/types.h"

struct vcpu;
struct vm;

#define VM_STARVED "touched memory that it had given away, and the machine has none left"

enum status vm_absent_init(struct vm *vm);
void vm_absent_fini(struct vm *vm);
/* Is this page not a frame of the VM's, but what stands in its place where there is none? */
bool vm_absent_is_spare(const struct vm *vm, hpa_t pa);
/*
 * Takes the frame of the page at a from vm, which is at rest: no vCPU runs, no device has anything under way, no CPU has its
 * address space loaded, and each vCPU has VREQ_FLUSH for when it goes on. Passes over what is not RAM, or absent, or for whose
 * page tables Ingot's own memory doesn't suffice.
 */
void vm_absent_release(struct vm *vm, gpa_t a);
/* The page of RAM at a has a frame, now or already. ERR_NOMEM: there is none for it; vm comes to its end. Any CPU. */
enum status vm_absent_supply(struct vm *vm, gpa_t a);
/*
 * A page fault of the host at address va, where nothing is mapped. True: it was memory of the VM whose address space is loaded,
 * and can be accessed now.
 */
bool vm_absent_fault(uint64_t va);
/*
 * Such a fault overwrites CR2, which on VMX is the guest's until its next entry. So it is kept in v->cr2_kept, from where
 * vm_absent_fault puts it back: on exits from a VM with a balloon, and here, where this CPU, with v (or NULL) on it, begins to
 * work for another VM.
 */
void vm_absent_keep_cr2(struct vcpu *v);
