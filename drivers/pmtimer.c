/* SPDX-License-Identifier: BSD-2-Clause */
/* The ACPI power management timer (ACPI Specification, "Power Management Timer"): 3.579545 MHz, 24 or 32 bits. */
#include "drivers/clock_source.h"

#include "hv/lib/util.h"
#include "hv/x86/insn.h"
#include "mm/host_map.h"

#define PM_TIMER_HZ 3579545

static uint16_t port;
static volatile uint32_t *memory;

static uint64_t pmtimer_read_port(void)
{
	return in32(port);
}

static uint64_t pmtimer_read_memory(void)
{
	return mmio_read32(memory);
}

bool pmtimer_clock(const struct acpi_info *acpi, struct clock_source *c)
{
	const struct acpi_register *r = &acpi->pm_timer;

	if (!r->address)
		return false;
	*c = (struct clock_source){.name = "PM timer", .hz = PM_TIMER_HZ, .mask = BITS(r->bits - 1, 0)};
	if (r->space == ACPI_SPACE_IO) {
		port = (uint16_t)r->address;
		c->read = pmtimer_read_port;
		return true;
	}
	if (!memory)
		memory = host_map_device(r->address, sizeof(*memory), PT_UC);
	c->read = pmtimer_read_memory;
	return memory != NULL;
}
