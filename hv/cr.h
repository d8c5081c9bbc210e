/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's writes of CR0, CR3, CR4, CR8, EFER, XCR0 and debug registers: the architecture's checks,
 * and what follows from a change of mode. How the hardware's own copies are kept is the back ends' matter.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/exit.h"

struct vcpu;

/* EXIT_CR. Where e->cr.gpr is EXIT_GPR_DECODE the instruction is read; e->insn_len is then filled in. */
enum exit_action cr_handle(struct vcpu *v, struct vm_exit *e);
/* EXIT_XSETBV. */
enum exit_action xsetbv_handle(struct vcpu *v);
/* EXIT_DR. Likewise. */
enum exit_action dr_handle(struct vcpu *v, struct vm_exit *e);

/* One write by the guest at CPL 0. False: #GP(0). Also for the loaders, which must not fail. */
bool cr0_write(struct vcpu *v, uint64_t value);
bool cr3_write(struct vcpu *v, uint64_t value);
bool cr4_write(struct vcpu *v, uint64_t value);
bool efer_write(struct vcpu *v, uint64_t value);
bool xcr0_write(struct vcpu *v, uint64_t value);
