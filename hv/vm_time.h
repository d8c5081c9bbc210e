/* SPDX-License-Identifier: BSD-2-Clause */
/* The life-cycle's side of a guest's clock; what devices ask for is in hv/vm.h. No vCPU of the VM runs. */
#pragma once

struct vm;

/* Guest time and every TSC begin at 0. */
void vm_time_start(struct vm *vm);
/* Guest time stands still from now on, if it doesn't already. */
void vm_time_stop(struct vm *vm);
/* The guest's clocks, TSC included, go on where they stood. */
void vm_time_continue(struct vm *vm);
