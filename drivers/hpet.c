/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The main counter of the high-precision event timer ("IA-PC HPET Specification", "Register Model"). Its
 * comparators and interrupts are not used.
 */
#include "drivers/clock_source.h"

#include "hv/lib/log.h"
#include "hv/lib/util.h"
#include "hv/x86/insn.h"
#include "mm/host_map.h"

#define HPET_SIZE          0x400
#define HPET_CAPABILITIES  0x000 /* counter's period in femtoseconds in the upper half */
#define HPET_CONFIGURATION 0x010
#define HPET_COUNTER       0x0f0
#define HPET_ENABLE_CNF    BIT(0)
#define HPET_LEG_RT_CNF    BIT(1)
#define HPET_PERIOD_MAX    100000000u /* "at least 10 MHz" */
#define FS_PER_S           1000000000000000ULL

static volatile uint8_t *base;

/* The lower half is enough for a short measurement, and is read in one access on every chip. */
static uint64_t hpet_read(void)
{
	return mmio_read32(base + HPET_COUNTER);
}

bool hpet_clock(const struct acpi_info *acpi, struct clock_source *c)
{
	uint32_t period, config;

	if (!acpi->hpet_pa)
		return false;
	if (!base)
		base = host_map_device(acpi->hpet_pa, HPET_SIZE, PT_UC);
	if (!base)
		return false;
	period = mmio_read32(base + HPET_CAPABILITIES + 4);
	if (period == 0 || period > HPET_PERIOD_MAX) {
		log_warn("HPET: a period of %u fs is not possible, it is left alone", period);
		return false;
	}
	/* Legacy replacement would take the PIT's and the RTC's interrupts away. */
	config = mmio_read32(base + HPET_CONFIGURATION);
	mmio_write32(base + HPET_CONFIGURATION,
		     (config & (uint32_t)~HPET_LEG_RT_CNF) | (uint32_t)HPET_ENABLE_CNF);
	*c = (struct clock_source){
	    .name = "HPET", .hz = FS_PER_S / period, .mask = UINT32_MAX, .read = hpet_read};
	return true;
}
