/* SPDX-License-Identifier: BSD-2-Clause */
/* Makes what a VM is made of, and gives it back. Only the VM's life-cycle calls it; each call is bounded. */
#pragma once

#include "hv/lib/status.h"

struct vm;

/*
 * Whatever can be known at once: files, CPUs, room; empty tables, vCPUs and devices are made. On an error nothing is
 * left, and vm->why is a text for the operator.
 */
enum status vm_build(struct vm *vm);
/* From here vm_build_step loads the files anew into the same memory, as a restart does. */
void vm_build_again(struct vm *vm);
/* Takes and scrubs memory, then loads the files. ERR_AGAIN: there is more. May leave vm's address space loaded. */
enum status vm_build_step(struct vm *vm);
/* Undoes it all, whatever vm_build_step had come to; ERR_AGAIN: there is more. No vCPU runs. */
enum status vm_unbuild_step(struct vm *vm);
