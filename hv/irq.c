/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of the host's interrupt vectors, and the way from a vector to its handler and its EOI. */
#include "hv/irq.h"
#include <stddef.h>
#include "drivers/lapic.h"
#include "drivers/pic8259.h"
#include "hv/lib/lock.h"
#include "hv/lib/log.h"
#include "hv/lib/panic.h"
#include "hv/pcpu.h"
#include "hv/x86/apic.h"
#include "hv/x86/desc.h"

#define VECTOR_COUNT        256
#define UNEXPECTED_LOG_MAX  8
#define PIC8259_VECTOR_LAST (PIC8259_VECTOR + 15)

struct irq_handler {
	irq_fn fn;
	void *arg;
};

static struct irq_handler handlers[VECTOR_COUNT];
static struct spinlock alloc_lock; /* guards next_vector */
static unsigned next_vector = VECTOR_DYNAMIC;
static uint32_t unexpected_logged;

void irq_set_handler(uint8_t vector, irq_fn fn, void *arg)
{
	CHECK(vector >= VECTOR_DYNAMIC && vector != VECTOR_SPURIOUS);
	handlers[vector].arg = arg;
	__atomic_store_n(&handlers[vector].fn, fn, __ATOMIC_RELEASE);
}

enum status irq_vector_alloc(uint8_t *vector)
{
	enum status s = ERR_NOMEM;

	spin_lock(&alloc_lock);
	if (next_vector <= VECTOR_DYNAMIC_LAST) {
		*vector = (uint8_t)next_vector++;
		s = OK;
	}
	spin_unlock(&alloc_lock);
	return s;
}

/* SDM Vol. 3A, "Message Address Register Format": physical destination, fixed delivery, edge-triggered. */
enum status irq_message(uint32_t cpu, uint64_t *address, uint32_t *data)
{
	uint32_t apic_id = pcpus[cpu]->apic_id;

	if (apic_id >= LAPIC_X1_BROADCAST)
		return ERR_RANGE;
	*address = MSI_ADDR_BASE | apic_id << MSI_ADDR_DEST_SHIFT;
	*data = APIC_DELIVERY_FIXED;
	return OK;
}

static void irq_unexpected(uint8_t vector)
{
	if (__atomic_fetch_add(&unexpected_logged, 1, __ATOMIC_RELAXED) < UNEXPECTED_LOG_MAX)
		log_warn("unexpected interrupt, vector 0x%x, on CPU %u", vector, this_pcpu()->id);
}

void irq_dispatch(uint8_t vector)
{
	irq_fn fn;

	this_pcpu()->irq_count++;
	/* Neither of these sets an in-service bit in the LAPIC, so neither gets an EOI. */
	if (vector == VECTOR_SPURIOUS || (vector >= PIC8259_VECTOR && vector <= PIC8259_VECTOR_LAST))
		return;
	fn = __atomic_load_n(&handlers[vector].fn, __ATOMIC_ACQUIRE);
	if (fn != NULL)
		fn(handlers[vector].arg);
	else if (vector != VECTOR_KICK)
		irq_unexpected(vector);
	lapic_eoi();
}
