/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The x87, SSE, AVX and further state that XSAVE manages, and the few MSRs that are switched with it. The
 * host uses none of it, so that it changes hands only when a CPU goes from one vCPU to another.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct vcpu;

#define XSAVE_LEGACY_SIZE 576 /* legacy region and header; FXSAVE's 512 fit too */
#define XSAVE_BV          512 /* where XSTATE_BV is, the first field of the header */

/* On the boot CPU: what the hardware has. */
void xstate_init(void);
/* On every CPU: CR4.OSXSAVE, OSFXSR, OSXMMEXCPT, XCR0. */
void xstate_enable(void);
/* XCR0 bits that exist here and that a guest may have. */
uint64_t xstate_supported(void);
/* May guests use XSAVEC and XSAVES? */
bool xstate_compacts(void);
/* Bytes of an area for all of them; a multiple of 64. */
uint32_t xstate_size(void);
/* Makes area the state after power-on (and INIT of x87: FCW 37FH is FNINIT's; RESET's is 40H). */
void xstate_reset(void *area);
/* v's XCR0, as it is now. */
uint64_t xstate_xcr0(struct vcpu *v);
void xstate_save(struct vcpu *v);
void xstate_load(struct vcpu *v);
