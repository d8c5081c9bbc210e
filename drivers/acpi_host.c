/* SPDX-License-Identifier: BSD-2-Clause */
/* The ACPI parser on the real machine: its memory is mm/host_map.h's read-only firmware mappings. */
#include "drivers/acpi.h"

#include "hv/lib/log.h"
#include "mm/host_map.h"

enum status acpi_read(const uint8_t *rsdp, uint64_t rsdp_pa, struct acpi_info *info)
{
	static const struct acpi_memory memory = {.map = host_map_firmware, .unmap = host_unmap};
	enum status s = acpi_parse(&memory, rsdp, rsdp_pa, info);

	if (s == OK)
		log_info("acpi: %u CPUs, %u I/O APICs, PM timer %s, HPET %s, power-off %s", info->cpu_count,
			 info->ioapic_count, info->pm_timer.address ? "yes" : "no",
			 info->hpet_pa ? "yes" : "no",
			 info->has_s5 && info->pm1a_control.address ? "yes" : "no");
	return s;
}
