/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * End of interrupt without an exit: four bytes of guest memory in which we offer, and the guest accepts by
 * clearing the bit, that the interrupt just delivered is over without a write to its local APIC. The offer stands
 * while nothing else waits in the APIC, and is looked at when the APIC's state matters next.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct vcpu;

/* MSR_KVM_PV_EOI. False: #GP(0), a reserved bit, or the place isn't RAM. */
bool pv_eoi_write_msr(struct vcpu *v, uint64_t value);
/* The MSR enables it, v's interrupts are decided: offers it where the one in service may end so. On v's CPU. */
void pv_eoi_offer(struct vcpu *v);
/* There is an offer (v->lapic.eoi_offered): takes it back, and does what the guest has accepted. On v's CPU. */
void pv_eoi_collect(struct vcpu *v);
/* Power-on or INIT: the guest's memory is not to be written any more. */
void pv_eoi_reset(struct vcpu *v);
