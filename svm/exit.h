/* SPDX-License-Identifier: BSD-2-Clause */
/* From a VMCB after #VMEXIT to the core's words. Pure functions of captured state. */
#pragma once

#include <stdbool.h>
#include "hv/event.h"
#include "hv/exit.h"
#include "svm/vmcb.h"

/*
 * Fills e from b. nrips: the CPU saves the next RIP; without it the length of an instruction is known for
 * port accesses only.
 */
void svm_exit_decode(const struct vmcb *b, bool nrips, struct vm_exit *e);
/*
 * True if the exit came in the middle of an event's delivery that must be made again; ev is that event.
 * False for INT n, INT3 and INTO: RIP is still at the instruction, which will run again.
 */
bool svm_exit_interrupted(const struct vmcb *b, struct guest_event *ev);
