/* SPDX-License-Identifier: BSD-2-Clause */
/* What hv/mitigations.h decided, done: at boot, on each CPU, and where a CPU goes over to a guest. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/mitigations.h"

struct pcpu;
struct vcpu;
struct vm;

/* On the boot CPU, once the configuration is read, before any VM is built. */
void speculation_init(bool automatic);
/* The same for a processor like c. */
void speculation_decide(const struct mitigation_cpu *c, bool automatic);
/* On every CPU, before it runs guests. */
void speculation_enable(void);

bool speculation_on(enum mitigation m);
/* Of a mitigation, on or off: why. */
const char *speculation_why(enum mitigation m);

/* Actions that are due before p enters a guest of vm from the host's own work, by enum mitigation. */
uint32_t speculation_due(const struct pcpu *p, const struct vm *vm);
/* Takes them. Before the guest's state is loaded; within the loop of exits and entries nothing is due. */
void speculation_guest_enters(struct pcpu *p, const struct vm *vm);

/* Bits that IA32_SPEC_CTRL keeps set for the host's sake, whatever the guest's value is. */
uint64_t speculation_spec_ctrl(void);
