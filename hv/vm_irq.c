/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How interrupts of emulated devices enter the machine: lines to the IOAPIC and the PIC, messages to the
 * LAPICs. The routing is platform.h's; the controllers' behaviour is hv/vdev's.
 */
#include "hv/lib/panic.h"
#include "hv/vdev/lapic.h"
#include "hv/vm.h"
#include "hv/x86/apic.h"

#define ISA_LINES     16
#define PIC_TIMER     0 /* the timer's PIC input; its GSI is PLATFORM_GSI_TIMER */
#define MSI_DEST_BITS 0xff

/* irq_lock held. */
static void set_line(struct vm *vm, unsigned gsi, bool level)
{
	/* Input 2 of the PIC is its cascade; pin 0 of the IOAPIC has no line. */
	if (gsi == PLATFORM_GSI_TIMER)
		vpic_set_line(vm, PIC_TIMER, level);
	else if (gsi > 0 && gsi < ISA_LINES)
		vpic_set_line(vm, gsi, level);
	vioapic_set_line(vm, gsi, level);
}

void vm_irq_set(struct vm *vm, unsigned gsi, bool level)
{
	CHECK(gsi < PLATFORM_IOAPIC_PINS);
	spin_lock(&vm->irq_lock);
	set_line(vm, gsi, level);
	spin_unlock(&vm->irq_lock);
}

void vm_irq_set_legacy(struct vm *vm, unsigned gsi, bool level)
{
	CHECK(gsi < PLATFORM_IOAPIC_PINS);
	spin_lock(&vm->irq_lock);
	if (!vm->legacy_replaced)
		set_line(vm, gsi, level);
	spin_unlock(&vm->irq_lock);
}

void vm_irq_replace_legacy(struct vm *vm, bool on)
{
	spin_lock(&vm->irq_lock);
	vm->legacy_replaced = on;
	set_line(vm, PLATFORM_GSI_TIMER, false);
	set_line(vm, PLATFORM_GSI_RTC, false);
	spin_unlock(&vm->irq_lock);
}

/* SDM Vol. 3A, "Message Signalled Interrupts". A redirection hint means the same as lowest priority. */
void vm_msi(struct vm *vm, uint64_t address, uint32_t data)
{
	struct apic_message m = {
	    .dest = (uint32_t)(address >> MSI_ADDR_DEST_SHIFT) & MSI_DEST_BITS,
	    .logical = address & MSI_ADDR_LOGICAL,
	    .level = data & MSI_DATA_LEVEL,
	    .mode = (data & APIC_DELIVERY_MASK) >> APIC_DELIVERY_SHIFT,
	    .vector = data & APIC_VECTOR,
	};

	if ((address & ~(uint64_t)(~MSI_ADDR_BASE_MASK)) != MSI_ADDR_BASE)
		return;
	if (m.level && !(data & MSI_DATA_ASSERT))
		return; /* a level's de-assertion: EOI has ended it already */
	vlapic_deliver(vm, &m);
}
