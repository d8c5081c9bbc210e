/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Host interrupt vectors. Handlers run on the interrupted CPU with interrupts disabled and must not
 * wait; because the host enables interrupts only where hv/pcpu.h says, a handler never interrupts
 * code that holds a lock.
 */
#pragma once

#include <stdint.h>
#include "hv/lib/status.h"

/* Vectors of the host. Below VECTOR_DYNAMIC are CPU exceptions. */
enum {
	VECTOR_DYNAMIC = 0x30, /* first of those that irq_vector_alloc hands out */
	VECTOR_DYNAMIC_LAST = 0xdf,
	VECTOR_TIMER = 0xf0, /* LAPIC timer */
	VECTOR_KICK = 0xf1,  /* another CPU wants this one's attention; the handler does nothing */
	VECTOR_SPURIOUS = 0xff,
};

typedef void (*irq_fn)(void *arg);

/* Sets the handler of one vector (VECTOR_DYNAMIC..0xfe); the caller owns the vector. EOI is sent for it. */
void irq_set_handler(uint8_t vector, irq_fn fn, void *arg);
/* A free vector for a device; ERR_NOMEM when all are in use. */
enum status irq_vector_alloc(uint8_t *vector);
/*
 * What a device writes to memory to raise a vector, to be or-ed into *data, on CPU `cpu` (below pcpu_count). ERR_RANGE: its APIC
 * ID is above 254, which needs interrupt remapping.
 */
enum status irq_message(uint32_t cpu, uint64_t *address, uint32_t *data);
/* Called by the interrupt stubs (and by vmx/, which acknowledges at exit) with the vector. */
void irq_dispatch(uint8_t vector);
