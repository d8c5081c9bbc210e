/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VM's memory: frames taken from the guest zone, mapped for the guest (EPT or NPT) and for the host's
 * own accesses to this VM, scrubbed before the guest sees them, given back. Each call is bounded.
 */
#pragma once

#include "hv/lib/status.h"

struct vm;

/* Slots, empty second-stage tables and host view. */
enum status vm_memory_init(struct vm *vm);
/* Takes and maps some more; ERR_AGAIN: call again. */
enum status vm_memory_take_step(struct vm *vm);
/* Scrubs some more. */
enum status vm_memory_scrub_step(struct vm *vm);
/* Gives some back, from the first slot on (vm->progress_slot, vm->progress); after OK everything of vm_memory_init is undone. */
enum status vm_memory_free_step(struct vm *vm);
